//! May this device get this firmware now, and on what evidence.
//!
//! ```text
//!   cpl  epcl  ppcl  evidence          inventory  notices  exclusions      CSV, or rows of any kind
//!     └────┴────┬──────┘                    └────────┼─────────┘
//!           Register                             Inventory
//!               └──────────────────┬─────────────────┘
//!       Claim, today, GateConfig ──┤ decide
//!                                  ▼
//!        Verdict: Allow(Basis) | Refuse(Refusal) | Skip(Skip) | Hold(Hold)
//! ```
//!
//! The origin of the rule is the Transition and Migration Approach Document (TMAD) V7.0, clauses 4.24 to 4.27. Its
//! wording is not public; what it does is taken from the DCC's "SMETS1 Conclusions on Early Firmware Updates" of
//! 7 September 2020, called the *conclusions report* here. Each row of the gate says whether it is sourced, our
//! inference or configuration: see [`GateRow`] and [`Origin`]. The marks in this crate's documentation are
//!
//! | mark | meaning |
//! |---|---|
//! | `[S1]` | the conclusions report |
//! | `[S2]` | smartdcc.co.uk, "SMETS1 migration updates" (June 2019) |
//! | `[S4]` | smartdcc.co.uk, TMAD child documents, "Migration Scaling Methodology" |
//! | `[S6]`, `[S7]` | smartdcc.co.uk, consultations "Various 1" (November 2021) and "Active to Dormant" (May 2022) |
//! | `[S12]` | smartenergycodecompany.co.uk, glossary |
//! | `[S14]` | DUIS schemas V5.1 and V5.4 |
//! | `[S22]`, `[S23]` | MP231 "Firmware upgrade pathways" and SECMP0009 "Central Firmware Library" |
//! | `[I]` | our inference from them; not regulation |
//! | `[C]` | configuration: [`GateConfig`] |
//!
//! A7 (a slot is free) and A8 (the WAN reaches the hub) are answered by whoever plans or transfers, and come in as
//! [`Circumstances`]; where they are not known they are not asked.
//!
//! The confidence of an operator is never a basis: nothing in [`Claim`] can carry it. The conclusions report (section
//! 4.1.1) turned that proposal down, because suppliers of Dormant Meters must be able to see what an update rests on.
//!
//! The crate is pure: file contents come in as rows, `today` as a date, and nothing is read, written or timed.
//! Sketch of the largest fleet: a million homes with four devices each are 400 MB (see `inventory`). A verdict costs
//! two dozen look-ups by hash, refers to the lists and allocates nothing.
//!
//! In reading order: `gate` (the decision), `register` and `inventory` (what is known), `lists` (how it is read), `cpl`,
//! `combination`, `evidence`, `device`, `notice` and `exclusion` (the rows of the seven files), `table` (rows from text
//! and back), `text` (ids), `address`, `targets`, `catalogue` and `places` (look-ups).

// Tests inside and outside of the crate share one world.
#[cfg(test)]
extern crate self as eligibility;

mod address;
mod catalogue;
mod combination;
mod cpl;
mod device;
mod evidence;
mod exclusion;
mod gate;
mod inventory;
mod lists;
mod notice;
mod places;
mod register;
mod table;
mod targets;
mod text;

pub use address::HubAddress;
pub use combination::{Combination, CombinationView, EpclEntry, PpclEntry};
pub use cpl::{CplEntry, CplStatus, ImageSize, Predecessors, RegisteredImage};
pub use device::{Device, DeviceType, HanChannel, MeterStatus};
pub use evidence::{Evidence, EvidenceKind, EvidenceState, ObjectionCount};
pub use exclusion::{Exclusion, ExclusionEntry};
pub use gate::{
    ActiveReason, Basis, Circumstances, Claim, Decision, DmcMismatch, Document, DocumentRecord, Documents,
    GateConfig, GateRow, HOLD_COMPANION, Hold, ImageMismatch, InstructingParty, NoticeGap, NoticePolicy,
    OfferedImage, Origin, ReasonCode, Refusal, Skip, Slot, Standing, Unproven, Verdict, VerdictRecord, Wait,
    WanContact, Word, beside_held, decide, decide_beside, decide_each, judge_home,
};
pub use inventory::{ChangeError, DeviceChange, DeviceView, Inventory, NoticeView};
pub use jiff::civil::Date;
pub use lists::{Completeness, ListReader, Lists};
pub use notice::Notice;
pub use register::{Register, RegisterFiles, RegisterRows};
pub use table::{
    Cells, CsvRow, CsvRows, FAULTS_KEPT, Fault, FaultListener, FileKind, LeftOut, LoadError, RowSource,
    Unreadable, read_csv, write_csv,
};
pub use targets::Targets;
pub use text::{
    CellId, CommsProviderId, CplEntryId, DmcId, DocRef, ExclusionReason, GroupId, InstallationId,
    ManufacturerName, ModelName, Mpxn, PostcodeDistrict, SmetsVersion, SmsoId, SupplierId, TextError,
};
