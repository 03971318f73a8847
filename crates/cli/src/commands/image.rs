//! `lamplighter image`: the signing desk.
//!
//! ```text
//! keygen ─▶ keys ─ trust init ─▶ 1.root ─ trust rotate, revoke ─▶ 2.root ...
//!            │                      └───────────────────────────────┐
//! payload ─ build ─▶ FILE ─ sign ─▶ FILE ─ release ─▶ R ─ approve ─▶ R   status ─▶ S
//!                                     └───────────── verify, inspect ─────────────┘
//! ```

mod approval;
mod approve;
mod build;
pub(super) mod chain;
mod facts;
mod inspect;
mod keygen;
mod mcuboot;
mod moments;
mod refusal;
mod release;
mod sign;
mod signing;
mod status;
mod trust;
mod verify;
mod wrap;

use std::path::Path;

use bytes::Bytes;
use clap::Subcommand;
use firmware_image::MAX_FILE_LEN;

use crate::exit::Failure;
use crate::files;
use crate::output::Output;

/// What the signing desk does.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    Keygen(keygen::Arguments),
    Build(build::Arguments),
    Sign(sign::Arguments),
    Verify(verify::Arguments),
    Inspect(inspect::Arguments),
    /// The chain of trust: whose keys have which duty, and how that changes.
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    Release(release::Arguments),
    Approve(approve::Arguments),
    Status(status::Arguments),
}

/// Runs one of them.
pub(crate) fn run(command: ImageCommand, output: &Output) -> Result<(), Failure> {
    match command {
        ImageCommand::Keygen(arguments) => keygen::run(&arguments, output),
        ImageCommand::Build(arguments) => build::run(&arguments, output),
        ImageCommand::Sign(arguments) => sign::run(&arguments, output),
        ImageCommand::Verify(arguments) => verify::run(&arguments, output),
        ImageCommand::Inspect(arguments) => inspect::run(&arguments, output),
        ImageCommand::Trust(command) => trust::run(command, output),
        ImageCommand::Release(arguments) => release::run(&arguments, output),
        ImageCommand::Approve(arguments) => approve::run(&arguments, output),
        ImageCommand::Status(arguments) => status::run(&arguments, output),
    }
}

/// Reads an image file, or what claims to be one; nothing larger than can be ordered.
fn read_image(path: &Path) -> Result<Bytes, Failure> {
    files::read(path, MAX_FILE_LEN).map(Bytes::from)
}

/// Points at the command that explains what is wrong with a file.
fn inspect_hint(path: &Path) -> String {
    format!("`lamplighter image inspect {}` names everything odd about it", path.display())
}
