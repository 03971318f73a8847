//! `lamplighter fleet`: the homes of a world on real sockets, for `serve` or anybody's head-end.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use eligibility::write_csv;
use firmware_image::{MAX_FILE_LEN, TrustStore, VerifiedImage};
use fleet::{DeviceKind, DeviceTrust, Fleet, Paperwork, WorldSpec, hub_address, hub_ids, paperwork};
use host::{FleetHost, FleetHostOptions, HostTraffic, Participant, Speed, SteadyClock, most_connections};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use transfer_engine::HubId;

use super::simulate::read_world;
use crate::capture::{self, PcapArguments};
use crate::device::{StopSignals, TrustArguments, parse_speed, start_failure};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files;
use crate::keys::{LinkKeyFile, make_link_keys};
use crate::open_files;
use crate::output::Output;

/// Options of `fleet`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter fleet simulators/fleets/street.toml --inventory lists
  lamplighter fleet simulators/fleets/street.toml --inventory lists --fresh-link-keys link.keys
  lamplighter fleet simulators/fleets/town.toml --installations 200 --seed 7 --speed 60")]
pub(crate) struct FleetArguments {
    /// The world: homes, links and troubles.
    world: PathBuf,
    /// The addresses of the hubs: each has its own, from 127.16.0.1 upwards. There is no other choice yet.
    #[arg(long, value_name = "NET", default_value = LOOPBACK, value_parser = [LOOPBACK])]
    bind: String,
    /// The port at which every hub answers; 0 takes a free one.
    #[arg(long, default_value_t = 4059)]
    port: u16,
    /// Answer over TCP as well. Connections to all hubs are taken, an eighth more to spare, and 65,536 at most. Each is an
    /// open file: the soft limit of this process (ulimit -Sn) is raised to what that needs, as far as the hard one (ulimit
    /// -Hn) allows; the command says so where that is not enough.
    #[arg(long)]
    tcp: bool,
    /// The seed. The same seed gives the same homes, links and losses.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Build this many homes instead of as many as the world says.
    #[arg(long, value_name = "N")]
    installations: Option<NonZeroU32>,
    /// How many times faster than real time links and devices are.
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = parse_speed)]
    speed: Speed,
    /// Write cpl.csv, epcl.csv, ppcl.csv, evidence.csv and inventory.csv for these homes into this folder.
    #[arg(long, value_name = "DIR")]
    inventory: Option<PathBuf>,
    /// An image that will be offered, for which the lists are written and the device models made to fit; repeat it
    /// for more. By default the project's own samples for electricity and gas meters.
    #[arg(long = "image", value_name = "FILE", num_args = 1..)]
    images: Vec<PathBuf>,
    /// Have all hubs speak ciphered, and nothing but ciphered, with the keys in this file; serve reads the same file.
    #[arg(long, value_name = "FILE", conflicts_with = "fresh_link_keys")]
    link_keys: Option<PathBuf>,
    /// The same with new keys, which are written into this file.
    #[arg(long, value_name = "FILE")]
    fresh_link_keys: Option<PathBuf>,
    #[command(flatten)]
    pcap: PcapArguments,
    #[command(flatten)]
    trust: TrustArguments,
}

const LOOPBACK: &str = "127.0.0.0/8";

const ELECTRICITY_SAMPLE: &[u8] = include_bytes!("../../../../firmware-images/esme.ota");
const GAS_SAMPLE: &[u8] = include_bytes!("../../../../firmware-images/gsme.ota");

/// What the fleet has done when it is told to stop.
#[derive(Debug, Serialize)]
struct FleetReport {
    homes: u32,
    frames_received: u64,
    frames_sent: u64,
    frames_for_nobody: u64,
    activations: u64,
    rejections: u64,
    rollbacks: u64,
}

impl fmt::Display for FleetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "frames    {} received, {} sent, {} for addresses without a hub",
            self.frames_received, self.frames_sent, self.frames_for_nobody
        )?;
        write!(
            f,
            "devices   {} activated, {} images rejected, {} rolled back, in {} homes",
            self.activations, self.rejections, self.rollbacks, self.homes
        )
    }
}

pub(crate) fn run(arguments: &FleetArguments, output: &Output) -> Result<(), Failure> {
    let mut spec = read_world(&arguments.world)?;
    if let Some(installations) = arguments.installations {
        spec.installations = installations;
        spec.cells = spec.cells.min(installations);
    }
    let trust = arguments.trust.resolve(output)?;
    let images = read_images(arguments, trust.images(), &mut spec)?;
    output.talk(format_args!("seed {}", arguments.seed));
    let keys = read_link_keys(arguments, &spec)?;
    let mut fleet = build(arguments, &spec, &trust, keys.as_ref())?;
    let capture = arguments.pcap.open()?;
    if let Some(capture) = &capture {
        fleet.observe(capture.observer());
    }
    let ran = host(arguments, &spec, &images, fleet, output);
    output.report(&capture::close(capture, ran, output)?)
}

