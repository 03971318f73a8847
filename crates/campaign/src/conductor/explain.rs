//! Explaining: what the gate says of one device at this moment, by the lists and images that the engine has. Only a question:
//! nothing is recorded, and nothing follows from the answer.

use eligibility::{Circumstances, CplEntryId, Date, Slot, Verdict, WanContact};
use firmware_image::Eui64;

use super::Conductor;
use crate::order::{CampaignId, Target};
use crate::record::Judgement;
use crate::stage::Stage;
use crate::window::legal_date;

/// What the gate says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The campaign by whose order it was asked; none when it was asked for an image by itself.
    pub campaign: Option<CampaignId>,
    /// The entry that the device would be brought to.
    pub target: Option<CplEntryId>,
    /// The verdict.
    pub judgement: Judgement,
    /// The verdict as a whole sentence for people.
    pub sentence: String,
}

impl Conductor {
    /// Returns the day by which [`Conductor::explain`] judges: that of the last moment that the conductor was told.
    pub fn today(&self) -> Date {
        legal_date(self.seen_at)
    }

    /// Asks the gate about a device again: by the orders of campaigns that have it under way; and if none has, for each
    /// image at the desk that the product list registers for its model.
    pub fn explain(&self, device: Eui64) -> Vec<Ruling> {
        let tell = |verdict: &Verdict<'_>| (Judgement::from(verdict), verdict.record().sentence);
        let ruling = |campaign, target, told: Result<(Judgement, String), Box<Judgement>>| {
            let (judgement, sentence) = told.unwrap_or_else(|refusal| {
                let how = if refusal.waits { "has to wait for its update" } else { "may not be updated" };
                let sentence = format!("Device {device} {how}: {} ({}).", refusal.detail, refusal.code);
                (*refusal, sentence)
            });
            Ruling { campaign, target, judgement, sentence }
        };
        if let Some((campaign, _)) = self.under_way(device) {
            let circumstances = self.circumstances_of(&campaign, device);
            let told = self.judge_again_as(self.seen_at, &campaign, device, circumstances, tell);
            // What another device of the home has to do with it is asked separately.
            let of_ours = |row: &str| row == "A7" || row == "A8";
            let whole =
                told.as_ref().is_ok_and(|(judgement, _)| judgement.allowed || of_ours(&judgement.row));
            let again = whole.then(|| self.judge_again(self.seen_at, &campaign, device));
            let told = match again.filter(|again| !again.allowed) {
                Some(again) => Err(Box::new(again)),
                None => told,
            };
            let targets = self.campaigns.get(&campaign).map(|state| state.order.targets.as_slice());
            let target =
                self.target_for(targets.unwrap_or_default(), device).map(|one| one.cpl_entry.clone());
            return vec![ruling(Some(campaign), target, told)];
        }
        let alone = |target: Target| {
            let told = self.judge_alone(self.seen_at, &target, device, tell)?;
            Some(ruling(None, Some(target.cpl_entry), told))
        };
        self.targets_of_model(device).into_iter().filter_map(alone).collect()
    }

    /// Says whether a device under way has its slot (row A7) and whether its hub is reached (row A8).
    fn circumstances_of(&self, campaign: &CampaignId, device: Eui64) -> Circumstances {
        let row = self.campaigns.get(campaign).and_then(|state| state.row(device));
        let slot = match row.map(|row| row.stage) {
            None => Slot::NotAsked,
            // Its wave, its home, a limit of its groups or the hours come first.
            Some(Stage::Planned) => Slot::Taken,
            Some(Stage::Instructed)
                if !self.may_send(self.seen_at, campaign) || self.shares.has_waiting(device) =>
            {
                Slot::Taken
            }
            Some(_) => Slot::Free,
        };
        let hub = self.desk.inventory.device(device).and_then(|found| self.hubs.get(&found.hub));
        let wan = match hub.and_then(|hub| hub.answers) {
            Some(true) => WanContact::Reached,
            Some(false) => WanContact::Lost,
            None => WanContact::NotAsked,
        };
        Circumstances { slot, wan }
    }

    /// Returns the images at the desk that are registered for the model of a device, and where they lead.
    fn targets_of_model(&self, device: Eui64) -> Vec<Target> {
        let Some(found) = self.desk.inventory.device(device) else { return Vec::new() };
        let mut targets = Vec::new();
        for image in self.images() {
            let is_it = |entry: &&eligibility::CplEntry| {
                entry.firmware == image.identity().file_version
                    && entry.image.is_some_and(|registered| registered.digest == image.image_digest())
            };
            let entries = self.desk.register.entries().filter(is_it);
            let entries = entries.filter(|entry| self.desk.register.is_for_model(found.entry, &entry.id));
            targets.extend(
                entries.map(|entry| Target { image: image.file_digest(), cpl_entry: entry.id.clone() }),
            );
        }
        targets
    }
}
