//! `lamplighter send`: one image to one DLMS device.

use std::error::Error;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use campaign::ChainPapers;
use clap::Args;
use firmware_image::{
    ActivationOrder, CounterEpoch, Eui64, FileDigest, FileVersion, ImageDigest, MAX_FILE_LEN,
    MAX_RELEASE_LEN, Nonce, OrderCounter, OtaFile, SigningKey,
};
use head_end::{Delivery, DeliveryError, OneLink, Progress, SignOrder, Silence, WallClock, Wires, deliver};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use transfer_engine::{ByteRate, Fault, Patience, Transport};
use wire::OrderChallenge;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::keys::{self, LinkKeyFile, open_counters};
use crate::output::Output;
use crate::progress::Teller;
use crate::{development, files};

/// Options of `send`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter send firmware-images/hub.ota --to 127.0.0.1:4059 --activate
  lamplighter send meter.ota --to 127.0.0.1:4059 --tcp --rate 40000
  lamplighter send hub.ota --to 127.0.0.1:4059 --link-keys link.keys --link-counters run/counters")]
pub(crate) struct SendArguments {
    /// The file to send, byte for byte.
    image: PathBuf,
    /// The device: a DLMS server with an image transfer object (class 18).
    #[arg(long, value_name = "ADDR")]
    to: SocketAddr,
    /// Send confirmed blocks over TCP instead of unconfirmed ones over UDP.
    #[arg(long)]
    tcp: bool,
    /// Fill the line at this many bits per second, headers included.
    #[arg(long, value_name = "BITS", default_value_t = 8_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    rate: u64,
    /// Give a device up that has not answered, or not under our keys, for this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
    /// Activate the image once the device has verified it.
    #[arg(long)]
    activate: bool,
    /// The image slot: 0 is the device itself, others are its HAN channels.
    #[arg(long, default_value_t = 0)]
    channel: u8,
    /// The key that signs the activation order; by default the development key, which only simulated devices
    /// believe.
    #[arg(long, value_name = "KEY.pem", requires = "activate")]
    order_key: Option<PathBuf>,
    /// The device that the activation order names; by default the simulated hub's own id.
    #[arg(long, value_name = "EUI-64", requires = "activate", default_value = development::HUB_EUI)]
    device: Eui64,
    /// The order's counter, which must rise from order to order; by default one more than the device says it obeyed.
    #[arg(long, requires = "activate")]
    order_counter: Option<u64>,
    /// The count of orders in which that is; by default the one that the newest root of --root-chain names.
    #[arg(long, requires = "activate")]
    order_epoch: Option<u32>,
    /// Lead the hub forward first, through the signed trust roots in this folder.
    #[arg(long, value_name = "DIR")]
    root_chain: Option<PathBuf>,
    /// Speak ciphered, and nothing but ciphered, with the keys that this file has for --hub; serve and hub read the same file.
    #[arg(long, value_name = "FILE", requires = "link_counters")]
    link_keys: Option<PathBuf>,
    /// The file of invocation counters: the one that serve keeps for the same keys, as no counter may be used twice under a key.
    #[arg(long, value_name = "FILE", requires = "link_keys")]
    link_counters: Option<PathBuf>,
    /// The hub that is spoken to; by default the simulated hub's own id.
    #[arg(long, value_name = "EUI-64", requires = "link_keys", default_value = development::HUB_EUI)]
    hub: Eui64,
    /// Write this signed paper to the hub first, a status or a release; repeat it for more.
    #[arg(long = "paper", value_name = "FILE", num_args = 1..)]
    papers: Vec<PathBuf>,
}

/// What was done.
#[derive(Debug, Serialize)]
struct SendReport {
    to: SocketAddr,
    transport: &'static str,
    bytes: usize,
    sha256: String,
    blocks: u32,
    blocks_held_before: u32,
    blocks_sent: u32,
    blocks_repaired: u32,
    bytes_sent: u64,
    elapsed_ms: u64,
    activated: bool,
    running_version: Option<String>,
}

impl std::fmt::Display for SendReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "staged and verified on {} over {}", self.to, self.transport)?;
        writeln!(f, "  file      {} bytes, sha-256 {}", self.bytes, self.sha256)?;
        writeln!(
            f,
            "  blocks    {} of the image, {} held before, {} sent, {} of them repairs",
            self.blocks, self.blocks_held_before, self.blocks_sent, self.blocks_repaired
        )?;
        writeln!(f, "  wire      {} bytes in {:.1} s", self.bytes_sent, self.elapsed_ms as f64 / 1_000.0)?;
        match (&self.running_version, self.activated) {
            (Some(version), _) => writeln!(f, "  activated the device says it runs version {version}"),
            (None, true) => writeln!(f, "  activated the device accepted it and does not say what it runs"),
            (None, false) => writeln!(f, "  activated no; send again with --activate, nothing is sent twice"),
        }
    }
}

