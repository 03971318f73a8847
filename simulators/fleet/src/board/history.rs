//! What a board has been through: which steps of the boot record it took, what it booted, what became of its banks.
//! Bookkeeping of the simulator, by which tests see that none of this never happens; no device knows it.

use crate::boot::BootPhase;
use crate::edges::Edges;

/// Something that a boot loader does, or that befalls a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoardStep {
    BootConfirmed = 0,
    BootTrial = 1,
    /// What ran is altered, and what ran before runs again.
    BootFallback = 2,
    BootNothing = 3,
    /// A bank is emptied for another image.
    Emptied = 4,
    /// The same with the bank of the image that ran before.
    FallbackGivenUp = 5,
    /// Parts of a bank are emptied, to be written again.
    PartsCleared = 6,
    /// A bank is worn, and used no more.
    Retired = 7,
}

const STEPS: [(BoardStep, &str); 8] = [
    (BoardStep::BootConfirmed, "boots what is confirmed"),
    (BoardStep::BootTrial, "boots what is on trial"),
    (BoardStep::BootFallback, "boots what ran before"),
    (BoardStep::BootNothing, "boots nothing"),
    (BoardStep::Emptied, "bank emptied"),
    (BoardStep::FallbackGivenUp, "bank of what ran before emptied"),
    (BoardStep::PartsCleared, "bank emptied in part"),
    (BoardStep::Retired, "bank retired"),
];

/// What has happened on a board at least once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoardHistory {
    phases: Edges,
    steps: u8,
    worn_sectors: u32,
}

impl BoardHistory {
    pub(super) fn phase(&mut self, from: BootPhase, to: BootPhase) {
        self.phases.take(from as u8, to as u8);
    }

    pub(super) fn step(&mut self, step: BoardStep) {
        self.steps |= 1 << step as u8;
    }

    pub(super) fn worn_sector(&mut self) {
        self.worn_sectors = self.worn_sectors.saturating_add(1);
    }

    /// Adds what another board has been through.
    pub fn add(&mut self, other: BoardHistory) {
        self.phases.add(other.phases);
        self.steps |= other.steps;
        self.worn_sectors = self.worn_sectors.saturating_add(other.worn_sectors);
    }

    /// Returns how many worn sectors the device has found.
    pub fn worn_sectors(&self) -> u32 {
        self.worn_sectors
    }

    /// Returns all of it in words, such as `boot Armed to Trial` and `bank retired`.
    pub fn words(&self) -> Vec<String> {
        let pairs = BootPhase::ALL.into_iter().flat_map(|from| BootPhase::ALL.map(|to| (from, to)));
        let taken = pairs.filter(|(from, to)| self.phases.has(*from as u8, *to as u8));
        let steps = STEPS.iter().filter(|(step, _)| self.steps & 1 << *step as u8 != 0);
        taken
            .map(|(from, to)| format!("boot {from:?} to {to:?}"))
            .chain(steps.map(|(_, words)| (*words).to_owned()))
            .collect()
    }
}
