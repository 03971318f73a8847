//! The boot record: which image runs, which one is armed, and how an attempt ends.
//!
//! Pure arithmetic on one small record; flash and time are left to [`crate::board`].
//!
//! ```text
//!              arm                 power on             self-check passes
//!   Settled ---------> Armed ------------------> Trial ------------------> Settled, new image, counter raised
//!      ^                 |  image altered          | ^ |
//!      +-----------------+                         | +-+ power on, boots left
//!      +-------------------------------------------+ no boots left or image altered: the old image runs
//! ```

use firmware_image::{
    CounterEpoch, FileDigest, FileVersion, ImageDigest, OrderCounter, OrderMemory, SecurityCounter,
    SequenceNumber,
};

use crate::bank::BankId;
use crate::record::{FieldReader, FieldWriter};

/// How often a new image may try to come up before the old one returns.
///
/// More than one, so that a supply that fails in those seconds does not cost the update (assumption: three, as in
/// common boot loaders).
pub(crate) const TRIAL_BOOTS: u8 = 3;

/// How an activation ended; the numbers are those of the GBCS activate-firmware response (fact).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActivationOutcome {
    /// The new image runs and has confirmed itself.
    Success = 0,
    /// There was no verified image to activate.
    NoImageHeld = 1,
    /// The image read back from flash is not the one that was ordered.
    HashMismatch = 2,
    /// The new image did not come up, and the old one runs again.
    ActivationFailure = 3,
}

impl ActivationOutcome {
    /// All of them, by their codes.
    pub const ALL: [ActivationOutcome; 4] = [
        ActivationOutcome::Success,
        ActivationOutcome::NoImageHeld,
        ActivationOutcome::HashMismatch,
        ActivationOutcome::ActivationFailure,
    ];

    /// Returns the number that the response carries.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the outcome of a number.
    pub fn from_code(code: u8) -> Option<ActivationOutcome> {
        ActivationOutcome::ALL.get(usize::from(code)).copied()
    }

    /// Returns the word that the specification has for it.
    pub fn name(self) -> &'static str {
        match self {
            ActivationOutcome::Success => "success",
            ActivationOutcome::NoImageHeld => "noImageHeld",
            ActivationOutcome::HashMismatch => "hashMismatch",
            ActivationOutcome::ActivationFailure => "activationFailure",
        }
    }
}

/// How far an activation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootPhase {
    Settled = 0,
    Armed = 1,
    Trial = 2,
}

impl BootPhase {
    pub(crate) const ALL: [BootPhase; 3] = [BootPhase::Settled, BootPhase::Armed, BootPhase::Trial];

    /// Returns whether the life cycle has this step.
    pub(crate) fn may_become(self, next: BootPhase) -> bool {
        use BootPhase::{Armed, Settled, Trial};
        matches!(
            (self, next),
            (Settled, Armed) | (Armed, Trial | Settled) | (Trial, Trial | Settled) | (Settled, Settled)
        )
    }
}

/// An image in a bank, as the boot loader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BankImage {
    pub(crate) bank: BankId,
    pub(crate) version: FileVersion,
    /// `None` for the image the factory put there, whose bytes are not simulated.
    pub(crate) stored: Option<StoredExtent>,
}

/// What a stored image must be when it is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredExtent {
    pub(crate) size: u32,
    /// Of the payload: which image it is.
    pub(crate) image: ImageDigest,
    /// Of every byte that was verified: what a boot compares. No signature is asked for again, for the key that
    /// signed what runs may have been retired since.
    pub(crate) file: FileDigest,
}

/// The non-volatile record of the boot loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BootRecord {
    phase: BootPhase,
    trial_boots: u8,
    running: BankImage,
    /// The image that ran before, as long as its bank is untouched.
    fallback: Option<BankImage>,
    /// The image being activated, and the sequence number it will raise the counter to.
    armed: Option<(BankImage, Option<SequenceNumber>)>,
    counter: SecurityCounter,
    orders: OrderMemory,
    /// How many nonces were drawn.
    draws: u64,
    /// How many activations were begun, those that never reached the boot loader among them.
    attempts: u32,
    /// How the newest of them ended.
    outcome: Option<ActivationOutcome>,
    /// Whether the security log has it.
    reported: bool,
    /// Banks in which a sector is worn out, by bits; they hold nothing any more.
    worn_banks: u128,
}

/// What the boot loader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootChoice {
    /// The confirmed image, or the one it falls back to.
    Confirmed,
    /// The new image, on trial.
    Trial,
    /// No bank holds a genuine image.
    Nothing,
}

