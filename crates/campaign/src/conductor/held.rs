//! Devices that have to wait before the gate lets them have their image: it has nothing against it, and the day has not
//! come. Today that is the notice to the supplier (row A6), which names days and may be given after the order.
//!
//! Who waits keeps its place in its wave. The gate is asked again on every new day by the legal time of Great Britain and
//! whenever the lists change, and whoever has waited for `hold_limit_days` is refused.

use std::collections::BTreeSet;

use firmware_image::Eui64;
use jiff::ToSpan;
use transfer_engine::Moment;

use super::Conductor;
use crate::order::CampaignId;
use crate::record::Judgement;
use crate::stage::{Outcome, Stage};
use crate::window::legal_date;

/// The gate's code for a device that has nothing to do: a success without a step.
pub(super) const ALREADY_ON_TARGET: &str = "ALREADY_ON_TARGET";

impl Conductor {
    /// Has a device wait that the gate does not let have its image yet, and ends one that it does not let have it at all.
    pub(super) fn turn_away(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        verdict: Judgement,
    ) {
        let Some(state) = self.campaigns.get(campaign) else { return };
        let limit = i64::from(state.order.policy.hold_limit_days).days();
        if verdict.waits && legal_date(now) < legal_date(state.ordered_at).saturating_add(limit) {
            self.turns.held.entry(campaign.clone()).or_default().insert(device);
            // From now on every midnight counts.
            return self.keep_hours(now, campaign);
        }
        let outcome = match verdict.code.as_str() {
            ALREADY_ON_TARGET => Outcome::AlreadyOnTarget,
            _ => Outcome::Refused,
        };
        self.end_by_gate(now, campaign, device, outcome, verdict);
    }

    /// Says whether a device of a campaign waits for the gate.
    pub(super) fn has_held(&self, campaign: &CampaignId) -> bool {
        self.turns.held.contains_key(campaign)
    }

    /// Asks the gate again about those who wait. While the campaign waits itself, nobody is asked: all are when it goes on.
    pub(super) fn ask_held(&mut self, now: Moment, campaign: &CampaignId) {
        if !self.may_send(now, campaign) {
            return;
        }
        for device in self.turns.held.remove(campaign).unwrap_or_default() {
            match self.under_way(device) {
                Some((_, Stage::Planned)) => self.instruct(now, campaign, device),
                // It was instructed, and its day was over before its image was on its way.
                Some((_, Stage::Instructed)) => self.stage(now, device),
                _ => {}
            }
        }
    }

    /// Asks the gate again about all who wait, as the lists are others.
    pub(super) fn ask_all_held(&mut self, now: Moment) {
        let campaigns: BTreeSet<CampaignId> = self.turns.held.keys().cloned().collect();
        for campaign in campaigns {
            self.ask_held(now, &campaign);
        }
    }
}
