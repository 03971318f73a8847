//! How blocks flow: trains at the line's pace, and probes among them.
//!
//! Unconfirmed blocks (UDP) flow until the round is over. On a line whose rate is found out, some of them are probes:
//! one block every few seconds is to be confirmed, which takes not a byte more. At the beginning and before the end the
//! hub is asked instead what it holds (GET of attribute 4, or of 3 where holes are known or the bitmap is small), and what that
//! shows to be lost is sent again behind what is new, so that the line never waits for a round to end. Confirmed blocks
//! on a stream (TCP) are bounded by a window, and TCP itself finds out what the line carries.

use std::time::Duration;

use wire::{AccessResult, ActionResponse, GetResponse};

use super::answers::unsigned;
use super::step::Step;
use super::survey::bitmap_of;
use super::transfer::{Probe, Question, SILENT_PROBES, Transfer};
use super::{
    Active, CONTROL_ALLOWANCE, Emission, Heard, Patience, Session, Surroundings, Turn, Want, bucket,
    emit_step, requests,
};
use crate::HubId;
use crate::budget::{AirTime, CellId, Pacer};
use crate::moment::{Moment, Stamp};
use crate::task::Fault;

impl Session {
    pub(super) fn want_blocks(
        &self,
        now: Moment,
        hub: HubId,
        pacer: &Pacer<CellId>,
        (limit, burst): (u32, AirTime),
        patience: &Patience,
    ) -> Want {
        let Some(active) = &self.active else { return Want::Nothing };
        let transfer = active.transfer.as_ref().expect("blocks are sent for a transfer");
        let (deaf, probe) = self.probing(now, transfer, patience);
        let is_due = probe.is_some_and(|(due, _)| due <= now);
        let asks_by_block = probe.is_some_and(|(_, question)| question == Question::Block);
        if is_due && !asks_by_block {
            let charge = AirTime::of(CONTROL_ALLOWANCE as u64, self.pace());
            return Want::Send { bytes: CONTROL_ALLOWANCE, charge, blocks: false, bucket: 0 };
        }
        // A block that is a probe goes alone, and when it is its turn.
        let limit = if is_due { 1 } else { limit };
        let probe_due = probe.map(|(due, _)| due).filter(|_| !asks_by_block);
        let held_back = deaf || (self.window().is_some() && self.makes_room(active));
        let Some(run) = transfer.next_train(limit, self.window()).filter(|_| !held_back) else {
            return Want::Wait(probe_due.or(active.turn.deadline(now)).unwrap_or(Moment::MAX));
        };
        let bytes = transfer.encoded.train_len(&run) + (run.end - run.start) as usize * self.block_overhead();
        let pace = self.pace();
        let charge = AirTime::of(bytes as u64, pace);
        let ready = active.turn.not_before(now).max(pacer.ready_at(hub.0, charge, burst));
        if ready > now {
            return Want::Wait(probe_due.map_or(ready, |due| due.min(ready)));
        }
        let left = transfer.left() as usize * (transfer.encoded.stride() + self.block_overhead());
        let path = pace.time_for(left) + Duration::from_secs(self.rest_s.into());
        Want::Send { bytes, charge, blocks: true, bucket: bucket(active.priority, path) }
    }

    /// Says whether blocks must wait until something is heard, and when the next probe is due, and which.
    fn probing(
        &self,
        now: Moment,
        transfer: &Transfer,
        patience: &Patience,
    ) -> (bool, Option<(Moment, Question)>) {
        if !self.probes() {
            return (false, None);
        }
        let deaf = self.line.is_deaf();
        if self.line.is_opening() {
            return (deaf, None);
        }
        (deaf, transfer.probe_due(now, deaf, self.on_the_way(transfer), patience))
    }

    /// Returns how many blocks fit between us and the hub's answer.
    pub(super) fn on_the_way(&self, transfer: &Transfer) -> u32 {
        let block = transfer.encoded.stride() + self.block_overhead();
        u32::try_from(self.line.bytes_on_the_way() / block as u64).unwrap_or(u32::MAX)
    }

    /// Says whether the line's rate is found out while blocks flow.
    pub(super) fn probes(&self) -> bool {
        self.line.is_probed() && self.window().is_none()
    }

