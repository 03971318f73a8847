//! Why a claim is refused: every way, with what a person needs to see it.

use std::fmt;

use firmware_image::{Eui64, HardwareVersion};
use jiff::civil::Date;

use super::row::GateRow;
use crate::cpl::{CplStatus, Predecessors};
use crate::evidence::EvidenceKind;
use crate::text::{CplEntryId, DmcId, SmsoId};

/// Why a claim is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A0: the inventory has no such device.
    UnknownDevice(Eui64),
    /// A0: the product list has no such entry, be it the running or the target one.
    UnknownModel {
        /// The device.
        device: Eui64,
        /// The entry.
        entry: CplEntryId,
    },
    /// A1: somebody other than the DCC instructs.
    NotDcc {
        /// Who.
        party: String,
    },
    /// A1: the instruction addresses another SMSO than the one that operates the installation.
    WrongSmso {
        /// Whom it addresses.
        addressed: SmsoId,
        /// Who operates.
        operator: SmsoId,
    },
    /// A2: no Dormant Meter, nor a device that may go with one.
    Active(ActiveReason),
    /// A3: the device is enrolled, so its supplier updates it through the DCC.
    Enrolled,
    /// A4: the home would not end in a combination that is listed or proposed.
    FirmwareNotInDmc(DmcMismatch),
    /// A9: the image is not the registered one, or not for this device.
    Image(ImageMismatch),
    /// A10: the running version is not a permitted predecessor.
    Path {
        /// What runs.
        current: CplEntryId,
        /// What it was to run.
        target: CplEntryId,
        /// What the target may be installed over.
        permitted: Predecessors,
    },
    /// B2, B3 or B4 would allow it, and TMAD V7.0 is not in effect.
    EarlyNotInEffect {
        /// The row.
        row: GateRow,
        /// The combination.
        dmc: DmcId,
        /// When V7.0 takes effect.
        effective: Date,
    },
    /// B5: equivalence is claimed and not final.
    EquivalenceNotFinal {
        /// The combination.
        dmc: DmcId,
        /// The combination it is said to be equivalent to.
        reference: DmcId,
        /// Whether the report is issued, so that it is the tests of the reference that are missing.
        report_issued: bool,
    },
    /// B6: one of MT and SIT is not complete, and no report is issued.
    TestingIncomplete {
        /// The combination.
        dmc: DmcId,
        /// The test that is missing.
        missing: EvidenceKind,
    },
    /// B7: nothing that the update could rest on.
    NoEvidence {
        /// The combination.
        dmc: DmcId,
        /// Whether it is proposed by now; before that no test of it counts.
        proposed: bool,
    },
    /// B8: declared uneconomic to test.
    Uneconomic {
        /// The combination.
        dmc: DmcId,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DmcMismatch {
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
        /// That combination, in words.
        combination: String,
    },
}

/// How a claim fails row A9: the first field that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageMismatch {
    /// The target entry is not in force.
    CplStatus(CplStatus),
    /// The target entry is for another type of device.
    DeviceType,
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
            ImageMismatch::DeviceType => "device_type",
            ImageMismatch::Model => "model",
            ImageMismatch::CplHardware { .. } => "hardware_version",
            ImageMismatch::NotRegistered | ImageMismatch::Digest => "image_sha256",
            ImageMismatch::Size => "image_size",
            ImageMismatch::FirmwareVersion => "firmware_version",
            ImageMismatch::HardwareRange { .. } => "hardware_range",
        }
    }
}

