//! The security log: the newest hundred things that happened to a device's firmware. Nobody can clear it.
//!
//! What is worth an entry is left to [`crate::board`]. Entries lie in a ring of sectors; when the ring is full, the
//! sector with the oldest is erased to make room, and nothing else ever removes an entry. The ring is so long that the
//! newest hundred stay even then, and with one sector worn out.
//!
//! ```text
//! sector 0: | entry | entry | torn | entry | ...     a torn entry costs its place; the next one follows it
//! sector 1: | entry | 0xFF ...
//! sector 2: | entries of the round before ...        erased next
//!
//! entry: | number u32 | moment u64 µs | code u16 | outcome u16 | version u32 | detail u64 | sum u32 |  little-endian
//! ```

use firmware_image::FileVersion;
use sha2::{Digest, Sha256};
use transfer_engine::Moment;

use crate::boot::ActivationOutcome;
use crate::flash::{Flash, FlashError, FlashLayout, RegionId};
use crate::record::{FieldReader, FieldWriter};
use crate::sector_pool::SectorPool;

/// How many entries can be read at any time (fact: the security log of the specification holds 100).
pub(crate) const KEPT: usize = 100;

/// Slots that stay when a sector is erased and another is worn: the kept entries, and some for torn ones (ours).
const STAYING_SLOTS: usize = 128;

/// The length of an entry: one program unit of the widest flash, so that most entries are one operation.
const ENTRY_LEN: usize = 32;

const SUM_LEN: usize = 4;

/// What happened; codes are those of GBCS alerts where there is one (fact: notes on the domain, 5.3). Of those that are
/// named there, some are about what these devices do not have or is no news to themselves: metrology firmware apart
/// (0x81A0 with 0x0007, 0x81AD), and that somebody has read the version (0x8F8B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityEvent {
    /// An image that came was verified; the detail is the beginning of its digest.
    ImageVerified,
    /// An image that came did not verify, or is not for this device; the detail is the beginning of the digest of what
    /// came.
    ImageRefused,
    /// An image in flash was not the one that was verified, when power came.
    ImageAlteredAtPowerOn,
    /// Another version runs.
    VersionChanged,
    /// An order to activate at a later time was carried out.
    DatedOrderObeyed,
    /// An order to activate at a later time was not carried out.
    DatedOrderNotObeyed,
    /// How it ended that a hub's device was to fetch an image; the detail is its address.
    TransferEnded(TransferOutcome),
    /// A hub's device, which sleeps, was told to activate and never asked; the detail is its address.
    CommandNotRetrieved,
    /// A hub's device, which does not sleep, could not be told to activate; the detail is its address.
    MessageNotDelivered,
    /// A battery is low, and is kept for metering; the detail is its charge in nanoampere-hours.
    LowBattery,
    /// Flash did not hold what it was given; the detail is region and sector.
    FlashWorn,
    /// An activation ended; the detail is its number.
    ActivationEnded(ActivationOutcome),
}

/// How it ended that a device was to fetch an image from its hub (fact: notes on the domain, 5.3, hub alert 0x0128).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransferOutcome {
    /// The device has it.
    Success = 0,
    /// The device had it, found it wrong, and threw it away.
    ImageDiscarded = 1,
    /// The image is for other hardware than the device says it has; it was never fetched.
    HardwareVersionMismatch = 2,
    /// The device did not go on fetching it.
    TransferFailure = 3,
}

impl TransferOutcome {
    /// All of them, by code.
    pub const ALL: [TransferOutcome; 4] = [
        TransferOutcome::Success,
        TransferOutcome::ImageDiscarded,
        TransferOutcome::HardwareVersionMismatch,
        TransferOutcome::TransferFailure,
    ];

    /// Returns the code that alert 0x0128 has for it.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl SecurityEvent {
    /// Those that are an alert of their own.
    pub const ALERTS: [SecurityEvent; 10] = [
        SecurityEvent::ImageVerified,
        SecurityEvent::ImageRefused,
        SecurityEvent::ImageAlteredAtPowerOn,
        SecurityEvent::VersionChanged,
        SecurityEvent::DatedOrderObeyed,
        SecurityEvent::DatedOrderNotObeyed,
        SecurityEvent::CommandNotRetrieved,
        SecurityEvent::MessageNotDelivered,
        SecurityEvent::LowBattery,
        SecurityEvent::FlashWorn,
    ];

