//! The battery of a meter that has one: what it holds, what an update draws, and when the meter spares it.
//!
//! Metering comes first. What lies below the reserve is kept for it: a meter that has come so far asks for no block and
//! obeys no order to activate, and says so in its security log. Charge is drawn at each wake and for each block; what
//! the metering itself draws is the same with and without an update, and is left out.
//!
//! ```text
//! charge at the beginning ├── wakes ──┼── blocks ──┼── left for updates ──┼── reserve ──┤
//! ```
//!
//! A battery is no part of flash: it forgets nothing when the device restarts, and a new device has a new one.

use std::time::Duration;

use firmware_image::FileVersion;
use transfer_engine::Moment;
use wire::{ImageKey, ZclStatus};

use super::Meter;
use super::outgoing::Message;
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;
use crate::security_log::SecurityEvent;

/// When a meter that spares its battery looks for an image again: the battery may have been changed by then (ours).
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// A battery and what is asked of it. Charge is in nanoampere-hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Battery {
    /// What it holds at the beginning.
    pub charge_nah: u64,
    /// What is kept for metering.
    pub reserve_nah: u64,
    /// What a wake draws: the radio listens.
    pub wake_nah: u32,
    /// What a block draws: it is asked for, waited for, heard and stored.
    pub block_nah: u32,
}

impl Battery {
    /// Returns what is left after so many wakes and blocks.
    fn left_nah(&self, wakes: u64, blocks: u64) -> u64 {
        let drawn = wakes.saturating_mul(self.wake_nah.into());
        let drawn = drawn.saturating_add(blocks.saturating_mul(self.block_nah.into()));
        self.charge_nah.saturating_sub(drawn)
    }
}

impl Meter {
    /// Returns what is left in the battery, in nanoampere-hours; `None` for a meter on the mains.
    pub fn battery_left_nah(&self) -> Option<u64> {
        let battery = self.config.battery?;
        Some(battery.left_nah(self.counters.wakes, self.counters.blocks_received))
    }

    /// Returns what wakes and blocks have drawn from the battery, in nanoampere-hours; `None` for a meter on the mains.
    pub fn battery_drawn_nah(&self) -> Option<u64> {
        Some(self.config.battery?.charge_nah - self.battery_left_nah()?)
    }

    /// Returns how many more blocks the battery lets the meter ask for.
    pub(super) fn blocks_affordable(&self) -> u64 {
        let (Some(battery), Some(left)) = (self.config.battery, self.battery_left_nah()) else {
            return u64::MAX;
        };
        left.saturating_sub(battery.reserve_nah).checked_div(battery.block_nah.into()).unwrap_or(u64::MAX)
    }

    /// Returns whether the battery is to be spared.
    pub(super) fn is_low(&self) -> bool {
        self.blocks_affordable() == 0
    }

    /// Gives a download up for want of charge; the hub hears that the client stops (ZCL OTA, status ABORT).
    pub(super) fn spare_battery(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        let Some(key) = self.download.as_ref().filter(|_| self.is_low()).map(|download| download.key) else {
            return Ok(());
        };
        self.abandon_download(now);
        self.decline_for_battery(now, pool, key)
    }

    /// Declines an image that is offered or ordered, for want of charge.
    pub(super) fn decline_for_battery(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        key: ImageKey,
    ) -> Result<(), FlashError> {
        self.send(Message::End { status: ZclStatus::Abort, key });
        self.next_query = now + LOOK_AGAIN;
        self.note_low_battery(now, pool, key.file_version)
    }

    /// Notes once that the battery is low: a meter that says so at every wake would push all else out of its log.
    pub(super) fn note_low_battery(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        version: u32,
    ) -> Result<(), FlashError> {
        self.counters.battery_refusals += 1;
        if self.counters.battery_refusals > 1 {
            return Ok(());
        }
        let left = self.battery_left_nah().unwrap_or(0);
        self.board.note(now, pool, SecurityEvent::LowBattery, FileVersion(version), left)
    }
}
