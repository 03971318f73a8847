//! Hours: the times of day in which a campaign sends and in which it activates, and the moment before which it
//! activates nothing.
//!
//! | | instructions, blocks | orders made, handed over | looks at hubs |
//! |---|---|---|---|
//! | outside the sending windows | wait | as ever | go on |
//! | outside the activating windows, or too early | as ever | wait | go on |
//!
//! When a window closes, what the engine was told is taken back as a pause does it; when it opens, it is given again, and
//! a transfer goes on from what its hub holds. A device is not late because it had to wait for an hour of ours: see
//! `Conductor::is_overdue`.

use std::collections::BTreeSet;

use transfer_engine::{HubId, Moment};

use super::Conductor;
use crate::order::CampaignId;
use crate::policy::CampaignPolicy;
use crate::stage::Stage;
use crate::window::day_of;

/// What the time allowed a campaign when it was looked at last, and when that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    sending: bool,
    activating: bool,
    until: Moment,
}

impl Hours {
    /// Returns them; none when nothing will ever change.
    fn of(policy: &CampaignPolicy, has_held: bool, now: Moment) -> Option<Hours> {
        let CampaignPolicy { sending, activating, activate_not_before, .. } = policy;
        let due = activate_not_before.moment().filter(|moment| *moment > now);
        // Every day each supplier has its floor, and notices their days.
        let tomorrow = (policy.floor_per_supplier_per_day > 0 || has_held).then(|| day_of(now).1);
        let edges = [sending.next_edge(now), activating.next_edge(now), due, tomorrow];
        let until = edges.into_iter().flatten().min()?;
        Some(Hours { sending: sending.is_open(now), activating: policy.lets_activate(now), until })
    }
}

impl CampaignPolicy {
    /// Says whether the time is one at which devices may be activated.
    fn lets_activate(&self, now: Moment) -> bool {
        self.activating.is_open(now) && self.activate_not_before.is_past(now)
    }
}

impl Conductor {
    /// Says whether devices of a campaign may be instructed and sent blocks now.
    pub(super) fn may_send(&self, now: Moment, campaign: &CampaignId) -> bool {
        let policy = self.campaigns.get(campaign).map(|state| &state.order.policy);
        self.goes_on(campaign) && policy.is_some_and(|policy| policy.sending.is_open(now))
    }

    /// Says whether devices of a campaign may be ordered to activate now.
    pub(super) fn may_activate(&self, now: Moment, campaign: &CampaignId) -> bool {
        let policy = self.campaigns.get(campaign).map(|state| &state.order.policy);
        self.goes_on(campaign)
            && self.is_approved(now, campaign)
            && policy.is_some_and(|policy| policy.lets_activate(now))
    }

    /// Returns when the hours of a campaign change next.
    pub(super) fn next_hours(&self) -> Option<Moment> {
        self.hours.values().map(|hours| hours.until).min()
    }

    /// Notes what the time allows a campaign, and when that changes.
    pub(super) fn keep_hours(&mut self, now: Moment, campaign: &CampaignId) {
        let state = self.campaigns.get(campaign).filter(|state| state.phase.is_open());
        match state.and_then(|state| Hours::of(&state.order.policy, self.has_held(campaign), now)) {
            Some(hours) => self.hours.insert(campaign.clone(), hours),
            None => self.hours.remove(campaign),
        };
    }

    /// Looks at the campaigns whose hours change.
    pub(super) fn pass_hours(&mut self, now: Moment) {
        if self.next_hours().is_none_or(|until| until > now) {
            return;
        }
        let due = self.hours.iter().filter(|(_, hours)| hours.until <= now);
        let due: Vec<(CampaignId, Hours)> = due.map(|(campaign, hours)| (campaign.clone(), *hours)).collect();
        for (campaign, before) in due {
            self.keep_hours(now, &campaign);
            let Some(state) = self.campaigns.get(&campaign).filter(|state| state.phase.is_open()) else {
                continue;
            };
            let policy = &state.order.policy;
            let (sending, activating) = (policy.sending.is_open(now), policy.lets_activate(now));
            tracing::info!(%campaign, sending, activating, "the hour has changed");
            if before.sending && !sending {
                self.hold(now, &campaign, |stage| stage == Stage::Instructed);
            }
            if before.activating && !activating {
                self.hold(now, &campaign, |stage| stage == Stage::Ordered);
            }
            if !before.sending && sending {
                self.take_up(now, &campaign);
            }
            if !before.activating && activating {
                self.hand_over_all_late(now, &campaign);
                self.look_at_ready(now, &campaign);
            }
            self.ask_held(now, &campaign);
            self.keep_floors(now, &campaign);
        }
    }

    /// Looks at the hubs whose devices may be ordered to activate, as an hour may be shorter than the time between two
    /// looks.
    fn look_at_ready(&mut self, now: Moment, campaign: &CampaignId) {
        let ready = self.pending(campaign, |stage| matches!(stage, Stage::Delivered | Stage::Ordered));
        let hubs: BTreeSet<HubId> =
            ready.into_iter().filter_map(|(device, _)| self.known_hub_of(device)).collect();
        for hub in hubs {
            self.look_now(now, hub);
        }
    }
}
