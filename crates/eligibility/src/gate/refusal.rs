//! Why a claim is refused: every way, with what a person needs to see it.

use firmware_image::{Eui64, HardwareVersion};
use jiff::civil::Date;

use super::row::GateRow;
use crate::combination::CombinationView;
use crate::cpl::{CplStatus, Predecessors};
use crate::evidence::EvidenceKind;
use crate::text::{CplEntryId, DmcId, SmsoId};

/// Why a claim is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// A0: the inventory has no such device.
    UnknownDevice(Eui64),
    /// A0: the product list has no such entry, be it the running or the target one.
    UnknownModel {
        /// The device.
        device: Eui64,
        /// The entry.
        entry: &'a CplEntryId,
    },
    /// A1: somebody other than the DCC instructs.
    NotDcc {
        /// Who.
        party: &'a str,
    },
    /// A1: the instruction addresses another SMSO than the one that operates the installation.
    WrongSmso {
        /// Whom it addresses.
        addressed: &'a SmsoId,
        /// Who operates.
        operator: &'a SmsoId,
    },
    /// A2: no Dormant Meter, nor a device that may go with one.
    Active(ActiveReason),
    /// A3: the device is enrolled, so its supplier updates it through the DCC.
    Enrolled,
    /// A4: the home would not end in a combination that is listed or proposed.
    FirmwareNotInDmc(DmcMismatch<'a>),
    /// A9: the image is not the registered one, or not for this device.
    Image(ImageMismatch),
    /// A10: the running version is not a permitted predecessor.
    Path {
        /// What runs.
        current: &'a CplEntryId,
        /// What it was to run.
        target: &'a CplEntryId,
        /// What the target may be installed over.
        permitted: &'a Predecessors,
    },
    /// B2, B3 or B4 would allow it, and TMAD V7.0 is not in effect.
    EarlyNotInEffect {
        /// The row.
        row: GateRow,
        /// The combination.
        dmc: &'a DmcId,
        /// When V7.0 takes effect.
        effective: Date,
    },
    /// B5: equivalence is claimed and not final.
    EquivalenceNotFinal {
        /// The combination.
        dmc: &'a DmcId,
        /// The combination it is said to be equivalent to.
        reference: &'a DmcId,
        /// Whether the report is issued.
        issued: bool,
        /// How many objections are open.
        open_objections: u16,
    },
    /// B6: one of MT and SIT is not complete, and no report is issued.
    TestingIncomplete {
        /// The combination.
        dmc: &'a DmcId,
        /// The test that is missing.
        missing: EvidenceKind,
    },
    /// B7: nothing that the update could rest on.
    NoEvidence {
        /// The combination.
        dmc: &'a DmcId,
        /// What is missing.
        why: Unproven,
    },
    /// B8: declared uneconomic to test.
    Uneconomic {
        /// The combination.
        dmc: &'a DmcId,
    },
}

/// How a combination comes to have no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unproven {
    /// It is not proposed by now; before that no test of it counts.
    NotProposed,
    /// It is proposed, and no test is complete and no report issued.
    Untested,
    /// It was removed from the EPCL, and is not proposed again since.
    Removed {
        /// When.
        on: Date,
    },
}

/// How a device fails row A2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActiveReason {
    /// It is an Active Meter.
    Meter,
    /// It is no meter, and its installation has no Dormant Meter.
    NoDormantMeter,
    /// It is shared with an Active Meter, and the policy does not allow that.
    SharedInMixed,
}

/// How a claim fails row A4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmcMismatch<'a> {
    /// The order names no target for the device.
    NotTargeted,
    /// Another device of the same order and installation may not be updated, so the combination does not come about.
    Companion {
        /// The other device.
        device: Eui64,
        /// The row it fails.
        row: GateRow,
    },
    /// No listed or proposed combination is the one the home would end in.
    NoSuchCombination {
        /// That combination.
        combination: CombinationView<'a>,
    },
}

