//! `lamplighter ledger verify`: is this still what was written?

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use ledger::{Difference, Head, Ledger, OpenError, StoreError, VerifyError};
use serde::Serialize;

use super::open;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::{Format, Output};

/// Verify that no entry of a ledger was changed, removed or moved.
///
/// Prints the head: keep it elsewhere, and give it with --head the next time, because only that finds
/// entries cut off at the end or a history rewritten to the end. Exit code 4 names the first entry that does
/// not hold.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter ledger verify ledger.sqlite --head 1200:9f86d081…")]
pub(crate) struct Arguments {
    /// Ledger file.
    file: PathBuf,
    /// A head printed earlier, which must lie in this history.
    #[arg(long, value_name = "COUNT:HASH")]
    head: Option<Head>,
}

/// How far the ledger holds.
#[derive(Debug, Serialize)]
struct VerifyReport {
    file: String,
    verdict: &'static str,
    entries: u64,
    head: String,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "verified      {} ({} entries)", self.file, self.entries)?;
        writeln!(formatter, "head          {}", self.head)
    }
}

/// Where it breaks; for programs, people read the error line.
#[derive(Debug, Serialize)]
struct RefusalReport {
    file: String,
    verdict: &'static str,
    entry: u64,
    reason: String,
}

impl fmt::Display for RefusalReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "refused       {}: entry {} {}", self.file, self.entry, self.reason)
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let path = arguments.file.display();
    let ledger = match Ledger::open(open(&arguments.file)?) {
        Err(OpenError::Store(error)) => {
            let code = code_of(&error);
            return Err(error).or_fail(code, format_args!("{path}: cannot be verified"));
        }
        Err(OpenError::Verify(error)) => return broken(arguments, error, output),
        Ok(ledger) => ledger,
    };
    match ledger.verify_against(arguments.head.unwrap_or(ledger.head())) {
        Err(error) => broken(arguments, error, output),
        Ok(head) => output.report(&VerifyReport {
            file: path.to_string(),
            verdict: "verified",
            entries: head.count,
            head: head.to_string(),
        }),
    }
}

fn broken(arguments: &Arguments, error: VerifyError, output: &Output) -> Result<(), Failure> {
    let code = match &error.what {
        Difference::Unreadable(error) => code_of(error),
        _ => ExitCode::Refused,
    };
    let file = arguments.file.display().to_string();
    if code == ExitCode::Refused && output.format() == Format::Json {
        let (entry, reason) = (error.index.0, error.what.to_string());
        output.report(&RefusalReport { file: file.clone(), verdict: "refused", entry, reason })?;
    }
    Err(error).or_fail(code, format_args!("{file}: the ledger does not hold"))
}

/// A row that was never written so is tampering; a disk that does not answer is not.
fn code_of(error: &StoreError) -> ExitCode {
    match error {
        StoreError::Malformed { .. } => ExitCode::Refused,
        _ => ExitCode::Failed,
    }
}
