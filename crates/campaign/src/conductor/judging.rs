//! Judging: the gate as the conductor asks it, about one device beside the others of its home.
//!
//! What a home is to end in is what is still under way in it: devices of the order that have no outcome yet, and those that
//! another campaign has told to activate. All others stay as the inventory has them, which notes what was read back. Where it
//! is not known which of two versions a device runs, both must be allowed; who needs one that has to wait waits with it.

use eligibility::{
    Circumstances, Claim, DeviceView, ImageSize, InstallationId, InstructingParty, OfferedImage, Slot,
    SmsoId, Standing, Targets, Verdict, WanContact, Word, decide_beside, judge_home,
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

    /// Takes the verdict again, by the order as it was recorded and the desk as it is now: beside those of its home that are
    /// still under way and may be, as when it was planned.
    pub(super) fn judge_again(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Judgement {
        let Some(state) = self.campaigns.get(campaign) else {
            return Judgement::refusal(code::NO_IMAGE, "there is no such campaign");
        };
        let home = self.under_way_beside(state, device);
        let settle = |doubtful: bool| {
            let judge = |judged, goals: &Targets| {
                let tell = |verdict: &Verdict<'_>| (judged == device).then(|| Judgement::from(verdict));
                let told = self.judge_in(now, state, judged, IN_TURN, goals, tell);
                told.unwrap_or_else(|refusal| Word { said: Some(*refusal), standing: Standing::Stays })
            };
            let hold = |said: Option<Judgement>, held| said.map(|said| said.beside_held(held));
            let words = judge_home(&home, self.goals_left(state, device, doubtful), judge, hold);
            let own = words.into_iter().find(|(judged, _)| *judged == device);
            own.and_then(|(_, said)| said)
                .unwrap_or_else(|| Judgement::refusal(code::NO_IMAGE, "it was not judged"))
        };
        let told = settle(true);
        let doubtful = self.rows_beside(state, device).find(|row| self.is_doubtful(row));
        match doubtful {
            Some(row) if told.allowed => match settle(false) {
                otherwise if otherwise.allowed => told,
                // It will be known.
                _ if row.outcome.is_none() => told.beside_held(row.device),
                otherwise => otherwise,
            },
            _ => told,
        }
    }

    /// The gate's own verdict under circumstances that are known, on the home as it is meant to be.
    pub(super) fn judge_again_as<R>(
        &self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        circumstances: Circumstances,
        tell: impl FnOnce(&Verdict<'_>) -> R,
    ) -> Result<R, Box<Judgement>> {
        let Some(state) = self.campaigns.get(campaign) else {
            return Err(Judgement::refusal(code::NO_IMAGE, "there is no such campaign").into());
        };
        let goals = self.goals_left(state, device, true);
        self.judge_in(now, state, device, circumstances, &goals, tell).map(|word| word.said)
    }

    fn judge_in<R>(
        &self,
        now: Moment,
        state: &CampaignState,
        device: Eui64,
        circumstances: Circumstances,
        goals: &Targets,
        tell: impl FnOnce(&Verdict<'_>) -> R,
    ) -> Result<Word<R>, Box<Judgement>> {
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
        let party = instructing_party(&order.instructing_party);
        let instruction = Instruction { party: &party, smso: &smso, circumstances };
        let changed = row.and_then(|row| self.supplier_change(row));
        let tell = |word: &Word<Verdict<'_>>| match changed {
            // What the gate has against the device itself says more.
            Some(refusal) if word.standing != Standing::Stays => Err(refusal.into()),
            _ => Ok(Word { said: tell(&word.said), standing: word.standing }),
        };
        self.judge_as(now, instruction, &order.targets, goals, device, tell).flatten()
    }

    /// Says that a device has another supplier than when it was instructed, if that is so. Ours: who was told of the update,
    /// and for whom it was weighed, is not whom it concerns any more.
    fn supplier_change(&self, row: &DeviceRow) -> Option<Judgement> {
        let (before, now) = (row.supplier.as_deref()?, self.desk.inventory.device(row.device)?.supplier);
        let why = || format!("its supplier was {before} when it was instructed, and is {now}");
        (before != now.as_str()).then(|| Judgement::refusal(code::SUPPLIER, &why()))
    }

    /// Returns what is still meant to be brought to whom in the home of a device: by the order, and by other campaigns.
    /// `doubtful`: those of whom it is not known whether they run their targets are taken to.
    fn goals_left(&self, state: &CampaignState, device: Eui64, doubtful: bool) -> Targets {
        let Some(found) = self.desk.inventory.device(device) else { return Targets::default() };
        let mut goals = self.ordered_elsewhere(Some(&state.id), found.installation);
        let members = self.desk.inventory.members(found.installation);
        for row in members.filter_map(|member| state.row(member.id)) {
            let counts = match &row.outcome {
                _ if row.device != device && self.is_doubtful(row) => doubtful,
                None => row.verdict.may_come(),
                // It came to run its target, and was not well: nobody said that it left it.
                Some((Outcome::Unhealthy, _)) => self.was_on_target(row),
                Some(_) => false,
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

    /// Says whether it is not known what a device runs that was ordered to activate: it ended without an answer, or it is not
    /// known whether it was told, or it is not to be told any more.
    fn is_doubtful(&self, row: &DeviceRow) -> bool {
        match (&row.outcome, row.stage) {
            (Some((outcome, _)), _) => {
                matches!(outcome, Outcome::ActivationUnconfirmed | Outcome::WithdrawnInDoubt)
            }
            (None, Stage::Ordered) => self.errands.get(&row.device).is_none_or(|errand| {
                !errand.is_told() || errand.in_doubt.is_some() || errand.withdrawn.is_some()
            }),
            (None, _) => false,
        }
    }

    /// Returns a device and the others of its home that the order still means to update and has not told to activate.
    fn under_way_beside(&self, state: &CampaignState, device: Eui64) -> Vec<Eui64> {
        let still =
            |row: &&DeviceRow| row.outcome.is_none() && row.verdict.may_come() && row.stage < Stage::Ordered;
        let beside = self.rows_beside(state, device).filter(still).map(|row| row.device);
        std::iter::once(device).chain(beside).collect()
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
        let DeviceView { smso, installation, .. } = self.desk.inventory.device(device)?;
        let mut goals = self.ordered_elsewhere(None, installation);
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