/// How a claim fails row A9: the first field that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageMismatch {
    /// The target entry is not in force.
    CplStatus(CplStatus),
    /// The target entry is for another manufacturer or model than the device is.
    Model,
    /// The target entry is for other hardware than the device has.
    CplHardware {
        /// The device's hardware.
        device: HardwareVersion,
        /// The entry's hardware.
        entry: HardwareVersion,
    },
    /// No image is registered for the target entry.
    NotRegistered,
    /// The payload's SHA-256 is not the registered one.
    Digest,
    /// The payload's length is not the registered one.
    Size,
    /// The header's version is not that of the entry.
    FirmwareVersion,
    /// The device's hardware is outside of the header's range.
    HardwareRange {
        /// The device's hardware.
        device: HardwareVersion,
    },
}

impl ImageMismatch {
    /// Returns the field, for reports and counts.
    pub fn field(self) -> &'static str {
        match self {
            ImageMismatch::CplStatus(_) => "status",
            ImageMismatch::Model => "model",
            ImageMismatch::CplHardware { .. } => "hardware_version",
            ImageMismatch::NotRegistered | ImageMismatch::Digest => "image_sha256",
            ImageMismatch::Size => "image_size",
            ImageMismatch::FirmwareVersion => "firmware_version",
            ImageMismatch::HardwareRange { .. } => "hardware_range",
        }
    }
}

impl<'a> Refusal<'a> {
    /// Returns the row that is not passed.
    pub fn row(&self) -> GateRow {
        match self {
            Refusal::UnknownDevice(_) | Refusal::UnknownModel { .. } => GateRow::A0,
            Refusal::NotDcc { .. } | Refusal::WrongSmso { .. } => GateRow::A1,
            Refusal::Active(_) => GateRow::A2,
            Refusal::Enrolled => GateRow::A3,
            Refusal::FirmwareNotInDmc(_) => GateRow::A4,
            Refusal::Image(_) => GateRow::A9,
            Refusal::Path { .. } => GateRow::A10,
            Refusal::EarlyNotInEffect { row, .. } => *row,
            Refusal::EquivalenceNotFinal { .. } => GateRow::B5,
            Refusal::TestingIncomplete { .. } => GateRow::B6,
            Refusal::NoEvidence { .. } => GateRow::B7,
            Refusal::Uneconomic { .. } => GateRow::B8,
        }
    }

    /// Returns the code of the table; those of row A0 and `EARLY_NOT_IN_EFFECT` are ours.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::UnknownDevice(_) => "REJECT_UNKNOWN_DEVICE",
            Refusal::UnknownModel { .. } => "REJECT_UNKNOWN_MODEL",
            Refusal::NotDcc { .. } => "REJECT_NOT_DCC",
            Refusal::WrongSmso { .. } => "REJECT_WRONG_SMSO",
            Refusal::Active(_) => "REJECT_ACTIVE",
            Refusal::Enrolled => "REJECT_ENROLLED",
            Refusal::FirmwareNotInDmc(_) => "REJECT_FW_NOT_IN_DMC",
            Refusal::Image(_) => "REJECT_IMAGE",
            Refusal::Path { .. } => "REJECT_PATH",
            Refusal::EarlyNotInEffect { .. } => "EARLY_NOT_IN_EFFECT",
            Refusal::EquivalenceNotFinal { .. } => "SE_NOT_FINAL",
            Refusal::TestingIncomplete { .. } => "TESTING_INCOMPLETE",
            Refusal::NoEvidence { .. } => "NO_EVIDENCE",
            Refusal::Uneconomic { .. } => "DMC_UNECONOMIC",
        }
    }

    /// Returns the combination, once one was found.
    pub fn dmc(&self) -> Option<&'a DmcId> {
        match self {
            Refusal::EarlyNotInEffect { dmc, .. }
            | Refusal::EquivalenceNotFinal { dmc, .. }
            | Refusal::TestingIncomplete { dmc, .. }
            | Refusal::NoEvidence { dmc, .. }
            | Refusal::Uneconomic { dmc } => Some(dmc),
            _ => None,
        }
    }
}
