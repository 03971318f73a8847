//! From an order to verdicts and a plan, in one append.

use eligibility::{
    Circumstances, Claim, DeviceType, ImageSize, InstructingParty, MeterStatus, OfferedImage, Slot, SmsoId,
    Targets, Verdict, WanContact, decide,
};
use firmware_image::{Eui64, FileDigest};
use transfer_engine::Moment;

use super::{Conductor, Desk};
use crate::order::{CampaignId, CampaignOrder, OrderError, Target, instructing_party, party_word};
use crate::plan::{Candidate, deal_waves};
use crate::record::{Judgement, OrderRecord, PlanRecord, Record, WaveRecord};
use crate::stage::Stage;
use crate::state::CampaignState;
use crate::steps::next_step;
use crate::window::legal_date;

/// Codes of ours for refusals that are no row of the gate.
mod code {
    /// The order has no image for this device's model.
    pub(super) const NO_IMAGE: &str = "NO_IMAGE_FOR_MODEL";
    /// The device's way has changed under it; the gate's own code for a path that is not permitted.
    pub(super) const PATH: &str = "REJECT_PATH";
    /// Another campaign is at work on the device (compare DUIS `OtherRequestInProgressList`).
    pub(super) const BUSY: &str = "OTHER_CAMPAIGN_IN_PROGRESS";
}

/// Rows A7 and A8 when the conductor asks for itself: it asks about whoever has a slot, and whether the hub is reached the
/// transfer finds out. Who asks from outside is told what they are at that moment, see `explain`.
const IN_TURN: Circumstances = Circumstances { slot: Slot::NotAsked, wan: WanContact::NotAsked };

/// Who instructs whom, and what is known of slots and WAN.
#[derive(Clone, Copy)]
struct Instruction<'a> {
    party: &'a InstructingParty,
    smso: &'a SmsoId,
    circumstances: Circumstances,
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

    /// Judges an order and plans its waves without writing anything.
    pub fn plan(&self, now: Moment, order: &CampaignOrder) -> Vec<PlanRecord> {
        let goals: Targets = order
            .devices
            .iter()
            .filter_map(|device| Some((*device, self.target_for(&order.targets, *device)?.cpl_entry.clone())))
            .collect();
        let mut plans: Vec<PlanRecord> =
            order.devices.iter().map(|device| self.judge_for_plan(now, order, &goals, *device)).collect();
        let candidates: Vec<Candidate> = plans
            .iter()
            .filter(|plan| plan.verdict.may_come())
            .map(|plan| Candidate {
                device: plan.device,
                installation: plan.installation.clone(),
                priority: plan.priority,
                supplier: self.supplier_of(plan.device),
            })
            .collect();
        let floor = order.policy.floor_per_supplier as usize;
        let waves = deal_waves(&candidates, &order.policy.waves, floor);
        for (plan, wave) in plans.iter_mut().filter(|plan| plan.verdict.may_come()).zip(waves) {
            plan.wave = Some(wave);
        }
        plans
    }

    pub(super) fn supplier_of(&self, device: Eui64) -> String {
        self.desk.inventory.device(device).map(|found| found.supplier.to_string()).unwrap_or_default()
    }

    fn judge_for_plan(
        &self,
        now: Moment,
        order: &CampaignOrder,
        goals: &Targets,
        device: Eui64,
    ) -> PlanRecord {
        let found = self.desk.inventory.device(device);
        let verdict = if self.under_way(device).is_some() {
            Judgement::refusal(code::BUSY, "another campaign is at work on this device")
        } else {
            self.judge(now, &order.instructing_party, &order.smso, &order.targets, goals, device)
        };
        let image = self.target_for(&order.targets, device).map(|target| target.image);
        PlanRecord {
            device,
            kind: found.map(|found| found.device_type.to_string()).unwrap_or_default(),
            installation: found.map(|found| found.installation.to_string()).unwrap_or_default(),
            hub: found.map(|found| found.hub),
            channel: found.map_or(0, |found| found.channel.0),
            image: image.filter(|_| verdict.may_come()),
            verdict,
            wave: None,
            priority: match found.map(|found| found.status) {
                Some(MeterStatus::Dormant) => 0,
                _ => 1,
            },
        }
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

    /// Asks the gate about a device. `goals` names what each device of its installation is to run.
    pub(super) fn judge(
        &self,
        now: Moment,
        instructed_by: &InstructingParty,
        addressed_smso: &SmsoId,
        targets: &[Target],
        goals: &Targets,
        device: Eui64,
    ) -> Judgement {
        let errand = Instruction { party: instructed_by, smso: addressed_smso, circumstances: IN_TURN };
        self.judge_as(now, errand, targets, goals, device, |verdict| Judgement::from(verdict))
            .unwrap_or_else(|refusal| *refusal)
    }

    /// Asks the gate, and tells its verdict; or a refusal that is ours, for a question that the gate cannot be asked.
    fn judge_as<R>(
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
        let installation = self.desk.inventory.device(device).map(|found| found.installation);
        // What the order still means to do in this home: devices that it gave up stay as they are.
        let goals: Targets = installation
            .into_iter()
            .flat_map(|installation| self.desk.inventory.members(installation))
            .filter(|member| state.row(member.id).is_some_and(|row| row.verdict.may_come()))
            .filter_map(|member| {
                Some((member.id, self.target_for(&order.targets, member.id)?.cpl_entry.clone()))
            })
            .collect();
        let party = instructing_party(&order.instructing_party);
        let instruction = Instruction { party: &party, smso: &smso, circumstances };
        self.judge_as(now, instruction, &order.targets, &goals, device, tell)
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
        let goals: Targets = [(device, target.cpl_entry.clone())].into_iter().collect();
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
