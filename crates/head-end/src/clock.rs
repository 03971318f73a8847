//! Where the time comes from. Simulations hand in a faster clock; the head-end does not know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use transfer_engine::Moment;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Returns the present moment; it never goes back.
    fn now(&self) -> Moment;

    /// Returns how long to wait, in real time, before looking whether `moment` has come.
    fn wait_until(&self, moment: Moment) -> Duration;

    /// Notes that everything that was due at or before `moment` has been done. Only clocks that can be held
    /// back care.
    fn caught_up(&self, _moment: Moment) {}
}

/// The real time: read once from the system's clock, then carried on by the monotonic one, so that a
/// correction of the system's clock moves no deadline.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    origin: std::time::Instant,
    origin_moment: Moment,
}

impl WallClock {
    /// Starts the clock at the system's time.
    pub fn start() -> WallClock {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallClock {
            origin: std::time::Instant::now(),
            origin_moment: Moment::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

impl Clock for WallClock {
    fn now(&self) -> Moment {
        self.origin_moment + self.origin.elapsed()
    }

    fn wait_until(&self, moment: Moment) -> Duration {
        moment.saturating_since(self.now())
    }
}
