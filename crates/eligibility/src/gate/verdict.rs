//! The answer of the gate, and its plain-text form for the ledger.

use super::basis::Basis;
use super::refusal::Refusal;
use super::row::GateRow;
use crate::device::Exclusion;
use crate::text::{CplEntryId, DmcId};

/// The answer to one claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The device may be updated, and this is why.
    Allow(Basis),
    /// It may not, and this is why.
    Refuse(Refusal),
    /// There is nothing to do for it now.
    Skip(Skip),
}

/// Why there is nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// A0: it runs the target already, which counts as success.
    AlreadyOnTarget(CplEntryId),
    /// A5: it, or its installation, is excluded.
    Excluded(Exclusion),
}

/// A verdict as plain text, for who keeps or shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRecord {
    /// Whether the device may be updated.
    pub allowed: bool,
    /// The row that decided.
    pub row: String,
    /// The code.
    pub code: String,
    /// The combination, once one was found.
    pub dmc: Option<String>,
    /// The combination relied on by equivalence.
    pub reference: Option<String>,
    /// The documents an allowed update rests on, as `kind doc_ref`.
    pub evidence: Vec<String>,
    /// The day the evidence was complete, as YYYY-MM-DD, for an allowed update.
    pub rests_on: Option<String>,
    /// The sentence for people.
    pub detail: String,
}

impl Verdict {
    /// Returns the row that decided.
    pub fn row(&self) -> GateRow {
        match self {
            Verdict::Allow(basis) => basis.row(),
            Verdict::Refuse(refusal) => refusal.row(),
            Verdict::Skip(Skip::AlreadyOnTarget(_)) => GateRow::A0,
            Verdict::Skip(Skip::Excluded(_)) => GateRow::A5,
        }
    }

    /// Returns the code.
    pub fn code(&self) -> &'static str {
        match self {
            Verdict::Allow(basis) => basis.reason().as_str(),
            Verdict::Refuse(refusal) => refusal.code(),
            Verdict::Skip(Skip::AlreadyOnTarget(_)) => "ALREADY_ON_TARGET",
            Verdict::Skip(Skip::Excluded(_)) => "SKIP_EXCLUDED",
        }
    }

    /// Says in a sentence for people what was decided and why.
    pub fn explain(&self) -> String {
        match self {
            Verdict::Allow(basis) => basis.to_string(),
            Verdict::Refuse(refusal) => refusal.to_string(),
            Verdict::Skip(Skip::AlreadyOnTarget(entry)) => format!("the device runs {entry} already"),
            Verdict::Skip(Skip::Excluded(exclusion)) => {
                format!("the device or its installation is excluded: {}", exclusion.as_str())
            }
        }
    }

    /// Returns the combination, once one was found.
    pub fn dmc(&self) -> Option<&DmcId> {
        match self {
            Verdict::Allow(basis) => Some(basis.dmc()),
            Verdict::Refuse(refusal) => refusal.dmc(),
            Verdict::Skip(_) => None,
        }
    }

    /// Returns the basis of an allowed update.
    pub fn basis(&self) -> Option<&Basis> {
        match self {
            Verdict::Allow(basis) => Some(basis),
            _ => None,
        }
    }

    /// Writes the verdict down as plain text.
    pub fn record(&self) -> VerdictRecord {
        let basis = self.basis();
        let evidence = basis.map(Basis::evidence).unwrap_or_default();
        VerdictRecord {
            allowed: basis.is_some(),
            row: self.row().to_string(),
            code: self.code().to_string(),
            dmc: self.dmc().map(DmcId::to_string),
            reference: basis.and_then(Basis::reference).map(DmcId::to_string),
            evidence: evidence
                .iter()
                .map(|evidence| format!("{} {}", evidence.kind, evidence.doc_ref))
                .collect(),
            rests_on: basis.map(|basis| basis.rests_on().to_string()),
            detail: self.explain(),
        }
    }
}
