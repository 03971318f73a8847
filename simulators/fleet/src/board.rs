//! The board that hubs and meters are built on: flash, banks, boot record, power.
//!
//! The board decides what runs and keeps the invariants of activation; what is downloaded, and when it is
//! activated, is left to [`crate::hub`] and [`crate::meter`].
//!
//! ```text
//! region 0    boot record                region 1..=r   the device's own records
//! region 1+r  papers
//! region 2+r+2b      data of bank b      region 3+r+2b  marks of bank b
//! ```

mod papers; // the signed papers that are kept, and the nonce

use std::sync::Arc;
use std::time::Duration;

use firmware_image::{
    DeviceModel, DeviceState, Eui64, Expected, FileVersion, ImageDigest, ImageRefusal, SequenceNumber,
};
use transfer_engine::Moment;

use crate::bank::{Bank, BankId};
use crate::boot::{ActivationOutcome, BankImage, BootChoice, BootPhase, BootRecord, StoredExtent};
use crate::device_trust::{AcceptedImage, DeviceTrust, Permit, RefusedImage, RefusedOrder};
use crate::flash::{Flash, FlashError, FlashFault, RegionId};
use crate::record::{RECORD_SECTORS, RecordLog};
use crate::sector_pool::SectorPool;

use papers::PaperShelf;
pub(crate) use papers::{Papers, utc_seconds};

/// How long a planned power cut lasts; short, so that what follows it is the interesting part (ours).
const OUTAGE: Duration = Duration::from_secs(1);

/// How long a device needs to hash and verify 100 kB (assumption: a small microcontroller with a hash unit).
const VERIFY_TIME_PER_100_KB: Duration = Duration::from_millis(50);

/// What goes wrong when a new image boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BootFault {
    /// Nothing.
    #[default]
    None,
    /// The new firmware never passes its self-check; the watchdog resets the device.
    NewFirmwareDoesNotComeUp,
}

/// What a board is made of.
#[derive(Clone, Debug)]
pub(crate) struct BoardPlan {
    pub(crate) eui: Eui64,
    pub(crate) model: Option<DeviceModel>,
    pub(crate) running_version: FileVersion,
    pub(crate) factory_sequence: u64,
    /// What makes its nonces its own.
    pub(crate) nonce_secret: u64,
    pub(crate) own_records: u8,
    /// The sectors of one half of the papers' record.
    pub(crate) paper_sectors: usize,
    pub(crate) banks: u8,
    pub(crate) unit: u32,
    pub(crate) boot_time: Duration,
    pub(crate) boot_fault: BootFault,
    pub(crate) flash_fault: Option<FlashFault>,
}

/// Flash, banks, boot record and power of one device.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) flash: Flash,
    plan: BoardPlan,
    /// Whom it was made to believe.
    factory: Arc<DeviceTrust>,
    /// Whom it believes now: the same, or a later root's keys.
    trust: Arc<DeviceTrust>,
    shelf: PaperShelf,
    banks: Vec<Bank>,
    log: RecordLog,
    boot: BootRecord,
    power: Power,
    /// How an activation ended since the device was last up.
    concluded: Option<ActivationOutcome>,
    power_cuts: u64,
    /// Those of them that came with the mains, and not in the middle of a flash operation.
    mains_cuts: u64,
}

/// The supply and the boot, as a life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    Up,
    /// The boot loader starts at this moment.
    Restarting {
        at: Moment,
    },
    /// The chosen image reports itself at this moment.
    Booting {
        until: Moment,
        choice: BootChoice,
    },
    /// There is no image to boot.
    Dead,
}

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

