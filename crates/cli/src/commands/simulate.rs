//! `lamplighter simulate`: a campaign on a world under virtual time, or one in each of its regions.

mod regions; // a world of several regions

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campaign::{Bound, Phase, lower_bound};
use clap::Args;
use firmware_image::{FileDigest, SigningKey, TrustStore, VerifiedImage};
use fleet::{Cast, Census, DeviceKind, DeviceTrust, Fidelity, Rehearsal, Simulation, WorldSpec};
use indicatif::ProgressBar;

use crate::capture::{self, PcapArguments};
use crate::cast;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files;
use crate::hash_speed;
use crate::output::Output;
use crate::progress;
use crate::report::{self, ReportInput, Summary};

/// Options of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter simulate simulators/fleets/street.toml --seed 7
  lamplighter simulate simulators/fleets/town.toml --seed 7 --json
  lamplighter simulate simulators/fleets/street.toml --seed 7 --pcap street.pcapng")]
pub(crate) struct SimulateArguments {
    /// The world: homes, links, troubles and the campaign's policy.
    world: PathBuf,
    /// The seed. The same seed gives the same run, down to the ledger's head hash.
    #[arg(long)]
    seed: u64,
    /// Write report.html, devices.csv and summary.json into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Simulate every radio frame by itself. Slower; outcomes, moments and the ledger are the same.
    #[arg(long)]
    exact: bool,
    /// Give up when the campaign has not ended after this many simulated days.
    #[arg(long, value_name = "DAYS", default_value_t = 60)]
    days: u32,
    #[command(flatten)]
    pcap: PcapArguments,
}

/// World files are a few kilobytes; a megabyte is somebody's mistake.
pub(crate) const WORLD_FILE_MAX: usize = 1 << 20;

/// Any port: nothing listens in a simulation, but inventories name addresses.
pub(super) const HUB_PORT: u16 = 4059;

/// Reads a world file.
pub(crate) fn read_world(path: &std::path::Path) -> Result<WorldSpec, Failure> {
    let bytes = files::read(path, WORLD_FILE_MAX)?;
    WorldSpec::read(&bytes).or_bad_input(path.display())
}

/// Makes a key from the seed: simulations must repeat to the byte, and their keys protect nothing.
fn key(seed: u64, purpose: &str) -> SigningKey {
    let digest = FileDigest::of(&Bytes::from(format!("lamplighter simulation key, {purpose}, seed {seed}")));
    SigningKey::generate_from_seed(*digest.as_bytes())
}

/// Who takes part besides the homes: keys and images, the same in all regions.
pub(super) struct Actors {
    images: BTreeMap<DeviceKind, VerifiedImage>,
    trust: Arc<DeviceTrust>,
    seed: u64,
}

impl Actors {
    pub(super) fn new(spec: &WorldSpec, seed: u64) -> Result<Actors, Failure> {
        let image_key = key(seed, "images");
        let images = cast::signed_samples(spec, &image_key)?;
        let orders = vec![key(seed, "orders").public()];
        let trust = DeviceTrust::pinned(TrustStore::new(vec![image_key.public()]), orders);
        Ok(Actors { images, trust: Arc::new(trust), seed })
    }

    /// Leaves out the images for all other kinds of devices.
    pub(super) fn with_images_for(mut self, kinds: &[DeviceKind]) -> Actors {
        self.images.retain(|kind, _| kinds.contains(kind));
        self
    }

    pub(super) fn cast<'a>(&'a self, spec: &'a WorldSpec, seed: u64) -> Cast<'a> {
        Cast {
            spec,
            seed,
            images: &self.images,
            trust: Arc::clone(&self.trust),
            order_key: key(self.seed, "orders"),
            hub_port: HUB_PORT,
        }
    }
}

impl SimulateArguments {
    fn limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.days) * 86_400)
    }
}

