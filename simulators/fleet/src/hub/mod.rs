//! A hub: a DLMS server towards the head-end, an OTA server towards the home, and a device that updates itself.
//!
//! Pure: frames and `now` come in, frames come out. Links and losses are left to the world, flash and boot to
//! [`crate::board`].
//!
//! ```text
//!   WAN                          slots                                 HAN
//!   0.0.44.0.0.255  ---------->  0: the hub itself
//!   0.1.44.0.0.255  ---------->  1: image, order, device  ---------->  device on channel 1
//!   0.2.44.0.0.255  --(same image: by reference)--> 2 ------------->  device on channel 2
//!                                   |
//!                                banks: one more than slots, one of which runs
//! ```
//!
//! Sketch: a block from the WAN costs one flash operation and one mark, a block on the HAN one parsed request and
//! one frame read from flash into the caller's buffer; neither allocates.

mod activation;
mod config;
mod diary;
mod dlms;
mod outgoing;
mod papers;
mod peer;
mod power;
mod repair;
mod rows;
mod run;
mod secured;
mod server;
mod slot;
mod transfer;

pub use config::{HanDevice, HubConfig, HubCounters, HubSecurity};

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use firmware_image::{Eui64, FileDigest, FileVersion, HubGate, RootVersion};
use transfer_engine::Moment;
use wire::{AccessResult, DeviceChallenge, ImageBlock, ImageTransferStatus, OtaCommand, WPort, ZclFrame};

use crate::board::{Board, BoardHistory, BoardPlan};
use crate::boot::ActivationOutcome;
use crate::device_trust::DeviceTrust;
use crate::flash::{FlashError, FlashFault};
use crate::sector_pool::SectorPool;
use crate::security_log::SecurityEntry;

pub(crate) use outgoing::MAX_BLOCK_LEN as MAX_HAN_BLOCK_LEN;
use outgoing::{Message, Outgoing};
use peer::Seats;
use secured::Secured;
pub(crate) use server::SHORTEST_SPACING;
use slot::{DeviceRecord, Slot, SlotRecord};

/// How many devices that nobody commissioned are served; enough for a bench, a bound for strangers.
const STRANGERS: usize = 4;

/// The smallest block, so that the bitmap of the largest image stays within its bound.
const MIN_BLOCK_SIZE: u32 = 16;

/// The largest block that fits one APDU.
const MAX_BLOCK_SIZE: u32 = 60_000;

/// How many frames wait for the radio; more are dropped, and asked for again by those who miss them.
const MAX_OUTBOX: usize = 256;

/// The bytes that hold a root, a status and the releases of a hub once: 23.2 kB at their longest.
const PAPER_LEN: usize = 24_576;

/// One simulated communications hub.
#[derive(Debug)]
pub struct Hub {
    config: HubConfig,
    /// `image_block_size` within its bounds.
    block_size: u32,
    board: Board,
    /// What a rooted hub lets in, and by which papers; `None` for keys given one by one.
    gate: Option<HubGate>,
    /// The hub's own first, then the commissioned devices', then those kept for strangers.
    slots: Vec<Slot>,
    counters: HubCounters,
    /// Who is associated in the clear.
    clients: Vec<WPort>,
    /// The ciphered side; where there is one, nothing is served in the clear.
    secured: Option<Box<Secured>>,
    seats: Seats,
    outbox: VecDeque<Outgoing>,
    transaction: u8,
    /// Where the value of a GET is put together.
    scratch: Vec<u8>,
    /// How far its clock is off, microseconds.
    clock_off_us: i64,
}

/// Why a file was not preloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// Nobody lives on this channel.
    #[error("no device on this channel")]
    UnknownChannel,
    /// The file is empty or too large, or the slot is busy activating.
    #[error("the slot does not take the file")]
    NotTaken,
    /// The file is not one that this hub passes on.
    #[error("the file does not verify")]
    NotVerified,
    /// The flash did not take it.
    #[error("the flash does not take the file")]
    Flash(#[source] FlashError),
}

