//! Campaigns as they are shown: sums, waves, verdicts, rejections.

use std::collections::BTreeMap;

use campaign::{CampaignId, CampaignPolicy, CampaignState, Conductor, Outcome, Tally, Target};
use firmware_image::Eui64;
use ledger::Head;
use serde::{Deserialize, Serialize};

use super::device::Clause;
use super::time::rfc3339;

/// A campaign with all its sums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignView {
    /// Name, phase and sums.
    #[serde(flatten)]
    pub summary: CampaignSummary,
    /// Who instructed.
    pub instructing_party: String,
    /// The SMSO addressed.
    pub smso: String,
    /// Images and where they lead.
    pub targets: Vec<Target>,
    /// How it proceeds.
    pub policy: CampaignPolicy,
    /// Devices by how far they have come.
    pub by_stage: BTreeMap<String, usize>,
    /// Devices by how it ended.
    pub by_outcome: BTreeMap<String, usize>,
    /// Refused devices by gate code.
    pub by_refusal: BTreeMap<String, usize>,
    /// The waves, the pilot first.
    pub waves: Vec<WaveView>,
    /// What the engine has counted since it was started, for all campaigns.
    pub counters: CountersView,
    /// How far the ledger has come.
    pub ledger: LedgerView,
}

/// A campaign in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignSummary {
    /// Its name.
    pub id: CampaignId,
    /// `running`, `paused`, `halted`, `aborted` or `finished`.
    pub phase: String,
    /// Why it was halted, or who aborted it and why.
    pub halted_because: Option<String>,
    /// Who paused it and why, while it is paused.
    pub paused_because: Option<String>,
    /// The operators whose approval was taken over; none while nobody's was.
    pub approved_by: Vec<String>,
    /// When it was ordered.
    pub ordered_at: String,
    /// The time of its latest record.
    pub updated_at: String,
    /// The sums.
    pub tally: TallyView,
    /// done / (done + failed), in thousandths; 1000 when nothing was attempted.
    pub success_permille: u16,
}

/// `ordered = done + failed + excluded + pending`, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyView {
    /// Devices in the order.
    pub ordered: usize,
    /// Run the target.
    pub done: usize,
    /// Were tried and do not.
    pub failed: usize,
    /// Were not to be tried (any more).
    pub excluded: usize,
    /// Have no outcome yet.
    pub pending: usize,
}

/// A wave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveView {
    /// Which; 0 is the pilot.
    pub wave: u16,
    /// When it was opened; none while it waits.
    pub opened_at: Option<String>,
    /// Its devices.
    pub devices: usize,
    /// Those of them that have an outcome.
    pub ended: usize,
}

/// What the engine has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersView {
    /// Bytes sent, IP and UDP headers included.
    pub bytes_sent: u64,
    /// Image blocks sent.
    pub blocks_sent: u64,
    /// Requests sent.
    pub requests_sent: u64,
    /// Frames heard.
    pub frames_heard: u64,
    /// Datagrams from addresses that are no hub of ours.
    pub strangers: u64,
    /// Frames that do not parse.
    pub malformed: u64,
    /// Hubs that are being talked to now.
    pub busy_hubs: usize,
}

/// How far the ledger has come; keep it elsewhere to prove later that nothing before it was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerView {
    /// Entries.
    pub entries: u64,
    /// Hash of the last one.
    pub hash: String,
}

/// All campaigns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignList {
    /// By name.
    pub campaigns: Vec<CampaignSummary>,
}

/// The answer to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedView {
    /// The campaign.
    pub id: CampaignId,
    /// The sums as the order was accepted.
    pub tally: TallyView,
    /// How many devices got which verdict.
    pub verdicts: Vec<VerdictCount>,
    /// The devices that will not be served.
    pub rejections: Vec<RejectionList>,
}

/// How many devices got one verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCount {
    /// Allowed or not.
    pub allowed: bool,
    /// Not allowed as yet, with nothing against it but the day.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// Row and code of the decision table.
    #[serde(flatten)]
    pub clause: Clause,
    /// How many.
    pub devices: usize,
}

/// Devices that the gate turned down for one reason: partitioned lists as DUIS gives them for service request
/// 11.1 (domain fact; that we follow the pattern is ours). No device stands in two of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionList {
    /// `refused` or `already_on_target` when it was planned, `held_unactivated` when the gate changed its mind.
    pub outcome: Outcome,
    /// The gate's code.
    pub code: String,
    /// How many.
    pub count: usize,
    /// Which.
    pub devices: Vec<Eui64>,
}

/// All that the gate turned down in a campaign so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionsView {
    /// The campaign.
    pub id: CampaignId,
    /// By outcome and code.
    pub rejections: Vec<RejectionList>,
}

/// Whether something answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthView {
    /// `ok`.
    pub status: String,
}

impl From<&Tally> for TallyView {
    fn from(tally: &Tally) -> TallyView {
        TallyView {
            ordered: tally.ordered,
            done: tally.done,
            failed: tally.failed,
            excluded: tally.excluded,
            pending: tally.pending,
        }
    }
}

