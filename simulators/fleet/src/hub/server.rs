//! The HAN side: a ZCL OTA server. It offers what is verified, serves blocks and pages, and makes devices wait.
//!
//! A commissioned device is offered the image of its own slot and no other, for somebody decided that it may have
//! that one; a device that nobody commissioned is offered any image that fits, so that a standalone meter works.

use std::time::Duration;

use firmware_image::Eui64;
use transfer_engine::Moment;
use wire::{
    AttributeId, AttributeRecord, AttributeValue, HanState, ImageBlockRequest, ImageKey, ImagePageRequest,
    OtaCommand, QueryNextImageRequest, QueryNextImageResponse, UPGRADE_WHEN_TOLD, UpgradeEndRequest,
    UpgradeEndResponse, ZclFrame, ZclStatus,
};

use super::Hub;
use super::outgoing::{BROADCAST, MAX_BLOCK_LEN, Message};
use super::peer::{Notice, Page};
use super::slot::DeviceRecord;
use crate::bank::BankId;
use crate::flash::FlashError;
use crate::said::Act;
use crate::sector_pool::SectorPool;
use crate::security_log::TransferOutcome;
use crate::utc::zcl_time;

/// How long a device waits while another one fetches (ours).
const WAIT: Duration = Duration::from_secs(60);

/// How often Image Notify is said, and how far apart; sleeping devices hear none and ask by themselves.
const NOTICES: u8 = 3;
const NOTICE_AGAIN: Duration = Duration::from_secs(60);

/// A challenge heard so shortly before the end of a download came with it.
const JUST_NOW: Duration = Duration::from_secs(10);

/// The pace of a page whose request names none, so that a zero spacing does not become one burst.
pub(crate) const SHORTEST_SPACING: Duration = Duration::from_millis(1);

const IMAGE_BLOCK_REQUEST: u8 = 0x03;
const IMAGE_PAGE_REQUEST: u8 = 0x04;
const UPGRADE_END_REQUEST: u8 = 0x06;
const UPGRADE_END_RESPONSE: u8 = 0x07;

/// An image as it is served.
#[derive(Clone, Copy)]
pub(super) struct Served {
    key: ImageKey,
    pub(super) bank: BankId,
    pub(super) size: u32,
}

impl Hub {
    pub(super) fn serve_han(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        from: u16,
        frame: &ZclFrame<'_>,
    ) -> Result<(), FlashError> {
        let Some(slot) = self.slot_at(from) else {
            return Ok(());
        };
        self.slots[slot].peer.last_heard = Some(now);
        self.push_root_if_heard(now, slot);
        let transaction = frame.transaction;
        match &frame.command {
            OtaCommand::ImageBlockRequest(request) => self.serve_block(now, pool, slot, transaction, request),
            OtaCommand::QueryNextImageRequest(request) => {
                self.serve_query(now, pool, slot, transaction, request)
            }
            OtaCommand::ImagePageRequest(request) => self.serve_page(now, pool, slot, transaction, request),
            OtaCommand::UpgradeEndRequest(request) => self.serve_end(now, pool, slot, transaction, request),
            OtaCommand::DefaultResponse { command: UPGRADE_END_RESPONSE, status } => {
                self.take_answer_to_order(now, pool, slot, *status)
            }
            OtaCommand::Challenge(challenge) => self.take_challenge(now, pool, slot, *challenge),
            OtaCommand::DefaultResponse { .. } => Ok(()),
            OtaCommand::ReadAttributesResponse(records) => self.take_attributes(now, pool, slot, records),
            OtaCommand::QueryDeviceSpecificFileRequest(_) => {
                let none = QueryNextImageResponse::Other(ZclStatus::NoImageAvailable);
                self.send_as(from, transaction, Message::DeviceSpecific(none));
                Ok(())
            }
            other => {
                let (command, status) = (other.id(), other.unsupported_status());
                self.send_as(from, transaction, Message::Default { command, status });
                Ok(())
            }
        }
    }

