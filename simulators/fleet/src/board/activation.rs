//! From an image in a bank to an armed one, and how an activation ended.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use firmware_image::{DeviceState, Expected, FileVersion, ImageDigest, ImageRefusal};
use transfer_engine::Moment;

use super::{Board, BoardStep, Power};
use crate::bank::BankId;
use crate::boot::{ActivationOutcome, BankImage, BootChoice, BootPhase, StoredExtent};
use crate::device_trust::{AcceptedImage, Permit, RefusedImage, RefusedOrder};
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;

/// How long a device needs to hash and verify 100 kB (assumption: a small microcontroller with a hash unit).
const VERIFY_TIME_PER_100_KB: Duration = Duration::from_millis(50);

/// The version of a raw image, which names none; the attribute's own "unknown" (ZCL OTA, 0x0002).
pub(crate) const UNKNOWN_VERSION: FileVersion = FileVersion(0xFFFF_FFFF);

/// Why an image was not armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArmError {
    #[error("the image read back from flash is not the one that was ordered")]
    HashMismatch,
    #[error("the image is not for this device")]
    Refused(#[source] ImageRefusal),
    #[error("another activation is under way")]
    Busy,
    #[error("the boot record was not written")]
    Flash(#[source] FlashError),
}

impl ArmError {
    /// Returns how the activation ended; `None` where it did not.
    pub(crate) fn outcome(&self) -> Option<ActivationOutcome> {
        match self {
            ArmError::HashMismatch => Some(ActivationOutcome::HashMismatch),
            ArmError::Refused(_) => Some(ActivationOutcome::ActivationFailure),
            ArmError::Busy | ArmError::Flash(_) => None,
        }
    }
}

impl Board {
    /// Reads an image back from flash and checks who made it.
    pub(crate) fn examine(
        &self,
        pool: &mut SectorPool,
        bank: BankId,
        size: u32,
    ) -> Result<AcceptedImage, RefusedImage> {
        let stored = self.bank(bank).image(&self.flash, pool, size);
        self.trust.examine(pool, stored)
    }

    /// Checks that a genuine image is for this device, and may follow what was confirmed and what runs here.
    pub(crate) fn admit(&self, image: &AcceptedImage) -> Result<(), ImageRefusal> {
        let (running, counter) = (self.running_version(), *self.boot.counter());
        image.require_acceptable(self.model(), |model| DeviceState { model, running, counter })
    }

    /// Judges an order for the image in this device.
    pub(crate) fn permit(
        &self,
        pool: &mut SectorPool,
        order: Option<&[u8]>,
        image: ImageDigest,
    ) -> Result<Permit, RefusedOrder> {
        let expected = Expected { device: self.plan.eui, image, nonce: self.nonce() };
        self.trust.permit(pool, order, self.boot.orders(), &expected)
    }

    /// Judges an order for an image that is not here.
    pub(crate) fn permit_absent(&self, order: Option<&[u8]>) -> Result<Permit, RefusedOrder> {
        self.trust.permit_absent(order, self.boot.orders(), self.plan.eui, self.nonce())
    }

    /// Returns the bytes of the running image, unless it is the factory's.
    pub(crate) fn running_image(&self, pool: &mut SectorPool) -> Option<Bytes> {
        let running = self.boot.running();
        let extent = running.stored?;
        Some(self.bank(running.bank).image(&self.flash, pool, extent.size).bytes)
    }

    /// Returns the bytes of the image that is being tried.
    pub(crate) fn image_on_trial(&self, pool: &mut SectorPool) -> Option<Bytes> {
        let Power::Booting { choice: BootChoice::Trial, .. } = self.power else { return None };
        let (image, extent) = self.boot.armed().and_then(|image| Some((image, image.stored?)))?;
        Some(self.bank(image.bank).image(&self.flash, pool, extent.size).bytes)
    }

    /// Empties a bank for an image of `size` bytes; the running image and an armed one are never touched.
    pub(crate) fn empty_bank(
        &mut self,
        pool: &mut SectorPool,
        bank: BankId,
        size: u32,
    ) -> Result<(), FlashError> {
        assert!(self.boot.is_spare(bank), "only a spare bank is erased");
        let mut boot = self.boot.clone();
        self.history.step(BoardStep::Emptied);
        if boot.forget_bank(bank) {
            self.commit(pool, boot)?;
            self.history.step(BoardStep::FallbackGivenUp);
        }
        self.bank(bank).erase(&mut self.flash, size)
    }

    /// Makes parts of an image missing and writable again.
    pub(crate) fn clear_units(
        &mut self,
        pool: &mut SectorPool,
        bank: BankId,
        size: u32,
        wrong: &BTreeSet<u32>,
    ) -> Result<(), FlashError> {
        self.history.step(BoardStep::PartsCleared);
        self.bank(bank).clear_units(&mut self.flash, pool, size, wrong)
    }

    /// Checks the image once more from flash and makes the next boot try it.
    ///
    /// The caller restarts the device; until then nothing has changed but the boot record.
    pub(crate) fn arm(
        &mut self,
        pool: &mut SectorPool,
        bank: BankId,
        size: u32,
        permit: &Permit,
    ) -> Result<(), ArmError> {
        if self.boot.phase() != BootPhase::Settled {
            return Err(ArmError::Busy);
        }
        let image = self.examine(pool, bank, size).map_err(|_| ArmError::HashMismatch)?;
        if image.image_digest() != permit.image() {
            return Err(ArmError::HashMismatch);
        }
        self.admit(&image).map_err(ArmError::Refused)?;
        let version = image.identity().map_or(UNKNOWN_VERSION, |identity| identity.file_version);
        let extent = StoredExtent { size, image: image.image_digest(), file: image.file_digest() };
        let image_in_bank = BankImage { bank, version, stored: Some(extent) };
        let mut boot = self.boot.clone();
        boot.arm(image_in_bank, image.sequence(), permit.spends());
        self.commit(pool, boot).map_err(ArmError::Flash)
    }

    /// Returns, once, how an activation ended that the last boot found ended.
    pub(crate) fn take_concluded(&mut self) -> Option<ActivationOutcome> {
        self.concluded.take()
    }

    /// Returns how an activation ended, once for each, whatever power cuts have made the device forget.
    pub(crate) fn take_counted(&mut self) -> Option<ActivationOutcome> {
        self.counted.take()
    }

    /// Notes how an activation ended that never reached the boot loader; an order that was believed is spent.
    pub(crate) fn end_unarmed(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        outcome: ActivationOutcome,
        order: Option<&Permit>,
    ) -> Result<(), FlashError> {
        let mut boot = self.boot.clone();
        boot.end_unarmed(outcome, order.and_then(Permit::spends));
        self.last_counted = boot.attempts();
        self.commit(pool, boot)?;
        self.report_outcome(now, pool)
    }

    /// Finds a bank for a new image among those that nobody holds; the image that ran before goes last.
    pub(crate) fn spare_bank(&self, is_held: impl Fn(BankId) -> bool) -> Option<BankId> {
        let free = || self.bank_ids().filter(|bank| self.boot.is_spare(*bank) && !is_held(*bank));
        free().find(|bank| !self.boot.is_fallback(*bank)).or_else(|| free().next())
    }

    /// Returns the digest of the image an ordered activation would have to name.
    pub(crate) fn image_digest(&self, pool: &mut SectorPool, bank: BankId, size: u32) -> Option<ImageDigest> {
        self.examine(pool, bank, size).ok().map(|image| image.image_digest())
    }
}

/// Returns how long a device is busy verifying an image.
pub(crate) fn verify_time(size: u32) -> Duration {
    VERIFY_TIME_PER_100_KB * size.div_ceil(1000) / 100
}