    pub(super) fn emit_blocks(&mut self, now: Moment, limit: u32, around: &mut Surroundings<'_>) -> Emission {
        let window = self.window();
        let transfer = self.active.as_ref().and_then(|active| active.transfer.as_ref());
        let transfer = transfer.expect("blocks are sent for a transfer");
        match self.probing(now, transfer, around.patience).1 {
            Some((due, Question::Block)) if due <= now => return self.emit_probing_block(now, around),
            Some((due, question)) if due <= now => return self.emit_probe(now, question, around),
            _ => {}
        }
        let overhead = self.block_overhead();
        let active = self.active.as_mut().expect("blocks are sent for a task");
        let transfer = active.transfer.as_mut().expect("blocks are sent for a transfer");
        let run = transfer.next_train(limit, window).expect("want() saw a train");
        let contents = transfer.encoded.train(run.start, run.end - run.start);
        let bytes = contents.len() + (run.end - run.start) as usize * overhead;
        transfer.sent(&run, bytes, window.is_some());
        let segment = transfer.encoded.stride();
        if transfer.round_is_over() {
            end_round(active, now);
        } else if transfer.awaits_answers() {
            active.turn = Turn::theirs(now, around.patience.longest_timeout);
        }
        let blocks = run.end - run.start;
        Emission { contents, segment, bytes, blocks, answers: if window.is_some() { blocks } else { 0 } }
    }

    /// Emits the next block under an invoke-id of its own, to be confirmed.
    fn emit_probing_block(&mut self, now: Moment, around: &mut Surroundings<'_>) -> Emission {
        let overhead = self.block_overhead();
        let due = self.line.answer_due().unwrap_or(around.patience.first_timeout);
        let before = self.line.sent_so_far();
        let active = self.active.as_mut().expect("a probe belongs to a task");
        let transfer = active.transfer.as_mut().expect("a probe belongs to a transfer");
        self.invoke = (self.invoke + 1) % 16;
        let run = transfer.next_train(1, None).expect("want() saw a train");
        let frame = transfer.encoded.confirmed(run.start, self.invoke);
        let bytes = frame.len() + overhead;
        transfer.sent(&run, bytes, false);
        // Lines keep order: the answer comes when the block has been carried, too.
        transfer.probed(self.invoke, Question::Block, now, before.wrapping_add(bytes as u32));
        transfer.probe_after = Stamp::ahead(now, due);
        if transfer.round_is_over() {
            end_round(active, now);
        }
        Emission { segment: frame.len(), contents: frame, bytes, blocks: 1, answers: 1 }
    }

    fn emit_probe(&mut self, now: Moment, question: Question, around: &mut Surroundings<'_>) -> Emission {
        let due = self.line.answer_due().unwrap_or(around.patience.first_timeout);
        let sent = self.line.sent_so_far();
        let active = self.active.as_mut().expect("a probe belongs to a task");
        let transfer = active.transfer.as_mut().expect("a probe belongs to a transfer");
        if transfer.silent_probes >= SILENT_PROBES {
            end_round(active, now);
            return self.emit_request(now, around);
        }
        self.invoke = (self.invoke + 1) % 16;
        transfer.probed(self.invoke, question, now, sent);
        // Should this one get lost, the next follows as soon as that shows.
        transfer.probe_after = Stamp::ahead(now, due);
        let step = if question == Question::Bitmap { Step::ReadBitmap } else { Step::ReadFirstMissing };
        let mut frame = Vec::with_capacity(CONTROL_ALLOWANCE);
        emit_step(&active.task, step, self.invoke, around.releases, &mut frame);
        requests(frame, 1, self.protection.request_overhead(false))
    }

