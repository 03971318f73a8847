//! `lamplighter demo`: the whole job on this machine, nothing to set up.
//!
//! The story: a key, an image, a tampered image that is refused, the gate's verdicts, and then a campaign over
//! real UDP sockets on loopback, time-compressed, with every kind of trouble the demo world has.

mod engine;
mod images;
mod story;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use firmware_image::{SigningKey, TrustStore};
use fleet::{Cast, DeviceTrust, Rehearsal, WorldSpec};
use host::Speed;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::hash_speed;
use crate::keys;
use crate::output::Output;

/// Options of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter demo
  lamplighter demo --image FIRMWARE.bin --installations 200")]
pub(crate) struct DemoArguments {
    /// How many homes; by default a thousand, or fewer when the image is large.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    installations: Option<u32>,
    /// Any firmware file, raw or Zigbee OTA, up to 10 MB, for the electricity meters.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// The seed of the homes and their troubles.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// The folder for keys, ledger and report; by default a new one, demo-DATE-TIME.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// How many times faster than real time, at most; the clock never outruns the machine.
    #[arg(long, default_value_t = 3_000.0)]
    speed: f64,
    /// Make the new firmware fail on every meter, to see the campaign halt by itself.
    #[arg(long)]
    inject_bad_image: bool,
    /// Public keys that simulated devices believe beside the demo's own.
    #[arg(long, value_name = "PUB.pem")]
    trust: Vec<PathBuf>,
    /// Let simulated devices accept images and activations that nobody signed.
    #[arg(long)]
    accept_unsigned: bool,
}

const WORLD: &str = include_str!("../../../../simulators/fleets/demo.toml");

/// What the two keys of the demo are for.
pub(super) struct Keys {
    image: SigningKey,
    order: SigningKey,
}

impl Keys {
    fn generate() -> Result<Keys, Failure> {
        Ok(Keys { image: fresh_key()?, order: fresh_key()? })
    }
}

fn fresh_key() -> Result<SigningKey, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).or_fail(ExitCode::Failed, "the system gives no random numbers")?;
    Ok(SigningKey::generate_from_seed(seed))
}

pub(crate) fn run(arguments: &DemoArguments, output: &Output) -> Result<(), Failure> {
    let speed = Speed::new(arguments.speed).ok_or_else(|| {
        Failure::message(ExitCode::BadInput, "--speed: expected a number from 0.001 to 1000000")
    })?;
    let mut spec = WorldSpec::parse(WORLD).or_fail(ExitCode::Failed, "the demo world")?;
    let believed = keys::read_trust(&arguments.trust)?;
    hash_speed::warn_if_slow();
    let keys = Keys::generate()?;
    let images = images::prepare(arguments, &mut spec, &keys.image, output)?;
    images::scale(arguments.installations, &mut spec, &images);
    if arguments.inject_bad_image {
        images::spoil(&mut spec);
    }
    let folder = story::folder(arguments.report.as_deref())?;
    story::opening(&folder, arguments.seed, &keys, &images, output)?;
    if arguments.accept_unsigned {
        output
            .talk("WARNING  --accept-unsigned: simulated devices take images and orders that nobody signed");
    }
    let mut trusted = vec![keys.image.public()];
    trusted.extend(believed.keys().iter().cloned());
    let trust = DeviceTrust::pinned(TrustStore::new(trusted), vec![keys.order.public()]);
    let trust = Arc::new(if arguments.accept_unsigned { trust.accepting_unsigned() } else { trust });
    let signer = keys.image.public().fingerprint();
    let hub_port = engine::free_port()?;
    let mut rehearsal = Rehearsal::new(Cast {
        spec: &spec,
        seed: arguments.seed,
        images: &images,
        trust,
        order_key: keys.order,
        hub_port,
    })
    .or_fail(ExitCode::BadInput, "the demo world")?;
    rehearsal.settings.engine.burst = engine::BURST;
    rehearsal.settings.engine.line_burst = engine::BURST;
    let stage = engine::Stage { spec: &spec, speed, folder: &folder, hub_port };
    let ending = engine::run(rehearsal, &stage, output)?;
    story::ending(arguments, &folder, signer, &ending, output)
}
