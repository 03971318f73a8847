//! How a campaign went over time: what had come how far at a number of instants.

use std::time::Duration;

use campaign::{CampaignState, Outcome, OutcomeClass, Stage};
use transfer_engine::Moment;

use super::table::{Kind, Table};
use super::units;

/// Instants of a campaign at even steps from its order on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Between two instants; only the last may come sooner.
    pub(crate) step: Duration,
    /// The instants, at least two.
    pub(crate) points: Vec<Point>,
}

/// How far a campaign is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// To its latest record.
    Whole,
    /// Until the last hub had its image: devices may take days more, in which nothing is sent.
    Traffic,
}

/// What had happened by an instant, all of it cumulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// The instant.
    pub(crate) at: Moment,
    /// Devices whose hub held the image.
    pub(crate) staged: usize,
    /// Devices that held the image.
    pub(crate) delivered: usize,
    /// Devices that ran it.
    pub(crate) activated: usize,
    /// Devices that had failed.
    pub(crate) failed: usize,
    /// Bytes sent over the WAN, counted when the hub had the whole image.
    pub(crate) wan_bytes: u64,
}

/// Steps of a line: what happens in bursts is seen as such, and the page stays small.
pub(crate) const LINE_STEPS: u32 = 240;

/// Steps as bars: as many as can stand side by side.
pub(crate) const BAR_STEPS: u32 = 48;

/// Steps as rows of a table.
pub(crate) const TABLE_STEPS: u32 = 8;

impl Progress {
    /// Follows a campaign to its latest record, or only as far as bytes were sent to hubs.
    ///
    /// `None` where no time passes until then, so that there is nothing to show.
    pub(crate) fn of(state: &CampaignState, window: Window, most_steps: u32) -> Option<Progress> {
        let events = Events::of(state);
        let end = match window {
            Window::Whole => state.updated_at,
            Window::Traffic => events.sent.last()?.0,
        };
        let whole = end.saturating_since(state.ordered_at);
        if whole.is_zero() {
            return None;
        }
        let step = units::round_step(whole, most_steps);
        let mut at = state.ordered_at;
        let mut points = vec![events.by(at)];
        while at < end {
            at = (at + step).min(end);
            points.push(events.by(at));
        }
        Some(Progress { step, points })
    }

    /// Returns the bytes of each step, with the instant at which it began.
    pub(crate) fn wan_steps(&self) -> impl Iterator<Item = (Moment, u64)> {
        self.points.windows(2).map(|pair| (pair[0].at, pair[1].wan_bytes - pair[0].wan_bytes))
    }

    /// Returns the last instant.
    pub(crate) fn last(&self) -> Point {
        *self.points.last().expect("a progress has at least two points")
    }

    /// Writes the devices as a table.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(
            "Devices by time, cumulated",
            &[
                ("Time", Kind::Code),
                ("Hub holds image", Kind::Number),
                ("Delivered", Kind::Number),
                ("Activated", Kind::Number),
                ("Failed", Kind::Number),
            ],
        );
        for point in &self.points {
            table.push([
                units::utc(point.at),
                units::count(point.staged),
                units::count(point.delivered),
                units::count(point.activated),
                units::count(point.failed),
            ]);
        }
        table
    }

    /// Writes the bytes as a table.
    pub(crate) fn wan_table(&self) -> Table {
        let columns = [
            ("Until", Kind::Code),
            ("Sent since the line before", Kind::Number),
            ("Sent so far", Kind::Number),
            ("Bytes so far", Kind::Number),
        ];
        let mut table = Table::new("Traffic to hubs by time", &columns);
        let mut before = 0;
        for point in &self.points {
            let since = units::bytes(point.wan_bytes - before);
            before = point.wan_bytes;
            let exact = units::count(point.wan_bytes);
            table.push([units::utc(point.at), since, units::bytes(point.wan_bytes), exact]);
        }
        table
    }
}

/// When what happened, each list in ascending order.
struct Events {
    staged: Vec<Moment>,
    delivered: Vec<Moment>,
    activated: Vec<Moment>,
    failed: Vec<Moment>,
    /// Running sums of bytes.
    sent: Vec<(Moment, u64)>,
}

impl Events {
    fn of(state: &CampaignState) -> Events {
        let reached = |stage| sorted(state.rows().filter_map(move |row| row.reached(stage)));
        let ended = |fits: fn(Outcome) -> bool| {
            let rows = state
                .rows()
                .filter(move |row| row.outcome.as_ref().is_some_and(|(outcome, _)| fits(*outcome)));
            sorted(rows.filter_map(|row| row.reached(Stage::Ended)))
        };
        let mut sent: Vec<(Moment, u64)> =
            state.rows().filter_map(|row| Some((row.reached(Stage::Staged)?, row.wan_bytes))).collect();
        sent.sort_unstable();
        let mut sum = 0;
        for (_, bytes) in &mut sent {
            sum += *bytes;
            *bytes = sum;
        }
        Events {
            staged: reached(Stage::Staged),
            delivered: reached(Stage::Delivered),
            activated: ended(|outcome| outcome == Outcome::Activated),
            failed: ended(|outcome| outcome.class() == OutcomeClass::Failed),
            sent,
        }
    }

    fn by(&self, at: Moment) -> Point {
        let count = |moments: &[Moment]| moments.partition_point(|moment| *moment <= at);
        let sendings = self.sent.partition_point(|(moment, _)| *moment <= at);
        Point {
            at,
            staged: count(&self.staged),
            delivered: count(&self.delivered),
            activated: count(&self.activated),
            failed: count(&self.failed),
            wan_bytes: sendings.checked_sub(1).map_or(0, |last| self.sent[last].1),
        }
    }
}

fn sorted(moments: impl Iterator<Item = Moment>) -> Vec<Moment> {
    let mut moments: Vec<Moment> = moments.collect();
    moments.sort_unstable();
    moments
}
