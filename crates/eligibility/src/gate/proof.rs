//! Block B of the table: the evidence that unlocks an instruction, one function a row.
//!
//! The first that answers decides. Each row has its whole condition, so that what it says does not lean on the rows
//! before it; only B7, which remains when nothing else matches, has none.

use jiff::civil::Date;

use super::basis::{Proof, ReasonCode};
use super::case::Case;
use super::document::{Document, Documents};
use super::refusal::{Refusal, Unproven};
use super::rules::Stopped;
use super::verdict::Decision;
use crate::evidence::{Evidence, EvidenceKind};
use crate::register::Dmc;
use crate::text::DmcId;

/// What a row says: nothing when it does not apply.
pub(super) type Answer<'a> = Option<Result<Proof<'a>, Stopped<'a>>>;

/// B1 `[S1]`: on the EPCL, and not removed from it by now (`[I]`).
pub(super) fn listed<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    let added = dmc.listed_on(case.today)?;
    let evidence = Documents::of([Some(Document::Listing { dmc: &dmc.id, added })]);
    let (reason, reference) = (ReasonCode::Epcl, None);
    Some(Ok(Proof { reason, dmc: &dmc.id, reference, evidence, rests_on: added }))
}

/// B2 `[S1]`, both of them `[I]`: proposed, MT and SIT complete.
pub(super) fn tested<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    let tests = both_tests(dmc, case.today)?;
    early(case, dmc, ReasonCode::EarlyMtSit, None, tests)
}

/// B3 `[S1]`: proposed, tested in the DMCT Process, the report issued.
pub(super) fn reported<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    let report = dmc.counting(EvidenceKind::DmctEpclReport, case.today)?;
    if report.equivalent_to.is_some() {
        return None;
    }
    let evidence = Documents::of([Some(Document::Evidence(report))]);
    early(case, dmc, ReasonCode::EarlyDmctReport, None, evidence)
}

/// B4 `[S1]`: proposed by substantive equivalence to a tested combination, the report issued, no objection open.
pub(super) fn reported_as_equivalent<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    let report = dmc.counting(EvidenceKind::DmctEpclReport, case.today)?;
    let reference = report.equivalent_to.as_ref().filter(|_| report.open_objections.0 == 0)?;
    let tests = tests_of(case.register.dmc(reference)?, case.today)?;
    let evidence = tests.and(Some(Document::Evidence(report)));
    early(case, dmc, ReasonCode::EarlyDmctReportSe, Some(reference), evidence)
}

/// B5 `[S1]`: equivalence is claimed, and the report is a draft or an objection is open; or, `[I]`, the combination
/// relied on is not tested.
pub(super) fn equivalence_not_final<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    pending(case, dmc)?;
    let report = dmc.evidence(EvidenceKind::DmctEpclReport, case.today)?;
    let reference = report.equivalent_to.as_ref()?;
    let issued = dmc.counting(EvidenceKind::DmctEpclReport, case.today).is_some();
    let open_objections = report.open_objections.0;
    let tested = case.register.dmc(reference).and_then(|dmc| tests_of(dmc, case.today)).is_some();
    if issued && open_objections == 0 && tested {
        return None;
    }
    let refusal = Refusal::EquivalenceNotFinal { dmc: &dmc.id, reference, issued, open_objections };
    refuse(refusal, Documents::of([Some(Document::Evidence(report))]))
}

/// B6 `[S1]`, with the reading of B2: one of MT and SIT complete, no report issued.
pub(super) fn half_tested<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    pending(case, dmc)?;
    if dmc.counting(EvidenceKind::DmctEpclReport, case.today).is_some() {
        return None;
    }
    let test = |kind| dmc.counting(kind, case.today);
    let migration = test(EvidenceKind::MigrationTesting);
    let missing = match (migration, test(EvidenceKind::SystemIntegrationTesting)) {
        (Some(_), None) => EvidenceKind::SystemIntegrationTesting,
        (None, Some(_)) => EvidenceKind::MigrationTesting,
        (Some(_), Some(_)) | (None, None) => return None,
    };
    refuse(Refusal::TestingIncomplete { dmc: &dmc.id, missing }, whatever_there_is(dmc, case.today))
}

