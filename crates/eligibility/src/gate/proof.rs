//! Block B of the table: the evidence that unlocks an instruction.

use jiff::civil::Date;

use super::Stop;
use super::basis::{Basis, Proof, ReasonCode};
use super::claim::{Claim, GateConfig};
use super::conditions::Standing;
use super::refusal::Refusal;
use crate::evidence::{Evidence, EvidenceKind};
use crate::register::{Dmc, Register};

/// Finds what an update rests on, or says why it rests on nothing.
pub(super) fn find(
    claim: &Claim<'_>,
    standing: &Standing<'_>,
    register: &Register,
    today: Date,
    config: &GateConfig,
) -> Result<Basis, Stop> {
    let proof = ask_rows(standing.dmc, register, today)?;
    if proof.reason.is_early() && today < config.tmad_v7_effective {
        let (row, dmc) = (proof.reason.row(), proof.dmc);
        return Err(Refusal::EarlyNotInEffect { row, dmc, effective: config.tmad_v7_effective }.into());
    }
    Ok(Basis::new(claim.device, standing.target.id.clone(), claim.image.digest, today, proof))
}

/// Asks B1 to B8 in their order; the first that matches decides. B7 has no condition of its own (there is nothing but
/// confidence, and that is no input), so B8 is asked before it.
fn ask_rows(dmc: &Dmc, register: &Register, today: Date) -> Result<Proof, Refusal> {
    // B1: on the EPCL.
    if let Some(date_added) = dmc.date_added.filter(|date| *date <= today) {
        let (reason, id) = (ReasonCode::Epcl, dmc.id.clone());
        return Ok(Proof { reason, dmc: id, reference: None, evidence: Vec::new(), rests_on: date_added });
    }
    let uneconomic = dmc.proposal.is_some_and(|proposal| proposal.uneconomic);
    let Some(proposal) = dmc.proposal.filter(|proposal| proposal.date <= today) else {
        // The early rows speak of a combination that is proposed; this one is not, or not yet.
        return Err(match uneconomic {
            true => Refusal::Uneconomic { dmc: dmc.id.clone() },
            false => Refusal::NoEvidence { dmc: dmc.id.clone(), proposed: false },
        });
    };
    let early = |reason, evidence: Vec<&Evidence>| {
        let rests_on = evidence.iter().map(|evidence| evidence.date).fold(proposal.date, Date::max);
        let evidence = evidence.into_iter().map(Evidence::reference).collect();
        Proof { reason, dmc: dmc.id.clone(), reference: None, evidence, rests_on }
    };
    // B2: tested itself.
    let migration = dmc.counting(EvidenceKind::MigrationTesting, today);
    let integration = dmc.counting(EvidenceKind::SystemIntegrationTesting, today);
    if let (Some(migration), Some(integration)) = (migration, integration) {
        return Ok(early(ReasonCode::EarlyMtSit, vec![migration, integration]));
    }
    // B3, B4, B5: a report, by its own tests or by equivalence.
    let report = dmc.evidence(EvidenceKind::DmctEpclReport);
    let issued = report.filter(|report| report.counts_on(today));
    match (report.and_then(|report| report.equivalent_to.as_ref()), issued) {
        (None, Some(report)) => return Ok(early(ReasonCode::EarlyDmctReport, vec![report])),
        (None, None) => {}
        (Some(reference), issued) => {
            let tested = register.dmc(reference).and_then(|dmc| tests_of(dmc, today));
            let (Some(report), Some((tests, tested_since))) = (issued, tested) else {
                let (dmc, reference) = (dmc.id.clone(), reference.clone());
                return Err(Refusal::EquivalenceNotFinal { dmc, reference, report_issued: issued.is_some() });
            };
            let mut proof = early(ReasonCode::EarlyDmctReportSe, [vec![report], tests].concat());
            proof.rests_on = proof.rests_on.max(tested_since);
            proof.reference = Some(reference.clone());
            return Ok(proof);
        }
    }
    Err(match (migration, integration) {
        // B6: half of the tests.
        (Some(_), None) => Refusal::TestingIncomplete {
            dmc: dmc.id.clone(),
            missing: EvidenceKind::SystemIntegrationTesting,
        },
        (None, Some(_)) => {
            Refusal::TestingIncomplete { dmc: dmc.id.clone(), missing: EvidenceKind::MigrationTesting }
        }
        // B8, then B7: what is left.
        _ if uneconomic => Refusal::Uneconomic { dmc: dmc.id.clone() },
        _ => Refusal::NoEvidence { dmc: dmc.id.clone(), proposed: true },
    })
}

/// What shows that a combination relied on by equivalence is tested, and since when: its MT and SIT, an issued report
/// of its own tests, or its EPCL entry. A report that itself rests on equivalence shows no tests, so there is no chain.
fn tests_of(dmc: &Dmc, today: Date) -> Option<(Vec<&Evidence>, Date)> {
    let migration = dmc.counting(EvidenceKind::MigrationTesting, today);
    let integration = dmc.counting(EvidenceKind::SystemIntegrationTesting, today);
    if let (Some(migration), Some(integration)) = (migration, integration) {
        return Some((vec![migration, integration], migration.date.max(integration.date)));
    }
    let report = dmc.counting(EvidenceKind::DmctEpclReport, today);
    if let Some(report) = report.filter(|report| report.equivalent_to.is_none()) {
        return Some((vec![report], report.date));
    }
    dmc.date_added.filter(|date| *date <= today).map(|date_added| (Vec::new(), date_added))
}
