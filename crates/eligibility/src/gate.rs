//! The gate: one claim, everything known, one day; one verdict.
//!
//! Rows are asked in the order of the table: a claim that fails several is told the first. Every row is asked anew at
//! plan, instruct, start of transfer and activation, by calling [`decide`] again, because dormancy and evidence change.

mod basis;
mod claim;
mod conditions;
mod proof;
mod refusal;
mod row;
mod verdict;

use jiff::civil::Date;

pub use basis::{Basis, ReasonCode};
pub use claim::{Claim, GateConfig, InstructingParty, OfferedImage};
pub use refusal::{ActiveReason, DmcMismatch, ImageMismatch, Refusal};
pub use row::{GateRow, Origin};
pub use verdict::{Skip, Verdict, VerdictRecord};

use crate::inventory::Inventory;
use crate::register::Register;

/// Decides whether a device may get a firmware image on a day, and on what evidence.
///
/// Preconditions (block A: A1 to A5, A9, A10) are all asked before the evidence (block B) of the combination the
/// installation ends in. A6, A7 and A8 are not asked: see the crate's documentation.
///
/// The combination is that of the *whole* order: each device that [`Claim::targets`] names is taken to run its target.
/// When another of them may not be updated, the home would end in a combination that nobody tested, so the claim fails
/// row A4; order without that device and the claim is judged on the combination that then comes about.
pub fn decide(
    claim: &Claim<'_>,
    register: &Register,
    inventory: &Inventory,
    today: Date,
    config: &GateConfig,
) -> Verdict {
    let allowed = conditions::check(claim, register, inventory, config)
        .and_then(|standing| proof::find(claim, &standing, register, today, config));
    match allowed {
        Ok(basis) => Verdict::Allow(basis),
        Err(Stop::Refuse(refusal)) => Verdict::Refuse(refusal),
        Err(Stop::Skip(skip)) => Verdict::Skip(skip),
    }
}

/// What ends the walk through the rows.
#[derive(Debug)]
enum Stop {
    Refuse(Refusal),
    Skip(Skip),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refuse(refusal)
    }
}

impl From<Skip> for Stop {
    fn from(skip: Skip) -> Self {
        Stop::Skip(skip)
    }
}
