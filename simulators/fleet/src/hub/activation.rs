//! Activating a HAN device: the order goes over in pieces, then the word, then the hub asks what came of it.
//!
//! ```text
//! head-end          hub                                   meter
//!   | activate ->    | order in pieces, Upgrade End now ->    | checks order, image, counter
//!   | <- 2 (busy)    | <- Default Response                    | boots
//!   | attribute 6 -> | <- Query Next Image, running version   |
//!   | <- 5, 6 or 7   |                                        |
//! ```

use std::time::Duration;

use firmware_image::{Eui64, Expected, Nonce, OrderCounter, OrderMemory};
use transfer_engine::Moment;
use wire::{
    AccessResult, DocumentKind, HanState, ImageKey, ImageTransferStatus, UpgradeEndResponse, ZclStatus,
};

use super::Hub;
use super::outgoing::{FRAGMENT_LEN, Message};
use super::peer::Activation;
use crate::device_trust::RefusedOrder;
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;
use crate::utc::zcl_time;

/// When an unanswered order is said again, and how often; a sleeping device asks for itself when it wakes.
const PUSH_AGAIN: Duration = Duration::from_secs(10);
const MAX_PUSHES: u8 = 5;

/// When a device that obeyed is first asked for its version; it boots and tries the image meanwhile.
const FIRST_POLL: Duration = Duration::from_secs(90);
const LONGEST_POLL: Duration = Duration::from_secs(3600);

/// When an activation without any news counts as failed (assumption: a day; a gas meter wakes many times in it).
const ACTIVATION_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// A version heard so soon after the device obeyed was sent before it restarted.
const RESTART_GRACE: Duration = Duration::from_secs(5);

/// Refusals before the hub believes them: the first may come from a lost piece of the order.
const MAX_REFUSALS: u8 = 3;

impl Hub {
    /// Accepts an activation for a HAN device; the outcome is read from attribute 6.
    pub(super) fn activate_device(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
    ) -> Result<AccessResult, FlashError> {
        if let Some(result) = self.not_yet_activated(now, pool, slot)? {
            return Ok(result);
        }
        let record = &self.slots[slot].record;
        let (Some(image), Some(offer), Some(device)) = (&record.image, record.offer, record.device) else {
            return Ok(AccessResult::ObjectUnavailable);
        };
        // The device must hold the image; otherwise there would be an order in flight with no bound in time.
        let holds = matches!(device.state, HanState::Verified | HanState::OrderRefused);
        if !holds || device.image != Some(offer.key) {
            return Ok(AccessResult::ObjectUnavailable);
        }
        let Some(digest) = self.board.image_digest(pool, image.bank, image.size) else {
            return Ok(AccessResult::OtherReason);
        };
        let trust = self.board.trust();
        let Some((memory, nonce)) = self.memory_of(slot) else {
            // An order that does not answer a challenge is obeyed by nobody.
            return Ok(AccessResult::ObjectUnavailable);
        };
        let expected = Expected { device: device.eui, image: digest, nonce };
        if let Err(error) = trust.permit(pool, self.order_of(slot), &memory, &expected) {
            self.note_refused_order(device.eui, Some(&error));
            return Ok(AccessResult::ReadWriteDenied);
        }
        self.slots[slot].become_status(&mut self.counters.edges, ImageTransferStatus::ActivationInitiated);
        self.release(pool, slot)?;
        self.begin_activation(now, slot);
        Ok(AccessResult::TemporaryFailure)
    }

    /// Returns what a device said that it remembers and drew. The device judges for itself; a hub that judges by the
    /// same saves it the trouble of orders that cannot hold.
    fn memory_of(&self, slot: usize) -> Option<(OrderMemory, Nonce)> {
        let trust = self.board.trust();
        match self.slots[slot].record.open_challenge() {
            Some(told) => {
                let memory = OrderMemory { epoch: trust.epoch(), counter: OrderCounter(told.last_counter) };
                Some((memory, Nonce::from_bytes(told.nonce)))
            }
            // Whoever needs no order needs no challenge.
            None if trust.accepts_unsigned() => Some((OrderMemory::default(), Nonce::from_bytes([0; 8]))),
            None => None,
        }
    }

    /// Counts an order that is not passed on; no error means that the image is not the hub's to run.
    pub(super) fn note_refused_order(&mut self, device: Eui64, error: Option<&RefusedOrder>) {
        let attack = error.and_then(RefusedOrder::attack);
        tracing::debug!(hub = %self.board.eui(), %device, ?error, ?attack, "order refused");
        self.counters.orders_refused += 1;
        if let Some(attack) = attack {
            self.counters.attacks.count(attack);
        }
    }

    fn release(&mut self, pool: &mut SectorPool, slot: usize) -> Result<(), FlashError> {
        if let Some(device) = &mut self.slots[slot].record.device {
            device.released = true;
            device.state = HanState::Activating;
        }
        self.store_slot(pool, slot)
    }

    /// Releases devices that were never commissioned and hold the hub's own image, where no order is needed.
    ///
    /// Only for a hub without a model: then `image_activate` on its one slot is all a foreign client can say.
    pub(super) fn release_strangers(&mut self, pool: &mut SectorPool) -> Result<(), FlashError> {
        let key = self.slots[0].record.offer.map(|offer| offer.key);
        if self.board.model().is_some() || !self.board.trust().accepts_unsigned() || key.is_none() {
            return Ok(());
        }
        for slot in 1..self.slots.len() {
            let device = self.slots[slot].record.device;
            let holds = device.is_some_and(|device| {
                !device.commissioned && device.state == HanState::Verified && device.image == key
            });
            if holds {
                self.release(pool, slot)?;
            }
        }
        Ok(())
    }

