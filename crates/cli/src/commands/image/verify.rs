//! `lamplighter image verify`: a whole verifier in a box. Would a device, a hub, a head-end that believes these keys
//! believe this file?
//!
//! ```text
//! file ─ DocumentKind::of ─┬─ OTA file ─▶ image: intake ─▶ hub's gate ─▶ device
//!                          ├─ root, release, status ─▶ document
//!                          └─ order ─▶ order: seal ─▶ device's memory
//! ```

mod document;
mod image;
mod order;

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use firmware_image::{Attack, DocumentKind, MAX_FILE_LEN, PayloadFormat, TrustAnchor};

pub(super) use image::parse_and_verify;
pub(super) use order::OrderFacts;

use super::chain::Chain;
use super::mcuboot;
use super::moments::ClockArguments;
use super::refusal::{Refusal, Stop};
use crate::exit::{ExitCode, Failure};
use crate::output::Output;
use crate::{files, keys};

/// Verify an image or a document of the chain of trust, as head-end, hubs and devices do.
///
/// What kind of file it is follows from its content: a COSE message is a root, a release, a status or an order,
/// everything else an image. A bare MCUboot image is verified as a boot loader with these keys would. An image is verified under keys (--trust) or under a chain of trust roots (--root);
/// with --release and --status also as a hub's gate does, with the --device options also as a device does.
///
/// Exit code 0: verified. 4: refused, and which attack it would have been. 3: no such file, or not readable. With
/// --json a refusal is a document too: {"file", "verdict": "refused", "attack", "reason"}.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lamplighter image verify meter.ota --trust keys/release.pub.pem\n  \
lamplighter image verify meter.ota --root trust --release autumn.release --status today.status\n  \
lamplighter image verify today.status --root trust\n  \
lamplighter image verify meter.order --root trust --device 00-0D-6F-00-00-00-00-02 --image SHA --nonce HEX")]
#[command(group = ArgGroup::new("belief").args(["trust", "root", "orders"]).required(true))]
pub(crate) struct Arguments {
    /// Image, root, release, status or order.
    file: PathBuf,
    /// Public key to believe of images; may be given several times.
    #[arg(long, value_name = "PUB")]
    trust: Vec<PathBuf>,
    /// Chain of trust roots, or one root, to believe.
    #[arg(long, value_name = "DIR|FILE")]
    root: Option<PathBuf>,
    /// Public key to believe of orders; may be given several times.
    #[arg(long, value_name = "PUB")]
    orders: Vec<PathBuf>,
    #[command(flatten)]
    papers: PaperArguments,
    #[command(flatten)]
    device: image::DeviceArguments,
    #[command(flatten)]
    order: order::OrderArguments,
    #[command(flatten)]
    clock: ClockArguments,
}

/// What a hub was given before the file.
#[derive(Debug, Args)]
struct PaperArguments {
    /// Release that must name the image; may be given several times, in the order a hub got them.
    #[arg(long = "release", value_name = "FILE", conflicts_with_all = ["trust", "orders"])]
    releases: Vec<PathBuf>,
    /// Status that says which root is the newest; may be given several times, in the order a hub got them.
    #[arg(long = "status", value_name = "FILE", conflicts_with_all = ["trust", "orders"])]
    statuses: Vec<PathBuf>,
}

impl PaperArguments {
    fn are_given(&self) -> bool {
        !self.releases.is_empty() || !self.statuses.is_empty()
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let path = &arguments.file;
    let bytes = files::read(path, MAX_FILE_LEN)?;
    let kind = DocumentKind::of(&bytes);
    require_fitting(arguments, kind)?;
    match kind {
        None if PayloadFormat::of(&bytes) == PayloadFormat::Mcuboot => {
            let trust = keys::read_trust(&arguments.trust)?;
            if trust.is_empty() {
                let message = format!("{}: is a bare MCUboot image, expected --trust", arguments.name());
                return Err(Failure::message(ExitCode::BadInput, message).into());
            }
            mcuboot::verify(path, &bytes, &trust, output)
        }
        None => image::verify(arguments, bytes.into(), output),
        Some(DocumentKind::Root) => document::verify_root(arguments, &bytes, output),
        Some(DocumentKind::Release) => document::verify_release(arguments, &bytes, output),
        Some(DocumentKind::Status) => document::verify_status(arguments, &bytes, output),
        Some(DocumentKind::Order) => order::verify(arguments, &bytes, output),
        Some(DocumentKind::Unknown) => {
            let reason = "a COSE message that is no root, release, status or order";
            Err(Refusal::new(path.display(), Attack::Malformed, reason).into())
        }
    }
}

/// Refuses options that would not be asked: nobody shall take a silence for a yes.
fn require_fitting(arguments: &Arguments, kind: Option<DocumentKind>) -> Result<(), Failure> {
    if kind == Some(DocumentKind::Unknown) {
        // What it should have been, only its name could say.
        return Ok(());
    }
    let (is_image, is_order) = (kind.is_none(), kind == Some(DocumentKind::Order));
    let unasked = match () {
        () if arguments.device.is_given() && !is_image => {
            "--device-manufacturer and what belongs to it is for images"
        }
        () if arguments.order.is_given() && !is_order => "--device and what belongs to it is for orders",
        () if arguments.papers.are_given() && (is_order || kind == Some(DocumentKind::Root)) => {
            "--release and --status are for images, releases and statuses"
        }
        () => return Ok(()),
    };
    let found = kind.map_or_else(|| "image".to_owned(), |kind| kind.to_string());
    let message = format!("{}: is of the kind `{found}`, and {unasked}", arguments.name());
    Err(Failure::message(ExitCode::BadInput, message))
}

impl Arguments {
    /// Returns the newest root of the chain, for files that only a root can vouch for.
    fn anchor(&self, kind: &str) -> Result<TrustAnchor, Stop> {
        let Some(chain) = &self.root else {
            let file = self.file.display();
            let message = format!("{file}: is a {kind}, expected --root with the chain that vouches for it");
            return Err(Failure::message(ExitCode::BadInput, message).into());
        };
        Ok(Chain::read(chain)?.newest().clone())
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }
}
