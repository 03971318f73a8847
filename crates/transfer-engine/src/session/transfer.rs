//! The blocks of one staging: which are still to be sent, which are in the air.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use wire::{AccessResult, BlockBitmap};

use crate::release::{EncodedBlocks, invoke_number};
use crate::task::LegReport;

/// How many rounds in a row may bring nothing before the leg is called stalled.
pub(crate) const STALE_ROUNDS: u32 = 6;

/// A staging under way.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) encoded: Arc<EncodedBlocks>,
    /// Blocks to send in this round, in order. Bounded by the bitmap: at most every other block.
    pending: VecDeque<Range<u32>>,
    /// Confirmed blocks that were not answered yet, by invoke-id.
    in_flight: [Option<u32>; 16],
    /// True once this session has initiated the slot, so that nothing can be staged but by us.
    pub(crate) initiated: bool,
    first_pass_done: bool,
    missing_before: u32,
    stale_rounds: u32,
    pub(crate) verify_polls: u32,
    pub(crate) report: LegReport,
}

impl Transfer {
    pub(crate) fn new(encoded: Arc<EncodedBlocks>) -> Transfer {
        let report = LegReport { blocks: encoded.count(), ..LegReport::default() };
        Transfer {
            encoded,
            pending: VecDeque::new(),
            in_flight: [None; 16],
            initiated: false,
            first_pass_done: false,
            missing_before: u32::MAX,
            stale_rounds: 0,
            verify_polls: 0,
            report,
        }
    }

    /// Plans to send everything.
    pub(crate) fn plan_all(&mut self) {
        self.pending.clear();
        self.pending.push_back(0..self.encoded.count());
        self.missing_before = self.encoded.count();
    }

    /// Plans to send what the bitmap lacks; says how many rounds brought nothing if that is too many.
    pub(crate) fn plan_missing(&mut self, bitmap: &BlockBitmap) -> Result<u32, u32> {
        self.pending = bitmap.missing_runs().collect();
        let missing = self.pending.iter().map(|run| run.end - run.start).sum();
        if self.first_pass_done {
            self.report.rounds += 1;
        } else {
            self.report.blocks_held = self.encoded.count() - missing;
        }
        if missing < self.missing_before {
            self.stale_rounds = 0;
        } else {
            self.stale_rounds += 1;
            if self.stale_rounds >= STALE_ROUNDS {
                return Err(self.stale_rounds);
            }
        }
        self.missing_before = missing;
        Ok(missing)
    }

    /// Returns how many blocks were missing when last we knew.
    pub(crate) fn missing(&self) -> u32 {
        self.missing_before
    }

    /// Returns the next run of blocks that may be sent now, at most `limit` of them, or `None` when the
    /// window is full or nothing is left.
    pub(crate) fn next_train(&self, limit: u32, window: Option<u8>) -> Option<Range<u32>> {
        let run = self.pending.front()?;
        let mut room = limit.min(run.end - run.start);
        if let Some(window) = window {
            room = room.min(u32::from(window).saturating_sub(self.in_flight_count()));
            // An invoke-id must not be used twice at a time (IEC 62056-5-3, invoke-id-and-priority).
            let free = (0..room)
                .take_while(|offset| self.in_flight[usize::from(invoke_number(run.start + offset))].is_none())
                .count();
            room = free as u32;
        }
        (room > 0).then(|| run.start..run.start + room)
    }

    /// Takes a run that [`Transfer::next_train`] gave and accounts for it.
    pub(crate) fn sent(&mut self, train: &Range<u32>, bytes: usize, confirmed: bool) {
        let run = self.pending.front_mut().expect("the train came from the first run");
        run.start = train.end;
        if run.start >= run.end {
            self.pending.pop_front();
        }
        let blocks = train.end - train.start;
        self.report.blocks_sent += blocks;
        self.report.bytes_sent += bytes as u64;
        if self.first_pass_done {
            self.report.blocks_repaired += blocks;
        }
        if confirmed {
            for block in train.clone() {
                self.in_flight[usize::from(invoke_number(block))] = Some(block);
            }
        }
    }

    /// Notes the answer to a confirmed block; a stale answer gives `None`.
    pub(crate) fn answered(&mut self, invoke: u8, result: AccessResult) -> Option<Result<(), AccessResult>> {
        let block = self.in_flight[usize::from(invoke & 0x0F)].take()?;
        match result {
            AccessResult::Success => Some(Ok(())),
            // The hub is busy: send the block again behind the others.
            AccessResult::TemporaryFailure => {
                self.pending.push_back(block..block + 1);
                Some(Ok(()))
            }
            refused => Some(Err(refused)),
        }
    }

    /// Says whether the round is over: all sent, all confirmed ones answered.
    pub(crate) fn round_is_over(&self) -> bool {
        self.pending.is_empty() && self.in_flight_count() == 0
    }

    /// Marks the first pass as done: what is sent from now on is repair.
    pub(crate) fn end_round(&mut self) {
        self.first_pass_done = true;
    }

    /// Says whether confirmed blocks wait for their answers.
    pub(crate) fn awaits_answers(&self) -> bool {
        self.in_flight_count() > 0
    }

    fn in_flight_count(&self) -> u32 {
        self.in_flight.iter().filter(|block| block.is_some()).count() as u32
    }
}
