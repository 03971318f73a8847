//! The HAN leg and the read-back: looking at hubs whose devices are at work.
//!
//! The hub spreads the image by itself; we look at it now and then (see `looks`), one request for all its
//! devices. What counts as success is what the device says it runs, read back at the end.

use std::time::Duration;

use firmware_image::{Eui64, FileVersion};
use transfer_engine::{HubId, Moment, Task};
use wire::{HanDeviceStatus, HanState};

use super::{Conductor, Errand, Told};
use crate::order::CampaignId;
use crate::stage::{Outcome, Stage};

/// Looks that find a device idle although its activation was accepted, before the order is handed over
/// again: hubs forget what they had not finished when they reboot, and gas meters sleep for half an hour.
pub(super) const IDLE_LOOKS: u8 = 12;

/// Looks that must find a device declining its image before that is its end.
const DECLINED_LOOKS: u8 = 3;

/// Looks that find a hub on its old firmware before that counts as a rollback: it answers, so it is up.
const OLD_VERSION_LOOKS: u8 = 3;

impl Conductor {
    /// Looks at a hub, if any of its devices is at work.
    pub(super) fn look_at(&mut self, now: Moment, hub: HubId) {
        let Some(name) = self.hub_names.get(hub.0 as usize).copied() else { return };
        let Some(entry) = self.hubs.get_mut(&name) else { return };
        entry.watch_at = None;
        let devices: Vec<(u8, Eui64)> =
            entry.channels.iter().map(|(channel, device)| (*channel, *device)).collect();
        let mut han = false;
        let mut itself = None;
        for (channel, device) in devices {
            let Some((campaign, stage)) = self.under_way(device) else { continue };
            if self.is_overdue(now, &campaign, device, stage) {
                continue;
            }
            // Of a hub itself too: its row says whether it is the one we mean.
            han |= !matches!(stage, Stage::Planned | Stage::Instructed);
            // One that was told nothing yet still runs what it ran.
            let told = self.errands.get(&device).is_some_and(Errand::is_told);
            itself = itself.or((stage == Stage::Ordered && channel == 0 && told).then_some(device));
        }
        if han {
            self.assign(now, hub, Task::ReadHanStatus, 0);
        }
        if let Some(device) = itself {
            self.read_back(now, hub, device, 0);
        }
    }

    /// Ends a device that has taken longer than the policy allows. What it had to wait for us is not counted: for an
    /// operator, for a time of day, for the day before which nothing is activated. A hub that has the image, and a device
    /// that was handed its order, work by themselves and may be late at any hour.
    fn is_overdue(&mut self, now: Moment, campaign: &CampaignId, device: Eui64, stage: Stage) -> bool {
        let Some(state) = self.campaigns.get(campaign) else { return true };
        let policy = &state.order.policy;
        let (limit_s, outcome) = match stage {
            Stage::Staged => (policy.han_deadline_s, Outcome::HanTimeout),
            // It holds the image and does not say what its order must carry.
            Stage::Delivered => (policy.han_deadline_s, Outcome::HeldUnactivated),
            Stage::Ordered => (policy.activation_deadline_s, Outcome::ActivationUnconfirmed),
            Stage::Soaking => {
                (policy.soak_s.saturating_add(policy.activation_deadline_s), Outcome::Unhealthy)
            }
            _ => return false,
        };
        let reached = state.row(device).and_then(|row| row.reached(stage)).unwrap_or(now);
        let leave = self.goes_on(campaign) && (stage == Stage::Ordered || self.is_approved(now, campaign));
        let works_by_itself = matches!(stage, Stage::Staged | Stage::Soaking);
        let waits = !works_by_itself && state.phase.is_open() && !leave;
        let errand = self.errands.entry(device).or_default();
        if waits {
            // A device is not late because an operator had it wait; the hub works on by itself, and may be.
            errand.held_at = Some(now);
            return false;
        }
        let since = errand.held_at.map_or(reached, |held_at| held_at.max(reached));
        let limit = Duration::from_secs(u64::from(limit_s));
        let handed_over = errand.is_told() && errand.in_doubt.is_none();
        let is_ours = stage == Stage::Delivered || (stage == Stage::Ordered && !handed_over);
        let since =
            policy.activate_not_before.moment().filter(|_| is_ours).map_or(since, |due| due.max(since));
        // The exact count costs a look at each window of each day, so it is made of those that may be late only.
        if now.saturating_since(since) < limit
            || (is_ours && policy.activating.open_between(since, now) < limit)
        {
            return false;
        }
        if errand.last_look.replace(stage) != Some(stage) {
            // The head-end may have been down for all that time: nobody is late for not having been looked at. If it is
            // idle then, and may never have been told, it is told, and has its time from there.
            return false;
        }
        let was_told = errand.is_told();
        let (outcome, reason) = match errand.withdrawn.take() {
            // The image is not to blame: whether the order arrived is not known, and it was not to be told again.
            Some(code) if stage == Stage::Ordered && was_told => {
                let reason = format!("it may have been told, was found idle, and is not told again: {code}");
                (Outcome::WithdrawnInDoubt, reason)
            }
            Some(code) if matches!(stage, Stage::Delivered | Stage::Ordered) => {
                (Outcome::HeldUnactivated, code)
            }
            _ => (outcome, self.lateness(now, campaign, device, stage, limit_s)),
        };
        self.end(now, &campaign.clone(), device, outcome, reason, None);
        true
    }

