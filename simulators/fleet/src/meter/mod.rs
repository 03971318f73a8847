//! A meter: a ZCL OTA client that pulls an image, keeps its own running until the new one has confirmed itself,
//! and activates only what a valid order names.
//!
//! Pure: frames and `now` come in, frames come out. Radio and losses are left to the world, flash and boot to
//! [`crate::board`].
//!
//! ```text
//! bank 0  running image          bank 1  spare: the download goes here
//!    ^---------- after activation they change places ----------^
//! ```
//!
//! Sketch: a block costs one parsed frame, one flash operation of its length, every 1 KiB one mark, and one
//! encoded request; nothing is allocated for it but the sector it fills.

mod assembly;
mod attributes;
mod battery;
mod config;
mod download;
mod notice;
mod outgoing;
mod papers;
mod power;
mod run;
mod spare;
mod stage;
mod upgrade;

pub use battery::Battery;
pub use config::{MeterConfig, MeterCounters, MeterKind};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use firmware_image::{Eui64, FileVersion};
use transfer_engine::Moment;
use wire::{ImageKey, OtaCommand, ZclFrame, ZclStatus};

use crate::board::{Board, BoardHistory, BoardPlan};
use crate::boot::ActivationOutcome;
use crate::device_trust::{DeviceTrust, Permit};
use crate::flash::{FlashError, FlashFault, FlashPlace};
use crate::record::RecordLog;
use crate::said::Act;
use crate::sector_pool::SectorPool;
use crate::security_log::SecurityEntry;

use assembly::{DocumentAssembly, MAX_ORDER_LEN};
use download::Download;
use outgoing::{Message, Outgoing};
use spare::SpareImage;
use stage::Stage;

/// How often a request is repeated before the meter gives up (fact: the habit of a common stack).
const MAX_REPEATS: u8 = 10;

/// How often an Upgrade End Request is repeated (ZCL OTA: three tries).
const MAX_END_REPEATS: u8 = 2;

/// When a meter asks again after its hub fell silent; sooner than its daily query, for hubs reboot (ours).
const RETRY_AFTER_SILENCE: Duration = Duration::from_secs(3600);

/// How many frames wait for the radio; more are dropped, as a small device does.
const MAX_OUTBOX: usize = 16;

/// One simulated meter.
#[derive(Clone, Debug)]
pub struct Meter {
    config: MeterConfig,
    board: Board,
    record: RecordLog,
    spare: Option<SpareImage>,
    counters: MeterCounters,
    stage: Stage,
    download: Option<Download>,
    order: DocumentAssembly,
    root: DocumentAssembly,
    /// The leave to activate, while the count down runs.
    permit: Option<Permit>,
    /// What the Upgrade End Request that is out says.
    report: Option<(ZclStatus, ImageKey)>,
    /// When the stage acts, or stops waiting for an answer.
    timer: Option<Moment>,
    awaiting: bool,
    repeats: u8,
    next_query: Moment,
    next_wake: Moment,
    listen_until: Moment,
    requests_left: u32,
    /// When the firmware falls silent, and from when on it silences others, if nobody was told yet.
    silent_from: Moment,
    silences_from: Option<Moment>,
    is_silent: bool,
    minimum_block_period: Duration,
    transaction: u8,
    outbox: VecDeque<Outgoing>,
}