    /// Returns the code of the alert; an activation that ended has that of the message that says so, 0x00CA.
    pub fn code(self) -> u16 {
        match self {
            SecurityEvent::ImageVerified => 0x8F72,
            SecurityEvent::ImageRefused => 0x8F1C,
            SecurityEvent::ImageAlteredAtPowerOn => 0x8F1B,
            SecurityEvent::VersionChanged => 0x8F43,
            SecurityEvent::DatedOrderObeyed => 0x8F66,
            SecurityEvent::DatedOrderNotObeyed => 0x8F67,
            SecurityEvent::TransferEnded(TransferOutcome::Success) => 0x8F8A,
            SecurityEvent::TransferEnded(_) => 0x8F89,
            SecurityEvent::CommandNotRetrieved => 0x819D,
            SecurityEvent::MessageNotDelivered => 0x8F84,
            SecurityEvent::LowBattery => 0x8F1F,
            // "Error Non Volatile Memory" (fact: the code list of a public GBCS parser).
            SecurityEvent::FlashWorn => 0x81AE,
            SecurityEvent::ActivationEnded(_) => 0x00CA,
        }
    }

    fn outcome(self) -> u16 {
        match self {
            SecurityEvent::ActivationEnded(outcome) => outcome.code().into(),
            SecurityEvent::TransferEnded(outcome) => outcome.code().into(),
            _ => NO_OUTCOME,
        }
    }

    fn from_codes(code: u16, outcome: u16) -> Option<SecurityEvent> {
        if code == 0x00CA {
            let outcome = ActivationOutcome::from_code(u8::try_from(outcome).ok()?)?;
            return Some(SecurityEvent::ActivationEnded(outcome));
        }
        if matches!(code, 0x8F89 | 0x8F8A) {
            let is_it = |it: &TransferOutcome| u16::from(it.code()) == outcome;
            return TransferOutcome::ALL.into_iter().find(is_it).map(SecurityEvent::TransferEnded);
        }
        SecurityEvent::ALERTS.into_iter().find(|event| event.code() == code)
    }
}

const NO_OUTCOME: u16 = 0xFFFF;

/// An entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityEntry {
    /// Its number; one more than that of the entry before.
    pub number: u32,
    /// When it was written.
    pub moment: Moment,
    /// What happened.
    pub event: SecurityEvent,
    /// The version that it is about.
    pub version: FileVersion,
    /// What the event says it is.
    pub detail: u64,
}

/// The place of the log in flash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecurityLog {
    region: RegionId,
    sectors: u16,
    /// The sector that is being filled, and its next slot.
    sector: u16,
    slot: u16,
    /// The number of the newest entry; 0 for none.
    newest: u32,
}

impl SecurityLog {
    /// Returns how many sectors the region of a log needs.
    pub(crate) fn region_sectors(layout: &FlashLayout) -> usize {
        // One is being erased, one may be worn.
        STAYING_SLOTS.div_ceil(slots_of(layout)) + 2
    }

    /// Opens a region and finds where the log goes on.
    pub(crate) fn open(flash: &Flash, region: RegionId) -> SecurityLog {
        let layout = flash.layout();
        let sectors = u16::try_from(SecurityLog::region_sectors(layout)).expect("a ring is short");
        let full = u16::try_from(slots_of(layout)).expect("a sector is no longer than 64 KiB");
        // Nothing is known of any sector, so the first entry erases before it writes.
        let mut log = SecurityLog { region, sectors, sector: sectors - 1, slot: full, newest: 0 };
        let mut bytes = Vec::new();
        for sector in 0..sectors {
            let mut used = 0;
            let mut holds_newest = false;
            for (slot, entry) in log.slots(flash, sector, &mut bytes) {
                used = slot + 1;
                if let Some(entry) = entry.filter(|entry| entry.number > log.newest) {
                    log.newest = entry.number;
                    holds_newest = true;
                }
            }
            if holds_newest {
                (log.sector, log.slot) = (sector, used);
            }
        }
        log
    }

