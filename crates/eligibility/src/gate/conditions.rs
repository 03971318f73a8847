//! Block A of the table, as far as it needs no evidence and nothing that time or an errand mends: one function a rule.
//!
//! Each returns why its rule is not passed, or `None`. A rule that lacks what another would have refused passes, so
//! that each stands for itself. The marks are explained in [`GateRow`].

use super::case::{Case, Goal, goal};
use super::claim::InstructingParty;
use super::document::{Document, Documents};
use super::refusal::{ActiveReason, DmcMismatch, ImageMismatch, Refusal};
use super::row::GateRow;
use super::rules::Stopped;
use super::verdict::{Decision, Skip};
use crate::cpl::CplStatus;
use crate::device::MeterStatus;
use crate::inventory::{Excluded, Member};

/// What a rule says: nothing when it is passed.
pub(super) type Objection<'a> = Option<Stopped<'a>>;

/// A1 `[S1]`: the instruction comes from the DCC.
pub(super) fn from_the_dcc<'a>(case: &Case<'a>) -> Objection<'a> {
    match case.claim.instructed_by {
        InstructingParty::Dcc => None,
        InstructingParty::Other(party) => refuse(Refusal::NotDcc { party }),
    }
}

/// A1 `[S1]`: it addresses the SMSO that operates the installation.
pub(super) fn to_the_operator<'a>(case: &Case<'a>) -> Objection<'a> {
    let (addressed, operator) = (case.claim.addressed_smso, case.home.smso());
    if addressed == operator { None } else { refuse(Refusal::WrongSmso { addressed, operator }) }
}

/// A0 `[I]`: what the device runs and is to run are both on the product list.
pub(super) fn models_are_known<'a>(case: &Case<'a>) -> Objection<'a> {
    case.goal.err().and_then(refuse)
}

/// A0 `[I]`: there is something to do. Running the target counts as success, whatever else has changed.
pub(super) fn not_on_target<'a>(case: &Case<'a>) -> Objection<'a> {
    let target = case.target_of(case.device).filter(|target| *target == case.device.entry())?;
    skip(Skip::AlreadyOnTarget(target), Documents::NONE)
}

/// A2 `[S1]`: no Active Meter.
pub(super) fn not_an_active_meter<'a>(case: &Case<'a>) -> Objection<'a> {
    active_meter(case.device).and_then(|reason| refuse(Refusal::Active(reason)))
}

/// A2 `[S1]`: a device that is no meter is associated with a Dormant Meter of its own installation.
pub(super) fn associated_with_a_dormant_meter<'a>(case: &Case<'a>) -> Objection<'a> {
    unassociated(case, case.device).and_then(|reason| refuse(Refusal::Active(reason)))
}

/// A2 `[I]` `[C]`: a device that an Active Meter uses too waits for the policy. The wording for hubs of Mixed
/// installations was not found.
pub(super) fn not_shared_with_an_active_meter<'a>(case: &Case<'a>) -> Objection<'a> {
    shared_in_mixed(case, case.device).and_then(|reason| refuse(Refusal::Active(reason)))
}

/// A3 `[I]` from `[S1]` and `[S14]`: not enrolled.
pub(super) fn not_enrolled<'a>(case: &Case<'a>) -> Objection<'a> {
    if case.device.is_enrolled() { refuse(Refusal::Enrolled) } else { None }
}

/// A5 `[S6]` `[S7]`, for firmware `[I]`: the device itself is not excluded.
pub(super) fn not_excluded<'a>(case: &Case<'a>) -> Objection<'a> {
    case.device.excluded_on(case.today).and_then(|excluded| left_out(case.device, excluded))
}

