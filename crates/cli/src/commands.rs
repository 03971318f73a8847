//! The commands, one file each: a variant here, an arm in `run`, and the rest in the command's file.
//!
//! A command's file holds its clap `Args` with one sentence and an example, its report (`Serialize` for
//! `--json`, `Display` for text), and `run(&arguments, &output) -> Result<(), Failure>`.

mod image;
mod ledger;
mod send;

use clap::Subcommand;

use crate::exit::Failure;
use crate::output::Output;

/// What can be asked. The words are the interface: see the table of exit codes and options in `--help`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The signing desk: make keys, build, sign, verify and inspect images.
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// What happened, and the proof: show and verify a ledger file.
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Send one image to one DLMS device.
    Send(send::SendArguments),
}

/// Runs one command to its end.
pub(crate) fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Image(command) => image::run(command, output),
        Command::Ledger(command) => ledger::run(command, output),
        Command::Send(arguments) => send::run(&arguments, output),
    }
}
