//! Moments and spans of documents as people write them: RFC 3339 and `30d`; and the clock, unless told otherwise.

use clap::Args;
use firmware_image::{UtcSeconds, Validity};
use jiff::{Span, SpanRelativeTo, Timestamp};

use crate::exit::{ExitCode, Failure, OrFail};

/// The clock a command goes by.
#[derive(Debug, Args)]
pub(super) struct ClockArguments {
    /// Moment to go by, such as 2026-11-23T12:00:00Z [default: the clock of this machine].
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<UtcSeconds>,
}

impl ClockArguments {
    pub(super) fn now(&self) -> Result<UtcSeconds, Failure> {
        match self.at {
            Some(moment) => Ok(moment),
            None => from_timestamp(Timestamp::now()).or_fail(ExitCode::Failed, "the clock of this machine"),
        }
    }
}

/// A span of time that a document is good for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    seconds: u64,
}

impl Lifetime {
    pub(super) fn from(self, now: UtcSeconds) -> Validity {
        Validity { issued: now, expires: now.plus(self.seconds) }
    }
}

impl std::str::FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Lifetime, String> {
        let expected = || "expected a span such as 365d or 24h".to_owned();
        let span: Span = text.parse().map_err(|_| expected())?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| expected())?;
        let seconds = u64::try_from(duration.as_secs()).map_err(|_| expected())?;
        if seconds == 0 { Err(expected()) } else { Ok(Lifetime { seconds }) }
    }
}

/// Writes a moment as RFC 3339; one that no calendar reaches, as its number.
pub(super) fn shown(moment: UtcSeconds) -> String {
    let timestamp = i64::try_from(moment.0).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| format!("{} s after 1970", moment.0), |timestamp| timestamp.to_string())
}

fn parse_moment(text: &str) -> Result<UtcSeconds, String> {
    let expected = || "expected a moment such as 2026-11-23T12:00:00Z".to_owned();
    let timestamp: Timestamp = text.parse().map_err(|_| expected())?;
    from_timestamp(timestamp).map_err(|_| expected())
}

fn from_timestamp(timestamp: Timestamp) -> Result<UtcSeconds, std::num::TryFromIntError> {
    Ok(UtcSeconds(u64::try_from(timestamp.as_second())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_as_it_is_shown() {
        let text = "2026-11-23T12:00:00Z";
        assert_eq!(parse_moment(text).map(shown), Ok(text.to_owned()));
        for wrong in ["", "2026-11-23", "1969-12-31T23:59:59Z", "tomorrow"] {
            assert!(parse_moment(wrong).is_err(), "{wrong}");
        }
        assert_eq!(shown(UtcSeconds(u64::MAX)), format!("{} s after 1970", u64::MAX));
    }

    #[test]
    fn a_lifetime_is_a_span_of_fixed_length() {
        let seconds = |text: &str| text.parse::<Lifetime>().map(|lifetime| lifetime.seconds);
        assert_eq!(seconds("365d"), Ok(31_536_000));
        assert_eq!(seconds("24h"), Ok(86_400));
        for wrong in ["", "30", "-1d", "0s", "1 month", "d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