/// A5 `[S6]` `[S7]`, for firmware `[I]`: no other device of the installation is excluded for a reason that means the
/// whole home.
pub(super) fn home_not_excluded<'a>(case: &Case<'a>) -> Objection<'a> {
    let others = case.home.members().filter(|member| member.id() != case.device.id());
    let mut excluded =
        others.filter_map(|member| member.excluded_on(case.today).map(|excluded| (member, excluded)));
    let (member, excluded) = excluded.find(|(_, excluded)| excluded.reason.is_of_installation())?;
    left_out(member, excluded)
}

/// A4 `[S1]`, the exact match `[I]`: the combination the home ends in is a known one. Each place of a known one holds an
/// entry of its type, so that this refuses a target for another type of device too.
pub(super) fn combination_is_known<'a>(case: &Case<'a>) -> Objection<'a> {
    match case.dmc {
        Some(_) => None,
        None => {
            let combination = case.combination;
            refuse(Refusal::FirmwareNotInDmc(DmcMismatch::NoSuchCombination { combination }))
        }
    }
}

/// A4 `[I]`: every other device of the order in this home can be updated too, as far as is known without its image.
/// Otherwise the combination that the evidence speaks of would never come about.
pub(super) fn companions_can_follow<'a>(case: &Case<'a>) -> Objection<'a> {
    let others = case.home.members().filter(|member| member.id() != case.device.id());
    others.into_iter().find_map(|companion| {
        let target = case.target_of(companion).filter(|target| *target != companion.entry())?;
        let row = match goal(companion, target, case.register) {
            Ok(goal) => held_by(case, companion, &goal)?,
            Err(unknown) => unknown.row(),
        };
        refuse(Refusal::FirmwareNotInDmc(DmcMismatch::Companion { device: companion.id(), row }))
    })
}

/// Returns the first row that a companion does not pass.
fn held_by<'a>(case: &Case<'a>, companion: Member<'a>, goal: &Goal<'a>) -> Option<GateRow> {
    let inactive = active_meter(companion)
        .or_else(|| unassociated(case, companion))
        .or_else(|| shared_in_mixed(case, companion));
    let unfit = [status_of, model_of, hardware_of].iter().any(|rule| rule(companion, goal).is_some());
    if inactive.is_some() {
        Some(GateRow::A2)
    } else if companion.is_enrolled() {
        Some(GateRow::A3)
    } else if companion.excluded_on(case.today).is_some() {
        Some(GateRow::A5)
    } else if unfit {
        Some(GateRow::A9)
    } else if !goal.target.predecessors.permit(&goal.current.id) {
        Some(GateRow::A10)
    } else {
        None
    }
}

/// A9 `[I]`: the target entry is in force.
pub(super) fn entry_is_active<'a>(case: &Case<'a>) -> Objection<'a> {
    of_entry(case, status_of)
}

/// A9 `[I]`: the target entry is for this manufacturer and model.
pub(super) fn entry_is_for_the_model<'a>(case: &Case<'a>) -> Objection<'a> {
    of_entry(case, model_of)
}

/// A9 `[I]`: the target entry is for this hardware.
pub(super) fn entry_is_for_the_hardware<'a>(case: &Case<'a>) -> Objection<'a> {
    of_entry(case, hardware_of)
}

/// A9 `[I]`: the image is the registered one, byte for byte.
pub(super) fn image_is_registered<'a>(case: &Case<'a>) -> Objection<'a> {
    let goal = case.goal.ok()?;
    let mismatch = match goal.target.image {
        None => ImageMismatch::NotRegistered,
        Some(registered) if registered.digest != case.claim.image.digest => ImageMismatch::Digest,
        Some(_) => return None,
    };
    refuse(Refusal::Image(mismatch))
}

/// A9 `[I]`: the image has the registered size.
pub(super) fn image_has_the_size<'a>(case: &Case<'a>) -> Objection<'a> {
    let registered = case.goal.ok()?.target.image?;
    if registered.size == case.claim.image.size { None } else { refuse(Refusal::Image(ImageMismatch::Size)) }
}

