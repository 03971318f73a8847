//! Block B of the table, row by row, and what a basis says.

use eligibility::{Decision, DmcId, Document, EvidenceKind, EvidenceState, GateRow, ReasonCode};

use crate::world::{ESME, World, check, combination, day, early_world, id, judge, proposal, world};

use EvidenceKind::{DmctEpclReport as Report, MigrationTesting as Mt, SystemIntegrationTesting as Sit};
use EvidenceState::{Complete, Issued, Planned, Withdrawn};

/// D2 is claimed to be equivalent to D1, whose report is in this state; D1 itself is only proposed.
fn equivalence(state: EvidenceState) -> World {
    let mut world = early_world();
    world.rows.ppcl.push(proposal("D1", combination("E1", "G1", "C1", "I1")));
    world.evidence(Report, state, "2020-09-15").equivalent_to = Some(id("D1"));
    world
}

#[test]
fn b1_a_combination_on_the_epcl_is_allowed_whatever_its_evidence() {
    let mut world = world();
    let verdict = judge(&world, "B1", "EPCL");
    let basis = verdict.basis().expect("allowed");
    assert_eq!(
        (basis.rests_on(), basis.evidence().to_string()),
        (day("2020-06-01"), "EPCL D2 (listed 2020-06-01)".to_string())
    );
    world.evidence(Report, Withdrawn, "2020-09-01");
    check(&world, "B1", "EPCL");
}

#[test]
fn b1_an_epcl_entry_counts_from_its_date() {
    let mut world = world();
    world.today = day("2020-05-31");
    check(&world, "B7", "NO_EVIDENCE");
    world.today = day("2020-06-01");
    check(&world, "B1", "EPCL");
}

#[test]
fn b2_a_proposed_combination_with_mt_and_sit_complete_is_allowed_early() {
    let mut world = early_world();
    world.evidence(Mt, Complete, "2020-08-01");
    world.evidence(Sit, Complete, "2020-09-20");
    let verdict = judge(&world, "B2", "EARLY_MT_SIT");
    let basis = verdict.basis().expect("allowed");
    assert_eq!(basis.rests_on(), day("2020-09-20"));
    assert_eq!(basis.decided_on(), day("2020-10-01"));
    assert_eq!((basis.device(), basis.target(), basis.image()), (ESME, &id("E2"), world.image.digest));
    assert_eq!((basis.dmc(), basis.reference()), (&id("D2"), None));
    assert_eq!(basis.evidence().iter().map(Document::kind).collect::<Vec<_>>(), ["MT", "SIT"]);
}

#[test]
fn b2_tests_count_from_their_dates() {
    let mut world = early_world();
    world.evidence(Mt, Complete, "2020-08-01");
    world.evidence(Sit, Complete, "2020-10-02");
    check(&world, "B6", "TESTING_INCOMPLETE");
    world.today = day("2020-10-02");
    check(&world, "B2", "EARLY_MT_SIT");
}

#[test]
fn b3_an_issued_report_allows_without_mt_and_sit() {
    let mut world = early_world();
    world.evidence(Report, Issued, "2020-09-15");
    let verdict = judge(&world, "B3", "EARLY_DMCT_REPORT");
    assert_eq!(verdict.record().evidence, ["DMCT_EPCL_REPORT D2 DMCT_EPCL_REPORT issued"]);
}

#[test]
fn b4_an_issued_report_by_equivalence_names_the_tested_combination() {
    let mut by_tests = equivalence(Issued);
    by_tests.evidence_of("D1", Mt, Complete, "2020-08-01");
    by_tests.evidence_of("D1", Sit, Complete, "2020-09-20");
    let mut by_report = equivalence(Issued);
    by_report.evidence_of("D1", Report, Issued, "2020-09-20");
    for (world, documents) in [(by_tests, 3), (by_report, 2)] {
        let verdict = judge(&world, "B4", "EARLY_DMCT_REPORT_SE");
        let basis = verdict.basis().expect("allowed");
        assert_eq!((basis.reference(), basis.evidence().iter().count()), (Some(&id("D1")), documents));
        assert_eq!(basis.rests_on(), day("2020-09-20"));
        assert!(verdict.explain().contains("equivalent to D1"), "{}", verdict.explain());
    }
    let mut by_listing = equivalence(Issued);
    by_listing.rows.ppcl.retain(|row| row.id != id::<DmcId>("D1"));
    by_listing.list("D1", combination("E1", "G1", "C1", "I1"));
    check(&by_listing, "B4", "EARLY_DMCT_REPORT_SE");
}

