//! The blocks of one staging: which are still to be sent, which are in the air, and how it is getting on.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use wire::{AccessResult, BlockBitmap};

use super::Patience;
use super::agenda::Agenda;
use super::step::Step;
use crate::budget::ByteRate;
use crate::line::Line;
use crate::moment::{Moment, Stamp};
use crate::release::{EncodedBlocks, invoke_number};
use crate::task::{Fault, LegReport};

/// How many rounds in a row may bring nothing before the leg is called stalled.
pub(crate) const STALE_ROUNDS: u8 = 6;

/// How often the hub may find holes by verifying. The hub knows bad blocks by the image's signed list of block
/// digests; if three repairs do not help, the list or the hub is wrong.
pub(crate) const VERIFY_REPAIRS: u8 = 3;

/// Probes that may stay unanswered in a row before the round ends early and its request is repeated with the full
/// patience. At 10 % loss both ways, six in a row happen once in 20,000.
pub(crate) const SILENT_PROBES: u8 = 6;

/// No confirmed block is in the air under this invoke-id.
const NONE: u32 = u32::MAX;

/// Images of so many blocks have a bitmap that costs hardly more than the number of the first missing block: 128 B.
const SMALL_BITMAP: u32 = 1_024;

/// How many times the blocks on the way to the hub are left when it is asked what repairs are to follow: a look that is lost
/// can be repeated before they are sent.
const LOOKS_AHEAD: u32 = 2;

/// What is sent among blocks to hear how long the line takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// A block that the hub has to confirm. It says nothing of the others, and costs nothing.
    Block,
    /// Attribute 4: has everything arrived so far?
    FirstMissing,
    /// Attribute 3: what is missing?
    Bitmap,
}

/// What was sent among blocks, or as one of them: how long does it take the hub to answer, and what does it hold?
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) invoke: u8,
    pub(crate) question: Question,
    pub(crate) asked: Stamp,
    /// Bytes sent on the line by then.
    pub(crate) sent: u32,
    /// Where the agenda stood; behind the block, if it is one.
    cursor: u32,
}

impl Probe {
    /// Returns the block that it is.
    pub(crate) fn block(&self) -> Option<u32> {
        (self.question == Question::Block).then(|| self.cursor.saturating_sub(1))
    }
}

/// What has been done for a staging so far; survives a lost association.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    pub(crate) blocks_held: u32,
    pub(crate) blocks_sent: u32,
    pub(crate) rounds: u32,
    /// A staging that has sent 4 GB has sent the largest of images five thousand times: it counts no further.
    pub(crate) bytes_sent: u32,
}

/// What some sessions still hope to hear.
#[derive(Debug)]
enum Unheard {
    /// The probe before the last, which has been waited for.
    Probe(Probe),
    /// Confirmed blocks that were not answered yet, by invoke-id; streams only, which have no probes.
    Blocks([u32; 16]),
}

/// A staging under way.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) encoded: Arc<EncodedBlocks>,
    agenda: Agenda,
    /// The last probe, as long as its answer may still come.
    probe: Option<Probe>,
    unheard: Option<Box<Unheard>>,
    /// When the next probe is due.
    pub(crate) probe_after: Stamp,
    /// Blocks were sent since the last probe.
    probe_owed: bool,
    /// Probes sent since something was heard.
    pub(crate) silent_probes: u8,
    /// True once this session has initiated the slot, so that nothing can be staged but by us.
    pub(crate) initiated: bool,
    /// Blocks were sent and nothing was heard since: the next answer also measures the line.
    pub(crate) streamed: bool,
    /// Holes were seen in this leg: the bitmap is worth asking for at once.
    pub(crate) holes: bool,
    /// The hub has said what it holds since blocks began to flow.
    looked: bool,
    /// What is left was more than fits on the way to the hub when last we knew: worth another look before it is all
    /// sent, so that repairs follow without a pause.
    look_ahead: bool,
    /// The hub's verification failed with every block in place, as far as we know.
    pub(crate) suspect: bool,
    stale_rounds: u8,
    pub(crate) verify_repairs: u8,
    pub(crate) verify_polls: u16,
    missing: u32,
    floor: FloorWatch,
    pub(crate) account: Account,
}

