//! The time that no order of sending can beat, in words and in JSON: of a forecast and of a report.

use std::fmt;
use std::time::Duration;

use campaign::{Bound, Constraint};
use serde::Serialize;

use super::units;

/// A bound for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BoundLine {
    /// From the order to the last outcome, at least, milliseconds.
    pub(crate) time_ms: u64,
    /// What takes the longest part of it: `head-end`, `cell`, `line`, `home`, `sleep` or `hours`.
    pub(crate) binding: &'static str,
    /// Which cell or home that is.
    pub(crate) binding_name: Option<String>,
    /// Where the time goes, milliseconds.
    pub(crate) parts_ms: Parts,
    /// How much of it lies outside the hours in which blocks may be sent, milliseconds.
    pub(crate) closed_ms: u64,
    /// How much of it the device that decides waits for the hours of activation, milliseconds.
    pub(crate) held_ms: u64,
    #[serde(skip)]
    constraint: Constraint,
}

/// The parts of a bound, one after another, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Parts {
    /// Until the wave that decides is open.
    pub(crate) earlier_waves: u64,
    /// While the head-end sends as much as it may.
    pub(crate) head_end: u64,
    /// While the cell does.
    pub(crate) cell: u64,
    /// While the line does.
    pub(crate) line: u64,
    /// What is left when the hub has the last image.
    pub(crate) home: u64,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl BoundLine {
    /// Puts a bound into words.
    pub(crate) fn of(bound: &Bound) -> BoundLine {
        let (binding, binding_name) = match &bound.constraint {
            Constraint::HeadEnd => ("head-end", None),
            Constraint::Cell(name) => ("cell", Some(name)),
            Constraint::Line(name) => ("line", Some(name)),
            Constraint::Home(name) => ("home", Some(name)),
            Constraint::Sleep(name) => ("sleep", Some(name)),
            Constraint::Soak => ("soak", None),
            Constraint::Hours => ("hours", None),
        };
        let spans = bound.spans;
        BoundLine {
            time_ms: millis(bound.time),
            binding,
            binding_name: binding_name.cloned(),
            parts_ms: Parts {
                earlier_waves: millis(spans.earlier_waves),
                head_end: millis(spans.head_end),
                cell: millis(spans.cell),
                line: millis(spans.line),
                home: millis(spans.home),
            },
            closed_ms: millis(bound.closed),
            held_ms: millis(bound.held),
            constraint: bound.constraint.clone(),
        }
    }

    /// Returns how many thousandths of the bound a time is.
    pub(crate) fn permille_of(&self, took: Duration) -> u64 {
        let thousandfold = took.as_millis().saturating_mul(1_000) / u128::from(self.time_ms.max(1));
        u64::try_from(thousandfold).unwrap_or(u64::MAX)
    }

    /// Lists the parts that are not nothing, as `line 12 s · home 9 h`.
    pub(crate) fn parts(&self) -> String {
        let parts = self.parts_ms;
        let named = [
            ("earlier waves", parts.earlier_waves),
            ("head-end", parts.head_end),
            ("cell", parts.cell),
            ("line", parts.line),
            ("home", parts.home),
        ];
        let told = named.into_iter().filter(|(_, millis)| *millis > 0);
        let told =
            told.map(|(name, millis)| format!("{name} {}", units::span(Duration::from_millis(millis))));
        told.collect::<Vec<_>>().join(" · ")
    }
}

impl fmt::Display for BoundLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}, set by {}",
            units::span(Duration::from_millis(self.time_ms)),
            self.constraint
        )?;
        let spans = [
            (self.closed_ms, "outside the hours of sending"),
            (self.held_ms, "waiting for the hours of activation"),
        ];
        for (millis, what) in spans.into_iter().filter(|(millis, _)| *millis > 0) {
            write!(formatter, ", {} of it {what}", units::span(Duration::from_millis(millis)))?;
        }
        Ok(())
    }
}

/// What came of a campaign beside its bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Measured {
    /// The bound of what was really carried.
    #[serde(flatten)]
    pub(crate) line: BoundLine,
    /// How long it took, in thousandths of the bound: what is above 1,000 was lost by the order of sending.
    pub(crate) makespan_permille: u64,
}

impl Measured {
    /// Sets a bound beside the time that was taken.
    pub(crate) fn of(bound: &Bound, took: Duration) -> Measured {
        let line = BoundLine::of(bound);
        let makespan_permille = line.permille_of(took);
        Measured { line, makespan_permille }
    }

    /// The same for several campaigns side by side: none can be over before the one with the greatest bound.
    pub(crate) fn greatest(parts: impl Iterator<Item = Measured>, took: Duration) -> Option<Measured> {
        let line = parts.map(|part| part.line).max_by_key(|line| line.time_ms)?;
        let makespan_permille = line.permille_of(took);
        Some(Measured { line, makespan_permille })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.makespan_permille / 1_000, self.makespan_permille % 1_000);
        write!(formatter, "{}; it took {whole}.{rest:03} times as long", self.line)
    }
}
