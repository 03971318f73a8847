//! A timing wheel: a ring of slots of about a millisecond, each a chain of chunks of members.
//!
//! A slot fires as a whole when it is over, ordered by moment and index, so that the order is total and no timer
//! is early; lateness is bounded by the slot. What lies further ahead than the ring is long waits for as many laps.
//!
//! Sketch at a million timers: 6.4 MB of chunks and, with whatever else is kept of a member, 4 B that say where it is.
//! To fire a member takes a twentieth of three cache lines; to set one, the last chunk of a slot, which is at hand as
//! long as there are fewer slots in use than the second cache has lines (a turn of 40 kbit/s has 212).

use std::cmp::Ordering;

use super::Links;
use super::chunks::{Chain, Chunks};
use crate::Moment;

/// A slot is 2^10 µs = 1.024 ms: a hundredth of the time a block takes on the fastest 2G line, and two thousand
/// sleeps an hour less than a driver notices.
const SLOT_BITS: u32 = 10;

/// 2^14 slots are 16.8 s, longer than most waits; the ring takes 64 KiB.
const RING: u64 = 1 << 14;

/// Laps that a timer may wait: 18 min. Whoever waits longer is woken then, and waits again.
const LAPS: u64 = (1 << (u16::BITS - SLOT_BITS)) - 1;

/// Members of a slot that are sorted in memory that is kept; more are rare, and take theirs for that time only.
const KEPT: usize = 1 << 16;

const WORD_BITS: usize = u64::BITS as usize;

/// Timers of dense indices, at most one each.
#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Box<[Chain]>,
    chunks: Chunks,
    /// One bit per slot that has members.
    occupied: Box<[u64]>,
    /// The first slot (counted from the epoch) that has not fired.
    next_slot: u64,
    /// No slot before this one has members: every turn asks what is over, and mostly nothing is.
    none_before: u64,
    /// Members that fire, as (µs within their slot, index).
    firing: Vec<u64>,
    /// Members that stay for another lap, with their notes.
    staying: Vec<(u32, u16)>,
    members: usize,
}

impl Wheel {
    pub(crate) fn new(now: Moment) -> Wheel {
        Wheel {
            slots: vec![Chain::EMPTY; RING as usize].into_boxed_slice(),
            chunks: Chunks::new(),
            occupied: vec![0; RING as usize / WORD_BITS].into_boxed_slice(),
            next_slot: now.as_micros() >> SLOT_BITS,
            none_before: 0,
            firing: Vec::new(),
            staying: Vec::new(),
            members: 0,
        }
    }

    /// Sets a member's timer, which it must not have yet. More than 18 min ahead, it fires after these.
    pub(crate) fn set(&mut self, links: &mut Links, member: u32, at: Moment) {
        let due = at.as_micros() >> SLOT_BITS;
        let slot = due.clamp(self.next_slot, self.next_slot + (LAPS + 1) * RING - 1);
        // What was due before fires first in its slot, and what is too far ahead last.
        let within = match due.cmp(&slot) {
            Ordering::Less => 0,
            Ordering::Equal => at.as_micros() % (1 << SLOT_BITS),
            Ordering::Greater => (1 << SLOT_BITS) - 1,
        };
        let laps = (slot - self.next_slot) / RING;
        self.none_before = self.none_before.min(slot - laps * RING);
        self.file(links, (slot % RING) as usize, member, (laps << SLOT_BITS | within) as u16);
    }

    /// Files a member in a slot of the ring; its note is the laps it waits, and its µs within the slot.
    fn file(&mut self, links: &mut Links, ring: usize, member: u32, note: u16) {
        self.occupied[ring / WORD_BITS] |= 1 << (ring % WORD_BITS);
        let at = self.chunks.push(&mut self.slots[ring], ring as u16, member, note);
        links.note(member, at);
        self.members += 1;
    }

    /// Takes back a member's timer. One that has just fired has none any more, and that is no mistake.
    pub(crate) fn cancel(&mut self, links: &mut Links, member: u32) {
        let at = links.noted(member);
        let Some(ring) = self.chunks.set_of(member, at).map(usize::from) else { return };
        if let Some(moved) = self.chunks.remove(&mut self.slots[ring], at) {
            links.note(moved, at);
        }
        if self.slots[ring].is_empty() {
            self.occupied[ring / WORD_BITS] &= !(1 << (ring % WORD_BITS));
        }
        self.members -= 1;
    }

