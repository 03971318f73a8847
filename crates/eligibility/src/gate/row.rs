//! The rows of the decision table and where each comes from.

use std::fmt;

/// A row of the decision table. A6, A7 and A8 are missing on purpose: they are not decided by this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GateRow {
    /// *Ours, before the table*: device and models are known, and there is something to do.
    A0,
    /// The instruction comes from the DCC and addresses the SMSO that operates the installation. *Sourced*.
    A1,
    /// The meter is a Dormant Meter now; another device is associated with one in the same installation. *Sourced*;
    /// that shared devices of a Mixed installation wait for a policy is *inference* and the policy *configuration*.
    A2,
    /// The device is not enrolled, or its supplier would update it through the DCC. *Inference*.
    A3,
    /// The home ends in exactly the combination the evidence speaks of. *Sourced*; the exact match, and that one device
    /// held back holds its companions, is *inference*.
    A4,
    /// The installation is in no exclusion category. The categories exist for migration; here they are *inference*.
    A5,
    /// The image is the registered one and fits the hardware. *Inference*.
    A9,
    /// The running version is a permitted predecessor. *Inference*; that order matters is sourced (MP231).
    A10,
    /// The combination is on the EPCL. *Sourced* (the arrangement before V7.0).
    B1,
    /// Proposed, and its MT and SIT are complete. *Sourced*; that "MT/SIT" means both is *inference*. From the day in
    /// the *configuration*.
    B2,
    /// Proposed, tested in the DMCT Process, and the DMCT EPCL Report is issued. *Sourced*; that an issued report shows
    /// the tests done is *inference*. From the day in the *configuration*.
    B3,
    /// Proposed as substantively equivalent to a tested combination, and the report is issued. *Sourced*; what shows
    /// that the other one is tested (MT and SIT, an issued report of its own tests, or its EPCL entry) is *inference*.
    /// From the day in the *configuration*.
    B4,
    /// Equivalence is claimed, and the report is a draft, an objection is open, or the other combination is not tested.
    /// *Sourced*; the last is *inference*.
    B5,
    /// One of MT and SIT is complete, and there is no issued report. *Sourced*, with the reading of B2.
    B6,
    /// No evidence: only somebody's confidence. *Sourced*: the conclusions report turns it down.
    B7,
    /// The combination is declared uneconomic to test. *Sourced* as an exclusion category. It is asked before B7, which
    /// is what remains when nothing else matches.
    B8,
}

/// How well a row is founded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Public documents say it.
    Sourced,
    /// Public documents say it; how we read a part of it is ours.
    SourcedInPart,
    /// We conclude it from public documents.
    Inference,
}

impl GateRow {
    /// All rows, in the order of the table.
    pub const ALL: [GateRow; 16] = [
        GateRow::A0,
        GateRow::A1,
        GateRow::A2,
        GateRow::A3,
        GateRow::A4,
        GateRow::A5,
        GateRow::A9,
        GateRow::A10,
        GateRow::B1,
        GateRow::B2,
        GateRow::B3,
        GateRow::B4,
        GateRow::B5,
        GateRow::B6,
        GateRow::B7,
        GateRow::B8,
    ];

    /// Returns the row's name in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            GateRow::A0 => "A0",
            GateRow::A1 => "A1",
            GateRow::A2 => "A2",
            GateRow::A3 => "A3",
            GateRow::A4 => "A4",
            GateRow::A5 => "A5",
            GateRow::A9 => "A9",
            GateRow::A10 => "A10",
            GateRow::B1 => "B1",
            GateRow::B2 => "B2",
            GateRow::B3 => "B3",
            GateRow::B4 => "B4",
            GateRow::B5 => "B5",
            GateRow::B6 => "B6",
            GateRow::B7 => "B7",
            GateRow::B8 => "B8",
        }
    }

    /// Returns how well the row is founded.
    pub fn origin(self) -> Origin {
        match self {
            GateRow::A1 | GateRow::B1 | GateRow::B7 | GateRow::B8 => Origin::Sourced,
            GateRow::A2 | GateRow::A4 => Origin::SourcedInPart,
            GateRow::B2 | GateRow::B3 | GateRow::B4 | GateRow::B5 | GateRow::B6 => Origin::SourcedInPart,
            GateRow::A0 | GateRow::A3 | GateRow::A5 | GateRow::A9 | GateRow::A10 => Origin::Inference,
        }
    }
}

impl fmt::Display for GateRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