#[test]
fn b5_equivalence_is_not_final_while_the_report_is_a_draft() {
    for draft in [Planned, Complete] {
        let mut world = equivalence(draft);
        world.evidence_of("D1", Mt, Complete, "2020-08-01");
        world.evidence_of("D1", Sit, Complete, "2020-08-01");
        check(&world, "B5", "SE_NOT_FINAL");
    }
}

#[test]
fn b5_a_report_that_is_issued_tomorrow_is_a_draft_today() {
    let mut world = equivalence(Issued);
    world.evidence_of("D1", Report, Issued, "2020-08-01");
    world.today = day("2020-09-14");
    check(&world, "B5", "SE_NOT_FINAL");
    world.today = day("2020-09-15");
    check(&world, "B4", "EARLY_DMCT_REPORT_SE");
}

#[test]
fn b5_equivalence_to_an_untested_combination_is_not_final() {
    let mut world = equivalence(Issued);
    let verdict = judge(&world, "B5", "SE_NOT_FINAL");
    assert!(verdict.explain().contains("not tested"), "{}", verdict.explain());
    // Half of the tests, and a report that rests on equivalence itself, show no more.
    world.evidence_of("D1", Mt, Complete, "2020-08-01");
    world.rows.ppcl.push(proposal("D0", combination("E1", "G2", "C1", "I1")));
    world.evidence_of("D1", Report, Issued, "2020-08-01").equivalent_to = Some(id("D0"));
    world.evidence_of("D0", Report, Issued, "2020-08-01");
    check(&world, "B5", "SE_NOT_FINAL");
}

#[test]
fn b6_half_of_the_tests_are_not_enough() {
    for (done, other, missing) in [(Mt, Sit, "SIT of"), (Sit, Mt, "MT of")] {
        let mut world = early_world();
        world.evidence(done, Complete, "2020-08-01");
        let verdict = judge(&world, "B6", "TESTING_INCOMPLETE");
        assert!(verdict.explain().contains(&format!(": {missing}")), "{}", verdict.explain());
        world.evidence(other, Planned, "2020-09-01");
        check(&world, "B6", "TESTING_INCOMPLETE");
        // A draft report is no report.
        world.evidence(Report, Complete, "2020-09-01");
        check(&world, "B6", "TESTING_INCOMPLETE");
    }
}

#[test]
fn b7_nothing_complete_is_no_evidence() {
    let mut world = early_world();
    check(&world, "B7", "NO_EVIDENCE");
    world.evidence(Mt, Planned, "2020-09-01");
    world.evidence(Sit, Planned, "2020-09-01");
    world.evidence(Report, Complete, "2020-09-01");
    check(&world, "B7", "NO_EVIDENCE");
}

#[test]
fn b7_tests_of_a_combination_that_is_not_yet_proposed_are_no_evidence() {
    let mut world = early_world();
    world.evidence(Mt, Complete, "2019-08-01");
    world.evidence(Sit, Complete, "2019-08-01");
    world.config.tmad_v7_effective = day("2019-01-01");
    world.today = day("2020-01-09");
    check(&world, "B7", "NO_EVIDENCE");
    world.today = day("2020-01-10");
    let verdict = judge(&world, "B2", "EARLY_MT_SIT");
    assert_eq!(verdict.basis().map(|basis| basis.rests_on()), Some(day("2020-01-10")));
}

