//! The SMSO's and the DCC's words: the HTTP API of the engine.
//!
//! ```text
//!  HTTP ──► gate (host, how many at once) ──► routes ──► CampaignDesk (a trait: whoever runs the engine)
//!    ▲                                          │
//!    └────── words (JSON, both ways) ◄──────────┴──► Problem (RFC 9457)
//! ```
//!
//! The adapter translates and decides nothing: what may be done to a device is the gate's and the conductor's
//! business. It does not know the head-end either; the `lamplighter` command joins the two by [`CampaignDesk`].
//!
//! | route | what it does |
//! |---|---|
//! | `POST /v1/images` | hands in a signed image; it is verified before it is acknowledged |
//! | `GET /v1/images` | lists the images at the desk |
//! | `GET /v1/register/entries?digest=` | product list entries for which a payload is registered |
//! | `POST /v1/campaigns` | orders a campaign; answers with verdicts and typed lists of rejected devices |
//! | `GET /v1/campaigns` | lists the campaigns |
//! | `GET /v1/campaigns/{id}` | shows one: phase, sums, waves, counters, head of the ledger |
//! | `GET /v1/campaigns/{id}/makespan` | how long a finished one took, beside the time that no order of sending could have beaten |
//! | `GET /v1/campaigns/{id}/devices?offset=&limit=&outcome=` | a page of its devices |
//! | `GET /v1/devices/{eui}` | what the engine has on one device: its home, its campaigns, and what the gate says of it now |
//! | `GET /v1/campaigns/{id}/rejections` | the devices that the gate turned down, by code |
//! | `POST /v1/campaigns/{id}/pause`, `/resume`, `/abort` | an operator's command: who asks, and why |
//! | `POST /v1/campaigns/{id}/approvals` | hands over the signed release: its signatures are the approvals |
//! | `GET /healthz`, `GET /readyz` | the process answers; the engine answers |
//!
//! There are no users and no passwords here yet: that is why only addresses of this machine are served unless
//! the operator says otherwise, and why requests under a foreign host name are turned away (see `gate`).
//!
//! Sketch of the largest answers: an order of 50,000 devices is 1.3 MB of JSON, and as many rejections are as
//! much; a page of 1,000 devices is 0.6 MB.
//!
//! In reading order: `desk` (what is asked of the engine), `words` (what is said), `routes` (who answers what),
//! `problem` (what is said when it goes wrong), `extract` and `gate` (what is turned away before), `server`.

mod desk;
mod extract;
mod gate;
mod problem;
mod routes;
mod server;
mod words;

pub use desk::{
    ApproveFailure, CampaignDesk, CommandFailure, CreateError, TakeImageError, Taken, Unavailable,
};
pub use gate::{Hosts, Limits};
pub use problem::{Problem, ProblemKind};
pub use routes::router;
pub use server::serve;
pub use words::{
    ApprovalView, BoundParts, BoundView, CampaignList, CampaignSummary, CampaignView, Clause, CommandRequest,
    CommandView, CountersView, CreatedView, DevicePage, DeviceSelection, DeviceView, EntryList, EntryView,
    ErrandView, ExplanationView, HardwareView, HealthView, HomeView, ImageList, ImageView, LaterExclusion,
    LedgerView, MakespanView, MeasuredView, MemberView, OrderRequest, RejectionList, RejectionsView,
    RulingView, TallyView, VerdictCount, VerdictView, WaveView,
};
