//! What is said over HTTP: JSON both ways. Conversions from the engine's types are written out here, so that a
//! change inside is no change of the interface. The same types serve clients, who read what is written here.

mod bound;
mod campaign;
mod command;
mod device;
mod explanation;
mod image;
mod order;
mod time;

pub(crate) use self::bound::Run;
pub use self::bound::{BoundParts, BoundView, MakespanView, MeasuredView};
pub use self::campaign::{
    CampaignList, CampaignSummary, CampaignView, CountersView, CreatedView, HealthView, LedgerView,
    RejectionList, RejectionsView, TallyView, VerdictCount, WaveView,
};
pub use self::command::{ApprovalView, CommandRequest, CommandView};
pub use self::device::{Clause, DevicePage, DeviceView, VerdictView};
pub(crate) use self::device::{OutcomeFilter, page_of};
pub use self::explanation::{ErrandView, ExplanationView, HomeView, LaterExclusion, MemberView, RulingView};
pub use self::image::{EntryList, EntryView, HardwareView, ImageList, ImageView};
pub use self::order::{DeviceSelection, OrderRequest};
