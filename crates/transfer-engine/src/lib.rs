//! Sessions, pacing and budgets: one image to many hubs at once.
//!
//! The engine is pure: it has no sockets, no clock and no threads. `now`, answers and tasks come in;
//! datagrams, ends of tasks and the next interesting moment come out. The tokio head-end and the
//! virtual-time simulator drive the same engine.
//!
//! ```text
//!  Task ──► Engine ──► Transmit ──► (socket or simulated link) ──► hub
//!  Event ◄──  │  ◄── handle_datagram ◄───────────────────────────── answers
//!             └─ Session per hub: association, task, pace of the line
//!             └─ Release: one image, encoded once, sent as slices
//!             └─ Budgets: global, carrier, cell on governor; the pace of each link
//!             └─ Queues: a timing wheel, and whose turn it is
//! ```
//!
//! Read in this order: `task` (what can be asked and what comes of it), `engine` (the polling and the order
//! of sending), `session` (one hub; its `step` table is the life cycle), `line` (how fast is a line
//! that nobody has told us about?), `release`, `budget`, `moment`; and `link_security`, which a driver puts
//! between a session and a hub that speaks ciphered.
//!
//! The protocol is DLMS/COSEM Image Transfer (class 18) in the IEC 62056-4-7 wrapper. It is a standard a
//! metering engineer recognises; no public text fixes the framing of SMETS1 WANs.

mod armour;
mod budget;
mod engine;
mod line;
mod link_security;
mod moment;
mod queue;
mod release;
mod session;
mod task;

pub use armour::{ArmourRules, MODELS, ModelId};
pub use budget::{
    AirTime, BudgetPlan, BudgetRules, Budgets, ByteRate, CarrierId, CarrierPlan, CellId, DayCap, DayCount,
    DayProfile, Level, Pacer, Refusal, Use,
};
pub use engine::{CellTraffic, Counters, Engine, EngineConfig, SessionState, Transmit};
pub use line::LineRate;
pub use link_security::{LinkSecurity, SharedCiphertext, seal_for_all};
pub use moment::Moment;
pub use release::{BLOCK_SIZES, BlockService, Release, ReleaseId};
pub use session::{HubLink, Patience, Protection, TASKS_PER_HUB, Transport};
pub use task::{Answer, Event, Fault, LegReport, Priority, Task};

/// A hub as the engine knows it: a dense index, given by [`Engine::add_hub`] in order of addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubId(pub u32);
