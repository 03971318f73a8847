//! `lamplighter campaign exclusions`: the devices that a campaign gave up for a reason that outlasts it, as rows of
//! `exclusions.csv`, so that the gate of the next campaign leaves them out until somebody has seen to them.

use std::fmt;

use campaign::CampaignId;
use clap::Args;
use eligibility::{ExclusionEntry, LoadError, read_csv, write_csv};
use serde::Serialize;
use smso_adapter::DeviceView;

use super::EngineArguments;
use super::show::list_devices;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::output::Output;

/// Print the devices that a campaign gave up, as rows for the list of exclusions.
///
/// The rows are those of `exclusions.csv`, to be added to the list that is kept: this prints those of one campaign. Each
/// names the category, the day on which the device was given up, and the campaign. Devices whose end speaks against the
/// image rather than against them have no row.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lamplighter campaign exclusions autumn > autumn-exclusions.csv\n\nAdd its rows to the \
list; do not write over the list: a running engine reads it again as soon as it changes."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    engine: EngineArguments,
    /// Name of the campaign.
    id: CampaignId,
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let client = arguments.engine.client()?;
    let devices = list_devices(&client, &format!("/v1/campaigns/{}", arguments.id))?;
    let rows: Vec<Row> = devices.iter().filter_map(|device| Row::of(device, &arguments.id)).collect();
    let csv = as_csv(&rows).or_fail(ExitCode::Failed, "the engine's answer as rows of exclusions.csv")?;
    output.report(&ExclusionReport { csv, rows })
}

/// Reads the rows as the gate will, and writes them as its files are written.
fn as_csv(rows: &[Row]) -> Result<String, LoadError> {
    let mut text = "device_id,reason,since,doc_ref\n".to_owned();
    for Row { device_id, reason, since, doc_ref } in rows {
        text.push_str(&format!("{device_id},{reason},{since},{doc_ref}\n"));
    }
    let entries: Vec<ExclusionEntry> = read_csv(text.as_bytes())?;
    Ok(String::from_utf8_lossy(&write_csv(&entries)).into_owned())
}

/// A device that was given up.
#[derive(Debug, Serialize)]
struct Row {
    device_id: String,
    reason: String,
    since: String,
    doc_ref: String,
}

impl Row {
    fn of(device: &DeviceView, campaign: &CampaignId) -> Option<Row> {
        // RFC 3339 begins with the day.
        let since = device.reached.get("ended")?.get(..10)?.to_owned();
        Some(Row {
            device_id: device.device.to_string(),
            reason: device.exclusion.clone()?,
            since,
            doc_ref: format!("campaign {campaign}"),
        })
    }
}

/// The rows as a file for people, and as data for programs.
#[derive(Debug, Serialize)]
struct ExclusionReport {
    #[serde(skip)]
    csv: String,
    #[serde(rename = "exclusions")]
    rows: Vec<Row>,
}

impl fmt::Display for ExclusionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.csv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_as_the_gate_reads_them() {
        let row = |reason: &str| Row {
            device_id: "00-0D-6F-00-0B-0A-0C-0D".to_owned(),
            reason: reason.to_owned(),
            since: "2020-10-07".to_owned(),
            doc_ref: "campaign autumn".to_owned(),
        };
        let csv = as_csv(&[row("no-wan-before-migration"), row("gas-meter-han-error")]).expect("rows");
        assert_eq!(
            csv,
            "device_id,reason,since,doc_ref\n\
             00-0D-6F-00-0B-0A-0C-0D,no-wan-before-migration,2020-10-07,campaign autumn\n\
             00-0D-6F-00-0B-0A-0C-0D,gas-meter-han-error,2020-10-07,campaign autumn\n"
        );
        assert!(as_csv(&[row("")]).is_err());
    }
}
