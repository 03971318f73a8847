//! What a session makes of the hub's answers.

use wire::{
    AccessResult, ActionResponse, Apdu, AssociationResponse, Data, GetResponse, HanDeviceStatus,
    ImageTransferStatus, SetResponse,
};

use super::errand::Errand;
use super::step::Step;
use super::survey::bitmap_of;
use super::transfer::{Transfer, VERIFY_REPAIRS};
use super::{Ending, RESTARTS, Session, Surroundings, Turn, first_step};
use crate::Moment;
use crate::task::{Answer, Fault};

/// Requests that get lost in a row by chance: at 10 % loss both ways, four do once in 770.
const LOST_BY_CHANCE: u8 = 3;

/// What an answer did.
pub(crate) enum Heard {
    /// It was none we wait for: a repeat, or a stranger's.
    Stale,
    /// It moved the task on.
    Moved,
    /// It ended the task.
    Ended(Ending),
}

impl Session {
    /// Takes one APDU from the hub.
    pub(crate) fn hear(&mut self, now: Moment, apdu: &Apdu<'_>, around: &mut Surroundings<'_>) -> Heard {
        let Some(active) = self.active.as_ref() else { return Heard::Stale };
        let (step, asked) = (active.step, active.turn.is_awaited());
        if let Some(fault) = self.overdue(now, around.patience) {
            return self.finish(now, Err(fault)).map_or(Heard::Stale, Heard::Ended);
        }
        let ending = match apdu {
            Apdu::AssociationResponse(answer) if step == Step::Associate && asked => {
                self.time_answer(now);
                self.on_association(now, answer)
            }
            Apdu::GetResponse(answer) if step == Step::SendBlocks => {
                return self.on_probe_answer(now, answer, around).unwrap_or(Heard::Stale);
            }
            Apdu::GetResponse(answer) if self.surveys(answer) => {
                self.time_answer(now);
                self.on_survey(now, answer, around)
            }
            Apdu::GetResponse(answer) if asked && answer.invoke.number == self.invoke => {
                self.time_answer(now);
                self.on_get(now, step, answer, around)
            }
            Apdu::SetResponse(answer)
                if asked && answer.invoke.number == self.invoke && step == Step::WriteOrder =>
            {
                self.on_order_written(now, answer)
            }
            Apdu::SetResponse(answer)
                if asked && answer.invoke.number == self.invoke && step == Step::WritePaper =>
            {
                self.on_paper_written(now, answer)
            }
            Apdu::ActionResponse(answer) if step == Step::SendBlocks => {
                return self.on_block_answer(now, answer, around);
            }
            Apdu::ActionResponse(answer) if asked && answer.invoke.number == self.invoke => {
                self.on_action(now, step, answer, around)
            }
            // The hub does not know us (any more): a reboot loses associations, not slots.
            Apdu::ExceptionResponse { .. } if step != Step::Associate => self.restart(now),
            _ => return Heard::Stale,
        };
        match ending {
            Some(ending) => Heard::Ended(ending),
            None => Heard::Moved,
        }
    }

    /// Learns about the line from an answer to a request that was sent once (RFC 6298, 3: Karn's algorithm).
    fn time_answer(&mut self, now: Moment) {
        let Some(active) = self.active.as_mut() else { return };
        let streamed =
            active.transfer.as_mut().is_some_and(|transfer| std::mem::take(&mut transfer.streamed));
        let patient = active.attempts > LOST_BY_CHANCE;
        let (asked, asked_first) = (active.asked.moment(now), active.asked_first.moment(now));
        match (streamed, active.attempts) {
            // Blocks may have been waiting in front of this request. After a long silence the line was slow rather
            // than the radio bad, and the answer is that to the first request: lines keep order.
            (true, 1) => self.line.probe_answered(now, asked, active.asked_sent),
            (true, _) if patient => self.line.probe_answered(now, asked_first, active.asked_sent),
            (false, 1) => self.line.round_trip(now.saturating_since(asked)),
            _ => self.line.doubtful_round_trip(now.saturating_since(asked)),
        }
    }

    fn on_association(&mut self, now: Moment, answer: &AssociationResponse) -> Option<Ending> {
        if !answer.accepted {
            return self.finish(now, Err(Fault::AssociationRefused { diagnostic: answer.diagnostic }));
        }
        self.associated = true;
        let step = first_step(&self.active.as_ref()?.task);
        self.go(now, step);
        None
    }

