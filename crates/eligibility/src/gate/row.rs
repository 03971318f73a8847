//! The rows of the decision table and where each comes from.
//!
//! Marks: `[S1]` and the like are public sources, listed in the crate's documentation; `[I]` is our inference from them;
//! `[C]` is configuration, in [`GateConfig`](crate::GateConfig).

use std::fmt;

use serde::Serialize;

/// A row of the decision table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GateRow {
    /// Ours, before the table: device and models are known, and there is something to do. `[I]`
    A0,
    /// The instruction comes from the DCC and addresses the SMSO that operates the installation. `[S1]`
    A1,
    /// The meter is a Dormant Meter now; another device is associated with one in the same installation. `[S1]` That
    /// shared devices of a Mixed installation wait for a policy is `[I]`, and the policy `[C]`.
    A2,
    /// The device is not enrolled, or its supplier would update it through the DCC. `[I]` from `[S1]` and `[S14]`
    A3,
    /// The home ends in exactly the combination the evidence speaks of. `[S1]` The exact match, and that one device
    /// held back holds its companions, is `[I]`.
    A4,
    /// The installation is in no exclusion category. `[S6]` `[S7]` The categories exist for migration; that they hold
    /// for firmware is `[I]`.
    A5,
    /// The supplier was told of the update, for this device and day. `[S2]` A template of that name exists; that it must
    /// be sent before is `[I]`, and whether the row is asked and with what lead time `[C]`.
    A6,
    /// A slot is free under the allocation. `[S1]` `[S4]` The priority of Dormant Meters and a flat allocation exist for
    /// migration; that firmware has slots is `[I]`. Who gives them is the planner, not this crate.
    A7,
    /// The SMSO has WAN contact. `[S6]` A category's text links contact with firmware; that the gate asks is `[I]`. Who
    /// knows it is the transfer, not this crate.
    A8,
    /// The image is the registered one and fits the hardware. `[I]`
    A9,
    /// The running version is a permitted predecessor. `[I]`; that order matters is `[S22]`.
    A10,
    /// The combination is on the EPCL. `[S1]`, the arrangement before V7.0. That a removed entry is none is `[I]`.
    B1,
    /// Proposed, and its MT and SIT are complete. `[S1]` That "MT/SIT" means both is `[I]`. From the day in `[C]`.
    B2,
    /// Proposed, tested in the DMCT Process, and the DMCT EPCL Report is issued. `[S1]` That an issued report shows the
    /// tests done is `[I]`. From the day in `[C]`.
    B3,
    /// Proposed as substantively equivalent to a tested combination, and the report is issued with no objection open.
    /// `[S1]` What shows that the other one is tested (MT and SIT, an issued report of its own tests, or its EPCL entry)
    /// is `[I]`. From the day in `[C]`.
    B4,
    /// Equivalence is claimed, and the report is a draft, an objection is open, or the other combination is not tested.
    /// `[S1]`; the last is `[I]`.
    B5,
    /// One of MT and SIT is complete, and there is no issued report. `[S1]`, with the reading of B2.
    B6,
    /// No evidence: only somebody's confidence. `[S1]` The conclusions report turns it down.
    B7,
    /// The combination is declared uneconomic to test. `[S6]`, category (iv). It is asked before B7, which is what
    /// remains when nothing else matches.
    B8,
}

/// How well a row is founded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
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
    pub const ALL: [GateRow; 19] = [
        GateRow::A0,
        GateRow::A1,
        GateRow::A2,
        GateRow::A3,
        GateRow::A4,
        GateRow::A5,
        GateRow::A6,
        GateRow::A7,
        GateRow::A8,
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
            GateRow::A6 => "A6",
            GateRow::A7 => "A7",
            GateRow::A8 => "A8",
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
            GateRow::A1 | GateRow::B7 | GateRow::B8 => Origin::Sourced,
            GateRow::A2 | GateRow::A4 | GateRow::B1 => Origin::SourcedInPart,
            GateRow::B2 | GateRow::B3 | GateRow::B4 | GateRow::B5 | GateRow::B6 => Origin::SourcedInPart,
            GateRow::A0 | GateRow::A3 | GateRow::A5 | GateRow::A6 => Origin::Inference,
            GateRow::A7 | GateRow::A8 | GateRow::A9 | GateRow::A10 => Origin::Inference,
        }
    }
}

impl fmt::Display for GateRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