impl From<&CampaignState> for CampaignSummary {
    fn from(state: &CampaignState) -> CampaignSummary {
        CampaignSummary {
            id: state.id.clone(),
            phase: state.phase.as_str().to_owned(),
            halted_because: state.halted_because.clone(),
            paused_because: state.paused_because.clone(),
            approved_by: state.approved.as_ref().map(|record| record.by.clone()).unwrap_or_default(),
            ordered_at: rfc3339(state.ordered_at.as_micros()),
            updated_at: rfc3339(state.updated_at.as_micros()),
            tally: TallyView::from(&state.tally()),
            success_permille: state.success_permille(),
        }
    }
}

impl CampaignView {
    /// Shows a campaign; the head is added when what was seen is known to be durable.
    pub(crate) fn of(
        state: &CampaignState,
        conductor: &Conductor,
    ) -> impl FnOnce(Head) -> CampaignView + use<> {
        let tally = state.tally();
        let counters = conductor.counters();
        let order = state.order.clone();
        let view = CampaignView {
            summary: CampaignSummary::from(state),
            instructing_party: order.instructing_party,
            smso: order.smso,
            targets: order.targets,
            policy: order.policy,
            by_stage: words(tally.by_stage.iter().map(|(stage, count)| (stage.as_str(), *count))),
            by_outcome: words(tally.by_outcome.iter().map(|(outcome, count)| (outcome.as_str(), *count))),
            by_refusal: tally.by_refusal,
            waves: waves(state),
            counters: CountersView {
                bytes_sent: counters.bytes_sent,
                blocks_sent: counters.blocks_sent,
                requests_sent: counters.requests_sent,
                frames_heard: counters.frames_heard,
                strangers: counters.strangers,
                malformed: counters.malformed,
                busy_hubs: conductor.busy_hubs(),
            },
            ledger: LedgerView { entries: 0, hash: String::new() },
        };
        move |head| CampaignView {
            ledger: LedgerView { entries: head.count, hash: head.hash.to_string() },
            ..view
        }
    }
}

fn words<'a>(counts: impl Iterator<Item = (&'a str, usize)>) -> BTreeMap<String, usize> {
    counts.map(|(word, count)| (word.to_owned(), count)).collect()
}

fn waves(state: &CampaignState) -> Vec<WaveView> {
    let mut waves: BTreeMap<u16, WaveView> = BTreeMap::new();
    for row in state.rows() {
        let Some(number) = row.wave else { continue };
        let wave = waves.entry(number).or_default();
        wave.wave = number;
        wave.devices += 1;
        wave.ended += usize::from(row.outcome.is_some());
    }
    for (number, at) in (0..).zip(&state.waves_opened_at) {
        if let Some(wave) = waves.get_mut(&number) {
            wave.opened_at = Some(rfc3339(at.as_micros()));
        }
    }
    waves.into_values().collect()
}

impl From<&CampaignState> for CreatedView {
    fn from(state: &CampaignState) -> CreatedView {
        let mut verdicts: BTreeMap<(bool, bool, Clause), usize> = BTreeMap::new();
        for row in state.rows() {
            let clause = Clause { row: row.verdict.row.clone(), code: row.verdict.code.clone() };
            // Allowed ones first, then those that wait.
            *verdicts.entry((!row.verdict.allowed, !row.verdict.waits, clause)).or_default() += 1;
        }
        let count = |((not_yet, never, clause), devices): ((bool, bool, Clause), usize)| VerdictCount {
            allowed: !not_yet,
            waits: not_yet && !never,
            clause,
            devices,
        };
        CreatedView {
            id: state.id.clone(),
            tally: TallyView::from(&state.tally()),
            verdicts: verdicts.into_iter().map(count).collect(),
            rejections: rejections(state),
        }
    }
}

impl From<&CampaignState> for RejectionsView {
    fn from(state: &CampaignState) -> RejectionsView {
        RejectionsView { id: state.id.clone(), rejections: rejections(state) }
    }
}

fn rejections(state: &CampaignState) -> Vec<RejectionList> {
    let mut lists: BTreeMap<(Outcome, &str), Vec<Eui64>> = BTreeMap::new();
    for row in state.rows() {
        let Some((outcome, reason)) = &row.outcome else { continue };
        let by_gate = match outcome {
            Outcome::Refused | Outcome::HeldUnactivated => true,
            // Others were found there by reading them back, which is no verdict.
            Outcome::AlreadyOnTarget => !row.verdict.allowed,
            _ => false,
        };
        if by_gate {
            lists.entry((*outcome, reason)).or_default().push(row.device);
        }
    }
    let list = |((outcome, code), devices): ((Outcome, &str), Vec<Eui64>)| RejectionList {
        outcome,
        code: code.to_owned(),
        count: devices.len(),
        devices,
    };
    lists.into_iter().map(list).collect()
}