impl Hub {
    /// Makes a hub that is up and runs its factory image.
    ///
    /// # Panics
    ///
    /// Panics when there are more devices than [`HubConfig::MAX_DEVICES`].
    pub fn new(config: HubConfig, trust: Arc<DeviceTrust>, _now: Moment) -> Hub {
        assert!(config.devices.len() <= HubConfig::MAX_DEVICES, "a hub has a bounded number of devices");
        let slot_count = u8::try_from(1 + config.devices.len() + STRANGERS).expect("bounded above");
        // Blocks are whole pieces of what is programmed at once.
        let unit = config.flash.program_unit() as u32;
        let block_size = config.block_size.clamp(MIN_BLOCK_SIZE.max(unit), MAX_BLOCK_SIZE);
        let block_size = block_size - block_size % unit;
        let plan = BoardPlan {
            eui: config.eui,
            model: config.model,
            running_version: config.running_version,
            factory_sequence: config.factory_sequence,
            nonce_secret: config.nonce_secret,
            // Counters of the ciphered side lie behind the slots' records.
            own_records: slot_count + u8::from(config.security.is_some()),
            paper_len: PAPER_LEN,
            banks: slot_count + 1,
            unit: block_size,
            boot_time: config.boot_time,
            boot_fault: config.boot_fault,
            flash: config.flash,
            flash_faults: config.flash_faults.clone(),
        };
        let board = Board::new(plan, trust);
        let gate = papers::gate_of(board.trust(), &board.papers());
        let mut hub = Hub {
            config,
            block_size,
            board,
            gate,
            slots: Vec::with_capacity(slot_count.into()),
            counters: HubCounters::default(),
            clients: Vec::new(),
            secured: None,
            seats: Seats::default(),
            outbox: VecDeque::new(),
            transaction: 0,
            scratch: Vec::new(),
            clock_off_us: 0,
        };
        hub.slots = (0..slot_count).map(|number| hub.open_slot(number)).collect();
        hub.open_secured();
        hub
    }

    /// Reads a slot's record, or makes the one the factory or the commissioning left.
    fn open_slot(&self, number: u8) -> Slot {
        let (log, bytes) = self.board.open_record(number);
        let commissioned =
            usize::from(number).checked_sub(1).and_then(|index| self.config.devices.get(index));
        let device = commissioned.map(DeviceRecord::commissioned);
        let record = bytes.as_deref().and_then(SlotRecord::from_bytes);
        let record = record.unwrap_or_else(|| SlotRecord::empty(device));
        let channel = record.device.as_ref().map_or(0, |device| device.channel);
        Slot::new(channel, log, record)
    }

    /// Takes one wrapped APDU from the WAN and appends the answer, if there is one, to `reply`.
    ///
    /// The same for UDP and TCP; a stream has to be cut into frames first. A frame that comes while the hub
    /// boots is lost.
    pub fn receive_wan(&mut self, now: Moment, pool: &mut SectorPool, frame: &[u8], reply: &mut Vec<u8>) {
        self.advance(now, pool);
        if self.board.is_up() {
            let served = self.serve_wan(now, pool, frame, reply);
            self.settle(now, pool, served);
        }
    }

    /// Takes an image block from the WAN, after what was due; returns whether that may have changed more than the
    /// block's own image.
    pub(crate) fn receive_block(&mut self, now: Moment, pool: &mut SectorPool, frame: &[u8]) -> bool {
        if !self.board.is_up() {
            return false;
        }
        let mut reply = Vec::new();
        let served = self.serve_wan(now, pool, frame, &mut reply);
        debug_assert!(reply.is_empty(), "an unconfirmed block has no answer");
        let failed = served.is_err();
        self.settle(now, pool, served);
        failed
    }

    /// Takes a ZCL frame that a device sent to this hub.
    pub fn receive_han(&mut self, now: Moment, pool: &mut SectorPool, from: u16, zcl: &[u8]) {
        self.advance(now, pool);
        self.hear_han(now, pool, from, zcl);
    }

    /// Takes such a frame at a moment before which nothing is due. Returns whether it is certain that what the hub has to
    /// do, and when, is as before: a served block changes nothing of it.
    pub(crate) fn hear_han(&mut self, now: Moment, pool: &mut SectorPool, from: u16, zcl: &[u8]) -> bool {
        if !self.board.is_up() {
            return true;
        }
        match ZclFrame::parse(zcl) {
            Ok(frame) if !frame.from_server => {
                let is_plain = matches!(frame.command, OtaCommand::ImageBlockRequest(_));
                let sender = self.slot_of_address(from).filter(|_| is_plain);
                let is_plain = sender.is_some_and(|slot| self.slots[slot].peer.roots.is_empty());
                let served = self.serve_han(now, pool, from, &frame);
                let is_settled = is_plain && served.is_ok();
                self.settle(now, pool, served);
                is_settled
            }
            _ => {
                self.counters.malformed_frames += 1;
                true
            }
        }
    }

