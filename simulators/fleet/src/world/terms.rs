//! What a real order and the engine's configuration say of a campaign that is rehearsed on a world. No key of a world file
//! says it: a world's own campaign has the few terms of `[campaign]`, and the defaults beside them.

use std::time::Duration;

use campaign::CampaignPolicy;
use transfer_engine::{CarrierPlan, DayProfile};

/// Terms that take the place of the world's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// The whole policy. Waves, thresholds and intervals of `[campaign]` must say the same where the forecast reads them:
    /// `poll_interval_s` does.
    pub policy: CampaignPolicy,
    /// What is free of the head-end's rate by the hour (UTC).
    pub global_profile: DayProfile,
    /// How much time of an agreed line a train may take.
    pub line_burst: Duration,
    /// The share of shared budgets that blocks leave to requests, thousandths.
    pub reserve_permille: u16,
    /// What has been agreed with the carrier of all homes, if anything.
    pub carrier: Option<CarrierPlan>,
}
