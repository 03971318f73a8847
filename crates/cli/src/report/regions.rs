//! The report of a world that was simulated region by region: sums over its campaigns, a line for each, and the same
//! drawings as of one campaign.
//!
//! A region's campaign is counted and let go before the next begins, so a nation takes the memory of two regions. What
//! is kept of each: its summary, waiting times of its devices, and how many had come how far at the end of each step of
//! ten minutes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use campaign::{CampaignState, Outcome, OutcomeClass, Stage};
use firmware_image::FileDigest;
use serde::Serialize;
use transfer_engine::Moment;

use super::bound::Measured;
use super::delivery::{self, Percentiles};
use super::progress::{Point, Progress};
use super::table::{Kind, Table};
use super::{LedgerSummary, Summary, Wave, units};

/// What is told apart over time.
const STEP: Duration = Duration::from_secs(600);

/// What is kept of a region.
pub(crate) struct Region {
    pub(crate) summary: Summary,
    times: BTreeMap<String, Vec<u64>>,
    steps: Vec<StepCounts>,
    from: Moment,
}

/// What happened within one step.
#[derive(Clone, Copy, Debug, Default)]
struct StepCounts {
    staged: usize,
    delivered: usize,
    activated: usize,
    failed: usize,
    wan_bytes: u64,
}

impl Region {
    /// Counts a region's campaign.
    pub(crate) fn of(summary: Summary, state: &CampaignState) -> Region {
        let from = state.ordered_at;
        let mut region = Region { summary, times: delivery::by_kind(state), steps: Vec::new(), from };
        for row in state.rows() {
            if let Some(at) = row.reached(Stage::Staged) {
                let step = region.step_at(at);
                step.staged += 1;
                step.wan_bytes += row.wan_bytes;
            }
            if let Some(at) = row.reached(Stage::Delivered) {
                region.step_at(at).delivered += 1;
            }
            if let (Some(at), Some((outcome, _))) = (row.reached(Stage::Ended), &row.outcome) {
                let step = region.step_at(at);
                step.activated += usize::from(*outcome == Outcome::Activated);
                step.failed += usize::from(outcome.class() == OutcomeClass::Failed);
            }
        }
        region
    }

    fn step_at(&mut self, at: Moment) -> &mut StepCounts {
        let number = at.saturating_since(self.from).as_micros() / STEP.as_micros();
        let number = usize::try_from(number).unwrap_or(usize::MAX - 1);
        if self.steps.len() <= number {
            self.steps.resize_with(number + 1, StepCounts::default);
        }
        &mut self.steps[number]
    }
}

/// What came of all regions: the sums as of one campaign, and the line of each.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RegionsSummary {
    #[serde(flatten)]
    pub(crate) whole: Summary,
    /// Each region.
    pub(crate) regions: Vec<RegionLine>,
}

/// One region.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RegionLine {
    /// Its campaign.
    pub(crate) campaign: String,
    /// Where that stands.
    pub(crate) phase: &'static str,
    /// Devices in its order.
    pub(crate) ordered: usize,
    /// Run the target.
    pub(crate) done: usize,
    /// Were tried and do not.
    pub(crate) failed: usize,
    /// Were not to be tried.
    pub(crate) excluded: usize,
    /// Have no outcome yet.
    pub(crate) pending: usize,
    /// Seconds from its order to its last record.
    pub(crate) makespan_s: u64,
    /// What no order of sending could have beaten.
    pub(crate) bound: Option<Measured>,
    /// Its ledger's head.
    pub(crate) head: String,
}

/// All regions of a world, and what the page draws of them.
pub(crate) struct Regions {
    pub(crate) title: String,
    pub(crate) summary: RegionsSummary,
    pub(crate) progress: Option<Progress>,
    pub(crate) times: BTreeMap<String, Vec<u64>>,
}

impl Regions {
    /// Adds up the regions of a world, in their order.
    pub(crate) fn of(title: String, name: &str, parts: Vec<Region>) -> Regions {
        let progress = progress(&parts);
        let lines = parts.iter().map(|part| RegionLine::of(&part.summary)).collect();
        let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut summaries = Vec::with_capacity(parts.len());
        for part in parts {
            for (kind, more) in part.times {
                times.entry(kind).or_default().extend(more);
            }
            summaries.push(part.summary);
        }
        times.values_mut().for_each(|times| times.sort_unstable());
        let whole = sum(name, &summaries, &times);
        Regions { title, summary: RegionsSummary { whole, regions: lines }, progress, times }
    }

    /// Writes the regions as a table.
    pub(crate) fn table(&self) -> Table {
        let columns = [
            ("Campaign", Kind::Code),
            ("Ordered", Kind::Number),
            ("Done", Kind::Number),
            ("Failed", Kind::Number),
            ("Excluded", Kind::Number),
            ("Took", Kind::Number),
            ("Ledger", Kind::Code),
        ];
        let mut table = Table::new("Regions, each a campaign of its own", &columns);
        for line in &self.summary.regions {
            let [ordered, done, failed, excluded] =
                [line.ordered, line.done, line.failed, line.excluded].map(units::count);
            let took = units::span(Duration::from_secs(line.makespan_s));
            table.push([line.campaign.clone(), ordered, done, failed, excluded, took, line.head.clone()]);
        }
        table
    }
}

