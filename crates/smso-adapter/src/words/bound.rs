//! How early a campaign can be over, and how long it took beside that.

use std::time::Duration;

use campaign::{
    Bound, CampaignId, CampaignState, Conductor, Constraint, Network, Permille, Phase, lower_bound,
};
use serde::{Deserialize, Serialize};

/// The time that no order of sending can beat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundView {
    /// From the order to the last outcome, at least, milliseconds.
    pub time_ms: u64,
    /// What takes the longest part of it: `head-end`, `cell`, `line`, `home`, `sleep`, `soak` or `hours`.
    pub binding: String,
    /// Which cell or home that is.
    pub binding_name: Option<String>,
    /// The same in words, as `the line of HOME-1`.
    pub set_by: String,
    /// Where the time goes.
    pub parts_ms: BoundParts,
    /// How much of it lies outside the hours in which blocks may be sent, milliseconds.
    pub closed_ms: u64,
    /// How much of it the device that decides waits for the hours of activation, milliseconds.
    pub held_ms: u64,
}

/// The parts of a bound, one after another, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundParts {
    /// Until the wave that decides is open.
    pub earlier_waves: u64,
    /// While the head-end sends as much as it may.
    pub head_end: u64,
    /// While the cell does.
    pub cell: u64,
    /// While the line does.
    pub line: u64,
    /// What is left when the hub has the last image.
    pub home: u64,
}

/// What came of a campaign beside its bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredView {
    /// The bound of what was really carried.
    #[serde(flatten)]
    pub bound: BoundView,
    /// How long it took, in thousandths of the bound: what is above 1,000 was lost by the order of sending, by outages and
    /// by pauses.
    pub makespan_permille: u64,
}

/// How long a campaign took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakespanView {
    /// The campaign.
    pub campaign: CampaignId,
    /// `running`, `paused`, `halted`, `aborted` or `finished`.
    pub phase: String,
    /// From the order to the last outcome, milliseconds; none before it is finished.
    pub took_ms: Option<u64>,
    /// The bound of it; none before it is finished, and when nothing was to be brought to anybody.
    pub bound: Option<MeasuredView>,
}

impl From<&Bound> for BoundView {
    fn from(bound: &Bound) -> BoundView {
        let (binding, name) = match &bound.constraint {
            Constraint::HeadEnd => ("head-end", None),
            Constraint::Cell(name) => ("cell", Some(name)),
            Constraint::Line(name) => ("line", Some(name)),
            Constraint::Home(name) => ("home", Some(name)),
            Constraint::Sleep(name) => ("sleep", Some(name)),
            Constraint::Soak => ("soak", None),
            Constraint::Hours => ("hours", None),
        };
        let spans = bound.spans;
        BoundView {
            time_ms: millis(bound.time),
            binding: binding.to_owned(),
            binding_name: name.cloned(),
            set_by: bound.constraint.to_string(),
            parts_ms: BoundParts {
                earlier_waves: millis(spans.earlier_waves),
                head_end: millis(spans.head_end),
                cell: millis(spans.cell),
                line: millis(spans.line),
                home: millis(spans.home),
            },
            closed_ms: millis(bound.closed),
            held_ms: millis(bound.held),
        }
    }
}

impl MeasuredView {
    /// Sets a bound beside the time that was taken.
    pub fn of(bound: BoundView, took: Duration) -> MeasuredView {
        let thousandfold = took.as_millis().saturating_mul(1_000) / u128::from(bound.time_ms.max(1));
        let makespan_permille = u64::try_from(thousandfold).unwrap_or(u64::MAX);
        MeasuredView { bound, makespan_permille }
    }
}

/// What must be known to say how long a campaign took; reckoning with it is seconds of a core for a large campaign, and
/// needs no engine.
pub(crate) struct Run {
    campaign: CampaignId,
    phase: Phase,
    took: Duration,
    network: Option<Network>,
    open_next_at: Permille,
}

impl Run {
    pub(crate) fn of(state: &CampaignState, conductor: &Conductor) -> Run {
        let is_finished = state.phase == Phase::Finished;
        Run {
            campaign: state.id.clone(),
            phase: state.phase,
            took: state.updated_at.saturating_since(state.ordered_at),
            network: is_finished.then(|| conductor.network_as_run(&state.id)).flatten(),
            open_next_at: state.order.policy.open_next_at,
        }
    }

    pub(crate) fn reckon(self) -> MakespanView {
        let bound = self.network.as_ref().and_then(|network| lower_bound(network, self.open_next_at));
        MakespanView {
            campaign: self.campaign,
            phase: self.phase.as_str().to_owned(),
            took_ms: (self.phase == Phase::Finished).then(|| millis(self.took)),
            bound: bound.map(|bound| MeasuredView::of(BoundView::from(&bound), self.took)),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
