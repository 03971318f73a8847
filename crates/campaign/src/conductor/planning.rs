//! Planning: verdicts on all devices of an order, home by home, and their waves. Nothing is written.

use std::collections::{BTreeMap, HashMap};

use eligibility::{InstallationId, MeterStatus, Standing, Targets, Word, judge_home};
use firmware_image::Eui64;
use transfer_engine::Moment;

use super::Conductor;
use super::judging::{IN_TURN, Instruction, code};
use crate::order::CampaignOrder;
use crate::plan::{Candidate, deal_waves};
use crate::record::{Judgement, PlanRecord};

impl Conductor {
    /// Judges an order and plans its waves without writing anything.
    pub fn plan(&self, now: Moment, order: &CampaignOrder) -> Vec<PlanRecord> {
        let mut verdicts = self.judge_order(now, order);
        let plan = |device: &Eui64| {
            let unjudged = || Judgement::refusal(code::NO_IMAGE, "it was not judged");
            self.plan_of(order, *device, verdicts.remove(device).unwrap_or_else(unjudged))
        };
        let mut plans: Vec<PlanRecord> = order.devices.iter().map(plan).collect();
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

    /// Judges all devices of an order, those of a home together; the others by themselves.
    fn judge_order(&self, now: Moment, order: &CampaignOrder) -> HashMap<Eui64, Judgement> {
        let mut words: HashMap<Eui64, Judgement> = HashMap::with_capacity(order.devices.len());
        let mut homes: BTreeMap<&InstallationId, Vec<Eui64>> = BTreeMap::new();
        for device in &order.devices {
            let found = self.desk.inventory.device(*device);
            if self.under_way(*device).is_some() {
                let busy = Judgement::refusal(code::BUSY, "another campaign is at work on this device");
                words.insert(*device, busy);
            } else if let Some(found) = found {
                homes.entry(found.installation).or_default().push(*device);
            } else {
                words.insert(*device, self.judge_one(now, order, &Targets::default(), *device).said);
            }
        }
        for (home, devices) in homes {
            let mut goals = self.ordered_elsewhere(None, home);
            for device in &devices {
                if let Some(target) = self.target_for(&order.targets, *device) {
                    goals.insert(*device, &target.cpl_entry);
                }
            }
            let judge = |device, goals: &Targets| self.judge_one(now, order, goals, device);
            words.extend(judge_home(&devices, goals, judge, Judgement::beside_held));
        }
        words
    }

    fn judge_one(
        &self,
        now: Moment,
        order: &CampaignOrder,
        goals: &Targets,
        device: Eui64,
    ) -> Word<Judgement> {
        let instruction =
            Instruction { party: &order.instructing_party, smso: &order.smso, circumstances: IN_TURN };
        let told = self.judge_as(now, instruction, &order.targets, goals, device, |word| Word {
            said: Judgement::from(&word.said),
            standing: word.standing,
        });
        told.unwrap_or_else(|refusal| Word { said: *refusal, standing: Standing::Stays })
    }

    fn plan_of(&self, order: &CampaignOrder, device: Eui64, verdict: Judgement) -> PlanRecord {
        let found = self.desk.inventory.device(device);
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

    pub(super) fn supplier_of(&self, device: Eui64) -> String {
        self.desk.inventory.device(device).map(|found| found.supplier.to_string()).unwrap_or_default()
    }
}
