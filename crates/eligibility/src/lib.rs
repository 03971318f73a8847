//! May this device get this firmware now, and on what evidence.
//!
//! ```text
//!   cpl.csv  epcl.csv  ppcl.csv  evidence.csv          inventory.csv
//!        └───────┴────┬────┴──────────┘                     │
//!                 Register                              Inventory
//!                     └───────────────┬─────────────────────┘
//!          Claim, today, GateConfig ──┤ decide
//!                                     ▼
//!            Verdict: Allow(Basis) | Refuse(Refusal) | Skip(Skip)
//! ```
//!
//! The origin of the rule is the Transition and Migration Approach Document (TMAD) V7.0, clauses 4.24 to 4.27. Its
//! wording is not public; what it does is taken from the DCC's "SMETS1 Conclusions on Early Firmware Updates" of
//! 7 September 2020, called the *conclusions report* here. Each row of the gate says whether it is sourced, our
//! inference or configuration: see [`GateRow`] and [`Origin`].
//!
//! Three rows of the table are **not** decided here and no verdict speaks of them: A6 (supplier notified), A7 (a slot
//! is free) and A8 (the WAN reaches the hub). They belong to planning and to the transfer, which know them.
//!
//! The confidence of an operator is never a basis: nothing in [`Claim`] can carry it. The conclusions report (section
//! 4.1.1) turned that proposal down, because suppliers of Dormant Meters must be able to see what an update rests on.
//!
//! The crate is pure: file contents come in as bytes, `today` as a date, and nothing is read, written or timed.
//! Sketch of the largest fleet: 4 million devices at about 230 bytes each are 1 GB; texts that repeat (SMSO, group,
//! cell, model) are held once. A verdict costs a dozen look-ups in ordered maps, a few microseconds.
//!
//! In reading order: `gate` (the decision), `register` and `inventory` (what is known), `cpl`, `combination`,
//! `evidence` and `device` (the rows of the five files), `table` (rows from text and back), `text` (ids).

mod combination;
mod cpl;
mod device;
mod evidence;
mod gate;
mod inventory;
mod register;
mod table;
mod text;

pub use combination::{Combination, EpclEntry, PpclEntry};
pub use cpl::{CplEntry, CplStatus, ImageSize, Predecessors, RegisteredImage};
pub use device::{Device, DeviceType, Exclusion, HanChannel, MeterStatus};
pub use evidence::{Evidence, EvidenceKind, EvidenceRef, EvidenceState};
pub use gate::{
    ActiveReason, Basis, Claim, DmcMismatch, GateConfig, GateRow, ImageMismatch, InstructingParty,
    OfferedImage, Origin, ReasonCode, Refusal, Skip, Verdict, VerdictRecord, decide,
};
pub use inventory::{ChangeError, DeviceChange, Inventory};
pub use jiff::civil::Date;
pub use register::{Register, RegisterFiles, RegisterRows};
pub use table::{CsvRow, FAULTS_KEPT, Fault, FileKind, LoadError, read_csv, write_csv};
pub use text::{
    CellId, CommsProviderId, CplEntryId, DmcId, DocRef, ExclusionReason, GroupId, HubAddress, InstallationId,
    ManufacturerName, ModelName, SmetsVersion, SmsoId, SupplierId, TextError,
};
