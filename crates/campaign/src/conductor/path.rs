//! Paths: versions that cannot be installed over one another are reached over images between. An order may bring several
//! images for one model; the newest is where a device is to go, and the others are steps on its way.
//!
//! ```text
//! runs 1, target 4 after 3 only, 3 after 1 or 2:   Planned ─► … ─► runs 3 ─► Planned ─► … ─► runs 4 ─► Ended
//! ```
//!
//! Each step is judged by the gate, transferred, ordered and read back as a campaign without steps would do it, soak
//! included; the combination it leads to must have evidence of its own. A device whose next step is refused stays where it
//! has come to.

use firmware_image::{Eui64, FileDigest, FileVersion};
use transfer_engine::Moment;

use super::{Conductor, Errand};
use crate::order::{CampaignId, Target};
use crate::phase::Phase;
use crate::record::{Record, SteppedRecord};
use crate::stage::Outcome;
use crate::steps::next_step;

impl Conductor {
    /// Returns the image after the one that a device was brought, if there is a way on.
    pub(super) fn step_after(&self, campaign: &CampaignId, device: Eui64) -> Option<FileDigest> {
        let reached = self.brought(campaign, device)?;
        let next =
            next_step(&self.desk.register, &self.campaigns.get(campaign)?.order.targets, &reached.cpl_entry)?;
        (next.image != reached.image).then_some(next.image)
    }

    /// Sends a device that has come to run a step of its way on to the next. In a campaign that was stopped it stays.
    pub(super) fn step_on(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        running: FileVersion,
        image: FileDigest,
    ) {
        let stopped = match self.campaigns.get(campaign).map(|state| state.phase) {
            Some(Phase::Halted) => Some(Outcome::Halted),
            Some(Phase::Aborted) => Some(Outcome::Aborted),
            _ => None,
        };
        let runs = running.to_string();
        self.note_runs(campaign, device, &runs);
        if let Some(outcome) = stopped {
            let reason = "it runs a step of its way, and the campaign was stopped".to_owned();
            return self.end(now, campaign, device, outcome, reason, Some(running));
        }
        tracing::debug!(%campaign, %device, %running, %image, "a step of its way is done");
        let record = SteppedRecord { device, running: runs, image };
        self.record(now, campaign, &Record::Stepped(record), None);
        self.begin_errand(campaign, device);
        if self.may_send(now, campaign) {
            self.instruct(now, campaign, device);
        }
    }

    /// Notes that nothing has been done yet for a device of a campaign, or for its next step.
    pub(super) fn begin_errand(&mut self, campaign: &CampaignId, device: Eui64) {
        self.errands.insert(device, Errand { campaign: Some(campaign.clone()), ..Errand::default() });
    }

    /// Returns the target whose image a device was instructed to get.
    fn brought(&self, campaign: &CampaignId, device: Eui64) -> Option<&Target> {
        let state = self.campaigns.get(campaign)?;
        let image = state.row(device)?.image?;
        let running = self.desk.inventory.device(device)?.entry;
        let is_it = |target: &&Target| {
            target.image == image && self.desk.register.is_for_model(running, &target.cpl_entry)
        };
        state.order.targets.iter().find(is_it)
    }
}