/// Serves the homes until it is told to stop.
fn host(
    arguments: &FleetArguments,
    spec: &WorldSpec,
    images: &BTreeMap<DeviceKind, VerifiedImage>,
    fleet: Fleet,
    output: &Output,
) -> Result<FleetReport, Failure> {
    let homes: Vec<_> = fleet.homes().cloned().collect();
    if arguments.tcp {
        make_room(homes.len() as u32, output);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_fail(ExitCode::Failed, "the tokio runtime")?;
    let signals = {
        let _within = runtime.enter();
        StopSignals::listen()?
    };
    let stop = CancellationToken::new();
    let options = FleetHostOptions {
        port: arguments.port,
        tcp: arguments.tcp,
        clock: Arc::new(SteadyClock::new(spec.start, arguments.speed)),
        participant: Participant(0),
    };
    // The port before the files: a fleet that cannot listen leaves nothing behind.
    let host = FleetHost::start(fleet, options, stop.clone()).map_err(start_failure)?;
    if let Some(folder) = &arguments.inventory {
        let papers = paperwork(spec, &homes, images, host.port()).or_bad_input(arguments.world.display())?;
        write_lists(folder, &papers)?;
        output.talk(format_args!("lists   {}", folder.display()));
    }
    let count = homes.len() as u32;
    let last = hub_address(HubId(count - 1));
    output.talk(format_args!(
        "ready   {count} homes at {} to {last}, port {}, {} real time; Ctrl-C stops",
        hub_address(HubId(0)),
        host.port(),
        arguments.speed
    ));
    runtime.block_on(signals.until_told(stop));
    let traffic = host.traffic();
    let fleet = host.join().map_err(start_failure)?;
    Ok(report(fleet, traffic, count))
}

/// Lets the process have a connection open to each hub, or says to how many it may.
fn make_room(hubs: u32, output: &Output) {
    let wanted = most_connections(hubs) as u64;
    let allowed = open_files::allow_streams(wanted);
    if allowed < wanted.min(hubs.into()) {
        output.talk(format_args!(
            "streams {allowed} at a time, to {hubs} hubs: the hard limit of open files (ulimit -Hn) allows no more"
        ));
    }
}

fn read_link_keys(arguments: &FleetArguments, spec: &WorldSpec) -> Result<Option<LinkKeyFile>, Failure> {
    match (&arguments.link_keys, &arguments.fresh_link_keys) {
        (Some(path), _) => LinkKeyFile::read(path).map(Some),
        (None, Some(path)) => make_link_keys(path, hub_ids(spec, arguments.seed).into_iter()).map(Some),
        (None, None) => Ok(None),
    }
}

/// Builds the homes, their hubs with keys if there are any.
fn build(
    arguments: &FleetArguments,
    spec: &WorldSpec,
    trust: &Arc<DeviceTrust>,
    keys: Option<&LinkKeyFile>,
) -> Result<Fleet, Failure> {
    let Some(keys) = keys else { return Ok(Fleet::build(spec, arguments.seed, trust, spec.start)) };
    let mut failure = None;
    let fleet = Fleet::build_secured(spec, arguments.seed, trust, spec.start, |hub| {
        let found = keys.hub_security(hub).and_then(|found| {
            found.ok_or_else(|| {
                Failure::message(ExitCode::BadInput, format_args!("no link keys of hub {hub}"))
            })
        });
        found.map_err(|error| failure.get_or_insert(error)).ok()
    });
    match (failure, &arguments.link_keys) {
        (None, _) => Ok(fleet),
        (Some(failure), Some(path)) => Err(failure.at(path.display())),
        (Some(failure), None) => Err(failure),
    }
}

fn report(fleet: Fleet, traffic: HostTraffic, homes: u32) -> FleetReport {
    let census = fleet.census();
    FleetReport {
        homes,
        frames_received: traffic.received,
        frames_sent: traffic.sent,
        frames_for_nobody: traffic.strangers,
        activations: census.total(|device| device.activations),
        rejections: census.total(|device| device.rejections),
        rollbacks: census.total(|device| device.rollbacks),
    }
}

/// Reads and verifies the images on offer, and makes the device models of the world theirs.
fn read_images(
    arguments: &FleetArguments,
    trust: &TrustStore,
    spec: &mut WorldSpec,
) -> Result<BTreeMap<DeviceKind, VerifiedImage>, Failure> {
    let mut files: Vec<(String, Bytes)> = Vec::new();
    for path in &arguments.images {
        files.push((path.display().to_string(), Bytes::from(files::read(path, MAX_FILE_LEN)?)));
    }
    if files.is_empty() {
        if arguments.inventory.is_none() {
            return Ok(BTreeMap::new());
        }
        files.push(("the sample esme.ota".to_owned(), Bytes::from_static(ELECTRICITY_SAMPLE)));
        files.push(("the sample gsme.ota".to_owned(), Bytes::from_static(GAS_SAMPLE)));
    }
    let mut images = BTreeMap::new();
    for (name, bytes) in files {
        let image = trust.verify_bytes(bytes).or_fail(ExitCode::Refused, &name)?;
        let identity = image.identity();
        let kind = DeviceKind::ALL.into_iter().find(|kind| {
            let model = spec.device.of(*kind).target();
            (model.manufacturer, model.image_type) == (identity.manufacturer, identity.image_type)
        });
        let Some(kind) = kind else {
            let message = format!(
                "{name}: manufacturer {} and image type {} are of no device in {}",
                identity.manufacturer,
                identity.image_type,
                arguments.world.display()
            );
            return Err(Failure::message(ExitCode::BadInput, message));
        };
        spec.adopt_model(kind, &identity);
        images.insert(kind, image);
    }
    Ok(images)
}

fn write_lists(folder: &Path, papers: &Paperwork) -> Result<(), Failure> {
    fs::create_dir_all(folder).or_bad_input(folder.display())?;
    let lists = [
        ("cpl.csv", write_csv(&papers.register.cpl)),
        ("epcl.csv", write_csv(&papers.register.epcl)),
        ("ppcl.csv", write_csv(&papers.register.ppcl)),
        ("evidence.csv", write_csv(&papers.register.evidence)),
        ("inventory.csv", write_csv(&papers.inventory)),
    ];
    for (name, bytes) in lists {
        let path = folder.join(name);
        files::Destination::new(&path, files::Overwrite::Replace, &[])?.write(&bytes)?;
    }
    Ok(())
}