impl Refusal {
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
    pub fn dmc(&self) -> Option<&DmcId> {
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

/// Says it in a sentence.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::UnknownDevice(device) => write!(f, "the inventory has no device {device}"),
            Refusal::UnknownModel { device, entry } => {
                write!(f, "the product list has no entry {entry}, named for device {device}")
            }
            Refusal::NotDcc { party } => write!(f, "the instruction comes from {party:?}, not from the DCC"),
            Refusal::WrongSmso { addressed, operator } => {
                write!(
                    f,
                    "the instruction addresses SMSO {addressed}, and {operator} operates the installation"
                )
            }
            Refusal::Active(reason) => write!(f, "{reason}"),
            Refusal::Enrolled => write!(f, "the device is enrolled with the DCC, so its supplier updates it"),
            Refusal::FirmwareNotInDmc(mismatch) => write!(f, "{mismatch}"),
            Refusal::Image(mismatch) => write!(f, "{mismatch}"),
            Refusal::Path { current, target, permitted } => match permitted {
                Predecessors::These(entries) if !entries.is_empty() => {
                    let permitted = entries.iter().map(CplEntryId::as_str).collect::<Vec<_>>().join(", ");
                    write!(f, "{target} may be installed over {permitted}, and the device runs {current}")
                }
                _ => write!(f, "{target} may be installed over no version, and the device runs {current}"),
            },
            Refusal::EarlyNotInEffect { row, dmc, effective } => {
                write!(
                    f,
                    "row {row} would allow combination {dmc}, but TMAD V7.0 takes effect on {effective}"
                )
            }
            Refusal::EquivalenceNotFinal { dmc, reference, report_issued: false } => {
                write!(
                    f,
                    "combination {dmc} is claimed to be equivalent to {reference}, and no report is issued"
                )
            }
            Refusal::EquivalenceNotFinal { dmc, reference, report_issued: true } => write!(
                f,
                "the report on combination {dmc} is issued, but {reference}, to which it is equivalent, is not tested"
            ),
            Refusal::TestingIncomplete { dmc, missing } => {
                write!(f, "{missing} of combination {dmc} is not complete, and no DMCT EPCL Report is issued")
            }
            Refusal::NoEvidence { dmc, proposed: true } => {
                write!(f, "no test of combination {dmc} is complete and no report on it is issued")
            }
            Refusal::NoEvidence { dmc, proposed: false } => {
                write!(f, "combination {dmc} is neither on the EPCL nor proposed on this day")
            }
            Refusal::Uneconomic { dmc } => write!(f, "combination {dmc} is declared uneconomic to test"),
        }
    }
}

impl fmt::Display for ActiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ActiveReason::Meter => "the meter is an Active Meter",
            ActiveReason::NoDormantMeter => "the device is associated with no Dormant Meter",
            ActiveReason::SharedInMixed => {
                "the device is shared with an Active Meter, and updating such devices is not enabled"
            }
        })
    }
}

impl fmt::Display for DmcMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DmcMismatch::NotTargeted => f.write_str("the order names no target for the device"),
            DmcMismatch::Companion { device, row } => {
                write!(f, "the combination needs device {device} updated too, which row {row} does not allow")
            }
            DmcMismatch::NoSuchCombination { combination } => {
                write!(f, "no listed or proposed combination is {combination}")
            }
        }
    }
}

impl fmt::Display for ImageMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageMismatch::CplStatus(status) => write!(f, "the target entry is {status} on the product list"),
            ImageMismatch::DeviceType => f.write_str("the target entry is for another type of device"),
            ImageMismatch::Model => f.write_str("the target entry is for another model"),
            ImageMismatch::CplHardware { device, entry } => {
                write!(
                    f,
                    "the target entry is for hardware {:04X}, and the device has {:04X}",
                    entry.0, device.0
                )
            }
            ImageMismatch::NotRegistered => f.write_str("no image is registered for the target entry"),
            ImageMismatch::Digest => f.write_str("the payload's SHA-256 is not the registered one"),
            ImageMismatch::Size => f.write_str("the payload's size is not the registered one"),
            ImageMismatch::FirmwareVersion => {
                f.write_str("the image's version is not that of the target entry")
            }
            ImageMismatch::HardwareRange { device } => {
                write!(f, "the image is not for hardware {:04X}, which the device has", device.0)
            }
        }
    }
}
