//! The gate: one claim, everything known, one day; one verdict.
//!
//! Every row is asked anew at plan, instruct, start of transfer and activation, by calling [`decide`] again, because
//! dormancy and evidence change. The rules stand in a table (`rules`), and what they ask is resolved once (`case`).

mod basis;
mod case;
mod claim;
mod conditions;
mod document;
mod home;
mod proof;
mod refusal;
mod row;
mod rules;
#[cfg(test)]
mod tests;
mod verdict;
mod waits;
mod words;

use jiff::civil::Date;

pub use basis::{Basis, ReasonCode};
pub use claim::{
    Circumstances, Claim, GateConfig, InstructingParty, NoticePolicy, OfferedImage, Slot, WanContact,
};
pub use document::{Document, DocumentRecord, Documents};
pub use home::{HOLD_COMPANION, Standing, Word, beside_held, decide_beside, judge_home};
pub use refusal::{ActiveReason, DmcMismatch, ImageMismatch, Refusal, Unproven};
pub use row::{GateRow, Origin};
pub use verdict::{Decision, Hold, Skip, Verdict, VerdictRecord, Wait};
pub use waits::NoticeGap;

use crate::inventory::{Inventory, Member};
use crate::register::Register;
use case::{HomeTargets, Known, home_targets};
use rules::Rules;

/// Decides whether a device may get a firmware image on a day, and on what evidence.
///
/// What is wrong with the device itself is told before what is wrong with its companions, and what is refused before
/// what has to wait: a device that the inventory does not have is told first; then the rows are asked in the order A1, A0,
/// A2, A3, A5, A4, A9, A10; then whether the companions of the same home can be updated (A4 again); then the evidence, B1
/// to B8; then A6, A7 and A8. The first that does not pass decides.
///
/// The combination is that of the *whole* order: each device that [`Claim::targets`] names is taken to run its target.
/// When another of them may not be updated, the home would end in a combination that nobody tested, so the claim fails
/// row A4; [`judge_home`] leaves such a device out, and the claim is judged on the combination that then comes about.
///
/// Nothing is allocated: the verdict refers to the lists. [`Verdict::record`] makes it independent of them.
pub fn decide<'a>(
    claim: &Claim<'a>,
    register: &'a Register,
    inventory: &'a Inventory,
    today: Date,
    config: &GateConfig,
) -> Verdict<'a> {
    let known = Known { register, inventory, today, config: *config };
    let device = inventory.find(claim.device);
    judge(claim, device.map(|device| (device, home_targets(claim, device))), &known)
}

/// How many claims are looked up before the first of them is judged: enough to have all waits for memory overlap, and
/// few enough that what was fetched is still there when it is needed.
const AT_ONCE: usize = 8;

/// Decides about many claims, in their order, and hands each on with its verdict.
///
/// The same as [`decide`] for each. In a large inventory most of a verdict is waiting for the memory where the device
/// stands; here the devices of several claims are looked for together.
pub fn decide_each<'a>(
    claims: impl IntoIterator<Item = Claim<'a>>,
    register: &'a Register,
    inventory: &'a Inventory,
    today: Date,
    config: &GateConfig,
    mut take: impl FnMut(&Claim<'a>, Verdict<'a>),
) {
    let known = Known { register, inventory, today, config: *config };
    let mut claims = claims.into_iter();
    let mut batch: Vec<(Claim<'a>, Option<Member<'a>>)> = Vec::with_capacity(AT_ONCE);
    let mut found: Vec<Option<(Member<'a>, HomeTargets<'a>)>> = Vec::with_capacity(AT_ONCE);
    loop {
        batch.clear();
        batch.extend(claims.by_ref().take(AT_ONCE).map(|claim| (claim, inventory.find(claim.device))));
        if batch.is_empty() {
            return;
        }
        found.clear();
        let targets = |claim, device: Member<'a>| (device, home_targets(claim, device));
        found.extend(batch.iter().map(|(claim, device)| device.map(|device| targets(claim, device))));
        for ((claim, _), found) in batch.iter().zip(&found) {
            take(claim, judge(claim, *found, &known));
        }
    }
}

fn judge<'a>(
    claim: &Claim<'a>,
    found: Option<(Member<'a>, HomeTargets<'a>)>,
    known: &Known<'a>,
) -> Verdict<'a> {
    let verdict = Rules::COMPLETE.judge(claim, found, known, |_| {});
    verdict.expect("row B7 answers when no other row does")
}
