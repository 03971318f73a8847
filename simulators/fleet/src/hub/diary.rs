//! What a hub notes in its security log of the devices behind it.

use firmware_image::FileVersion;
use transfer_engine::Moment;
use wire::ImageKey;

use super::Hub;
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;
use crate::security_log::{SecurityEvent, TransferOutcome};

impl Hub {
    /// Notes how it ended that a device was to fetch an image, and remembers the slot as it is then.
    pub(super) fn note_transfer(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        key: ImageKey,
        outcome: TransferOutcome,
    ) -> Result<(), FlashError> {
        self.note_device(now, pool, slot, key, SecurityEvent::TransferEnded(outcome))?;
        self.store_slot(pool, slot)
    }

    /// Notes that a device could not be told to activate an image: one that sleeps never asked, and others never answered.
    pub(super) fn note_untold(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        key: ImageKey,
    ) -> Result<(), FlashError> {
        let event = match self.sleeps(slot) {
            true => SecurityEvent::CommandNotRetrieved,
            false => SecurityEvent::MessageNotDelivered,
        };
        self.note_device(now, pool, slot, key, event)
    }

    fn note_device(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        key: ImageKey,
        event: SecurityEvent,
    ) -> Result<(), FlashError> {
        let device = self.slots[slot].record.device.as_ref();
        let address = device.map_or(0, |device| u64::from_be_bytes(device.eui.to_bytes()));
        self.board.note(now, pool, event, FileVersion(key.file_version), address)
    }

    /// Says whether the device of a slot was commissioned as one that sleeps.
    fn sleeps(&self, slot: usize) -> bool {
        let channel = self.slots[slot].channel;
        self.config.devices.iter().any(|device| device.channel == channel && device.sleeps)
    }
}
