//! What an allowed update rests on.

use firmware_image::{Eui64, ImageDigest};
use jiff::civil::Date;

use super::document::Documents;
use super::row::GateRow;
use crate::text::{CplEntryId, DmcId};

/// What an allowed update rests on; proof that [`decide`](crate::decide) allowed this image on this device that day.
///
/// Only `decide` makes one, so whoever asks for a `Basis` cannot be given anything else:
///
/// ```compile_fail,E0451
/// # fn any<T>() -> T { unimplemented!() }
/// let basis = eligibility::Basis { device: any(), ..any() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis<'a> {
    device: Eui64,
    target: &'a CplEntryId,
    image: ImageDigest,
    decided_on: Date,
    proof: Proof<'a>,
}

/// The part of a basis that the evidence gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gate) struct Proof<'a> {
    pub reason: ReasonCode,
    pub dmc: &'a DmcId,
    pub reference: Option<&'a DmcId>,
    pub evidence: Documents<'a>,
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

impl<'a> Basis<'a> {
    pub(in crate::gate) fn new(
        device: Eui64,
        target: &'a CplEntryId,
        image: ImageDigest,
        decided_on: Date,
        proof: Proof<'a>,
    ) -> Self {
        Self { device, target, image, decided_on, proof }
    }

    /// Returns the device that may be updated.
    pub fn device(&self) -> Eui64 {
        self.device
    }

    /// Returns the entry it may be updated to.
    pub fn target(&self) -> &'a CplEntryId {
        self.target
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
    pub fn dmc(&self) -> &'a DmcId {
        self.proof.dmc
    }

    /// Returns the tested combination relied on by substantive equivalence (B4).
    pub fn reference(&self) -> Option<&'a DmcId> {
        self.proof.reference
    }

    /// Returns what it rests on: the EPCL entry, or tests and reports; and the notice, where notices are asked for.
    pub fn evidence(&self) -> &Documents<'a> {
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
