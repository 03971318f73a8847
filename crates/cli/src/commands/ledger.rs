//! `lamplighter ledger`: what happened, and the proof. Reads only; a running engine is not disturbed.

mod show;
mod verify;

use std::path::Path;

use clap::Subcommand;
use ledger::{OpenStoreError, SqliteStore};

use crate::exit::{Failure, OrFail};
use crate::output::Output;

/// What can be asked of a ledger file.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    Verify(verify::Arguments),
    Show(show::Arguments),
}

/// Answers it.
pub(crate) fn run(command: LedgerCommand, output: &Output) -> Result<(), Failure> {
    match command {
        LedgerCommand::Verify(arguments) => verify::run(&arguments, output),
        LedgerCommand::Show(arguments) => show::run(&arguments, output),
    }
}

/// Opens a ledger file for reading.
fn open(path: &Path) -> Result<SqliteStore, Failure> {
    let store: Result<SqliteStore, OpenStoreError> = SqliteStore::open_read_only(path);
    store.or_bad_input(format_args!("{}: expected a ledger file", path.display()))
}
