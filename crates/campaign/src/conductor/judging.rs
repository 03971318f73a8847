//! Judging: the gate as the conductor asks it, about one device beside the others of its home.
//!
//! What a home is to end in is what is still under way in it: devices of the order that have no outcome yet, and those that
//! another campaign has told to activate. All others stay as the inventory has them, which notes what was read back. Where it
//! is not known which of two versions a device runs, both must be allowed; who needs one that has to wait waits with it.

use eligibility::{
    Circumstances, Claim, DeviceView, ImageSize, InstallationId, InstructingParty, NoticePolicy,
    OfferedImage, Slot, SmsoId, Standing, Targets, Verdict, WanContact, Word, decide_beside,
};
use firmware_image::{Eui64, FileVersion};
use transfer_engine::Moment;

use super::{Conductor, Desk};
use crate::order::{CampaignId, Target, instructing_party};
use crate::record::Judgement;
use crate::stage::{Outcome, Stage};
use crate::state::{CampaignState, DeviceRow};
use crate::steps::next_step;
use crate::window::legal_date;

/// Codes of ours for refusals that are no row of the gate.
pub(super) mod code {
    /// The order has no image for this device's model.
    pub(in super::super) const NO_IMAGE: &str = "NO_IMAGE_FOR_MODEL";
    /// The device's way has changed under it; the gate's own code for a path that is not permitted.
    pub(in super::super) const PATH: &str = "REJECT_PATH";
    /// The device has another supplier than when it was instructed.
    pub(in super::super) const SUPPLIER: &str = "SUPPLIER_CHANGED";
    /// Another campaign is at work on the device (compare DUIS `OtherRequestInProgressList`).
    pub(in super::super) const BUSY: &str = "OTHER_CAMPAIGN_IN_PROGRESS";
}

/// Rows A7 and A8 when the conductor asks for itself: it asks about whoever has a slot, and whether the hub is reached the
/// transfer finds out. Who asks from outside is told what they are at that moment, see `explain`.
pub(super) const IN_TURN: Circumstances = Circumstances { slot: Slot::NotAsked, wan: WanContact::NotAsked };

/// Who instructs whom, and what is known of slots and WAN.
#[derive(Clone, Copy)]
pub(super) struct Instruction<'a> {
    pub(super) party: &'a InstructingParty,
    pub(super) smso: &'a SmsoId,
    pub(super) circumstances: Circumstances,
}

/// Of whom else in the home is taken to run its target, beside those that are under way.
#[derive(Clone, Copy, Default)]
struct Beside<'a> {
    /// Those of whom it is not known whether they do.
    doubtful: bool,
    /// Not these, which have to wait.
    but: &'a [Eui64],
}

