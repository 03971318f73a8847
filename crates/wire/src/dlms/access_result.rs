//! The result of a GET, SET or ACTION.

use std::fmt;

/// Data-Access-Result and Action-Result (IEC 62056-5-3), which share their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessResult {
    /// 0
    Success,
    /// 1
    HardwareFault,
    /// 2: busy, ask again.
    TemporaryFailure,
    /// 3
    ReadWriteDenied,
    /// 4
    ObjectUndefined,
    /// 9
    ObjectClassInconsistent,
    /// 11
    ObjectUnavailable,
    /// 12
    TypeUnmatched,
    /// 13
    ScopeOfAccessViolated,
    /// 14
    DataBlockUnavailable,
    /// 15
    LongActionAborted,
    /// 16
    NoLongActionInProgress,
    /// 250
    OtherReason,
    /// A number that the standard does not give to any of the above.
    Other(u8),
}

/// Numbers and words, in one place for both directions.
const RESULTS: [(u8, AccessResult, &str); 13] = [
    (0, AccessResult::Success, "success"),
    (1, AccessResult::HardwareFault, "hardware fault"),
    (2, AccessResult::TemporaryFailure, "temporary failure"),
    (3, AccessResult::ReadWriteDenied, "read-write denied"),
    (4, AccessResult::ObjectUndefined, "object undefined"),
    (9, AccessResult::ObjectClassInconsistent, "object class inconsistent"),
    (11, AccessResult::ObjectUnavailable, "object unavailable"),
    (12, AccessResult::TypeUnmatched, "type unmatched"),
    (13, AccessResult::ScopeOfAccessViolated, "scope of access violated"),
    (14, AccessResult::DataBlockUnavailable, "data block unavailable"),
    (15, AccessResult::LongActionAborted, "long action aborted"),
    (16, AccessResult::NoLongActionInProgress, "no long action in progress"),
    (250, AccessResult::OtherReason, "other reason"),
];

impl AccessResult {
    /// Reads the number on the wire.
    pub fn from_byte(byte: u8) -> AccessResult {
        let known = RESULTS.iter().find(|(number, _, _)| *number == byte);
        known.map_or(AccessResult::Other(byte), |(_, result, _)| *result)
    }

    /// Returns the number on the wire.
    pub fn to_byte(self) -> u8 {
        if let AccessResult::Other(byte) = self {
            return byte;
        }
        let known = RESULTS.iter().find(|(_, result, _)| *result == self);
        known.map(|(number, _, _)| *number).expect("every result but Other is in the table")
    }
}

impl fmt::Display for AccessResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = RESULTS.iter().find(|(_, result, _)| result == self);
        match known {
            Some((_, _, words)) => f.write_str(words),
            None => write!(f, "result {}", self.to_byte()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_both_ways() {
        for byte in 0..=255 {
            assert_eq!(AccessResult::from_byte(byte).to_byte(), byte);
        }
        assert_eq!(AccessResult::from_byte(250).to_string(), "other reason");
        assert_eq!(AccessResult::from_byte(77).to_string(), "result 77");
    }
}