pub(crate) fn run(arguments: &SendArguments, output: &Output) -> Result<(), Failure> {
    let image = Bytes::from(files::read(&arguments.image, MAX_FILE_LEN)?);
    if image.is_empty() {
        let message = format!("{}: the file is empty", arguments.image.display());
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    let clock = WallClock::start();
    let (papers, epoch) = read_papers(arguments)?;
    let key = match arguments.activate {
        true => Some(order_key(arguments, output)?),
        false => None,
    };
    let sign = |challenge| order(arguments, &image, epoch, key.as_ref(), challenge);
    let identification = FileDigest::of(&image);
    let transport = if arguments.tcp { Transport::Stream { window: 12 } } else { Transport::Datagram };
    let delivery = Delivery {
        identification: Bytes::copy_from_slice(identification.as_bytes()),
        image: image.clone(),
        to: arguments.to,
        transport,
        rate: ByteRate(arguments.rate / 8),
        channel: arguments.channel,
        papers,
        activate: arguments.activate,
        patience: Patience::default().with_silence(Duration::from_secs(arguments.patience)),
    };
    let blocks = image.len().div_ceil(1_024);
    let mut teller = Teller::new(blocks, output);
    let began = Instant::now();
    let told = |progress: Progress| {
        let seconds = began.elapsed().as_secs_f64().max(0.001);
        let message = match progress.silence {
            Some(silence) if silence.since >= SOON => told_of(&silence, arguments.link_keys.is_some()),
            _ => format!("blocks · {:.0} kB/s", progress.bytes_sent as f64 / 1_000.0 / seconds),
        };
        teller.tell((progress.blocks_sent as usize).min(blocks), &message, output);
    };
    let link = open_link(arguments)?;
    let delivered = carry(&delivery, Box::new(sign), link, &clock, told);
    teller.finish();
    let report = delivered?.map_err(|error| failure(error, arguments))?;
    output.report(&SendReport {
        to: arguments.to,
        transport: if arguments.tcp { "TCP" } else { "UDP" },
        bytes: image.len(),
        sha256: identification.to_string(),
        blocks: report.leg.blocks,
        blocks_held_before: report.leg.blocks_held,
        blocks_sent: report.leg.blocks_sent,
        blocks_repaired: report.leg.blocks_repaired,
        bytes_sent: report.leg.bytes_sent,
        elapsed_ms: report.leg.elapsed.as_millis() as u64,
        activated: report.activated,
        running_version: report.running.map(|version| FileVersion(version).to_string()),
    })
}

/// Says what is seen of a device that does not answer. Keys of another hub are the usual reason, and nobody should have to
/// wait for the end to be told.
fn told_of(silence: &Silence, is_ciphered: bool) -> String {
    let what = if is_ciphered { "no answer that our keys open" } else { "no answer" };
    let doubt = silence.doubt.map(|doubt| format!(": {doubt}")).unwrap_or_default();
    let (since, left) = (silence.since.as_secs(), silence.left.as_secs());
    format!("blocks · {what} for {since} s{doubt}; still trying, for {left} s more")
}

fn order_key(arguments: &SendArguments, output: &Output) -> Result<SigningKey, Failure> {
    match &arguments.order_key {
        Some(path) => keys::read_signing_key(path),
        None => {
            output.talk("note: the activation order is signed with the development key, which is public");
            development::order_key()
        }
    }
}

/// Signs the activation order: it names the device and the payload, and answers what the device drew, so that it opens
/// nothing else and nothing later.
fn order(
    arguments: &SendArguments,
    image: &Bytes,
    epoch: CounterEpoch,
    key: Option<&SigningKey>,
    challenge: Option<OrderChallenge>,
) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let key = key.ok_or("there is no key to sign it with")?;
    // A file that is no sound OTA file has no payload of its own: the whole of it is what the device hashes.
    let digest =
        OtaFile::parse(image.clone()).map_or_else(|_| ImageDigest::of(image), |file| file.image_digest());
    // A device that does not say what it wants to see takes any order, or none.
    let challenge = challenge.unwrap_or(OrderChallenge { nonce: [0; 8], last_counter: 0 });
    let next = challenge.last_counter.saturating_add(1);
    let order = ActivationOrder {
        device: arguments.device,
        image: digest,
        epoch,
        counter: OrderCounter(arguments.order_counter.unwrap_or(next)),
        nonce: Nonce::from_bytes(challenge.nonce),
    };
    Ok(order.sign(key)?.bytes().clone())
}

