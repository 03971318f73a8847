//! What goes into the security log of a device, and what it does about a worn sector.

use firmware_image::{FileVersion, ImageDigest};
use transfer_engine::Moment;

use super::{Board, BoardStep, survivable};
use crate::bank::BankId;
use crate::boot::ActivationOutcome;
use crate::device_trust::{AcceptedImage, RefusedImage, calculated_digest};
use crate::flash::{FlashError, FlashPlace, RegionId};
use crate::sector_pool::SectorPool;
use crate::security_log::{SecurityEntry, SecurityEvent};

impl Board {
    /// Returns the newest entries of the security log, at most a hundred, the oldest first.
    pub(crate) fn security_log(&self) -> Vec<SecurityEntry> {
        self.security.entries(&self.flash)
    }

    /// Flips one bit of flash, as an ageing cell would.
    pub(crate) fn decay(&mut self, place: FlashPlace, offset: u32, bit: u8) {
        if let Some(region) = self.places.region_of(place) {
            self.flash.decay(region, offset as usize, bit);
        }
    }

    /// Flips one bit of the running image.
    pub(crate) fn decay_running(&mut self, offset: u32, bit: u8) {
        self.decay(FlashPlace::Bank(self.boot.running().bank.0), offset, bit);
    }

    /// Writes an entry. A log that is worn out through and through does not keep a device from its work.
    pub(crate) fn note(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        event: SecurityEvent,
        version: FileVersion,
        detail: u64,
    ) -> Result<(), FlashError> {
        let entry = SecurityEntry { number: 0, moment: now, event, version, detail };
        survivable(self.security.append(&mut self.flash, pool, entry))
    }

    /// Notes what verification found of an image that came; `version` is the one that was offered, `size` how many bytes
    /// lie in the bank.
    pub(crate) fn note_verdict(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        version: FileVersion,
        (bank, size): (BankId, u32),
        verdict: Result<&AcceptedImage, &RefusedImage>,
    ) -> Result<(), FlashError> {
        match verdict {
            Ok(image) => {
                let detail = beginning_of(image.image_digest());
                self.note(now, pool, SecurityEvent::ImageVerified, version, detail)
            }
            Err(_) => {
                let came = self.bank(bank).image(&self.flash, pool, size).bytes;
                let detail = beginning_of(calculated_digest(came));
                self.note(now, pool, SecurityEvent::ImageRefused, version, detail)
            }
        }
    }

    /// Reports how an activation ended, once, and remembers that it did.
    pub(super) fn report_outcome(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        let Some(outcome) = self.boot.unreported() else {
            return Ok(());
        };
        let (version, attempt) = (self.running_version(), self.boot.attempts());
        let ended = SecurityEvent::ActivationEnded(outcome);
        // After a cut behind the entry it is there already.
        let is_noted = |entry: &SecurityEntry| entry.event == ended && entry.detail == u64::from(attempt);
        if !self.security_log().iter().any(is_noted) {
            if outcome == ActivationOutcome::Success {
                self.note(now, pool, SecurityEvent::VersionChanged, version, 0)?;
            }
            self.note(now, pool, ended, version, attempt.into())?;
        }
        let mut boot = self.boot.clone();
        boot.set_reported();
        survivable(self.commit(pool, boot))
    }

    /// Names a copy of the boot record that could not be written.
    pub(super) fn report_worn_record(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
    ) -> Result<(), FlashError> {
        match self.boot_log.take_worn() {
            Some(FlashError::Worn { region, sector }) => {
                self.note_worn(now, pool, region, sector).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Names a worn sector in the security log, once, and uses its bank no more; returns the bank.
    pub(crate) fn note_worn(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        region: u8,
        sector: u32,
    ) -> Result<Option<BankId>, FlashError> {
        let place = self.places.place_of(RegionId(region));
        tracing::debug!(device = %self.eui(), ?place, sector, "a sector of flash is worn out");
        let detail = u64::from(region) << 32 | u64::from(sector);
        let is_noted =
            |entry: &SecurityEntry| entry.event == SecurityEvent::FlashWorn && entry.detail == detail;
        if !self.security_log().iter().any(is_noted) {
            self.note(now, pool, SecurityEvent::FlashWorn, self.running_version(), detail)?;
            self.history.worn_sector();
        }
        let (FlashPlace::Bank(bank) | FlashPlace::Marks(bank)) = place else { return Ok(None) };
        let mut boot = self.boot.clone();
        if boot.retire_bank(BankId(bank)) {
            self.history.step(BoardStep::Retired);
            survivable(self.commit(pool, boot))?;
        }
        Ok(Some(BankId(bank)))
    }
}

fn beginning_of(digest: ImageDigest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