    /// Returns whether a frame waits for the radio.
    pub(crate) fn has_frames(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Moment, pool: &mut SectorPool) {
        if self.board.advance(now, pool) {
            let came_up = self.come_up(now, pool);
            self.settle(now, pool, came_up);
        }
        if self.board.is_up() && self.due().is_some_and(|due| due <= now) {
            let done = self.do_due(now, pool);
            self.settle(now, pool, done);
        }
    }

    fn do_due(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        for slot in 0..self.slots.len() {
            if self.slots[slot].verified_at.is_some_and(|at| at <= now) {
                self.finish_verifying(now, pool, slot)?;
            }
            self.stream_page(now, slot);
            self.drive_notice(now, slot);
            self.drive_roots(now, slot);
            self.drive_activation(now, pool, slot)?;
        }
        Ok(())
    }

    /// Appends the next frame to the HAN and returns whom it is for: a short address, 0xFFFF for everybody.
    pub fn poll_han(&mut self, out: &mut Vec<u8>) -> Option<u16> {
        let outgoing = self.outbox.pop_front()?;
        let start = out.len();
        if let Some(status) = outgoing.message.status() {
            self.counters.said.status(status);
        }
        self.emit(outgoing, out);
        self.counters.han_frames += 1;
        self.counters.han_bytes += (out.len() - start) as u64;
        Some(outgoing.to)
    }

