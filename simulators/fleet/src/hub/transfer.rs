//! The methods of an ImageTransfer instance: initiate, block, verify, activate (IEC 62056-6-2, class 18).

use std::collections::BTreeSet;

use transfer_engine::Moment;
use wire::{
    AccessResult, ActionRequest, BlockBitmap, HanState, ImageBlock, ImageInitiate, ImageTransferStatus,
    InvokeId,
};

use super::Hub;
use super::slot::{MAX_IDENTIFICATION_LEN, Offer, Repair, SlotImage};
use crate::bank::BankId;
use crate::board::{ArmError, UNKNOWN_VERSION, utc_seconds, verify_time};
use crate::boot::ActivationOutcome;
use crate::device_trust::{AcceptedImage, RefusedImage};
use crate::flash::FlashError;
use crate::sector_pool::{SectorPool, offered_name};
use firmware_image::MAX_FILE_LEN;

impl Hub {
    pub(super) fn initiate(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        request: &ActionRequest<'_>,
    ) -> Result<AccessResult, FlashError> {
        let parameter = request.parameter.map(ImageInitiate::parse_parameter);
        let Some(Ok(ImageInitiate { identification, size })) = parameter else {
            return Ok(AccessResult::TypeUnmatched);
        };
        if self.repeats(slot, request.invoke, identification, size) {
            // What it began may be forbidden by now; then it is not answered as if it were not.
            let let_in = self.is_let_in(now, identification);
            return Ok(if let_in { AccessResult::Success } else { AccessResult::ReadWriteDenied });
        }
        if self.slots[slot].record.status == ImageTransferStatus::ActivationInitiated {
            return Ok(AccessResult::TemporaryFailure);
        }
        let result = self.begin_image(now, pool, slot, identification, size)?;
        self.slots[slot].begun_by = (result == AccessResult::Success).then_some(request.invoke.number);
        Ok(result)
    }

    /// Returns whether an initiate is the one that began this slot's image, heard again: the network doubled it, or its
    /// answer was lost. It would wipe what has come since. Another invoke-id resets the slot, as the standard has it.
    fn repeats(&self, slot: usize, invoke: InvokeId, identification: &[u8], size: u32) -> bool {
        let state = &self.slots[slot];
        let same = |image: &SlotImage| image.size == size && image.identification == identification;
        let failed = matches!(
            state.record.status,
            ImageTransferStatus::NotInitiated | ImageTransferStatus::VerificationFailed
        );
        state.begun_by == Some(invoke.number) && state.record.image.as_ref().is_some_and(same) && !failed
    }

    /// Makes room for an image that may come in, or finds that another slot already holds it.
    pub(super) fn begin_image(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        identification: &[u8],
        size: u32,
    ) -> Result<AccessResult, FlashError> {
        let sizes = 1..=MAX_FILE_LEN as u32;
        if !sizes.contains(&size) || identification.len() > MAX_IDENTIFICATION_LEN {
            return Ok(AccessResult::OtherReason);
        }
        if !self.is_let_in(now, identification) {
            return Ok(AccessResult::ReadWriteDenied);
        }
        let donor = self.donor(pool, slot, identification, size);
        self.clear_slot(pool, slot)?;
        let (bank, mut bitmap) = match donor {
            Some(bank) => (bank, BlockBitmap::new(self.board.bank(bank).unit_count(size))),
            None => {
                let Some(bank) = self.free_bank() else {
                    return Ok(AccessResult::OtherReason);
                };
                self.board.empty_bank(pool, bank, size)?;
                (bank, BlockBitmap::new(self.board.bank(bank).unit_count(size)))
            }
        };
        if donor.is_some() {
            (0..bitmap.len()).for_each(|block| {
                bitmap.set(block);
            });
        }
        let record = &mut self.slots[slot].record;
        record.image = Some(SlotImage { bank, size, identification: identification.to_vec() });
        self.slots[slot].bitmap = Some(bitmap);
        self.slots[slot].become_status(&mut self.counters.edges, ImageTransferStatus::Initiated);
        self.store_slot(pool, slot)?;
        Ok(AccessResult::Success)
    }