    /// Writes an entry; when this returns, it stays until a hundred newer ones have come.
    pub(crate) fn append(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        entry: SecurityEntry,
    ) -> Result<(), FlashError> {
        let entry = SecurityEntry { number: self.newest + 1, ..entry };
        let slots = u16::try_from(slots_of(flash.layout())).expect("a sector is no longer than 64 KiB");
        let mut refusal = FlashError::Worn { region: self.region.0, sector: self.sector.into() };
        let mut sectors_left = self.sectors;
        loop {
            if self.slot >= slots {
                if sectors_left == 0 {
                    return Err(refusal);
                }
                sectors_left -= 1;
                self.sector = (self.sector + 1) % self.sectors;
                match flash.erase(self.region, self.sector.into()) {
                    Ok(()) => self.slot = 0,
                    Err(error @ FlashError::Worn { .. }) => {
                        refusal = error;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            let offset = usize::from(self.sector) * flash.layout().sector_len();
            let offset = offset + usize::from(self.slot) * ENTRY_LEN;
            match flash.program(pool, self.region, offset, &encode(&entry)) {
                Ok(()) => {
                    self.slot += 1;
                    self.newest = entry.number;
                    return Ok(());
                }
                Err(FlashError::NotErased) => self.slot += 1,
                Err(error @ FlashError::Worn { .. }) => {
                    refusal = error;
                    self.slot = slots;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the newest entries, at most a hundred, the oldest first.
    pub(crate) fn entries(&self, flash: &Flash) -> Vec<SecurityEntry> {
        let mut entries = Vec::new();
        let mut bytes = Vec::new();
        for sector in 0..self.sectors {
            let known = self.slots(flash, sector, &mut bytes).filter_map(|(_, entry)| entry);
            entries.extend(known.filter(|entry| u64::from(entry.number) + KEPT as u64 > self.newest.into()));
        }
        entries.sort_by_key(|entry| entry.number);
        entries
    }

    /// Reads the slots of a sector that are not blank.
    fn slots<'a>(
        &self,
        flash: &Flash,
        sector: u16,
        bytes: &'a mut Vec<u8>,
    ) -> impl Iterator<Item = (u16, Option<SecurityEntry>)> + use<'a> {
        let sector = usize::from(sector);
        let sector_len = flash.layout().sector_len();
        bytes.resize(flash.written_len(self.region, sector..sector + 1).next_multiple_of(ENTRY_LEN), 0);
        flash.read(self.region, sector * sector_len, bytes);
        let used = |slot: &(u16, &[u8])| slot.1.iter().any(|byte| *byte != 0xFF);
        (0..).zip(bytes.chunks_exact(ENTRY_LEN)).filter(used).map(|(slot, bytes)| (slot, decode(bytes)))
    }
}

fn slots_of(layout: &FlashLayout) -> usize {
    layout.sector_len() / ENTRY_LEN
}

fn encode(entry: &SecurityEntry) -> Vec<u8> {
    let mut fields = FieldWriter::default();
    fields.u32(entry.number).u64(entry.moment.as_micros());
    fields.u16(entry.event.code()).u16(entry.event.outcome());
    fields.u32(entry.version.0).u64(entry.detail);
    let mut bytes = fields.finish();
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    debug_assert_eq!(bytes.len(), ENTRY_LEN);
    bytes
}

fn decode(bytes: &[u8]) -> Option<SecurityEntry> {
    let (bytes, sum) = bytes.split_at_checked(ENTRY_LEN - SUM_LEN)?;
    if sum != checksum(bytes) {
        return None;
    }
    let mut fields = FieldReader(bytes);
    let (number, moment) = (fields.u32()?, Moment::from_micros(fields.u64()?));
    let event = SecurityEvent::from_codes(fields.u16()?, fields.u16()?)?;
    Some(SecurityEntry { number, moment, event, version: FileVersion(fields.u32()?), detail: fields.u64()? })
}

fn checksum(bytes: &[u8]) -> [u8; SUM_LEN] {
    let digest = Sha256::digest(bytes);
    let mut sum = [0; SUM_LEN];
    sum.copy_from_slice(&digest[..SUM_LEN]);
    sum
}

#[cfg(test)]
mod tests;
