//! `lamplighter ledger show`: the entries, for people and programs. Believes what the file says, so that a
//! damaged ledger can be looked at too; `verify` is the judge.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use ledger::{Entry, EntryIndex, SqliteStore, Store};
use serde::Serialize;

use super::open;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;

/// Show entries of a ledger.
///
/// Shows them as they stand in the file; `lamplighter ledger verify` says whether they are what was written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lamplighter ledger show ledger.sqlite --limit 20\n  \
lamplighter ledger show ledger.sqlite --kind instructed --json")]
pub(crate) struct Arguments {
    /// Ledger file.
    file: PathBuf,
    /// First entry to show.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Most entries to show.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    /// Only entries of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// Only entries about this subject, usually a campaign.
    #[arg(long)]
    subject: Option<String>,
}

/// One page of entries.
#[derive(Debug, Serialize)]
struct ShowReport {
    entries: Vec<EntryReport>,
    /// Where to go on with `--from`; none when the ledger ends here.
    next: Option<u64>,
}

#[derive(Debug, Serialize)]
struct EntryReport {
    index: u64,
    recorded_at: String,
    recorded_at_us: u64,
    kind: String,
    subject: String,
    hash: String,
    #[serde(flatten)]
    body: Body,
}

/// A body is opaque to the ledger; it is shown as text when it is text.
#[derive(Debug, Serialize)]
enum Body {
    #[serde(rename = "body_text")]
    Text(String),
    #[serde(rename = "body_hex")]
    Hex(String),
}

impl From<Entry> for EntryReport {
    fn from(entry: Entry) -> EntryReport {
        let recorded_at = i64::try_from(entry.recorded_at_us)
            .ok()
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .map_or_else(|| "beyond the calendar".to_owned(), |time| time.to_string());
        let printable = |text: &String| !text.chars().any(char::is_control);
        let body = match String::from_utf8(entry.body.clone()).ok().filter(printable) {
            Some(text) => Body::Text(text),
            None => Body::Hex(entry.body.iter().map(|byte| format!("{byte:02x}")).collect()),
        };
        EntryReport {
            index: entry.index.0,
            recorded_at,
            recorded_at_us: entry.recorded_at_us,
            kind: entry.kind,
            subject: entry.subject,
            hash: entry.hash.to_string(),
            body,
        }
    }
}

impl fmt::Display for ShowReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            let EntryReport { index, recorded_at, kind, subject, .. } = entry;
            // A file edited by others may hold anything; a terminal is shown printable characters only.
            let (kind, subject) = (kind.escape_debug(), subject.escape_debug());
            let body = match &entry.body {
                Body::Text(text) => text.clone(),
                Body::Hex(hex) => format!("({} bytes, --json shows them)", hex.len() / 2),
            };
            writeln!(formatter, "{index:>8}  {recorded_at:<27}  {kind}  {subject}  {body}")?;
        }
        Ok(())
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let store = open(&arguments.file)?;
    let report = page(&store, arguments)?;
    output.report(&report)?;
    match report.next {
        Some(next) => output.talk(format_args!("more: --from {next}")),
        None if report.entries.is_empty() => output.talk("no entries"),
        None => {}
    }
    Ok(())
}

/// Reads on in bounded steps until the page is full or the ledger ends.
fn page(store: &SqliteStore, arguments: &Arguments) -> Result<ShowReport, Failure> {
    let is_asked_for = |entry: &Entry| {
        arguments.kind.as_ref().is_none_or(|kind| *kind == entry.kind)
            && arguments.subject.as_ref().is_none_or(|subject| *subject == entry.subject)
    };
    let mut entries = Vec::new();
    let mut from = EntryIndex(arguments.from);
    loop {
        let batch = store
            .read(from, BATCH)
            .or_fail(ExitCode::Failed, format_args!("{}: cannot be shown", arguments.file.display()))?;
        let Some(last) = batch.last() else { return Ok(ShowReport { entries, next: None }) };
        from = EntryIndex(last.index.0 + 1);
        for entry in batch.into_iter().filter(is_asked_for) {
            if entries.len() == usize::from(arguments.limit) {
                return Ok(ShowReport { entries, next: Some(entry.index.0) });
            }
            entries.push(EntryReport::from(entry));
        }
    }
}

/// Entries read at a time: 256 bodies of 64 KiB are 16 MiB at the very most.
const BATCH: usize = 256;
