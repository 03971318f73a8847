//! What a verdict says to people and to programs: one sentence, and the same as data.

use eligibility::{
    Date, EvidenceKind, EvidenceState, Exclusion, ExclusionEntry, MeterStatus, Notice, NoticePolicy,
    ObjectionCount, Slot, WanContact,
};
use firmware_image::FileVersion;

use crate::world::{ESME, GSME, HUB, World, combination, day, early_world, id, proposal, world};

use EvidenceKind::{DmctEpclReport as Report, MigrationTesting as Mt, SystemIntegrationTesting as Sit};

#[track_caller]
fn check(world: &World, expected: &str) {
    assert_eq!(world.ask_gate(|verdict| verdict.explain()), expected);
}

fn notice(issued_at: Date) -> Notice {
    Notice {
        supplier: id("SUPPLIER-1"),
        mpxn: id("1200023456789"),
        device: ESME,
        dmc: None,
        from: FileVersion(1),
        to: FileVersion(2),
        window_start: day("2020-09-20"),
        window_end: day("2020-10-31"),
        issued_at,
    }
}

#[test]
fn an_allowed_update_is_told_with_its_day_its_evidence_and_their_dates() {
    check(
        &world(),
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may be updated to E2: combination D2 is on the EPCL since \
         2020-06-01: EPCL D2 (listed 2020-06-01) (row B1, EPCL).",
    );
    let mut tested = early_world();
    tested.evidence(Mt, EvidenceState::Complete, "2020-08-01");
    tested.evidence(Sit, EvidenceState::Complete, "2020-09-20");
    check(
        &tested,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may be updated to E2: combination D2 is proposed, and since \
         2020-09-20 its MT and SIT are complete: MT D2 MT complete (complete 2020-08-01) and SIT D2 SIT complete \
         (complete 2020-09-20) (row B2, EARLY_MT_SIT).",
    );
    let mut equivalent = early_world();
    equivalent.list("D1", combination("E1", "G1", "C1", "I1"));
    equivalent.evidence(Report, EvidenceState::Issued, "2020-09-15").equivalent_to = Some(id("D1"));
    check(
        &equivalent,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may be updated to E2: combination D2 is proposed as equivalent \
         to D1, and since 2020-09-15 that one is tested and the DMCT EPCL Report issued: EPCL D1 (listed 2020-06-01) \
         and DMCT_EPCL_REPORT D2 DMCT_EPCL_REPORT issued (issued 2020-09-15) (row B4, EARLY_DMCT_REPORT_SE).",
    );
}

#[test]
fn a_refusal_names_what_there_is_of_what_is_missing() {
    let mut active = world();
    active.device_mut(ESME).status = MeterStatus::Active;
    check(
        &active,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may not be updated to E2: it is an Active Meter (row A2, \
         REJECT_ACTIVE).",
    );
    let mut half = early_world();
    half.evidence(Mt, EvidenceState::Withdrawn, "2020-09-12");
    half.evidence(Sit, EvidenceState::Complete, "2020-09-20");
    check(
        &half,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may not be updated to E2: MT of combination D2 is not complete, \
         and no DMCT EPCL Report is issued; see MT D2 MT withdrawn (withdrawn 2020-09-12) and SIT D2 SIT complete \
         (complete 2020-09-20) (row B6, TESTING_INCOMPLETE).",
    );
    let mut objected = early_world();
    objected.rows.ppcl.push(proposal("D1", combination("E1", "G1", "C1", "I1")));
    objected.evidence_of("D1", Report, EvidenceState::Issued, "2020-08-01");
    let report = objected.evidence(Report, EvidenceState::Issued, "2020-09-15");
    (report.equivalent_to, report.open_objections) = (Some(id("D1")), ObjectionCount(2));
    check(
        &objected,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may not be updated to E2: combination D2 is claimed to be \
         equivalent to D1, and 2 objections are open; see DMCT_EPCL_REPORT D2 DMCT_EPCL_REPORT issued (issued \
         2020-09-15) (row B5, SE_NOT_FINAL).",
    );
    let mut removed = world();
    removed.rows.epcl[0].date_removed = Some(day("2020-09-30"));
    check(
        &removed,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may not be updated to E2: combination D2 was removed from the \
         EPCL on 2020-09-30 and is not proposed again; see EPCL D2 (removed 2020-09-30) (row B7, NO_EVIDENCE).",
    );
    let mut companion = world();
    companion.targets.insert(GSME, id("G2"));
    companion.list("D3", combination("E2", "G2", "C1", "I1"));
    companion.device_mut(GSME).enrolled = true;
    check(
        &companion,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 may not be updated to E2: the order needs device \
         00-00-00-00-00-00-01-02 of the same home updated too, which row A3 forbids (row A4, REJECT_FW_NOT_IN_DMC).",
    );
}

