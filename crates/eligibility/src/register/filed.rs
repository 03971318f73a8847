//! The documents of one kind about one combination through time: which of them is in force on a day.
//!
//! The rule is that of [`evidence`](crate::evidence): a withdrawal counts from its date on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::Dmc;
use crate::evidence::{Evidence, EvidenceKind, EvidenceState};
use crate::table::{Fault, Faults, FileKind, Lined};
use crate::text::DmcId;

/// The documents of one kind about one combination.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filed {
    /// Those in rows that do not withdraw them, by date. No two of them are in force on one day.
    standing: Vec<Evidence>,
    /// The withdrawals, by date.
    withdrawals: Vec<Evidence>,
}

impl Filed {
    /// Returns the document that is not withdrawn by a day, whatever else its state; its date may be a later one.
    pub(crate) fn in_force(&self, today: Date) -> Option<&Evidence> {
        self.standing.iter().find(|document| self.end(document).is_none_or(|end| end.date > today))
    }

    /// Returns the document that was withdrawn last by a day, or else the last that is ever.
    pub(crate) fn withdrawn(&self, today: Date) -> Option<&Evidence> {
        self.withdrawals.iter().rfind(|withdrawal| withdrawal.date <= today).or(self.withdrawals.last())
    }

    /// Returns the first withdrawal that takes a document back.
    fn end(&self, document: &Evidence) -> Option<&Evidence> {
        self.withdrawals.iter().find(|withdrawal| takes_back(withdrawal, document))
    }
}

/// Says whether a withdrawal takes a document back: the one that it names, and, as a letter seldom calls a document as the
/// list does, what its combination and kind had before.
fn takes_back(withdrawal: &Evidence, document: &Evidence) -> bool {
    withdrawal.doc_ref == document.doc_ref || document.date < withdrawal.date
}

/// Rows of `evidence.csv` of one kind and about one combination, while they are gathered.
#[derive(Debug, Default)]
struct Gathered {
    standing: Vec<Lined<Evidence>>,
    withdrawals: Vec<Lined<Evidence>>,
    /// Whether rows contradict one another, or one of them is bad: it may have been a withdrawal.
    is_contested: bool,
}

/// Combinations about whose evidence a row could not be read, with the kind where that could be.
pub(crate) type DoubtfulEvidence = BTreeSet<(DmcId, Option<EvidenceKind>)>;

/// Puts the evidence beside its combinations.
pub(super) fn join_evidence(
    rows: Vec<Lined<Evidence>>,
    doubtful: DoubtfulEvidence,
    dmcs: &mut BTreeMap<DmcId, Dmc>,
    faults: &mut Faults,
) {
    let mut gathered: BTreeMap<(DmcId, EvidenceKind), Gathered> = BTreeMap::new();
    for (dmc, kind) in doubtful {
        let kinds = kind.as_ref().map_or(EvidenceKind::ALL, std::slice::from_ref);
        for kind in kinds {
            gathered.entry((dmc.clone(), *kind)).or_default().is_contested = true;
        }
    }
    for Lined { line, row } in rows {
        let rows = gathered.entry((row.dmc.clone(), row.kind)).or_default();
        if check_names(&row, dmcs, line, faults) {
            rows.take(Lined { line, row }, faults);
        } else {
            faults.leave_out_row();
            rows.is_contested = true;
        }
    }
    for ((dmc, kind), rows) in gathered {
        let filed = rows.settle(faults);
        if let Some(place) = dmcs.get_mut(&dmc).and_then(|dmc| dmc.filed.get_mut(kind.index())) {
            *place = filed;
        }
    }
}

fn fault(line: u64, column: &str, expected: &str, found: &str) -> Fault {
    Fault::new(FileKind::Evidence, line, Some(column), expected, found)
}

impl Gathered {
    /// Takes a row, unless another says the same or the contrary of its document.
    fn take(&mut self, new: Lined<Evidence>, faults: &mut Faults) {
        let is_withdrawal = new.row.state == EvidenceState::Withdrawn;
        let rows = if is_withdrawal { &mut self.withdrawals } else { &mut self.standing };
        let Some(known) = rows.iter().find(|known| known.row.doc_ref == new.row.doc_ref) else {
            return rows.push(new);
        };
        let (line, state) = (known.line, known.row.state);
        let expected = match is_withdrawal {
            true => format!("a document that no other line withdraws (line {line} does)"),
            false => format!("a document that no other line names (line {line} does, as {state})"),
        };
        self.refuse(new.line, "doc_ref", &expected, new.row.doc_ref.as_str(), faults);
    }

