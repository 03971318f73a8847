//! The hub's supply and boots: what is forgotten, and what is found again in flash.

use std::sync::Arc;
use std::time::Duration;

use firmware_image::Eui64;
use transfer_engine::Moment;
use wire::{BlockBitmap, HanState, ImageTransferStatus};

use super::slot::DeviceRecord;
use super::{Hub, HubConfig};
use crate::bank::BankId;
use crate::board::BootFault;
use crate::boot::ActivationOutcome;
use crate::flash::{FlashError, FlashFaults, FlashPlace};
use crate::sector_pool::SectorPool;

impl Hub {
    /// Starts the hub again, as a short interruption of its supply would.
    pub fn reboot(&mut self, now: Moment) {
        self.restart(now);
    }

    /// Takes the supply away for so long.
    pub fn cut_power(&mut self, now: Moment, lasts: Duration) {
        self.restart(now);
        self.board.cut_power(now, lasts);
        self.counters.power_cuts = self.board.power_cuts();
    }

    /// Sets the clock by which the hub judges papers and tells its devices the time. Its timers do not hang on it.
    pub fn jump_clock(&mut self, by: Duration, ahead: bool) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let signed = if ahead { by } else { -by };
        self.clock_off_us = self.clock_off_us.saturating_add(signed);
    }

    /// Flips one bit of flash, as an ageing cell would.
    pub fn decay(&mut self, place: FlashPlace, offset: u32, bit: u8) {
        self.board.decay(place, offset, bit);
    }

    /// Flips one bit of the running image, as an ageing cell would.
    pub fn decay_running(&mut self, offset: u32, bit: u8) {
        self.board.decay_running(offset, bit);
    }

    /// Flips one bit of the image in a channel's slot, as an ageing cell would.
    pub fn decay_staged(&mut self, channel: u8, offset: u32, bit: u8) {
        let image = self.slot_of(channel).and_then(|slot| self.slots[slot].record.image.as_ref());
        if let Some(image) = image {
            self.board.bank(image.bank).decay(&mut self.board.flash, offset, bit);
        }
    }

    /// Flips one bit of the images that the hub holds for others, as an ageing cell would; `drawn` says which. Returns
    /// whether it holds any; what runs, or is being tried, is left alone.
    pub(crate) fn rot(&mut self, drawn: u64) -> bool {
        let running = self.board.boot().running().bank;
        let images = self.slots.iter().filter_map(|slot| slot.record.image.as_ref());
        let spare = images.filter(|image| image.bank != running && self.board.is_up());
        let held: Vec<(BankId, u32)> = spare.map(|image| (image.bank, image.size)).collect();
        let total: u64 = held.iter().map(|(_, size)| u64::from(*size)).sum();
        let Some(mut at) = (drawn >> 3).checked_rem(total) else { return false };
        for (bank, size) in held {
            if at < size.into() {
                self.board.decay(FlashPlace::Bank(bank.0), at as u32, drawn as u8 & 7);
                return true;
            }
            at -= u64::from(size);
        }
        false
    }

    /// Returns what the hub's clock shows.
    pub(super) fn clock(&self, now: Moment) -> Moment {
        Moment::from_micros(now.as_micros().saturating_add_signed(self.clock_off_us))
    }

    /// Makes a hub fresh from the factory that takes this one's place.
    pub(crate) fn successor(&self, eui: Eui64, now: Moment) -> Hub {
        let config = HubConfig {
            eui,
            boot_fault: BootFault::None,
            flash_faults: FlashFaults::NONE,
            ..self.config.clone()
        };
        Hub::new(config, Arc::clone(self.board.factory()), now)
    }

    /// Joins another device in the place of the one on a channel, as an installer does; returns whether that worked.
    pub(crate) fn recommission(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        channel: u8,
        eui: Eui64,
    ) -> bool {
        let Some(slot) = self.slot_of(channel).filter(|slot| *slot > 0) else { return false };
        let Some(device) = self.config.devices.iter_mut().find(|device| device.channel == channel) else {
            return false;
        };
        device.eui = eui;
        let joined = DeviceRecord::commissioned(device);
        self.slots[slot].welcome(&mut self.counters.edges, joined);
        let stored = self.store_slot(pool, slot);
        let worked = stored.is_ok();
        self.settle(now, pool, stored);
        worked
    }

    /// Restarts; associations, timers and waiting frames are gone, slots and orders are not.
    pub(super) fn restart(&mut self, now: Moment) {
        self.board.restart(now);
        self.clients.clear();
        self.seats.clear();
        self.outbox.clear();
    }

    /// Deals with what flash said.
    pub(super) fn settle(&mut self, now: Moment, pool: &mut SectorPool, result: Result<(), FlashError>) {
        let mut result = result;
        if let Err(FlashError::Worn { region, sector }) = result {
            result = self.bear_wear(now, pool, region, sector);
        }
        // What is worn besides is named when it is needed again.
        let (Err(error), false) = (result, matches!(result, Err(FlashError::Worn { .. }))) else {
            return;
        };
        // A record that does not fit is a fault of ours; a restart at least returns to what flash says.
        debug_assert_eq!(error, FlashError::PowerLost, "records and blocks fit their places");
        self.restart(now);
        self.board.lose_power(now);
        self.counters.power_cuts = self.board.power_cuts();
    }

    /// Names a worn sector, and forgets incomplete images in its bank: they begin again in another one. Work that cannot
    /// go on for want of a record has failed; the head-end would wait for it for ever.
    fn bear_wear(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        region: u8,
        sector: u32,
    ) -> Result<(), FlashError> {
        let bank = self.board.note_worn(now, pool, region, sector)?;
        for slot in 0..self.slots.len() {
            let image = self.slots[slot].record.image.as_ref();
            let holds = image.is_some_and(|image| Some(image.bank) == bank);
            if holds && !self.slots[slot].is_complete() {
                self.clear_slot(pool, slot)?;
            }
            let failed = match self.slots[slot].record.status {
                ImageTransferStatus::VerificationInitiated if self.slots[slot].verified_at.is_none() => {
                    ImageTransferStatus::VerificationFailed
                }
                ImageTransferStatus::ActivationInitiated if slot == 0 => {
                    ImageTransferStatus::ActivationFailed
                }
                _ => continue,
            };
            self.slots[slot].become_status(&mut self.counters.edges, failed);
            self.store_slot(pool, slot)?;
        }
        Ok(())
    }

    /// Finds everything again after a boot.
    pub(super) fn come_up(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        self.counters.power_cuts = self.board.power_cuts();
        self.gate = super::papers::gate_of(self.board.trust(), &self.board.papers());
        match self.board.take_counted() {
            Some(ActivationOutcome::Success) => self.counters.activations += 1,
            Some(_) => self.counters.rollbacks += 1,
            None => {}
        }
        for number in 0..self.slots.len() {
            let slot = self.open_slot(u8::try_from(number).expect("slots are numbered by bytes"));
            self.slots[number] = slot;
            self.restore_bitmap(number);
            self.slots[number].peer.up_since = Some(now);
        }
        self.open_secured();
        for slot in 0..self.slots.len() {
            self.restore_work(now, pool, slot)?;
        }
        Ok(())
    }

    pub(super) fn restore_bitmap(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        slot.bitmap = slot.record.image.as_ref().map(|image| {
            let bank = self.board.bank(image.bank);
            let mut bitmap = BlockBitmap::new(bank.unit_count(image.size));
            bank.each_marked(&self.board.flash, image.size, |block| {
                bitmap.set(block);
            });
            bitmap
        });
    }

    /// Goes on with what was under way.
    fn restore_work(&mut self, now: Moment, pool: &mut SectorPool, slot: usize) -> Result<(), FlashError> {
        match self.slots[slot].record.status {
            ImageTransferStatus::VerificationInitiated => self.resume_verifying(now, slot),
            ImageTransferStatus::ActivationInitiated if slot == 0 => {
                // The boot record knows how it ended; a cut before it was armed counts as failed too.
                let image = self.slots[0].record.image.as_ref();
                let runs = image.is_some_and(|image| self.board.boot().running().bank == image.bank);
                self.slots[0].become_status(
                    &mut self.counters.edges,
                    if runs {
                        ImageTransferStatus::ActivationSuccessful
                    } else {
                        ImageTransferStatus::ActivationFailed
                    },
                );
                self.store_slot(pool, 0)?;
            }
            _ => {}
        }
        let Some(device) = self.slots[slot].record.device else {
            return Ok(());
        };
        if device.released {
            self.begin_activation(now, slot);
        } else if matches!(device.state, HanState::Waiting | HanState::Downloading)
            && self.slots[slot].is_offered()
        {
            // The device may have given up while nobody answered.
            self.announce(now, slot);
        }
        Ok(())
    }
}
