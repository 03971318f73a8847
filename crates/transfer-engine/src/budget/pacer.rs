//! The pace of a million links: GCRA, one number of 4 B for each.
//!
//! The number is the moment until which a link is paid for, in microseconds since a base that all links share. A
//! charge pushes it on by its air time; it may lie ahead of now by as much as the burst. (ITU-T I.371, generic cell
//! rate algorithm in its virtual scheduling form.) Every half hour the base follows the clock.
//!
//! Sketch: links are looked at in no order, so memory decides what a look costs: a million take 4 MB, and one that
//! comes from there takes longer than everything that is done with it. So whoever has a batch before it has their
//! paces fetched together; and what a look needs beside the pace (the link's cell, 4 B) lies beside it, as a second line of
//! memory for it would cost as much as the first.

use std::hint::black_box;
use std::time::Duration;

use super::ByteRate;
use crate::Moment;

/// How far the clock runs ahead of the base, µs: 36 min, and as much remains for what lies ahead of the clock. The
/// largest block takes that long at 4 B/s, and no slower rate is told apart.
const REBASE_AFTER: u64 = 1 << 31;

/// How late a charge may be made on a line of known rate without its falling behind, µs. A block that takes longer than the
/// burst has nothing else to make up with for a timer's slot, a driver's turn or a machine that is busy elsewhere: a
/// millisecond or two with each of five blocks a second would be a hundredth of the rate. On limiters 50 ms of slack kept a
/// second's error below a thousandth and 2 ms did not; 20 ms lie between (interpolated), a tenth of a block at 40 kbit/s.
const LATENESS_US: u32 = 20_000;

/// A link of rate zero that has sent once.
const NEVER: u32 = u32::MAX;

/// Time on a line, in whole microseconds: what a charge costs there, and how far it may run ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AirTime(u32);

/// The paces of links, by dense index, and what is wanted whenever one is looked at.
#[derive(Debug)]
pub struct Pacer<Beside = ()> {
    /// µs since the epoch.
    base: u64,
    links: Vec<Link<Beside>>,
}

#[derive(Debug)]
struct Link<Beside> {
    paid_until: u32,
    beside: Beside,
}

impl<Beside: Copy> Pacer<Beside> {
    /// Makes a pacer without links.
    pub fn new(start: Moment) -> Pacer<Beside> {
        Pacer { base: start.as_micros(), links: Vec::new() }
    }

    /// Adds a link and returns its index.
    pub fn add(&mut self, beside: Beside) -> u32 {
        self.links.push(Link { paid_until: 0, beside });
        self.links.len() as u32 - 1
    }

    /// Returns what lies beside the pace of a link.
    #[inline]
    pub fn beside(&self, link: u32) -> Beside {
        self.links[link as usize].beside
    }

    /// Reads the paces of links that will be looked at next. Side by side, a batch of reads takes little longer than
    /// one; between decisions, which fill the processor, each would wait for itself.
    #[inline]
    pub fn fetch(&self, links: &[u32]) {
        let sum =
            links.iter().fold(0, |sum: u32, link| sum.wrapping_add(self.links[*link as usize].paid_until));
        black_box(sum);
    }

    /// Returns when a charge may be made on a link: never more than the burst ahead of its rate, except that a charge
    /// larger than the burst may be made whenever the link is paid up.
    #[inline]
    pub fn ready_at(&self, link: u32, charge: AirTime, burst: AirTime) -> Moment {
        let paid_until = self.links[link as usize].paid_until;
        if paid_until == NEVER {
            return Moment::MAX;
        }
        let slack = burst.0.saturating_sub(charge.0);
        Moment::from_micros(self.base + u64::from(paid_until.saturating_sub(slack)))
    }

    /// Charges a link.
    #[inline]
    pub fn charge(&mut self, link: u32, now: Moment, charge: AirTime) {
        self.charge_late(link, now, charge, 0);
    }

    /// Charges a link whose rate is known: what is sent a little late does not move what follows. Where the rate is an
    /// estimate there is nothing to be on time for, and only queues would grow.
    #[inline]
    pub fn charge_on_schedule(&mut self, link: u32, now: Moment, charge: AirTime, burst: AirTime) {
        // Below the burst, the burst makes up for it.
        let late = if charge > burst { LATENESS_US } else { 0 };
        self.charge_late(link, now, charge, late);
    }

    #[inline]
    fn charge_late(&mut self, link: u32, now: Moment, charge: AirTime, late: u32) {
        let mut since = now.as_micros().saturating_sub(self.base);
        if since > REBASE_AFTER {
            self.rebase(now);
            since = u64::from(LATENESS_US);
        }
        let paid_until = &mut self.links[link as usize].paid_until;
        let least = (*paid_until).max((since as u32).saturating_sub(late)).saturating_add(charge.0);
        *paid_until = if charge.0 == NEVER { NEVER } else { least.min(NEVER - 1) };
    }