impl RegionLine {
    fn of(summary: &Summary) -> RegionLine {
        RegionLine {
            campaign: summary.campaign.clone(),
            phase: summary.phase,
            ordered: summary.ordered,
            done: summary.done,
            failed: summary.failed,
            excluded: summary.excluded,
            pending: summary.pending,
            makespan_s: summary.makespan_s,
            bound: summary.bound.clone(),
            head: summary.ledger.head.clone(),
        }
    }
}

/// The sums for people, then what is only true of regions.
impl fmt::Display for RegionsSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.whole)?;
        let halted = self.regions.iter().filter(|line| line.phase == "halted").count();
        let slowest = self.regions.iter().map(|line| line.makespan_s).max().unwrap_or(0);
        write!(
            formatter,
            "regions       {}, {halted} halted, the slowest took {}; the ledger above is the digest of their heads",
            units::count(self.regions.len()),
            units::span(Duration::from_secs(slowest))
        )
    }
}

fn sum(name: &str, parts: &[Summary], times: &BTreeMap<String, Vec<u64>>) -> Summary {
    let total = |of: fn(&Summary) -> usize| parts.iter().map(of).sum::<usize>();
    let (done, failed) = (total(|part| part.done), total(|part| part.failed));
    let mut by_outcome = BTreeMap::new();
    let mut by_refusal = BTreeMap::new();
    let mut waves: BTreeMap<u16, Wave> = BTreeMap::new();
    let mut heads = String::new();
    for part in parts {
        part.by_outcome.iter().for_each(|(word, count)| *by_outcome.entry(*word).or_default() += count);
        part.by_refusal
            .iter()
            .for_each(|(code, count)| *by_refusal.entry(code.clone()).or_default() += count);
        for wave in &part.waves {
            let sum = waves.entry(wave.wave).or_insert_with(|| Wave { wave: wave.wave, ..Wave::default() });
            sum.size += wave.size;
            sum.done += wave.done;
            sum.failed += wave.failed;
            sum.excluded += wave.excluded;
            sum.pending += wave.pending;
            // ISO 8601 in UTC sorts as text.
            sum.opened_at = [sum.opened_at.take(), wave.opened_at.clone()].into_iter().flatten().min();
        }
        heads += &part.ledger.head;
        heads.push('\n');
    }
    let digest = FileDigest::of(heads.as_bytes()).to_string();
    let halted = parts.iter().find(|part| part.halted_because.is_some());
    let makespan_s = parts.iter().map(|part| part.makespan_s).max().unwrap_or(0);
    let bounds = parts.iter().filter_map(|part| part.bound.clone());
    Summary {
        campaign: name.to_owned(),
        seed: parts.first().and_then(|part| part.seed),
        phase: halted.or(parts.first()).map_or("finished", |part| part.phase),
        halted_because: halted.and_then(|part| {
            part.halted_because.as_ref().map(|reason| format!("{}: {reason}", part.campaign))
        }),
        ordered: total(|part| part.ordered),
        done,
        failed,
        excluded: total(|part| part.excluded),
        pending: total(|part| part.pending),
        success_permille: (done * 1_000).checked_div(done + failed).unwrap_or(1_000) as u16,
        by_outcome,
        by_refusal,
        waves: waves.into_values().collect(),
        delivery_ms: times.iter().map(|(kind, times)| (kind.clone(), Percentiles::of(times))).collect(),
        wan_bytes: parts.iter().map(|part| part.wan_bytes).sum(),
        blocks_repaired: parts.iter().map(|part| part.blocks_repaired).sum(),
        ordered_at: parts.iter().map(|part| part.ordered_at.clone()).min().unwrap_or_default(),
        updated_at: parts.iter().map(|part| part.updated_at.clone()).max().unwrap_or_default(),
        makespan_s,
        bound: Measured::greatest(bounds, Duration::from_secs(makespan_s)),
        ledger: LedgerSummary { entries: parts.iter().map(|part| part.ledger.entries).sum(), head: digest },
    }
}

/// Cumulates the steps of all regions, which are all ordered at the same moment.
fn progress(parts: &[Region]) -> Option<Progress> {
    let from = parts.first()?.from;
    let steps = parts.iter().map(|part| part.steps.len()).max().filter(|steps| *steps > 0)?;
    let mut point = Point { at: from, staged: 0, delivered: 0, activated: 0, failed: 0, wan_bytes: 0 };
    let mut points = vec![point];
    for number in 0..steps {
        point.at = point.at + STEP;
        for step in parts.iter().filter_map(|part| part.steps.get(number)) {
            point.staged += step.staged;
            point.delivered += step.delivered;
            point.activated += step.activated;
            point.failed += step.failed;
            point.wan_bytes += step.wan_bytes;
        }
        points.push(point);
    }
    Some(Progress { step: STEP, points })
}