    /// Forgets the slot's image before anything is erased, so that no record ever names erased sectors.
    pub(super) fn clear_slot(&mut self, pool: &mut SectorPool, slot: usize) -> Result<(), FlashError> {
        let slot_state = &mut self.slots[slot];
        slot_state.become_status(&mut self.counters.edges, ImageTransferStatus::NotInitiated);
        slot_state.bitmap = None;
        slot_state.verified_at = None;
        slot_state.begun_by = None;
        slot_state.peer.page = None;
        slot_state.peer.activation = None;
        slot_state.peer.notice = None;
        slot_state.record.image = None;
        slot_state.record.offer = None;
        slot_state.record.order.clear();
        slot_state.record.repair = Repair::None;
        if let Some(device) = &mut slot_state.record.device {
            device.released = false;
            if device.state != HanState::Verified {
                device.state = HanState::Idle;
            }
        }
        self.store_slot(pool, slot)
    }

    /// Finds a bank that already holds this very file. Only a digest that the bytes in flash really have counts:
    /// other vendors' clients choose names such as "ID", which prove nothing.
    fn donor(&self, pool: &mut SectorPool, slot: usize, identification: &[u8], size: u32) -> Option<BankId> {
        let others = self.slots.iter().enumerate().filter(|(index, _)| *index != slot);
        for (_, other) in others.filter(|(_, other)| other.is_complete()) {
            let Some(image) = &other.record.image else { continue };
            if image.size != size || image.identification != identification {
                continue;
            }
            let examined = self.board.examine(pool, image.bank, size);
            if examined.is_ok_and(|accepted| accepted.file_digest().as_bytes() == identification) {
                return Some(image.bank);
            }
        }
        None
    }

    /// Finds a bank that no slot refers to. There is one bank more than slots, the running image takes one at the
    /// most, and the slot that asks has just let go of its own; so there is one, unless banks are worn out.
    fn free_bank(&self) -> Option<BankId> {
        self.board.spare_bank(|bank| {
            self.slots.iter().any(|slot| slot.record.image.as_ref().is_some_and(|image| image.bank == bank))
        })
    }

    pub(super) fn take_block(
        &mut self,
        pool: &mut SectorPool,
        slot: usize,
        parameter: Option<&[u8]>,
    ) -> Result<AccessResult, FlashError> {
        let Some(Ok(block)) = parameter.map(ImageBlock::parse_parameter) else {
            self.counters.refused_blocks += 1;
            return Ok(AccessResult::TypeUnmatched);
        };
        let result = self.store_block(pool, slot, &block)?;
        if result != AccessResult::Success {
            self.counters.refused_blocks += 1;
        }
        Ok(result)
    }

    pub(super) fn store_block(
        &mut self,
        pool: &mut SectorPool,
        slot: usize,
        block: &ImageBlock<'_>,
    ) -> Result<AccessResult, FlashError> {
        let state = &self.slots[slot];
        let (Some(image), Some(bitmap)) = (&state.record.image, &state.bitmap) else {
            return Ok(AccessResult::OtherReason);
        };
        let bank = self.board.bank(image.bank);
        let range = bank.unit_range(block.number, image.size);
        if block.number >= bitmap.len() || range.len() != block.bytes.len() {
            return Ok(AccessResult::OtherReason);
        }
        if bitmap.is_set(block.number) {
            self.counters.duplicate_blocks += 1;
            return Ok(AccessResult::Success);
        }
        let known = pool.named(&image.identification);
        if state.record.status == ImageTransferStatus::VerificationFailed {
            // What was wrong arrives again: the transfer goes on where it was. The status goes first, or a cut behind
            // the last block would leave an image that is complete and can never be verified.
            self.slots[slot].become_status(&mut self.counters.edges, ImageTransferStatus::Initiated);
            self.store_slot(pool, slot)?;
        }
        match bank.write_as(
            &mut self.board.flash,
            pool,
            range.start,
            block.bytes,
            known.as_deref().unwrap_or(&[]),
        ) {
            Err(FlashError::NotErased) => {
                // Something else lies there: a block torn by a power cut, or a wrong one whose repair was cut.
                let Some(image) = self.slots[slot].record.image.clone() else {
                    return Ok(AccessResult::OtherReason);
                };
                let wrong = BTreeSet::from([block.number]);
                self.clear_blocks(pool, slot, &image, &wrong)?;
                bank.write(&mut self.board.flash, pool, range.start, block.bytes)?;
            }
            written => written?,
        }
        bank.mark(&mut self.board.flash, pool, block.number)?;
        self.counters.blocks_received += 1;
        if let Some(bitmap) = &mut self.slots[slot].bitmap {
            bitmap.set(block.number);
        }
        Ok(AccessResult::Success)
    }