impl Board {
    /// Makes a board that is up and runs its factory image from bank 0.
    pub(crate) fn new(plan: BoardPlan, trust: Arc<DeviceTrust>) -> Board {
        let mut capacities = vec![RECORD_SECTORS; 1 + usize::from(plan.own_records)];
        capacities.push(2 * plan.paper_sectors);
        for _ in 0..plan.banks {
            capacities.extend([Bank::DATA_SECTORS, Bank::mark_sectors(plan.unit)]);
        }
        let flash = Flash::new(capacities, plan.flash_fault);
        let shelf = RegionId(1 + plan.own_records);
        let first = 2 + plan.own_records;
        let banks = (0..plan.banks)
            .map(|bank| Bank::new(RegionId(first + 2 * bank), RegionId(first + 2 * bank + 1), plan.unit))
            .collect();
        let (log, _) = RecordLog::open(&flash, RegionId(0));
        let boot = factory_record(&plan);
        let shelf = PaperShelf::open(&flash, shelf, plan.paper_sectors);
        Board {
            flash,
            plan,
            factory: Arc::clone(&trust),
            trust,
            shelf,
            banks,
            log,
            boot,
            power: Power::Up,
            concluded: None,
            power_cuts: 0,
            mains_cuts: 0,
        }
    }

    /// Returns the region of the device's own record `number`.
    pub(crate) fn own_record(number: u8) -> RegionId {
        RegionId(1 + number)
    }

    pub(crate) fn eui(&self) -> Eui64 {
        self.plan.eui
    }

    pub(crate) fn model(&self) -> Option<&DeviceModel> {
        self.plan.model.as_ref()
    }

    pub(crate) fn boot(&self) -> &BootRecord {
        &self.boot
    }

    pub(crate) fn bank(&self, bank: BankId) -> Bank {
        self.banks[usize::from(bank.0)]
    }

    pub(crate) fn bank_ids(&self) -> impl Iterator<Item = BankId> + use<> {
        (0..self.plan.banks).map(BankId)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.power == Power::Up
    }

    /// Returns whether the device is up, or is done booting its confirmed image, at this moment.
    pub(crate) fn is_up_at(&self, now: Moment) -> bool {
        match self.power {
            Power::Up => true,
            Power::Booting { until, choice } => choice == BootChoice::Confirmed && until <= now,
            Power::Restarting { .. } | Power::Dead => false,
        }
    }

    /// Returns whether no bank holds an image that boots.
    pub(crate) fn is_dead(&self) -> bool {
        self.power == Power::Dead
    }

    pub(crate) fn running_version(&self) -> FileVersion {
        self.boot.running().version
    }

    /// Starts again at `at`; everything but the flash is forgotten by the caller.
    pub(crate) fn restart(&mut self, at: Moment) {
        self.power = Power::Restarting { at };
    }

    /// Starts again after a planned power cut.
    pub(crate) fn lose_power(&mut self, now: Moment) {
        self.power_cuts += 1;
        self.restart(now + OUTAGE);
    }

    /// Starts again when the supply is back.
    pub(crate) fn cut_power(&mut self, now: Moment, lasts: Duration) {
        self.power_cuts += 1;
        self.mains_cuts += 1;
        self.restart(now + lasts);
    }

    /// Returns how often the supply failed in the middle of a flash operation.
    pub(crate) fn flash_cuts(&self) -> u64 {
        self.power_cuts - self.mains_cuts
    }

    /// Whom the device was made to believe.
    pub(crate) fn factory(&self) -> &Arc<DeviceTrust> {
        &self.factory
    }

    /// Returns how often the supply failed, during boots too.
    pub(crate) fn power_cuts(&self) -> u64 {
        self.power_cuts
    }

    pub(crate) fn poll_timeout(&self) -> Option<Moment> {
        match self.power {
            Power::Up | Power::Dead => None,
            Power::Restarting { at } => Some(at),
            Power::Booting { until, .. } => Some(until),
        }
    }

    /// Moves a boot on; returns true when the device has just come up.
    pub(crate) fn advance(&mut self, now: Moment, pool: &mut SectorPool) -> bool {
        loop {
            match self.power {
                Power::Restarting { at } if at <= now => match self.load(pool) {
                    Ok(BootChoice::Nothing) => self.power = Power::Dead,
                    Ok(choice) => self.power = Power::Booting { until: at + self.plan.boot_time, choice },
                    Err(_) => self.lose_power(at),
                },
                Power::Booting { until, choice } if until <= now => {
                    if choice == BootChoice::Trial {
                        if self.plan.boot_fault == BootFault::NewFirmwareDoesNotComeUp {
                            self.restart(until);
                            continue;
                        }
                        self.boot.confirm();
                        if self.store_boot(pool).is_err() {
                            self.lose_power(until);
                            continue;
                        }
                        self.concluded = Some(ActivationOutcome::Success);
                    }
                    self.power = Power::Up;
                    return true;
                }
                Power::Up | Power::Dead | Power::Restarting { .. } | Power::Booting { .. } => return false,
            }
        }
    }

