//! Open time: of the seconds since a campaign began, those in which it may send. Where capacity stands against demand, it is
//! these that count; tails run at all hours.

use std::time::Duration;

use super::Network;

/// Windows that are looked ahead: at eight a day more than a year, and at one a day ten. What is beyond counts as open, which
/// can only make a bound lower.
const SPANS_MOST: usize = 4_096;

/// A time in which sending is allowed, seconds since the beginning.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: f64,
    until: f64,
    /// How long sending was allowed before it.
    before: f64,
}

/// When sending is allowed.
#[derive(Clone, Debug)]
pub(super) struct OpenTime {
    /// None at all is always.
    spans: Vec<Span>,
}

impl OpenTime {
    /// Looks ahead from so many seconds after the order.
    pub(super) fn of(network: &Network, after: f64) -> OpenTime {
        let Network { sending, ordered_at, .. } = network;
        let begins = *ordered_at + Duration::try_from_secs_f64(after).unwrap_or(Duration::MAX);
        let mut spans = Vec::new();
        let (mut at, mut before) = (begins, 0.0);
        while spans.len() < SPANS_MOST {
            let edge = sending.next_edge(at);
            if sending.is_open(at) {
                let since = |moment: transfer_engine::Moment| moment.saturating_since(begins).as_secs_f64();
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

    /// Says whether sending is allowed at all times.
    pub(super) fn is_always(&self) -> bool {
        self.spans.is_empty()
    }

    /// Returns for how many of the first seconds sending was allowed.
    pub(super) fn until(&self, seconds: f64) -> f64 {
        if self.is_always() || seconds <= 0.0 {
            return seconds.max(0.0);
        }
        let next = self.spans.partition_point(|span| span.from <= seconds);
        let Some(span) = next.checked_sub(1).and_then(|last| self.spans.get(last)) else { return 0.0 };
        let is_last = next == self.spans.len();
        let until = if is_last { f64::INFINITY } else { span.until };
        span.before + seconds.min(until) - span.from
    }

    /// Returns when sending will have been allowed for so many seconds.
    pub(super) fn when(&self, open: f64) -> f64 {
        if self.is_always() || open <= 0.0 {
            return open.max(0.0);
        }
        let next = self.spans.partition_point(|span| span.before < open);
        let span = next.checked_sub(1).and_then(|last| self.spans.get(last));
        span.map_or(open, |span| span.from + open - span.before)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transfer_engine::{ByteRate, Moment};

    use super::*;
    use crate::window::Windows;

    /// 2020-10-24 at noon GMT: clocks go back in the night.
    const NOON: Moment = Moment::from_micros(1_603_540_800_000_000);

    fn open(windows: &[String], after: f64) -> OpenTime {
        let sending = Windows::try_from(windows.to_vec()).expect("windows");
        let network = Network { head_end: ByteRate(1), cells: Vec::new(), sending, ordered_at: NOON };
        OpenTime::of(&network, after)
    }

    #[test]
    fn without_windows_all_time_is_open() {
        let always = open(&[], 0.0);
        assert!(always.is_always());
        assert_eq!((always.until(17.5), always.when(17.5), always.until(-1.0)), (17.5, 17.5, 0.0));
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