    /// Says why a device is late that has had so many seconds.
    fn lateness(
        &self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        stage: Stage,
        limit_s: u32,
    ) -> String {
        if stage != Stage::Soaking {
            return format!("nothing more was heard of it for {limit_s} s after it was {}", stage.as_str());
        }
        let unheard = self.unheard(now, campaign, device).unwrap_or_default();
        let who = match unheard.first() {
            Some((_, other)) if unheard.iter().all(|(_, other)| *other != device) => {
                format!("{other}, which was well before, was not heard of any more")
            }
            _ => "nothing more was heard of it".to_owned(),
        };
        format!("{who}, {limit_s} s after it came to run the target")
    }

    pub(super) fn on_han_status(&mut self, now: Moment, hub: HubId, devices: &[HanDeviceStatus]) {
        self.hear_of(now, hub, devices);
        let own = devices.iter().find(|status| status.channel == 0);
        self.on_hub_row(now, hub, own);
        if let Some(own) = own {
            self.on_other_hub(now, hub, Eui64::from_bytes(own.device));
        }
        for status in devices {
            let Some(device) = self.device_on(hub, status.channel) else { continue };
            // A meter may have been swapped since the inventory was made: trust the id, not the channel.
            match device.to_bytes() == status.device {
                true => self.on_device_status(now, hub, device, status),
                false => self.on_stranger(now, hub, device, Eui64::from_bytes(status.device)),
            }
        }
        let at_work = self.hub_named(hub).is_some_and(|hub| !hub.channels.is_empty());
        if at_work {
            self.watch(now, hub);
        }
    }

    /// Ends what is staged on a hub in whose place another one answers: the image was on the one before, and nobody would
    /// ever fetch it. What devices hold themselves is looked for behind the new one.
    fn on_other_hub(&mut self, now: Moment, hub: HubId, answers: Eui64) {
        if self.hub_names.get(hub.0 as usize) == Some(&answers) {
            return;
        }
        // The hub itself, which was to be updated, is ended by its own row.
        for (_, device) in self.devices_of(hub).into_iter().filter(|(channel, _)| *channel != 0) {
            let Some((campaign, Stage::Staged)) = self.under_way(device) else { continue };
            let reason = format!("another hub, {answers}, is in the place of the one that held its image");
            self.end(now, &campaign, device, Outcome::TransferFailed, reason, None);
        }
    }

    /// Ends what is under way for a device in whose place another one answers, rather than wait for one that will never be
    /// heard of again. The devices behind a hub that was swapped are looked for behind the new one.
    fn on_stranger(&mut self, now: Moment, hub: HubId, device: Eui64, stranger: Eui64) {
        let Some((campaign, stage)) = self.under_way(device) else { return };
        let outcome = match stage {
            Stage::Ordered => Outcome::ActivationUnconfirmed,
            Stage::Soaking => Outcome::Unhealthy,
            _ => Outcome::TransferFailed,
        };
        let reason = format!("another device, {stranger}, is in its place");
        // What is sent for it would go on for a device that has an outcome.
        self.call_off(now, hub, Some(device));
        self.end(now, &campaign, device, outcome, reason, None);
    }

