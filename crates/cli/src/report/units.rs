//! Numbers, times and spans as people read them: thousands separators, UTC, one or two units.

use std::time::Duration;

use jiff::Timestamp;
use transfer_engine::Moment;

/// Writes a count with thousands separators, as `1,893`.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a share of a thousand as percent, as `98.7 %`.
pub(crate) fn percent(permille: u16) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Writes bytes in the unit that leaves at most three digits before the point, as `12.3 MB`.
pub(crate) fn bytes(number: u64) -> String {
    let (size, unit) = byte_unit(number);
    if size == 1 {
        return format!("{number} {unit}");
    }
    let tenths = u128::from(number) * 10 / u128::from(size);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Returns the decimal unit in which a number of bytes reads well: its size and its sign.
pub(crate) fn byte_unit(number: u64) -> (u64, &'static str) {
    match number {
        0..1_000 => (1, "B"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        _ => (1_000_000_000, "GB"),
    }
}

/// Writes a span in its two largest units, as `2 h 30 min`.
pub(crate) fn span(span: Duration) -> String {
    let millis = span.as_millis();
    if millis < 1_000 {
        return format!("{millis} ms");
    }
    if millis < 10_000 {
        return format!("{}.{} s", millis / 1_000, millis % 1_000 / 100);
    }
    let seconds = span.as_secs();
    let (large, small) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..86_400 => ((seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")),
    };
    match small.0 {
        0 => format!("{} {}", count(large.0), large.1),
        rest => format!("{} {} {rest} {}", count(large.0), large.1, small.1),
    }
}

/// Writes a moment for people, as `2026-11-23 09:00:05 UTC`.
pub(crate) fn utc(moment: Moment) -> String {
    timestamp(moment).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Writes a moment as a short label within a whole of that length: the time of day, with the day if it takes long.
pub(crate) fn clock(moment: Moment, whole: Duration) -> String {
    let format = match whole.as_secs() {
        0..1_800 => "%H:%M:%S",
        1_800..86_400 => "%H:%M",
        _ => "%d %b %H:%M",
    };
    timestamp(moment).strftime(format).to_string()
}

/// Writes a moment for programs, as `2026-11-23T09:00:05.25Z`.
pub(crate) fn iso(moment: Moment) -> String {
    timestamp(moment).to_string()
}

fn timestamp(moment: Moment) -> Timestamp {
    let micros = i64::try_from(moment.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// Returns a round step that cuts a span into at most `most` parts.
pub(crate) fn round_step(span: Duration, most: u32) -> Duration {
    let least = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).div_ceil(u64::from(most.max(1))).max(1);
    let step = ROUND_STEPS_MS.iter().copied().find(|step| *step >= least);
    // Beyond the list: whole weeks.
    Duration::from_millis(step.unwrap_or_else(|| least.div_ceil(WEEK_MS).saturating_mul(WEEK_MS)))
}

const WEEK_MS: u64 = 7 * 86_400_000;

/// Steps that divide the next larger unit, so that ticks fall on times one can say.
const ROUND_STEPS_MS: [u64; 24] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    14_400_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    WEEK_MS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!([0u64, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!([0, 987, 1_000].map(percent), ["0.0 %", "98.7 %", "100.0 %"]);
        assert_eq!([12, 1_250, 9_999_999].map(bytes), ["12 B", "1.2 kB", "9.9 MB"]);
        assert!(bytes(u64::MAX).ends_with(" GB"));
    }

    #[test]
    fn spans_are_told_in_two_units() {
        let told = |millis| span(Duration::from_millis(millis));
        assert_eq!(told(250), "250 ms");
        assert_eq!(told(1_500), "1.5 s");
        assert_eq!(told(59_900), "59 s");
        assert_eq!(told(150_000), "2 min 30 s");
        assert_eq!(told(3_600_000), "1 h");
        assert_eq!(told(2 * 86_400_000 + 3_600_000), "2 d 1 h");
    }

    #[test]
    fn steps_are_round_and_few() {
        let step = |span_s, most| round_step(Duration::from_secs(span_s), most).as_secs();
        assert_eq!([step(44 * 60, 48), step(3_600, 12), step(7 * 86_400, 48)], [60, 300, 14_400]);
        assert_eq!(step(1_000 * 86_400, 48), 3 * 7 * 86_400);
        assert!(round_step(Duration::ZERO, 0) > Duration::ZERO, "a loop over steps ends");
    }

    #[test]
    fn times_are_utc_and_never_fail() {
        let moment = Moment::from_micros(1_795_392_000_250_000);
        assert_eq!(utc(moment), "2026-11-23 00:00:00 UTC");
        assert_eq!(iso(moment), "2026-11-23T00:00:00.25Z");
        assert!(iso(Moment::MAX).starts_with("9999-12-"));
    }
}
