//! Time as the pure crates see it: a count that the caller hands in.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A point in time, in microseconds since the Unix epoch (UTC, no leap seconds).
///
/// The core never reads a clock: shells pass wall-clock time, the simulator passes virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The latest moment there is; used as "never".
    pub const MAX: Moment = Moment(u64::MAX);

    /// Makes a moment from microseconds since the Unix epoch.
    pub const fn from_micros(micros: u64) -> Moment {
        Moment(micros)
    }

    /// Returns the microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns how long ago `earlier` was, or zero when it lies ahead.
    pub const fn saturating_since(self, earlier: Moment) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A moment in 6 B, for what a million sessions keep: its low 48 bits. Whoever reads it hands in the present; it is
/// exact as long as the two are less than four years apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp([u16; 3]);

impl Stamp {
    /// Nothing is stamped further ahead than this: a year.
    const FARTHEST: Duration = Duration::from_secs(365 * 86_400);

    pub(crate) fn of(moment: Moment) -> Stamp {
        Stamp([moment.0 as u16, (moment.0 >> 16) as u16, (moment.0 >> 32) as u16])
    }

    /// Stamps the moment that lies a span ahead.
    pub(crate) fn ahead(now: Moment, span: Duration) -> Stamp {
        Stamp::of(now + span.min(Stamp::FARTHEST))
    }

    /// Returns the stamped moment, given one that is near it.
    #[inline]
    pub(crate) fn moment(self, near: Moment) -> Moment {
        let [low, middle, high] = self.0.map(u64::from);
        let ahead = (low | middle << 16 | high << 32).wrapping_sub(near.0);
        // Sign-extended from 48 bits: behind is negative.
        Moment(near.0.saturating_add_signed((ahead << 16) as i64 >> 16))
    }
}

/// Adds a span; the result saturates at [`Moment::MAX`], which means "never".
impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, span: Duration) -> Moment {
        // In 64 bits, as this is done several times for every block.
        let micros = span.as_secs().saturating_mul(1_000_000).saturating_add(u64::from(span.subsec_micros()));
        Moment(self.0.saturating_add(micros))
    }
}

/// Prints seconds since the epoch with microseconds; calendars belong to the shells.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_gives_back_its_moment_from_either_side_of_a_wrap() {
        let year = Duration::from_secs(365 * 86_400);
        for micros in [0, 1, (1 << 48) - 1, 1 << 48, 1_790_000_000_000_000] {
            let moment = Moment::from_micros(micros);
            assert_eq!(Stamp::of(moment).moment(moment), moment);
            assert_eq!(Stamp::of(moment).moment(moment + 4 * year), moment);
            assert_eq!(Stamp::of(moment + year).moment(moment), moment + year);
            assert_eq!(Stamp::ahead(moment, Duration::MAX).moment(moment), moment + year);
        }
    }
}