/// Since when, and from where, the rate of arrival is watched.
#[derive(Debug)]
struct FloorWatch {
    since: Stamp,
    missing: u32,
    bytes_sent: u32,
}

impl Transfer {
    /// Begins a staging; `before` is what an earlier association already did for it.
    pub(crate) fn new(encoded: Arc<EncodedBlocks>, before: Option<Account>, started: Stamp) -> Transfer {
        let count = encoded.count();
        let account = before.unwrap_or_default();
        Transfer {
            agenda: Agenda::empty(count),
            encoded,
            probe: None,
            unheard: None,
            probe_after: started,
            probe_owed: false,
            silent_probes: 0,
            initiated: false,
            streamed: false,
            holes: false,
            looked: false,
            look_ahead: true,
            suspect: false,
            stale_rounds: 0,
            verify_repairs: 0,
            verify_polls: 0,
            missing: count,
            floor: FloorWatch { since: started, missing: count, bytes_sent: account.bytes_sent },
            account,
        }
    }

    /// Plans to send everything.
    pub(crate) fn plan_all(&mut self) {
        self.agenda.plan_all();
    }

    /// Plans to send what the bitmap lacks, at the end of a round; says how many rounds brought nothing if that
    /// is too many.
    pub(crate) fn plan_missing(&mut self, bitmap: &BlockBitmap, on_the_way: u32) -> Result<u32, u32> {
        self.agenda.plan_missing(bitmap);
        let missing = self.agenda.left();
        (self.looked, self.look_ahead) = (true, missing > LOOKS_AHEAD * on_the_way);
        if self.account.blocks_sent == 0 {
            self.account.blocks_held = self.encoded.count() - missing;
        } else {
            self.account.rounds += 1;
            if missing < self.missing {
                self.stale_rounds = 0;
            } else {
                self.stale_rounds += 1;
            }
        }
        if self.stale_rounds >= STALE_ROUNDS {
            return Err(u32::from(self.stale_rounds));
        }
        self.missing = missing;
        self.suspect &= missing == 0;
        self.holes |= missing > 0 && self.account.blocks_sent > 0;
        Ok(missing)
    }

    /// The hub holds every block: on to its verification, unless that has just failed.
    pub(crate) fn complete(&mut self) -> Result<Option<Step>, Fault> {
        if self.account.blocks_sent == 0 {
            self.account.blocks_held = self.encoded.count();
        }
        self.missing = 0;
        if std::mem::take(&mut self.suspect) {
            Err(Fault::VerificationFailed)
        } else {
            Ok(Some(Step::Verify))
        }
    }

    /// Returns how many blocks were missing when last we knew.
    pub(crate) fn missing(&self) -> u32 {
        self.missing
    }

    /// Returns how many blocks are still to be sent as far as we know.
    pub(crate) fn left(&self) -> u32 {
        self.agenda.left()
    }

    /// Returns the next run of blocks that may be sent now, at most `limit` of them, or `None` when the
    /// window is full or nothing is left.
    pub(crate) fn next_train(&self, limit: u32, window: Option<u8>) -> Option<Range<u32>> {
        let mut run = self.agenda.next_run(limit)?;
        if let Some(window) = window {
            let room = u32::from(window).saturating_sub(self.in_flight_count());
            // An invoke-id must not be used twice at a time (IEC 62056-5-3, invoke-id-and-priority).
            let free = run.clone().take(room as usize).take_while(|block| self.is_free(*block)).count();
            run.end = run.start + free as u32;
        }
        (!run.is_empty()).then_some(run)
    }

    /// Takes a run that [`Transfer::next_train`] gave and accounts for it.
    pub(crate) fn sent(&mut self, train: &Range<u32>, bytes: usize, confirmed: bool) {
        self.agenda.take(train);
        let blocks = train.end - train.start;
        self.account.blocks_sent += blocks;
        self.account.bytes_sent = self.account.bytes_sent.saturating_add(bytes as u32);
        self.probe_owed = true;
        self.streamed = true;
        if confirmed {
            let unheard = self.unheard.get_or_insert_with(|| Box::new(Unheard::Blocks([NONE; 16])));
            if let Unheard::Blocks(in_flight) = unheard.as_mut() {
                for block in train.clone() {
                    in_flight[usize::from(invoke_number(block))] = block;
                }
            }
        }
    }