#[test]
fn an_excluded_home_reads_excluded_for_each_of_its_meters_although_both_are_ordered() {
    let mut world = world();
    world.targets.insert(GSME, id("G2"));
    world.list("D3", combination("E2", "G2", "C1", "I1"));
    world.exclusions.push(ExclusionEntry {
        device: HUB,
        reason: Exclusion::MissingMasterKeys,
        since: day("2020-09-01"),
        doc_ref: Some(id("keys audit 4")),
    });
    for device in [ESME, GSME] {
        world.device = device;
        check(
            &world,
            &format!(
                "On 2020-10-01 device {device} is left out: device 00-00-00-00-00-00-01-00 is excluded as \
                 missing-master-keys; see EXCLUSION keys audit 4 (in force 2020-09-01) (row A5, SKIP_EXCLUDED)."
            ),
        );
    }
    // Before that day it was not excluded.
    world.today = day("2020-08-31");
    world.config.tmad_v7_effective = day("2020-08-01");
    world.device = ESME;
    crate::world::check(&world, "B1", "EPCL");
}

#[test]
fn a_meter_excluded_for_itself_reads_excluded_and_holds_its_companion() {
    let mut world = world();
    world.targets.insert(GSME, id("G2"));
    world.list("D3", combination("E2", "G2", "C1", "I1"));
    world.device_mut(GSME).exclusion = Some(Exclusion::GasMeterHanError);
    crate::world::check(&world, "A4", "REJECT_FW_NOT_IN_DMC");
    world.device = GSME;
    crate::world::check(&world, "A5", "SKIP_EXCLUDED");
}

#[test]
fn both_meters_with_a_fault_of_their_own_read_their_own() {
    let mut world = world();
    world.targets.insert(GSME, id("G2"));
    world.list("D3", combination("E2", "G2", "C1", "I1"));
    for entry in ["E2", "G2"] {
        world.entry_mut(entry).predecessors = eligibility::Predecessors::These([].into());
    }
    crate::world::check(&world, "A10", "REJECT_PATH");
}

#[test]
fn what_waits_is_told_what_for_and_that_it_would_be_allowed() {
    let mut waiting = world();
    waiting.config.notice = NoticePolicy::Required { lead_days: 28 };
    waiting.notices = vec![notice(day("2020-09-10"))];
    check(
        &waiting,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 has to wait for its update to E2: supplier SUPPLIER-1 is not \
         notified: the notice covers no day before 2020-10-08; combination D2 allows it as EPCL (row A6, \
         HOLD_NOT_NOTIFIED).",
    );
    waiting.today = day("2020-10-08");
    waiting.circumstances.slot = Slot::Taken;
    crate::world::check(&waiting, "A7", "QUEUE");
    waiting.circumstances.slot = Slot::Free;
    waiting.circumstances.wan = WanContact::Lost;
    check(
        &waiting,
        "On 2020-10-08 device 00-00-00-00-00-00-01-01 has to wait for its update to E2: the hub is not reached over \
         the WAN; combination D2 allows it as EPCL (row A8, RETRY_NO_WAN).",
    );
    waiting.circumstances.wan = WanContact::Reached;
    let evidence = waiting.ask_gate(|verdict| verdict.record().evidence);
    assert_eq!(evidence, ["EPCL D2", "NOTICE SUPPLIER-1"]);
}

#[test]
fn a_supplier_that_changed_is_not_notified() {
    let mut world = world();
    world.config.notice = NoticePolicy::Required { lead_days: 0 };
    world.notices = vec![notice(day("2020-09-10"))];
    crate::world::check(&world, "B1", "EPCL");
    world.device_mut(ESME).supplier = id("SUPPLIER-2");
    check(
        &world,
        "On 2020-10-01 device 00-00-00-00-00-00-01-01 has to wait for its update to E2: supplier SUPPLIER-2 is not \
         notified: the notice went to SUPPLIER-1; combination D2 allows it as EPCL (row A6, HOLD_NOT_NOTIFIED).",
    );
}

#[test]
fn the_same_is_data_for_programs() {
    let mut world = early_world();
    world.evidence(Report, EvidenceState::Complete, "2020-09-15");
    let record = world.ask_gate(|verdict| verdict.record());
    let json = serde_json::to_string_pretty(&record).expect("a record is data");
    assert_eq!(json, include_str!("../verdicts/record.json").trim_end());
}

#[test]
fn a_way_of_several_steps_is_found_over_permitted_predecessors() {
    let world = world();
    let register = world.register();
    let way = |from: &str, to: &str| {
        let (from, to) = (id(from), id(to));
        let steps = register.way(&from, &to)?;
        Some(steps.iter().map(|step| step.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(way("E1", "E2"), Some(vec!["E2".to_owned()]));
    assert_eq!(way("E1", "E3"), Some(vec!["E2".to_owned(), "E3".to_owned()]));
    assert_eq!(way("E3", "E2"), None);
    assert_eq!(way("E3", "E1"), None, "E1 permits any, and that would be backwards");
    assert_eq!(way("G1", "E3"), None);
}