    /// Finds the slot of a device.
    pub(super) fn slot_of_address(&self, short_address: u16) -> Option<usize> {
        let at = |device: &DeviceRecord| device.short_address == short_address;
        self.slots.iter().position(|slot| slot.record.device.as_ref().is_some_and(at))
    }

    /// Finds the slot of a device, or gives a new one to a device that nobody commissioned.
    fn slot_at(&mut self, short_address: u16) -> Option<usize> {
        let known = self.slot_of_address(short_address);
        if known.is_some() {
            return known;
        }
        let vacant = (1..self.slots.len()).find(|slot| self.slots[*slot].record.device.is_none())?;
        let channel = (1..=u8::MAX).find(|channel| self.slot_of(*channel).is_none())?;
        self.slots[vacant].channel = channel;
        self.slots[vacant].record.device = Some(DeviceRecord {
            channel,
            eui: Eui64::from_bytes([0; 8]),
            short_address,
            commissioned: false,
            state: HanState::Idle,
            running_version: None,
            image: None,
            released: false,
        });
        Some(vacant)
    }

    fn serve_query(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        transaction: u8,
        request: &QueryNextImageRequest,
    ) -> Result<(), FlashError> {
        self.slots[slot].peer.notice = None;
        self.take_version(now, pool, slot, request.key.file_version)?;
        let device = self.slots[slot].record.device;
        // An image that the device refused, or could not run, is not offered again until it is staged again.
        let spoilt = |key: &ImageKey| {
            device.is_some_and(|device| {
                matches!(device.state, HanState::Rejected | HanState::ActivationFailed)
                    && device.image == Some(*key)
            })
        };
        let lags = self.lags(slot);
        let found = self.sources(slot).filter(|_| !lags).find_map(|source| {
            let offer = self.slots[source].record.offer?;
            let newer = offer.key.file_version > request.key.file_version;
            let fits = offer.fits(&request.key, request.hardware_version);
            (newer && fits && !spoilt(&offer.key)).then(|| self.served(source)).flatten()
        });
        let to = self.address_of(slot);
        let Some(Served { key, size, .. }) = found else {
            if !lags {
                self.note_misfit(now, pool, slot, request)?;
            }
            let none = QueryNextImageResponse::Other(ZclStatus::NoImageAvailable);
            self.send_as(to, transaction, Message::Query(none));
            return Ok(());
        };
        let changed = self.slots[slot].record.device.as_mut().is_some_and(|device| {
            let changed = device.image != Some(key);
            if changed || matches!(device.state, HanState::Idle | HanState::Activated | HanState::Declined) {
                device.image = Some(key);
                device.state = HanState::Waiting;
            }
            changed
        });
        if changed {
            self.slots[slot].peer.offset = 0;
            self.store_slot(pool, slot)?;
        }
        let response = QueryNextImageResponse::Success { key, image_size: size };
        self.send_as(to, transaction, Message::Query(response));
        Ok(())
    }

    /// Notes that the image staged for a device is for other hardware than it says it has; it will never ask for
    /// it (GBCS names this outcome in alert 0x0128: hardware version mismatch).
    fn note_misfit(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        request: &QueryNextImageRequest,
    ) -> Result<(), FlashError> {
        let record = &mut self.slots[slot].record;
        let (Some(offer), Some(device)) = (record.offer, record.device.as_mut()) else { return Ok(()) };
        let is_meant_for_it =
            offer.fits(&request.key, None) && offer.key.file_version > request.key.file_version;
        if !is_meant_for_it || offer.fits(&request.key, request.hardware_version) {
            return Ok(());
        }
        if !matches!(device.state, HanState::Idle | HanState::Waiting) {
            return Ok(());
        }
        device.state = HanState::Rejected;
        device.image = Some(offer.key);
        self.note_transfer(now, pool, slot, offer.key, TransferOutcome::HardwareVersionMismatch)
    }