impl BootRecord {
    /// Returns the record of a device as it leaves the factory.
    pub(crate) fn factory(version: FileVersion, sequence: SequenceNumber) -> BootRecord {
        BootRecord {
            phase: BootPhase::Settled,
            trial_boots: 0,
            running: BankImage { bank: BankId(0), version, stored: None },
            fallback: None,
            armed: None,
            counter: SecurityCounter { sequence, image: None },
            orders: OrderMemory::default(),
            draws: 0,
            attempts: 0,
            outcome: None,
            reported: true,
            worn_banks: 0,
        }
    }

    pub(crate) fn phase(&self) -> BootPhase {
        self.phase
    }

    /// Returns whether this record, written over `before`, is a step of the life cycle; another trial is one too.
    pub(crate) fn is_step_from(&self, before: &BootRecord) -> bool {
        (self.phase, self.trial_boots) != (before.phase, before.trial_boots)
    }

    pub(crate) fn running(&self) -> &BankImage {
        &self.running
    }

    pub(crate) fn counter(&self) -> &SecurityCounter {
        &self.counter
    }

    /// Returns what is remembered of the orders obeyed.
    pub(crate) fn orders(&self) -> &OrderMemory {
        &self.orders
    }

    /// Returns how many nonces were drawn.
    pub(crate) fn draws(&self) -> u64 {
        self.draws
    }

    /// Draws another nonce: no order that was made before it is obeyed after it.
    pub(crate) fn draw(&mut self) {
        self.draws += 1;
    }

    pub(crate) fn outcome(&self) -> Option<ActivationOutcome> {
        self.outcome
    }

    /// Returns the image that is being activated.
    pub(crate) fn armed(&self) -> Option<&BankImage> {
        self.armed.as_ref().map(|(image, _)| image)
    }

    /// Returns how many activations were begun.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the outcome that the security log does not have yet.
    pub(crate) fn unreported(&self) -> Option<ActivationOutcome> {
        self.outcome.filter(|_| !self.reported)
    }

    /// Notes that the security log has the outcome.
    pub(crate) fn set_reported(&mut self) {
        self.reported = true;
    }

    /// Notes how an activation ended that never reached the boot loader; an order that was believed is spent.
    pub(crate) fn end_unarmed(&mut self, outcome: ActivationOutcome, order: Option<OrderMemory>) {
        self.attempts += 1;
        self.conclude(outcome);
        if let Some(order) = order {
            self.orders = order;
            self.draw();
        }
    }

    fn conclude(&mut self, outcome: ActivationOutcome) {
        self.outcome = Some(outcome);
        self.reported = false;
    }

    /// Returns whether the bank may be erased and used: it neither runs nor is armed nor worn.
    pub(crate) fn is_spare(&self, bank: BankId) -> bool {
        let armed = self.armed.is_some_and(|(image, _)| image.bank == bank);
        self.running.bank != bank && !armed && self.worn_banks & bank_bit(bank) == 0
    }

    /// Returns whether the bank holds the image that ran before.
    pub(crate) fn is_fallback(&self, bank: BankId) -> bool {
        self.fallback.is_some_and(|image| image.bank == bank)
    }

    /// Uses a bank no more; returns whether the record changed.
    pub(crate) fn retire_bank(&mut self, bank: BankId) -> bool {
        let news = self.worn_banks & bank_bit(bank) == 0;
        self.worn_banks |= bank_bit(bank);
        news
    }

    /// Notes that a bank is about to be erased; returns whether the record changed.
    pub(crate) fn forget_bank(&mut self, bank: BankId) -> bool {
        let held = self.is_fallback(bank);
        if held {
            self.fallback = None;
        }
        held
    }

    /// Prepares the next boot to try `image`; the order is spent, and its nonce with it, by the same write.
    pub(crate) fn arm(
        &mut self,
        image: BankImage,
        sequence: Option<SequenceNumber>,
        order: Option<OrderMemory>,
    ) {
        self.become_phase(BootPhase::Armed);
        self.armed = Some((image, sequence));
        self.trial_boots = 0;
        self.attempts += 1;
        self.outcome = None;
        if let Some(order) = order {
            self.orders = order;
            self.draw();
        }
    }

    /// Decides what to start when power comes; `genuine` re-hashes an image from flash.
    pub(crate) fn power_on(&mut self, mut genuine: impl FnMut(&BankImage) -> bool) -> BootChoice {
        if let Some((image, _)) = self.armed {
            let altered = !genuine(&image);
            if !altered && self.trial_boots < TRIAL_BOOTS {
                self.become_phase(BootPhase::Trial);
                self.trial_boots += 1;
                return BootChoice::Trial;
            }
            self.become_phase(BootPhase::Settled);
            self.armed = None;
            self.conclude(if altered {
                ActivationOutcome::HashMismatch
            } else {
                ActivationOutcome::ActivationFailure
            });
        }
        if genuine(&self.running) {
            return BootChoice::Confirmed;
        }
        match self.fallback.take() {
            Some(image) if genuine(&image) => {
                self.running = image;
                BootChoice::Confirmed
            }
            _ => BootChoice::Nothing,
        }
    }

