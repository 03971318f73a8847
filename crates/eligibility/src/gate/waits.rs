//! What an update that would be allowed still has to wait for: the rule's day, a notice, a slot, the WAN.

use jiff::ToSpan;
use jiff::civil::Date;

use super::basis::Proof;
use super::case::Case;
use super::claim::{NoticePolicy, Slot, WanContact};
use super::conditions::Objection;
use super::document::Documents;
use super::refusal::Refusal;
use super::rules::Stopped;
use super::verdict::{Decision, Hold, Wait};
use crate::inventory::NoticeView;
use crate::text::SupplierId;

/// How far a device is from being covered by a notice: of several notices the one that was issued last is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeGap<'a> {
    /// There is none about the device.
    None,
    /// It went to another supplier.
    Supplier(&'a SupplierId),
    /// It speaks of other versions.
    Versions,
    /// It speaks of another combination.
    Combination,
    /// Its window opens, or its lead time ends, on this day.
    Opens(Date),
    /// Its window closed on this day.
    Closed(Date),
}

/// B2 to B4 `[S1]`, the day `[C]`: early updates are allowed since TMAD V7.0 took effect.
pub(super) fn rule_in_effect<'a>(case: &Case<'a>, proof: &Proof<'a>) -> Objection<'a> {
    let effective = case.config.tmad_v7_effective;
    if !proof.reason.is_early() || case.today >= effective {
        return None;
    }
    let refusal = Refusal::EarlyNotInEffect { row: proof.reason.row(), dmc: proof.dmc, effective };
    Some(Stopped { decision: Decision::Refuse(refusal), documents: proof.evidence })
}

/// A6 `[S2]`, that it is asked and with what lead time `[C]`: a notice to the supplier covers the day.
pub(super) fn supplier_notified<'a>(case: &Case<'a>, proof: &Proof<'a>) -> Objection<'a> {
    let NoticePolicy::Required { lead_days } = case.config.notice else { return None };
    let gap = gap(case, proof, lead_days)?;
    hold(Wait::NotNotified { supplier: case.device.supplier(), gap }, proof)
}

/// A7 `[S1]` `[S4]`, for firmware `[I]`: a slot is free.
pub(super) fn slot_free<'a>(case: &Case<'a>, proof: &Proof<'a>) -> Objection<'a> {
    if case.claim.circumstances.slot == Slot::Taken { hold(Wait::Queue, proof) } else { None }
}

/// A8 `[S6]`, that the gate asks `[I]`: the SMSO has WAN contact.
pub(super) fn hub_reached<'a>(case: &Case<'a>, proof: &Proof<'a>) -> Objection<'a> {
    if case.claim.circumstances.wan == WanContact::Lost { hold(Wait::NoWan, proof) } else { None }
}

/// Returns the notice that covers the day, where notices are asked for.
pub(super) fn covering_notice<'a>(case: &Case<'a>, proof: &Proof<'a>) -> Option<NoticeView<'a>> {
    let NoticePolicy::Required { lead_days } = case.config.notice else { return None };
    case.inventory.notices(case.device.id()).find(|notice| gap_of(case, proof, notice, lead_days).is_none())
}

fn gap<'a>(case: &Case<'a>, proof: &Proof<'a>, lead_days: u16) -> Option<NoticeGap<'a>> {
    let mut last = NoticeGap::None;
    for notice in case.inventory.notices(case.device.id()) {
        last = gap_of(case, proof, &notice, lead_days)?;
    }
    Some(last)
}

/// Returns what is missing in one notice.
fn gap_of<'a>(
    case: &Case<'a>,
    proof: &Proof<'a>,
    notice: &NoticeView<'a>,
    lead_days: u16,
) -> Option<NoticeGap<'a>> {
    let goal = case.goal.ok()?;
    let opens = notice.issued_at.saturating_add(i64::from(lead_days).days()).max(notice.window_start);
    if notice.supplier != case.device.supplier() {
        Some(NoticeGap::Supplier(notice.supplier))
    } else if (notice.from, notice.to) != (goal.current.firmware, goal.target.firmware) {
        Some(NoticeGap::Versions)
    } else if notice.dmc.is_some_and(|dmc| dmc != proof.dmc) {
        Some(NoticeGap::Combination)
    } else if case.today < opens {
        Some(NoticeGap::Opens(opens))
    } else if case.today > notice.window_end {
        Some(NoticeGap::Closed(notice.window_end))
    } else {
        None
    }
}

fn hold<'a>(wait: Wait<'a>, proof: &Proof<'a>) -> Objection<'a> {
    let decision = Decision::Hold(Hold { wait, reason: proof.reason, dmc: proof.dmc });
    Some(Stopped { decision, documents: Documents::NONE })
}
