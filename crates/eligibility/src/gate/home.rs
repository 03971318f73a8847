//! An order in one home: who of it is judged beside whom.
//!
//! The gate judges a device by the combination in which its home ends (row A4), and that takes in what the order brings to
//! the other devices. One that may not be updated whatever the others do, such as the Active meter of a Mixed home, stays as
//! it is: the others are judged as if the order did not name it. One that has to wait may never come: who needs it waits
//! with it. `[I]` from `[S1]`: the evidence speaks of the combination that comes about.

use firmware_image::Eui64;
use jiff::civil::Date;

use super::case::{Case, Known, home_targets};
use super::claim::{Claim, GateConfig};
use super::row::{GateRow, Origin};
use super::rules::Rules;
use super::verdict::{Decision, Verdict, VerdictRecord};
use crate::inventory::Inventory;
use crate::register::Register;
use crate::targets::Targets;

/// The code of a device that waits for another one of its home; it stands in row A4.
pub const HOLD_COMPANION: &str = "HOLD_COMPANION";

/// What a verdict means for the rest of the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may have its image.
    Comes,
    /// It has to wait, and may never have it.
    Waits,
    /// It may not have it beside these others.
    Refused,
    /// It may not have it for what it is itself, whoever is beside it.
    Stays,
}

/// What was said of a device, and what that means for the rest of its home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<W> {
    /// What was said.
    pub said: W,
    /// What it means.
    pub standing: Standing,
}

/// Decides as [`decide`](crate::decide) does, and says what that means for the rest of the home.
pub fn decide_beside<'a>(
    claim: &Claim<'a>,
    register: &'a Register,
    inventory: &'a Inventory,
    today: Date,
    config: &GateConfig,
) -> Word<Verdict<'a>> {
    let said = super::decide(claim, register, inventory, today, config);
    let standing = match said.decision() {
        Decision::Allow(_) => Standing::Comes,
        Decision::Hold(_) => Standing::Waits,
        Decision::Refuse(_) | Decision::Skip(_) => match said.row() {
            GateRow::A4 => {
                let known = Known { register, inventory, today, config: *config };
                let case = inventory
                    .find(claim.device)
                    .map(|device| Case::new(claim, device, home_targets(claim, device), &known));
                // The combination is asked about before the image and its path.
                match case.is_some_and(|case| Rules::COMPLETE.turn_down_the_device(&case)) {
                    true => Standing::Stays,
                    false => Standing::Refused,
                }
            }
            row if row.is_about_the_device() => Standing::Stays,
            _ => Standing::Refused,
        },
    };
    Word { said, standing }
}

impl GateRow {
    /// Says whether a refusal by this row is about the device and its image alone, and not about the combination in which
    /// its home ends.
    fn is_about_the_device(self) -> bool {
        use GateRow::{A0, A1, A2, A3, A5, A9, A10};
        matches!(self, A0 | A1 | A2 | A3 | A5 | A9 | A10)
    }
}

impl VerdictRecord {
    /// Makes a verdict that allows an update one that has it wait for another device of the home.
    pub fn beside_held(self, companion: Eui64) -> VerdictRecord {
        let detail = beside_held(companion);
        let VerdictRecord { device, decided_on, .. } = &self;
        let target = self.target.as_deref().map(|target| format!(" to {target}")).unwrap_or_default();
        let row = GateRow::A4;
        VerdictRecord {
            sentence: format!(
                "On {decided_on} device {device} has to wait for its update{target}: {detail} (row {row}, {HOLD_COMPANION})."
            ),
            decision: "hold",
            allowed: false,
            row: row.to_string(),
            origin: Origin::Inference,
            code: HOLD_COMPANION.to_owned(),
            evidence: Vec::new(),
            rests_on: None,
            detail,
            ..self
        }
    }
}

/// Says why a device waits for another one of its home.
pub fn beside_held(companion: Eui64) -> String {
    format!("device {companion} of the same home has to wait, and without it the combination is not allowed")
}

/// Judges devices of one home that an order names. `judge` is asked about each as long as another one is found to stay as it
/// is, with the targets of those that are left; the last word counts. Who is allowed only beside somebody that has to wait is
/// given to `hold`, with whom it waits for.
pub fn judge_home<W>(
    devices: &[Eui64],
    mut targets: Targets,
    judge: impl Fn(Eui64, &Targets) -> Word<W>,
    hold: impl Fn(W, Eui64) -> W,
) -> Vec<(Eui64, W)> {
    let mut words: Vec<(Eui64, W)> = Vec::with_capacity(devices.len());
    let mut open = devices.to_vec();
    loop {
        let mut told: Vec<(Eui64, Word<W>)> =
            open.iter().map(|device| (*device, judge(*device, &targets))).collect();
        let stays: Vec<(Eui64, Word<W>)> =
            told.extract_if(.., |(_, word)| word.standing == Standing::Stays).collect();
        if stays.is_empty() {
            words.extend(hold_beside(told, targets, judge, hold));
            return words;
        }
        open = told.into_iter().map(|(device, _)| device).collect();
        for (device, word) in stays {
            targets.remove(device);
            words.push((device, word.said));
        }
    }
}

fn hold_beside<W>(
    told: Vec<(Eui64, Word<W>)>,
    mut targets: Targets,
    judge: impl Fn(Eui64, &Targets) -> Word<W>,
    hold: impl Fn(W, Eui64) -> W,
) -> Vec<(Eui64, W)> {
    let waits = told.iter().filter(|(_, word)| word.standing == Standing::Waits);
    let waits: Vec<Eui64> = waits.map(|(device, _)| *device).collect();
    waits.iter().for_each(|device| targets.remove(*device));
    let last = |(device, word): (Eui64, Word<W>)| match (word.standing, waits.first()) {
        (Standing::Comes, Some(held)) => {
            let alone = judge(device, &targets);
            let comes = alone.standing == Standing::Comes;
            (device, if comes { alone.said } else { hold(word.said, *held) })
        }
        _ => (device, word.said),
    };
    told.into_iter().map(last).collect()
}
