//! Daily windows: at which times of day something may be done, by the clocks of Great Britain; and a moment before which
//! it may not. Pure questions about a moment; who waits for the answer is left to the conductor.
//!
//! A window is read as people read a clock: it is open when the local time lies in it. So on the day on which clocks go
//! forward a window within the hour that does not exist does not open, and on the day on which they go back one within
//! the hour that comes twice opens twice.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use transfer_engine::Moment;

/// The times of day at which something may be done; none at all is always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Windows(Vec<Interval>);

/// From the first minute to before the last, of any day; past midnight when the last comes before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    from_min: u16,
    until_min: u16,
}

/// A moment before which something may not be done, or none. RFC 3339 in files and requests, and empty for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotBefore(Option<Moment>);

/// Why a text is no window, or no moment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// Its form.
    #[error("expected a window as \"HH:MM-HH:MM\" with different ends, found {found:?}")]
    Form {
        /// What was found, shortened.
        found: String,
    },
    /// How many.
    #[error("expected at most {MAX_WINDOWS} windows, found {found}")]
    Many {
        /// How many were found.
        found: usize,
    },
    /// The moment.
    #[error("expected a time as \"2020-10-05T22:00:00Z\" or nothing, found {found:?}")]
    Time {
        /// What was found, shortened.
        found: String,
    },
}

/// Windows of one list: a few a day are what a carrier or a supplier asks for, and each is looked at in every question.
const MAX_WINDOWS: usize = 8;

/// The legal time of Great Britain: GMT, and an hour more from the last Sunday of March to the last of October, always
/// at 01:00 GMT. It has been so since 1996, and stands here so that no file of the machine is needed.
const LEGAL_TIME: &str = "GMT0BST,M3.5.0/1,M10.5.0";

static LONDON: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::posix(LEGAL_TIME).expect("the rule above is a POSIX time zone"));

const MINUTE_US: u64 = 60_000_000;
const HOUR_US: u64 = 60 * MINUTE_US;
const DAY_US: u64 = 24 * HOUR_US;
const DAY_MIN: u16 = 24 * 60;

/// Days that are searched for the next edge: with the hour of spring left out, a window opens on one of two days.
const EDGE_DAYS: u64 = 3;

/// Edges that a span is cut at. A list has at most two a day for each window, so these are half a year at least; what
/// is beyond counts as open.
const MAX_EDGES: usize = 4_096;

/// Returns the local date and time of a moment; what lies beyond the calendar is its end.
fn local(at: Moment) -> DateTime {
    let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    LONDON.to_datetime(Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX))
}

/// Returns the legal day of a moment: that by which the gate judges, as lists and notices name such days (inference).
pub fn legal_date(at: Moment) -> Date {
    local(at).date()
}

/// Returns when the legal day of a moment began, and when the next one does: 23 to 25 hours later.
pub(crate) fn day_of(at: Moment) -> (Moment, Moment) {
    let today = local(at).date();
    // Midnight comes once on every day, as clocks change at 01:00 GMT.
    let begins = |date: Date| {
        let begins = LONDON.to_timestamp(date.to_datetime(Time::midnight()));
        let micros = begins.ok().and_then(|begins| u64::try_from(begins.as_microsecond()).ok());
        micros.map(Moment::from_micros)
    };
    let next = today.tomorrow().ok().and_then(begins).unwrap_or(Moment::MAX);
    (begins(today).unwrap_or_default(), next)
}

fn minute_of_day(at: Moment) -> u16 {
    let local = local(at);
    u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
}

impl Interval {
    fn holds(self, minute: u16) -> bool {
        let (after, before) = (minute >= self.from_min, minute < self.until_min);
        if self.from_min < self.until_min { after && before } else { after || before }
    }
}

impl Windows {
    /// Returns the length of each window in minutes, on a day on which no clocks change.
    pub(crate) fn lengths_min(&self) -> impl Iterator<Item = u16> {
        let len = |interval: &Interval| (interval.until_min + DAY_MIN - interval.from_min - 1) % DAY_MIN + 1;
        self.0.iter().map(len)
    }

    /// Says whether it may be done at a moment.
    pub fn is_open(&self, at: Moment) -> bool {
        self.0.is_empty() || {
            let minute = minute_of_day(at);
            self.0.iter().any(|interval| interval.holds(minute))
        }
    }

    /// Returns the next moment at which the answer changes; none when it never does.
    pub fn next_edge(&self, after: Moment) -> Option<Moment> {
        let open = self.is_open(after);
        let minutes = || self.0.iter().flat_map(|interval| [interval.from_min, interval.until_min]);
        let today = after.as_micros() / DAY_US;
        // A local time of day is met at the same time of day GMT or an hour before; and clocks jump at 01:00 GMT. Not all
        // of these are edges, and no edge is another.
        let mut candidates: Vec<u64> = (today..=today.saturating_add(EDGE_DAYS))
            .flat_map(|day| {
                let midnight = day.saturating_mul(DAY_US);
                let met = minutes().flat_map(move |minute| {
                    let gmt = midnight.saturating_add(u64::from(minute) * MINUTE_US);
                    [gmt, gmt.saturating_sub(HOUR_US)]
                });
                met.chain([midnight.saturating_add(HOUR_US)])
            })
            .filter(|candidate| *candidate > after.as_micros())
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().map(Moment::from_micros).find(|candidate| self.is_open(*candidate) != open)
    }