    fn serve_block(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        transaction: u8,
        request: &ImageBlockRequest,
    ) -> Result<(), FlashError> {
        let to = self.address_of(slot);
        let Some(served) = self.served_or_abort(pool, slot, transaction, &request.key)? else {
            return Ok(());
        };
        if request.offset >= served.size || request.maximum_data_size == 0 {
            let (command, status) = (IMAGE_BLOCK_REQUEST, ZclStatus::MalformedCommand);
            self.send_as(to, transaction, Message::Default { command, status });
            return Ok(());
        }
        if !self.may_fetch(now, to, transaction) {
            return Ok(());
        }
        let pace_ms = self.pace_ms();
        if request.minimum_block_period_ms.is_some_and(|own_ms| own_ms < pace_ms) {
            self.counters.said.act(Act::Throttle);
            let time = zcl_time(self.clock(now));
            let wait =
                Message::Wait { current_time: time, request_time: time, minimum_block_period_ms: pace_ms };
            self.send_as(to, transaction, wait);
            return Ok(());
        }
        self.note_fetching(pool, slot, request.key, request.offset, request.requester)?;
        let longest = usize::from(request.maximum_data_size).min(MAX_BLOCK_LEN) as u32;
        let len = u8::try_from(longest.min(served.size - request.offset)).unwrap_or(0);
        let Served { key, bank, .. } = served;
        self.counters.blocks_served += 1;
        self.send_as(to, transaction, Message::Block { key, bank, offset: request.offset, len });
        Ok(())
    }

    /// Returns the image that a device fetches, or tells the device to stop. One that was to activate that image and fetches
    /// it anew does not hold what it said it held: its activation has failed.
    fn served_or_abort(
        &mut self,
        pool: &mut SectorPool,
        slot: usize,
        transaction: u8,
        key: &ImageKey,
    ) -> Result<Option<Served>, FlashError> {
        let served = self.served_under(slot, key);
        let lost = served.is_some() && self.lost_what_it_held(slot, key);
        if served.is_some() && !lost {
            return Ok(served);
        }
        self.send_as(self.address_of(slot), transaction, Message::Abort);
        if lost {
            self.conclude(pool, slot, HanState::ActivationFailed)?;
        }
        Ok(None)
    }

    fn serve_page(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        transaction: u8,
        request: &ImagePageRequest,
    ) -> Result<(), FlashError> {
        let to = self.address_of(slot);
        let Some(served) = self.served_or_abort(pool, slot, transaction, &request.key)? else {
            return Ok(());
        };
        let Served { key, bank, size } = served;
        if request.offset >= size || request.maximum_data_size == 0 || request.page_size == 0 {
            let (command, status) = (IMAGE_PAGE_REQUEST, ZclStatus::MalformedCommand);
            self.send_as(to, transaction, Message::Default { command, status });
            return Ok(());
        }
        if !self.may_fetch(now, to, transaction) {
            return Ok(());
        }
        self.note_fetching(pool, slot, key, request.offset, request.requester)?;
        let spacing = Duration::from_millis(request.response_spacing_ms.into());
        self.slots[slot].peer.page = Some(Page {
            key,
            bank,
            offset: request.offset,
            end: request.offset.saturating_add(request.page_size.into()).min(size),
            block_len: request.maximum_data_size.min(MAX_BLOCK_LEN as u8),
            spacing: spacing.max(SHORTEST_SPACING).max(self.config.minimum_block_period),
            next_at: now,
            transaction,
        });
        self.stream_page(now, slot);
        Ok(())
    }

