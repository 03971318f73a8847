//! The cluster's clock: ZCL counts seconds from 2000-01-01T00:00:00Z.

use std::time::Duration;

use transfer_engine::Moment;

/// Seconds from the Unix epoch to 2000-01-01T00:00:00Z.
const EPOCH_2000: Moment = Moment::from_micros(946_684_800_000_000);

/// Returns the ZCL time of a moment; 0, which means "no clock", for moments before 2000.
pub(crate) fn zcl_time(now: Moment) -> u32 {
    u32::try_from(now.saturating_since(EPOCH_2000).as_secs()).unwrap_or(u32::MAX - 1)
}

/// Returns how long a client waits until `then`; a client with no clock uses the difference only, and a current time
/// of 0 makes `then` itself the difference.
pub(crate) fn zcl_delay(current_time: u32, then: u32) -> Duration {
    Duration::from_secs(then.saturating_sub(current_time).into())
}
