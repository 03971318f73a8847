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
