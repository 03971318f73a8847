//! What block B asks: the listing of a combination, its proposal, its tests and reports, and the day of the rule.

use jiff::civil::Date;

use super::super::world::{World, combination, day, id, proposal};
use super::{Axis, axis};
use crate::{Combination, EpclEntry, EvidenceKind, EvidenceState, ObjectionCount};

const PAST: &str = "2020-02-01";
const REMOVED: &str = "2020-03-01";
const AGAIN: &str = "2020-04-01";
const FUTURE: &str = "2020-11-01";

const TEST: &[(char, &str)] =
    &[('-', "absent"), ('p', "planned"), ('c', "complete"), ('l', "complete later"), ('w', "withdrawn")];

pub(super) const AXES: [Axis; 8] = [
    axis(
        "EPCL",
        &[('-', "never"), ('L', "listed"), ('l', "listed later"), ('r', "removed"), ('R', "removed later")],
    ),
    axis("proposal", &[('-', "later"), ('p', "before any removal"), ('a', "after any removal")]),
    axis("MT", TEST),
    axis("SIT", TEST),
    axis(
        "report",
        &[
            ('-', "absent"),
            ('p', "planned"),
            ('d', "draft"),
            ('i', "issued"),
            ('l', "issued later"),
            ('w', "withdrawn"),
        ],
    ),
    axis(
        "equivalence",
        &[
            ('-', "not claimed"),
            ('t', "to one with MT and SIT"),
            ('r', "to one with an issued report"),
            ('L', "to a listed one"),
            ('u', "to an untested one"),
            ('c', "to one that claims it too"),
            ('o', "to one with MT and SIT, objections open"),
        ],
    ),
    axis("uneconomic", &[('-', "no"), ('u', "yes")]),
    axis("TMAD V7.0", &[('7', "in effect"), ('6', "not yet")]),
];

/// On the EPCL, and nothing else.
pub(super) const LISTED: [char; AXES.len()] = ['L', '-', '-', '-', '-', '-', '-', '7'];

/// The letters that make what the lists say of a combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Documents {
    epcl: char,
    proposed: char,
    mt: char,
    sit: char,
    report: char,
    equivalence: char,
    uneconomic: char,
}

/// Tells what the lists say from the day the rule takes effect, which is configured.
pub fn parts(word: [char; AXES.len()], today: Date) -> (Documents, Date) {
    let [epcl, proposed, mt, sit, report, equivalence, uneconomic, rule] = word;
    let documents = Documents { epcl, proposed, mt, sit, report, equivalence, uneconomic };
    (documents, if rule == '7' { today } else { day(FUTURE) })
}

impl Documents {
    /// Has the lists of a world speak of a combination, as D2.
    pub fn put(self, world: &mut World, proven: Combination) {
        if self.epcl != '-' {
            let date_removed = match self.epcl {
                'r' => Some(day(REMOVED)),
                'R' => Some(day(FUTURE)),
                _ => None,
            };
            world.rows.epcl.push(EpclEntry {
                id: id("D2"),
                combination: proven.clone(),
                date_added: day(if self.epcl == 'l' { FUTURE } else { PAST }),
                date_removed,
            });
        }
        let mut pending = proposal("D2", proven);
        pending.uneconomic = self.uneconomic == 'u';
        // Documents are of the day of the proposal, which is what a removal comes before or after.
        let when = if self.proposed == 'a' { AGAIN } else { PAST };
        pending.date_proposed = day(if self.proposed == '-' { FUTURE } else { when });
        world.rows.ppcl.push(pending);
        document(world, EvidenceKind::MigrationTesting, self.mt, when);
        document(world, EvidenceKind::SystemIntegrationTesting, self.sit, when);
        document(world, EvidenceKind::DmctEpclReport, self.report, when);
        if self.equivalence != '-' {
            claim_equivalence(world, self.equivalence);
        }
    }
}

fn document(world: &mut World, kind: EvidenceKind, state: char, when: &str) {
    let (state, date) = match state {
        'p' => (EvidenceState::Planned, when),
        'c' | 'd' => (EvidenceState::Complete, when),
        'i' => (EvidenceState::Issued, when),
        'l' if kind == EvidenceKind::DmctEpclReport => (EvidenceState::Issued, FUTURE),
        'l' => (EvidenceState::Complete, FUTURE),
        'w' => (EvidenceState::Withdrawn, when),
        _ => return,
    };
    world.evidence(kind, state, date);
}

fn claim_equivalence(world: &mut World, equivalence: char) {
    for row in &mut world.rows.evidence {
        if row.kind == EvidenceKind::DmctEpclReport {
            row.equivalent_to = Some(id("D1"));
            row.open_objections = ObjectionCount(if equivalence == 'o' { 1 } else { 0 });
        }
    }
    let reference = combination("E1", "G1", "C1", "I1");
    if equivalence == 'L' {
        world.list("D1", reference);
        return;
    }
    world.rows.ppcl.push(proposal("D1", reference));
    let (migration, integration) = (EvidenceKind::MigrationTesting, EvidenceKind::SystemIntegrationTesting);
    match equivalence {
        't' | 'o' => {
            world.evidence_of("D1", migration, EvidenceState::Complete, PAST);
            world.evidence_of("D1", integration, EvidenceState::Complete, PAST);
        }
        'r' => {
            world.evidence_of("D1", EvidenceKind::DmctEpclReport, EvidenceState::Issued, PAST);
        }
        'c' => {
            world.rows.ppcl.push(proposal("D0", combination("E1", "G2", "C1", "I1")));
            world.evidence_of("D0", EvidenceKind::DmctEpclReport, EvidenceState::Issued, PAST);
            let report = world.evidence_of("D1", EvidenceKind::DmctEpclReport, EvidenceState::Issued, PAST);
            report.equivalent_to = Some(id("D0"));
        }
        _ => {}
    }
}
