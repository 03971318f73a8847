//! The event queue: what happens next, in total order of moment and event.
//!
//! ```text
//!  push ─► open slot, sorted, the next event last      the millisecond that is being worked off
//!       ├► 32 fine slots of a millisecond, unsorted    the rest of the window that is being worked off
//!       ├► 512 windows of 33 ms, unsorted              the next 16.8 s
//!       └► heap                                        later; comes into a window when that is in reach
//! ```
//!
//! Sketch: an event is appended to its window, appended once more to its millisecond when the window is opened, and
//! sorted with the few that share it. The ends of all windows and slots together fit the first cache, and whole windows
//! are read in order: a heap of a million events takes twenty comparisons in as many distant lines instead. Buffers are
//! kept; nothing is allocated once all windows have been used.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use transfer_engine::Moment;

/// A slot is 2^10 µs long: few enough events share one to be sorted in no time.
const SLOT_BITS: u32 = 10;

/// Slots of a window: one bit each of a word says which have events.
const SLOTS: usize = 1 << SLOTS_BITS;
const SLOTS_BITS: u32 = 5;

/// Windows in reach, 16.8 s: longer than any datagram is on its way.
const WINDOWS: u64 = 1 << 9;

const WORD_BITS: usize = u64::BITS as usize;

/// Events in the order of their moments; of one moment, in their own order.
#[derive(Debug)]
pub struct EventQueue<E> {
    /// The events of the open slot, the next one last; empty only when nothing waits.
    open: Vec<(Moment, E)>,
    /// The number of the open slot, counted from the epoch: the first that has events.
    open_slot: u64,
    /// The slot of the event that was taken last: nothing comes before it.
    base: u64,
    /// The other slots of the open slot's window, and one bit for each that has events.
    fine: Box<[Vec<(Moment, E)>]>,
    fine_occupied: u32,
    /// The windows behind it, and one bit for each that has events.
    windows: Box<[Vec<(Moment, E)>]>,
    occupied: [u64; WINDOWS as usize / WORD_BITS],
    in_windows: usize,
    later: BinaryHeap<Reverse<(Moment, E)>>,
}

impl<E: Copy + Ord> EventQueue<E> {
    /// Makes an empty queue; it is fastest for events from `now` on.
    pub fn new(now: Moment) -> EventQueue<E> {
        EventQueue {
            open: Vec::new(),
            open_slot: slot_of(now),
            base: slot_of(now),
            fine: (0..SLOTS).map(|_| Vec::new()).collect(),
            fine_occupied: 0,
            windows: (0..WINDOWS).map(|_| Vec::new()).collect(),
            occupied: [0; WINDOWS as usize / WORD_BITS],
            in_windows: 0,
            later: BinaryHeap::new(),
        }
    }

    /// Returns how many events wait.
    pub fn len(&self) -> usize {
        let fine: usize = self.fine.iter().map(Vec::len).sum();
        self.open.len() + fine + self.in_windows + self.later.len()
    }

    /// Returns whether no event waits.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
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
            self.close(slot);
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
            let before = window_of(self.base);
            self.base = self.open_slot;
            if before < window_of(self.base) && !self.later.is_empty() {
                self.take_from_later();
            }
        }
        if self.open.is_empty() {
            self.turn();
        }
        Some(next)
    }

    /// Puts an event behind the open slot.
    fn put(&mut self, slot: u64, at: Moment, event: E) {
        let window = window_of(slot);
        if window == window_of(self.open_slot) {
            let index = slot as usize % SLOTS;
            self.fine[index].push((at, event));
            self.fine_occupied |= 1 << index;
        } else if window < window_of(self.base) + WINDOWS {
            let index = (window % WINDOWS) as usize;
            self.windows[index].push((at, event));
            self.occupied[index / WORD_BITS] |= 1 << (index % WORD_BITS);
            self.in_windows += 1;
        } else {
            self.later.push(Reverse((at, event)));
        }
    }

    /// Puts the open slot back, because an earlier one is about to be opened; the rest of its window, too, if that lies
    /// in another one.
    fn close(&mut self, earlier: u64) {
        let index = self.open_slot as usize % SLOTS;
        std::mem::swap(&mut self.open, &mut self.fine[index]);
        self.fine_occupied |= 1 << index;
        let window = window_of(self.open_slot);
        if window == window_of(earlier) {
            return;
        }
        // From here on, no slot of that window is the open one's neighbour.
        let (in_reach, index) = (window < window_of(self.base) + WINDOWS, (window % WINDOWS) as usize);
        for slot in &mut self.fine {
            if in_reach {
                self.in_windows += slot.len();
                self.windows[index].append(slot);
            } else {
                self.later.extend(slot.drain(..).map(Reverse));
            }
        }
        self.fine_occupied = 0;
        if in_reach {
            self.occupied[index / WORD_BITS] |= 1 << (index % WORD_BITS);
        }
    }

    /// Opens the next slot that has events; the open one has none left.
    fn turn(&mut self) {
        if self.fine_occupied == 0 && !self.spread() {
            return;
        }
        let index = self.fine_occupied.trailing_zeros() as usize;
        self.fine_occupied &= !(1 << index);
        self.open_slot = window_of(self.open_slot) * SLOTS as u64 + index as u64;
        std::mem::swap(&mut self.open, &mut self.fine[index]);
        self.open.sort_unstable_by(|one, other| other.cmp(one));
    }

    /// Spreads the next window that has events over its slots, and returns whether there is one.
    fn spread(&mut self) -> bool {
        if self.in_windows == 0 {
            let Some(Reverse((first, _))) = self.later.peek() else { return false };
            self.open_slot = slot_of(*first);
            let window = window_of(self.open_slot);
            while let Some(Reverse((at, event))) = self.later.peek().copied()
                && window_of(slot_of(at)) == window
            {
                self.later.pop();
                self.put(slot_of(at), at, event);
            }
            return true;
        }
        let next = window_of(self.base) + 1;
        let window = next + self.next_occupied((next % WINDOWS) as usize);
        let index = (window % WINDOWS) as usize;
        self.occupied[index / WORD_BITS] &= !(1 << (index % WORD_BITS));
        self.open_slot = window * SLOTS as u64;
        let mut events = std::mem::take(&mut self.windows[index]);
        self.in_windows -= events.len();
        for (at, event) in events.drain(..) {
            let slot = slot_of(at) as usize % SLOTS;
            self.fine[slot].push((at, event));
            self.fine_occupied |= 1 << slot;
        }
        self.windows[index] = events;
        true
    }

    /// Brings what has come within reach into its window.
    fn take_from_later(&mut self) {
        while let Some(Reverse((at, event))) = self.later.peek().copied()
            && window_of(slot_of(at)) < window_of(self.base) + WINDOWS
        {
            self.later.pop();
            self.push_ahead(at, event);
        }
    }

    /// Adds an event that lies at or behind the open slot, or in it.
    fn push_ahead(&mut self, at: Moment, event: E) {
        let slot = slot_of(at);
        if slot == self.open_slot {
            let place = self.open.partition_point(|other| *other > (at, event));
            self.open.insert(place, (at, event));
        } else {
            self.put(slot, at, event);
        }
    }

    /// Returns how many empty windows lie before the first one with events, going round from `from`.
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
        unreachable!("some window has events")
    }
}

fn slot_of(at: Moment) -> u64 {
    at.as_micros() >> SLOT_BITS
}

fn window_of(slot: u64) -> u64 {
    slot >> SLOTS_BITS
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