    /// Says when a probe should follow the blocks sent so far, and which. `deaf`: blocks wait until something is heard;
    /// `on_the_way`: so many blocks fit between us and the hub.
    ///
    /// Mostly a block is the probe. The hub is asked what it holds at the beginning, as it may have found the whole image
    /// elsewhere; before the end, for the sake of repairs; and when its rate is to be held against the floor.
    pub(crate) fn probe_due(
        &self,
        now: Moment,
        deaf: bool,
        on_the_way: u32,
        patience: &Patience,
    ) -> Option<(Moment, Question)> {
        let left = self.agenda.left();
        if left == 0 || !(self.probe_owed || deaf) {
            return None;
        }
        let due = self.probe_after.moment(now);
        if self.looked && self.look_ahead && left <= LOOKS_AHEAD * on_the_way {
            // At once, but for one that repeats what was lost.
            let is_repeat = self.probe.is_some_and(|probe| probe.question != Question::Block);
            return Some((if is_repeat { due } else { now }, self.look()));
        }
        let watched = now.saturating_since(self.floor.since.moment(now));
        let is_silent = self.silent_probes >= SILENT_PROBES;
        let may_be_a_block = self.looked && !deaf && !is_silent && !self.encoded.is_sealed();
        let question =
            if may_be_a_block && watched < patience.floor_window { Question::Block } else { self.look() };
        Some((due, question))
    }

    fn look(&self) -> Question {
        match self.holes || (self.looked && self.encoded.count() <= SMALL_BITMAP) {
            true => Question::Bitmap,
            false => Question::FirstMissing,
        }
    }

    /// Notes that a probe was sent; `sent`: how much the line has carried before its answer.
    pub(crate) fn probed(&mut self, invoke: u8, question: Question, now: Moment, sent: u32) {
        let cursor = self.agenda.cursor();
        self.unheard = self.probe.take().map(|probe| Box::new(Unheard::Probe(probe)));
        self.probe = Some(Probe { invoke, question, asked: Stamp::of(now), sent, cursor });
        self.probe_owed = false;
        self.silent_probes += 1;
    }

    /// Takes the probe that was sent under an invoke-id, and with it those before it.
    pub(crate) fn take_probe(&mut self, invoke: u8, fits: impl Fn(Question) -> bool) -> Option<Probe> {
        let fits = |probe: &Probe| probe.invoke == invoke && fits(probe.question);
        let last = self.probe.take_if(|probe| fits(probe));
        let probe = match (last, self.unheard.as_deref()) {
            (Some(probe), _) => probe,
            (None, Some(Unheard::Probe(probe))) if fits(probe) => *probe,
            _ => return None,
        };
        self.unheard = None;
        self.silent_probes = 0;
        Some(probe)
    }

    /// The association was lost: nothing that is on its way will be heard. What was done for the staging remains.
    pub(crate) fn lapse(&mut self) {
        self.forget_probes();
        self.streamed = false;
    }

    /// Forgets what is on its way: probes, as a round ends only when all confirmed blocks are answered.
    pub(crate) fn forget_probes(&mut self) {
        (self.probe, self.unheard) = (None, None);
        self.silent_probes = 0;
    }

    /// Takes attribute 4 from the answer to a probe.
    pub(crate) fn learn_first_missing(&mut self, probe: &Probe, first: u32) {
        if first >= self.encoded.count() {
            // The hub has found the image elsewhere: nothing is left to send.
            self.agenda = Agenda::empty(self.encoded.count());
        }
        // Everything before the cursor was sent before the probe, and lines keep order.
        self.looked = true;
        self.holes |= first < probe.cursor;
        self.missing = self.missing.min(self.encoded.count().saturating_sub(first));
    }

