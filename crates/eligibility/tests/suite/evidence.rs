//! Block B of the table, row by row, and what a basis says.

use eligibility::{
    Decision, DmcId, Document, EvidenceKind, EvidenceState, GateRow, ReasonCode, Register, RegisterRows,
    read_csv,
};

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
    world.evidence(Report, Withdrawn, "2020-12-30").doc_ref = id("another");
    world.evidence(Report, Issued, "2020-09-20");
    check(&world, "B3", "EARLY_DMCT_REPORT");
}

/// Both tests of D2, the MT as report 17.
fn tested() -> World {
    let mut world = early_world();
    world.evidence(Mt, Complete, "2020-08-28").doc_ref = id("report 17");
    world.evidence(Sit, Complete, "2020-09-18");
    world
}

#[track_caller]
fn check_on(world: &mut World, today: &str, row: &str, code: &str) -> String {
    world.today = day(today);
    judge(world, row, code).explain()
}

/// Somebody who withdraws a test adds a row that says so. It went into a place of its own, the row before stayed in force,
/// and devices were updated on a test that was withdrawn.
#[test]
fn a_withdrawal_that_is_added_takes_its_document_back_from_its_day_on() {
    let mut world = tested();
    world.evidence(Mt, Withdrawn, "2020-09-30").doc_ref = id("report 17");
    check_on(&mut world, "2020-09-29", "B2", "EARLY_MT_SIT");
    for today in ["2020-09-30", "2021-01-01"] {
        let told = check_on(&mut world, today, "B6", "TESTING_INCOMPLETE");
        assert!(told.contains("MT report 17 (withdrawn 2020-09-30)"), "{told}");
    }
    // In whichever order the rows stand.
    world.rows.evidence.rotate_right(1);
    check_on(&mut world, "2020-09-30", "B6", "TESTING_INCOMPLETE");
}

#[test]
fn a_withdrawal_takes_back_what_its_combination_and_kind_had_before_whatever_it_is_called() {
    // A letter seldom calls a report as the list does, and what is doubtful must not open the gate.
    let mut world = tested();
    world.evidence(Mt, Withdrawn, "2020-09-30").doc_ref = id("Report 17, issue 1");
    check_on(&mut world, "2020-09-29", "B2", "EARLY_MT_SIT");
    check_on(&mut world, "2020-09-30", "B6", "TESTING_INCOMPLETE");
    // Another kind, and another combination, are another matter.
    let mut other = tested();
    other.evidence(Report, Withdrawn, "2020-09-30").doc_ref = id("report 17");
    other.rows.ppcl.push(proposal("D1", combination("E1", "G1", "C1", "I1")));
    other.evidence_of("D1", Mt, Withdrawn, "2020-09-30").doc_ref = id("report 17");
    check_on(&mut other, "2020-10-01", "B2", "EARLY_MT_SIT");
}

#[test]
fn a_new_document_counts_again_after_a_withdrawal_beside_the_rows_of_the_old_one() {
    for withdrawn in ["2020-09-30", "2020-10-15"] {
        let mut world = tested();
        world.evidence(Mt, Withdrawn, withdrawn).doc_ref = id("report 17");
        world.evidence(Mt, Complete, "2020-10-15").doc_ref = id("report 18");
        check_on(&mut world, "2020-09-29", "B2", "EARLY_MT_SIT");
        if withdrawn == "2020-09-30" {
            check_on(&mut world, "2020-10-14", "B6", "TESTING_INCOMPLETE");
        }
        let told = check_on(&mut world, "2020-10-15", "B2", "EARLY_MT_SIT");
        assert!(told.contains("report 18") && !told.contains("report 17"), "{told}");
        world.rows.evidence.retain(|row| row.doc_ref != id("report 17") || row.state == Withdrawn);
        check_on(&mut world, "2020-10-15", "B2", "EARLY_MT_SIT");
    }
}

#[test]
fn a_withdrawn_report_carries_no_equivalence_and_claims_none() {
    let mut world = equivalence(Issued);
    world.evidence_of("D1", Mt, Complete, "2020-08-01");
    world.evidence_of("D1", Sit, Complete, "2020-08-01");
    let mut unproven = world.clone();
    world.evidence(Report, Withdrawn, "2020-09-20");
    check_on(&mut world, "2020-09-19", "B4", "EARLY_DMCT_REPORT_SE");
    check_on(&mut world, "2020-09-20", "B7", "NO_EVIDENCE");
    unproven.evidence_of("D1", Sit, Withdrawn, "2020-09-20");
    check_on(&mut unproven, "2020-09-19", "B4", "EARLY_DMCT_REPORT_SE");
    check_on(&mut unproven, "2020-09-20", "B5", "SE_NOT_FINAL");
}

/// Evidence rows that contradict one another: each is told with both lines.
#[test]
fn a_document_stands_in_one_row_or_is_withdrawn_in_a_second() {
    let header = "dmc_id,kind,state,date,doc_ref,equivalent_to\n";
    let mut world = early_world();
    world.rows.ppcl.push(proposal("D1", combination("E1", "G1", "C1", "I1")));
    let load = |rows: &str| {
        let evidence = read_csv(format!("{header}{rows}").as_bytes()).expect("each row is sound by itself");
        let rows = RegisterRows { evidence, ..world.rows.clone() };
        Register::from_rows(rows).map(|_| ()).map_err(|error| error.to_string())
    };
    let complete = "D2,MT,complete,2020-08-28,report 17,\n";
    for (added, column, said) in [
        (
            complete,
            "doc_ref",
            "a document that no other line names (line 2 does, as complete), found \"report 17\"",
        ),
        (
            "D2,MT,planned,2020-09-30,report 17,\n",
            "doc_ref",
            "a document that no other line names (line 2 does, as complete), found \"report 17\"",
        ),
        (
            "D2,MT,withdrawn,2020-08-27,report 17,\n",
            "date",
            "a day not before 2020-08-28, since when line 2 has the same document as complete, found \"2020-08-27\"",
        ),
        (
            "D2,MT,withdrawn,2020-09-30,report 17,\nD2,MT,withdrawn,2020-09-30,report 17,\n",
            "doc_ref",
            "a document that no other line withdraws (line 3 does), found \"report 17\"",
        ),
        (
            "D2,MT,complete,2020-09-30,report 18,\nD2,MT,withdrawn,2020-10-01,report 17,\n",
            "kind",
            "one row in force for a combination and kind (line 2 is one), found \"D2 MT\"",
        ),
    ] {
        let told = load(&format!("{complete}{added}")).expect_err("a contradiction");
        assert!(told.contains(&format!("column {column}: expected {said}")), "{told}");
    }
    for added in [
        "D2,MT,withdrawn,2020-08-28,report 17,\n",
        "D2,MT,withdrawn,2020-09-30,report 16,\nD2,MT,withdrawn,2020-09-30,report 15,\n",
        "D2,SIT,complete,2020-09-30,report 17,\nD1,MT,planned,2020-09-30,report 17,\n",
        "D2,MT,withdrawn,2020-09-30,report 17,\nD2,MT,complete,2020-09-30,report 18,\n",
    ] {
        assert_eq!(load(&format!("{complete}{added}")), Ok(()), "{added}");
    }
    // A plan has the day that it is for, and may be given up before.
    let planned = "D2,SIT,planned,2020-11-02,plan 12,\nD2,SIT,withdrawn,2020-10-01,plan 12,\n";
    assert_eq!(load(planned), Ok(()));
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
