//! The look at a slot before anything is sent: four attributes, asked for together.
//!
//! On a line with a round trip of most of a second, four questions one after the other cost more than all the
//! headers of an image. They are independent, so they travel side by side, each under its own invoke-id, and their
//! answers may come in any order. A repetition asks only for what is still unknown.

use wire::{
    Apdu, AttributeRef, BlockBitmap, ClassId, Data, GetRequest, GetResponse, ImageToActivate,
    ImageTransferStatus, InvokeId, MAX_BLOCKS, Obis, WPort, emit_wan,
};

use super::answers::unsigned;
use super::errand::Errand;
use super::step::Step;
use super::transfer::Transfer;
use super::{Ending, Session, Surroundings};
use crate::Moment;
use crate::release::{BLOCK_SIZES, Release};
use crate::task::Fault;

/// What is asked: is the transfer enabled, how large are blocks, whose image is in the slot, how far is it?
const ATTRIBUTES: [u8; 4] = [5, 2, 7, 6];

/// What the answers have said so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Survey {
    /// The invoke-id of the first question; the others follow.
    base: u8,
    enabled: Option<bool>,
    /// 0 is unknown, and no size that is allowed.
    block_size: u16,
    ours: Option<bool>,
    /// `Some(None)`: the hub would not say.
    status: Option<Option<ImageTransferStatus>>,
}

impl Survey {
    fn knows(&self, attribute: u8) -> bool {
        match attribute {
            5 => self.enabled.is_some(),
            2 => self.block_size != 0,
            7 => self.ours.is_some(),
            _ => self.status.is_some(),
        }
    }

    /// Emits the questions that are still open, frames of equal length; returns the last invoke-id used. The first
    /// time it takes the ids after `invoke`.
    pub(crate) fn emit(&mut self, first_time: bool, invoke: u8, channel: u8, out: &mut Vec<u8>) -> u8 {
        if first_time {
            *self = Survey { base: (invoke + 1) % 16, ..Survey::default() };
        }
        for (offset, attribute) in ATTRIBUTES.into_iter().enumerate() {
            if self.knows(attribute) {
                continue;
            }
            let invoke =
                InvokeId { number: (self.base + offset as u8) % 16, confirmed: true, high_priority: true };
            let instance = Obis::image_transfer(channel);
            let attribute = AttributeRef { class: ClassId::IMAGE_TRANSFER, instance, index: attribute };
            let apdu = Apdu::GetRequest(GetRequest { invoke, attribute });
            emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, &apdu, out);
        }
        (self.base + ATTRIBUTES.len() as u8 - 1) % 16
    }

    /// Says how many questions are still open.
    pub(crate) fn open_questions(&self) -> usize {
        ATTRIBUTES.into_iter().filter(|attribute| !self.knows(*attribute)).count()
    }

    fn asked_under(&self, invoke: u8) -> Option<u8> {
        let offset = usize::from((invoke + 16 - self.base) % 16);
        ATTRIBUTES.get(offset).copied().filter(|attribute| !self.knows(*attribute))
    }
}

impl Session {
    /// Says whether an answer belongs to the survey under way.
    pub(super) fn surveys(&self, answer: &GetResponse<'_>) -> bool {
        self.active.as_ref().is_some_and(|active| {
            active.step == Step::Survey
                && active.turn.is_awaited()
                && active.survey.asked_under(answer.invoke.number).is_some()
        })
    }

