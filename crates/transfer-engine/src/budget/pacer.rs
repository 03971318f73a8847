//! The pace of a million links: GCRA, one number of 8 B for each.
//!
//! The number is the moment until which a link is paid for, in nanoseconds since the engine began. A charge pushes
//! it on by its air time; it may lie ahead of now by as much as the burst. (ITU-T I.371, generic cell rate
//! algorithm in its virtual scheduling form.)

use std::time::Duration;

use super::ByteRate;
use crate::Moment;

/// The paces of links, by dense index.
#[derive(Debug)]
pub struct Pacer {
    start: Moment,
    burst_ns: u64,
    paid_until: Vec<u64>,
}

impl Pacer {
    /// Makes a pacer without links.
    pub fn new(start: Moment, burst: Duration) -> Pacer {
        let burst_ns = u64::try_from(burst.as_nanos()).unwrap_or(u64::MAX);
        Pacer { start, burst_ns, paid_until: Vec::new() }
    }

    /// Adds a link and returns its index.
    pub fn add(&mut self) -> u32 {
        self.paid_until.push(0);
        self.paid_until.len() as u32 - 1
    }

    /// Returns when a charge of `bytes` at `rate` may be made on a link: never more than the burst ahead of its
    /// rate, except that a charge larger than the burst may be made whenever the link is paid up.
    pub fn ready_at(&self, link: u32, bytes: u64, rate: ByteRate) -> Moment {
        let slack = self.burst_ns.saturating_sub(air_time(bytes, rate));
        let ready = self.paid_until[link as usize].saturating_sub(slack);
        Moment::from_micros(self.start.as_micros().saturating_add(ready.div_ceil(1_000)))
    }

    /// Charges a link.
    pub fn charge(&mut self, link: u32, now: Moment, bytes: u64, rate: ByteRate) {
        let paid_until = &mut self.paid_until[link as usize];
        let now = now.as_micros().saturating_sub(self.start.as_micros()).saturating_mul(1_000);
        *paid_until = (*paid_until).max(now).saturating_add(air_time(bytes, rate));
    }

    /// Takes a charge back, as far as the link is not paid up.
    pub(crate) fn credit(&mut self, link: u32, bytes: u64, rate: ByteRate) {
        let paid_until = &mut self.paid_until[link as usize];
        *paid_until = paid_until.saturating_sub(air_time(bytes, rate));
    }
}

/// Nanoseconds that bytes take at a rate, rounded up.
fn air_time(bytes: u64, rate: ByteRate) -> u64 {
    match rate.0 {
        0 => u64::MAX,
        rate => bytes.saturating_mul(1_000_000_000).div_ceil(rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_link_never_gets_more_than_its_rate_and_burst_in_any_window(
            rate in 100u64..20_000_000,
            steps in proptest::collection::vec((0u64..400_000, 40u64..1_500), 1..300),
        ) {
            let start = Moment::from_micros(77);
            let mut pacer = Pacer::new(start, Duration::from_millis(50));
            let link = pacer.add();
            let mut now = start;
            let mut sent: Vec<(u64, u64)> = Vec::new();
            for (wait, bytes) in steps {
                now = now + Duration::from_micros(wait);
                if pacer.ready_at(link, bytes, ByteRate(rate)) <= now {
                    pacer.charge(link, now, bytes, ByteRate(rate));
                    sent.push((now.as_micros(), bytes));
                }
            }
            let burst = (rate / 20).max(1_500) + 1;
            for first in 0..sent.len() {
                let mut total = 0;
                for &(at, bytes) in &sent[first..] {
                    total += bytes;
                    prop_assert!(total <= rate * (at - sent[first].0) / 1_000_000 + burst);
                }
            }
        }
    }
}
