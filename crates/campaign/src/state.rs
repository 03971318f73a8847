//! The state of a campaign: a fold over its records, and nothing else.
//!
//! Crash recovery, audit and report read the same records through the same `apply`; there is no second
//! copy of what happened.

use std::collections::BTreeMap;
use std::time::Duration;

use firmware_image::{CounterEpoch, Eui64, FileDigest, Nonce};
use thiserror::Error;
use transfer_engine::Moment;

use crate::order::CampaignId;
use crate::phase::Phase;
use crate::record::{ApprovedRecord, Judgement, OrderRecord, OutcomeRecord, PlanRecord, Record};
use crate::risk::RiskGroup;
use crate::stage::{Outcome, OutcomeClass, Stage};

/// One device of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: Eui64,
    /// What kind of device.
    pub kind: String,
    /// Its installation.
    pub installation: String,
    /// Its hub.
    pub hub: Option<Eui64>,
    /// Its channel on the hub.
    pub channel: u8,
    /// The gate's words when it was planned.
    pub verdict: Judgement,
    /// The gate's last words, where they are others than those before.
    pub last_word: Option<Box<Judgement>>,
    /// The supplier that it had when it was instructed.
    pub supplier: Option<Box<str>>,
    /// The file it is to get, or the next of them on its way.
    pub image: Option<FileDigest>,
    /// Its wave.
    pub wave: Option<u16>,
    /// Who goes first.
    pub priority: u8,
    /// The groups in which it counts as at risk, as they were recorded when it was instructed.
    pub groups: Option<Vec<RiskGroup>>,
    /// How far it has come.
    pub stage: Stage,
    /// How often it was tried in vain to bring its image to its hub; with the next image of its way it begins again.
    pub failed_attempts: u8,
    /// When that is tried again, after a try that failed.
    pub retry_at: Option<Moment>,
    /// How it ended.
    pub outcome: Option<(Outcome, String)>,
    /// Why nothing more should be tried with it: a word of `exclusions.csv`.
    pub exclusion: Option<String>,
    /// What it said it runs, when it was asked.
    pub running: Option<String>,
    /// The version of the last step that it has behind it.
    pub stepped: Option<Box<str>>,
    /// The counter of its activation order.
    pub order_counter: Option<u64>,
    /// The count in which that is.
    pub order_epoch: CounterEpoch,
    /// What its activation order carries.
    pub order_nonce: Nonce,
    /// The devices of its home that were well when it was ordered to activate, as far as its soak looks after them.
    pub companions: Box<[Eui64]>,
    /// When each stage was reached, by stage, for the last time; `None` where it was not.
    pub reached: [Option<Moment>; Stage::ALL.len()],
    /// Bytes sent over the WAN for it.
    pub wan_bytes: u64,
    /// Blocks sent more than once.
    pub blocks_repaired: u32,
}

impl DeviceRow {
    fn new(at: Moment, plan: &PlanRecord) -> DeviceRow {
        let mut reached = [None; Stage::ALL.len()];
        reached[Stage::Planned as usize] = Some(at);
        DeviceRow {
            device: plan.device,
            kind: plan.kind.clone(),
            installation: plan.installation.clone(),
            hub: plan.hub,
            channel: plan.channel,
            verdict: plan.verdict.clone(),
            last_word: None,
            supplier: None,
            image: plan.image,
            wave: plan.wave,
            priority: plan.priority,
            groups: None,
            stage: Stage::Planned,
            failed_attempts: 0,
            retry_at: None,
            outcome: None,
            exclusion: None,
            running: None,
            stepped: None,
            order_counter: None,
            order_epoch: CounterEpoch(0),
            order_nonce: Nonce::from_bytes([0; 8]),
            companions: Box::default(),
            reached,
            wan_bytes: 0,
            blocks_repaired: 0,
        }
    }

    /// Returns the gate's last words that were recorded.
    pub fn last_word(&self) -> &Judgement {
        self.last_word.as_deref().unwrap_or(&self.verdict)
    }

