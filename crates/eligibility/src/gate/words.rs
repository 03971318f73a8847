//! The reasons of a verdict in words: clauses in lower case, to stand after a colon.

use std::fmt::{self, Display, Formatter, Result};

use super::basis::{Basis, ReasonCode};
use super::refusal::{ActiveReason, DmcMismatch, ImageMismatch, Refusal, Unproven};
use super::verdict::{Decision, Hold, Skip, Wait};
use super::waits::NoticeGap;
use crate::cpl::Predecessors;
use crate::text::{CplEntryId, DmcId};

impl Display for Decision<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Decision::Allow(basis) => write!(f, "{basis}"),
            Decision::Refuse(refusal) => write!(f, "{refusal}"),
            Decision::Skip(skip) => write!(f, "{skip}"),
            Decision::Hold(hold) => write!(f, "{hold}"),
        }
    }
}

impl Display for Basis<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (dmc, since, evidence) = (self.dmc(), self.rests_on(), self.evidence());
        match self.reason() {
            ReasonCode::Epcl => write!(f, "combination {dmc} is on the EPCL since {since}"),
            ReasonCode::EarlyMtSit => {
                write!(f, "combination {dmc} is proposed, and since {since} its MT and SIT are complete")
            }
            ReasonCode::EarlyDmctReport => {
                write!(f, "combination {dmc} is proposed, and since {since} its DMCT EPCL Report is issued")
            }
            ReasonCode::EarlyDmctReportSe => {
                let reference = self.reference().map(DmcId::as_str).unwrap_or_default();
                write!(
                    f,
                    "combination {dmc} is proposed as equivalent to {reference}, and since {since} that one is "
                )?;
                write!(f, "tested and the DMCT EPCL Report issued")
            }
        }?;
        write!(f, ": {evidence}")
    }
}

impl Display for Refusal<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Refusal::UnknownDevice(_) => f.write_str("the inventory does not have it"),
            Refusal::UnknownModel { entry, .. } => write!(f, "the product list has no entry {entry}"),
            Refusal::NotDcc { party } => write!(f, "the instruction comes from {party:?}, not from the DCC"),
            Refusal::WrongSmso { addressed, operator } => {
                write!(f, "the instruction addresses SMSO {addressed}, and {operator} operates the home")
            }
            Refusal::Active(reason) => write!(f, "{reason}"),
            Refusal::Enrolled => f.write_str("it is enrolled with the DCC, so its supplier updates it"),
            Refusal::FirmwareNotInDmc(mismatch) => write!(f, "{mismatch}"),
            Refusal::Image(mismatch) => write!(f, "{mismatch}"),
            Refusal::Path { current, target, permitted } => match permitted {
                Predecessors::These(entries) if !entries.is_empty() => {
                    let permitted = entries.iter().map(CplEntryId::as_str).collect::<Vec<_>>().join(", ");
                    write!(f, "{target} may be installed over {permitted}, and it runs {current}")
                }
                _ => write!(f, "{target} may be installed over no version, and it runs {current}"),
            },
            Refusal::EarlyNotInEffect { row, dmc, effective } => {
                write!(
                    f,
                    "row {row} would allow combination {dmc}, but TMAD V7.0 takes effect on {effective}"
                )
            }
            Refusal::EquivalenceNotFinal { dmc, reference, issued, open_objections } => {
                write!(f, "combination {dmc} is claimed to be equivalent to {reference}, and ")?;
                match (issued, open_objections) {
                    (false, _) => f.write_str("the DMCT EPCL Report is not issued"),
                    (true, 0) => f.write_str("that one is not tested"),
                    (true, 1) => f.write_str("an objection is open"),
                    (true, open) => write!(f, "{open} objections are open"),
                }
            }
            Refusal::TestingIncomplete { dmc, missing } => {
                write!(f, "{missing} of combination {dmc} is not complete, and no DMCT EPCL Report is issued")
            }
            Refusal::NoEvidence { dmc, why } => match why {
                Unproven::NotProposed => write!(f, "combination {dmc} is neither on the EPCL nor proposed"),
                Unproven::Untested => {
                    write!(f, "no test of combination {dmc} is complete and no report on it is issued")
                }
                Unproven::Removed { on } => {
                    write!(f, "combination {dmc} was removed from the EPCL on {on} and is not proposed again")
                }
            },
            Refusal::Uneconomic { dmc } => write!(f, "combination {dmc} is declared uneconomic to test"),
        }
    }
}

impl Display for ActiveReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            ActiveReason::Meter => "it is an Active Meter",
            ActiveReason::NoDormantMeter => "it is associated with no Dormant Meter",
            ActiveReason::SharedInMixed => {
                "it is shared with an Active Meter, and the policy does not allow such devices"
            }
        })
    }
}

impl Display for DmcMismatch<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            DmcMismatch::NotTargeted => f.write_str("the order names no target for it"),
            DmcMismatch::Companion { device, row } => {
                write!(
                    f,
                    "the order needs device {device} of the same home updated too, which row {row} forbids"
                )
            }
            DmcMismatch::NoSuchCombination { combination } => {
                write!(f, "the home would be {combination}, which is neither listed nor proposed")
            }
        }
    }
}

impl Display for ImageMismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            ImageMismatch::CplStatus(status) => write!(f, "the target entry is {status} on the product list"),
            ImageMismatch::Model => f.write_str("the target entry is for another model"),
            ImageMismatch::CplHardware { device, entry } => {
                write!(f, "the target entry is for hardware {:04X}, and it has {:04X}", entry.0, device.0)
            }
            ImageMismatch::NotRegistered => f.write_str("no image is registered for the target entry"),
            ImageMismatch::Digest => f.write_str("the payload's SHA-256 is not the registered one"),
            ImageMismatch::Size => f.write_str("the payload's size is not the registered one"),
            ImageMismatch::FirmwareVersion => {
                f.write_str("the image's version is not that of the target entry")
            }
            ImageMismatch::HardwareRange { device } => {
                write!(f, "the image is not for hardware {:04X}, which it has", device.0)
            }
        }
    }
}

impl Display for Skip<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Skip::AlreadyOnTarget(entry) => write!(f, "it runs {entry} already"),
            Skip::Excluded { device, reason } => {
                write!(f, "device {device} is excluded as {}", reason.as_str())
            }
        }
    }
}

impl Display for Hold<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Hold { wait, reason, dmc } = self;
        match wait {
            Wait::NotNotified { supplier, gap } => write!(f, "supplier {supplier} is not notified: {gap}")?,
            Wait::Queue => f.write_str("no slot is free")?,
            Wait::NoWan => f.write_str("the hub is not reached over the WAN")?,
        }
        write!(f, "; combination {dmc} allows it as {}", reason.as_str())
    }
}

impl Display for NoticeGap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> Result {
        match self {
            NoticeGap::None => f.write_str("there is no notice about it"),
            NoticeGap::Supplier(supplier) => write!(f, "the notice went to {supplier}"),
            NoticeGap::Versions => f.write_str("the notice speaks of other versions"),
            NoticeGap::Combination => f.write_str("the notice speaks of another combination"),
            NoticeGap::Opens(day) => write!(f, "the notice covers no day before {day}"),
            NoticeGap::Closed(day) => write!(f, "the notice covers no day after {day}"),
        }
    }
}
