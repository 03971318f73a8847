//! What a verdict refers to: entries, tests, reports, notices, exclusions, each with its date.

use std::fmt;

use firmware_image::Eui64;
use jiff::civil::Date;
use serde::Serialize;

use crate::evidence::{Evidence, EvidenceState};
use crate::inventory::{Excluded, NoticeView};
use crate::text::{DmcId, DocRef, SupplierId};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document<'a> {
    /// An entry of the EPCL.
    Listing {
        /// The combination.
        dmc: &'a DmcId,
        /// When it was added.
        added: Date,
    },
    /// An entry of the EPCL that was removed.
    Removal {
        /// The combination.
        dmc: &'a DmcId,
        /// When it was removed.
        removed: Date,
    },
    /// A proposal for the EPCL.
    Proposal {
        /// The combination.
        dmc: &'a DmcId,
        /// When it was proposed.
        proposed: Date,
    },
    /// A test or a report.
    Evidence(&'a Evidence),
    /// A notice to a supplier.
    Notice {
        /// The supplier.
        supplier: &'a SupplierId,
        /// The combination, when it names one.
        dmc: Option<&'a DmcId>,
        /// When it was issued.
        issued_at: Date,
    },
    /// An entry on the list of exclusions.
    Exclusion {
        /// The device.
        device: Eui64,
        /// The document, when there is one.
        doc_ref: Option<&'a DocRef>,
        /// Since when.
        since: Date,
    },
}

/// The same as plain data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentRecord {
    /// What it is: `EPCL`, `PPCL`, `MT`, `SIT`, `DMCT_EPCL_REPORT`, `NOTICE` or `EXCLUSION`.
    pub kind: &'static str,
    /// Its id: the reference of a document, the id of a combination for an entry of a list, the supplier for a notice.
    pub id: String,
    /// Its state: `listed`, `removed`, `proposed`, `planned`, `complete`, `draft`, `issued`, `withdrawn` or `in force`.
    pub state: &'static str,
    /// The date of that state, as YYYY-MM-DD.
    pub date: String,
    /// The combination it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmc: Option<String>,
}

impl<'a> Document<'a> {
    pub(super) fn of_notice(notice: NoticeView<'a>) -> Self {
        let NoticeView { supplier, dmc, issued_at, .. } = notice;
        Document::Notice { supplier, dmc, issued_at }
    }

    pub(super) fn of_exclusion(device: Eui64, excluded: &'a Excluded) -> Option<Self> {
        let doc_ref = excluded.doc_ref.as_ref();
        excluded.since.map(|since| Document::Exclusion { device, doc_ref, since })
    }

    /// Returns what it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Document::Listing { .. } | Document::Removal { .. } => "EPCL",
            Document::Proposal { .. } => "PPCL",
            Document::Evidence(evidence) => evidence.kind.as_str(),
            Document::Notice { .. } => "NOTICE",
            Document::Exclusion { .. } => "EXCLUSION",
        }
    }

    /// Returns its state, in a word or two.
    pub fn state(&self) -> &'static str {
        match self {
            Document::Listing { .. } => "listed",
            Document::Removal { .. } => "removed",
            Document::Proposal { .. } => "proposed",
            Document::Evidence(evidence) if evidence.is_draft() => "draft",
            Document::Evidence(evidence) => evidence.state.as_str(),
            Document::Notice { .. } => "issued",
            Document::Exclusion { .. } => "in force",
        }
    }

    /// Returns the date of its state.
    pub fn date(&self) -> Date {
        match self {
            Document::Listing { added: date, .. }
            | Document::Removal { removed: date, .. }
            | Document::Proposal { proposed: date, .. }
            | Document::Notice { issued_at: date, .. }
            | Document::Exclusion { since: date, .. } => *date,
            Document::Evidence(evidence) => evidence.date,
        }
    }

    /// Returns the combination it speaks of.
    pub fn dmc(&self) -> Option<&'a DmcId> {
        match self {
            Document::Listing { dmc, .. }
            | Document::Removal { dmc, .. }
            | Document::Proposal { dmc, .. } => Some(dmc),
            Document::Evidence(evidence) => Some(&evidence.dmc),
            Document::Notice { dmc, .. } => *dmc,
            Document::Exclusion { .. } => None,
        }
    }

    /// Returns its id among others of its kind.
    pub fn id(&self) -> String {
        match self {
            Document::Listing { dmc, .. }
            | Document::Removal { dmc, .. }
            | Document::Proposal { dmc, .. } => dmc.to_string(),
            Document::Evidence(evidence) => evidence.doc_ref.to_string(),
            Document::Notice { supplier, .. } => supplier.to_string(),
            Document::Exclusion { device, doc_ref, .. } => {
                doc_ref.map_or_else(|| device.to_string(), DocRef::to_string)
            }
        }
    }

    pub(super) fn record(&self) -> DocumentRecord {
        DocumentRecord {
            kind: self.kind(),
            id: self.id(),
            state: self.state(),
            date: self.date().to_string(),
            dmc: self.dmc().map(DmcId::to_string),
        }
    }
}

/// `MT report 17 (complete 2020-08-01)`, with the kind before it.
impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} {})", self.kind(), self.id(), self.state(), self.date())
    }
}

/// The most documents a verdict refers to: a report, the two tests of the combination it relies on, and a notice.
const DOCUMENTS_MAX: usize = 4;

/// A few documents, held in place: a verdict allocates nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Documents<'a>([Option<Document<'a>>; DOCUMENTS_MAX]);

impl<'a> Documents<'a> {
    pub(super) const NONE: Documents<'static> = Documents([None; DOCUMENTS_MAX]);

    /// Adds one; there is room for all that any row refers to.
    pub(super) fn and(mut self, document: Option<Document<'a>>) -> Self {
        if let Some(document) = document {
            let free = self.0.iter_mut().find(|slot| slot.is_none());
            *free.expect("no row refers to more documents than there is room for") = Some(document);
        }
        self
    }

    pub(super) fn of(documents: impl IntoIterator<Item = Option<Document<'a>>>) -> Self {
        documents.into_iter().fold(Self::NONE, Self::and)
    }

    /// Returns them in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Document<'a>> {
        self.0.iter().flatten()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Returns the latest of their dates.
    pub(super) fn latest(&self) -> Option<Date> {
        self.iter().map(Document::date).max()
    }
}

/// `A (complete 2020-08-01) and B (complete 2020-09-20)`.
impl fmt::Display for Documents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.iter().count();
        for (position, document) in self.iter().enumerate() {
            let separator = match position {
                0 => "",
                _ if position + 1 == count => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{document}")?;
        }
        Ok(())
    }
}

impl Evidence {
    /// Says whether this is a report that is written and not issued.
    fn is_draft(&self) -> bool {
        self.kind == crate::evidence::EvidenceKind::DmctEpclReport && self.state == EvidenceState::Complete
    }
}