    fn hear_gate(&mut self, verdict: Option<&Judgement>) {
        if let Some(verdict) = verdict {
            self.last_word = Some(verdict.clone().into());
        }
    }

    /// Returns when the device reached a stage.
    pub fn reached(&self, stage: Stage) -> Option<Moment> {
        self.reached[stage as usize]
    }

    fn go(&mut self, at: Moment, stage: Stage) -> Result<(), FoldError> {
        if !self.stage.may_become(stage) {
            return Err(FoldError::Transition {
                device: self.device,
                from: self.stage.as_str(),
                to: stage.as_str(),
            });
        }
        self.stage = stage;
        self.retry_at = None;
        self.reached[stage as usize] = Some(at);
        Ok(())
    }
}

/// A campaign: what was ordered, and what became of each device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignState {
    /// Its name.
    pub id: CampaignId,
    /// What was ordered.
    pub order: OrderRecord,
    /// When it was ordered.
    pub ordered_at: Moment,
    /// The latest record.
    pub updated_at: Moment,
    /// Where it stands.
    pub phase: Phase,
    /// Why it was halted, or who aborted it and why.
    pub halted_because: Option<String>,
    /// Who paused it and why, while it is paused.
    pub paused_because: Option<String>,
    /// The newest approval that was taken over; whether it still holds is the conductor's to say.
    pub approved: Option<ApprovedRecord>,
    /// Waves opened so far.
    pub waves_opened: u16,
    /// When each wave opened.
    pub waves_opened_at: Vec<Moment>,
    /// Tries to bring an image to a hub that were followed by another.
    pub retries: u64,
    rows: BTreeMap<Eui64, DeviceRow>,
    /// Counts of the rows, kept as they change: a campaign of a million devices is asked after each end.
    waves: BTreeMap<Option<u16>, WaveTally>,
}

/// The devices of one wave, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaveTally {
    /// Devices in it.
    pub size: usize,
    /// Those that have an outcome.
    pub ended: usize,
    /// Those that run the target.
    pub done: usize,
    /// Those that were tried and do not.
    pub failed: usize,
    /// Those whose end speaks against the image.
    pub blamed: usize,
    /// Those whose hub was not reached.
    pub unreached: usize,
}

impl WaveTally {
    fn count(&mut self, outcome: Outcome) {
        self.ended += 1;
        self.done += usize::from(outcome.class() == OutcomeClass::Done);
        self.failed += usize::from(outcome.class() == OutcomeClass::Failed);
        self.blamed += usize::from(outcome.blames_image());
        self.unreached += usize::from(outcome == Outcome::NoWan);
    }

    fn add(self, other: WaveTally) -> WaveTally {
        WaveTally {
            size: self.size + other.size,
            ended: self.ended + other.ended,
            done: self.done + other.done,
            failed: self.failed + other.failed,
            blamed: self.blamed + other.blamed,
            unreached: self.unreached + other.unreached,
        }
    }
}

impl CampaignState {
    /// Begins the fold with the order.
    pub fn new(id: CampaignId, at: Moment, order: OrderRecord) -> CampaignState {
        CampaignState {
            id,
            order,
            ordered_at: at,
            updated_at: at,
            phase: Phase::Running,
            halted_because: None,
            paused_because: None,
            approved: None,
            waves_opened: 0,
            waves_opened_at: Vec::new(),
            retries: 0,
            rows: BTreeMap::new(),
            waves: BTreeMap::new(),
        }
    }

