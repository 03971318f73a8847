//! Evidence about a combination: tests and reports, one row of `evidence.csv` each.
//!
//! ```text
//! dmc_id, kind, state, date, doc_ref, equivalent_to (the tested combination, for a report by substantive equivalence),
//! open_objections (how many; may be left out)
//! ```
//!
//! The file holds the present state of each document, and `date` is the date of that state; history is the ledger's.
//! A document is known by its combination, kind and `doc_ref`. It stands in one row; when it is withdrawn, that row may
//! be changed to say so, or a second row may be added.
//!
//! `[I]` A withdrawal that is added counts from its date on; until that day the document counts. It takes back the
//! document that it names, and, as a letter seldom calls a document as the list does, whatever else its combination and
//! kind had before that day. What is dated later counts again, and so does another document of the same day. So of each
//! combination and kind one row is in force at a time, and any number are withdrawn. Rows that contradict one another
//! are faults, with both lines: a document named or withdrawn twice, withdrawn before it was complete or issued, or in
//! force beside another.
//!
//! `[S1]` The kinds, and that a report counts once it is issued, after objections to an equivalence are settled. Ours:
//! the states, and that open objections are counted in a column. A report that is `complete` is a draft: written, not
//! issued. One that is issued while an objection is open does not count either.

use jiff::civil::Date;

use crate::table::{Cell, FileKind, RowReader, RowWriter, Table, cell_from_text, cell_from_words};
use crate::text::{DmcId, DocRef, SharedTexts};

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
    /// How many objections against that equivalence are open on the day of the file.
    pub open_objections: ObjectionCount,
}

/// How many objections are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectionCount(pub u16);

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
    /// It was taken back: what the row says of its document never counts, whatever its date.
    Withdrawn,
}

cell_from_words!(EvidenceState {
    Planned = "planned",
    Complete = "complete",
    Issued = "issued",
    Withdrawn = "withdrawn",
});

impl EvidenceKind {
    /// Returns the place of this kind where one document of each is kept.
    pub(crate) fn index(self) -> usize {
        match self {
            EvidenceKind::MigrationTesting => 0,
            EvidenceKind::SystemIntegrationTesting => 1,
            EvidenceKind::DmctEpclReport => 2,
        }
    }
}

impl Cell for ObjectionCount {
    fn expected() -> String {
        "nothing, or how many objections are open".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map(ObjectionCount)
    }

    fn print(&self) -> String {
        match self.0 {
            0 => String::new(),
            count => count.to_string(),
        }
    }
}

cell_from_text!(DocRef);

impl Table for Evidence {
    const FILE: FileKind = FileKind::Evidence;
    const COLUMNS: &'static [&'static str] =
        &["dmc_id", "kind", "state", "date", "doc_ref", "equivalent_to", "open_objections"];
    const OPTIONAL: &'static [&'static str] = &["open_objections"];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let dmc = row.cell("dmc_id");
        let kind = row.cell("kind");
        let state = row.cell("state");
        let date = row.cell("date");
        let doc_ref = row.cell("doc_ref");
        let equivalent_to: Option<Option<DmcId>> = row.cell("equivalent_to");
        let open_objections: Option<ObjectionCount> = row.cell("open_objections");
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
        let equivalent_to = equivalent_to?;
        if let (None, Some(ObjectionCount(open @ 1..))) = (&equivalent_to, open_objections) {
            row.refuse("open_objections", "nothing, as no equivalence is claimed", &open.to_string());
            return None;
        }
        Some(Self {
            dmc: dmc?,
            kind: kind?,
            state: state?,
            date: date?,
            doc_ref: doc_ref?,
            equivalent_to,
            open_objections: open_objections?,
        })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("dmc_id", &self.dmc);
        row.cell("kind", &self.kind);
        row.cell("state", &self.state);
        row.cell("date", &self.date);
        row.cell("doc_ref", &self.doc_ref);
        row.cell("equivalent_to", &self.equivalent_to);
        row.cell("open_objections", &self.open_objections);
    }
}
