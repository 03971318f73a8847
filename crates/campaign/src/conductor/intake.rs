//! From an order to its verdicts and its first wave, in one append.

use eligibility::DeviceType;
use firmware_image::{Eui64, FileDigest};
use transfer_engine::Moment;

use super::Conductor;
use crate::order::{CampaignId, CampaignOrder, OrderError, party_word};
use crate::record::{OrderRecord, PlanRecord, Record, WaveRecord};
use crate::state::CampaignState;

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

    /// Returns the digest of the image that fits a device under way.
    pub(super) fn image_for(&self, campaign: &CampaignId, device: Eui64) -> Option<FileDigest> {
        self.campaigns.get(campaign)?.row(device)?.image
    }

    /// Says whether a device is a hub, which needs no HAN.
    pub(super) fn is_hub(&self, device: Eui64) -> bool {
        self.desk.inventory.device(device).is_some_and(|found| found.device_type == DeviceType::Chf)
    }
}