    /// Returns when [`Hub::advance`] has something to do.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if self.board.is_up() { self.due() } else { self.board.poll_timeout() }
    }

    fn due(&self) -> Option<Moment> {
        let mut due = None;
        // Vacant slots come last, and have nothing to do.
        let in_use = |(number, slot): &(usize, &Slot)| *number == 0 || slot.record.device.is_some();
        for (number, slot) in self.slots.iter().enumerate().take_while(in_use) {
            let page = slot.peer.page.map(|page| page.next_at);
            let notice = slot.peer.notice.map(|notice| notice.next_at);
            let roots = slot.peer.roots.next_at();
            let moments = [slot.verified_at, page, notice, roots, self.activation_due(number)];
            for moment in moments.into_iter().flatten() {
                due = Some(due.map_or(moment, |earliest: Moment| earliest.min(moment)));
            }
        }
        due
    }

    /// Returns whether the hub hears what is sent to it at this moment.
    pub fn is_up(&self, now: Moment) -> bool {
        self.board.is_up_at(now)
    }

    /// Returns whether no bank holds an image that boots.
    pub fn is_dead(&self) -> bool {
        self.board.is_dead()
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// Returns what happened so far.
    pub fn counters(&self) -> &HubCounters {
        &self.counters
    }

    /// Returns the version that runs, or ran when the hub was last up.
    pub fn running_version(&self) -> FileVersion {
        self.board.running_version()
    }

    /// Returns how the newest activation of the hub itself ended.
    pub fn last_outcome(&self) -> Option<ActivationOutcome> {
        self.board.boot().outcome()
    }

    /// Returns the hub's address for life.
    pub fn eui(&self) -> Eui64 {
        self.config.eui
    }

    /// Returns the version of the trust root that is held; 0 for keys given one by one.
    pub fn root_version(&self) -> RootVersion {
        self.board.trust().root_version()
    }

    /// Returns what the hub's own next activation order must carry, and the trust root that is held.
    pub fn challenge(&self) -> DeviceChallenge {
        self.board.challenge()
    }

    /// Returns what the hub's board has been through.
    pub fn history(&self) -> BoardHistory {
        self.board.history()
    }

    /// Returns the transfer status of a channel's slot.
    pub fn transfer_status(&self, channel: u8) -> Option<ImageTransferStatus> {
        Some(self.slots[self.slot_of(channel)?].record.status)
    }

    /// Returns the bytes of the complete image in a channel's slot, as they lie in flash.
    pub fn staged_image(&self, pool: &mut SectorPool, channel: u8) -> Option<Bytes> {
        let slot = &self.slots[self.slot_of(channel)?];
        let image = slot.record.image.as_ref().filter(|_| slot.is_complete())?;
        Some(self.board.bank(image.bank).image(&self.board.flash, pool, image.size).bytes)
    }

    /// Returns how many flash operations were begun; planned power cuts count the same.
    pub fn flash_operations(&self) -> u64 {
        self.board.flash.operations()
    }

    /// Returns the bytes of the image that is being tried, while it boots.
    pub fn image_on_trial(&self, pool: &mut SectorPool) -> Option<Bytes> {
        self.board.image_on_trial(pool)
    }

    /// Plans one more power cut.
    pub fn plan_cut(&mut self, cut: FlashFault) {
        self.board.flash.plan_cut(cut);
    }

    /// Returns a digest of every bit of flash, which is all that a power cut leaves.
    pub fn flash_digest(&self) -> [u8; 32] {
        self.board.flash.digest()
    }

    /// Returns the newest entries of the security log, at most a hundred, the oldest first.
    pub fn security_log(&self) -> Vec<SecurityEntry> {
        self.board.security_log()
    }

    /// Returns the security counter: the sequence number of the newest confirmed image.
    pub fn security_counter(&self) -> u64 {
        self.board.boot().counter().sequence.0
    }

    /// Returns the bytes of the running image, unless it is the factory's.
    pub fn running_image(&self, pool: &mut SectorPool) -> Option<Bytes> {
        self.board.running_image(pool)
    }

    /// Returns another hub in the same state, or `None` for one with keys: those are not doubled.
    pub fn fork(&self) -> Option<Hub> {
        if self.secured.is_some() {
            return None;
        }
        Some(Hub {
            config: self.config.clone(),
            block_size: self.block_size,
            board: self.board.clone(),
            gate: self.gate.clone(),
            slots: self.slots.clone(),
            counters: self.counters,
            clients: self.clients.clone(),
            secured: None,
            seats: self.seats.clone(),
            outbox: self.outbox.clone(),
            transaction: self.transaction,
            scratch: Vec::new(),
            clock_off_us: self.clock_off_us,
        })
    }

    /// Puts a file into a channel's slot as if the head-end had sent it, and verifies it at once.
    pub fn stage(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        channel: u8,
        file: &[u8],
    ) -> Result<(), StageError> {
        let slot = self.slot_of(channel).ok_or(StageError::UnknownChannel)?;
        if self.slots[slot].record.status == ImageTransferStatus::ActivationInitiated {
            return Err(StageError::NotTaken);
        }
        let staged = self.stage_in(now, pool, slot, file);
        if let Err(StageError::Flash(error)) = staged {
            self.settle(now, pool, Err(error));
        }
        staged
    }

    fn stage_in(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        slot: usize,
        file: &[u8],
    ) -> Result<(), StageError> {
        let size = u32::try_from(file.len()).map_err(|_| StageError::NotTaken)?;
        let digest = FileDigest::of(file);
        let begun = self.begin_image(now, pool, slot, digest.as_bytes(), size).map_err(StageError::Flash)?;
        if begun != AccessResult::Success {
            return Err(StageError::NotTaken);
        }
        for (number, bytes) in (0..).zip(file.chunks(self.block_size as usize)) {
            let block = ImageBlock { number, bytes };
            self.store_block(pool, slot, &block).map_err(StageError::Flash)?;
        }
        self.verify(now, pool, slot).map_err(StageError::Flash)?;
        self.finish_verifying(now, pool, slot).map_err(StageError::Flash)?;
        match self.slots[slot].record.status {
            ImageTransferStatus::VerificationSuccessful => Ok(()),
            _ => Err(StageError::NotVerified),
        }
    }

    /// Finds a channel's slot; vacant slots have no channel.
    fn slot_of(&self, channel: u8) -> Option<usize> {
        if channel == 0 {
            return Some(0);
        }
        self.slots.iter().position(|slot| slot.channel == channel)
    }

    /// Returns a device's address on the HAN. Only slots with a device are asked.
    fn address_of(&self, slot: usize) -> u16 {
        self.slots[slot].record.device.as_ref().map_or(outgoing::BROADCAST, |device| device.short_address)
    }

    fn store_slot(&mut self, pool: &mut SectorPool, slot: usize) -> Result<(), FlashError> {
        let slot = &mut self.slots[slot];
        slot.log.store(&mut self.board.flash, pool, &slot.record.to_bytes())
    }

    fn send(&mut self, to: u16, message: Message) {
        self.transaction = self.transaction.wrapping_add(1);
        self.send_as(to, self.transaction, message);
    }

    fn send_as(&mut self, to: u16, transaction: u8, message: Message) {
        if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back(Outgoing { to, transaction, message });
        }
    }
}
