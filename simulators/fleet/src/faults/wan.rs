//! What goes wrong on one direction of a WAN link beyond loss: reordering, corruption, half-open and slow spells.

use super::schedule::{Strikes, Windows};
use super::{FaultCounts, FaultKind};
use crate::link::Direction;
use crate::random::{Purpose, Share, Stream};
use crate::world::{Cell, FaultSpec};
use std::time::Duration;
use transfer_engine::{HubId, Moment};

/// Rates in a slow spell are counted in thousandths of the full one.
const FULL_RATE: u32 = 1_000;

/// What befalls one datagram on the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// Bits flip, and the checksum shows it.
    Drop,
    /// Bits flip, and the checksum holds.
    Alter(Flip),
    /// It comes later by this, and others overtake it.
    Delay(Duration),
}

/// Bits that flip so that the UDP checksum does not notice: in the same column of two 16-bit words, one from 0 to 1 and
/// the other from 1 to 0 (RFC 768: a ones' complement sum).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    draw: u64,
}

/// Pairs of words that are looked at for two bits that differ; in anything but a constant one is found at once.
const TRIES: u64 = 64;

impl Flip {
    /// Flips the bits, and returns whether there were two that could be flipped unnoticed.
    pub fn apply(self, datagram: &mut [u8]) -> bool {
        let words = datagram.len() as u64 / 2;
        if words < 2 {
            return false;
        }
        for attempt in 0..TRIES {
            // A fixed spread of one draw, so that a strike costs the stream the same whatever it hits.
            let mixed = self.draw.wrapping_add(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let bit = mixed & 15;
            let first = (mixed >> 8) % words;
            let second = (mixed >> 32) % words;
            let place = |word: u64| (word * 2 + bit / 8) as usize;
            let mask = 1u8 << (bit % 8);
            let (one, other) = (datagram[place(first)], datagram[place(second)]);
            if (one ^ other) & mask != 0 {
                datagram[place(first)] ^= mask;
                datagram[place(second)] ^= mask;
                return true;
            }
        }
        false
    }
}

/// The faults of one direction of one link.
#[derive(Clone, Debug)]
pub(crate) struct LinkFaults {
    direction: Direction,
    reordering: Option<Strikes>,
    reorder_most: Duration,
    corruption: Option<Strikes>,
    undetected: Share,
    half_open: Option<Windows>,
    congestion: Option<Windows>,
    congestion_rate: u32,
    collapse: Option<Windows>,
    collapse_rate: u32,
    counts: FaultCounts,
}

impl LinkFaults {
    /// Makes the faults of one direction; `None` when the world has none of these.
    pub(crate) fn open(
        spec: &FaultSpec,
        seed: u64,
        start: Moment,
        (hub, cell): (HubId, Cell),
        direction: Direction,
    ) -> Option<Box<LinkFaults>> {
        let hub = u64::from(hub.0);
        let own = |purpose| move || Stream::open(seed, hub << 1 | direction as u64, purpose);
        // Both directions ask schedules of their own that are drawn alike: nothing is shared, so homes stay apart.
        let both = |purpose| move || Stream::open(seed, hub, purpose);
        let of_cell = move || Stream::open(seed, cell.0.into(), Purpose::CellCongestion);
        let permille = |share: Share| (share.value() * f64::from(FULL_RATE)).round() as u32;
        let faults = LinkFaults {
            direction,
            reordering: Strikes::open(spec.reordered_per_datagram, own(Purpose::Reordering)),
            reorder_most: Duration::from_millis(spec.reorder_most_ms.into()),
            corruption: Strikes::open(spec.corrupted_per_datagram, own(Purpose::Corruption)),
            undetected: spec.undetected_per_corrupted,
            half_open: Windows::open(
                start,
                spec.half_open_per_day,
                spec.half_open_s,
                both(Purpose::HalfOpen),
            ),
            congestion: Windows::open(start, spec.cell_congestion_per_day, spec.cell_congestion_s, of_cell),
            congestion_rate: permille(spec.cell_congestion_rate_share),
            collapse: Windows::open(
                start,
                spec.rate_collapse_per_day,
                spec.rate_collapse_s,
                both(Purpose::RateCollapse),
            ),
            collapse_rate: permille(spec.rate_collapse_rate_share),
            counts: FaultCounts::default(),
        };
        let any = faults.reordering.is_some()
            || faults.corruption.is_some()
            || faults.half_open.is_some()
            || faults.congestion.is_some()
            || faults.collapse.is_some();
        any.then(|| Box::new(faults))
    }

    /// Returns whether the link carries in the other direction only at this moment, and counts the datagram that is
    /// lost by it.
    pub(crate) fn is_shut(&mut self, now: Moment) -> bool {
        let Some(windows) = &mut self.half_open else { return false };
        let is_open = windows.contains(now);
        let shut = if windows.is_second_kind() { Direction::Up } else { Direction::Down };
        let is_shut = is_open && shut == self.direction;
        self.counts.count(FaultKind::HalfOpen, u64::from(is_shut));
        is_shut
    }

    /// Returns how long something occupies the air that takes `air_time` at the full rate.
    pub(crate) fn slowed(&mut self, now: Moment, air_time: Duration) -> Duration {
        let mut slowed = air_time;
        if self.congestion.as_mut().is_some_and(|windows| windows.contains(now)) {
            slowed = slowed * FULL_RATE / self.congestion_rate.max(1);
        }
        if self.collapse.as_mut().is_some_and(|windows| windows.contains(now)) {
            slowed = slowed * FULL_RATE / self.collapse_rate.max(1);
        }
        slowed
    }

    /// Counts a datagram that goes over the air, and says what befalls it there.
    pub(crate) fn strike(&mut self, now: Moment) -> Option<Strike> {
        let (congested, collapsed) = (&mut self.congestion, &mut self.collapse);
        let slow = congested.as_mut().is_some_and(|windows| windows.contains(now));
        self.counts.count(FaultKind::CellCongestion, u64::from(slow));
        let slow = collapsed.as_mut().is_some_and(|windows| windows.contains(now));
        self.counts.count(FaultKind::RateCollapse, u64::from(slow));
        if let Some(corruption) = &mut self.corruption
            && corruption.strikes()
        {
            let flip = Flip { draw: corruption.stream.below(u64::MAX) };
            let passes = corruption.stream.happens(self.undetected);
            let kind = if passes { FaultKind::UndetectedCorruption } else { FaultKind::Corruption };
            self.counts.count(kind, 1);
            return Some(if passes { Strike::Alter(flip) } else { Strike::Drop });
        }
        if let Some(reordering) = &mut self.reordering
            && reordering.strikes()
        {
            let delay = reordering.stream.span(self.reorder_most);
            self.counts.count(FaultKind::Reordering, 1);
            return Some(Strike::Delay(delay));
        }
        None
    }

    /// Returns what struck so far.
    pub(crate) fn counts(&self) -> &FaultCounts {
        &self.counts
    }

    /// Ends all of these faults; what struck stays counted.
    pub(crate) fn calm(&mut self) {
        self.reordering = None;
        self.corruption = None;
        self.half_open = None;
        self.congestion = None;
        self.collapse = None;
    }
}
