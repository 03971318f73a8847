//! Which blocks of an image are still to be sent, and in which order.
//!
//! The first pass needs no memory: everything from the cursor to the end. A bitmap from the hub turns the
//! agenda into one bit per block (30 B for the median image of 241 kB in 1 KiB blocks), through which the cursor
//! goes round, so that repairs follow what is new.

use std::ops::Range;

use wire::BlockBitmap;

const WORD_BITS: u32 = u64::BITS;

/// The blocks to send. Block k is bit k % 64 of word k / 64.
#[derive(Debug)]
pub(crate) struct Agenda {
    count: u32,
    cursor: u32,
    /// `None`: everything from the cursor on.
    marked: Option<Box<Marked>>,
}

/// Blocks that were picked out, and how many they are.
#[derive(Debug)]
struct Marked {
    words: Box<[u64]>,
    left: u32,
}

impl Agenda {
    /// Makes an agenda on which nothing stands, for an image of so many blocks.
    pub(crate) fn empty(count: u32) -> Agenda {
        Agenda { count, cursor: count, marked: None }
    }

    /// Puts everything on it.
    pub(crate) fn plan_all(&mut self) {
        *self = Agenda { count: self.count, cursor: 0, marked: None };
    }

    /// Returns how many blocks are still to be sent.
    pub(crate) fn left(&self) -> u32 {
        self.marked.as_ref().map_or(self.count - self.cursor, |marked| marked.left)
    }

    /// Returns where the next block is looked for.
    pub(crate) fn cursor(&self) -> u32 {
        self.cursor
    }

    /// Returns the next run of blocks that lie side by side, at most `limit` of them.
    pub(crate) fn next_run(&self, limit: u32) -> Option<Range<u32>> {
        if self.left() == 0 || limit == 0 {
            return None;
        }
        let start = self.find(self.cursor).or_else(|| self.find(0))?;
        let most = self.count.min(start.saturating_add(limit));
        let end = (start + 1..most).find(|block| !self.holds(*block)).unwrap_or(most);
        Some(start..end)
    }

    /// Strikes out a run that [`Agenda::next_run`] gave.
    pub(crate) fn take(&mut self, run: &Range<u32>) {
        if let Some(marked) = &mut self.marked {
            for block in run.clone() {
                marked.words[(block / WORD_BITS) as usize] &= !(1 << (block % WORD_BITS));
            }
            marked.left -= run.end - run.start;
        }
        self.cursor = run.end;
    }

    /// Puts one block back on.
    pub(crate) fn put_back(&mut self, block: u32) {
        if !self.holds(block) {
            let marked = self.marked_mut();
            marked.words[(block / WORD_BITS) as usize] |= 1 << (block % WORD_BITS);
            marked.left += 1;
        }
    }

    /// Plans exactly what a bitmap lacks.
    pub(crate) fn plan_missing(&mut self, bitmap: &BlockBitmap) {
        let mut words = blank(self.count);
        let mut left = 0;
        for run in bitmap.missing_runs() {
            left += run.end - run.start;
            for block in run {
                words[(block / WORD_BITS) as usize] |= 1 << (block % WORD_BITS);
            }
        }
        *self = Agenda { count: self.count, cursor: 0, marked: Some(Box::new(Marked { words, left })) };
    }

    /// Puts back what a bitmap lacks although it was sent before the question; `asked_at` is where the cursor
    /// stood then. What was sent since may still be on its way and is left as it is. Returns how many blocks
    /// were put back.
    pub(crate) fn repair(&mut self, bitmap: &BlockBitmap, asked_at: u32) -> u32 {
        let before = self.left();
        let mut words = blank(self.count);
        for block in bitmap.missing_runs().flatten().filter(|block| *block < self.count) {
            words[(block / WORD_BITS) as usize] |= 1 << (block % WORD_BITS);
        }
        let wrapped = self.cursor < asked_at;
        let ranges =
            if wrapped { [asked_at..self.count, 0..self.cursor] } else { [asked_at..self.cursor, 0..0] };
        for block in ranges.into_iter().flatten() {
            let (word, bit) = ((block / WORD_BITS) as usize, 1 << (block % WORD_BITS));
            words[word] = if self.holds(block) { words[word] | bit } else { words[word] & !bit };
        }
        let left: u32 = words.iter().map(|word| word.count_ones()).sum();
        self.marked = Some(Box::new(Marked { words, left }));
        left.saturating_sub(before)
    }

