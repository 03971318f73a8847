//! The event queue: what happens next, in total order of moment and event.
//!
//! ```text
//!  push ─► open slot (sorted, the next event last)      within the millisecond that is being worked off
//!       ├► ring of slots, unsorted                      within the next 16.8 s
//!       └► heap                                         later; comes into the ring as that turns
//! ```
//!
//! Sketch: an event is written once into the slot of its millisecond and sorted once with the few that share it, so at a
//! million pending events it costs two cache lines and a short sort where a heap takes twenty comparisons in as many
//! lines. Buffers of slots are kept: nothing is allocated once the ring has been round.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use transfer_engine::Moment;

/// A slot is 2^10 µs long: few enough events share one, and few enough slots are empty.
const SLOT_BITS: u32 = 10;

/// 2^14 slots are 16.8 s: longer than any datagram is on its way.
const RING: u64 = 1 << 14;

const WORD_BITS: usize = u64::BITS as usize;

/// Events in the order of their moments; of one moment, in their own order.
#[derive(Debug)]
pub struct EventQueue<E> {
    /// The events of the open slot, the next one last; empty only when nothing waits.
    open: Vec<(Moment, E)>,
    /// The number of the open slot, counted from the epoch: the first that has events.
    open_slot: u64,
    /// The slot of the event that was taken last. The ring reaches from here.
    base: u64,
    ring: Box<[Vec<(Moment, E)>]>,
    /// One bit for each slot of the ring that has events.
    occupied: Box<[u64]>,
    in_ring: usize,
    later: BinaryHeap<Reverse<(Moment, E)>>,
}

impl<E: Copy + Ord> EventQueue<E> {
    /// Makes an empty queue; it is fastest for events from `now` on.
    pub fn new(now: Moment) -> EventQueue<E> {
        EventQueue {
            open: Vec::new(),
            open_slot: slot_of(now),
            base: slot_of(now),
            ring: (0..RING).map(|_| Vec::new()).collect(),
            occupied: vec![0; RING as usize / WORD_BITS].into_boxed_slice(),
            in_ring: 0,
            later: BinaryHeap::new(),
        }
    }

    /// Returns how many events wait.
    pub fn len(&self) -> usize {
        self.open.len() + self.in_ring + self.later.len()
    }

    /// Returns whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an event. What should have happened before the event that was taken last happens next.
    pub fn push(&mut self, at: Moment, event: E) {
        let slot = slot_of(at).max(self.base);
        if self.open.is_empty() {
            self.open_slot = slot;
            self.open.push((at, event));
        } else if slot == self.open_slot {
            let place = self.open.partition_point(|other| *other > (at, event));
            self.open.insert(place, (at, event));
        } else if slot < self.open_slot {
            self.close();
            self.open_slot = slot;
            self.open.push((at, event));
        } else {
            self.put(slot, at, event);
        }
    }

    /// Returns the next event and leaves it there.
    pub fn peek(&self) -> Option<(Moment, E)> {
        self.open.last().copied()
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Moment, E)> {
        let next = self.open.pop()?;
        if self.base < self.open_slot {
            self.base = self.open_slot;
            self.take_from_later();
        }
        if self.open.is_empty() {
            self.turn();
        }
        Some(next)
    }

    fn put(&mut self, slot: u64, at: Moment, event: E) {
        if slot >= self.base + RING {
            return self.later.push(Reverse((at, event)));
        }
        let index = (slot % RING) as usize;
        self.ring[index].push((at, event));
        self.occupied[index / WORD_BITS] |= 1 << (index % WORD_BITS);
        self.in_ring += 1;
    }

    /// Puts the open slot back, because an earlier one is about to be opened.
    fn close(&mut self) {
        if self.open_slot >= self.base + RING {
            self.later.extend(self.open.drain(..).map(Reverse));
            return;
        }
        let index = (self.open_slot % RING) as usize;
        self.in_ring += self.open.len();
        self.ring[index].append(&mut self.open);
        self.occupied[index / WORD_BITS] |= 1 << (index % WORD_BITS);
    }

    /// Opens the next slot that has events; the open one has none left.
    fn turn(&mut self) {
        if self.in_ring == 0 {
            let Some(Reverse((first, _))) = self.later.peek() else { return };
            self.open_slot = slot_of(*first);
            while let Some(Reverse(next)) = self.later.peek().copied()
                && slot_of(next.0) == self.open_slot
            {
                self.later.pop();
                self.open.push(next);
            }
            self.open.reverse();
            return;
        }
        let from = (self.base + 1) % RING;
        self.open_slot = self.base + 1 + self.next_occupied(from as usize);
        let index = (self.open_slot % RING) as usize;
        std::mem::swap(&mut self.open, &mut self.ring[index]);
        self.occupied[index / WORD_BITS] &= !(1 << (index % WORD_BITS));
        self.in_ring -= self.open.len();
        self.open.sort_unstable_by(|one, other| other.cmp(one));
    }

    /// Brings what has come within the ring's reach into it.
    fn take_from_later(&mut self) {
        while let Some(Reverse((at, event))) = self.later.peek().copied()
            && slot_of(at) < self.base + RING
        {
            self.later.pop();
            let slot = slot_of(at);
            if slot == self.open_slot {
                let place = self.open.partition_point(|other| *other > (at, event));
                self.open.insert(place, (at, event));
            } else {
                self.put(slot, at, event);
            }
        }
    }

    /// Returns how many empty slots lie before the first one with events, going round from `from`.
    fn next_occupied(&self, from: usize) -> u64 {
        let words = self.occupied.len();
        let (word, bit) = (from / WORD_BITS, from % WORD_BITS);
        let first = self.occupied[word] >> bit;
        if first != 0 {
            return u64::from(first.trailing_zeros());
        }
        let mut ahead = WORD_BITS - bit;
        for step in 1..=words {
            let found = self.occupied[(word + step) % words];
            if found != 0 {
                return (ahead + found.trailing_zeros() as usize) as u64;
            }
            ahead += WORD_BITS;
        }
        unreachable!("the ring has events")
    }
}

fn slot_of(at: Moment) -> u64 {
    at.as_micros() >> SLOT_BITS
}

#[cfg(test)]
mod tests {
    use super::EventQueue;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use transfer_engine::Moment;

    proptest! {
        /// Events near and far, in the past and at once: the order is that of a heap.
        #[test]
        fn events_come_in_the_order_of_a_heap(
            steps in proptest::collection::vec(
                (0u64..4, prop_oneof![0u64..5_000, 0u64..20_000_000, 0u64..4_000_000_000], 0u32..8), 1..400),
        ) {
            let start = Moment::from_micros(1_601_856_000_000_000);
            let mut queue = EventQueue::new(start);
            let mut heap = BinaryHeap::new();
            let mut now = start;
            for (pops, ahead, event) in steps {
                let at = Moment::from_micros(now.as_micros() + ahead);
                queue.push(at, event);
                heap.push(Reverse((at, event)));
                for _ in 0..pops {
                    prop_assert_eq!(queue.len(), heap.len());
                    let expected = heap.pop().map(|Reverse(next)| next);
                    prop_assert_eq!(queue.peek(), expected);
                    prop_assert_eq!(queue.pop(), expected);
                    now = expected.map_or(now, |(at, _)| at);
                }
            }
            while let Some(Reverse(expected)) = heap.pop() {
                prop_assert_eq!(queue.pop(), Some(expected));
            }
            prop_assert!(queue.is_empty() && queue.pop().is_none());
        }
    }
}
