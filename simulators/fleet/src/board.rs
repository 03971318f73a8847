//! The board that hubs and meters are built on: flash, banks, boot record, power.
//!
//! The board decides what runs and keeps the invariants of activation; what is downloaded, and when it is
//! activated, is left to [`crate::hub`] and [`crate::meter`].
//!
//! A device has no more than its flash when power comes: the boot record, which stands there in two copies and holds
//! both counters, says what runs; the image is hashed again from flash at every boot.

mod activation; // from a bank to an armed image, and how it ended
mod diary; // what goes into the security log
mod history; // what it has been through, for those who count
mod papers; // the signed papers that are kept, and the nonce
mod places; // what lies where in flash

use std::sync::Arc;
use std::time::Duration;

use firmware_image::{DeviceModel, Eui64, FileVersion, SequenceNumber};
use transfer_engine::Moment;

use crate::bank::{Bank, BankId};
use crate::boot::{ActivationOutcome, BankImage, BootChoice, BootRecord};
use crate::device_trust::DeviceTrust;
use crate::flash::{Flash, FlashError, FlashFaults, FlashLayout};
use crate::record::{RecordLog, RecordPair};
use crate::sector_pool::SectorPool;
use crate::security_log::{SecurityEvent, SecurityLog};

pub(crate) use activation::{ArmError, UNKNOWN_VERSION, verify_time};
pub use history::BoardHistory;
pub(crate) use history::BoardStep;
use papers::PaperShelf;
pub(crate) use papers::{Papers, utc_seconds};
use places::Places;

/// How long a planned power cut lasts; short, so that what follows it is the interesting part (ours).
const OUTAGE: Duration = Duration::from_secs(1);

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
    /// The longest that the record of the papers gets.
    pub(crate) paper_len: usize,
    /// The banks that it cannot do without.
    pub(crate) banks: u8,
    pub(crate) unit: u32,
    pub(crate) boot_time: Duration,
    pub(crate) boot_fault: BootFault,
    pub(crate) flash: FlashLayout,
    pub(crate) flash_faults: FlashFaults,
}

/// Flash, banks, boot record and power of one device.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    pub(crate) flash: Flash,
    plan: BoardPlan,
    /// Whom it was made to believe.
    factory: Arc<DeviceTrust>,
    /// Whom it believes now: the same, or a later root's keys.
    trust: Arc<DeviceTrust>,
    places: Places,
    shelf: PaperShelf,
    boot_log: RecordPair,
    boot: BootRecord,
    security: SecurityLog,
    power: Power,
    /// How an activation ended that this boot found ended.
    concluded: Option<ActivationOutcome>,
    /// The same, once for each activation, and the number of the last: for those who count. No device knows these.
    counted: Option<ActivationOutcome>,
    last_counted: u32,
    power_cuts: u64,
    /// Those of them that came with the mains, and not in the middle of a flash operation.
    mains_cuts: u64,
    /// What it has been through, for those who count.
    history: BoardHistory,
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

impl Board {
    /// Makes a board that is up and runs its factory image from bank 0.
    pub(crate) fn new(plan: BoardPlan, trust: Arc<DeviceTrust>) -> Board {
        let places = Places::new(&plan);
        let faults = plan.flash_faults.plan(|place| places.region_of(place));
        let flash = Flash::new(plan.flash, places.capacities(), faults);
        let (boot_log, _) = RecordPair::open(&flash, Places::BOOT, places::BOOT_PLACE_LEN);
        let boot = factory_record(&plan);
        let security = SecurityLog::open(&flash, Places::SECURITY_LOG);
        let shelf = PaperShelf::open(&flash, places.papers(), plan.paper_len);
        Board {
            flash,
            plan,
            factory: Arc::clone(&trust),
            trust,
            places,
            shelf,
            boot_log,
            boot,
            security,
            power: Power::Up,
            concluded: None,
            counted: None,
            last_counted: 0,
            power_cuts: 0,
            mains_cuts: 0,
            history: BoardHistory::default(),
        }
    }

    /// Opens the device's own record `number` and returns what it says.
    pub(crate) fn open_record(&self, number: u8) -> (RecordLog, Option<Vec<u8>>) {
        RecordLog::open(&self.flash, Places::own_record(number))
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
        self.places.bank(bank)
    }