#[test]
fn b8_a_combination_that_is_uneconomic_to_test_is_refused_unless_a_row_before_it_matches() {
    let mut world = early_world();
    for proposal in &mut world.rows.ppcl {
        proposal.uneconomic = true;
    }
    check(&world, "B8", "DMC_UNECONOMIC");
    let mut half = world.clone();
    half.evidence(Mt, Complete, "2020-08-01");
    check(&half, "B6", "TESTING_INCOMPLETE");
    let mut reported = world.clone();
    reported.evidence(Report, Issued, "2020-08-01");
    check(&reported, "B3", "EARLY_DMCT_REPORT");
}

#[test]
fn evidence_that_is_withdrawn_no_longer_allows() {
    let mut world = early_world();
    world.evidence(Report, Issued, "2020-09-15");
    check(&world, "B3", "EARLY_DMCT_REPORT");
    world.rows.evidence.clear();
    // Even before the date of the withdrawal: a row that says so is known today.
    world.evidence(Report, Withdrawn, "2020-12-31");
    check(&world, "B7", "NO_EVIDENCE");
    world.evidence(Report, Withdrawn, "2020-12-30");
    world.evidence(Report, Issued, "2020-09-20");
    check(&world, "B3", "EARLY_DMCT_REPORT");
}

#[test]
fn tests_of_the_reference_that_are_withdrawn_no_longer_carry_the_equivalence() {
    let mut world = equivalence(Issued);
    world.evidence_of("D1", Report, Issued, "2020-09-01");
    check(&world, "B4", "EARLY_DMCT_REPORT_SE");
    for row in &mut world.rows.evidence {
        if row.dmc == id("D1") {
            row.state = Withdrawn;
        }
    }
    check(&world, "B5", "SE_NOT_FINAL");
}

#[test]
fn before_v7_takes_effect_only_the_epcl_allows() {
    let mut early = early_world();
    early.evidence(Mt, Complete, "2020-01-20");
    early.evidence(Sit, Complete, "2020-01-20");
    early.today = day("2020-09-10");
    let verdict = judge(&early, "B2", "EARLY_NOT_IN_EFFECT");
    assert!(verdict.explain().contains("2020-09-11"), "{}", verdict.explain());
    early.today = day("2020-09-11");
    check(&early, "B2", "EARLY_MT_SIT");
    let mut listed = world();
    listed.today = day("2020-06-02");
    check(&listed, "B1", "EPCL");
}

#[test]
fn each_reason_belongs_to_one_row_and_only_the_first_is_not_early() {
    let table = [
        (ReasonCode::Epcl, GateRow::B1, false),
        (ReasonCode::EarlyMtSit, GateRow::B2, true),
        (ReasonCode::EarlyDmctReport, GateRow::B3, true),
        (ReasonCode::EarlyDmctReportSe, GateRow::B4, true),
    ];
    for (reason, row, early) in table {
        assert_eq!((reason.row(), reason.is_early()), (row, early));
    }
}

#[test]
fn a_record_says_in_plain_text_what_the_verdict_says() {
    let mut world = early_world();
    world.evidence(Mt, Complete, "2020-08-01");
    world.evidence(Sit, Complete, "2020-09-20");
    let record = world.decide().record();
    assert!(record.allowed);
    assert_eq!((record.row.as_str(), record.code.as_str()), ("B2", "EARLY_MT_SIT"));
    assert_eq!((record.dmc.as_deref(), record.reference), (Some("D2"), None));
    assert_eq!(record.evidence, ["MT D2 MT complete", "SIT D2 SIT complete"]);
    assert_eq!(record.rests_on.as_deref(), Some("2020-09-20"));
    assert_eq!(
        record.detail,
        "combination D2 is proposed, and since 2020-09-20 its MT and SIT are complete: MT D2 MT complete (complete \
         2020-08-01) and SIT D2 SIT complete (complete 2020-09-20)"
    );
    world.rows.evidence.clear();
    let refused = world.decide();
    assert!(matches!(refused.decision(), Decision::Refuse(_)) && !refused.record().allowed);
    assert_eq!(refused.record().dmc.as_deref(), Some("D2"));
}
