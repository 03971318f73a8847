//! The order of sending: requests first, then by class, then whoever has the longest path ahead of it.
//!
//! A path is what remains to be sent at the line's pace plus the tail behind the hub, or the images that wait for the
//! same line with theirs. Serving the longest first comes within a few percent of the best possible end of a campaign
//! (performance page, section 6), where equal shares lose up to 92 %. Paths are sorted into buckets 3 to 6 % of their
//! length apart, a bucket serves in turn, and so every act here takes the same time, whatever the number of hubs. The
//! members of a bucket finish together, so that its width is what the order may lose: buckets four times as wide lost
//! 10 % where every hub of a cell is critical.
//!
//! Nobody starves: every [`SWEEP`]-th turn goes round all buckets, so that each of them moves on.

use std::time::Duration;

use super::{Links, List};
use crate::task::Priority;

/// A place in the order; lower goes first. 0 holds requests.
pub(crate) type Bucket = u16;

/// How many there are. Their lists would take 8 KiB in each cell; those of 64 are made when one of them is needed, four
/// doublings of the path at a time, and most cells need two of these.
const BUCKETS: usize = 1_024;

/// Classes of blocks that are told apart: Dormant Meters, what is associated with them, the rest.
const CLASSES: u8 = 3;

/// Buckets to a doubling of the path, as a power of two.
const STEP_BITS: u32 = 4;

/// Buckets of one class, 16 to a doubling: from a quarter of a second to seven days.
const PER_CLASS: u16 = 340;

const _: () = assert!((CLASSES as usize * PER_CLASS as usize) < BUCKETS);

const WORD_BITS: u16 = u64::BITS as u16;

const WORDS: usize = BUCKETS / WORD_BITS as usize;

/// Every so many turns, whoever has waited behind longer paths gets one. 6 % of a full budget goes out of order.
const SWEEP: u8 = 16;

/// Returns the bucket of a path.
pub(crate) fn bucket(priority: Priority, path: Duration) -> Bucket {
    let quarters = u64::try_from(path.as_millis() / 256).unwrap_or(u64::MAX).clamp(1, u64::MAX >> STEP_BITS);
    let octave = quarters.ilog2();
    // The bits that follow the first.
    let fraction = ((quarters << STEP_BITS) >> octave) & ((1 << STEP_BITS) - 1);
    let length = (octave << STEP_BITS | fraction as u32).min(u32::from(PER_CLASS) - 1) as u16;
    1 + u16::from(priority.0.min(CLASSES - 1)) * PER_CLASS + (PER_CLASS - 1 - length)
}

/// Members that are ready, by bucket.
#[derive(Debug)]
pub(crate) struct ReadyQueue {
    lists: [Option<Box<[List; WORD_BITS as usize]>>; WORDS],
    /// One bit per bucket that has members, and one per word of these that is not zero.
    occupied: [u64; WORDS],
    words: u16,
    turns: u8,
    swept: Bucket,
}

impl ReadyQueue {
    pub(crate) fn new() -> ReadyQueue {
        ReadyQueue { lists: [const { None }; WORDS], occupied: [0; WORDS], words: 0, turns: 0, swept: 0 }
    }

    pub(crate) fn push(&mut self, links: &mut Links, member: u32, bucket: Bucket) {
        let (word, bit) = (usize::from(bucket / WORD_BITS), usize::from(bucket % WORD_BITS));
        let lists = self.lists[word].get_or_insert_with(|| Box::new([List::EMPTY; WORD_BITS as usize]));
        links.push_back(&mut lists[bit], member);
        self.occupied[word] |= 1 << bit;
        self.words |= 1 << word;
    }

    pub(crate) fn remove(&mut self, links: &mut Links, member: u32, bucket: Bucket) {
        let (word, bit) = (usize::from(bucket / WORD_BITS), usize::from(bucket % WORD_BITS));
        let lists = self.lists[word].as_mut().expect("a bucket with members has its list");
        links.remove(&mut lists[bit], member);
        if lists[bit].first().is_none() {
            self.occupied[word] &= !(1 << bit);
            self.words &= !(u16::from(self.occupied[word] == 0) << word);
        }
    }

    /// Returns the best bucket that has members, at or after `from`.
    pub(crate) fn best(&self, from: Bucket) -> Option<Bucket> {
        debug_assert!(usize::from(from) < BUCKETS);
        let word = from / WORD_BITS;
        let rest = self.occupied[usize::from(word)] & (u64::MAX << (from % WORD_BITS));
        if rest != 0 {
            return Some(word * WORD_BITS + rest.trailing_zeros() as Bucket);
        }
        // Twice, as a shift by all sixteen bits is none.
        let later = self.words & (u16::MAX << word << 1);
        let word = later.trailing_zeros() as Bucket;
        (later != 0).then(|| word * WORD_BITS + self.occupied[usize::from(word)].trailing_zeros() as Bucket)
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
            // The best bucket has all the other turns.
            let behind = bucket + 1;
            let next = self.best(behind.max(self.swept + 1)).or_else(|| self.best(behind));
            bucket = next.unwrap_or(bucket);
        }
        let lists = self.lists[usize::from(bucket / WORD_BITS)].as_ref()?;
        lists[usize::from(bucket % WORD_BITS)].first().map(|member| (member, bucket))
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
        assert!(bucket(Priority(0), path(300)) < bucket(Priority(0), path(280)), "a sixteenth is told apart");
        assert!(bucket(Priority(0), path(0)) < bucket(Priority(1), path(400_000)));
        assert_eq!(bucket(Priority(2), path(1)), bucket(Priority(200), path(1)));
        assert!(bucket(Priority(0), Duration::MAX) > 0, "0 is for requests");
        assert_eq!(usize::from(bucket(Priority(9), Duration::ZERO)), 3 * usize::from(PER_CLASS));
    }

    #[test]
    fn the_best_bucket_is_found_from_anywhere() {
        let mut links = Links::default();
        let mut queue = ReadyQueue::new();
        assert_eq!(queue.best(0), None);
        let buckets = [0, 63, 64, 500, 1_019, 1_020];
        for (member, bucket) in (0..).zip(buckets) {
            links.add();
            queue.push(&mut links, member, bucket);
        }
        for from in 0..BUCKETS as Bucket {
            assert_eq!(queue.best(from), buckets.into_iter().find(|bucket| *bucket >= from), "from {from}");
        }
        for (member, bucket) in (0..).zip(buckets) {
            assert_eq!(queue.best(0), Some(bucket));
            queue.remove(&mut links, member, bucket);
        }
        assert_eq!(queue.best(0), None);
    }

    #[test]
    fn every_member_gets_its_turns_however_long_the_others_paths_are() {
        let mut links = Links::default();
        let mut queue = ReadyQueue::new();
        for member in 0..30 {
            links.add();
            queue.push(&mut links, member, 10 + member as Bucket * 3);
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
