//! From an order to its verdicts and its first wave, in one append; and the gate as the conductor asks it.

use eligibility::{
    Circumstances, Claim, DeviceType, DeviceView, ImageSize, InstallationId, InstructingParty, OfferedImage,
    Slot, SmsoId, Targets, Verdict, WanContact, decide,
};
use firmware_image::{Eui64, FileDigest};
use transfer_engine::Moment;

use super::{Conductor, Desk};
use crate::order::{CampaignId, CampaignOrder, OrderError, Target, instructing_party, party_word};
use crate::record::{Judgement, OrderRecord, PlanRecord, Record, WaveRecord};
use crate::stage::Stage;
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
    /// Accepts an order: judges each device, plans the waves, and opens the pilot.
    ///
    /// Nothing is written when the order as a whole makes no sense. Single devices that may not be updated
    /// do not hold up the others: each gets a verdict with its reason.
    pub fn create(&mut self, now: Moment, order: &CampaignOrder) -> Result<(), OrderError> {
        let _span = tracing::info_span!("campaign", id = %order.id).entered();
        order.check()?;
        if self.campaigns.contains_key(&order.id) {
            return Err(OrderError::Exists(order.id.clone()));
        }
        for target in &order.targets {
            if !self.is_offered(&target.image) {
                return Err(OrderError::UnknownImage(target.image));
            }
            if self.desk.register.entry(&target.cpl_entry).is_none() {
                return Err(OrderError::UnknownEntry(target.cpl_entry.clone()));
            }
        }
        let plans = self.plan(now, order);
        let opening = OrderRecord {
            instructing_party: party_word(&order.instructing_party).to_owned(),
            smso: order.smso.to_string(),
            targets: order.targets.clone(),
            policy: order.policy.clone(),
            devices: plans.len() as u32,
        };
        let entry = Record::Order(opening.clone()).to_entry(now, &order.id);
        self.outbox.push(entry);
        self.recorded += 1;
        self.campaigns.insert(order.id.clone(), CampaignState::new(order.id.clone(), now, opening));
        tracing::info!(campaign = %order.id, devices = plans.len(), "order accepted");
        for plan in plans {
            self.admit(now, &order.id, plan);
        }
        self.keep_hours(now, &order.id);
        self.record(now, &order.id, &Record::WaveOpened(WaveRecord { wave: 0 }), None);
        self.instruct_wave(now, &order.id, 0);
        self.unsettled.insert(order.id.clone());
        self.turn(now);
        Ok(())
    }

    /// Records a verdict; a refusal is the device's outcome at the same time.
    fn admit(&mut self, now: Moment, campaign: &CampaignId, plan: PlanRecord) {
        let (device, verdict) = (plan.device, plan.verdict.clone());
        self.record(now, campaign, &Record::Verdict(plan), None);
        if verdict.may_come() {
            self.begin_errand(campaign, device);
        } else {
            self.turn_away(now, campaign, device, verdict);
        }
    }

    /// Asks the gate about a device, and tells its verdict; or a refusal that is ours, for a question that the gate cannot be
    /// asked. `goals` names what each device of its installation is to run.
    pub(super) fn judge_as<R>(
        &self,
        now: Moment,
        instruction: Instruction<'_>,
        targets: &[Target],
        goals: &Targets,
        device: Eui64,
        tell: impl FnOnce(&Verdict<'_>) -> R,
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
        Ok(tell(&decide(&claim, register, inventory, legal_date(now), gate)))
    }

    /// Takes the verdict again, by the order as it was recorded and the desk as it is now.
    pub(super) fn judge_again(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Judgement {
        let told = self.judge_again_as(now, campaign, device, IN_TURN, |verdict| Judgement::from(verdict));
        told.unwrap_or_else(|refusal| *refusal)
    }

    /// The same, under circumstances that are known, telling the whole verdict.
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
        let goals = self.goals_left(state, device);
        let party = instructing_party(&order.instructing_party);
        let instruction = Instruction { party: &party, smso: &smso, circumstances };
        let changed = row.and_then(|row| self.supplier_change(row));
        let tell = |verdict: &Verdict<'_>| match changed {
            // What the gate itself has against it says more.
            Some(refusal) if verdict.may_come() => Err(refusal.into()),
            _ => Ok(tell(verdict)),
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
    fn goals_left(&self, state: &CampaignState, device: Eui64) -> Targets {
        let Some(found) = self.desk.inventory.device(device) else { return Targets::default() };
        let mut goals = self.ordered_elsewhere(Some(&state.id), found.installation);
        for member in self.desk.inventory.members(found.installation) {
            // Devices that the order gave up stay as they are.
            if state.row(member.id).is_some_and(|row| row.verdict.may_come() && !row.is_given_up())
                && let Some(target) = self.target_for(&state.order.targets, member.id)
            {
                goals.insert(member.id, &target.cpl_entry);
            }
        }
        goals
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
            let order = &self.campaigns.get(&other)?.order;
            Some((member.id, self.target_for(&order.targets, member.id)?.cpl_entry.clone()))
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
        Some(self.judge_as(now, instruction, targets, &goals, device, tell))
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

    /// Returns the digest of the image that fits a device under way.
    pub(super) fn image_for(&self, campaign: &CampaignId, device: Eui64) -> Option<FileDigest> {
        self.campaigns.get(campaign)?.row(device)?.image
    }

    /// Says whether a device is a hub, which needs no HAN.
    pub(super) fn is_hub(&self, device: Eui64) -> bool {
        self.desk.inventory.device(device).is_some_and(|found| found.device_type == DeviceType::Chf)
    }
}