    /// Is the boot loader: reads the record, re-hashes the image, notes the attempt, chooses.
    fn load(&mut self, pool: &mut SectorPool) -> Result<BootChoice, FlashError> {
        self.flash.power_on();
        let (log, record) = RecordLog::open(&self.flash, RegionId(0));
        self.log = log;
        self.load_papers();
        let before =
            record.as_deref().and_then(BootRecord::from_bytes).unwrap_or_else(|| factory_record(&self.plan));
        let mut boot = before.clone();
        let choice = boot.power_on(|image| self.is_genuine(pool, image));
        self.boot = boot;
        if self.boot != before {
            self.store_boot(pool)?;
        }
        if before.phase() != BootPhase::Settled && self.boot.phase() == BootPhase::Settled {
            self.concluded = self.boot.outcome();
        }
        Ok(choice)
    }

    /// Compares an image with what was verified when it was armed, byte for byte.
    ///
    /// No signature is asked for: the key that signed what runs may have been retired since, and a device that runs
    /// good firmware must go on running it.
    fn is_genuine(&self, pool: &mut SectorPool, image: &BankImage) -> bool {
        let Some(extent) = image.stored else {
            return true;
        };
        let stored = self.bank(image.bank).image(&self.flash, pool, extent.size);
        pool.file_digest(&stored) == extent.file
    }

    fn store_boot(&mut self, pool: &mut SectorPool) -> Result<(), FlashError> {
        self.log.store(&mut self.flash, pool, &self.boot.to_bytes())
    }

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
    pub(crate) fn permit(&self, order: Option<&[u8]>, image: ImageDigest) -> Result<Permit, RefusedOrder> {
        let expected = Expected { device: self.plan.eui, image, nonce: self.nonce() };
        self.trust.permit(order, self.boot.orders(), &expected)
    }

    /// Empties a bank for an image of `size` bytes; the running image and an armed one are never touched.
    pub(crate) fn empty_bank(
        &mut self,
        pool: &mut SectorPool,
        bank: BankId,
        size: u32,
    ) -> Result<(), FlashError> {
        assert!(self.boot.is_spare(bank), "only a spare bank is erased");
        if self.boot.forget_bank(bank) {
            self.store_boot(pool)?;
        }
        self.bank(bank).erase(&mut self.flash, size)
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
        self.boot.arm(image_in_bank, image.sequence(), permit.spends());
        self.store_boot(pool).map_err(ArmError::Flash)
    }

    /// Returns, once, how an activation ended since the device was last up.
    pub(crate) fn take_concluded(&mut self) -> Option<ActivationOutcome> {
        self.concluded.take()
    }

    /// Notes how an activation ended that never reached the boot loader.
    pub(crate) fn set_outcome(&mut self, outcome: ActivationOutcome) {
        self.boot.set_outcome(outcome);
    }

    /// Returns the digest of the image an ordered activation would have to name.
    pub(crate) fn image_digest(&self, pool: &mut SectorPool, bank: BankId, size: u32) -> Option<ImageDigest> {
        self.examine(pool, bank, size).ok().map(|image| image.image_digest())
    }
}

fn factory_record(plan: &BoardPlan) -> BootRecord {
    BootRecord::factory(plan.running_version, SequenceNumber(plan.factory_sequence))
}

/// The version of a raw image, which names none; the attribute's own "unknown" (ZCL OTA, 0x0002).
pub(crate) const UNKNOWN_VERSION: FileVersion = FileVersion(0xFFFF_FFFF);

/// Returns how long a device is busy verifying an image.
pub(crate) fn verify_time(size: u32) -> Duration {
    VERIFY_TIME_PER_100_KB * size.div_ceil(1000) / 100
}
