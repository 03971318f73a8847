//! Why bytes are no frame: what was being read, where, and what was expected there.

/// Why bytes could not be parsed.
///
/// Every variant is the peer's fault (or the line's): parsing has no other way to fail. Offsets count from
/// the first byte of the slice that was handed to the parser, so an offset in an APDU does not include the
/// wrapper before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The input stops before the field does.
    #[error("{what} at byte {offset} takes {needed} bytes, {available} are left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// Where it begins.
        offset: usize,
        /// How many bytes it takes.
        needed: usize,
        /// How many are there.
        available: usize,
    },
    /// The field holds a value it may not hold.
    #[error("{what} at byte {offset} is {found:#x}, expected {expected}")]
    Unexpected {
        /// The field.
        what: &'static str,
        /// Where it begins.
        offset: usize,
        /// What it holds.
        found: u64,
        /// What it may hold.
        expected: &'static str,
    },
    /// The field exceeds a bound of ours.
    #[error("{what} at byte {offset} is {found}, expected at most {limit}")]
    TooLarge {
        /// The field.
        what: &'static str,
        /// Where it begins.
        offset: usize,
        /// What it holds.
        found: u64,
        /// The most we take.
        limit: u64,
    },
    /// Bytes follow where the frame should end.
    #[error("{what} is expected to end at byte {offset}, {count} more bytes follow")]
    Trailing {
        /// What should have ended.
        what: &'static str,
        /// Where it should have ended.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
    /// The frame is legal, and we do not speak it.
    #[error("{what} {found:#x} at byte {offset} is not supported")]
    Unsupported {
        /// The field that says so.
        what: &'static str,
        /// Where it is.
        offset: usize,
        /// What it holds.
        found: u64,
    },
    /// The frame was damaged under way.
    #[error("frame check sequence at byte {offset} is {found:#06x}, expected {expected:#06x}")]
    CheckSequence {
        /// Where it is.
        offset: usize,
        /// What it holds.
        found: u16,
        /// What the bytes before it give.
        expected: u16,
    },
}
