//! The order of sending: requests first, then by class, then whoever has the longest path ahead of it.
//!
//! A path is what remains to be sent at the line's pace plus the tail behind the hub. Serving the longest first
//! comes within a few percent of the best possible end of a campaign (performance page, section 6), where equal
//! shares lose up to 92 %. Paths are sorted into buckets a fifth of their length apart, a bucket serves in turn, and
//! so every act here takes the same time, whatever the number of hubs.
//!
//! Nobody starves: every [`SWEEP`]-th turn goes round all buckets, so that each of them moves on.

use std::time::Duration;

use super::{Links, List};
use crate::task::Priority;

/// A place in the order; lower goes first. 0 holds requests.
pub(crate) type Bucket = u8;

/// How many there are.
const BUCKETS: usize = 256;

/// Classes of blocks that are told apart: Dormant Meters, what is associated with them, the rest.
const CLASSES: u8 = 3;

/// Buckets of one class. Four to a doubling: from a quarter of a second to five days.
const PER_CLASS: u8 = 85;

/// Every so many turns, whoever has waited behind longer paths gets one. 6 % of a full budget goes out of order.
const SWEEP: u8 = 16;

/// Returns the bucket of a path.
pub(crate) fn bucket(priority: Priority, path: Duration) -> Bucket {
    let quarters = u64::try_from(path.as_millis() / 256).unwrap_or(u64::MAX).max(1);
    let octave = quarters.ilog2();
    let fraction = if octave >= 2 { (quarters >> (octave - 2)) & 3 } else { (quarters << (2 - octave)) & 3 };
    let length = (octave * 4 + fraction as u32).min(u32::from(PER_CLASS) - 1) as u8;
    1 + priority.0.min(CLASSES - 1) * PER_CLASS + (PER_CLASS - 1 - length)
}

/// Members that are ready, by bucket.
#[derive(Debug)]
pub(crate) struct ReadyQueue {
    lists: Box<[List; BUCKETS]>,
    occupied: [u64; BUCKETS / 64],
    turns: u8,
    swept: Bucket,
}

impl ReadyQueue {
    pub(crate) fn new() -> ReadyQueue {
        let lists = Box::new([List::EMPTY; BUCKETS]);
        ReadyQueue { lists, occupied: [0; BUCKETS / 64], turns: 0, swept: 0 }
    }

    pub(crate) fn push(&mut self, links: &mut Links, member: u32, bucket: Bucket) {
        links.push_back(&mut self.lists[usize::from(bucket)], member);
        self.occupied[usize::from(bucket / 64)] |= 1 << (bucket % 64);
    }

    pub(crate) fn remove(&mut self, links: &mut Links, member: u32, bucket: Bucket) {
        let list = &mut self.lists[usize::from(bucket)];
        links.remove(list, member);
        if list.first().is_none() {
            self.occupied[usize::from(bucket / 64)] &= !(1 << (bucket % 64));
        }
    }

    /// Returns the best bucket that has members, at or after `from`.
    pub(crate) fn best(&self, from: Bucket) -> Option<Bucket> {
        let mut mask = u64::MAX << (from % 64);
        for word in usize::from(from / 64)..self.occupied.len() {
            let found = self.occupied[word] & mask;
            if found != 0 {
                return Some(word as u8 * 64 + found.trailing_zeros() as u8);
            }
            mask = u64::MAX;
        }
        None
    }

    /// Reads a little of what a push needs, so that it is at hand soon after.
    #[inline]
    pub(crate) fn touch(&self) -> u32 {
        self.occupied[0] as u32
    }

    /// Returns whose turn it is, and the bucket; `only_requests`: nobody else may send now.
    pub(crate) fn pick(&self, only_requests: bool) -> Option<(u32, Bucket)> {
        let mut bucket = self.best(0)?;
        if bucket > 0 && only_requests {
            return None;
        }
        if bucket > 0 && self.turns == SWEEP - 1 {
            bucket = self.swept.checked_add(1).and_then(|from| self.best(from)).unwrap_or(bucket);
        }
        self.lists[usize::from(bucket)].first().map(|member| (member, bucket))
    }

    /// Notes that whoever was picked has sent blocks.
    pub(crate) fn took_turn(&mut self, bucket: Bucket) {
        if self.turns == SWEEP - 1 {
            self.swept = bucket;
        }
        self.turns = (self.turns + 1) % SWEEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_paths_go_first_within_a_class_and_dormant_before_active() {
        let path = |seconds| Duration::from_secs(seconds);
        assert!(bucket(Priority(0), path(100)) < bucket(Priority(0), path(80)));
        assert!(bucket(Priority(0), path(0)) < bucket(Priority(1), path(400_000)));
        assert_eq!(bucket(Priority(2), path(1)), bucket(Priority(200), path(1)));
        assert!(bucket(Priority(0), Duration::MAX) > 0, "0 is for requests");
        assert_eq!(bucket(Priority(9), Duration::ZERO), u8::MAX);
    }

    #[test]
    fn every_member_gets_its_turns_however_long_the_others_paths_are() {
        let mut links = Links::default();
        let mut queue = ReadyQueue::new();
        for member in 0..30 {
            links.add();
            queue.push(&mut links, member, 10 + member as u8 * 3);
        }
        let mut turns = [0; 30];
        for _ in 0..30 * usize::from(SWEEP) * 4 {
            let (member, bucket) = queue.pick(false).expect("they are ready");
            queue.remove(&mut links, member, bucket);
            queue.push(&mut links, member, bucket);
            queue.took_turn(bucket);
            turns[member as usize] += 1;
        }
        assert!(turns.iter().all(|turns| *turns >= 3), "{turns:?}");
        assert!(turns[0] > 1_500, "the longest path has nearly all of them: {turns:?}");
    }
}
