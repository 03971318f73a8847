//! Shared budgets: how many bytes the whole head-end, or one cell, may put on the air.
//!
//! governor decides; the engine's own clock is what it reads. Budgets are taken in leases of a few
//! datagrams, so that a refusal further down the chain never burns what was granted further up.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::Moment;

/// A rate on a wire, in bytes per second, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate(pub u64);

impl ByteRate {
    /// Returns how long `bytes` occupy a line of this rate; a rate of zero never finishes.
    pub fn time_for(self, bytes: usize) -> Duration {
        match self.0 {
            0 => Duration::MAX,
            rate => Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000).div_ceil(rate)),
        }
    }
}

/// IP and UDP headers, bytes: what a datagram costs on the line beside its content.
pub(crate) const DATAGRAM_OVERHEAD: usize = 28;

/// The engine's clock as governor sees it: it stands still until the engine moves it.
#[derive(Clone, Debug, Default)]
pub(crate) struct EngineClock(Arc<AtomicU64>);

impl EngineClock {
    pub(crate) fn set(&self, now: Moment, start: Moment) {
        let elapsed = now.as_micros().saturating_sub(start.as_micros());
        self.0.store(elapsed.saturating_mul(1_000), Ordering::Relaxed);
    }
}

impl Clock for EngineClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

/// One rate with a burst, shared by many hubs.
#[derive(Debug)]
pub(crate) struct Budget {
    limiter: RateLimiter<NotKeyed, InMemoryState, EngineClock, NoOpMiddleware<Nanos>>,
    clock: EngineClock,
    /// Bytes one governor cell stands for, so that its nanosecond period stays exact to 0.1 %.
    unit: usize,
    lease_cells: NonZeroU32,
    leased: usize,
    /// Bytes granted so far, for metrics.
    pub(crate) granted: u64,
}

impl Budget {
    /// Makes a budget whose burst holds that much time of the rate, and at least one datagram of `largest` bytes.
    pub(crate) fn new(rate: ByteRate, burst: Duration, largest: usize, clock: EngineClock) -> Budget {
        // At most a million cells a second: the period is then 1 µs or more, and rounding it up to
        // a whole nanosecond costs at most 0.1 % and never exceeds the rate.
        let unit = rate.0.div_ceil(1_000_000).max(1);
        let period = Duration::from_nanos((unit * 1_000_000_000).div_ceil(rate.0.max(1)));
        let cells = |bytes: u64| {
            NonZeroU32::new(u32::try_from(bytes.div_ceil(unit)).unwrap_or(u32::MAX))
                .unwrap_or(NonZeroU32::MIN)
        };
        let burst_bytes = (u128::from(rate.0) * burst.as_millis() / 1_000) as u64;
        let burst = cells(burst_bytes.max(largest as u64));
        let lease_cells = cells((largest as u64).max(burst_bytes / 4)).min(burst);
        let quota =
            Quota::with_period(period).expect("the period is at least one nanosecond").allow_burst(burst);
        Budget {
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            unit: unit as usize,
            lease_cells,
            leased: 0,
            granted: 0,
        }
    }

    /// Makes sure that `bytes` are leased, or says when to ask again.
    pub(crate) fn ensure(&mut self, now: Moment, bytes: usize) -> Result<(), Moment> {
        while self.leased < bytes {
            match self.limiter.check_n(self.lease_cells) {
                Ok(Ok(())) => self.leased += self.lease_cells.get() as usize * self.unit,
                Ok(Err(not_until)) => {
                    let wait = not_until.earliest_possible().duration_since(self.clock.now());
                    return Err(now
                        + Duration::from(wait).max(Duration::from_micros(1))
                        + Duration::from_micros(1));
                }
                Err(_) => unreachable!("a lease is never larger than the burst"),
            }
        }
        Ok(())
    }

    /// Spends `bytes` that [`Budget::ensure`] has leased.
    pub(crate) fn spend(&mut self, bytes: usize) {
        debug_assert!(self.leased >= bytes, "spent more than was leased");
        self.leased = self.leased.saturating_sub(bytes);
        self.granted += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_rate_and_burst(
            rate in 2_000u64..300_000_000,
            steps in proptest::collection::vec((0u64..40_000, 40usize..1_100), 1..400),
        ) {
            let start = Moment::from_micros(1);
            let clock = EngineClock::default();
            let mut budget = Budget::new(ByteRate(rate), Duration::from_millis(50), 1_100, clock.clone());
            let mut now = start;
            let mut sent: Vec<(u64, u64)> = Vec::new();
            for (wait, bytes) in steps {
                now = now + Duration::from_micros(wait);
                clock.set(now, start);
                if budget.ensure(now, bytes).is_ok() {
                    budget.spend(bytes);
                    sent.push((now.as_micros(), bytes as u64));
                }
            }
            // Burst, plus one lease that may have been taken in the window before.
            let slack = 2 * (rate / 20).max(1_100) + 2 * rate.div_ceil(1_000_000);
            for first in 0..sent.len() {
                let mut total = 0;
                for last in first..sent.len() {
                    total += sent[last].1;
                    let window = sent[last].0 - sent[first].0;
                    prop_assert!(total <= rate * window / 1_000_000 + slack);
                }
            }
        }
    }

    #[test]
    fn a_refused_budget_names_the_moment_at_which_it_will_grant() {
        let start = Moment::from_micros(1);
        let clock = EngineClock::default();
        let mut budget = Budget::new(ByteRate(10_000), Duration::from_millis(50), 1_000, clock.clone());
        let mut now = start;
        let mut granted = 0;
        for _ in 0..100 {
            clock.set(now, start);
            match budget.ensure(now, 1_000) {
                Ok(()) => {
                    budget.spend(1_000);
                    granted += 1;
                }
                Err(at) => {
                    assert!(at > now);
                    now = at;
                    clock.set(now, start);
                    assert!(budget.ensure(now, 1_000).is_ok(), "the promise was kept");
                }
            }
        }
        assert!(granted > 40);
    }
}
