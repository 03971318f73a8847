//! Open time: of the seconds since a campaign began, those in which it may send, and those in which it may activate. Where
//! capacity stands against demand, it is the first that count; an order to activate waits for the second. All else that is
//! behind a hub goes on at all hours.

use std::time::Duration;

use transfer_engine::Moment;

use super::Network;
use crate::window::Windows;

/// Windows that are looked ahead: at eight a day more than a year, and at one a day ten. What is beyond counts as open, which
/// can only make a bound lower.
const SPANS_MOST: usize = 4_096;

/// A time in which it is allowed, seconds since the beginning.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: f64,
    until: f64,
    /// How long it was allowed before it.
    before: f64,
}

/// When something is allowed.
#[derive(Clone, Debug)]
pub(super) struct OpenTime {
    /// None at all is always.
    spans: Vec<Span>,
}

impl OpenTime {
    /// Looks ahead from so many seconds after the order: when blocks may be sent.
    pub(super) fn sending(network: &Network, after: f64) -> OpenTime {
        OpenTime::of(&network.sending, begins(network, after), Moment::default())
    }

    /// The same for orders to activate.
    pub(super) fn activating(network: &Network, after: f64) -> OpenTime {
        let not_before = network.activate_not_before.moment().unwrap_or_default();
        OpenTime::of(&network.activating, begins(network, after), not_before)
    }

    fn of(windows: &Windows, begins: Moment, not_before: Moment) -> OpenTime {
        let mut spans = Vec::new();
        let (mut at, mut before) = (begins.max(not_before), 0.0);
        while spans.len() < SPANS_MOST {
            let edge = windows.next_edge(at);
            if windows.is_open(at) {
                let since = |moment: Moment| moment.saturating_since(begins).as_secs_f64();
                let (from, until) = (since(at), edge.map_or(f64::INFINITY, since));
                if spans.is_empty() && from == 0.0 && until.is_infinite() {
                    break;
                }
                spans.push(Span { from, until, before });
                before += until - from;
            }
            let Some(edge) = edge else { break };
            at = edge;
        }
        OpenTime { spans }
    }

    /// Says whether it is allowed at all times.
    pub(super) fn is_always(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns for how many of the first seconds it was allowed.
    pub(super) fn until(&self, seconds: f64) -> f64 {
        if self.is_always() || seconds <= 0.0 {
            return seconds.max(0.0);
        }
        self.last_open(seconds).map_or(0.0, |(span, at)| span.before + at - span.from)
    }

    /// Returns the last moment up to `seconds` at which it is allowed, and the span that is in.
    fn last_open(&self, seconds: f64) -> Option<(&Span, f64)> {
        let next = self.spans.partition_point(|span| span.from <= seconds);
        let span = self.spans.get(next.checked_sub(1)?)?;
        let is_last = next == self.spans.len();
        Some((span, if is_last { seconds } else { seconds.min(span.until) }))
    }

    /// Returns by when one must come to be let through up to `seconds`; nobody is in time for what is over.
    pub(super) fn latest(&self, seconds: f64) -> f64 {
        if self.is_always() {
            return seconds;
        }
        self.last_open(seconds).map_or(f64::NEG_INFINITY, |(_, at)| at)
    }

    /// Returns when one is let through who comes at `seconds`.
    pub(super) fn earliest(&self, seconds: f64) -> f64 {
        match self.last_open(seconds) {
            Some((_, at)) if at >= seconds => seconds,
            _ => {
                let next = self.spans.partition_point(|span| span.from <= seconds);
                self.spans.get(next).map_or(seconds, |span| span.from)
            }
        }
    }

    /// Returns when it will have been allowed for so many seconds.
    pub(super) fn when(&self, open: f64) -> f64 {
        if self.is_always() || open <= 0.0 {
            return open.max(0.0);
        }
        let next = self.spans.partition_point(|span| span.before < open);
        let span = next.checked_sub(1).and_then(|last| self.spans.get(last));
        span.map_or(open, |span| span.from + open - span.before)
    }
}

fn begins(network: &Network, after: f64) -> Moment {
    network.ordered_at + Duration::try_from_secs_f64(after).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2020-10-24 at noon GMT: clocks go back in the night.
    const NOON: Moment = Moment::from_micros(1_603_540_800_000_000);

    fn open(windows: &[String], after: f64) -> OpenTime {
        let windows = Windows::try_from(windows.to_vec()).expect("windows");
        OpenTime::of(&windows, NOON + Duration::from_secs_f64(after), Moment::default())
    }

    #[test]
    fn without_windows_all_time_is_open() {
        let always = open(&[], 0.0);
        assert!(always.is_always());
        assert_eq!((always.until(17.5), always.when(17.5), always.until(-1.0)), (17.5, 17.5, 0.0));
        assert_eq!((always.latest(17.5), always.earliest(17.5)), (17.5, 17.5));
    }

    #[test]
    fn who_comes_when_it_is_closed_waits_and_must_have_come_before() {
        // An hour later by the clocks that are in force: from 13:00 to 14:00 GMT, 3,600 to 7,200 s from noon.
        let hour = open(&["14:00-15:00".to_owned()], 0.0);
        assert_eq!([hour.earliest(0.0), hour.earliest(4_000.0)], [3_600.0, 4_000.0]);
        // The next day's clocks have gone back.
        assert_eq!(hour.earliest(7_300.0), 3_600.0 + 25.0 * 3_600.0);
        assert_eq!([hour.latest(4_000.0), hour.latest(50_000.0)], [4_000.0, 7_200.0]);
        assert_eq!(hour.latest(3_599.0), f64::NEG_INFINITY);
        let day = OpenTime::of(&Windows::default(), NOON, NOON + Duration::from_secs(100));
        assert_eq!([day.earliest(5.0), day.earliest(105.0), day.latest(105.0)], [100.0, 105.0, 105.0]);
        assert_eq!(day.latest(99.0), f64::NEG_INFINITY);
    }

    proptest! {
        #[test]
        fn open_time_is_what_the_windows_say_and_when_is_the_way_back(
            from in 0u32..1_440,
            len in 60u32..1_000,
            after in 0u32..200_000,
            seconds in 0u32..900_000,
        ) {
            let until = (from + len) % 1_440;
            let text = format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60);
            let windows = [text];
            let found = open(&windows, after.into());
            let begins = NOON + Duration::from_secs(after.into());
            let sending = Windows::try_from(windows.to_vec()).expect("windows");
            let expected = sending.open_between(begins, begins + Duration::from_secs(seconds.into()));
            let open = found.until(seconds.into());
            prop_assert!((open - expected.as_secs_f64()).abs() < 1e-3, "{open} is not {expected:?}");
            // The first moment at which so much was open lies before, as closed time adds nothing.
            let back = found.when(open);
            prop_assert!(back <= f64::from(seconds) + 1e-3);
            prop_assert!((found.until(back) - open).abs() < 1e-3);
        }
    }
}
