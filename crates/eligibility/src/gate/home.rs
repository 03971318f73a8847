//! An order in one home: who of it is judged beside whom.
//!
//! The gate judges a device by the combination in which its home ends (row A4), and that takes in what the order brings to
//! the other devices. One that may not be updated whatever the others do, such as the Active meter of a Mixed home, stays as
//! it is: the others are judged as if the order did not name it. `[I]` from `[S1]`: the evidence speaks of the combination
//! that comes about.

use firmware_image::Eui64;

use super::row::GateRow;
use super::verdict::{Decision, Verdict};
use crate::targets::Targets;

/// What was said of a device, and of whom it spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<W> {
    /// What was said.
    pub said: W,
    /// Whether it turns the device down for what it is itself, whatever becomes of the rest of its home.
    pub stays: bool,
}

impl GateRow {
    /// Says whether a refusal by this row is about the device and its image alone, and not about the combination in which
    /// its home ends.
    fn is_about_the_device(self) -> bool {
        use GateRow::{A0, A1, A2, A3, A5, A9, A10};
        matches!(self, A0 | A1 | A2 | A3 | A5 | A9 | A10)
    }
}

impl Verdict<'_> {
    /// Says whether the device may have its image, now or when its day has come.
    pub fn may_come(&self) -> bool {
        matches!(self.decision(), Decision::Allow(_) | Decision::Hold(_))
    }

    /// Says whether the device stays as it is whatever becomes of the rest of its home.
    pub fn stays(&self) -> bool {
        !self.may_come() && self.row().is_about_the_device()
    }
}

/// Judges devices of one home that an order names. `judge` is asked about each as long as another one is found to stay as it
/// is, with the targets of those that are left; the last word counts.
pub fn judge_home<W>(
    devices: &[Eui64],
    mut targets: Targets,
    judge: impl Fn(Eui64, &Targets) -> Word<W>,
) -> Vec<(Eui64, W)> {
    let mut words: Vec<(Eui64, W)> = Vec::with_capacity(devices.len());
    let mut open = devices.to_vec();
    loop {
        let mut told: Vec<(Eui64, Word<W>)> =
            open.iter().map(|device| (*device, judge(*device, &targets))).collect();
        if told.iter().all(|(_, word)| !word.stays) {
            words.extend(told.into_iter().map(|(device, word)| (device, word.said)));
            return words;
        }
        open.retain(|device| told.iter().any(|(other, word)| other == device && !word.stays));
        for (device, word) in told.extract_if(.., |(_, word)| word.stays) {
            targets.remove(device);
            words.push((device, word.said));
        }
    }
}