impl Meter {
    /// Makes a meter that is up and runs its factory image.
    pub fn new(config: MeterConfig, trust: Arc<DeviceTrust>, now: Moment) -> Meter {
        let plan = BoardPlan {
            eui: config.eui,
            model: Some(config.model),
            running_version: config.running_version,
            factory_sequence: config.factory_sequence,
            nonce_secret: config.nonce_secret,
            own_records: 1,
            paper_len: papers::PAPER_LEN,
            banks: 2,
            unit: config.flash.mark_unit(),
            boot_time: config.boot_time,
            boot_fault: config.boot_fault,
            flash: config.flash,
            flash_faults: config.flash_faults.clone(),
        };
        let board = Board::new(plan, trust);
        let (record, _) = board.open_record(0);
        let next_wake = match config.kind {
            MeterKind::Gas { wake_interval, .. } => now + config.first_query.min(wake_interval),
            MeterKind::Electricity | MeterKind::Display => Moment::MAX,
        };
        Meter {
            board,
            record,
            spare: None,
            counters: MeterCounters::default(),
            stage: Stage::Normal,
            download: None,
            order: DocumentAssembly::new(MAX_ORDER_LEN),
            root: DocumentAssembly::new(papers::ROOT_LIMIT),
            permit: None,
            report: None,
            timer: None,
            awaiting: false,
            repeats: 0,
            next_query: now + config.first_query,
            next_wake,
            listen_until: now,
            requests_left: 0,
            silent_from: Moment::MAX,
            is_silent: false,
            silences_from: None,
            minimum_block_period: Duration::ZERO,
            transaction: 0,
            outbox: VecDeque::new(),
            config,
        }
    }

    /// Takes a frame that was sent to this meter alone. One that comes while it sleeps or boots is lost.
    pub fn receive_han(&mut self, now: Moment, pool: &mut SectorPool, zcl: &[u8]) {
        self.receive(now, pool, zcl, false);
    }

    /// Takes a frame that was sent to every device on the HAN.
    pub fn receive_han_broadcast(&mut self, now: Moment, pool: &mut SectorPool, zcl: &[u8]) {
        self.receive(now, pool, zcl, true);
    }

    fn receive(&mut self, now: Moment, pool: &mut SectorPool, zcl: &[u8], broadcast: bool) {
        self.advance(now, pool);
        self.hear(now, pool, zcl, broadcast);
    }

    /// Takes a frame at a moment before which nothing is due.
    pub(crate) fn hear(&mut self, now: Moment, pool: &mut SectorPool, zcl: &[u8], broadcast: bool) {
        if !self.is_awake(now) {
            return;
        }
        match ZclFrame::parse(zcl) {
            Ok(frame) if frame.from_server => {
                let handled = self.handle(now, pool, &frame, broadcast);
                self.settle(now, pool, handled);
            }
            _ => self.counters.malformed_frames += 1,
        }
    }

    fn handle(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        frame: &ZclFrame<'_>,
        broadcast: bool,
    ) -> Result<(), FlashError> {
        match &frame.command {
            OtaCommand::ImageBlockResponse(response) => self.take_block_response(now, pool, response),
            OtaCommand::QueryNextImageResponse(response) => self.take_query_response(now, pool, response),
            OtaCommand::UpgradeEndResponse(response) => self.take_end_response(now, pool, frame, response),
            OtaCommand::ImageNotify(notify) => {
                if matches!(self.stage, Stage::Normal | Stage::Waiting)
                    && self.is_concerned(notify.query_jitter, &notify.scope, broadcast)
                {
                    self.start_query(now);
                }
                Ok(())
            }
            OtaCommand::DocumentFragment(piece) => self.take_piece(now, pool, piece),
            OtaCommand::ChallengeRequest => {
                self.tell_challenge();
                Ok(())
            }
            OtaCommand::DefaultResponse { command, status } => {
                self.take_default_response(now, *command, *status);
                Ok(())
            }
            OtaCommand::ReadAttributes(list) => {
                self.send_as(frame.transaction, Message::Attributes(*list));
                Ok(())
            }
            other => {
                let (command, status) = (other.id(), other.unsupported_status());
                self.send_as(frame.transaction, Message::Default { command, status });
                Ok(())
            }
        }
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Moment, pool: &mut SectorPool) {
        if self.board.advance(now, pool) {
            let came_up = self.come_up(now, pool);
            self.settle(now, pool, came_up);
        }
        if self.silent_from <= now {
            self.fall_silent();
        }
        if !self.board.is_up() || self.is_silent {
            return;
        }
        self.wake_if_due(now, pool);
        let works_asleep = matches!(self.stage, Stage::Verifying | Stage::CountDown);
        if (works_asleep || self.is_awake(now)) && self.timer.is_some_and(|timer| timer <= now) {
            let fired = self.fire(now, pool);
            self.settle(now, pool, fired);
        }
        if self.board.is_up() && self.query_is_due(now) && self.is_awake(now) {
            self.start_query(now);
        }
    }