    /// Takes attribute 3 from the answer to a probe: what was lost is sent again behind what is new.
    pub(crate) fn learn_bitmap(&mut self, probe: &Probe, bitmap: &BlockBitmap, on_the_way: u32) {
        if self.agenda.repair(bitmap, probe.cursor) > 0 {
            self.account.rounds += 1;
            self.holes = true;
        }
        self.looked = true;
        self.look_ahead = self.agenda.left() > LOOKS_AHEAD * on_the_way;
        self.missing = self.encoded.count() - bitmap.count_set();
    }

    /// The hub is busy: the block is sent again behind the others.
    pub(crate) fn put_back(&mut self, block: u32) {
        self.agenda.put_back(block);
    }

    /// Notes the answer to a confirmed block; a stale answer gives `None`.
    pub(crate) fn answered(&mut self, invoke: u8, result: AccessResult) -> Option<Result<(), AccessResult>> {
        let Some(Unheard::Blocks(in_flight)) = self.unheard.as_deref_mut() else { return None };
        let place = &mut in_flight[usize::from(invoke & 0x0F)];
        let block = std::mem::replace(place, NONE);
        match result {
            _ if block == NONE => None,
            AccessResult::Success => {
                self.missing = self.missing.saturating_sub(1);
                Some(Ok(()))
            }
            // The hub is busy: send the block again behind the others.
            AccessResult::TemporaryFailure => {
                self.agenda.put_back(block);
                Some(Ok(()))
            }
            refused => Some(Err(refused)),
        }
    }

    /// Returns the account of a leg that has come to its end: every block is held, so whatever was sent beyond
    /// what was lacking was a repair.
    pub(crate) fn final_report(&self) -> LegReport {
        let (blocks, account) = (self.encoded.count(), &self.account);
        LegReport {
            blocks,
            blocks_held: account.blocks_held,
            blocks_sent: account.blocks_sent,
            blocks_repaired: account.blocks_sent.saturating_sub(blocks - account.blocks_held),
            rounds: account.rounds,
            bytes_sent: account.bytes_sent.into(),
            elapsed: Duration::ZERO,
        }
    }

    /// Says whether the round is over: all sent, all confirmed ones answered.
    pub(crate) fn round_is_over(&self) -> bool {
        self.agenda.left() == 0 && !self.awaits_answers()
    }

    /// Says whether confirmed blocks wait for their answers.
    pub(crate) fn awaits_answers(&self) -> bool {
        self.in_flight_count() > 0
    }

    /// Says whether the image arrives too slowly, now that we have heard what is missing. Only what the line or
    /// the hub did counts: while we ourselves offered less than the floor, nothing is blamed on them.
    pub(crate) fn check_floor(&mut self, now: Moment, line: &Line, patience: &Patience) -> Result<(), Fault> {
        let elapsed = now.saturating_since(self.floor.since.moment(now));
        if elapsed < patience.floor_window {
            return Ok(());
        }
        let rate = |bytes: u64| ByteRate((u128::from(bytes) * 1_000 / elapsed.as_millis().max(1)) as u64);
        let arrived =
            u64::from(self.floor.missing.saturating_sub(self.missing)) * self.encoded.stride() as u64;
        let (seen, offered) =
            (rate(arrived), rate(u64::from(self.account.bytes_sent - self.floor.bytes_sent)));
        let since = Stamp::of(now);
        self.floor = FloorWatch { since, missing: self.missing, bytes_sent: self.account.bytes_sent };
        let floor = patience.floor_rate;
        // Confirmed blocks that still wait for their answers wait for the line, not for us.
        let to_blame =
            offered >= floor || line.estimate().is_some_and(|rate| rate < floor) || self.awaits_answers();
        if seen < floor && to_blame { Err(Fault::SlowRetrieval { seen, floor }) } else { Ok(()) }
    }

    fn is_free(&self, block: u32) -> bool {
        self.in_flight().is_none_or(|in_flight| in_flight[usize::from(invoke_number(block))] == NONE)
    }

    fn in_flight(&self) -> Option<&[u32; 16]> {
        match self.unheard.as_deref() {
            Some(Unheard::Blocks(in_flight)) => Some(in_flight),
            _ => None,
        }
    }

    fn in_flight_count(&self) -> u32 {
        let in_flight = self.in_flight().into_iter().flatten();
        in_flight.filter(|block| **block != NONE).count() as u32
    }
}
