//! `lamplighter image trust`: the chain of trust roots, which say whose keys have which duty.
//!
//! ```text
//! init ─▶ 1.root ─ rotate ─▶ 2.root ─ revoke ─▶ 3.root ...      show
//!   └ too few signed ─▶ N.root.draft ─ sign ─▶ N.root
//! ```

mod candidate;
mod facts;
mod holders;
mod init;
mod revoke;
mod rotate;
mod show;
mod sign;

use clap::Subcommand;

pub(super) use facts::{RoleFacts, VersionFacts, roles};

use crate::exit::Failure;
use crate::output::Output;

/// What is done with a chain of trust roots.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    Init(init::Arguments),
    Sign(sign::Arguments),
    Rotate(rotate::Arguments),
    Revoke(revoke::Arguments),
    Show(show::Arguments),
}

/// Runs one of them.
pub(super) fn run(command: TrustCommand, output: &Output) -> Result<(), Failure> {
    match command {
        TrustCommand::Init(arguments) => init::run(&arguments, output),
        TrustCommand::Sign(arguments) => sign::run(&arguments, output),
        TrustCommand::Rotate(arguments) => rotate::run(&arguments, output),
        TrustCommand::Revoke(arguments) => revoke::run(&arguments, output),
        TrustCommand::Show(arguments) => show::run(&arguments, output),
    }
}
