//! Schedules: events at exponential gaps, windows that they open, and strikes at every so-many-th datagram.
//!
//! Exponential numbers are drawn with comparisons and multiplications only (J. von Neumann, "Various techniques used in
//! connection with random digits", 1951). A logarithm would be shorter, and differ in its last bit from machine to
//! machine.

use crate::random::{Share, Stream};
use crate::world::PerDay;
use std::time::Duration;
use transfer_engine::Moment;

/// Uniform draws have 32 bits: gaps then have a resolution of a 4-billionth of their mean.
const UNIT: u64 = 1 << 32;

/// Draws an exponentially distributed number with mean 1, as a multiple of 2^-32.
///
/// The length of a falling run that begins at x is odd with probability e^-x, so x is kept then; each run that is
/// dropped adds one, as the distribution has no memory.
fn exponential(stream: &mut Stream) -> u64 {
    let mut whole = 0u64;
    loop {
        let first = stream.below(UNIT);
        let (mut last, mut falls) = (first, 0u32);
        loop {
            let next = stream.below(UNIT);
            if next >= last {
                break;
            }
            last = next;
            falls += 1;
        }
        if falls.is_multiple_of(2) {
            return whole.saturating_add(first);
        }
        whole = whole.saturating_add(UNIT);
    }
}

fn exponential_gap(stream: &mut Stream, mean: Duration) -> Duration {
    let micros = mean.as_micros() * u128::from(exponential(stream)) / u128::from(UNIT);
    // At least a microsecond, so that no schedule stands still.
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX / 4).clamp(1, u64::MAX / 4))
}

/// Events in time, each at an exponential gap from the one before.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    pub(super) stream: Stream,
    mean: Duration,
    next: Moment,
}

impl Arrivals {
    /// Makes a schedule that begins at `start`; `None` for a rate of never.
    pub(super) fn open(start: Moment, rate: PerDay, stream: impl FnOnce() -> Stream) -> Option<Arrivals> {
        let mean = rate.mean_gap()?;
        let mut stream = stream();
        let next = start + exponential_gap(&mut stream, mean);
        Some(Arrivals { stream, mean, next })
    }

    pub(super) fn next(&self) -> Moment {
        self.next
    }

    /// Goes on to the event after the next one.
    pub(super) fn pass(&mut self) {
        self.next = self.next + exponential_gap(&mut self.stream, self.mean);
    }
}

/// Spells of one length, from the end of each to the beginning of the next an exponential gap.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    stream: Stream,
    mean: Duration,
    length: Duration,
    begins: Moment,
    ends: Moment,
    /// One draw that belongs to the window: which of its two kinds it is.
    is_second_kind: bool,
}

impl Windows {
    /// Makes a schedule that begins at `start`; `None` for a rate of never.
    pub(super) fn open(
        start: Moment,
        rate: PerDay,
        length_s: u32,
        stream: impl FnOnce() -> Stream,
    ) -> Option<Windows> {
        let mean = rate.mean_gap()?;
        let length = Duration::from_secs(length_s.into());
        let stream = stream();
        let mut windows = Windows { stream, mean, length, begins: start, ends: start, is_second_kind: false };
        windows.pass();
        Some(windows)
    }

    /// Returns whether a window is open; moments must not go back by more than a window.
    pub(super) fn contains(&mut self, now: Moment) -> bool {
        while self.ends <= now {
            self.pass();
        }
        self.begins <= now
    }

    /// Returns which of two kinds the window is that is open or comes next.
    pub(super) fn is_second_kind(&self) -> bool {
        self.is_second_kind
    }

    fn pass(&mut self) {
        self.begins = self.ends + exponential_gap(&mut self.stream, self.mean);
        self.ends = self.begins + self.length;
        self.is_second_kind = self.stream.below(2) == 1;
    }
}

/// Terms of the series for the rate of strikes; 64 of them leave an error below 2^-64 for shares up to a half.
const TERMS: u32 = 64;

/// Every so-many-th of what is counted is struck, each with the same probability.
#[derive(Clone, Debug)]
pub(super) struct Strikes {
    pub(super) stream: Stream,
    /// Mean gap on the scale of [`exponential`]: 2^32 over -ln(1 - share); zero when every one is struck.
    mean: f64,
    /// How many are spared before the next one is struck.
    spared: u64,
}

