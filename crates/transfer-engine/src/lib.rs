//! Sessions, pacing and budgets: one image to many hubs at once.

mod moment;

pub use moment::Moment;

/// A hub as the engine knows it: a dense index chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubId(pub u32);