    pub(super) fn verify(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
    ) -> Result<AccessResult, FlashError> {
        Ok(match self.slots[slot].record.status {
            ImageTransferStatus::Initiated if self.slots[slot].is_complete() => {
                self.start_verifying(now, pool, slot)?;
                AccessResult::TemporaryFailure
            }
            ImageTransferStatus::VerificationInitiated => AccessResult::TemporaryFailure,
            ImageTransferStatus::VerificationSuccessful
            | ImageTransferStatus::ActivationInitiated
            | ImageTransferStatus::ActivationSuccessful => AccessResult::Success,
            ImageTransferStatus::NotInitiated
            | ImageTransferStatus::Initiated
            | ImageTransferStatus::VerificationFailed
            | ImageTransferStatus::ActivationFailed => AccessResult::OtherReason,
        })
    }

    fn start_verifying(&mut self, now: Moment, pool: &mut SectorPool, slot: usize) -> Result<(), FlashError> {
        self.slots[slot].become_status(&mut self.counters.edges, ImageTransferStatus::VerificationInitiated);
        self.store_slot(pool, slot)?;
        self.resume_verifying(now, slot);
        Ok(())
    }

    pub(super) fn resume_verifying(&mut self, now: Moment, slot: usize) {
        let size = self.slots[slot].record.image.as_ref().map_or(0, |image| image.size);
        self.slots[slot].verified_at = Some(now + verify_time(size));
    }

    /// Reads the image back from flash, decides, and offers it to whom it may concern.
    pub(super) fn finish_verifying(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
    ) -> Result<(), FlashError> {
        self.slots[slot].verified_at = None;
        let Some(image) = self.slots[slot].record.image.clone() else {
            return Ok(());
        };
        let bank = self.board.bank(image.bank);
        bank.seal_named(&mut self.board.flash, pool, image.size, &image.identification);
        let examined = self.board.examine(pool, image.bank, image.size);
        let judged = examined.and_then(|accepted| self.judge(now, slot, accepted));
        let version = judged.as_ref().ok().and_then(AcceptedImage::identity);
        let version = version.map_or(UNKNOWN_VERSION, |identity| identity.file_version);
        self.board.note_verdict(now, pool, version, (image.bank, image.size), judged.as_ref())?;
        match judged {
            Ok(accepted) => {
                let own = slot == 0 && !self.is_foreign(&accepted);
                if own && !self.board.trust().accepts_unsigned() {
                    self.board.draw_nonce(pool)?;
                }
                self.counters.images_verified += 1;
                self.slots[slot]
                    .become_status(&mut self.counters.edges, ImageTransferStatus::VerificationSuccessful);
                let adopts = self.board.model().is_none();
                let offer = accepted.identity().filter(|_| !own || adopts).map(Offer::of);
                self.slots[slot].record.offer = offer;
                if let Some(offer) = offer {
                    bank.name(&self.board.flash, pool, image.size, &offered_name(&offer.key, image.size));
                }
                self.announce(now, slot);
            }
            Err(error) => {
                let attack = error.attack();
                tracing::debug!(hub = %self.board.eui(), %error, %attack, "image refused");
                self.counters.images_rejected += 1;
                self.counters.attacks.count(attack);
                self.slots[slot]
                    .become_status(&mut self.counters.edges, ImageTransferStatus::VerificationFailed);
                if let RefusedImage::NotGenuine(_) = error {
                    self.name_wrong_blocks(pool, slot)?;
                }
            }
        }
        self.store_slot(pool, slot)
    }