    fn on_get(
        &mut self,
        now: Moment,
        step: Step,
        answer: &GetResponse<'_>,
        around: &mut Surroundings<'_>,
    ) -> Option<Ending> {
        let data = match answer.result {
            Ok(data) => data,
            Err(result) => return self.finish(now, Err(Fault::Refused { request: step.name(), result })),
        };
        let done = match step {
            Step::ReadFirstMissing => self.on_first_missing(data),
            Step::ReadBitmap => self.on_bitmap(now, data, around),
            Step::AwaitVerify => return self.on_verification(now, data, around),
            Step::Confirm if self.is_ours(data, around) => return self.staged(now),
            Step::Confirm => Err(Fault::ForeignImage),
            Step::ReconcileActivation => return self.on_reconciled(now, data),
            Step::ReadHanStatus => match HanDeviceStatus::parse_list(data) {
                Ok(devices) => return self.finish(now, Ok(Answer::HanStatus(devices))),
                Err(_) => Err(Fault::Protocol { request: step.name() }),
            },
            Step::ReadVersion => match version(data) {
                Some(version) => return self.finish(now, Ok(Answer::Version(version))),
                None => Err(Fault::Protocol { request: step.name() }),
            },
            _ => return None,
        };
        match done {
            Ok(Some(next)) => self.go(now, next),
            Ok(None) => {}
            Err(fault) => return self.finish(now, Err(fault)),
        }
        None
    }

    fn on_first_missing(&mut self, data: &[u8]) -> Result<Option<Step>, Fault> {
        let first = unsigned(data).ok_or(Fault::Protocol { request: Step::ReadFirstMissing.name() })?;
        let active = self.active.as_mut().expect("an answer belongs to a task");
        let refused_before = std::mem::take(&mut active.refused_before);
        let transfer = self.transfer()?;
        if first >= transfer.encoded.count() {
            if refused_before {
                return Ok(Some(Step::Initiate));
            }
            return transfer.complete();
        }
        if first == 0 && transfer.initiated && transfer.account.blocks_sent == 0 {
            transfer.plan_all();
            return Ok(Some(Step::SendBlocks));
        }
        Ok(Some(Step::ReadBitmap))
    }

    fn on_bitmap(
        &mut self,
        now: Moment,
        data: &[u8],
        around: &Surroundings<'_>,
    ) -> Result<Option<Step>, Fault> {
        let transfer = self.active.as_ref().and_then(|active| active.transfer.as_ref());
        let on_the_way = transfer.map_or(0, |transfer| self.on_the_way(transfer));
        let active = self.active.as_mut().expect("an answer belongs to a task");
        let transfer = active.transfer.as_mut().ok_or(Fault::Protocol { request: active.step.name() })?;
        let Some(bitmap) = bitmap_of(data, transfer.encoded.count()) else {
            return Err(Fault::Protocol { request: Step::ReadBitmap.name() });
        };
        match transfer.plan_missing(&bitmap, on_the_way) {
            Ok(0) => transfer.complete(),
            Ok(_) => {
                transfer.check_floor(now, &self.line, around.patience)?;
                Ok(Some(Step::SendBlocks))
            }
            Err(rounds) => Err(Fault::Stalled { rounds, missing: transfer.missing() }),
        }
    }

    /// The hub could not verify the image. If it says which blocks it wants again, it gets them.
    fn on_verification_failed(&mut self, now: Moment) -> Option<Ending> {
        match self.transfer() {
            Ok(transfer) if transfer.verify_repairs < VERIFY_REPAIRS => {
                transfer.verify_repairs += 1;
                transfer.suspect = true;
                self.go(now, Step::ReadFirstMissing);
                None
            }
            _ => self.finish(now, Err(Fault::VerificationFailed)),
        }
    }

    pub(super) fn transfer(&mut self) -> Result<&mut Transfer, Fault> {
        let active = self.active.as_mut().expect("an answer belongs to a task");
        active.transfer.as_mut().ok_or(Fault::Protocol { request: active.step.name() })
    }

    fn on_action(
        &mut self,
        now: Moment,
        step: Step,
        answer: &ActionResponse<'_>,
        around: &mut Surroundings<'_>,
    ) -> Option<Ending> {
        match (step, answer.result) {
            (Step::Initiate, AccessResult::Success) => {
                self.on_initiated(now);
                None
            }
            (Step::Verify, AccessResult::Success) => {
                self.go(now, Step::Confirm);
                None
            }
            // 2 = busy: look at attribute 6 until it is done (Blue Book, image_verify).
            (Step::Verify, AccessResult::TemporaryFailure) => {
                self.go(now, Step::AwaitVerify);
                self.pause(now, around);
                None
            }
            (Step::Verify, AccessResult::OtherReason) => self.on_verification_failed(now),
            // Late is as good: it is under the invoke-id of the activation that we ask about meanwhile.
            (
                Step::Activate | Step::ReconcileActivation,
                AccessResult::Success | AccessResult::TemporaryFailure,
            ) => self.finish(now, Ok(Answer::ActivationAccepted)),
            (Step::Activate | Step::ReconcileActivation, result) => {
                self.finish(now, Err(Fault::Refused { request: Step::Activate.name(), result }))
            }
            (Step::Initiate | Step::Verify, result) => {
                self.finish(now, Err(Fault::Refused { request: step.name(), result }))
            }
            _ => None,
        }
    }