/// A9 `[I]`: the header says the version that the target entry says.
pub(super) fn image_has_the_version<'a>(case: &Case<'a>) -> Objection<'a> {
    let wanted = case.goal.ok()?.target.firmware;
    let mismatch = ImageMismatch::FirmwareVersion;
    if case.claim.image.identity.file_version == wanted { None } else { refuse(Refusal::Image(mismatch)) }
}

/// A9 `[I]`: the header's range holds the device's hardware.
pub(super) fn image_fits_the_hardware<'a>(case: &Case<'a>) -> Objection<'a> {
    let device = case.device.hardware();
    let range = case.claim.image.identity.hardware.filter(|range| !range.contains(device));
    range.and_then(|_| refuse(Refusal::Image(ImageMismatch::HardwareRange { device })))
}

/// A10 `[I]`, that order matters `[S22]`: the running version is a permitted predecessor.
pub(super) fn predecessor_is_permitted<'a>(case: &Case<'a>) -> Objection<'a> {
    let Goal { current, target } = case.goal.ok()?;
    if target.predecessors.permit(&current.id) {
        return None;
    }
    let (current, permitted) = (&current.id, &target.predecessors);
    refuse(Refusal::Path { current, target: &target.id, permitted })
}

fn active_meter(device: Member<'_>) -> Option<ActiveReason> {
    (device.status() == MeterStatus::Active).then_some(ActiveReason::Meter)
}

fn unassociated(case: &Case<'_>, device: Member<'_>) -> Option<ActiveReason> {
    let concerns = device.status() == MeterStatus::NotApplicable;
    (concerns && !home_has(case, MeterStatus::Dormant)).then_some(ActiveReason::NoDormantMeter)
}

fn shared_in_mixed(case: &Case<'_>, device: Member<'_>) -> Option<ActiveReason> {
    let concerns = device.status() == MeterStatus::NotApplicable && !case.config.allow_shared_in_mixed;
    (concerns && home_has(case, MeterStatus::Active)).then_some(ActiveReason::SharedInMixed)
}

fn home_has(case: &Case<'_>, status: MeterStatus) -> bool {
    case.home.members().any(|member| member.status() == status)
}

type EntryRule = fn(Member<'_>, &Goal<'_>) -> Option<ImageMismatch>;

fn of_entry<'a>(case: &Case<'a>, rule: EntryRule) -> Objection<'a> {
    let goal = case.goal.ok()?;
    rule(case.device, &goal).and_then(|mismatch| refuse(Refusal::Image(mismatch)))
}

fn status_of(_: Member<'_>, goal: &Goal<'_>) -> Option<ImageMismatch> {
    let status = goal.target.status;
    (status != CplStatus::Active).then_some(ImageMismatch::CplStatus(status))
}

fn model_of(_: Member<'_>, goal: &Goal<'_>) -> Option<ImageMismatch> {
    let Goal { current, target } = goal;
    let differs = (&target.manufacturer, &target.model) != (&current.manufacturer, &current.model);
    differs.then_some(ImageMismatch::Model)
}

fn hardware_of(device: Member<'_>, goal: &Goal<'_>) -> Option<ImageMismatch> {
    let (device, entry) = (device.hardware(), goal.target.hardware);
    (device != entry).then_some(ImageMismatch::CplHardware { device, entry })
}

fn left_out<'a>(device: Member<'a>, excluded: &'a Excluded) -> Objection<'a> {
    let document = Document::of_exclusion(device.id(), excluded);
    skip(Skip::Excluded { device: device.id(), reason: &excluded.reason }, Documents::of([document]))
}

fn skip<'a>(skip: Skip<'a>, documents: Documents<'a>) -> Objection<'a> {
    Some(Stopped { decision: Decision::Skip(skip), documents })
}

fn refuse<'a>(refusal: Refusal<'a>) -> Objection<'a> {
    Some(Stopped { decision: Decision::Refuse(refusal), documents: Documents::NONE })
}