    /// Returns when the next slot with members is over.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.next_occupied().map(|slot| Moment::from_micros((slot + 1) << SLOT_BITS))
    }

    fn next_occupied(&self) -> Option<u64> {
        if self.members == 0 {
            return None;
        }
        let from = self.next_slot.max(self.none_before);
        let first = (from % RING) as usize;
        let ring = self.search(first, RING as usize).or_else(|| self.search(0, first))?;
        Some(from + (ring as u64 + RING - first as u64) % RING)
    }

    fn search(&self, from: usize, to: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % WORD_BITS);
        for word in from / WORD_BITS..to.div_ceil(WORD_BITS) {
            let found = self.occupied[word] & mask;
            if found != 0 {
                return Some(word * WORD_BITS + found.trailing_zeros() as usize).filter(|ring| *ring < to);
            }
            mask = u64::MAX;
        }
        None
    }

    /// Takes out everything in slots that are over, in order, into `fired`.
    pub(crate) fn fire(&mut self, links: &mut Links, now: Moment, fired: &mut Vec<u32>) {
        let over = now.as_micros() >> SLOT_BITS;
        while self.none_before < over {
            self.none_before = self.next_occupied().unwrap_or(u64::MAX);
            if self.none_before < over {
                self.next_slot = self.none_before + 1;
                self.fire_slot(links, self.none_before, fired);
            }
        }
        self.next_slot = self.next_slot.max(over);
    }

    fn fire_slot(&mut self, links: &mut Links, slot: u64, fired: &mut Vec<u32>) {
        let ring = (slot % RING) as usize;
        self.occupied[ring / WORD_BITS] &= !(1 << (ring % WORD_BITS));
        let Wheel { slots, chunks, firing, staying, members, .. } = self;
        chunks.drain(&mut slots[ring], |member, note| {
            *members -= 1;
            match note.checked_sub(1 << SLOT_BITS) {
                Some(note) => staying.push((member, note)),
                None => firing.push(u64::from(note) << 32 | u64::from(member)),
            }
        });
        let mut staying = std::mem::take(&mut self.staying);
        for (member, note) in staying.drain(..) {
            self.file(links, ring, member, note);
        }
        staying.shrink_to(KEPT);
        self.staying = staying;
        self.firing.sort_unstable();
        fired.extend(self.firing.iter().map(|entry| *entry as u32));
        self.firing.clear();
        self.firing.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn who_waits_for_hours_is_woken_in_time_to_wait_again() {
        let mut now = Moment::from_micros(77);
        let mut wheel = Wheel::new(now);
        let mut links = Links::default();
        links.add();
        let at = now + Duration::from_secs(7_200);
        let mut woken = 0;
        while woken == 0 || now < at {
            wheel.cancel(&mut links, 0);
            wheel.set(&mut links, 0, at);
            let mut fired = Vec::new();
            while fired.is_empty() {
                now = wheel.next().expect("a timer is set");
                wheel.fire(&mut links, now, &mut fired);
            }
            woken += 1;
        }
        assert_eq!((woken, wheel.next()), (7, None), "every 18 minutes of two hours");
        assert!(now <= at + Duration::from_micros(1 << SLOT_BITS));
    }

    proptest! {
        /// Against a sorted set: nothing is early, nothing is later than a slot, and the order is total.
        #[test]
        fn timers_fire_in_order_and_within_a_slot(
            acts in proptest::collection::vec((0u32..40, 0u64..40_000_000, 0u64..3_000_000, any::<bool>()), 1..200),
        ) {
            let mut now = Moment::from_micros(123_456_789);
            let mut wheel = Wheel::new(now);
            let mut links = Links::default();
            (0..40).for_each(|_| {
                links.add();
            });
            let mut filed: [Option<Moment>; 40] = [None; 40];
            let mut model: BTreeSet<(Moment, u32)> = BTreeSet::new();
            for (member, ahead, wait, cancel) in acts {
                let index = member as usize;
                if let Some(at) = filed[index].take() {
                    wheel.cancel(&mut links, member);
                    model.remove(&(at, member));
                }
                if !cancel {
                    let at = now + Duration::from_micros(ahead);
                    wheel.set(&mut links, member, at);
                    filed[index] = Some(at);
                    model.insert((at, member));
                }
                prop_assert_eq!(wheel.next().is_some(), !model.is_empty());
                now = now + Duration::from_micros(wait);
                let mut fired = Vec::new();
                wheel.fire(&mut links, now, &mut fired);
                for member in fired {
                    let at = filed[member as usize].take().expect("it had a timer");
                    prop_assert!(at <= now);
                    prop_assert_eq!(model.pop_first(), Some((at, member)));
                }
                let slot = Duration::from_micros(1 << SLOT_BITS);
                prop_assert!(model.first().is_none_or(|(at, _)| *at + slot > now));
            }
        }
    }
}
