//! Soak: a device that says it runs the target is watched for a while, and counts as a success only if it still does at
//! the end and its hub still hears of it. That an image was transferred and activated does not mean that the device works:
//! firmware that fails a day later halts the campaign before its next wave.
//!
//! | what is seen of a device that soaks | what comes of it |
//! |---|---|
//! | another version than the target, read back from it | `unhealthy` at once |
//! | the target, read back when its time is over | `activated` |
//! | nothing, or that its hub has not heard of it for long, until the deadline after | `unhealthy` |
//!
//! A pause changes nothing about it, as looks go on; a halt or an abort does not call it off: what it runs is a fact.

use std::time::Duration;

use firmware_image::{Eui64, FileVersion};
use transfer_engine::{HubId, Moment};

use super::Conductor;
use crate::order::CampaignId;
use crate::record::{Record, SoakingRecord};
use crate::stage::{Outcome, Stage};

/// Looks at a home in which everything is done but the watching: enough to see a device leave the target early, and few,
/// because a line costs money.
const SOAK_LOOKS: u32 = 8;

impl Conductor {
    /// The device says it runs the target: it is done, or watched from now on, or still.
    pub(super) fn on_target(&mut self, now: Moment, hub: HubId, device: Eui64, running: FileVersion) {
        let Some((campaign, stage)) = self.under_way(device) else { return };
        let soaks = self.soak_of(&campaign) > Duration::ZERO;
        let outcome = match stage {
            Stage::Ordered if soaks => {
                let record = SoakingRecord { device, running: running.to_string() };
                self.record(now, &campaign, &Record::Soaking(record), None);
                return self.watch(now, hub);
            }
            Stage::Soaking if !self.is_soaked(now, &campaign, device) => return self.watch(now, hub),
            Stage::Ordered | Stage::Soaking => Outcome::Activated,
            // Without an order of ours, somebody else brought it there.
            _ => Outcome::AlreadyOnTarget,
        };
        if let Some(next) = self.step_after(&campaign, device) {
            // Before its image is staged the answer is to a question about the step before: nothing comes of it.
            if stage.may_become(Stage::Planned) {
                self.step_on(now, &campaign, device, running, next);
            }
            return;
        }
        let reason = "the device says it runs the target".to_owned();
        self.end(now, &campaign, device, outcome, reason, Some(running));
    }

    /// Takes what a hub says of a device that is watched: whether it runs the target, or nothing when it has not been
    /// heard of for long. What counts is what the device is then read back to run.
    pub(super) fn on_soaking_row(
        &mut self,
        now: Moment,
        hub: HubId,
        device: Eui64,
        channel: u8,
        runs_target: Option<bool>,
    ) {
        let Some((campaign, Stage::Soaking)) = self.under_way(device) else { return };
        match runs_target {
            Some(true) if !self.is_soaked(now, &campaign, device) => {}
            Some(_) => self.read_back(now, hub, device, channel),
            None => {}
        }
    }

    /// Returns how long a device that soaks needs no look.
    pub(super) fn soaks_for(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Option<Duration> {
        let since = self.campaigns.get(campaign)?.row(device)?.reached(Stage::Soaking)?;
        let soak = self.soak_of(campaign);
        Some((since + soak).saturating_since(now).min(soak / SOAK_LOOKS))
    }

    fn soak_of(&self, campaign: &CampaignId) -> Duration {
        let seconds = self.campaigns.get(campaign).map_or(0, |state| state.order.policy.soak_s);
        Duration::from_secs(u64::from(seconds))
    }

    fn is_soaked(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> bool {
        let since = self.campaigns.get(campaign).and_then(|state| state.row(device)?.reached(Stage::Soaking));
        since.is_some_and(|since| now.saturating_since(since) >= self.soak_of(campaign))
    }
}
