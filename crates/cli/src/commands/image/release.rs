//! `lamplighter image release`: which images go out together, to whom, under which policy; the first approval.
//! The second one, of another person, is left to `approve`.

use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{
    CampaignName, Eui64, FileDigest, Release, ReleasedImage, SignedRelease, Targets, TrustAnchor,
};

use super::approval::{add_approvals, report};
use super::chain::Chain;
use super::moments::{ClockArguments, Lifetime};
use super::read_image;
use super::refusal::{OrRefuse, Stop};
use super::signing::KeyArguments;
use super::verify::parse_and_verify;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{self, Destination, Overwrite};
use crate::output::Output;

/// Release images for a campaign, as the first of two people.
///
/// Each image is verified under the newest trust root first. The second approval, by another person, is given
/// with `image approve`; what is approved cannot be changed afterwards.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lamplighter image release meter.signed.ota --root trust --campaign autumn \
--serial 1 \\\n      --targets inventory.csv --policy policy.toml --key keys/alice.key.pem --out autumn.release"
)]
pub(crate) struct Arguments {
    /// Signed image; may be given several times.
    #[arg(value_name = "FILE", required = true)]
    images: Vec<PathBuf>,
    /// Folder of the chain of trust roots.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Name of the campaign.
    #[arg(long, value_name = "ID", value_parser = parse_campaign)]
    campaign: CampaignName,
    /// Number of this release; of a campaign only the highest counts.
    #[arg(long, value_name = "N")]
    serial: u64,
    /// CSV file with the devices in a column `device_id`, such as an inventory.
    #[arg(long, value_name = "CSV")]
    targets: PathBuf,
    /// File with the policy of the campaign; its digest is released.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// How long the release is good, 30 days at the most.
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    valid: Lifetime,
    #[command(flatten)]
    keys: KeyArguments,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file to write if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    clock: ClockArguments,
}

fn parse_campaign(text: &str) -> Result<CampaignName, String> {
    CampaignName::new(text).map_err(|error| error.to_string())
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let mut inputs: Vec<&Path> = arguments.images.iter().map(PathBuf::as_path).collect();
    inputs.extend([arguments.targets.as_path(), &arguments.policy]);
    inputs.extend(arguments.keys.files());
    let destination = Destination::new(&arguments.out, Overwrite::from_force(arguments.force), &inputs)?;
    let now = arguments.clock.now()?;
    let anchor = Chain::read(&arguments.root)?.newest().clone();
    anchor.require_fresh(now).or_refuse(arguments.root.display())?;
    let release = Release {
        serial: arguments.serial,
        campaign: arguments.campaign.clone(),
        root_version: anchor.root().version,
        validity: arguments.valid.from(now),
        images: released_images(&arguments.images, &anchor)?,
        targets: read_targets(&arguments.targets)?,
        policy: *FileDigest::of(&files::read(&arguments.policy, MAX_POLICY_LEN)?).as_bytes(),
    };
    let draft = SignedRelease::draft(&release).or_bad_input("the release")?;
    let name = arguments.out.display().to_string();
    let signed = add_approvals(&name, draft, anchor.root(), &arguments.keys.signers()?)?;
    destination.write(signed.bytes())?;
    report(&name, &arguments.root, &signed, anchor.root(), output)
}

/// Verifies every image: nobody releases by mistake what hubs would refuse.
fn released_images(paths: &[PathBuf], anchor: &TrustAnchor) -> Result<Vec<ReleasedImage>, Stop> {
    let store = anchor.root().images();
    let mut images = Vec::with_capacity(paths.len());
    for path in paths {
        let image = parse_and_verify(path, read_image(path)?, &store, &anchor.root().revoked)?;
        images.push(ReleasedImage { file: image.file_digest(), image: image.image_digest() });
    }
    images.sort_unstable();
    Ok(images)
}

/// Reads the devices of a table; each once, none left out.
fn read_targets(path: &Path) -> Result<Targets, Failure> {
    let bytes = files::read(path, MAX_TARGETS_LEN)?;
    let place = path.display();
    let mut table = csv::Reader::from_reader(&bytes[..]);
    let headers = table.headers().or_bad_input(format_args!("{place}: expected a CSV file"))?;
    let Some(column) = headers.iter().position(|name| name.trim() == COLUMN) else {
        let message = format!("{place} line 1: expected a column `{COLUMN}`");
        return Err(Failure::message(ExitCode::BadInput, message));
    };
    let mut devices: Vec<Eui64> = Vec::new();
    for row in table.records() {
        let row = row.or_bad_input(format_args!("{place}: expected a CSV file"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let device = row.get(column).unwrap_or_default().trim().parse();
        devices.push(device.or_bad_input(format_args!("{place} line {line}, column {COLUMN}"))?);
    }
    let targets = Targets::of(devices.iter().copied());
    if usize::try_from(targets.count) != Ok(devices.len()) || devices.is_empty() {
        let (found, distinct) = (devices.len(), targets.count);
        let message =
            format!("{place}: expected devices, each once, found {found} rows with {distinct} devices");
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    Ok(targets)
}

/// The column of an inventory that names the device.
const COLUMN: &str = "device_id";
/// Largest table of targets in bytes: an inventory of a million devices has about 150 MB.
const MAX_TARGETS_LEN: usize = 256 << 20;
/// Largest policy in bytes: a page of TOML has 2,000.
const MAX_POLICY_LEN: usize = 1 << 20;