impl Conductor {
    /// Asks the gate about a device, and tells its verdict; or a refusal that is ours, for a question that the gate cannot be
    /// asked. `goals` names what each device of its installation is to run.
    pub(super) fn judge_as<R>(
        &self,
        now: Moment,
        instruction: Instruction<'_>,
        targets: &[Target],
        goals: &Targets,
        device: Eui64,
        tell: impl FnOnce(&Word<Verdict<'_>>) -> R,
    ) -> Result<R, Box<Judgement>> {
        let Desk { register, inventory, gate } = &self.desk;
        let offered = match self.target_for(targets, device) {
            Some(target) => self.offered(target),
            // The gate has a word of its own for devices that it does not know.
            None if inventory.device(device).is_none() => {
                targets.first().and_then(|target| self.offered(target))
            }
            None => None,
        };
        let Some(image) = &offered else {
            return Err(
                Judgement::refusal(code::NO_IMAGE, "the order has no image for this device's model").into()
            );
        };
        let Instruction { party, smso, circumstances } = instruction;
        let claim = Claim {
            device,
            targets: goals,
            instructed_by: party,
            addressed_smso: smso,
            image,
            circumstances,
        };
        Ok(tell(&decide_beside(&claim, register, inventory, legal_date(now), gate)))
    }

    /// Takes the verdict again, by the order as it was recorded and the desk as it is now.
    pub(super) fn judge_again(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Judgement {
        let judge = |device, beside| {
            let told =
                self.judge_beside(now, campaign, device, IN_TURN, beside, |verdict| Judgement::from(verdict));
            told.unwrap_or_else(|refusal| *refusal)
        };
        let whole = Beside::default();
        let told = judge(device, whole);
        if !told.allowed {
            return told;
        }
        if self.has_doubtful(campaign, device) {
            let otherwise = judge(device, Beside { doubtful: true, ..whole });
            if !otherwise.allowed {
                return otherwise;
            }
        }
        let mut waiting = self.companions_under_way(campaign, device);
        waiting.retain(|companion| judge(*companion, whole).waits);
        match waiting.first() {
            Some(held) if !judge(device, Beside { but: &waiting, ..whole }).allowed => {
                told.beside_held(*held)
            }
            _ => told,
        }
    }

    /// The same under circumstances that are known, telling the whole verdict on the home as it is meant to be.
    pub(super) fn judge_again_as<R>(
        &self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        circumstances: Circumstances,
        tell: impl FnOnce(&Verdict<'_>) -> R,
    ) -> Result<R, Box<Judgement>> {
        self.judge_beside(now, campaign, device, circumstances, Beside::default(), tell)
    }

    fn judge_beside<R>(
        &self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        circumstances: Circumstances,
        beside: Beside<'_>,
        tell: impl FnOnce(&Verdict<'_>) -> R,
    ) -> Result<R, Box<Judgement>> {
        let Some(state) = self.campaigns.get(campaign) else {
            return Err(Judgement::refusal(code::NO_IMAGE, "there is no such campaign").into());
        };
        let order = &state.order;
        // Once it is instructed, the verdict must be about the image that it was instructed to get.
        let row = state.row(device).filter(|row| row.stage > Stage::Planned);
        let next = self.target_for(&order.targets, device).map(|target| target.image);
        if row.is_some_and(|row| next.is_some() && row.image != next) {
            let why = "the device runs another version than when it was instructed";
            return Err(Judgement::refusal(code::PATH, why).into());
        }
        let Some(smso) = order.smso() else {
            return Err(Judgement::refusal(code::NO_IMAGE, "the order names no SMSO").into());
        };
        let goals = self.goals_left(state, device, beside);
        let party = instructing_party(&order.instructing_party);
        let instruction = Instruction { party: &party, smso: &smso, circumstances };
        let changed = row.and_then(|row| self.supplier_change(row));
        let tell = |word: &Word<Verdict<'_>>| match changed {
            // What the gate itself has against it says more.
            Some(refusal) if matches!(word.standing, Standing::Comes | Standing::Waits) => {
                Err(refusal.into())
            }
            _ => Ok(tell(&word.said)),
        };
        self.judge_as(now, instruction, &order.targets, &goals, device, tell).flatten()
    }

    /// Says that a device has another supplier than when it was instructed, if that is so. Ours: who was told of the update,
    /// and for whom it was weighed, is not whom it concerns any more.
    fn supplier_change(&self, row: &DeviceRow) -> Option<Judgement> {
        let (before, now) = (row.supplier.as_deref()?, self.desk.inventory.device(row.device)?.supplier);
        let why = || format!("its supplier was {before} when it was instructed, and is {now}");
        (before != now.as_str()).then(|| Judgement::refusal(code::SUPPLIER, &why()))
    }

    /// Returns what is still meant to be brought to whom in the home of a device: by the order, and by other campaigns.
    fn goals_left(&self, state: &CampaignState, device: Eui64, beside: Beside<'_>) -> Targets {
        let Some(found) = self.desk.inventory.device(device) else { return Targets::default() };
        let mut goals = self.ordered_elsewhere(Some(&state.id), found.installation);
        let rows = self.desk.inventory.members(found.installation).filter_map(|member| state.row(member.id));
        for row in rows.filter(|row| !beside.but.contains(&row.device)) {
            let counts = match &row.outcome {
                None => row.verdict.may_come(),
                // It came to run its target, and was not well: nobody said that it left it.
                Some((Outcome::Unhealthy, _)) => self.was_on_target(row),
                Some(_) => beside.doubtful && is_doubtful(row),
            };
            if counts && let Some(target) = self.target_of(state, row) {
                goals.insert(row.device, &target.cpl_entry);
            }
        }
        goals
    }

    /// Returns what a device of an order is being brought to, or would be next.
    fn target_of<'a>(&self, state: &'a CampaignState, row: &DeviceRow) -> Option<&'a Target> {
        let targets = state.order.targets.as_slice();
        let register = &self.desk.register;
        let entry = self.desk.inventory.device(row.device)?.entry;
        let instructed = row.image.filter(|_| row.stage > Stage::Planned);
        let instructed = instructed.and_then(|image| {
            let mut of_image = targets.iter().filter(|target| target.image == image);
            of_image.find(|target| register.is_for_model(entry, &target.cpl_entry))
        });
        instructed.or_else(|| self.target_for(targets, row.device))
    }

    /// Says whether a device was last read back to run the image that it was sent.
    fn was_on_target(&self, row: &DeviceRow) -> bool {
        let version = row
            .image
            .and_then(|image| self.images.get(&image))
            .map(|(image, _)| image.identity().file_version);
        version.is_some_and(|version: FileVersion| row.running.as_deref() == Some(&*version.to_string()))
    }

    /// Says whether it is not known of another device of the home what it runs.
    fn has_doubtful(&self, campaign: &CampaignId, device: Eui64) -> bool {
        let Some(state) = self.campaigns.get(campaign) else { return false };
        self.rows_beside(state, device).any(is_doubtful)
    }

    /// Returns the other devices of the home that the order still means to update, where the gate may have some wait.
    fn companions_under_way(&self, campaign: &CampaignId, device: Eui64) -> Vec<Eui64> {
        let state = self.campaigns.get(campaign).filter(|_| self.desk.gate.notice != NoticePolicy::NotAsked);
        let rows = state.into_iter().flat_map(|state| self.rows_beside(state, device));
        let still = |row: &&DeviceRow| {
            row.outcome.is_none()
                && row.verdict.may_come()
                && !matches!(row.stage, Stage::Ordered | Stage::Soaking)
        };
        rows.filter(still).map(|row| row.device).collect()
    }

    /// Returns a device of the home that was given up as its hub was not reached, if this one was tried in vain, too.
    pub(super) fn given_up_for_want_of_wan(&self, campaign: &CampaignId, device: Eui64) -> Option<Eui64> {
        let state = self.campaigns.get(campaign)?;
        state.row(device).filter(|row| row.failed_attempts > 0)?;
        let given_up = |row: &&DeviceRow| matches!(row.outcome, Some((Outcome::NoWan, _)));
        self.rows_beside(state, device).find(given_up).map(|row| row.device)
    }

    fn rows_beside<'a>(
        &'a self,
        state: &'a CampaignState,
        device: Eui64,
    ) -> impl Iterator<Item = &'a DeviceRow> {
        let home = self.desk.inventory.device(device).map(|found| found.installation);
        let members = home.into_iter().flat_map(|home| self.desk.inventory.members(home));
        members.filter(move |member| member.id != device).filter_map(|member| state.row(member.id))
    }

    /// Returns the targets of devices of a home that other campaigns have told to activate: they run them any moment, or
    /// do already and are watched.
    pub(super) fn ordered_elsewhere(
        &self,
        campaign: Option<&CampaignId>,
        installation: &InstallationId,
    ) -> Targets {
        let target = |member: DeviceView<'_>| {
            let (other, stage) = self.under_way(member.id)?;
            if campaign == Some(&other) || !matches!(stage, Stage::Ordered | Stage::Soaking) {
                return None;
            }
            let state = self.campaigns.get(&other)?;
            Some((member.id, self.target_of(state, state.row(member.id)?)?.cpl_entry.clone()))
        };
        self.desk.inventory.members(installation).filter_map(target).collect()
    }

    /// Judges a device for an image at the desk by itself, as if the DCC had ordered it of the home's SMSO.
    pub(super) fn judge_alone<R>(
        &self,
        now: Moment,
        target: &Target,
        device: Eui64,
        tell: impl FnOnce(&Verdict<'_>) -> R,
    ) -> Option<Result<R, Box<Judgement>>> {
        let smso = self.desk.inventory.device(device)?.smso;
        let mut goals = self.ordered_elsewhere(None, self.desk.inventory.device(device)?.installation);
        goals.insert(device, &target.cpl_entry);
        let targets = std::slice::from_ref(target);
        let instruction = Instruction { party: &InstructingParty::Dcc, smso, circumstances: IN_TURN };
        Some(self.judge_as(now, instruction, targets, &goals, device, |word| tell(&word.said)))
    }

    fn offered(&self, target: &Target) -> Option<OfferedImage> {
        let (image, _) = self.images.get(&target.image).filter(|_| self.is_offered(&target.image))?;
        Some(OfferedImage {
            identity: image.identity(),
            digest: image.image_digest(),
            size: ImageSize(u32::try_from(image.file().payload().len()).ok()?),
        })
    }

    /// Returns the target of an order that a device gets next: of the same kind, manufacturer and model.
    pub(super) fn target_for<'a>(&self, targets: &'a [Target], device: Eui64) -> Option<&'a Target> {
        let Desk { register, inventory, .. } = &self.desk;
        next_step(register, targets, inventory.device(device)?.entry)
    }
}

/// Says whether it is not known what a device runs that was told to activate and ended otherwise.
fn is_doubtful(row: &DeviceRow) -> bool {
    matches!(row.outcome, Some((Outcome::ActivationUnconfirmed | Outcome::WithdrawnInDoubt, _)))
}