pub(crate) fn run(arguments: &SimulateArguments, output: &Output) -> Result<(), Failure> {
    let spec = read_world(&arguments.world)?;
    hash_speed::warn_if_slow();
    output.talk(format_args!("seed {}", arguments.seed));
    let actors = Actors::new(&spec, arguments.seed)?;
    if spec.regions.get() > 1 {
        if arguments.pcap.is_asked_for() {
            let message = "a capture is of one campaign, and this world has several regions";
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        return regions::run(arguments, &spec, &actors, output);
    }
    let mut rehearsal =
        Rehearsal::new(actors.cast(&spec, arguments.seed)).or_bad_input(arguments.world.display())?;
    if arguments.exact {
        rehearsal.fleet.set_fidelity(Fidelity::Exact);
    }
    let mut simulation = Simulation::new(rehearsal, spec.start, HUB_PORT)
        .or_fail(ExitCode::BadInput, arguments.world.display())?;
    let capture = arguments.pcap.open()?;
    if let Some(capture) = &capture {
        simulation.observe(capture.observer());
    }
    let bar = progress::bar(simulation.state().rows().len(), output);
    let mut turn = 0u32;
    let ran = simulation.run(arguments.limit(), |_, state| {
        turn = turn.wrapping_add(1);
        // Drawing costs more than a step of the simulation: look now and then.
        if turn.is_multiple_of(4_096) {
            show(&bar, state);
        }
    });
    bar.finish_and_clear();
    capture::close(capture, ran.or_fail(ExitCode::Failed, "the simulation"), output)?;
    finish(arguments, &spec, &simulation, output)
}

fn show(bar: &ProgressBar, state: &campaign::CampaignState) {
    let tally = state.progress();
    bar.set_position(tally.ended as u64);
    bar.set_message(format!("wave {} · {} done · {} failed", state.waves_opened, tally.done, tally.failed));
}

fn finish(
    arguments: &SimulateArguments,
    spec: &WorldSpec,
    simulation: &Simulation,
    output: &Output,
) -> Result<(), Failure> {
    let counters = simulation.conductor().counters();
    let mut facts = vec![
        ("WAN bytes sent, headers included".to_owned(), counters.bytes_sent.to_string()),
        ("Image blocks sent".to_owned(), counters.blocks_sent.to_string()),
    ];
    facts.extend(battery_fact(&simulation.census()));
    let input = ReportInput {
        title: format!("Simulated campaign on {}", spec.name),
        seed: Some(arguments.seed),
        state: simulation.state(),
        bound: bound_of(spec, simulation),
        facts,
        head: simulation.head(),
    };
    output.report(&Summary::of(&input))?;
    if let Some(folder) = &arguments.report {
        let files = report::write(folder, &input)?;
        output.talk(format_args!("report  {}", files.html.display()));
    }
    judge(simulation.state())
}

/// Says what waking and fetching drew from the batteries of the gas meters; nothing in a world without any.
fn battery_fact(census: &Census) -> Option<(String, String)> {
    const NAH_PER_MAH: f64 = 1e6;
    let mut drawn: Vec<u64> = census.everybody().filter_map(|device| device.battery_drawn_nah).collect();
    drawn.sort_unstable();
    let (median, most) = (drawn.get(drawn.len() / 2)?, drawn.last()?);
    let spared = census.everybody().filter(|device| device.battery_refusals > 0).count();
    let mah = |nah: &u64| *nah as f64 / NAH_PER_MAH;
    let said = format!("{:.2} median, {:.2} most; {spared} spared theirs", mah(median), mah(most));
    Some(("Battery drawn by a gas meter, mAh".to_owned(), said))
}

/// Returns what no order of sending could have beaten with the bytes and the tails as they were, unless the campaign was
/// halted: then there is no end to speak of.
fn bound_of(spec: &WorldSpec, simulation: &Simulation) -> Option<Bound> {
    let state = simulation.state();
    if state.phase != Phase::Finished {
        return None;
    }
    lower_bound(&simulation.network_as_run(spec), state.order.policy.open_next_at)
}

/// A campaign that was halted, or that stayed below its threshold, is no success: exit code 5.
pub(crate) fn judge(state: &campaign::CampaignState) -> Result<(), Failure> {
    let threshold = state.order.policy.success_threshold.0;
    judge_success(state.halted_because.as_deref(), state.success_permille(), threshold)
}

fn judge_success(halted_because: Option<&str>, reached: u16, threshold: u16) -> Result<(), Failure> {
    if let Some(reason) = halted_because {
        return Err(Failure::message(
            ExitCode::BelowThreshold,
            format_args!("the campaign was halted: {reason}"),
        ));
    }
    if reached < threshold {
        let message = format!("{reached} ‰ of the attempts succeeded, below the threshold of {threshold} ‰");
        return Err(Failure::message(ExitCode::BelowThreshold, message));
    }
    Ok(())
}
