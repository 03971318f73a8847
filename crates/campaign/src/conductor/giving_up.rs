//! Giving up: the retries that a campaign may make, and the category of `exclusions.csv` in which a device is put that was
//! tried in vain, so that an auditor and the gate of the next campaign know why.
//!
//! | it ended as | because | category |
//! |---|---|---|
//! | `no_wan`, all attempts made | its hub has never answered since the head-end started | `no-wan-before-migration` |
//! | `no_wan`, all attempts made | its hub answered once, and no more | `no-wan-during-migration` |
//! | `transfer_failed` | there are no keys to talk to its hub | `missing-master-keys` |
//! | `transfer_failed` | five attempts or more | `five-failed-attempts` |
//! | `han_timeout`, a gas meter | its hub answers, and the image did not get to it | `gas-meter-han-error` |
//! | `refused`, `held_unactivated` | the gate's row B8: its combination will not be tested | `dmc-uneconomic` |
//!
//! `[S6]` names the categories for migration, the first of them with firmware upgrades in view; that a fault of ours is
//! this or that category is our inference. What speaks against the image says nothing against the device: no other
//! outcome has a category.

use eligibility::{DeviceType, Exclusion};
use firmware_image::Eui64;

use super::Conductor;
use crate::order::CampaignId;
use crate::stage::Outcome;

/// The gate's code for a combination that nobody will test (row B8).
const UNECONOMIC: &str = "DMC_UNECONOMIC";

/// Attempts after which a device is in the category of that name `[S6]`.
const FIVE: u8 = 5;

impl Conductor {
    /// Says whether a campaign has a retry left.
    pub(super) fn may_retry(&self, campaign: &CampaignId) -> bool {
        let Some(state) = self.campaigns.get(campaign) else { return false };
        let planned = state.progress().size - state.wave(None).size;
        let mean = u64::from(state.order.policy.retries_per_device);
        mean == 0 || state.retries < mean * planned as u64
    }

    /// Returns the category of a device that is about to end, if it has one. Asked before its errand is forgotten.
    pub(super) fn exclusion_of(&self, device: Eui64, outcome: Outcome, reason: &str) -> Option<Exclusion> {
        let found = self.desk.inventory.device(device);
        let hub = found.and_then(|found| self.hubs.get(&found.hub));
        let was_heard = hub.is_some_and(|hub| self.engine.was_heard(hub.id));
        let answers = hub.and_then(|hub| hub.answers) == Some(true);
        let errand = self.errands.get(&device);
        let campaign = errand.and_then(|errand| self.campaigns.get(errand.campaign.as_ref()?));
        let attempts = campaign.and_then(|state| state.row(device)).map_or(0, |row| row.failed_attempts);
        // Where the campaign as a whole ran out of retries, little is known of this one.
        let beside = campaign.and_then(|state| self.given_up_for_want_of_wan(&state.id, device));
        let was_tried =
            beside.is_some() || campaign.is_some_and(|state| attempts >= state.order.policy.attempts);
        match outcome {
            Outcome::NoWan if !was_tried => None,
            Outcome::NoWan if was_heard => Some(Exclusion::NoWanDuringMigration),
            Outcome::NoWan => Some(Exclusion::NoWanBeforeMigration),
            Outcome::TransferFailed if errand.is_some_and(|errand| errand.lacks_keys) => {
                Some(Exclusion::MissingMasterKeys)
            }
            Outcome::TransferFailed if attempts >= FIVE => Some(Exclusion::FiveFailedAttempts),
            Outcome::HanTimeout
                if answers && found.is_some_and(|found| found.device_type == DeviceType::Gsme) =>
            {
                Some(Exclusion::GasMeterHanError)
            }
            Outcome::Refused | Outcome::HeldUnactivated if reason == UNECONOMIC => {
                Some(Exclusion::DmcUneconomic)
            }
            _ => None,
        }
    }
}
