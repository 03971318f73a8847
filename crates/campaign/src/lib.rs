//! Orders, waves, priority, activation and outcomes: what is done to which device, when, and on what basis.
//!
//! ```text
//!  CampaignOrder ─► Verdict per device ─► waves ─► Instructed ─► Staged ─► Delivered ─► Ordered ─► Outcome
//!                        (eligibility)            └──── transfer-engine ────┘└ HAN ┘ └ signed order ┘
//!        every arrow is a Record in the ledger, durable before it is acted on; CampaignState is their fold
//! ```
//!
//! Read in this order: `order` (what is asked), `policy` and `window` (how it is to proceed, and when), `stage` (how far a device has come and how it ends), `record`
//! (what is written), `risk` (which devices are at risk together), `phase` and `state` (the fold), `plan` (waves), `steps`
//! (which image is next), `conductor` (the machine that joins it all); and,
//! apart from these, `forecast` (how early it can all be over).

mod conductor;
mod forecast;
mod order;
mod papers;
mod phase;
mod plan;
mod policy;
mod record;
mod risk;
mod stage;
mod state;
mod steps;
mod window;

pub use conductor::{
    ApprovalError, BudgetBook, CampaignTraffic, CarrierTraffic, CellTraffic, Command, CommandError,
    Conductor, Desk, Heeded, HubName, LinkDoubt, ReplayError, Ruling, Settings, Traffic,
};
pub use forecast::{
    Activation, Bound, CellDemand, Constraint, Delivery, HomeDemand, Network, Spans, lower_bound,
    lower_bound_of_mains,
};
pub use order::{CampaignId, CampaignOrder, MAX_DEVICES, MAX_TARGETS, OrderError, Target, instructing_party};
pub use papers::{ChainPapers, PapersError};
pub use phase::Phase;
pub use policy::{CampaignPolicy, KindsError, OrderOfKinds, Permille, PolicyFault};
pub use record::{
    ApprovedRecord, CommandRecord, DeliveredRecord, FinishedRecord, ForwardRecord, HaltedRecord,
    InstructedRecord, Judgement, OrderRecord, OrderedRecord, OutcomeRecord, PlanRecord, Record, RecordError,
    SoakingRecord, StagedRecord, StagingFailedRecord, SteppedRecord, WaveRecord,
};
pub use risk::RiskGroup;
pub use stage::{Outcome, OutcomeClass, Stage};
pub use state::{CampaignState, DeviceRow, FoldError, Tally, WaveTally};
pub use steps::{next_step, way};
pub use window::{NotBefore, WindowError, Windows, legal_date};