    /// Takes the next record.
    pub fn apply(&mut self, at: Moment, record: &Record) -> Result<(), FoldError> {
        self.updated_at = at;
        match record {
            Record::Order(_) => return Err(FoldError::SecondOrder(self.id.clone())),
            Record::Verdict(plan) => {
                if self.rows.contains_key(&plan.device) {
                    return Err(FoldError::SecondVerdict(plan.device));
                }
                self.rows.insert(plan.device, DeviceRow::new(at, plan));
                self.waves.entry(plan.wave).or_default().size += 1;
            }
            Record::WaveOpened(wave) => {
                self.waves_opened = wave.wave + 1;
                self.waves_opened_at.push(at);
            }
            Record::BroughtForward(body) => {
                let row = self.row_mut(body.device)?;
                // The counts of its wave would keep what has become of it.
                if row.stage != Stage::Planned {
                    let (device, from, to) = (row.device, row.stage.as_str(), Stage::Planned.as_str());
                    return Err(FoldError::Transition { device, from, to });
                }
                let before = row.wave.replace(body.wave);
                self.waves.entry(before).and_modify(|wave| wave.size = wave.size.saturating_sub(1));
                self.waves.entry(Some(body.wave)).or_default().size += 1;
            }
            Record::Instructed(body) => {
                let row = self.row_mut(body.device)?;
                row.go(at, Stage::Instructed)?;
                row.hear_gate(body.verdict.as_ref());
                row.supplier = body.supplier.as_deref().map(Box::from);
                row.image = Some(body.image);
                row.groups.clone_from(&body.groups);
            }
            Record::StagingFailed(body) => {
                let row = self.row_mut(body.device)?;
                row.failed_attempts = body.attempt;
                row.retry_at = body.retry_after_ms.map(|wait_ms| at + Duration::from_millis(wait_ms));
                self.retries += u64::from(body.retry_after_ms.is_some());
            }
            Record::Staged(body) => {
                let row = self.row_mut(body.device)?;
                row.go(at, Stage::Staged)?;
                row.wan_bytes += body.bytes_sent;
                row.blocks_repaired += body.blocks_repaired;
            }
            Record::Delivered(body) => self.row_mut(body.device)?.go(at, Stage::Delivered)?,
            Record::Ordered(body) => {
                let row = self.row_mut(body.device)?;
                row.go(at, Stage::Ordered)?;
                row.hear_gate(body.verdict.as_ref());
                row.order_counter = Some(body.counter);
                row.order_epoch = CounterEpoch(body.epoch);
                row.order_nonce = body.nonce;
                row.companions = body.companions.as_slice().into();
            }
            Record::Soaking(body) => {
                let row = self.row_mut(body.device)?;
                row.go(at, Stage::Soaking)?;
                row.running = Some(body.running.clone());
            }
            Record::Stepped(body) => {
                let row = self.row_mut(body.device)?;
                row.go(at, Stage::Planned)?;
                row.failed_attempts = 0;
                row.running = Some(body.running.clone());
                row.stepped = Some(body.running.as_str().into());
                row.image = Some(body.image);
            }
            Record::Outcome(body) => {
                let row = self.row_mut(body.device)?;
                row.end(at, body)?;
                row.hear_gate(body.verdict.as_ref());
                let wave = row.wave;
                self.waves.entry(wave).or_default().count(body.outcome);
            }
            Record::Halted(body) => {
                self.enter(Phase::Halted)?;
                self.halted_because = Some(body.reason.clone());
            }
            Record::Paused(body) => {
                self.enter(Phase::Paused)?;
                self.paused_because = Some(body.to_string());
            }
            Record::Approved(body) => self.approved = Some(body.clone()),
            Record::Resumed(_) => self.enter(Phase::Running)?,
            Record::Aborted(body) => {
                self.enter(Phase::Aborted)?;
                self.halted_because = Some(format!("aborted by {body}"));
            }
            Record::Finished(_) => self.enter(Phase::Finished)?,
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase) -> Result<(), FoldError> {
        if !self.phase.may_become(phase) {
            let (from, to) = (self.phase.as_str(), phase.as_str());
            return Err(FoldError::Phase { campaign: self.id.clone(), from, to });
        }
        self.phase = phase;
        self.paused_because = None;
        Ok(())
    }

    fn row_mut(&mut self, device: Eui64) -> Result<&mut DeviceRow, FoldError> {
        self.rows.get_mut(&device).ok_or(FoldError::UnknownDevice(device))
    }

    /// Returns one device.
    pub fn row(&self, device: Eui64) -> Option<&DeviceRow> {
        self.rows.get(&device)
    }

    /// Returns all devices, by EUI-64.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &DeviceRow> {
        self.rows.values()
    }

