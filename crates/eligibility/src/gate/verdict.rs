//! The answer of the gate, and its plain-data form for ledgers and programs.

use std::fmt;

use firmware_image::Eui64;
use jiff::civil::Date;
use serde::Serialize;

use super::basis::{Basis, ReasonCode};
use super::document::{Document, DocumentRecord, Documents};
use super::refusal::Refusal;
use super::row::{GateRow, Origin};
use super::waits::NoticeGap;
use crate::exclusion::Exclusion;
use crate::text::{CplEntryId, DmcId, SupplierId};

/// The answer to one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Verdict<'a> {
    device: Eui64,
    target: Option<&'a CplEntryId>,
    decided_on: Date,
    tmad_v7_effective: Date,
    decision: Decision<'a>,
    documents: Documents<'a>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The device may be updated, and this is why.
    Allow(Basis<'a>),
    /// It may not, and this is why.
    Refuse(Refusal<'a>),
    /// There is nothing to do for it.
    Skip(Skip<'a>),
    /// It may be, once this has come about.
    Hold(Hold<'a>),
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip<'a> {
    /// A0: it runs the target already, which counts as success.
    AlreadyOnTarget(&'a CplEntryId),
    /// A5: it, or another device that excludes its installation, is excluded.
    Excluded {
        /// Which device.
        device: Eui64,
        /// Why.
        reason: &'a Exclusion,
    },
}

/// Why an update that the evidence allows has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold<'a> {
    /// What for.
    pub wait: Wait<'a>,
    /// Why it would be allowed.
    pub reason: ReasonCode,
    /// The combination that allows it.
    pub dmc: &'a DmcId,
}

/// What an update waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait<'a> {
    /// A6: a notice to the supplier.
    NotNotified {
        /// The supplier responsible for the device.
        supplier: &'a SupplierId,
        /// What is missing.
        gap: NoticeGap<'a>,
    },
    /// A7: a slot.
    Queue,
    /// A8: the WAN.
    NoWan,
}

/// A verdict as plain data, for who keeps or shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerdictRecord {
    /// The device.
    pub device: Eui64,
    /// The entry it was to be updated to, when the order names one.
    pub target: Option<String>,
    /// The day of the decision, as YYYY-MM-DD.
    pub decided_on: String,
    /// `allow`, `refuse`, `skip` or `hold`.
    pub decision: &'static str,
    /// Whether the device may be updated.
    pub allowed: bool,
    /// The row that decided.
    pub row: String,
    /// How well that row is founded.
    pub origin: Origin,
    /// The code.
    pub code: String,
    /// The combination, once one was found.
    pub dmc: Option<String>,
    /// The combination relied on by equivalence.
    pub reference: Option<String>,
    /// The documents an allowed update rests on, as `kind id`.
    pub evidence: Vec<String>,
    /// Every document the verdict refers to, with state and date.
    pub documents: Vec<DocumentRecord>,
    /// The day the evidence was complete, as YYYY-MM-DD, for an allowed update.
    pub rests_on: Option<String>,
    /// The day from which early updates are allowed, as YYYY-MM-DD.
    pub early_rules_since: String,
    /// Why, in a clause.
    pub detail: String,
    /// The whole sentence for people.
    pub sentence: String,
}

impl<'a> Verdict<'a> {
    pub(super) fn new(
        device: Eui64,
        target: Option<&'a CplEntryId>,
        decided_on: Date,
        tmad_v7_effective: Date,
        decision: Decision<'a>,
        documents: Documents<'a>,
    ) -> Self {
        Self { device, target, decided_on, tmad_v7_effective, decision, documents }
    }

    /// Returns the device.
    pub fn device(&self) -> Eui64 {
        self.device
    }

    /// Returns the entry it was to be updated to, when the order names one.
    pub fn target(&self) -> Option<&'a CplEntryId> {
        self.target
    }

    /// Returns the day of the decision.
    pub fn decided_on(&self) -> Date {
        self.decided_on
    }

    /// Returns what was decided.
    pub fn decision(&self) -> &Decision<'a> {
        &self.decision
    }

    /// Says whether the device may be updated.
    pub fn is_allowed(&self) -> bool {
        self.basis().is_some()
    }

    /// Returns the row that decided.
    pub fn row(&self) -> GateRow {
        match &self.decision {
            Decision::Allow(basis) => basis.row(),
            Decision::Refuse(refusal) => refusal.row(),
            Decision::Skip(Skip::AlreadyOnTarget(_)) => GateRow::A0,
            Decision::Skip(Skip::Excluded { .. }) => GateRow::A5,
            Decision::Hold(Hold { wait: Wait::NotNotified { .. }, .. }) => GateRow::A6,
            Decision::Hold(Hold { wait: Wait::Queue, .. }) => GateRow::A7,
            Decision::Hold(Hold { wait: Wait::NoWan, .. }) => GateRow::A8,
        }
    }

    /// Returns the code.
    pub fn code(&self) -> &'static str {
        match &self.decision {
            Decision::Allow(basis) => basis.reason().as_str(),
            Decision::Refuse(refusal) => refusal.code(),
            Decision::Skip(Skip::AlreadyOnTarget(_)) => "ALREADY_ON_TARGET",
            Decision::Skip(Skip::Excluded { .. }) => "SKIP_EXCLUDED",
            Decision::Hold(Hold { wait: Wait::NotNotified { .. }, .. }) => "HOLD_NOT_NOTIFIED",
            Decision::Hold(Hold { wait: Wait::Queue, .. }) => "QUEUE",
            Decision::Hold(Hold { wait: Wait::NoWan, .. }) => "RETRY_NO_WAN",
        }
    }

    /// Returns the combination, once one was found.
    pub fn dmc(&self) -> Option<&'a DmcId> {
        match &self.decision {
            Decision::Allow(basis) => Some(basis.dmc()),
            Decision::Refuse(refusal) => refusal.dmc(),
            Decision::Skip(_) => None,
            Decision::Hold(hold) => Some(hold.dmc),
        }
    }

    /// Returns the documents it refers to: what an allowed update rests on, and what there is of what is missing.
    pub fn documents(&self) -> &Documents<'a> {
        &self.documents
    }

    /// Returns the basis of an allowed update.
    pub fn basis(&self) -> Option<&Basis<'a>> {
        match &self.decision {
            Decision::Allow(basis) => Some(basis),
            _ => None,
        }
    }

    /// Says in one sentence for people what was decided, when and why.
    pub fn explain(&self) -> String {
        self.sentence().to_string()
    }

    fn sentence(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            let Verdict { device, decided_on, .. } = self;
            write!(f, "On {decided_on} device {device} ")?;
            match (&self.decision, self.target) {
                (Decision::Allow(_), Some(target)) => write!(f, "may be updated to {target}")?,
                (Decision::Allow(_), None) => write!(f, "may be updated")?,
                (Decision::Refuse(_), Some(target)) => write!(f, "may not be updated to {target}")?,
                (Decision::Refuse(_), None) => write!(f, "may not be updated")?,
                (Decision::Skip(Skip::AlreadyOnTarget(_)), _) => write!(f, "needs no update")?,
                (Decision::Skip(Skip::Excluded { .. }), _) => write!(f, "is left out")?,
                (Decision::Hold(_), Some(target)) => write!(f, "has to wait for its update to {target}")?,
                (Decision::Hold(_), None) => write!(f, "has to wait for its update")?,
            }
            write!(f, ": {} (row {}, {}).", self.reason(), self.row(), self.code())
        })
    }

    /// Writes the verdict down as plain data.
    pub fn record(&self) -> VerdictRecord {
        let basis = self.basis();
        let documents = self.documents.iter();
        let kind_and_id = |document: &Document<'_>| format!("{} {}", document.kind(), document.id());
        VerdictRecord {
            device: self.device,
            target: self.target.map(CplEntryId::to_string),
            decided_on: self.decided_on.to_string(),
            decision: match &self.decision {
                Decision::Allow(_) => "allow",
                Decision::Refuse(_) => "refuse",
                Decision::Skip(_) => "skip",
                Decision::Hold(_) => "hold",
            },
            allowed: basis.is_some(),
            row: self.row().to_string(),
            origin: self.row().origin(),
            code: self.code().to_string(),
            dmc: self.dmc().map(DmcId::to_string),
            reference: basis.and_then(Basis::reference).map(DmcId::to_string),
            evidence: match basis {
                Some(_) => documents.map(kind_and_id).collect(),
                None => Vec::new(),
            },
            documents: self.documents.iter().map(Document::record).collect(),
            rests_on: basis.map(|basis| basis.rests_on().to_string()),
            early_rules_since: self.tmad_v7_effective.to_string(),
            detail: self.reason().to_string(),
            sentence: self.explain(),
        }
    }

    /// Says in a clause why, with the documents it refers to.
    fn reason(&self) -> impl fmt::Display {
        fmt::from_fn(|f| match &self.decision {
            // These name their documents themselves.
            Decision::Allow(_) => write!(f, "{}", self.decision),
            _ if self.documents.is_empty() => write!(f, "{}", self.decision),
            _ => write!(f, "{}; see {}", self.decision, self.documents),
        })
    }
}
