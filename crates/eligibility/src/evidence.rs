//! Evidence about a combination: tests and reports, one row of `evidence.csv` each.
//!
//! ```text
//! dmc_id, kind, state, date, doc_ref, equivalent_to (the tested combination, for a report by substantive equivalence)
//! ```
//!
//! The file holds the present state of each document, and `date` is the date of that state; history is the ledger's.
//! A combination has at most one row in force of each kind, and any number of withdrawn ones.
//!
//! Sourced: the kinds, and that a report counts once it is issued, after objections to an equivalence are settled. Ours:
//! the states. A report that is `complete` is a draft: written, not issued, or issued only once an objection is settled.

use jiff::civil::Date;

use crate::table::{FileKind, RowReader, RowWriter, Table, cell_from_text, cell_from_words};
use crate::text::{DmcId, DocRef};

/// One document about one combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The combination it speaks of.
    pub dmc: DmcId,
    /// What it is.
    pub kind: EvidenceKind,
    /// How far it has come.
    pub state: EvidenceState,
    /// Since when.
    pub date: Date,
    /// Where it stands.
    pub doc_ref: DocRef,
    /// The combination whose tests it relies on, when it is a report by substantive equivalence.
    pub equivalent_to: Option<DmcId>,
}

impl Evidence {
    /// Says whether this counts on a day: tests complete, report issued, and not in the future.
    pub fn counts_on(&self, today: Date) -> bool {
        let done = match self.kind {
            EvidenceKind::MigrationTesting | EvidenceKind::SystemIntegrationTesting => {
                EvidenceState::Complete
            }
            EvidenceKind::DmctEpclReport => EvidenceState::Issued,
        };
        self.state == done && self.date <= today
    }

    pub(crate) fn reference(&self) -> EvidenceRef {
        EvidenceRef { dmc: self.dmc.clone(), kind: self.kind, date: self.date, doc_ref: self.doc_ref.clone() }
    }
}

/// What a piece of evidence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceKind {
    /// Migration Testing (MT).
    MigrationTesting,
    /// System Integration Testing (SIT).
    SystemIntegrationTesting,
    /// The report of the DMCT Process that recommends an entry on the EPCL.
    DmctEpclReport,
}

cell_from_words!(EvidenceKind {
    MigrationTesting = "MT",
    SystemIntegrationTesting = "SIT",
    DmctEpclReport = "DMCT_EPCL_REPORT",
});

/// How far a piece of evidence has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvidenceState {
    /// It is meant to be.
    Planned,
    /// Tests are complete; a report is written but a draft.
    Complete,
    /// The report is issued. Tests are never issued.
    Issued,
    /// It was taken back and counts no longer, whatever its date.
    Withdrawn,
}

cell_from_words!(EvidenceState {
    Planned = "planned",
    Complete = "complete",
    Issued = "issued",
    Withdrawn = "withdrawn",
});

/// What a verdict keeps of a piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceRef {
    /// The combination the document speaks of; for equivalence also the one relied on.
    pub dmc: DmcId,
    /// What it is.
    pub kind: EvidenceKind,
    /// The date of its state.
    pub date: Date,
    /// Where it stands.
    pub doc_ref: DocRef,
}

cell_from_text!(DocRef);

impl Table for Evidence {
    const FILE: FileKind = FileKind::Evidence;
    const COLUMNS: &'static [&'static str] = &["dmc_id", "kind", "state", "date", "doc_ref", "equivalent_to"];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let dmc = row.cell("dmc_id");
        let kind = row.cell("kind");
        let state = row.cell("state");
        let date = row.cell("date");
        let doc_ref = row.cell("doc_ref");
        let equivalent_to: Option<Option<DmcId>> = row.cell("equivalent_to");
        let is_test =
            matches!(kind, Some(EvidenceKind::MigrationTesting | EvidenceKind::SystemIntegrationTesting));
        if is_test && state == Some(EvidenceState::Issued) {
            row.refuse("state", "planned, complete or withdrawn for a test", EvidenceState::Issued.as_str());
            return None;
        }
        if let (true, Some(Some(reference))) = (is_test, &equivalent_to) {
            row.refuse(
                "equivalent_to",
                "nothing, as only a report relies on equivalence",
                reference.as_str(),
            );
            return None;
        }
        Some(Self {
            dmc: dmc?,
            kind: kind?,
            state: state?,
            date: date?,
            doc_ref: doc_ref?,
            equivalent_to: equivalent_to?,
        })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("dmc_id", &self.dmc);
        row.cell("kind", &self.kind);
        row.cell("state", &self.state);
        row.cell("date", &self.date);
        row.cell("doc_ref", &self.doc_ref);
        row.cell("equivalent_to", &self.equivalent_to);
    }
}
