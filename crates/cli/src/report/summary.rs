//! The totals of a campaign for programs: what `summary.json` holds and `--json` prints.
//!
//! Integers, words and ordered maps only, and nothing that is not in the ledger or the seed: the same campaign
//! gives the same bytes, on any machine.

use std::collections::BTreeMap;
use std::fmt;

use campaign::{CampaignState, OutcomeClass, Phase};
use serde::Serialize;

use super::ReportInput;
use super::bound::Measured;
use super::delivery::{self, Percentiles};
use super::units;

/// What came of a campaign. `ordered = done + failed + excluded + pending`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Its name.
    pub(crate) campaign: String,
    /// The seed of a simulated campaign.
    pub(crate) seed: Option<u64>,
    /// Where it stands: `running`, `halted` or `finished`.
    pub(crate) phase: &'static str,
    /// Why it was halted.
    pub(crate) halted_because: Option<String>,
    /// Devices in the order.
    pub(crate) ordered: usize,
    /// Run the target.
    pub(crate) done: usize,
    /// Were tried and do not.
    pub(crate) failed: usize,
    /// Were not to be tried.
    pub(crate) excluded: usize,
    /// Have no outcome yet.
    pub(crate) pending: usize,
    /// Done of those done and failed, in thousandths.
    pub(crate) success_permille: u16,
    /// Devices by outcome.
    pub(crate) by_outcome: BTreeMap<&'static str, usize>,
    /// Refused devices by code.
    pub(crate) by_refusal: BTreeMap<String, usize>,
    /// The pilot and the waves.
    pub(crate) waves: Vec<Wave>,
    /// How long devices waited from the instruction until they held the image, by kind, milliseconds.
    pub(crate) delivery_ms: BTreeMap<String, Percentiles>,
    /// Bytes sent over the WAN for images that arrived.
    pub(crate) wan_bytes: u64,
    /// Blocks of theirs that were sent more than once.
    pub(crate) blocks_repaired: u64,
    /// When it was ordered, ISO 8601 in UTC.
    pub(crate) ordered_at: String,
    /// When the last thing happened, ISO 8601 in UTC.
    pub(crate) updated_at: String,
    /// Seconds between the two.
    pub(crate) makespan_s: u64,
    /// What no order of sending could have beaten, where that is known.
    pub(crate) bound: Option<Measured>,
    /// The proof.
    pub(crate) ledger: LedgerSummary,
}

/// One wave.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Wave {
    /// Its number; 0 is the pilot.
    pub(crate) wave: u16,
    /// When it opened, ISO 8601 in UTC, if it did.
    pub(crate) opened_at: Option<String>,
    /// Devices in it.
    pub(crate) size: usize,
    /// Run the target.
    pub(crate) done: usize,
    /// Were tried and do not.
    pub(crate) failed: usize,
    /// Were not to be tried any more.
    pub(crate) excluded: usize,
    /// Have no outcome yet.
    pub(crate) pending: usize,
}

/// How far the ledger had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LedgerSummary {
    /// Its entries.
    pub(crate) entries: u64,
    /// Its head, as `ledger verify --head` takes it.
    pub(crate) head: String,
}

impl Summary {
    /// Counts a campaign.
    pub(crate) fn of(input: &ReportInput<'_>) -> Summary {
        let state = input.state;
        let tally = state.tally();
        let took = state.updated_at.saturating_since(state.ordered_at);
        Summary {
            campaign: state.id.to_string(),
            seed: input.seed,
            phase: state.phase.as_str(),
            halted_because: state.halted_because.clone(),
            ordered: tally.ordered,
            done: tally.done,
            failed: tally.failed,
            excluded: tally.excluded,
            pending: tally.pending,
            success_permille: state.success_permille(),
            by_outcome: tally.by_outcome.iter().map(|(outcome, size)| (outcome.as_str(), *size)).collect(),
            by_refusal: tally.by_refusal,
            waves: waves(state),
            delivery_ms: delivery::by_kind(state)
                .into_iter()
                .map(|(kind, times)| (kind, Percentiles::of(&times)))
                .collect(),
            wan_bytes: state.rows().map(|row| row.wan_bytes).sum(),
            blocks_repaired: state.rows().map(|row| u64::from(row.blocks_repaired)).sum(),
            ordered_at: units::iso(state.ordered_at),
            updated_at: units::iso(state.updated_at),
            makespan_s: took.as_secs(),
            bound: input.bound.as_ref().map(|bound| Measured::of(bound, took)),
            ledger: LedgerSummary { entries: input.head.count, head: input.head.to_string() },
        }
    }
}