    pub(crate) fn bank_ids(&self) -> impl Iterator<Item = BankId> + use<> {
        (0..self.places.banks()).map(BankId)
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

    /// Returns what the board has been through.
    pub(crate) fn history(&self) -> BoardHistory {
        self.history
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
    #[inline]
    pub(crate) fn advance(&mut self, now: Moment, pool: &mut SectorPool) -> bool {
        // Nearly always there is no boot: every event of a device begins by asking.
        let boots = !matches!(self.power, Power::Up | Power::Dead);
        boots && self.advance_boot(now, pool)
    }

    fn advance_boot(&mut self, now: Moment, pool: &mut SectorPool) -> bool {
        loop {
            match self.power {
                Power::Restarting { at } if at <= now => match self.load(at, pool) {
                    Ok(BootChoice::Nothing) => self.power = Power::Dead,
                    Ok(choice) => self.power = Power::Booting { until: at + self.plan.boot_time, choice },
                    Err(_) => self.lose_power(at),
                },
                Power::Booting { until, choice } if until <= now => {
                    if choice == BootChoice::Trial
                        && self.plan.boot_fault == BootFault::NewFirmwareDoesNotComeUp
                    {
                        self.restart(until);
                        continue;
                    }
                    match self.come_up(until, pool, choice) {
                        Ok(()) => {
                            self.power = Power::Up;
                            return true;
                        }
                        Err(FlashError::PowerLost) => self.lose_power(until),
                        // What cannot be confirmed is tried again, and given up like an image that does not come up.
                        Err(_) => self.restart(until),
                    }
                }
                Power::Up | Power::Dead | Power::Restarting { .. } | Power::Booting { .. } => return false,
            }
        }
    }

    /// Is the boot loader: reads the record, re-hashes the image, notes the attempt, chooses.
    fn load(&mut self, now: Moment, pool: &mut SectorPool) -> Result<BootChoice, FlashError> {
        self.flash.power_on();
        self.concluded = None;
        let (boot_log, record) = RecordPair::open(&self.flash, Places::BOOT, places::BOOT_PLACE_LEN);
        self.boot_log = boot_log;
        self.security = SecurityLog::open(&self.flash, Places::SECURITY_LOG);
        self.load_papers();
        if let Some(record) = &record {
            survivable(self.boot_log.heal(&mut self.flash, pool, record))?;
        }
        let before =
            record.as_deref().and_then(BootRecord::from_bytes).unwrap_or_else(|| factory_record(&self.plan));
        let mut boot = before.clone();
        let mut altered = Vec::new();
        let choice = boot.power_on(|image| {
            let genuine = self.is_genuine(pool, image);
            if !genuine {
                altered.push(image.version);
            }
            genuine
        });
        for version in altered {
            self.note(now, pool, SecurityEvent::ImageAlteredAtPowerOn, version, 0)?;
        }
        if boot.running() != before.running() {
            self.note(now, pool, SecurityEvent::VersionChanged, boot.running().version, 0)?;
        }
        self.note_choice(choice, boot.running() != before.running());
        self.boot = before;
        if boot == self.boot {
            return Ok(choice);
        }
        match self.commit(pool, boot.clone()) {
            Ok(()) => Ok(choice),
            Err(FlashError::PowerLost) => Err(FlashError::PowerLost),
            // An attempt that cannot be counted is not made, for it might be repeated for ever.
            Err(_) if choice == BootChoice::Trial => {
                let running = *self.boot.running();
                Ok(if self.is_genuine(pool, &running) { BootChoice::Confirmed } else { BootChoice::Nothing })
            }
            Err(_) => {
                self.take_up(boot);
                Ok(choice)
            }
        }
    }

    /// The self-check of an image on trial has passed: it becomes the running one. What ended is reported.
    fn come_up(&mut self, now: Moment, pool: &mut SectorPool, choice: BootChoice) -> Result<(), FlashError> {
        if choice == BootChoice::Trial {
            let mut boot = self.boot.clone();
            boot.confirm();
            self.commit(pool, boot)?;
        }
        self.report_worn_record(now, pool)?;
        self.concluded = self.boot.unreported();
        if self.last_counted != self.boot.attempts() {
            self.counted = self.concluded;
            self.last_counted = self.boot.attempts();
        }
        self.report_outcome(now, pool)
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

    /// Makes a changed boot record the one that holds, once it is in flash.
    fn commit(&mut self, pool: &mut SectorPool, boot: BootRecord) -> Result<(), FlashError> {
        self.boot_log.store(&mut self.flash, pool, &boot.to_bytes())?;
        self.take_up(boot);
        Ok(())
    }

    fn take_up(&mut self, boot: BootRecord) {
        if boot.is_step_from(&self.boot) {
            self.history.phase(self.boot.phase(), boot.phase());
        }
        self.boot = boot;
    }

    fn note_choice(&mut self, choice: BootChoice, falls_back: bool) {
        self.history.step(match choice {
            BootChoice::Confirmed if falls_back => BoardStep::BootFallback,
            BootChoice::Confirmed => BoardStep::BootConfirmed,
            BootChoice::Trial => BoardStep::BootTrial,
            BootChoice::Nothing => BoardStep::BootNothing,
        });
    }
}

/// Passes on that power was lost; a device lives with everything else that flash may say while it boots.
fn survivable(result: Result<(), FlashError>) -> Result<(), FlashError> {
    match result {
        Err(FlashError::PowerLost) => result,
        Ok(()) | Err(_) => Ok(()),
    }
}

fn factory_record(plan: &BoardPlan) -> BootRecord {
    BootRecord::factory(plan.running_version, SequenceNumber(plan.factory_sequence))
}