    /// Sends the blocks of a page that are due. They repeat the request's transaction, as one common server does.
    pub(super) fn stream_page(&mut self, now: Moment, slot: usize) {
        let to = self.address_of(slot);
        while let Some(page) = self.slots[slot].peer.page.filter(|page| page.next_at <= now) {
            let left = page.end - page.offset;
            let len = u8::try_from(left.min(page.block_len.into())).unwrap_or(0);
            let (key, bank, offset) = (page.key, page.bank, page.offset);
            self.send_as(to, page.transaction, Message::Block { key, bank, offset, len });
            self.counters.blocks_served += 1;
            let next = offset + u32::from(len);
            self.slots[slot].peer.offset = next;
            self.slots[slot].peer.page = (next < page.end).then_some(Page {
                offset: next,
                next_at: page.next_at + page.spacing,
                ..page
            });
            self.seats.take(now, to, self.config.max_bulk_transfers);
        }
    }

    /// Returns the pause that the hub asks of meters, in milliseconds.
    pub(super) fn pace_ms(&self) -> u16 {
        u16::try_from(self.config.minimum_block_period.as_millis()).unwrap_or(0xFFFE)
    }

    /// Returns whether the device may fetch now; if not, tells it when to ask again.
    fn may_fetch(&mut self, now: Moment, to: u16, transaction: u8) -> bool {
        let free = self.seats.take(now, to, self.config.max_bulk_transfers);
        if !free {
            let current_time = zcl_time(self.clock(now));
            let wait_s = u32::try_from(WAIT.as_secs()).unwrap_or(u32::MAX);
            let pace_ms = self.pace_ms();
            let wait = Message::Wait {
                current_time,
                request_time: current_time.saturating_add(wait_s),
                minimum_block_period_ms: pace_ms,
            };
            self.send_as(to, transaction, wait);
        }
        free
    }

    fn note_fetching(
        &mut self,
        pool: &mut SectorPool,
        slot: usize,
        key: ImageKey,
        offset: u32,
        requester: Option<[u8; 8]>,
    ) -> Result<(), FlashError> {
        self.slots[slot].peer.offset = offset;
        let Some(device) = &mut self.slots[slot].record.device else {
            return Ok(());
        };
        let stranger = requester.filter(|_| !device.commissioned).map(Eui64::from_bytes);
        let state = match device.state {
            HanState::Activating => HanState::Activating,
            _ => HanState::Downloading,
        };
        let noted = (stranger.unwrap_or(device.eui), state, Some(key));
        if noted == (device.eui, device.state, device.image) {
            return Ok(());
        }
        (device.eui, device.state, device.image) = noted;
        let record = &mut self.slots[slot].record;
        record.void_nonce = record.challenge.map(|challenge| challenge.nonce);
        self.store_slot(pool, slot)
    }

    fn serve_end(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        transaction: u8,
        request: &UpgradeEndRequest,
    ) -> Result<(), FlashError> {
        let to = self.address_of(slot);
        self.seats.leave(to);
        self.slots[slot].peer.page = None;
        let offered = self.served_under(slot, &request.key);
        let (state, size) = match (request.status, offered) {
            (ZclStatus::Success, Some(served)) => (Some(HanState::Verified), served.size),
            (ZclStatus::InvalidImage, _) => (Some(HanState::Rejected), 0),
            (ZclStatus::Success | ZclStatus::RequireMoreImage, _) => (None, 0),
            (ZclStatus::Abort | ZclStatus::InsufficientSpace, _) => (Some(HanState::Declined), 0),
            _ => (Some(HanState::Idle), 0),
        };
        let activating = self.slots[slot].peer.activation;
        if let (Some(state), Some(device)) = (state, &mut self.slots[slot].record.device) {
            let settled = matches!(device.state, HanState::Activating | HanState::OrderRefused);
            let before = *device;
            if !(settled && state == HanState::Verified) {
                device.state = state;
            }
            device.image = Some(request.key);
            let changed = *device != before;
            self.slots[slot].peer.offset = size;
            if changed {
                let outcome = match state {
                    HanState::Verified => TransferOutcome::Success,
                    HanState::Rejected => TransferOutcome::ImageDiscarded,
                    _ => TransferOutcome::TransferFailure,
                };
                self.note_transfer(now, pool, slot, request.key, outcome)?;
            }
        }
        if request.status != ZclStatus::Success {
            let (command, status) = (UPGRADE_END_REQUEST, ZclStatus::Success);
            self.send_as(to, transaction, Message::Default { command, status });
            return Ok(());
        }
        let told = self.slots[slot].peer.challenged_at;
        let just_told = told.is_some_and(|at| now.saturating_since(at) < JUST_NOW);
        if !just_told && !self.board.trust().accepts_unsigned() {
            self.send(to, Message::AskChallenge);
        }
        if activating.is_some_and(|activation| activation.key == request.key) {
            self.push_order(now, slot, request.key, Some(transaction));
        } else {
            let current_time = zcl_time(self.clock(now));
            let wait = UpgradeEndResponse { key: request.key, current_time, upgrade_time: UPGRADE_WHEN_TOLD };
            self.send_as(to, transaction, Message::End(wait));
        }
        Ok(())
    }