    /// Takes one answer of the survey; after the last one the way is clear.
    pub(super) fn on_survey(
        &mut self,
        now: Moment,
        answer: &GetResponse<'_>,
        around: &mut Surroundings<'_>,
    ) -> Option<Ending> {
        let active = self.active.as_mut()?;
        let attribute = active.survey.asked_under(answer.invoke.number)?;
        let release = match active.task {
            Errand::Stage { release, .. } => around.releases.release(release),
            _ => return None,
        };
        let survey = &mut active.survey;
        let misfit = Err(Fault::Protocol { request: Step::Survey.name() });
        match (attribute, answer.result) {
            // Attribute 5 is not worth failing for, as initiate will say the same.
            (5, Err(_)) => survey.enabled = Some(true),
            (5, Ok(data)) => match Data::parse(data) {
                Ok(Data::Boolean(enabled)) => survey.enabled = Some(enabled),
                _ => return self.finish(now, misfit),
            },
            (2, Ok(data)) => match unsigned(data) {
                Some(size) if BLOCK_SIZES.contains(&size) => survey.block_size = size as u16,
                Some(size) => return self.finish(now, Err(Fault::BlockSize(size))),
                None => return self.finish(now, misfit),
            },
            (2, Err(result)) => {
                let fault = Fault::Refused { request: "GET image_block_size", result };
                return self.finish(now, Err(fault));
            }
            // Devices without a staged image may answer attribute 7 with an error.
            (7, Err(_)) => survey.ours = Some(false),
            (7, Ok(data)) => match ImageToActivate::parse_list(data) {
                Ok(images) => survey.ours = Some(names(&images, release)),
                Err(_) => return self.finish(now, misfit),
            },
            (_, Err(_)) => survey.status = Some(None),
            (_, Ok(data)) => match ImageTransferStatus::from_data(data) {
                Ok(status) => survey.status = Some(Some(status)),
                Err(_) => return self.finish(now, misfit),
            },
        }
        if survey.open_questions() > 0 {
            return None;
        }
        match self.surveyed(around) {
            Ok(next) => {
                self.go(now, next);
                None
            }
            Err(fault) => self.finish(now, Err(fault)),
        }
    }

    /// Decides by the whole survey how to go on.
    fn surveyed(&mut self, around: &mut Surroundings<'_>) -> Result<Step, Fault> {
        let service = self.service();
        let active = self.active.as_mut().expect("an answer belongs to a task");
        let survey = active.survey;
        if survey.enabled == Some(false) {
            return Err(Fault::Disabled);
        }
        let size = u32::from(survey.block_size);
        if let Errand::Stage { release, channel, .. } = active.task {
            let encoded = around.releases.encoding(release, channel, size, service);
            let encoded = encoded.ok_or(Fault::NoRoom(size))?;
            if encoded.count() > MAX_BLOCKS {
                return Err(Fault::BlockSize(size));
            }
            let before = active.transfer.take().map(|lapsed| lapsed.account);
            active.transfer = Some(Transfer::new(encoded, before, active.started));
        }
        if survey.ours != Some(true) {
            return Ok(Step::Initiate);
        }
        match survey.status.flatten() {
            Some(ImageTransferStatus::Initiated) => Ok(Step::ReadFirstMissing),
            // Perhaps it knows by now which blocks were bad: look for holes before everything is sent again.
            Some(ImageTransferStatus::VerificationFailed) => {
                active.refused_before = true;
                Ok(Step::ReadFirstMissing)
            }
            Some(ImageTransferStatus::NotInitiated) => Ok(Step::Initiate),
            // Verified, being verified, or further on: the look at attribute 6 is made again there.
            Some(_) => Ok(Step::AwaitVerify),
            None => {
                // The question is open again: an answer that makes no sense is put down to chance a few times.
                active.survey.status = None;
                Err(Fault::Protocol { request: "GET image_transfer_status" })
            }
        }
    }

    /// Says whether attribute 7 names the image of this task.
    pub(super) fn is_ours(&self, data: &[u8], around: &Surroundings<'_>) -> bool {
        let release = self.active.as_ref().and_then(|active| match active.task {
            Errand::Stage { release, .. } => Some(around.releases.release(release)),
            _ => None,
        });
        let images = ImageToActivate::parse_list(data).unwrap_or_default();
        release.is_some_and(|release| names(&images, release))
    }

    /// Takes the success of initiate. On a line that is probed, blocks flow at once: should the hub have found the
    /// whole image elsewhere, the first probe says so.
    pub(super) fn on_initiated(&mut self, now: Moment) {
        let probes = self.probes();
        let Ok(transfer) = self.transfer() else { return };
        transfer.initiated = true;
        if probes {
            transfer.plan_all();
        }
        self.go(now, if probes { Step::SendBlocks } else { Step::ReadFirstMissing });
    }
}

fn names(images: &[ImageToActivate], release: &Release) -> bool {
    images.iter().any(|image| {
        image.size as usize == release.bytes.len() && image.identification[..] == release.identification[..]
    })
}

/// Parses attribute 3 of an image of so many blocks.
pub(super) fn bitmap_of(data: &[u8], count: u32) -> Option<BlockBitmap> {
    BlockBitmap::from_data(data).ok().filter(|bitmap| bitmap.len() == count)
}
