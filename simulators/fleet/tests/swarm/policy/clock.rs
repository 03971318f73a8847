//! What a clock on a wall in Great Britain shows, from the law alone: an hour is added from 01:00 GMT on the last Sunday of
//! March to 01:00 GMT on the last Sunday of October.

use std::time::Duration;

use eligibility::Date;
use transfer_engine::Moment;

use crate::lists::day;

/// Minutes of a day.
const DAY_MIN: u64 = 1_440;

/// Says whether one of these windows (`HH:MM-HH:MM`, the last minute not included) is open; none at all are always.
pub(super) fn is_open(windows: &[String], at: Moment) -> bool {
    let now = minute_of_day(at);
    windows.is_empty()
        || windows.iter().any(|window| {
            let minute = |at: usize| -> u64 {
                let number = |from: usize| window[from..from + 2].parse::<u64>().expect("two digits");
                number(at) * 60 + number(at + 3)
            };
            let (from, until) = (minute(0), minute(6));
            if from < until { (from..until).contains(&now) } else { now >= from || now < until }
        })
}

/// Returns a window of an hour that is not open.
pub(super) fn closed_window(at: Moment) -> String {
    let (from, until) = ((minute_of_day(at) + 60) % DAY_MIN, (minute_of_day(at) + 120) % DAY_MIN);
    format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
}

/// Returns the day of a moment.
pub(super) fn date(at: Moment) -> Date {
    let hour = Duration::from_secs(3_600);
    day(if is_summer(at) { at + hour } else { at }, 0)
}

fn minute_of_day(at: Moment) -> u64 {
    let minutes = at.as_micros() / 60_000_000;
    (minutes + if is_summer(at) { 60 } else { 0 }) % DAY_MIN
}

fn is_summer(at: Moment) -> bool {
    let (today, hour) = (day(at, 0), at.as_micros() / 3_600_000_000 % 24);
    let last_sunday = |month: i8| {
        let last = Date::constant(today.year(), month, 31);
        let since_sunday = i64::from(last.weekday().to_sunday_zero_offset());
        last.checked_sub(jiff::Span::new().days(since_sunday)).expect("a day of the month")
    };
    let (forward, back) = (last_sunday(3), last_sunday(10));
    let has_come = |change: Date| today > change || (today == change && hour >= 1);
    has_come(forward) && !has_come(back)
}
