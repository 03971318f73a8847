//! Devices of a campaign as they are shown, a page at a time.

use std::collections::BTreeMap;

use campaign::{CampaignState, DeviceRow, Judgement, Outcome, OutcomeClass, Stage};
use firmware_image::{Eui64, FileDigest};
use serde::{Deserialize, Serialize};

use super::time::rfc3339;

/// One device of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// The device.
    pub device: Eui64,
    /// What kind of device; empty when the inventory does not know it.
    pub kind: String,
    /// Its installation; empty when unknown.
    pub installation: String,
    /// Its hub.
    pub hub: Option<Eui64>,
    /// Its channel on the hub; 0 is the hub itself.
    pub channel: u8,
    /// What the gate said when the order came.
    pub verdict: VerdictView,
    /// What it said last, where that was something else and was recorded.
    pub last_word: Option<VerdictView>,
    /// The file it is to get.
    pub image: Option<FileDigest>,
    /// Its wave; 0 is the pilot.
    pub wave: Option<u16>,
    /// How far it has come.
    pub stage: Stage,
    /// When each stage was reached.
    pub reached: BTreeMap<String, String>,
    /// How often it was tried in vain to bring its image to its hub.
    pub failed_attempts: u8,
    /// When that is tried again, after a try that failed.
    pub retry_at: Option<String>,
    /// How it ended; none while it is pending.
    pub outcome: Option<Outcome>,
    /// Whether that is done, failed or excluded.
    pub class: Option<OutcomeClass>,
    /// Why it ended so; a gate code for refusals.
    pub reason: Option<String>,
    /// Why nothing more should be tried with it until somebody has seen to it: a word of `exclusions.csv`.
    pub exclusion: Option<String>,
    /// The version it said it runs, when it was asked.
    pub running: Option<String>,
    /// The counter of its activation order.
    pub order_counter: Option<u64>,
    /// Bytes sent over the WAN for it, headers included.
    pub wan_bytes: u64,
    /// Blocks sent more than once.
    pub blocks_repaired: u32,
}

/// What the gate said, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictView {
    /// Allowed or not.
    pub allowed: bool,
    /// Row and code of the decision table.
    #[serde(flatten)]
    pub clause: Clause,
    /// The device model combination it rests on.
    pub dmc: Option<String>,
    /// The documents it rests on.
    pub evidence: Vec<String>,
    /// The day the evidence was complete, as YYYY-MM-DD.
    pub rests_on: Option<String>,
    /// One sentence for people.
    pub detail: String,
}

/// A row of the decision table; `-` for refusals that are the engine's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Clause {
    /// The row.
    pub row: String,
    /// Its code.
    pub code: String,
}

/// A page of devices, by EUI-64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicePage {
    /// How many devices match.
    pub total: usize,
    /// How many of them come before this page.
    pub offset: usize,
    /// The most a page of this request holds.
    pub limit: usize,
    /// The offset of the next page; none on the last.
    pub next: Option<usize>,
    /// The devices.
    pub devices: Vec<DeviceView>,
}

/// Which devices are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeFilter {
    Any,
    Pending,
    Ended(Outcome),
}

impl OutcomeFilter {
    /// Reads the word: one of the outcomes, or `pending`.
    pub(crate) fn parse(word: Option<&str>) -> Option<OutcomeFilter> {
        match word {
            None => Some(OutcomeFilter::Any),
            Some("pending") => Some(OutcomeFilter::Pending),
            Some(word) => {
                let known = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word);
                known.map(OutcomeFilter::Ended)
            }
        }
    }

    fn takes(self, row: &DeviceRow) -> bool {
        let outcome = row.outcome.as_ref().map(|(outcome, _)| *outcome);
        match self {
            OutcomeFilter::Any => true,
            OutcomeFilter::Pending => outcome.is_none(),
            OutcomeFilter::Ended(wanted) => outcome == Some(wanted),
        }
    }
}

/// Makes a page.
pub(crate) fn page_of(
    state: &CampaignState,
    filter: OutcomeFilter,
    offset: usize,
    limit: usize,
) -> DevicePage {
    let matching = || state.rows().filter(|row| filter.takes(row));
    let total = matching().count();
    let devices: Vec<DeviceView> = matching().skip(offset).take(limit).map(DeviceView::from).collect();
    let end = offset.saturating_add(devices.len());
    DevicePage { total, offset, limit, next: (end < total && !devices.is_empty()).then_some(end), devices }
}

impl From<&Judgement> for VerdictView {
    fn from(verdict: &Judgement) -> VerdictView {
        VerdictView {
            allowed: verdict.allowed,
            clause: Clause { row: verdict.row.clone(), code: verdict.code.clone() },
            dmc: verdict.dmc.clone(),
            evidence: verdict.evidence.clone(),
            rests_on: verdict.rests_on.clone(),
            detail: verdict.detail.clone(),
        }
    }
}

impl DeviceView {
    /// Returns why it ended so in words: of what the gate turned down, its reason too.
    pub fn why(&self) -> Option<String> {
        let reason = self.reason.as_ref()?;
        let word = self.last_word.as_ref().filter(|word| word.clause.code == *reason);
        Some(word.map_or_else(|| reason.clone(), |word| format!("{reason}, {}", word.detail)))
    }
}

impl From<&DeviceRow> for DeviceView {
    fn from(row: &DeviceRow) -> DeviceView {
        let reached = Stage::ALL.into_iter().filter_map(|stage| {
            let at = row.reached(stage)?;
            Some((stage.as_str().to_owned(), rfc3339(at.as_micros())))
        });
        DeviceView {
            device: row.device,
            kind: row.kind.clone(),
            installation: row.installation.clone(),
            hub: row.hub,
            channel: row.channel,
            verdict: VerdictView::from(&row.verdict),
            last_word: row.last_word.as_deref().map(VerdictView::from),
            image: row.image,
            wave: row.wave,
            stage: row.stage,
            reached: reached.collect(),
            failed_attempts: row.failed_attempts,
            retry_at: row.retry_at.map(|at| rfc3339(at.as_micros())),
            outcome: row.outcome.as_ref().map(|(outcome, _)| *outcome),
            class: row.outcome.as_ref().map(|(outcome, _)| outcome.class()),
            reason: row.outcome.as_ref().map(|(_, reason)| reason.clone()),
            exclusion: row.exclusion.clone(),
            running: row.running.clone(),
            order_counter: row.order_counter,
            wan_bytes: row.wan_bytes,
            blocks_repaired: row.blocks_repaired,
        }
    }
}