    fn refuse(&mut self, line: u64, column: &str, expected: &str, found: &str, faults: &mut Faults) {
        faults.add(fault(line, column, expected, found));
        faults.leave_out_row();
        self.is_contested = true;
    }

    /// Compares rows with one another, and returns what they come to.
    fn settle(mut self, faults: &mut Faults) -> Filed {
        self.standing.sort_by_key(|document| (document.row.date, document.line));
        self.withdrawals.sort_by_key(|withdrawal| withdrawal.row.date);
        self.check_withdrawals(faults);
        let told = self.check_standing(faults);
        if self.is_contested && faults.is_in_part() {
            for Lined { line, row } in
                self.standing.drain(..).filter(|document| !told.contains(&document.line))
            {
                let expected = "a combination and kind of which every row is sound";
                let found = format!("{} {}", row.dmc, row.kind);
                faults.leave_out(|| fault(line, "kind", expected, &found));
            }
        }
        self.filed()
    }

    fn filed(&self) -> Filed {
        let rows = |rows: &[Lined<Evidence>]| rows.iter().map(|lined| lined.row.clone()).collect();
        Filed { standing: rows(&self.standing), withdrawals: rows(&self.withdrawals) }
    }

    /// Finds documents that are said to be in force since a day after their withdrawal. A plan is none: it bears the day
    /// that it is for.
    fn check_withdrawals(&mut self, faults: &mut Faults) {
        let mut contradictions = Vec::new();
        for withdrawal in &self.withdrawals {
            let contradicts = |document: &&Lined<Evidence>| {
                document.row.doc_ref == withdrawal.row.doc_ref
                    && document.row.state != EvidenceState::Planned
                    && withdrawal.row.date < document.row.date
            };
            if let Some(Lined { line, row }) = self.standing.iter().find(contradicts) {
                let (since, state) = (row.date, row.state);
                let expected = format!(
                    "a day not before {since}, since when line {line} has the same document as {state}"
                );
                contradictions.push((withdrawal.line, expected, withdrawal.row.date.to_string()));
            }
        }
        for (line, expected, found) in contradictions {
            self.refuse(line, "date", &expected, &found, faults);
        }
    }

    /// Finds documents that are in force while another is; returns their lines.
    fn check_standing(&mut self, faults: &mut Faults) -> Vec<u64> {
        let filed = self.filed();
        let mut told = Vec::new();
        let mut before: Option<&Lined<Evidence>> = None;
        let mut contradictions = Vec::new();
        for document in &self.standing {
            if let Some(first) = before
                && filed.end(&first.row).is_none_or(|end| end.date > document.row.date)
            {
                let (line, first_line) = (document.line.max(first.line), document.line.min(first.line));
                let expected =
                    format!("one row in force for a combination and kind (line {first_line} is one)");
                contradictions.push((line, expected, format!("{} {}", document.row.dmc, document.row.kind)));
                told.push(line);
            }
            before = Some(document);
        }
        for (line, expected, found) in contradictions {
            self.refuse(line, "kind", &expected, &found, faults);
        }
        told
    }
}

/// Checks that the combinations a document names are known.
fn check_names(row: &Evidence, dmcs: &BTreeMap<DmcId, Dmc>, line: u64, faults: &mut Faults) -> bool {
    let known = "a combination of epcl.csv or ppcl.csv";
    let mut sound = true;
    let mut refuse = |column: &str, expected: &str, found: &DmcId| {
        faults.add(fault(line, column, expected, found.as_str()));
        sound = false;
    };
    if let Some(reference) = &row.equivalent_to {
        if *reference == row.dmc {
            refuse("equivalent_to", "another combination than dmc_id", reference);
        } else if !dmcs.contains_key(reference) {
            refuse("equivalent_to", known, reference);
        }
    }
    if !dmcs.contains_key(&row.dmc) {
        refuse("dmc_id", known, &row.dmc);
    }
    sound
}
