//! The campaign report: one page for people, one table of devices, one summary for programs.
//!
//! ```text
//!  CampaignState ─┬─▶ summary                                     ─▶ summary.json, `--json`
//!                 ├─▶ devices                                     ─▶ devices.csv
//!                 └─▶ progress, delivery, breakdown ─▶ charts, page ─▶ report.html
//! ```
//!
//! All three are pure functions of the same state, so that their numbers cannot differ, and the same state
//! makes the same bytes. The page stands alone: no script, no font, no link leads out of it.

mod bound;
mod breakdown;
mod charts;
mod delivery;
mod devices;
mod page;
mod progress;
mod regions;
mod summary;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod units;
pub(crate) mod words;

use std::fs;
use std::path::{Path, PathBuf};

use campaign::{Bound, CampaignState};

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{Destination, Overwrite};

pub(crate) use bound::{BoundLine, Measured};
pub(crate) use devices::devices_csv;
pub(crate) use page::render;
pub(crate) use regions::{Region, Regions};
pub(crate) use summary::{LedgerSummary, Summary, Wave};

/// What a report is made of.
#[derive(Debug)]
pub(crate) struct ReportInput<'a> {
    /// The page's heading.
    pub(crate) title: String,
    /// The seed of a simulated campaign.
    pub(crate) seed: Option<u64>,
    /// What happened.
    pub(crate) state: &'a CampaignState,
    /// What no order of sending could have beaten, where it is known.
    pub(crate) bound: Option<Bound>,
    /// Further lines for the page's head, as name and value. They are not in the summary: they may name what
    /// differs from run to run, such as the real time it took.
    pub(crate) facts: Vec<(String, String)>,
    /// How far the ledger had come.
    pub(crate) head: ledger::Head,
}

/// Where the files of a report lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportFiles {
    /// The page.
    pub(crate) html: PathBuf,
    /// A row for each device.
    pub(crate) devices: PathBuf,
    /// The totals.
    pub(crate) summary: PathBuf,
}

/// Writes the three files into a folder, which is made if it is missing; an older report there is replaced.
///
/// Everything is made before anything is written, and the summary comes last: where it is new, all are.
pub(crate) fn write(dir: &Path, input: &ReportInput<'_>) -> Result<ReportFiles, Failure> {
    let html = render(input)?;
    let devices = devices_csv(input.state)?;
    let summary = Summary::of(input).to_json()?;
    fs::create_dir_all(dir).or_bad_input(format_args!("{}: cannot be made a folder", dir.display()))?;
    let files = ReportFiles {
        html: dir.join("report.html"),
        devices: dir.join("devices.csv"),
        summary: dir.join("summary.json"),
    };
    let written = [(&files.html, html.as_bytes()), (&files.devices, &devices), (&files.summary, &summary)];
    for (path, bytes) in written {
        Destination::new(path, Overwrite::Replace, &[])?.write(bytes)?;
    }
    Ok(files)
}

/// Writes the report of a world of several regions: the page and the summary. Devices are not listed.
pub(crate) fn write_regions(dir: &Path, regions: &Regions) -> Result<PathBuf, Failure> {
    let html = page::render_regions(regions)?;
    let mut summary =
        serde_json::to_vec_pretty(&regions.summary).or_fail(ExitCode::Failed, "the summary as JSON")?;
    summary.push(b'\n');
    fs::create_dir_all(dir).or_bad_input(format_args!("{}: cannot be made a folder", dir.display()))?;
    let page = dir.join("report.html");
    for (path, bytes) in [(&page, html.as_bytes()), (&dir.join("summary.json"), &summary)] {
        Destination::new(path, Overwrite::Replace, &[])?.write(bytes)?;
    }
    Ok(page)
}

impl Summary {
    /// Returns the summary as the file holds it: the document that `--json` prints, with its end of line.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Failure> {
        let mut json = serde_json::to_vec_pretty(self).or_fail(ExitCode::Failed, "the summary as JSON")?;
        json.push(b'\n');
        Ok(json)
    }
}