    /// Holds an image against the hub's papers, and one for the hub itself against its model and counter.
    fn judge(&self, now: Moment, slot: usize, image: AcceptedImage) -> Result<AcceptedImage, RefusedImage> {
        if let (Some(gate), Some(verified)) = (&self.gate, image.verified()) {
            gate.require_current(utc_seconds(self.clock(now)), verified)?;
        }
        if slot == 0 && !self.is_foreign(&image) {
            self.board.admit(&image)?;
        }
        Ok(image)
    }

    /// Returns whether the hub has a model of its own and the image names another.
    fn is_foreign(&self, image: &AcceptedImage) -> bool {
        match (self.board.model(), image.identity()) {
            (Some(model), Some(identity)) => !model.is_named_by(identity),
            _ => false,
        }
    }

    /// Activates the hub's own image: checks order and flash, arms, reboots.
    pub(super) fn activate_self(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
    ) -> Result<AccessResult, FlashError> {
        if let Some(result) = self.not_yet_activated(now, pool, 0)? {
            if result == AccessResult::OtherReason {
                self.obey_without_image(now, pool)?;
            }
            return Ok(result);
        }
        let Some(SlotImage { bank, size, .. }) = self.slots[0].record.image.clone() else {
            return Ok(AccessResult::OtherReason);
        };
        let Ok(image) = self.board.examine(pool, bank, size) else {
            self.board.end_unarmed(now, pool, ActivationOutcome::HashMismatch, None)?;
            self.slots[0].become_status(&mut self.counters.edges, ImageTransferStatus::ActivationInitiated);
            return self.fail_own_activation(pool);
        };
        let permit = match self.board.permit(pool, self.order_of(0), image.image_digest()) {
            Ok(permit) if !self.is_foreign(&image) => permit,
            refused => {
                self.note_refused_order(self.board.eui(), refused.err().as_ref());
                return Ok(AccessResult::ReadWriteDenied);
            }
        };
        self.slots[0].become_status(&mut self.counters.edges, ImageTransferStatus::ActivationInitiated);
        self.store_slot(pool, 0)?;
        match self.board.arm(pool, bank, size, &permit) {
            Ok(()) => {
                self.release_strangers(pool)?;
                self.restart(now);
                Ok(AccessResult::Success)
            }
            Err(ArmError::Flash(error)) => Err(error),
            Err(error) => {
                tracing::debug!(hub = %self.board.eui(), %error, "activation failed");
                if let Some(outcome) = error.outcome() {
                    self.board.end_unarmed(now, pool, outcome, Some(&permit))?;
                }
                self.fail_own_activation(pool)
            }
        }
    }

    /// Hears an order for which there is no image. Only one that is believed leaves a trace.
    fn obey_without_image(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        match self.board.permit_absent(self.order_of(0)) {
            Ok(permit) => self.board.end_unarmed(now, pool, ActivationOutcome::NoImageHeld, Some(&permit)),
            Err(_) => Ok(()),
        }
    }

    /// Notes that the activation which was begun is over.
    fn fail_own_activation(&mut self, pool: &mut SectorPool) -> Result<AccessResult, FlashError> {
        self.slots[0].become_status(&mut self.counters.edges, ImageTransferStatus::ActivationFailed);
        self.store_slot(pool, 0)?;
        Ok(AccessResult::OtherReason)
    }

    /// Returns the answer where there is nothing to activate now, or it has happened already.
    pub(super) fn not_yet_activated(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
    ) -> Result<Option<AccessResult>, FlashError> {
        Ok(match self.slots[slot].record.status {
            ImageTransferStatus::VerificationSuccessful | ImageTransferStatus::ActivationFailed => None,
            // Activate verifies first where that was not done (IEC 62056-6-2, image_activate).
            ImageTransferStatus::Initiated => Some(self.verify(now, pool, slot)?),
            ImageTransferStatus::VerificationInitiated | ImageTransferStatus::ActivationInitiated => {
                Some(AccessResult::TemporaryFailure)
            }
            ImageTransferStatus::ActivationSuccessful => Some(AccessResult::Success),
            ImageTransferStatus::NotInitiated | ImageTransferStatus::VerificationFailed => {
                Some(AccessResult::OtherReason)
            }
        })
    }

    pub(super) fn order_of(&self, slot: usize) -> Option<&[u8]> {
        let order = &self.slots[slot].record.order;
        (!order.is_empty()).then_some(order.as_slice())
    }
}
