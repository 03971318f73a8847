//! What an allowed update rests on.

use std::fmt;

use firmware_image::{Eui64, ImageDigest};
use jiff::civil::Date;

use super::row::GateRow;
use crate::evidence::EvidenceRef;
use crate::text::{CplEntryId, DmcId};

/// What an allowed update rests on; proof that [`decide`](crate::decide) allowed this image on this device that day.
///
/// Only `decide` makes one, so whoever asks for a `Basis` cannot be given anything else:
///
/// ```compile_fail,E0451
/// # fn any<T>() -> T { unimplemented!() }
/// let basis = eligibility::Basis { device: any(), ..any() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    device: Eui64,
    target: CplEntryId,
    image: ImageDigest,
    decided_on: Date,
    proof: Proof,
}

/// The part of a basis that the evidence gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gate) struct Proof {
    pub reason: ReasonCode,
    pub dmc: DmcId,
    pub reference: Option<DmcId>,
    pub evidence: Vec<EvidenceRef>,
    pub rests_on: Date,
}

/// Why an update is allowed, in one word of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    /// B1: the combination is on the EPCL; not early at all.
    Epcl,
    /// B2: its own MT and SIT are complete.
    EarlyMtSit,
    /// B3: its DMCT EPCL Report is issued.
    EarlyDmctReport,
    /// B4: the same, by substantive equivalence.
    EarlyDmctReportSe,
}

impl ReasonCode {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            ReasonCode::Epcl => "EPCL",
            ReasonCode::EarlyMtSit => "EARLY_MT_SIT",
            ReasonCode::EarlyDmctReport => "EARLY_DMCT_REPORT",
            ReasonCode::EarlyDmctReportSe => "EARLY_DMCT_REPORT_SE",
        }
    }

    /// Returns the row that gives this reason, and only this one.
    pub fn row(self) -> GateRow {
        match self {
            ReasonCode::Epcl => GateRow::B1,
            ReasonCode::EarlyMtSit => GateRow::B2,
            ReasonCode::EarlyDmctReport => GateRow::B3,
            ReasonCode::EarlyDmctReportSe => GateRow::B4,
        }
    }

    /// Says whether this is an early update, which TMAD V7.0 first permits.
    pub fn is_early(self) -> bool {
        self != ReasonCode::Epcl
    }
}

impl Basis {
    pub(in crate::gate) fn new(
        device: Eui64,
        target: CplEntryId,
        image: ImageDigest,
        decided_on: Date,
        proof: Proof,
    ) -> Self {
        Self { device, target, image, decided_on, proof }
    }

    /// Returns the device that may be updated.
    pub fn device(&self) -> Eui64 {
        self.device
    }

    /// Returns the entry it may be updated to.
    pub fn target(&self) -> &CplEntryId {
        &self.target
    }

    /// Returns the image it may get.
    pub fn image(&self) -> ImageDigest {
        self.image
    }

    /// Returns the row of the table.
    pub fn row(&self) -> GateRow {
        self.proof.reason.row()
    }

    /// Returns the reason.
    pub fn reason(&self) -> ReasonCode {
        self.proof.reason
    }

    /// Returns the combination the home ends in.
    pub fn dmc(&self) -> &DmcId {
        &self.proof.dmc
    }

    /// Returns the tested combination relied on by substantive equivalence (B4).
    pub fn reference(&self) -> Option<&DmcId> {
        self.proof.reference.as_ref()
    }

    /// Returns the documents it rests on. Empty for B1, where the EPCL entry of [`Basis::dmc`] is the evidence.
    pub fn evidence(&self) -> &[EvidenceRef] {
        &self.proof.evidence
    }

    /// Returns the day from which the evidence is complete: the latest of its dates.
    pub fn rests_on(&self) -> Date {
        self.proof.rests_on
    }

    /// Returns the day of the decision.
    pub fn decided_on(&self) -> Date {
        self.decided_on
    }
}

/// Says it in a sentence.
impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Basis { device, target, proof: Proof { dmc, rests_on, .. }, .. } = self;
        write!(f, "{device} may be updated to {target}: combination {dmc} ")?;
        match (self.reason(), self.reference()) {
            (ReasonCode::Epcl, _) => return write!(f, "is on the EPCL since {rests_on}"),
            (ReasonCode::EarlyMtSit, _) => write!(f, "is proposed and its MT and SIT are complete")?,
            (ReasonCode::EarlyDmctReport, _) => write!(f, "is proposed and its DMCT EPCL Report is issued")?,
            (ReasonCode::EarlyDmctReportSe, reference) => {
                let reference = reference.map(DmcId::as_str).unwrap_or_default();
                write!(f, "is proposed as equivalent to {reference} and its DMCT EPCL Report is issued")?;
            }
        }
        let documents =
            self.evidence().iter().map(|evidence| format!("{} {}", evidence.kind, evidence.doc_ref));
        write!(f, " since {rests_on} ({})", documents.collect::<Vec<_>>().join(", "))
    }
}