    fn take_attributes(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        records: &[AttributeRecord],
    ) -> Result<(), FlashError> {
        for record in records {
            if let (AttributeId::CURRENT_FILE_VERSION, Ok(AttributeValue::Unsigned32(version))) =
                (record.id, record.result)
            {
                self.take_version(now, pool, slot, version)?;
            }
        }
        Ok(())
    }

    /// Tells whom it may concern that a slot's image is ready.
    pub(super) fn announce(&mut self, now: Moment, slot: usize) {
        let Some(offer) = self.slots[slot].record.offer else {
            return;
        };
        let notice = Notice { key: offer.key, next_at: now, left: NOTICES };
        self.slots[slot].peer.notice = Some(notice);
        if let Some(device) = &mut self.slots[slot].record.device {
            let held = device.state == HanState::Verified && device.image == Some(offer.key);
            if !held {
                device.state = HanState::Waiting;
                device.image = Some(offer.key);
            }
        }
    }

    /// Says Image Notify: to the slot's device, or to all for an image in the hub's own slot.
    pub(super) fn drive_notice(&mut self, now: Moment, slot: usize) {
        let Some(notice) = self.slots[slot].peer.notice.filter(|notice| notice.next_at <= now) else {
            return;
        };
        let to = if slot == 0 { BROADCAST } else { self.address_of(slot) };
        self.send(to, Message::Notify(notice.key));
        self.slots[slot].peer.notice = (notice.left > 1).then_some(Notice {
            left: notice.left - 1,
            next_at: now + NOTICE_AGAIN,
            ..notice
        });
    }

    /// Returns the slots whose image a device may be offered, its own first.
    ///
    /// A commissioned device is offered its own slot alone. A hub with no model of its own stands in for any hub,
    /// and what is sent to it without naming a channel may be meant for whoever is behind it.
    fn sources(&self, slot: usize) -> impl Iterator<Item = usize> + use<> {
        let commissioned = self.slots[slot].record.device.is_some_and(|device| device.commissioned);
        let others = match (commissioned, self.board.model()) {
            (false, _) => 0..self.slots.len(),
            (true, None) => 0..1,
            (true, Some(_)) => 0..0,
        };
        std::iter::once(slot).chain(others.filter(move |other| *other != slot))
    }

    pub(super) fn served_under(&self, slot: usize, key: &ImageKey) -> Option<Served> {
        // Nearly always the device's own.
        let own = self.served(slot).filter(|served| served.key == *key);
        own.or_else(|| {
            self.sources(slot).filter_map(|source| self.served(source)).find(|served| served.key == *key)
        })
    }

    fn served(&self, source: usize) -> Option<Served> {
        let slot = &self.slots[source];
        let image = slot.record.image.as_ref().filter(|_| slot.is_offered())?;
        let key = slot.record.offer?.key;
        Some(Served { key, bank: image.bank, size: image.size })
    }
}