    /// Makes the image on trial the running one; only now does the security counter rise.
    pub(crate) fn confirm(&mut self) {
        let (image, sequence) = self.armed.take().expect("only an armed image is on trial");
        self.become_phase(BootPhase::Settled);
        self.fallback = Some(self.running);
        self.running = image;
        self.conclude(ActivationOutcome::Success);
        if let (Some(sequence), Some(extent)) = (sequence, image.stored) {
            self.counter = SecurityCounter { sequence, image: Some(extent.image) };
        }
    }

    fn become_phase(&mut self, next: BootPhase) {
        debug_assert!(self.phase.may_become(next), "{:?} to {next:?}", self.phase);
        self.phase = next;
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut fields = FieldWriter::default();
        fields.u8(self.phase as u8).u8(self.trial_boots);
        write_image(&mut fields, Some(&self.running));
        write_image(&mut fields, self.fallback.as_ref());
        write_image(&mut fields, self.armed.as_ref().map(|(image, _)| image));
        let sequence = self.armed.and_then(|(_, sequence)| sequence);
        fields.u8(u8::from(sequence.is_some())).u64(sequence.map_or(0, |sequence| sequence.0));
        fields.u64(self.counter.sequence.0).u8(u8::from(self.counter.image.is_some()));
        fields.bytes(self.counter.image.map_or([0; 32], |image| *image.as_bytes()).as_slice());
        fields.u32(self.orders.epoch.0).u64(self.orders.counter.0).u64(self.draws);
        fields.u32(self.attempts).u8(self.outcome.map_or(0xFF, ActivationOutcome::code));
        fields.u8(u8::from(self.reported)).bytes(&self.worn_banks.to_le_bytes());
        fields.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<BootRecord> {
        let mut fields = FieldReader(bytes);
        let phase = fields.u8()?;
        let trial_boots = fields.u8()?;
        let running = read_image(&mut fields)??;
        let fallback = read_image(&mut fields)?;
        let armed = read_image(&mut fields)?;
        let armed_sequence = (fields.u8()? == 1, SequenceNumber(fields.u64()?));
        let sequence = SequenceNumber(fields.u64()?);
        let counted_image = (fields.u8()? == 1, ImageDigest::from_bytes(fields.array()?));
        let epoch = CounterEpoch(fields.u32()?);
        let orders = OrderMemory { epoch, counter: OrderCounter(fields.u64()?) };
        let draws = fields.u64()?;
        let attempts = fields.u32()?;
        let outcome = ActivationOutcome::from_code(fields.u8()?);
        let reported = fields.u8()? == 1;
        let worn_banks = u128::from_le_bytes(fields.array()?);
        Some(BootRecord {
            phase: *BootPhase::ALL.get(usize::from(phase))?,
            trial_boots,
            running,
            fallback,
            armed: armed.map(|image| (image, armed_sequence.0.then_some(armed_sequence.1))),
            counter: SecurityCounter { sequence, image: counted_image.0.then_some(counted_image.1) },
            orders,
            draws,
            attempts,
            outcome,
            reported,
            worn_banks,
        })
    }
}

fn bank_bit(bank: BankId) -> u128 {
    1 << (bank.0 & 127)
}

fn write_image(fields: &mut FieldWriter, image: Option<&BankImage>) {
    let Some(image) = image else {
        fields.u8(0);
        return;
    };
    fields.u8(if image.stored.is_some() { 2 } else { 1 }).u8(image.bank.0).u32(image.version.0);
    if let Some(extent) = &image.stored {
        fields.u32(extent.size).bytes(extent.image.as_bytes()).bytes(extent.file.as_bytes());
    }
}

/// Reads an optional image; the outer `None` means that the record is not one of ours.
fn read_image(fields: &mut FieldReader<'_>) -> Option<Option<BankImage>> {
    let form = fields.u8()?;
    if form == 0 {
        return Some(None);
    }
    let bank = BankId(fields.u8()?);
    let version = FileVersion(fields.u32()?);
    let stored = match form {
        2 => Some(StoredExtent {
            size: fields.u32()?,
            image: ImageDigest::from_bytes(fields.array()?),
            file: FileDigest::from_bytes(fields.array()?),
        }),
        _ => None,
    };
    Some(Some(BankImage { bank, version, stored }))
}

#[cfg(test)]
mod tests;
