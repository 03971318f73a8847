//! The time that no order of sending can beat, in words: of a forecast, of a report and of a campaign that is over.

use std::fmt;
use std::time::Duration;

use campaign::Bound;
use serde::Serialize;
use smso_adapter::{BoundView, MeasuredView};

use super::units;

/// A bound for people; programs read what the API says of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct BoundLine(pub(crate) BoundView);

impl BoundLine {
    /// Puts a bound into words.
    pub(crate) fn of(bound: &Bound) -> BoundLine {
        BoundLine(BoundView::from(bound))
    }

    /// Lists the parts that are not nothing, as `line 12 s · home 9 h`.
    pub(crate) fn parts(&self) -> String {
        let parts = self.0.parts_ms;
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
        let BoundView { time_ms, set_by, closed_ms, held_ms, .. } = &self.0;
        write!(formatter, "{}, set by {set_by}", units::span(Duration::from_millis(*time_ms)))?;
        let spans =
            [(*closed_ms, "outside the hours of sending"), (*held_ms, "waiting for the hours of activation")];
        for (millis, what) in spans.into_iter().filter(|(millis, _)| *millis > 0) {
            write!(formatter, ", {} of it {what}", units::span(Duration::from_millis(millis)))?;
        }
        Ok(())
    }
}

/// What came of a campaign beside its bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Measured(pub(crate) MeasuredView);

impl Measured {
    /// Sets a bound beside the time that was taken.
    pub(crate) fn of(bound: &Bound, took: Duration) -> Measured {
        Measured(MeasuredView::of(BoundView::from(bound), took))
    }

    /// The same for several campaigns side by side: none can be over before the one with the greatest bound.
    pub(crate) fn greatest(parts: impl Iterator<Item = Measured>, took: Duration) -> Option<Measured> {
        let bound = parts.map(|part| part.0.bound).max_by_key(|bound| bound.time_ms)?;
        Some(Measured(MeasuredView::of(bound, took)))
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MeasuredView { bound, makespan_permille } = &self.0;
        let (whole, rest) = (makespan_permille / 1_000, makespan_permille % 1_000);
        write!(formatter, "{}; it took {whole}.{rest:03} times as long", BoundLine(bound.clone()))
    }
}