/// Counts the waves, those that never opened included.
pub(crate) fn waves(state: &CampaignState) -> Vec<Wave> {
    let mut waves: BTreeMap<u16, Wave> = BTreeMap::new();
    for row in state.rows() {
        let Some(number) = row.wave else { continue };
        let wave = waves.entry(number).or_default();
        wave.size += 1;
        match row.outcome.as_ref().map(|(outcome, _)| outcome.class()) {
            Some(OutcomeClass::Done) => wave.done += 1,
            Some(OutcomeClass::Failed) => wave.failed += 1,
            Some(OutcomeClass::Excluded) => wave.excluded += 1,
            None => wave.pending += 1,
        }
    }
    let opened_at = |number: u16| state.waves_opened_at.get(usize::from(number)).copied().map(units::iso);
    waves.into_iter().map(|(wave, counted)| Wave { wave, opened_at: opened_at(wave), ..counted }).collect()
}

/// The sum that every reader checks first, as `2,000 ordered = 1,893 done + 24 failed + …`.
pub(crate) fn equation(state: &CampaignState) -> String {
    let tally = state.tally();
    let [ordered, done, failed, excluded, pending] =
        [tally.ordered, tally.done, tally.failed, tally.excluded, tally.pending].map(units::count);
    format!("{ordered} ordered = {done} done + {failed} failed + {excluded} excluded + {pending} pending")
}

/// Says in a sentence what was ordered and what came of it.
pub(crate) fn headline(state: &CampaignState) -> String {
    let tally = state.tally();
    let run = if tally.done == 1 { "runs" } else { "run" };
    let mut parts = vec![format!("{} {run} the target firmware", units::count(tally.done))];
    let others = [
        (tally.failed, "tried and failed"),
        (tally.excluded, "excluded by rule"),
        (tally.pending, "under way"),
    ];
    for (number, what) in others {
        if number > 0 {
            let verb = if number == 1 { "was" } else { "were" };
            let verb = match (what, number) {
                ("under way", 1) => "is",
                ("under way", _) => "are",
                _ => verb,
            };
            parts.push(format!("{} {verb} {what}", units::count(number)));
        }
    }
    let devices = if tally.ordered == 1 { "device" } else { "devices" };
    let phase = match state.phase {
        Phase::Running | Phase::Paused => "so far ",
        Phase::Halted => "until the campaign was halted, ",
        Phase::Aborted => "until the campaign was aborted, ",
        Phase::Finished => "",
    };
    format!("Of {} {devices} ordered, {phase}{}.", units::count(tally.ordered), parts.join(", "))
}

/// The same totals for people, a few lines.
impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ordered, done, failed, excluded, pending] =
            [self.ordered, self.done, self.failed, self.excluded, self.pending].map(units::count);
        writeln!(formatter, "campaign      {}, {}", self.campaign, self.phase)?;
        if let Some(reason) = &self.halted_because {
            writeln!(formatter, "halted        {reason}")?;
        }
        writeln!(
            formatter,
            "devices       {ordered} ordered = {done} done + {failed} failed + {excluded} excluded + {pending} pending"
        )?;
        writeln!(formatter, "success       {} of attempts", units::percent(self.success_permille))?;
        write_counts(formatter, "outcomes", self.by_outcome.iter())?;
        write_counts(formatter, "refused", self.by_refusal.iter())?;
        writeln!(
            formatter,
            "took          {}",
            units::span(std::time::Duration::from_secs(self.makespan_s))
        )?;
        if let Some(bound) = &self.bound {
            writeln!(formatter, "bound         {bound}")?;
        }
        writeln!(formatter, "sent to hubs  {}", units::bytes(self.wan_bytes))?;
        write!(formatter, "ledger        {}", self.ledger.head)
    }
}

fn write_counts<'a, K: fmt::Display + 'a>(
    formatter: &mut fmt::Formatter<'_>,
    label: &str,
    counts: impl Iterator<Item = (K, &'a usize)>,
) -> fmt::Result {
    let words: Vec<String> =
        counts.map(|(word, number)| format!("{} {word}", units::count(*number))).collect();
    if words.is_empty() { Ok(()) } else { writeln!(formatter, "{label:<14}{}", words.join(" · ")) }
}