impl Strikes {
    /// Makes strikes with this probability; `None` for none.
    pub(super) fn open(share: Share, stream: impl FnOnce() -> Stream) -> Option<Strikes> {
        if share == Share::NONE {
            return None;
        }
        // -ln(1 - p) = p + p^2/2 + p^3/3 + ...; for p near 1 the series is cut, and strikes are a little rarer.
        let p = share.value();
        let (mut rate, mut power) = (0.0, 1.0);
        for term in 1..=TERMS {
            power *= p;
            rate += power / f64::from(term);
        }
        let mean = if share == Share::ALL { 0.0 } else { 1.0 / rate };
        let mut strikes = Strikes { stream: stream(), mean, spared: 0 };
        strikes.spared = strikes.gap();
        Some(strikes)
    }

    /// Counts one, and returns whether it is struck.
    pub(super) fn strikes(&mut self) -> bool {
        if self.spared > 0 {
            self.spared -= 1;
            return false;
        }
        self.spared = self.gap();
        true
    }

    fn gap(&mut self) -> u64 {
        // The whole part of an exponential number is geometrically distributed; casts saturate.
        (exponential(&mut self.stream) as f64 / UNIT as f64 * self.mean) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn stream(seed: u64) -> Stream {
        Stream::open(seed, 0, Purpose::HalfOpen)
    }

    #[test]
    fn exponential_numbers_have_mean_one_and_their_tail() {
        let mut stream = stream(1);
        let drawn: Vec<f64> = (0..100_000).map(|_| exponential(&mut stream) as f64 / UNIT as f64).collect();
        let mean = drawn.iter().sum::<f64>() / 1e5;
        assert!((0.99..1.01).contains(&mean), "{mean}");
        // e^-1 = 0.3679 and e^-3 = 0.0498 of them are longer than one and three means.
        let longer = |than: f64| drawn.iter().filter(|number| **number > than).count();
        assert!((36_300..37_300).contains(&longer(1.0)), "{}", longer(1.0));
        assert!((4_750..5_210).contains(&longer(3.0)), "{}", longer(3.0));
    }

    #[test]
    fn windows_take_their_share_of_time_whoever_asks_how_often() {
        // Two hours on average from the end of one to the next, and half an hour each: a fifth of the time.
        let rate = PerDay::new(12.0).expect("a rate");
        let begin = Moment::from_micros(0);
        let minutes = 400 * 1_440u64;
        let mut often = Windows::open(begin, rate, 1_800, || stream(4)).expect("not never");
        let mut seldom = Windows::open(begin, rate, 1_800, || stream(4)).expect("not never");
        let mut inside = 0;
        for minute in 0..minutes {
            let now = begin + Duration::from_secs(60 * minute);
            let is_open = often.contains(now);
            inside += u64::from(is_open);
            if minute % 7 == 0 {
                assert_eq!(seldom.contains(now), is_open);
                assert_eq!(seldom.is_second_kind(), often.is_second_kind());
            }
        }
        let share = inside as f64 / minutes as f64;
        assert!((0.19..0.21).contains(&share), "{share}");
    }

    #[test]
    fn strikes_come_at_their_share_and_all_is_all() {
        let count = |share: f64| {
            let mut strikes = Strikes::open(Share::new(share).expect("a share"), || stream(9)).expect("some");
            (0..100_000).filter(|_| strikes.strikes()).count()
        };
        assert!((920..1_080).contains(&count(0.01)), "{}", count(0.01));
        assert!((49_000..51_000).contains(&count(0.5)), "{}", count(0.5));
        assert_eq!(count(1.0), 100_000);
        assert!(Strikes::open(Share::NONE, || stream(9)).is_none());
    }

    #[test]
    fn arrivals_come_at_their_rate_and_never_stand_still() {
        let rate = PerDay::new(24.0).expect("a rate");
        let mut arrivals = Arrivals::open(Moment::default(), rate, || stream(3)).expect("not never");
        let mut last = Moment::default();
        for _ in 0..10_000 {
            assert!(arrivals.next() > last);
            last = arrivals.next();
            arrivals.pass();
        }
        let hours = last.as_micros() as f64 / 3.6e9;
        assert!((9_700.0..10_300.0).contains(&hours), "{hours}");
        assert!(Arrivals::open(Moment::default(), PerDay::NEVER, || stream(3)).is_none());
    }
}
