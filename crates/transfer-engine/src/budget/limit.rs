//! One shared rate with a burst, on the engine's clock, taken in leases.
//!
//! governor decides. It is asked for a lease now and then, not for every block, so that a decision is a subtraction
//! (see `lease`); several engines (one per core) share one limiter and hold a lease each. The burst that governor is given is
//! smaller than the stated one by all leases together: what was granted earlier and is spent later still fits.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::ByteRate;
use crate::Moment;
use crate::session::CONTROL_ALLOWANCE;

/// The clock as governor sees it: it stands still until an engine moves it, and it never goes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineClock(Arc<AtomicU64>);

impl EngineClock {
    pub(crate) fn set(&self, now: Moment, start: Moment) {
        let elapsed = now.as_micros().saturating_sub(start.as_micros());
        self.0.fetch_max(elapsed.saturating_mul(1_000), Ordering::Relaxed);
    }
}

impl Clock for EngineClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, EngineClock, NoOpMiddleware<Nanos>>;

/// One rate, as one engine sees it.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    limiter: Arc<Limiter>,
    clock: EngineClock,
    /// Bytes one governor cell stands for, so that its nanosecond period stays exact to 0.1 %.
    unit: u64,
    most: u64,
    lease_cells: u32,
}

impl Limit {
    /// Makes a limit whose burst holds that much time of the rate, but room for two charges of `largest` bytes at
    /// least (one more for every further engine); `shards` engines will share it. One that begins `empty` has to earn its burst first.
    pub(crate) fn new(
        rate: ByteRate,
        burst: Duration,
        largest: u64,
        shards: u32,
        clock: EngineClock,
        empty: bool,
    ) -> Limit {
        // At most a million cells a second: the period is then 1 µs or more, and rounding it up to
        // a whole nanosecond costs at most 0.1 % and never exceeds the rate.
        let unit = rate.0.div_ceil(1_000_000).max(1);
        let period = Duration::from_nanos((unit * 1_000_000_000).div_ceil(rate.0.max(1)));
        let stated = (u128::from(rate.0) * burst.as_micros() / 1_000_000) as u64;
        let lease = stated / 8 / u64::from(shards);
        let most = lease.max(largest);
        // What may lie unspent with every engine: a charge that another level refused, and what was taken back of
        // one request.
        let unspent = u64::from(shards) * (most + CONTROL_ALLOWANCE as u64);
        let burst = stated.saturating_sub(unspent).max(most + unit);
        let cells = |bytes: u64| u32::try_from(bytes / unit).unwrap_or(u32::MAX);
        let burst_cells = NonZeroU32::new(cells(burst)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period)
            .expect("the period is at least one nanosecond")
            .allow_burst(burst_cells);
        let limiter = Arc::new(RateLimiter::direct_with_clock(quota, clock.clone()));
        if empty {
            // Never more than the burst, so that this always succeeds.
            let _ = limiter.check_n(burst_cells);
        }
        let lease_cells = cells(lease);
        Limit { limiter, clock, unit, most, lease_cells }
    }

    /// Returns the largest charge that can ever be granted at once.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Leases at least `bytes` and returns how many it were, or says when to ask again.
    pub(crate) fn lease(&self, now: Moment, bytes: u64) -> Result<u64, Moment> {
        let needed = u32::try_from(bytes.div_ceil(self.unit)).unwrap_or(u32::MAX);
        let cells = NonZeroU32::new(needed.max(self.lease_cells)).unwrap_or(NonZeroU32::MIN);
        match self.limiter.check_n(cells) {
            Ok(Ok(())) => Ok(u64::from(cells.get()) * self.unit),
            Ok(Err(not_until)) => {
                let wait = Duration::from(not_until.earliest_possible().duration_since(self.clock.now()));
                // A microsecond more, as the wait is in nanoseconds and moments are not.
                Err(now + wait + Duration::from_micros(1))
            }
            Err(_) => unreachable!("a charge is never larger than the burst"),
        }
    }
}
