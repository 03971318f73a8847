//! `devices.csv`: a row for each device of the order, the numbers behind every sum of the report.

use anyhow::Context;
use campaign::{CampaignState, DeviceRow, Stage};

use super::{units, words};

/// The columns, in order. Columns are only ever added, at the end.
pub(crate) const COLUMNS: [&str; 30] = [
    "device",
    "kind",
    "installation",
    "hub",
    "channel",
    "wave",
    "gate_allowed",
    "gate_row",
    "gate_code",
    "dmc",
    "evidence",
    "evidence_complete_on",
    "image_sha256",
    "stage",
    "planned_at",
    "instructed_at",
    "staged_at",
    "delivered_at",
    "ordered_at",
    "ended_at",
    "sum",
    "outcome",
    "reason",
    "running",
    "order_counter",
    "wan_bytes",
    "blocks_repaired",
    "exclusion",
    "soaking_at",
    "gate_said_last",
];

/// Makes the table of all devices, by EUI-64: comma-separated, with a heading, times as ISO 8601 in UTC, what
/// is not there empty, several documents separated by `; `.
pub(crate) fn devices_csv(state: &CampaignState) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).context("the heading of the table of devices")?;
    for row in state.rows() {
        writer.write_record(cells(row)).with_context(|| format!("device {} as a row", row.device))?;
    }
    writer.into_inner().context("the table of devices")
}

fn cells(row: &DeviceRow) -> [String; 30] {
    fn or_empty(value: Option<impl ToString>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let reached = |stage| or_empty(row.reached(stage).map(units::iso));
    let outcome = row.outcome.as_ref();
    [
        row.device.to_string(),
        row.kind.clone(),
        row.installation.clone(),
        or_empty(row.hub),
        row.channel.to_string(),
        or_empty(row.wave),
        row.verdict.allowed.to_string(),
        row.verdict.row.clone(),
        row.verdict.code.clone(),
        or_empty(row.verdict.dmc.as_ref()),
        row.verdict.evidence.join("; "),
        or_empty(row.verdict.rests_on.as_ref()),
        or_empty(row.image),
        row.stage.as_str().to_owned(),
        reached(Stage::Planned),
        reached(Stage::Instructed),
        reached(Stage::Staged),
        reached(Stage::Delivered),
        reached(Stage::Ordered),
        reached(Stage::Ended),
        outcome.map_or("pending", |(outcome, _)| words::class(outcome.class())).to_owned(),
        or_empty(outcome.map(|(outcome, _)| outcome.as_str())),
        or_empty(outcome.map(|(_, reason)| reason)),
        or_empty(row.running.as_ref()),
        or_empty(row.order_counter),
        row.wan_bytes.to_string(),
        row.blocks_repaired.to_string(),
        or_empty(row.exclusion.as_ref()),
        reached(Stage::Soaking),
        or_empty(row.last_word.as_ref().map(|word| &word.detail)),
    ]
}
