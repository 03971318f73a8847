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
//!
//! `[S6]` names the categories for migration, the first of them with firmware upgrades in view; that a fault of ours is
//! this or that category is our inference. What speaks against the image says nothing against the device: no other
//! outcome has a category.

use eligibility::{DeviceType, Exclusion};
use firmware_image::Eui64;

use super::Conductor;
use crate::order::CampaignId;
use crate::stage::Outcome;

/// Attempts after which a device is in the category of that name `[S6]`.
const FIVE: u8 = 5;

impl Conductor {
    /// Takes one of the retries that a campaign may make; false when none is left.
    pub(super) fn take_retry(&mut self, campaign: &CampaignId) -> bool {
        let Some(state) = self.campaigns.get(campaign) else { return false };
        let planned = state.progress().size - state.wave(None).size;
        let mean = u64::from(state.order.policy.retries_per_device);
        let made = self.retries.entry(campaign.clone()).or_default();
        if mean > 0 && *made >= mean * planned as u64 {
            return false;
        }
        *made += 1;
        true
    }

    /// Returns the category of a device that is about to end, if it has one. Asked before its errand is forgotten.
    pub(super) fn exclusion_of(&self, device: Eui64, outcome: Outcome) -> Option<Exclusion> {
        let found = self.desk.inventory.device(device);
        let was_heard = found.and_then(|found| self.hubs.get(&found.hub)).is_some_and(|hub| hub.was_heard);
        let errand = self.errands.get(&device);
        let policy = self.errands.get(&device).and_then(|errand| errand.campaign.as_ref());
        let policy =
            policy.and_then(|campaign| self.campaigns.get(campaign)).map(|state| &state.order.policy);
        // Where the campaign as a whole ran out of retries, little is known of this one.
        let was_tried = errand.zip(policy).is_some_and(|(errand, policy)| errand.attempts >= policy.attempts);
        match outcome {
            Outcome::NoWan if !was_tried => None,
            Outcome::NoWan if was_heard => Some(Exclusion::NoWanDuringMigration),
            Outcome::NoWan => Some(Exclusion::NoWanBeforeMigration),
            Outcome::TransferFailed if errand.is_some_and(|errand| errand.lacks_keys) => {
                Some(Exclusion::MissingMasterKeys)
            }
            Outcome::TransferFailed if errand.is_some_and(|errand| errand.attempts >= FIVE) => {
                Some(Exclusion::FiveFailedAttempts)
            }
            Outcome::HanTimeout
                if was_heard && found.is_some_and(|found| found.device_type == DeviceType::Gsme) =>
            {
                Some(Exclusion::GasMeterHanError)
            }
            _ => None,
        }
    }
}