    fn on_device_status(&mut self, now: Moment, hub: HubId, device: Eui64, status: &HanDeviceStatus) {
        let Some((campaign, stage)) = self.under_way(device) else { return };
        let Some(target) = self.target_version(&campaign, device) else { return };
        if self.lead_forward(now, hub, device, status) && matches!(stage, Stage::Staged | Stage::Delivered) {
            return;
        }
        self.note_challenge(device, status.challenge);
        self.note_fetching(now, device, status);
        let runs_target = status.running_version == target.0;
        match (stage, status.state) {
            // Somebody else brought it there, or our order was not the only one.
            (Stage::Staged | Stage::Delivered, _) if runs_target => {
                self.read_back(now, hub, device, status.channel);
            }
            // A hub names no version of its own slot; that the image is ours it has confirmed when it was staged.
            (Stage::Staged, HanState::Verified)
                if status.channel == 0 || status.staged_version == target.0 =>
            {
                self.on_delivered(now, device);
            }
            (Stage::Delivered, HanState::Verified) => self.order_activation(now, device),
            (Stage::Staged, HanState::Rejected) => {
                let reason = "the image is not for this device, or the device found it wrong".to_owned();
                self.end(now, &campaign, device, Outcome::DeviceRejectedImage, reason, None);
            }
            (Stage::Staged, HanState::Declined) => self.on_declined(now, &campaign, device),
            (Stage::Ordered, HanState::OrderRefused) => {
                let reason = "the device refused the activation order".to_owned();
                self.end(now, &campaign, device, Outcome::OrderRefused, reason, None);
            }
            (Stage::Ordered, HanState::ActivationFailed) => {
                if let Some(errand) = self.errands.get_mut(&device) {
                    errand.rolled_back = true;
                }
                self.read_back(now, hub, device, status.channel);
            }
            (Stage::Soaking, state) => {
                let well = (state != HanState::Silent).then_some(runs_target);
                self.on_soaking_row(now, hub, device, status.channel, well);
            }
            (Stage::Ordered, _) if runs_target => self.read_back(now, hub, device, status.channel),
            // A hub is asked for its version instead.
            (Stage::Ordered, HanState::Verified) if status.channel != 0 => {
                self.on_idle_look(now, hub, &campaign, device, status.channel);
            }
            _ => {}
        }
    }

    /// The device does not fetch the image. It may yet, as some stop for a while; one that keeps to it is not waited for
    /// until the deadline.
    fn on_declined(&mut self, now: Moment, campaign: &CampaignId, device: Eui64) {
        let Some(errand) = self.errands.get_mut(&device) else { return };
        errand.declined_looks = errand.declined_looks.saturating_add(1);
        if errand.declined_looks >= DECLINED_LOOKS {
            let reason =
                "the device does not fetch the image: it has no room, or no charge to spare".to_owned();
            self.end(now, campaign, device, Outcome::DeviceDeclined, reason, None);
        }
    }

    /// The device holds the image and is not activating although it was told to. Where it is not known whether it was, it is
    /// asked what it runs before it is told again.
    fn on_idle_look(&mut self, now: Moment, hub: HubId, campaign: &CampaignId, device: Eui64, channel: u8) {
        let Some(errand) = self.errands.get_mut(&device) else { return };
        errand.idle_looks = errand.idle_looks.saturating_add(1);
        if errand.is_told() && errand.in_doubt.is_some() {
            self.read_back(now, hub, device, channel);
        } else if errand.idle_looks >= IDLE_LOOKS || !errand.is_told() {
            self.tell_again(now, campaign, device);
        }
    }

    pub(super) fn read_back(&mut self, now: Moment, hub: HubId, device: Eui64, channel: u8) {
        let Some(errand) = self.errands.get_mut(&device) else { return };
        if !errand.reading_version {
            errand.reading_version = true;
            self.assign(now, hub, Task::ReadVersion { channel }, 0);
        }
    }

    pub(super) fn on_version(&mut self, now: Moment, hub: HubId, channel: u8, version: Option<u32>) {
        let Some(device) = self.device_on(hub, channel) else { return };
        let Some((campaign, stage)) = self.under_way(device) else { return };
        let Some(target) = self.target_version(&campaign, device) else { return };
        let Some(errand) = self.errands.get_mut(&device) else { return };
        errand.reading_version = false;
        let running = version.map(FileVersion);
        let rolled_back = errand.rolled_back;
        match running {
            Some(running) if running == target => self.on_target(now, hub, device, running),
            Some(running) if stage == Stage::Soaking => {
                let reason = "it went back to other firmware while it was watched".to_owned();
                self.end(now, &campaign, device, Outcome::Unhealthy, reason, Some(running));
            }
            Some(running) if rolled_back => {
                let reason = "the new firmware did not come up".to_owned();
                self.end(now, &campaign, device, Outcome::RolledBack, reason, Some(running));
            }
            // It may never have been told: it obeys once, however often it is.
            Some(_) if errand.in_doubt.is_some() => {
                self.tell_again(now, &campaign, device);
                self.watch(now, hub);
            }
            // As long as the order is on its way, old firmware is what it should run.
            Some(running) if channel == 0 && errand.told == Told::Accepted => {
                errand.idle_looks = errand.idle_looks.saturating_add(1);
                if errand.idle_looks >= OLD_VERSION_LOOKS {
                    let reason = "the hub came back with its old firmware".to_owned();
                    self.end(now, &campaign, device, Outcome::RolledBack, reason, Some(running));
                } else {
                    self.watch(now, hub);
                }
            }
            _ => self.watch(now, hub),
        }
    }

    fn target_version(&self, campaign: &CampaignId, device: Eui64) -> Option<FileVersion> {
        let image = self.image_for(campaign, device)?;
        self.images.get(&image).map(|(image, _)| image.identity().file_version)
    }
}
