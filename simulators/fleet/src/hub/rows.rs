//! What a hub tells the head-end of itself and of the devices behind it: one row each.

use std::time::Duration;

use transfer_engine::Moment;
use wire::{DeviceChallenge, HanDeviceStatus, HanState, ImageTransferStatus, OrderChallenge};

use super::Hub;
use super::slot::{DeviceRecord, Slot};

/// When a device that was fetching counts as silent; gas meters sleep for long between blocks.
const SILENT_AFTER: Duration = Duration::from_secs(4 * 3600);

impl Hub {
    /// Returns the rows as the head-end reads them: the hub itself on channel 0, then its devices.
    pub(super) fn han_status(&mut self, now: Moment) -> Vec<HanDeviceStatus> {
        let devices = self.slots.iter().filter_map(|slot| Some((slot, slot.record.device.as_ref()?)));
        let mut rows = Vec::with_capacity(1 + self.slots.len());
        rows.push(self.own_row());
        rows.extend(devices.map(|(slot, device)| self.row(now, slot, device)));
        self.counters.said.own_row(rows[0].state);
        rows[1..].iter().for_each(|row| self.counters.said.row(row.state));
        rows
    }

    fn own_row(&self) -> HanDeviceStatus {
        let slot = &self.slots[0];
        let first_missing = slot.bitmap.as_ref().and_then(|bitmap| bitmap.first_missing());
        let size = slot.record.image.as_ref().map_or(0, |image| image.size);
        let challenge = self.board.challenge();
        HanDeviceStatus {
            channel: 0,
            device: self.board.eui().to_bytes(),
            state: own_state(slot.record.status),
            offset: first_missing.map_or(size, |block| block.saturating_mul(self.block_size)),
            running_version: self.running_version().0,
            staged_version: slot.record.offer.map_or(0, |offer| offer.key.file_version),
            challenge: Some(order_challenge(challenge)),
            root_version: challenge.root_version,
            heard_s_ago: Some(0),
        }
    }

    fn row(&self, now: Moment, slot: &Slot, device: &DeviceRecord) -> HanDeviceStatus {
        let heard = slot.peer.last_heard;
        // What slept or waited while the hub was off has from its start on as long as the others.
        let expected_since = heard.or(slot.peer.up_since);
        let silent = expected_since.is_some_and(|since| now.saturating_since(since) > SILENT_AFTER);
        let offer = slot.record.offer.map(|offer| offer.key);
        // What the device says of an older image says nothing of the one in the slot now.
        let outdated = device.commissioned && offer.is_none_or(|key| device.image != Some(key));
        let state = match device.state {
            HanState::Waiting | HanState::Downloading | HanState::Verified | HanState::Rejected
                if outdated =>
            {
                HanState::Idle
            }
            HanState::Downloading if silent => HanState::Silent,
            state => state,
        };
        let staged = offer.or(device.image.filter(|_| !device.commissioned));
        // Where unsigned activations are taken, any order will do, and whoever waits for a challenge would wait for ever.
        let anything = OrderChallenge { nonce: [0; 8], last_counter: 0 };
        let answers_anything = self.board.trust().accepts_unsigned().then_some(anything);
        HanDeviceStatus {
            channel: slot.channel,
            device: device.eui.to_bytes(),
            state,
            offset: slot.peer.offset,
            running_version: device.running_version.unwrap_or(crate::board::UNKNOWN_VERSION.0),
            staged_version: staged.map_or(0, |key| key.file_version),
            challenge: slot.record.open_challenge().map(order_challenge).or(answers_anything),
            root_version: slot.record.challenge.map_or(0, |challenge| challenge.root_version),
            heard_s_ago: heard
                .map(|heard| now.saturating_since(heard).as_secs().try_into().unwrap_or(u32::MAX)),
        }
    }
}

fn order_challenge(challenge: DeviceChallenge) -> OrderChallenge {
    OrderChallenge { nonce: challenge.nonce, last_counter: challenge.last_counter }
}

/// Says in the words for devices how far the hub's own slot is.
fn own_state(status: ImageTransferStatus) -> HanState {
    match status {
        ImageTransferStatus::NotInitiated => HanState::Idle,
        ImageTransferStatus::Initiated | ImageTransferStatus::VerificationInitiated => HanState::Downloading,
        ImageTransferStatus::VerificationSuccessful => HanState::Verified,
        ImageTransferStatus::VerificationFailed => HanState::Rejected,
        ImageTransferStatus::ActivationInitiated => HanState::Activating,
        ImageTransferStatus::ActivationSuccessful => HanState::Activated,
        ImageTransferStatus::ActivationFailed => HanState::ActivationFailed,
    }
}