    fn on_order_written(&mut self, now: Moment, answer: &SetResponse) -> Option<Ending> {
        match answer.result {
            AccessResult::Success => {
                self.go(now, Step::Activate);
                None
            }
            // A device that knows only the standard has no such object and needs no order.
            AccessResult::ObjectUndefined | AccessResult::ObjectUnavailable => {
                self.go(now, Step::Activate);
                None
            }
            result => self.finish(now, Err(Fault::Refused { request: Step::WriteOrder.name(), result })),
        }
    }

    fn on_paper_written(&mut self, now: Moment, answer: &SetResponse) -> Option<Ending> {
        match answer.result {
            AccessResult::Success => {}
            // A device that knows only the standard, or keys given one by one, needs no papers.
            AccessResult::ObjectUndefined | AccessResult::ObjectUnavailable => {
                return self.finish(now, Ok(Answer::PapersWritten));
            }
            result => {
                return self.finish(now, Err(Fault::Refused { request: Step::WritePaper.name(), result }));
            }
        }
        if let Errand::WritePapers(papers) = &mut self.active.as_mut()?.task
            && papers.next_is_left()
        {
            self.go(now, Step::WritePaper);
            return None;
        }
        self.finish(now, Ok(Answer::PapersWritten))
    }

    fn on_verification(&mut self, now: Moment, data: &[u8], around: &Surroundings<'_>) -> Option<Ending> {
        match ImageTransferStatus::from_data(data) {
            Ok(ImageTransferStatus::VerificationSuccessful) => {
                self.go(now, Step::Confirm);
                None
            }
            Ok(ImageTransferStatus::VerificationInitiated | ImageTransferStatus::Initiated) => {
                let polls = match self.transfer() {
                    Ok(transfer) => {
                        transfer.verify_polls = transfer.verify_polls.saturating_add(1);
                        transfer.verify_polls
                    }
                    Err(fault) => return self.finish(now, Err(fault)),
                };
                if u32::from(polls) > around.patience.verify_polls {
                    return self.finish(now, Err(Fault::VerificationFailed));
                }
                self.go(now, Step::AwaitVerify);
                self.pause(now, around);
                None
            }
            // Already further on: another session activated it.
            Ok(ImageTransferStatus::ActivationInitiated | ImageTransferStatus::ActivationSuccessful) => {
                self.go(now, Step::Confirm);
                None
            }
            _ => self.on_verification_failed(now),
        }
    }

    fn on_reconciled(&mut self, now: Moment, data: &[u8]) -> Option<Ending> {
        match ImageTransferStatus::from_data(data) {
            Ok(ImageTransferStatus::ActivationInitiated | ImageTransferStatus::ActivationSuccessful) => {
                self.finish(now, Ok(Answer::ActivationAccepted))
            }
            // The request itself was lost, or the answer that refused it: the slot still holds a verified image. It is
            // sent again, but not for ever.
            Ok(ImageTransferStatus::VerificationSuccessful) => {
                let active = self.active.as_mut()?;
                active.restarts += 1;
                if active.restarts > RESTARTS {
                    let attempts = active.restarts;
                    return self.finish(now, Err(Fault::Unreachable { attempts }));
                }
                self.go(now, Step::Activate);
                None
            }
            _ => self.finish(now, Err(Fault::Protocol { request: Step::ReconcileActivation.name() })),
        }
    }

    fn pause(&mut self, now: Moment, around: &Surroundings<'_>) {
        if let Some(active) = self.active.as_mut() {
            active.turn = Turn::ours_after(now, around.patience.verify_poll);
        }
    }

    fn staged(&mut self, now: Moment) -> Option<Ending> {
        let active = self.active.as_ref()?;
        let mut report = active.transfer.as_ref().map(Transfer::final_report).unwrap_or_default();
        report.elapsed = now.saturating_since(active.started.moment(now));
        self.finish(now, Ok(Answer::Staged(report)))
    }
}

/// Reads an unsigned number of any width.
pub(super) fn unsigned(data: &[u8]) -> Option<u32> {
    match Data::parse(data).ok()? {
        Data::Unsigned32(value) => Some(value),
        Data::Unsigned16(value) => Some(u32::from(value)),
        Data::Unsigned8(value) => Some(u32::from(value)),
        _ => None,
    }
}

/// Reads an active firmware identifier of four octets, most significant first (the content is ours).
fn version(data: &[u8]) -> Option<u32> {
    match Data::parse(data).ok()? {
        Data::Octets(octets) => Some(u32::from_be_bytes(octets.try_into().ok()?)),
        _ => None,
    }
}