    /// Takes a charge back, as far as the link is not paid up.
    pub(crate) fn credit(&mut self, link: u32, charge: AirTime) {
        let paid_until = &mut self.links[link as usize].paid_until;
        *paid_until = paid_until.saturating_sub(charge.0);
    }

    /// Counts from now on, less what may be made up for. Whoever was paid up before stays paid up.
    #[cold]
    fn rebase(&mut self, now: Moment) {
        let base = now.as_micros() - u64::from(LATENESS_US);
        let by = u32::try_from(base - self.base).unwrap_or(NEVER - 1);
        for link in self.links.iter_mut().filter(|link| link.paid_until != NEVER) {
            link.paid_until = link.paid_until.saturating_sub(by);
        }
        self.base = base;
    }
}

impl AirTime {
    /// Returns what bytes take at a rate, rounded up. It is a division, and so the dearest part of a decision about a
    /// link that is at hand: made once for each charge.
    #[inline]
    pub fn of(bytes: u64, rate: ByteRate) -> AirTime {
        AirTime(match rate.0 {
            0 => NEVER,
            rate => u32::try_from(bytes.saturating_mul(1_000_000).div_ceil(rate)).unwrap_or(NEVER - 1),
        })
    }

    /// Returns so much time, as a burst; 71 min at most.
    #[inline]
    pub fn lasting(time: Duration) -> AirTime {
        AirTime(u32::try_from(time.as_micros()).unwrap_or(NEVER - 1))
    }

    /// Returns how many bytes pass in that time at a rate.
    pub(crate) fn bytes_at(self, rate: ByteRate) -> u64 {
        rate.0.saturating_mul(u64::from(self.0)) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn burst() -> AirTime {
        AirTime::lasting(Duration::from_millis(50))
    }

    #[test]
    fn a_pace_outlives_its_base_and_a_rate_of_zero_sends_once() {
        let mut now = Moment::from_micros(3);
        let mut pacer = Pacer::new(now);
        let (link, mute, late) = (pacer.add(()), pacer.add(()), pacer.add(()));
        let of = |bytes| AirTime::of(bytes, ByteRate(1_000));
        pacer.charge(mute, now, AirTime::of(1, ByteRate(0)));
        for _ in 0..10 {
            now = now + Duration::from_micros(REBASE_AFTER - 1_000_000);
            pacer.charge(link, now, of(5_000));
            // The second charge moves the base, while the first is still being paid for.
            let soon = now + Duration::from_secs(3);
            pacer.charge(late, soon, of(5_000));
            let unpaid = Duration::from_millis(5_000 - 50);
            assert_eq!(pacer.ready_at(link, of(10), burst()), now + unpaid + Duration::from_millis(10));
            assert_eq!(pacer.ready_at(late, of(10), burst()), soon + unpaid + Duration::from_millis(10));
            assert_eq!(pacer.ready_at(mute, AirTime::of(1, ByteRate(0)), burst()), Moment::MAX);
        }
    }

    #[test]
    fn a_block_longer_than_the_burst_is_late_once_and_not_every_time_after() {
        let start = Moment::from_micros(77);
        let (block, late) = (AirTime::of(1_000, ByteRate(5_000)), Duration::from_millis(2));
        let sent = |charge: fn(&mut Pacer<()>, u32, Moment, AirTime)| {
            let mut pacer = Pacer::new(start);
            let link = pacer.add(());
            let mut now = start;
            for _ in 0..100 {
                now = pacer.ready_at(link, block, burst()).max(now) + late;
                charge(&mut pacer, link, now, block);
            }
            now.saturating_since(start)
        };
        let on_schedule = |pacer: &mut Pacer<()>, link, now, block| {
            pacer.charge_on_schedule(link, now, block, burst());
        };
        assert_eq!(sent(on_schedule), Duration::from_millis(99 * 200) + late);
        assert_eq!(sent(Pacer::charge), Duration::from_millis(99 * 200) + 100 * late);
    }

    proptest! {
        #[test]
        fn a_link_never_gets_more_than_its_rate_and_burst_in_any_window(
            rate in 100u64..20_000_000,
            on_schedule in any::<bool>(),
            steps in proptest::collection::vec((0u64..400_000, 40u64..1_500), 1..300),
        ) {
            let start = Moment::from_micros(77);
            let mut pacer = Pacer::new(start);
            let link = pacer.add(());
            let mut now = start;
            let mut sent: Vec<(u64, u64)> = Vec::new();
            for (wait, bytes) in steps {
                now = now + Duration::from_micros(wait);
                let charge = AirTime::of(bytes, ByteRate(rate));
                if pacer.ready_at(link, charge, burst()) <= now {
                    if on_schedule {
                        pacer.charge_on_schedule(link, now, charge, burst());
                    } else {
                        pacer.charge(link, now, charge);
                    }
                    sent.push((now.as_micros(), bytes));
                }
            }
            // Lateness is made up for by blocks that take longer than the burst, and by no others.
            let made_up = if on_schedule && rate < 30_000 { rate / 50 + 1 } else { 0 };
            let burst = (rate / 20).max(1_500) + made_up + 1;
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