/// B8 `[S6]`: declared uneconomic to test.
pub(super) fn uneconomic<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    let proposal = dmc.proposal.filter(|proposal| proposal.uneconomic)?;
    if dmc.listed_on(case.today).is_some() {
        return None;
    }
    let document = Document::Proposal { dmc: &dmc.id, proposed: proposal.date };
    refuse(Refusal::Uneconomic { dmc: &dmc.id }, Documents::of([Some(document)]))
}

/// B7 `[S1]`: nothing but somebody's confidence, which is no input of the gate at all.
pub(super) fn nothing<'a>(case: &Case<'a>) -> Answer<'a> {
    let dmc = case.dmc?;
    let removed = dmc.removed_by(case.today);
    let why = match (pending(case, dmc), removed) {
        (Some(_), _) => Unproven::Untested,
        (None, Some(on)) => Unproven::Removed { on },
        (None, None) => Unproven::NotProposed,
    };
    let removal = removed.map(|removed| Document::Removal { dmc: &dmc.id, removed });
    refuse(Refusal::NoEvidence { dmc: &dmc.id, why }, whatever_there_is(dmc, case.today).and(removal))
}

/// The early rows speak of a combination that is proposed and not on the EPCL yet.
fn pending(case: &Case<'_>, dmc: &Dmc) -> Option<Date> {
    if dmc.listed_on(case.today).is_some() {
        return None;
    }
    dmc.proposal_on(case.today).map(|proposal| proposal.date)
}

fn early<'a>(
    case: &Case<'a>,
    dmc: &'a Dmc,
    reason: ReasonCode,
    reference: Option<&'a DmcId>,
    evidence: Documents<'a>,
) -> Answer<'a> {
    let proposed = pending(case, dmc)?;
    let rests_on = evidence.latest().map_or(proposed, |latest| latest.max(proposed));
    Some(Ok(Proof { reason, dmc: &dmc.id, reference, evidence, rests_on }))
}

fn both_tests(dmc: &Dmc, today: Date) -> Option<Documents<'_>> {
    let migration = dmc.counting(EvidenceKind::MigrationTesting, today)?;
    let integration = dmc.counting(EvidenceKind::SystemIntegrationTesting, today)?;
    Some(Documents::of([migration, integration].map(Document::Evidence).map(Some)))
}

/// What shows that a combination relied on by equivalence is tested: its MT and SIT, an issued report of its own tests,
/// or its EPCL entry (`[I]`). A report that itself rests on equivalence shows no tests, so there is no chain.
fn tests_of(dmc: &Dmc, today: Date) -> Option<Documents<'_>> {
    let report = || {
        let report = dmc.counting(EvidenceKind::DmctEpclReport, today)?;
        report.equivalent_to.is_none().then_some(Document::Evidence(report))
    };
    let listing = || dmc.listed_on(today).map(|added| Document::Listing { dmc: &dmc.id, added });
    both_tests(dmc, today)
        .or_else(|| report().or_else(listing).map(|document| Documents::of([Some(document)])))
}

/// What there is of each kind, although it does not suffice: in force, or else withdrawn.
fn whatever_there_is(dmc: &Dmc, today: Date) -> Documents<'_> {
    let known = |kind: &EvidenceKind| -> Option<&Evidence> {
        dmc.evidence(*kind, today).or(dmc.withdrawn(*kind, today))
    };
    Documents::of(EvidenceKind::ALL.iter().map(|kind| known(kind).map(Document::Evidence)))
}

fn refuse<'a>(refusal: Refusal<'a>, documents: Documents<'a>) -> Answer<'a> {
    Some(Err(Stopped { decision: Decision::Refuse(refusal), documents }))
}
