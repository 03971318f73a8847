//! All states of all evidence, against the table written a second time as a list of rows, each with its whole
//! condition, so that neither order nor sharing of code can hide a mistake.

use eligibility::{EvidenceKind, EvidenceState, ObjectionCount};

use crate::world::{World, combination, day, early_world, id, proposal};

const PAST: &str = "2020-02-01";
const REMOVED: &str = "2020-03-01";
const TODAY: &str = "2020-10-01";
const FUTURE: &str = "2020-11-01";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Epcl {
    Absent,
    Listed,
    ListedLater,
    /// And proposed before that.
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Absent,
    Planned,
    Complete,
    CompleteLater,
    Withdrawn,
    // Reports only; `Complete` is their draft.
    Issued,
    IssuedLater,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Equivalence {
    NotClaimed,
    ToTested,
    ToTestedWithObjection,
    ToUntested,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    epcl: Epcl,
    proposed: bool,
    mt: State,
    sit: State,
    report: State,
    equivalence: Equivalence,
    uneconomic: bool,
    v7: bool,
}

const TEST_STATES: [State; 5] =
    [State::Absent, State::Planned, State::Complete, State::CompleteLater, State::Withdrawn];
const REPORT_STATES: [State; 6] =
    [State::Absent, State::Planned, State::Complete, State::Issued, State::IssuedLater, State::Withdrawn];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let equivalences = [
        Equivalence::NotClaimed,
        Equivalence::ToTested,
        Equivalence::ToTestedWithObjection,
        Equivalence::ToUntested,
    ];
    for epcl in [Epcl::Absent, Epcl::Listed, Epcl::ListedLater, Epcl::Removed] {
        for (mt, sit) in TEST_STATES.into_iter().flat_map(|mt| TEST_STATES.map(|sit| (mt, sit))) {
            for report in REPORT_STATES {
                for equivalence in equivalences {
                    for bits in 0..8 {
                        let (proposed, uneconomic, v7) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                        cases.push(Case { epcl, proposed, mt, sit, report, equivalence, uneconomic, v7 });
                    }
                }
            }
        }
    }
    cases
}

/// The table: the rows in its order, with conditions that do not lean on the rows above, but for the last.
fn expected(case: Case) -> (&'static str, &'static str) {
    let listed = case.epcl == Epcl::Listed;
    let pending = !listed && case.epcl != Epcl::Removed && case.proposed;
    let (mt, sit) = (case.mt == State::Complete, case.sit == State::Complete);
    let report_stands = !matches!(case.report, State::Absent | State::Withdrawn);
    let issued = case.report == State::Issued;
    let claimed = case.equivalence != Equivalence::NotClaimed && report_stands;
    let rows = [
        (listed, "B1", "EPCL"),
        (pending && mt && sit, "B2", "EARLY_MT_SIT"),
        (pending && issued && case.equivalence == Equivalence::NotClaimed, "B3", "EARLY_DMCT_REPORT"),
        (pending && issued && case.equivalence == Equivalence::ToTested, "B4", "EARLY_DMCT_REPORT_SE"),
        (pending && claimed && !(issued && case.equivalence == Equivalence::ToTested), "B5", "SE_NOT_FINAL"),
        (pending && mt != sit && !issued, "B6", "TESTING_INCOMPLETE"),
        (!listed && case.uneconomic, "B8", "DMC_UNECONOMIC"),
        (true, "B7", "NO_EVIDENCE"),
    ];
    let (_, row, code) =
        rows.into_iter().find(|(matches, ..)| *matches).expect("the last row always matches");
    if code.starts_with("EARLY") && !case.v7 { (row, "EARLY_NOT_IN_EFFECT") } else { (row, code) }
}

fn add(world: &mut World, kind: EvidenceKind, state: State) {
    let (state, date) = match state {
        State::Absent => return,
        State::Planned => (EvidenceState::Planned, PAST),
        State::Complete => (EvidenceState::Complete, PAST),
        State::CompleteLater => (EvidenceState::Complete, FUTURE),
        State::Withdrawn => (EvidenceState::Withdrawn, PAST),
        State::Issued => (EvidenceState::Issued, PAST),
        State::IssuedLater => (EvidenceState::Issued, FUTURE),
    };
    world.evidence(kind, state, date);
}

fn build(case: Case) -> World {
    let mut world = early_world();
    // All cases keep the proposal's row, so that the home's combination is known; "not proposed" is "not yet".
    for row in &mut world.rows.ppcl {
        row.uneconomic = case.uneconomic;
        row.date_proposed = day(if case.proposed { PAST } else { FUTURE });
    }
    if case.epcl != Epcl::Absent {
        world.list("D2", combination("E2", "G1", "C1", "I1"));
    }
    for row in &mut world.rows.epcl {
        row.date_added = day(if case.epcl == Epcl::ListedLater { FUTURE } else { PAST });
        row.date_removed = (case.epcl == Epcl::Removed).then(|| day(REMOVED));
    }
    add(&mut world, EvidenceKind::MigrationTesting, case.mt);
    add(&mut world, EvidenceKind::SystemIntegrationTesting, case.sit);
    add(&mut world, EvidenceKind::DmctEpclReport, case.report);
    if case.equivalence != Equivalence::NotClaimed {
        for row in &mut world.rows.evidence {
            if row.kind == EvidenceKind::DmctEpclReport {
                row.equivalent_to = Some(id("D1"));
                let objected = case.equivalence == Equivalence::ToTestedWithObjection;
                row.open_objections = ObjectionCount(if objected { 2 } else { 0 });
            }
        }
        world.rows.ppcl.push(proposal("D1", combination("E1", "G1", "C1", "I1")));
        if case.equivalence != Equivalence::ToUntested {
            world.evidence_of("D1", EvidenceKind::DmctEpclReport, EvidenceState::Issued, PAST);
        }
    }
    world.today = day(TODAY);
    world.config.tmad_v7_effective = day(if case.v7 { TODAY } else { FUTURE });
    world
}

#[test]
fn every_state_of_the_evidence_gives_what_the_table_gives() {
    let mut seen = std::collections::BTreeMap::<(&str, &str), usize>::new();
    for case in cases() {
        let expected = expected(case);
        build(case).ask_gate(|verdict| {
            assert_eq!((verdict.row().as_str(), verdict.code()), expected, "{case:?}: {}", verdict.explain());
            let allowing = ["EPCL", "EARLY_MT_SIT", "EARLY_DMCT_REPORT", "EARLY_DMCT_REPORT_SE"];
            assert_eq!(verdict.basis().is_some(), allowing.contains(&expected.1), "{case:?}");
        });
        *seen.entry(expected).or_default() += 1;
    }
    // Eight rows, and the three early ones again before V7.
    assert_eq!(seen.len(), 11, "{seen:?}");
}
