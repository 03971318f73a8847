//! Lists that change under campaigns: other evidence, other homes, other addresses; and what stands whatever they say.
//!
//! What devices were read back to run is a fact, and lists may be older: it is noted in them, by whoever read it last. The
//! same is done at a start, so that a head-end that started again judges as the one before. A device that soaks is not
//! noted yet: it may still leave the target. Lists that still say something else a month after a campaign was over are
//! believed: devices are swapped, and go back to old firmware, and no ledger hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use eligibility::{ChangeError, CplEntryId, DeviceChange};
use firmware_image::Eui64;
use transfer_engine::{HubId, Moment};

use super::{Conductor, Desk};
use crate::order::CampaignId;
use crate::stage::{Outcome, Stage};
use crate::state::DeviceRow;

/// How long lists may lag behind what a device was read back to run (ours).
const LISTS_LAG: Duration = Duration::from_secs(30 * 86_400);

impl Conductor {
    /// Replaces what the gate judges by. Devices under way are judged by it at their next step; those that it does not name
    /// any more end there. Returns what was judged by before.
    pub fn set_desk(&mut self, desk: Desk) -> Desk {
        let before = std::mem::replace(&mut self.desk, desk);
        self.note_read_backs(self.seen_at);
        self.has_new_lists = true;
        before
    }

    /// Notes in the inventory what devices were read back to run last, where lists may not know it yet.
    pub(super) fn note_read_backs(&mut self, now: Moment) {
        let mut last: BTreeMap<Eui64, (Moment, bool, CplEntryId)> = BTreeMap::new();
        for state in self.campaigns.values() {
            let counts = state.phase.is_open() || state.updated_at + LISTS_LAG >= now;
            for row in state.rows() {
                // A version that is none of its order says nothing that another campaign has not said.
                let running = relied_on(row);
                let entry = running.and_then(|running| self.entry_run(&state.id, row.device, running));
                let at = Stage::ALL.into_iter().filter_map(|stage| row.reached(stage)).max();
                let Some((entry, at)) = entry.zip(at) else { continue };
                if last.get(&row.device).is_none_or(|(before, ..)| *before < at) {
                    last.insert(row.device, (at, counts, entry));
                }
            }
        }
        for (device, (_, _, entry)) in last.into_iter().filter(|(_, (_, counts, _))| *counts) {
            // It was found there a moment ago.
            let _ = self.desk.inventory.note(device, DeviceChange::Runs(entry));
        }
    }

    /// Takes note of what has changed about one device. What is under way for it is judged by it at its next step.
    pub fn note_change(&mut self, device: Eui64, change: DeviceChange) -> Result<(), ChangeError> {
        self.desk.inventory.note(device, change)
    }

    /// Notes in the inventory what a device was read back to run, so that later verdicts rest on it: a version that its
    /// campaign brings. Whatever else it runs, the lists know better.
    pub(super) fn note_runs(&mut self, campaign: &CampaignId, device: Eui64, running: &str) {
        if let Some(entry) = self.entry_run(campaign, device, running) {
            // Found there a moment ago.
            let _ = self.desk.inventory.note(device, DeviceChange::Runs(entry));
        }
    }

    /// Returns the entry of an order for a device's model and the version that it runs.
    fn entry_run(&self, campaign: &CampaignId, device: Eui64, running: &str) -> Option<CplEntryId> {
        let Desk { register, inventory, .. } = &self.desk;
        let found = inventory.device(device)?.entry;
        let targets = &self.campaigns.get(campaign)?.order.targets;
        let entries = targets.iter().map(|target| &target.cpl_entry);
        let fitting = entries.filter(|id| register.is_for_model(found, id));
        let runs =
            |id: &&CplEntryId| register.entry(id).is_some_and(|entry| entry.firmware.to_string() == running);
        fitting.into_iter().find(runs).cloned()
    }

    /// Has the engine talk to hubs where the lists say that they are now.
    pub(super) fn readdress_hubs(&mut self, now: Moment) {
        for (hub, entry) in &self.hubs {
            let found = self.desk.inventory.device(*hub);
            if let Some(found) = found {
                self.engine.readdress(now, entry.id, found.hub_address.socket());
            }
        }
    }

    /// Returns the hub at which the engine was told something for a device, or the one that the lists name, if it was
    /// talked to.
    pub(super) fn known_hub_of(&self, device: Eui64) -> Option<HubId> {
        let told = self.errands.get(&device).and_then(|errand| errand.hub);
        told.or_else(|| {
            let found = self.desk.inventory.device(device)?;
            self.hubs.get(&found.hub).map(|hub| hub.id)
        })
    }

    /// Ends a device that the lists do not name any more, or whose hub has no address in them.
    pub(super) fn end_unlisted(&mut self, now: Moment, device: Eui64) {
        let Some((campaign, stage)) = self.under_way(device) else { return };
        let outcome = match stage {
            // What it runs is not known, and nobody can ask.
            Stage::Ordered | Stage::Soaking => Outcome::ActivationUnconfirmed,
            _ => Outcome::HeldUnactivated,
        };
        let reason = "the inventory names no such device, or no address for its hub, any more".to_owned();
        self.end(now, &campaign, device, outcome, reason, None);
    }
}

/// Returns what a row says of the version that runs, as far as it is to be relied on: a device that is watched, or did not
/// stay well, may leave its target, and has the steps before it behind it.
fn relied_on(row: &DeviceRow) -> Option<&str> {
    let is_sure = match &row.outcome {
        None => row.stage != Stage::Soaking,
        Some((outcome, _)) => *outcome != Outcome::Unhealthy,
    };
    if is_sure { row.running.as_deref() } else { row.stepped.as_deref() }
}