    /// Returns whether a frame waits for the radio.
    pub(crate) fn has_frames(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Appends the next frame to the hub, and says whether there was one.
    pub fn poll_han(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(outgoing) = self.outbox.pop_front() else {
            return false;
        };
        self.note_statuses(&outgoing.message);
        outgoing.emit(|list| self.read_attributes(list), out);
        true
    }

    /// Notes which ZCL statuses are sent.
    fn note_statuses(&mut self, message: &Message) {
        match message {
            Message::End { status, .. } | Message::Default { status, .. } => {
                self.counters.said.status(*status);
            }
            Message::Attributes(list) => {
                for record in self.read_attributes(list) {
                    self.counters.said.status(record.result.err().unwrap_or(ZclStatus::Success));
                }
            }
            Message::Page(_) => self.counters.said.act(Act::Page),
            Message::Query(_) | Message::Block(_) | Message::Challenge(_) => {}
        }
    }

    /// Returns when [`Meter::advance`] has something to do.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if !self.board.is_up() {
            return self.board.poll_timeout();
        }
        if self.is_silent {
            return None;
        }
        let timer = self.timer.unwrap_or(Moment::MAX);
        let query = if self.may_query() { self.next_query } else { Moment::MAX };
        let due = timer.min(query).min(self.silent_from);
        let due = match self.config.kind {
            MeterKind::Electricity | MeterKind::Display => due,
            MeterKind::Gas { .. } if self.is_busy() => due.min(self.next_wake),
            // Awake but idle, or asleep: whatever is due is done at the next wake.
            MeterKind::Gas { .. } if matches!(self.stage, Stage::Verifying | Stage::CountDown) => {
                timer.min(self.next_wake)
            }
            MeterKind::Gas { .. } => self.next_wake,
        };
        (due < Moment::MAX).then_some(due)
    }

    /// Returns whether the meter hears what is sent to it now.
    pub fn is_awake(&self, now: Moment) -> bool {
        let listens = match self.config.kind {
            MeterKind::Electricity | MeterKind::Display => true,
            MeterKind::Gas { .. } => now < self.listen_until || self.is_busy(),
        };
        listens && self.board.is_up() && !self.is_silent
    }

    /// Returns whether the meter is powered, booted and running an image.
    pub fn is_up(&self) -> bool {
        self.board.is_up()
    }

    /// Returns whether no bank holds an image that boots.
    pub fn is_dead(&self) -> bool {
        self.board.is_dead()
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// Returns what the meter's board has been through.
    pub fn history(&self) -> BoardHistory {
        self.board.history()
    }

    /// Returns what happened so far.
    pub fn counters(&self) -> &MeterCounters {
        &self.counters
    }

    /// Returns the version that runs, or ran when the meter was last up.
    pub fn running_version(&self) -> FileVersion {
        self.board.running_version()
    }

    /// Returns how the newest activation ended.
    pub fn last_outcome(&self) -> Option<ActivationOutcome> {
        self.board.boot().outcome()
    }

    /// Returns the security counter: the sequence number of the newest confirmed image.
    pub fn security_counter(&self) -> u64 {
        self.board.boot().counter().sequence.0
    }

    /// Returns the meter's address for life.
    pub fn eui(&self) -> Eui64 {
        self.config.eui
    }

    /// Returns the meter's address on the HAN.
    pub fn short_address(&self) -> u16 {
        self.config.short_address
    }

    /// Returns the bytes of the verified image in the spare bank, as they lie in flash.
    pub fn staged_image(&self, pool: &mut SectorPool) -> Option<Bytes> {
        let spare = self.spare.filter(|spare| spare.verified)?;
        Some(self.board.bank(spare.bank).image(&self.board.flash, pool, spare.size).bytes)
    }

    /// Returns the bytes of the running image, unless it is the factory's.
    pub fn running_image(&self, pool: &mut SectorPool) -> Option<Bytes> {
        self.board.running_image(pool)
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

    /// Flips one bit of flash, as an ageing cell would.
    pub fn decay(&mut self, place: FlashPlace, offset: u32, bit: u8) {
        self.board.decay(place, offset, bit);
    }

    /// Flips one bit of the image that does not run, as an ageing cell would.
    pub fn decay_spare(&mut self, offset: u32, bit: u8) {
        let running = self.board.boot().running().bank;
        let held = self.spare.map(|spare| spare.bank);
        if let Some(bank) = held.or_else(|| self.board.bank_ids().find(|bank| *bank != running)) {
            self.decay(FlashPlace::Bank(bank.0), offset, bit);
        }
    }

    /// Flips one bit of the running image, as an ageing cell would.
    pub fn decay_running(&mut self, offset: u32, bit: u8) {
        self.board.decay_running(offset, bit);
    }

    fn become_stage(&mut self, next: Stage) {
        debug_assert!(
            self.stage == next || self.stage.may_become(next),
            "{:?} to {next:?} is not in the life cycle",
            self.stage
        );
        self.counters.edges.take(self.stage as u8, next as u8);
        self.stage = next;
        self.awaiting = false;
        self.repeats = 0;
        self.timer = None;
    }

    /// Returns to rest: waiting for an order when there is a verified image, else idle.
    fn rest(&mut self) {
        let waits = self.spare.is_some_and(|spare| spare.verified);
        self.become_stage(if waits { Stage::Waiting } else { Stage::Normal });
    }

    fn send(&mut self, message: Message) {
        self.transaction = self.transaction.wrapping_add(1);
        self.send_as(self.transaction, message);
    }

    fn send_as(&mut self, transaction: u8, message: Message) {
        if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back(Outgoing { transaction, message });
        }
    }

    /// Sends a request and waits for its answer.
    fn ask(&mut self, now: Moment, message: Message) {
        self.send(message);
        self.awaiting = true;
        self.timer = Some(now + self.config.retry_timeout);
    }

    fn fire(&mut self, now: Moment, pool: &mut SectorPool) -> Result<(), FlashError> {
        if self.awaiting {
            let limit = if matches!(self.stage, Stage::Reporting | Stage::Waiting) {
                MAX_END_REPEATS
            } else {
                MAX_REPEATS
            };
            if self.repeats >= limit {
                self.give_up(now);
                return Ok(());
            }
            self.repeats += 1;
            self.counters.repeats += 1;
        }
        match self.stage {
            Stage::Normal => self.timer = None,
            Stage::Querying => self.ask_query(now),
            Stage::Downloading => self.ask_block(now),
            Stage::Verifying => return self.finish_verifying(now, pool),
            Stage::Reporting | Stage::Waiting => self.ask_end(now),
            Stage::CountDown => return self.activate(now, pool, None),
        }
        Ok(())
    }

    /// Stops waiting for a hub that does not answer.
    fn give_up(&mut self, now: Moment) {
        match self.stage {
            Stage::Querying => self.rest(),
            Stage::Downloading => self.abandon_download(now),
            Stage::Reporting => {
                self.rest();
                self.wait_before_asking(now);
            }
            _ => {
                self.awaiting = false;
                self.repeats = 0;
                self.wait_before_asking(now);
            }
        }
        self.next_query = self.next_query.min(now + RETRY_AFTER_SILENCE);
    }

    fn may_query(&self) -> bool {
        matches!(self.stage, Stage::Normal | Stage::Waiting) && !self.awaiting
    }

    fn query_is_due(&self, now: Moment) -> bool {
        self.may_query() && self.next_query <= now
    }
}