    /// Starts, or starts again after a reboot, to tell a released device.
    pub(super) fn begin_activation(&mut self, now: Moment, slot: usize) {
        let key = self.slots[slot].record.device.and_then(|device| device.image);
        self.slots[slot].peer.activation = key.map(|key| Activation {
            key,
            deadline: now + ACTIVATION_LIMIT,
            next_at: now,
            pushes: 0,
            polls: 0,
            refusals: 0,
            acknowledged_at: None,
        });
    }

    pub(super) fn activation_due(&self, slot: usize) -> Option<Moment> {
        let activation = self.slots[slot].peer.activation?;
        Some(activation.next_at.min(activation.deadline))
    }

    /// Says the order again, asks for the version, or gives up.
    pub(super) fn drive_activation(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
    ) -> Result<(), FlashError> {
        let Some(mut activation) = self.slots[slot].peer.activation else {
            return Ok(());
        };
        if activation.deadline <= now {
            if activation.acknowledged_at.is_none() {
                self.note_untold(now, pool, slot, activation.key)?;
            }
            return self.conclude(pool, slot, HanState::Silent);
        }
        if activation.next_at > now {
            return Ok(());
        }
        if activation.acknowledged_at.is_none() && activation.pushes < MAX_PUSHES {
            activation.pushes += 1;
            activation.next_at = now + PUSH_AGAIN;
            self.push_order(now, slot, activation.key, None);
        } else {
            let pause = FIRST_POLL.saturating_mul(1 << activation.polls.min(6)).min(LONGEST_POLL);
            activation.polls += 1;
            activation.next_at = now + pause;
            self.send(self.address_of(slot), Message::ReadVersion);
        }
        self.slots[slot].peer.activation = Some(activation);
        Ok(())
    }

    /// Sends the order and the word; as an answer it repeats the transaction of the question.
    pub(super) fn push_order(&mut self, now: Moment, slot: usize, key: ImageKey, transaction: Option<u8>) {
        let to = self.address_of(slot);
        let order_len = self.slots[slot].record.order.len();
        for offset in (0..order_len).step_by(FRAGMENT_LEN) {
            let offset = u16::try_from(offset).unwrap_or(u16::MAX);
            self.send(to, Message::Fragment { kind: DocumentKind::Order, slot, offset });
        }
        let time = zcl_time(self.clock(now));
        let word = Message::End(UpgradeEndResponse { key, current_time: time, upgrade_time: time });
        match transaction {
            Some(transaction) => self.send_as(to, transaction, word),
            None => self.send(to, word),
        }
    }

    /// Hears whether the device obeys.
    pub(super) fn take_answer_to_order(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        status: ZclStatus,
    ) -> Result<(), FlashError> {
        let Some(activation) = &mut self.slots[slot].peer.activation else {
            return Ok(());
        };
        match status {
            ZclStatus::Success => {
                activation.acknowledged_at = Some(now);
                activation.next_at = now + FIRST_POLL;
                Ok(())
            }
            ZclStatus::NotAuthorized => {
                activation.refusals += 1;
                if activation.refusals >= MAX_REFUSALS {
                    return self.conclude(pool, slot, HanState::OrderRefused);
                }
                activation.next_at = now + Duration::from_secs(1);
                Ok(())
            }
            // It holds no such image: perhaps because it runs it, and restarted while we did. What it runs decides.
            ZclStatus::InvalidImage => {
                activation.acknowledged_at.get_or_insert(now);
                activation.next_at = now + RESTART_GRACE + Duration::from_secs(1);
                Ok(())
            }
            _ => {
                activation.next_at = now + Duration::from_secs(1);
                Ok(())
            }
        }
    }

    /// Learns what a device runs; that, and nothing else, makes an activation successful.
    pub(super) fn take_version(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        version: u32,
    ) -> Result<(), FlashError> {
        let Some(device) = &mut self.slots[slot].record.device else {
            return Ok(());
        };
        let news = device.running_version != Some(version);
        device.running_version = Some(version);
        let runs_image = device.image.is_some_and(|image| image.file_version == version);
        let gave_up = matches!(device.state, HanState::ActivationFailed | HanState::Silent);
        let activation = self.slots[slot].peer.activation;
        let restarted = activation
            .and_then(|activation| activation.acknowledged_at)
            .is_some_and(|at| now.saturating_since(at) > RESTART_GRACE);
        match activation {
            Some(_) if runs_image => self.conclude(pool, slot, HanState::Activated),
            Some(_) if restarted => self.conclude(pool, slot, HanState::ActivationFailed),
            None if runs_image && gave_up => self.conclude(pool, slot, HanState::Activated),
            _ if news => self.store_slot(pool, slot),
            _ => Ok(()),
        }
    }

    /// Returns whether a device that is to activate an image fetches it anew: then it does not hold what it said it held.
    /// It tried and went back while we were restarting, and has thrown the image away.
    pub(super) fn lost_what_it_held(&self, slot: usize, key: &ImageKey) -> bool {
        self.slots[slot].peer.activation.is_some_and(|activation| activation.key == *key)
    }

    pub(super) fn conclude(
        &mut self,
        pool: &mut SectorPool,
        slot: usize,
        state: HanState,
    ) -> Result<(), FlashError> {
        let slot_state = &mut self.slots[slot];
        slot_state.peer.activation = None;
        if let Some(device) = &mut slot_state.record.device {
            device.state = state;
            device.released = false;
        }
        let status = match state {
            HanState::Activated => ImageTransferStatus::ActivationSuccessful,
            _ => ImageTransferStatus::ActivationFailed,
        };
        if super::slot::may_become(slot_state.record.status, status) {
            slot_state.become_status(&mut self.counters.edges, status);
        }
        self.store_slot(pool, slot)
    }
}