    fn holds(&self, block: u32) -> bool {
        match &self.marked {
            None => block >= self.cursor && block < self.count,
            Some(marked) => marked.words[(block / WORD_BITS) as usize] & (1 << (block % WORD_BITS)) != 0,
        }
    }

    fn find(&self, from: u32) -> Option<u32> {
        let Some(marked) = &self.marked else {
            return (self.cursor < self.count).then_some(self.cursor.max(from));
        };
        let mut mask = u64::MAX << (from % WORD_BITS);
        for (index, word) in marked.words.iter().enumerate().skip((from / WORD_BITS) as usize) {
            if word & mask != 0 {
                return Some(index as u32 * WORD_BITS + (word & mask).trailing_zeros());
            }
            mask = u64::MAX;
        }
        None
    }

    fn marked_mut(&mut self) -> &mut Marked {
        let (count, cursor) = (self.count, self.cursor);
        self.marked.get_or_insert_with(|| {
            let mut words = blank(count);
            for block in cursor..count {
                words[(block / WORD_BITS) as usize] |= 1 << (block % WORD_BITS);
            }
            Box::new(Marked { words, left: count - cursor })
        })
    }
}

fn blank(count: u32) -> Box<[u64]> {
    vec![0; count.div_ceil(WORD_BITS) as usize].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn blocks(agenda: &Agenda) -> BTreeSet<u32> {
        (0..agenda.count).filter(|block| agenda.holds(*block)).collect()
    }

    #[test]
    fn the_first_pass_goes_from_the_first_block_to_the_last() {
        let mut agenda = Agenda::empty(10);
        assert_eq!(agenda.next_run(4), None);
        agenda.plan_all();
        let mut seen = Vec::new();
        while let Some(run) = agenda.next_run(4) {
            agenda.take(&run);
            seen.push(run);
        }
        assert_eq!(seen, [0..4, 4..8, 8..10]);
        assert_eq!(agenda.left(), 0);
    }

    #[test]
    fn repairs_follow_what_is_new() {
        let mut agenda = Agenda::empty(8);
        agenda.plan_all();
        agenda.take(&(0..4));
        let asked_at = agenda.cursor();
        agenda.take(&(4..6));
        let mut held = BlockBitmap::new(8);
        [0, 2, 3].into_iter().for_each(|block| {
            held.set(block);
        });
        assert_eq!(agenda.repair(&held, asked_at), 1, "block 1 was lost; 4 and 5 may be on their way");
        let mut order = Vec::new();
        while let Some(run) = agenda.next_run(1) {
            agenda.take(&run);
            order.push(run.start);
        }
        assert_eq!(order, [6, 7, 1]);
    }

    proptest! {
        /// Whatever was struck out, put back and repaired, `left` counts the bits and runs hold only them.
        #[test]
        fn the_count_is_that_of_the_bits(
            count in 1u32..200,
            acts in proptest::collection::vec((0u8..3, 0u32..200, 1u32..20), 0..60),
            lost in proptest::collection::vec(0u32..200, 0..40),
        ) {
            let mut agenda = Agenda::empty(count);
            agenda.plan_all();
            let mut asked_at = 0;
            for (act, block, limit) in acts {
                match act {
                    0 => if let Some(run) = agenda.next_run(limit) {
                        prop_assert!(run.end - run.start <= limit);
                        prop_assert!(run.clone().all(|block| agenda.holds(block)));
                        agenda.take(&run);
                    },
                    1 => agenda.put_back(block % count),
                    _ => {
                        let mut held = BlockBitmap::new(count);
                        for block in (0..count).filter(|block| !lost.contains(block)) {
                            held.set(block);
                        }
                        agenda.repair(&held, asked_at);
                        asked_at = agenda.cursor();
                    }
                }
                prop_assert_eq!(blocks(&agenda).len() as u32, agenda.left());
            }
        }
    }
}
