//! Times as people and programs read them: RFC 3339 in UTC with microseconds.

use jiff::Timestamp;

/// Writes microseconds since the Unix epoch; what lies beyond the calendar is written as its end.
pub(super) fn rfc3339(micros: u64) -> String {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    let time = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_microseconds() {
        assert_eq!(rfc3339(1_601_856_000_000_000), "2020-10-05T00:00:00.000000Z");
        assert!(rfc3339(u64::MAX).starts_with("9999-"));
    }
}
