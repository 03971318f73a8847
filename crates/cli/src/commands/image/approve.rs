//! `lamplighter image approve`: one more person stands behind a release.

use std::path::PathBuf;

use clap::Args;
use firmware_image::{GateRefusal, MAX_RELEASE_LEN, SignedRelease};

use super::approval::{ReleaseFacts, add_approvals, report};
use super::chain::Chain;
use super::moments::ClockArguments;
use super::refusal::{OrRefuse, Stop};
use super::signing::KeyArguments;
use crate::exit::Failure;
use crate::files::{self, Destination, Overwrite};
use crate::output::Output;

/// Approve a release, as another person than those who have.
///
/// Says what is approved before it signs. Two keys of one person count once, and the second is refused.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lamplighter image approve autumn.release --root trust --key keys/bob.key.pem"
)]
pub(crate) struct Arguments {
    /// Release to approve; the approval is added to it.
    #[arg(value_name = "RELEASE")]
    release: PathBuf,
    /// Folder of the chain of trust roots.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
    #[command(flatten)]
    clock: ClockArguments,
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let path = &arguments.release;
    let name = path.display().to_string();
    let signed = SignedRelease::from_bytes(files::read_start(path, MAX_RELEASE_LEN + 1)?).or_refuse(&name)?;
    let release = signed.claims().or_refuse(&name)?;
    let now = arguments.clock.now()?;
    let anchor = Chain::read(&arguments.root)?.newest().clone();
    anchor.require_fresh(now).or_refuse(arguments.root.display())?;
    let (held, needed, expires) = (anchor.root().version, release.root_version, release.validity.expires);
    if held < needed {
        return Err(GateRefusal::RootBehind { held, needed }).or_refuse(&name);
    }
    if expires <= now {
        return Err(GateRefusal::ReleaseExpired { expires, now }).or_refuse(&name);
    }
    let facts = ReleaseFacts::from(&release).to_string();
    output.talk(format_args!("approving {name}\n{}", facts.trim_end()));
    let approved = add_approvals(&name, signed, anchor.root(), &arguments.keys.signers()?)?;
    Destination::new(path, Overwrite::Replace, &[])?.write(approved.bytes())?;
    report(&name, &arguments.root, &approved, anchor.root(), output)
}
