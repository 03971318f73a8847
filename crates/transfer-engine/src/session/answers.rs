//! What a session makes of the hub's answers.

use wire::{
    AccessResult, ActionResponse, Apdu, AssociationResponse, BlockBitmap, Data, GetResponse, HanDeviceStatus,
    ImageToActivate, ImageTransferStatus, SetResponse,
};

use super::step::Step;
use super::transfer::Transfer;
use super::{Ending, Session, Surroundings, end_round, first_step};
use crate::Moment;
use crate::release::{BLOCK_SIZES, Release};
use crate::task::{Answer, Fault, Task};

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
        let (step, asked) = (active.step, active.deadline.is_some());
        let ending = match apdu {
            Apdu::AssociationResponse(answer) if step == Step::Associate && asked => {
                self.on_association(now, answer)
            }
            Apdu::GetResponse(answer) if asked && answer.invoke.number == self.invoke => {
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
            // Devices without a staged image may answer attribute 7 with an error; and attribute 5 is
            // not worth failing for, as initiate will say the same.
            Err(_) if step == Step::ReadStaged => {
                self.go(now, Step::Initiate);
                return None;
            }
            Err(_) if step == Step::ReadEnabled => {
                self.go(now, Step::ReadBlockSize);
                return None;
            }
            Err(result) => return self.finish(now, Err(Fault::Refused { request: step.name(), result })),
        };
        let done = match step {
            Step::ReadEnabled => match Data::parse(data) {
                Ok(Data::Boolean(false)) => Err(Fault::Disabled),
                _ => Ok(Some(Step::ReadBlockSize)),
            },
            Step::ReadBlockSize => self.on_block_size(data, around),
            Step::ReadStaged => {
                Ok(Some(if self.is_ours(data, around) { Step::ReadStatus } else { Step::Initiate }))
            }
            Step::ReadStatus => on_status(data),
            Step::ReadFirstMissing => self.on_first_missing(data),
            Step::ReadBitmap => self.on_bitmap(data),
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

    fn on_block_size(&mut self, data: &[u8], around: &mut Surroundings<'_>) -> Result<Option<Step>, Fault> {
        let size = unsigned(data).ok_or(Fault::Protocol { request: Step::ReadBlockSize.name() })?;
        if !BLOCK_SIZES.contains(&size) {
            return Err(Fault::BlockSize(size));
        }
        let service = self.service();
        let active = self.active.as_mut().expect("an answer belongs to a task");
        if let Task::Stage { release, channel } = active.task {
            active.transfer = Some(Transfer::new(around.releases.encoding(release, channel, size, service)));
        }
        Ok(Some(Step::ReadStaged))
    }

    /// Says whether attribute 7 names the image of this task.
    fn is_ours(&self, data: &[u8], around: &Surroundings<'_>) -> bool {
        let Some(release) = self.release(around) else { return false };
        let images = ImageToActivate::parse_list(data).unwrap_or_default();
        images.iter().any(|image| {
            image.size as usize == release.bytes.len()
                && image.identification[..] == release.identification[..]
        })
    }

    fn release<'a>(&self, around: &'a Surroundings<'_>) -> Option<&'a Release> {
        match self.active.as_ref()?.task {
            Task::Stage { release, .. } => Some(around.releases.release(release)),
            _ => None,
        }
    }

    fn on_first_missing(&mut self, data: &[u8]) -> Result<Option<Step>, Fault> {
        let first = unsigned(data).ok_or(Fault::Protocol { request: Step::ReadFirstMissing.name() })?;
        let transfer = self.transfer()?;
        let count = transfer.encoded.count();
        if first >= count {
            if transfer.report.blocks_sent == 0 {
                transfer.report.blocks_held = count;
            }
            return Ok(Some(Step::Verify));
        }
        if first == 0 && transfer.initiated && transfer.report.blocks_sent == 0 {
            transfer.plan_all();
            return Ok(Some(Step::SendBlocks));
        }
        Ok(Some(Step::ReadBitmap))
    }

    fn on_bitmap(&mut self, data: &[u8]) -> Result<Option<Step>, Fault> {
        let transfer = self.transfer()?;
        let bitmap = match BlockBitmap::from_data(data) {
            Ok(bitmap) if bitmap.len() == transfer.encoded.count() => bitmap,
            _ => return Err(Fault::Protocol { request: Step::ReadBitmap.name() }),
        };
        match transfer.plan_missing(&bitmap) {
            Ok(0) => Ok(Some(Step::Verify)),
            Ok(_) => Ok(Some(Step::SendBlocks)),
            Err(rounds) => Err(Fault::Stalled { rounds, missing: transfer.missing() }),
        }
    }

    fn transfer(&mut self) -> Result<&mut Transfer, Fault> {
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
                if let Ok(transfer) = self.transfer() {
                    transfer.initiated = true;
                }
                self.go(now, Step::ReadFirstMissing);
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
            (Step::Verify, AccessResult::OtherReason) => self.finish(now, Err(Fault::VerificationFailed)),
            (Step::Activate, AccessResult::Success | AccessResult::TemporaryFailure) => {
                self.finish(now, Ok(Answer::ActivationAccepted))
            }
            (Step::Initiate | Step::Verify | Step::Activate, result) => {
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
        let active = self.active.as_mut()?;
        active.papers_written += 1;
        let count = match &active.task {
            Task::WritePapers { documents, .. } => documents.len(),
            _ => 0,
        };
        if active.papers_written >= count {
            return self.finish(now, Ok(Answer::PapersWritten));
        }
        self.go(now, Step::WritePaper);
        None
    }

    fn on_block_answer(
        &mut self,
        now: Moment,
        answer: &ActionResponse<'_>,
        around: &Surroundings<'_>,
    ) -> Heard {
        let Some(active) = self.active.as_mut() else { return Heard::Stale };
        let Some(transfer) = active.transfer.as_mut() else { return Heard::Stale };
        match transfer.answered(answer.invoke.number, answer.result) {
            None => Heard::Stale,
            Some(Err(result)) => {
                let fault = Fault::Refused { request: Step::SendBlocks.name(), result };
                self.finish(now, Err(fault)).map_or(Heard::Moved, Heard::Ended)
            }
            Some(Ok(())) => {
                if transfer.round_is_over() {
                    end_round(active, now);
                } else {
                    let longest = around.patience.longest_timeout;
                    active.deadline = transfer.awaits_answers().then(|| now + longest);
                }
                Heard::Moved
            }
        }
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
                        transfer.verify_polls += 1;
                        transfer.verify_polls
                    }
                    Err(fault) => return self.finish(now, Err(fault)),
                };
                if polls > around.patience.verify_polls {
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
            _ => self.finish(now, Err(Fault::VerificationFailed)),
        }
    }

    fn on_reconciled(&mut self, now: Moment, data: &[u8]) -> Option<Ending> {
        match ImageTransferStatus::from_data(data) {
            Ok(ImageTransferStatus::ActivationInitiated | ImageTransferStatus::ActivationSuccessful) => {
                self.finish(now, Ok(Answer::ActivationAccepted))
            }
            // The request itself was lost: the slot still holds a verified image.
            Ok(ImageTransferStatus::VerificationSuccessful) => {
                self.go(now, Step::Activate);
                None
            }
            _ => self.finish(now, Err(Fault::Protocol { request: Step::ReconcileActivation.name() })),
        }
    }

    fn pause(&mut self, now: Moment, around: &Surroundings<'_>) {
        if let Some(active) = self.active.as_mut() {
            active.not_before = now + around.patience.verify_poll;
        }
    }

    fn staged(&mut self, now: Moment) -> Option<Ending> {
        let active = self.active.as_ref()?;
        let mut report = active.transfer.as_ref().map(|transfer| transfer.report).unwrap_or_default();
        report.elapsed = now.saturating_since(active.started);
        self.finish(now, Ok(Answer::Staged(report)))
    }
}

/// Decides by attribute 6 how to go on with a slot that holds our image.
fn on_status(data: &[u8]) -> Result<Option<Step>, Fault> {
    match ImageTransferStatus::from_data(data) {
        Ok(ImageTransferStatus::Initiated) => Ok(Some(Step::ReadFirstMissing)),
        Ok(ImageTransferStatus::NotInitiated | ImageTransferStatus::VerificationFailed) => {
            Ok(Some(Step::Initiate))
        }
        // Verified, being verified, or further on: the look at attribute 6 is made again there.
        Ok(_) => Ok(Some(Step::AwaitVerify)),
        Err(_) => Err(Fault::Protocol { request: Step::ReadStatus.name() }),
    }
}

fn unsigned(data: &[u8]) -> Option<u32> {
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
