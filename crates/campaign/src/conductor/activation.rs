//! Activation: an order of its own, signed per device, at most one per device and campaign.

use firmware_image::{ActivationOrder, Eui64, Nonce, OrderCounter, OrderMemory};
use transfer_engine::{Fault, HubId, Moment, Task};

use super::held::ALREADY_ON_TARGET;
use super::watch::IDLE_LOOKS;
use super::{Act, Conductor, Errand};
use crate::order::CampaignId;
use crate::record::{Judgement, OrderedRecord, Record};
use crate::stage::{Outcome, Stage};

/// Why it is not known whether an order reached a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// We died, or took it back, while it was on its way. The device has its time from when it is told again.
    Interrupted,
    /// Its hub did not answer, and may have heard.
    Unanswered,
}

/// How far a device has been told to activate its image, as far as its hub has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    Nothing,
    /// The engine has the order, and no answer yet.
    OnItsWay,
    /// The hub has taken it.
    Accepted,
}

impl Errand {
    /// Says whether an order was handed over, whatever became of it.
    pub(super) fn is_told(&self) -> bool {
        self.told != Told::Nothing
    }

    /// Notes that it is not known whether the device was told: the first look that finds it idle has it told again.
    pub(super) fn doubt(&mut self, doubt: Doubt) {
        self.in_doubt = Some(doubt);
        self.idle_looks = IDLE_LOOKS;
    }
}

impl Conductor {
    /// Takes the gate again and, if it still allows, records the order; the act follows when it is durable.
    ///
    /// A device that has not said yet what its order must carry is looked at until it has.
    pub(super) fn order_activation(&mut self, now: Moment, device: Eui64) {
        let Some((campaign, Stage::Delivered)) = self.under_way(device) else { return };
        if !self.may_activate(now, &campaign) {
            return;
        }
        let verdict = self.judge_again(now, &campaign, device);
        if let Some(errand) = self.errands.get_mut(&device) {
            // If that stays so it is overdue in the end, and this is why.
            errand.withdrawn = (!verdict.allowed).then(|| verdict.code.clone());
        }
        if verdict.waits {
            return;
        }
        if !verdict.allowed {
            return self.hold_unactivated(now, &campaign, device, verdict);
        }
        let Some(challenge) = self.errands.get(&device).and_then(|errand| errand.challenge) else { return };
        let companions = self.companions_of(now, &campaign, device);
        let image = self.image_for(&campaign, device).and_then(|file| self.images.get(&file));
        let Some(image) = image.map(|(image, _)| image.image_digest()) else { return };
        let epoch = self.settings.papers.epoch();
        let known = self.orders.get(&device).filter(|memory| memory.epoch == epoch);
        let last = known.map_or(0, |memory| memory.counter.0).max(challenge.last_counter);
        let counter = last.saturating_add(1);
        self.orders.insert(device, OrderMemory { epoch, counter: OrderCounter(counter) });
        let nonce = Nonce::from_bytes(challenge.nonce);
        let (row, epoch) = (verdict.row.clone(), epoch.0);
        let verdict = self.news(&campaign, device, verdict);
        let order = OrderedRecord { device, image, counter, epoch, nonce, row, verdict, companions };
        let record = Record::Ordered(order);
        self.record(now, &campaign, &record, Some(Act::Activate(device)));
    }

    /// Ends a device that holds its image and was told nothing, as the gate does not let it be told any more. One that is
    /// said to run its target already is asked what it runs: only that is a success.
    pub(super) fn hold_unactivated(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        verdict: Judgement,
    ) {
        if verdict.code == ALREADY_ON_TARGET
            && let Some((hub, channel)) = self.hub_of(now, device)
        {
            if let Some(errand) = self.errands.get_mut(&device) {
                errand.withdrawn = Some(verdict.code);
            }
            self.read_back(now, hub, device, channel);
            return self.watch(now, hub);
        }
        self.end_by_gate(now, campaign, device, Outcome::HeldUnactivated, verdict);
    }

    /// Signs the recorded order and hands it over. Doing so again gives the same bytes with the same counter and
    /// nonce, which a device takes at most once.
    pub(super) fn activate(&mut self, now: Moment, device: Eui64) {
        let Some((campaign, Stage::Ordered)) = self.under_way(device) else { return };
        if self.awaits_record(device) || !self.may_activate(now, &campaign) {
            return;
        }
        let Some(row) = self.campaigns.get(&campaign).and_then(|state| state.row(device)) else { return };
        let (Some(counter), Some(file), priority) = (row.order_counter, row.image, row.priority) else {
            return;
        };
        let (epoch, nonce) = (row.order_epoch, row.order_nonce);
        let Some((image, _)) = self.images.get(&file) else { return };
        let order = ActivationOrder {
            device,
            image: image.image_digest(),
            epoch,
            counter: OrderCounter(counter),
            nonce,
        };
        let signed = order.sign(&self.settings.order_key).expect("a key in memory signs");
        let Some((hub, channel)) = self.hub_of(now, device) else { return };
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.told = Told::OnItsWay;
            errand.withdrawn = None;
            if errand.in_doubt.take() == Some(Doubt::Interrupted) {
                errand.held_at = Some(now);
            }
            errand.idle_looks = 0;
        }
        let task = Task::Activate { channel, order: Some(signed.bytes().clone()) };
        if !self.assign(now, hub, task, priority) {
            self.watch(now, hub);
        }
    }

    pub(super) fn on_activation_accepted(&mut self, now: Moment, hub: HubId, device: Eui64) {
        if let Some((campaign, Stage::Ordered)) = self.under_way(device) {
            tracing::debug!(%campaign, %device, "activation accepted");
            if let Some(errand) = self.errands.get_mut(&device) {
                errand.told = Told::Accepted;
            }
            self.watch(now, hub);
        }
    }

    pub(super) fn on_activation_fault(&mut self, now: Moment, hub: HubId, device: Eui64, fault: &Fault) {
        let Some((campaign, Stage::Ordered)) = self.under_way(device) else { return };
        match fault {
            Fault::Refused { .. } => {
                self.end(now, &campaign, device, Outcome::OrderRefused, fault.to_string(), None);
            }
            // It may have arrived all the same: look at what the device does before anything is repeated.
            _ => {
                if let Some(errand) = self.errands.get_mut(&device) {
                    errand.doubt(Doubt::Unanswered);
                }
                self.watch(now, hub);
            }
        }
    }
}