    /// Returns the counts of one wave; `None` are the devices that were refused when the campaign was planned.
    pub fn wave(&self, wave: Option<u16>) -> WaveTally {
        self.waves.get(&wave).copied().unwrap_or_default()
    }

    /// Returns the last wave, if any device has one.
    pub fn last_wave(&self) -> Option<u16> {
        self.waves.last_key_value().and_then(|(wave, _)| *wave)
    }

    /// Returns the counts of all devices.
    pub fn progress(&self) -> WaveTally {
        self.waves.values().copied().fold(WaveTally::default(), WaveTally::add)
    }

    /// Returns the sums, counted from the rows.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { ordered: self.rows.len(), ..Tally::default() };
        for row in self.rows.values() {
            *tally.by_stage.entry(row.stage).or_default() += 1;
            let Some((outcome, reason)) = &row.outcome else {
                tally.pending += 1;
                continue;
            };
            *tally.by_outcome.entry(*outcome).or_default() += 1;
            match outcome.class() {
                OutcomeClass::Done => tally.done += 1,
                OutcomeClass::Failed => tally.failed += 1,
                OutcomeClass::Excluded => tally.excluded += 1,
            }
            if *outcome == Outcome::Refused {
                *tally.by_refusal.entry(reason.clone()).or_default() += 1;
            }
        }
        tally
    }

    /// Returns the share of attempts that succeeded: done / (done + failed), in thousandths; 1000 when
    /// nothing was attempted.
    pub fn success_permille(&self) -> u16 {
        let tally = self.tally();
        match tally.done + tally.failed {
            0 => 1_000,
            attempted => (tally.done * 1_000 / attempted) as u16,
        }
    }
}

impl DeviceRow {
    fn end(&mut self, at: Moment, body: &OutcomeRecord) -> Result<(), FoldError> {
        self.go(at, Stage::Ended)?;
        self.outcome = Some((body.outcome, body.reason.clone()));
        if body.running.is_some() {
            self.running.clone_from(&body.running);
        }
        self.exclusion.clone_from(&body.exclusion);
        Ok(())
    }
}

/// The sums of a campaign. `ordered = done + failed + excluded + pending`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Devices in the order.
    pub ordered: usize,
    /// Run the target.
    pub done: usize,
    /// Were tried and do not.
    pub failed: usize,
    /// Were not to be tried (any more).
    pub excluded: usize,
    /// Have no outcome yet.
    pub pending: usize,
    /// By stage.
    pub by_stage: BTreeMap<Stage, usize>,
    /// By outcome.
    pub by_outcome: BTreeMap<Outcome, usize>,
    /// Refusals by gate code.
    pub by_refusal: BTreeMap<String, usize>,
}

/// Why a record does not fit those before it: the ledger was not written by this program, or by a bug.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FoldError {
    /// A campaign has one order.
    #[error("campaign {0} has a second order")]
    SecondOrder(CampaignId),
    /// A device has one verdict per campaign.
    #[error("device {0} has a second verdict")]
    SecondVerdict(Eui64),
    /// The order does not name it.
    #[error("device {0} is not in the order")]
    UnknownDevice(Eui64),
    /// The campaign was never ordered.
    #[error("campaign {0} has no order")]
    UnknownCampaign(CampaignId),
    /// The life cycle of campaigns does not allow it.
    #[error("campaign {campaign} cannot go from {from} to {to}")]
    Phase {
        /// The campaign.
        campaign: CampaignId,
        /// Where it stood.
        from: &'static str,
        /// Where the record puts it.
        to: &'static str,
    },
    /// The life cycle does not allow it.
    #[error("device {device} cannot go from {from} to {to}")]
    Transition {
        /// The device.
        device: Eui64,
        /// Where it stood.
        from: &'static str,
        /// Where the record puts it.
        to: &'static str,
    },
}

#[cfg(test)]
mod tests;