/// Reads what is to be written to the hub first, and the count in which its newest root has orders made.
fn read_papers(arguments: &SendArguments) -> Result<(ChainPapers, CounterEpoch), Failure> {
    let mut roots = Vec::new();
    if let Some(folder) = &arguments.root_chain {
        for entry in fs::read_dir(folder).or_bad_input(folder.display())?.take(MAX_CHAIN) {
            roots.push(keys::read_root(&entry.or_bad_input(folder.display())?.path())?);
        }
    }
    let others: Result<Vec<Bytes>, Failure> =
        arguments.papers.iter().map(|path| Ok(Bytes::from(files::read(path, MAX_RELEASE_LEN)?))).collect();
    let papers = ChainPapers::new(roots, others?).or_bad_input("--root-chain and --paper")?;
    let epoch = arguments.order_epoch.map_or(papers.epoch(), CounterEpoch);
    Ok((papers, epoch))
}

/// Opens the ciphered link to the hub, if there is to be one.
fn open_link(arguments: &SendArguments) -> Result<Option<OneLink>, Failure> {
    let (Some(keys), Some(counters)) = (&arguments.link_keys, &arguments.link_counters) else {
        return Ok(None);
    };
    let mut keyring = LinkKeyFile::read(keys)?.keyring(keys)?;
    let missing = format!("{}: expected a line for hub {}, found none", keys.display(), arguments.hub);
    let hub = keyring.hubs.remove(&arguments.hub.to_bytes());
    let hub = hub.ok_or_else(|| Failure::message(ExitCode::BadInput, missing))?;
    Ok(Some(OneLink::new(keyring.title, hub, open_counters(counters)?)))
}

fn carry(
    delivery: &Delivery,
    sign: SignOrder<'_>,
    link: Option<OneLink>,
    clock: &WallClock,
    told: impl FnMut(Progress),
) -> Result<Result<head_end::DeliveryReport, DeliveryError>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_fail(ExitCode::Failed, "the tokio runtime")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let local: IpAddr = match delivery.to {
            SocketAddr::V4(_) => [0, 0, 0, 0].into(),
            SocketAddr::V6(_) => [0u16; 8].into(),
        };
        let mut wires = Wires::open(SocketAddr::new(local, 0)).or_fail(ExitCode::Failed, "a UDP socket")?;
        let work = deliver(delivery, sign, link, &mut wires, clock, told, &stop);
        tokio::select! {
            delivered = work => Ok(delivered),
            _ = tokio::signal::ctrl_c() => Ok(Err(DeliveryError::Interrupted)),
        }
    })
}

fn failure(error: DeliveryError, arguments: &SendArguments) -> Failure {
    let (code, hint) = match &error {
        DeliveryError::Interrupted => {
            (ExitCode::Interrupted, "the device keeps the blocks it has; the same command goes on from there")
        }
        DeliveryError::Fault { fault: Fault::Unreachable { .. } | Fault::AssociationLost(_), .. } => {
            (ExitCode::Unreachable, "is the device listening there, and on this transport?")
        }
        DeliveryError::Doubted { .. } => {
            (ExitCode::Refused, "are these the keys of that hub? see --link-keys and --hub")
        }
        DeliveryError::Counters(_) => {
            (ExitCode::Failed, "nothing is sent under a counter that is not durable")
        }
        DeliveryError::Order(_) => (ExitCode::Failed, "the image is staged; the order is what is missing"),
        DeliveryError::Fault { fault: Fault::VerificationFailed, .. } => (
            ExitCode::Refused,
            "the device does not believe the image: see its --trust, and `lamplighter image verify`",
        ),
        DeliveryError::Fault { fault: Fault::Refused { .. }, .. } if arguments.activate => (
            ExitCode::Refused,
            "an order must be signed with a key the device believes, and name it: --order-key, --device",
        ),
        DeliveryError::Fault { .. } => {
            (ExitCode::Refused, "the device is reachable and will not take the image")
        }
    };
    Failure::new(code, error).hint(hint)
}

/// How long a device may be silent before somebody is told. Most answer within two seconds, on the slowest radio too.
const SOON: Duration = Duration::from_secs(3);

/// The most files read from a folder of roots: weekly rotations for twenty years.
const MAX_CHAIN: usize = 1_024;