    /// Returns how long it was open between two moments.
    pub fn open_between(&self, from: Moment, until: Moment) -> Duration {
        let mut open = Duration::ZERO;
        let mut at = from;
        for _ in 0..MAX_EDGES {
            if at >= until {
                return open;
            }
            let edge = self.next_edge(at).unwrap_or(until).min(until);
            if self.is_open(at) {
                open += edge.saturating_since(at);
            }
            at = edge;
        }
        open + until.saturating_since(at)
    }
}

impl NotBefore {
    /// Returns the moment, if there is one.
    pub fn moment(self) -> Option<Moment> {
        self.0
    }

    /// Says whether nothing has to wait for it any more.
    pub fn is_past(self, now: Moment) -> bool {
        self.0.is_none_or(|moment| moment <= now)
    }
}

impl From<Moment> for NotBefore {
    fn from(moment: Moment) -> NotBefore {
        NotBefore(Some(moment))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

impl FromStr for Interval {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Interval, WindowError> {
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let sound = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            let (hour, minute) =
                (Some(hour).filter(|text| sound(text))?, Some(minute).filter(|text| sound(text))?);
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            Some(hour * 60 + minute).filter(|sum| minute < 60 && *sum <= DAY_MIN)
        };
        let ends = text.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
        match ends {
            Some((from_min, until_min)) if from_min != until_min && from_min < DAY_MIN => {
                Ok(Interval { from_min, until_min })
            }
            _ => Err(WindowError::Form { found: shortened(text) }),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { from_min: from, until_min: until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

impl TryFrom<Vec<String>> for Windows {
    type Error = WindowError;

    fn try_from(texts: Vec<String>) -> Result<Windows, WindowError> {
        if texts.len() > MAX_WINDOWS {
            return Err(WindowError::Many { found: texts.len() });
        }
        texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Windows)
    }
}

impl From<Windows> for Vec<String> {
    fn from(windows: Windows) -> Vec<String> {
        windows.0.iter().map(ToString::to_string).collect()
    }
}

impl TryFrom<String> for NotBefore {
    type Error = WindowError;

    fn try_from(text: String) -> Result<NotBefore, WindowError> {
        if text.is_empty() {
            return Ok(NotBefore(None));
        }
        let time: Option<Timestamp> = text.parse().ok();
        let micros = time.and_then(|time| u64::try_from(time.as_microsecond()).ok());
        let micros = micros.ok_or_else(|| WindowError::Time { found: shortened(&text) })?;
        Ok(NotBefore(Some(Moment::from_micros(micros))))
    }
}

impl From<NotBefore> for String {
    fn from(not_before: NotBefore) -> String {
        let time = |moment: Moment| Timestamp::from_microsecond(i64::try_from(moment.as_micros()).ok()?).ok();
        not_before.0.map(|moment| time(moment).unwrap_or(Timestamp::MAX).to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND_US: u64 = 1_000_000;
    /// 2020-10-25 01:00 GMT, when clocks went back, and 2021-03-28 01:00 GMT, when they went forward.
    const BACK_S: u64 = 1_603_587_600;
    const FORWARD_S: u64 = 1_616_893_200;

    fn windows(texts: &[String]) -> Windows {
        Windows::try_from(texts.to_vec()).expect("windows")
    }

    /// What a clock on a wall shows, in minutes since its midnight, from the two changes alone.
    fn wall_minute(second: u64) -> u64 {
        let summer = !(BACK_S..FORWARD_S).contains(&second);
        (second + if summer { 3_600 } else { 0 }) % 86_400 / 60
    }

    fn wall_says_open(texts: &[String], second: u64) -> bool {
        let now = wall_minute(second);
        texts.is_empty()
            || texts.iter().any(|text| {
                let at = |range: std::ops::Range<usize>| text[range].parse::<u64>().expect("a number");
                let (from, until) = (at(0..2) * 60 + at(3..5), at(6..8) * 60 + at(9..11));
                if from < until { from <= now && now < until } else { now >= from || now < until }
            })
    }

    fn any_window() -> impl Strategy<Value = String> {
        // Near midnight and the hours that come twice or never more often than at random.
        let minute = || prop_oneof![0u16..1_440, 0u16..180, Just(0), Just(60), Just(120), Just(1_439)];
        (minute(), minute())
            .prop_filter("an empty window", |(from, until)| from != until)
            .prop_map(|(from_min, until_min)| Interval { from_min, until_min }.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn around_both_changes_of_clocks_a_window_is_open_when_the_clock_on_the_wall_says_so(
            texts in proptest::collection::vec(any_window(), 0..4),
        ) {
            let windows = windows(&texts);
            for change in [BACK_S, FORWARD_S] {
                let moment = |second: u64| Moment::from_micros(second * SECOND_US);
                let span = change - 27 * 3_600..change + 27 * 3_600;
                let mut edge = windows.next_edge(moment(span.start));
                let mut open_s = 0;
                let mut was_open = wall_says_open(&texts, span.start);
                for second in span.clone() {
                    let open = wall_says_open(&texts, second);
                    prop_assert_eq!(windows.is_open(moment(second)), open, "{:?} at {}", &texts, second);
                    if open != was_open {
                        prop_assert_eq!(edge, Some(moment(second)), "{:?}", &texts);
                        edge = windows.next_edge(moment(second));
                        was_open = open;
                    }
                    prop_assert!(edge.is_none_or(|edge| edge > moment(second)));
                    open_s += u64::from(open);
                }
                let open = windows.open_between(moment(span.start), moment(span.end));
                prop_assert_eq!(open, Duration::from_secs(open_s));
            }
        }
    }

    #[test]
    fn a_window_in_the_hour_that_comes_twice_opens_twice_and_in_the_hour_that_does_not_come_never() {
        let windows = windows(&["01:15-01:45".to_owned()]);
        let day = |change: u64| {
            let from = Moment::from_micros((change - 7_200) * SECOND_US);
            windows.open_between(from, from + Duration::from_secs(4 * 3_600))
        };
        assert_eq!(day(BACK_S), Duration::from_secs(3_600));
        assert_eq!(day(FORWARD_S), Duration::ZERO);
    }

    #[test]
    fn a_legal_day_begins_at_midnight_by_the_clock_on_the_wall_and_may_have_23_or_25_hours() {
        let second = |second: u64| Moment::from_micros(second * SECOND_US);
        for (change, hours) in [(BACK_S, 25), (FORWARD_S, 23)] {
            for at in [change - 3_599, change, change + 3_600, change + 22 * 3_600 - 1] {
                let (begins, ends) = day_of(second(at));
                assert_eq!(ends.saturating_since(begins), Duration::from_secs(hours * 3_600), "{at}");
                assert_eq!(minute_of_day(begins), 0);
                assert!(begins <= second(at) && second(at) < ends, "{at}");
                assert_eq!(day_of(ends).0, ends);
            }
        }
    }

    #[test]
    fn a_window_has_its_length_past_midnight_too() {
        let texts = ["22:00-00:30", "00:00-24:00", "09:00-10:00"].map(str::to_owned);
        assert_eq!(windows(&texts).lengths_min().collect::<Vec<_>>(), [150, 1_440, 60]);
        assert_eq!(Windows::default().lengths_min().next(), None);
    }

    #[test]
    fn no_window_is_always_and_so_is_the_whole_day() {
        for always in [Windows::default(), windows(&["00:00-24:00".to_owned()])] {
            assert!(always.is_open(Moment::default()));
            assert_eq!(always.next_edge(Moment::default()), None);
        }
        let beyond = windows(&["22:00-06:00".to_owned()]);
        assert_eq!(beyond.next_edge(Moment::MAX), None, "the calendar has an end");
    }

    #[test]
    fn what_is_no_window_is_refused_with_its_form() {
        for text in [
            "",
            "22:00",
            "22:00-22:00",
            "24:00-06:00",
            "22:60-06:00",
            "2:00-06:00",
            "22.00-06.00",
            "+1:00-06:00",
        ] {
            let error = Windows::try_from(vec![text.to_owned()]).expect_err(text);
            assert!(error.to_string().contains("HH:MM-HH:MM"), "{error}");
        }
        let many = vec!["22:00-06:00".to_owned(); MAX_WINDOWS + 1];
        assert_eq!(Windows::try_from(many), Err(WindowError::Many { found: 9 }));
        let texts = vec!["22:00-06:00".to_owned(), "12:30-24:00".to_owned()];
        assert_eq!(Vec::from(windows(&texts)), texts);
    }

    #[test]
    fn a_moment_is_read_in_any_offset_and_written_in_utc() {
        let read = |text: &str| NotBefore::try_from(text.to_owned());
        let moment = read("2020-10-05T23:00:00+01:00").expect("a time");
        assert_eq!(moment.moment(), Some(Moment::from_micros(1_601_935_200 * SECOND_US)));
        assert_eq!(String::from(moment), "2020-10-05T22:00:00Z");
        assert!(!moment.is_past(Moment::from_micros(1_601_935_199 * SECOND_US)));
        assert!(moment.is_past(Moment::from_micros(1_601_935_200 * SECOND_US)));
        assert_eq!(read(""), Ok(NotBefore::default()));
        assert_eq!(String::from(NotBefore::default()), "");
        for text in ["tomorrow", "2020-10-05", "1969-12-31T00:00:00Z"] {
            assert!(read(text).expect_err(text).to_string().contains("expected a time"), "{text}");
        }
    }
}
