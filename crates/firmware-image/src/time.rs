//! Moments and spans as documents state them. Where the time comes from is left to whoever asks.

use core::fmt;

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcSeconds(pub u64);

impl UtcSeconds {
    /// Returns the moment `seconds` later; the end of time at the latest.
    pub const fn plus(self, seconds: u64) -> UtcSeconds {
        UtcSeconds(self.0.saturating_add(seconds))
    }
}

impl fmt::Display for UtcSeconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// When a document was made and until when it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it was made.
    pub issued: UtcSeconds,
    /// The first second at which it is no longer good.
    pub expires: UtcSeconds,
}

impl Validity {
    /// Returns whether the span is one, and no longer than `longest` seconds.
    pub(crate) fn is_within(&self, longest: u64) -> bool {
        self.issued < self.expires && self.expires.0 - self.issued.0 <= longest
    }
}

/// The seconds of a day.
pub(crate) const DAY: u64 = 24 * 60 * 60;