    /// Takes the answer to a probe; `None` if it is none.
    pub(super) fn on_probe_answer(
        &mut self,
        now: Moment,
        answer: &GetResponse<'_>,
        around: &Surroundings<'_>,
    ) -> Option<Heard> {
        let probe = self.take_probe(now, answer.invoke.number, |question| question != Question::Block)?;
        let on_the_way = self.on_the_way(self.active.as_ref()?.transfer.as_ref()?);
        let transfer = self.active.as_mut()?.transfer.as_mut()?;
        let Ok(data) = answer.result else { return Some(Heard::Moved) };
        let is_bitmap = probe.question == Question::Bitmap;
        if is_bitmap {
            let bitmap = bitmap_of(data, transfer.encoded.count());
            bitmap.map(|bitmap| transfer.learn_bitmap(&probe, &bitmap, on_the_way))
        } else {
            unsigned(data).map(|first| transfer.learn_first_missing(&probe, first))
        };
        // Attribute 4 says how much has arrived only as long as there is no hole.
        if (is_bitmap || !transfer.holes)
            && let Err(fault) = transfer.check_floor(now, &self.line, around.patience)
        {
            return Some(self.finish(now, Err(fault)).map_or(Heard::Moved, Heard::Ended));
        }
        let active = self.active.as_mut()?;
        if active.transfer.as_ref().is_some_and(Transfer::round_is_over) {
            end_round(active, now);
        }
        Some(Heard::Moved)
    }

    /// Takes the probe that is answered under an invoke-id, if it asked what is answered, and what it says of the line.
    fn take_probe(&mut self, now: Moment, invoke: u8, fits: impl Fn(Question) -> bool) -> Option<Probe> {
        let transfer = self.active.as_mut()?.transfer.as_mut()?;
        let probe = transfer.take_probe(invoke, fits)?;
        let asked = probe.asked.moment(now);
        self.line.probe_answered(now, asked, probe.sent);
        transfer.probe_after =
            self.line.probe_pause().map_or(Stamp::of(now), |pause| Stamp::ahead(asked, pause));
        Some(probe)
    }

    /// Takes the answer to a block that was a probe.
    fn on_probing_block(&mut self, now: Moment, answer: &ActionResponse<'_>) -> Option<Heard> {
        let probe = self.take_probe(now, answer.invoke.number, |question| question == Question::Block)?;
        let active = self.active.as_mut()?;
        let (transfer, block) = (active.transfer.as_mut()?, probe.block()?);
        match answer.result {
            AccessResult::Success => {}
            AccessResult::TemporaryFailure => transfer.put_back(block),
            // What has become of the slot, it says itself: nobody else is told of blocks that are not taken.
            _ => end_round(active, now),
        }
        Some(Heard::Moved)
    }

    /// Takes the answer to a confirmed block.
    pub(super) fn on_block_answer(
        &mut self,
        now: Moment,
        answer: &ActionResponse<'_>,
        around: &Surroundings<'_>,
    ) -> Heard {
        if self.probes() {
            return self.on_probing_block(now, answer).unwrap_or(Heard::Stale);
        }
        let Some(active) = self.active.as_mut() else { return Heard::Stale };
        let Some(transfer) = active.transfer.as_mut() else { return Heard::Stale };
        match transfer.answered(answer.invoke.number, answer.result) {
            None => Heard::Stale,
            Some(Err(result)) => self.refuse_block(now, result),
            Some(Ok(())) => {
                if let Err(fault) = transfer.check_floor(now, &self.line, around.patience) {
                    return self.finish(now, Err(fault)).map_or(Heard::Moved, Heard::Ended);
                }
                if transfer.round_is_over() {
                    end_round(active, now);
                } else {
                    active.turn = match transfer.awaits_answers() {
                        true => Turn::theirs(now, around.patience.longest_timeout),
                        false => Turn::ours(now),
                    };
                    self.let_words_in(now);
                }
                Heard::Moved
            }
        }
    }

    fn refuse_block(&mut self, now: Moment, result: AccessResult) -> Heard {
        let fault = Fault::Refused { request: Step::SendBlocks.name(), result };
        self.finish(now, Err(fault)).map_or(Heard::Moved, Heard::Ended)
    }
}

/// Ends a round: the hub is asked what it lacks. Whoever has seen holes asks for the bitmap at once.
fn end_round(active: &mut Active, now: Moment) {
    let holes = active.transfer.as_mut().is_some_and(|transfer| {
        transfer.forget_probes();
        transfer.holes
    });
    let next = if holes { Step::ReadBitmap } else { Step::ReadFirstMissing };
    debug_assert!(active.step.may_become(next), "{:?} must not become {next:?}", active.step);
    active.step = next;
    active.attempts = 0;
    active.turn = Turn::ours(now);
}
