//! Waves: opening the next, halting, finishing.

use firmware_image::{Eui64, FileVersion};
use transfer_engine::Moment;

use super::shares::Landing;
use super::turns::Turn;
use super::{Act, Conductor};
use crate::order::CampaignId;
use crate::record::{
    FinishedRecord, HaltedRecord, InstructedRecord, Judgement, OutcomeRecord, Record, WaveRecord,
};
use crate::stage::{Outcome, Stage};
use crate::state::CampaignState;

/// What is to be done about the waves of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Move {
    Wait,
    Open(u16),
    Halt { wave: u16, reason: String },
    Finish,
}

/// Decides about the waves. Only failures that blame the image count against it: a home without WAN says
/// nothing about the firmware.
fn next_move(state: &CampaignState) -> Move {
    let policy = &state.order.policy;
    let wave = state.waves_opened.saturating_sub(1);
    let tally = state.wave(Some(wave));
    for opened in 0..state.waves_opened {
        let tally = state.wave(Some(opened));
        if policy.failure_threshold.is_exceeded_by(tally.blamed, tally.size) {
            let reason =
                format!("{} of {} devices of wave {opened} failed on the image", tally.blamed, tally.size);
            return Move::Halt { wave: opened, reason };
        }
    }
    if state.last_wave().is_none_or(|last| last <= wave) {
        let all = state.progress();
        return if all.ended < all.size { Move::Wait } else { Move::Finish };
    }
    if tally.ended < policy.open_next_at.of(tally.size) {
        return Move::Wait;
    }
    // A home that is out of reach says nothing of the firmware.
    let tried = tally.done + tally.failed - tally.unreached;
    let expected = usize::from(policy.success_threshold.0);
    // As long as nobody has come to the target, nothing speaks for the firmware, whatever was in the way.
    let is_shown = expected == 0 || (0..state.waves_opened).any(|opened| state.wave(Some(opened)).done > 0);
    if is_shown && tally.done * 1_000 >= tried * expected {
        return Move::Open(wave + 1);
    }
    if tally.ended < tally.size {
        return Move::Wait;
    }
    let reason = match tally.done {
        0 if tried == 0 => format!("nobody has come to the target by the end of wave {wave}"),
        done => format!("only {done} of {tried} attempts of wave {wave} succeeded"),
    };
    Move::Halt { wave, reason }
}

impl Conductor {
    /// Looks at the waves of campaigns in which a device ended.
    pub(super) fn settle(&mut self, now: Moment) {
        loop {
            self.take_turns(now);
            let Some(campaign) = self.unsettled.pop_first() else { return };
            let Some(state) = self.campaigns.get(&campaign) else { continue };
            let _span = tracing::info_span!("campaign", id = %campaign).entered();
            if !state.phase.is_open() {
                continue;
            }
            let stopped = self.stopped_by_withdrawal(state);
            let stop =
                stopped.map(|reason| Move::Halt { wave: state.waves_opened.saturating_sub(1), reason });
            match stop.unwrap_or_else(|| next_move(state)) {
                Move::Wait => {}
                // It is looked at again when the campaign goes on.
                Move::Open(_) if !self.may_send(now, &campaign) => {}
                Move::Open(wave) => {
                    tracing::info!(%campaign, wave, "wave opened");
                    self.record(now, &campaign, &Record::WaveOpened(WaveRecord { wave }), None);
                    self.instruct_wave(now, &campaign, wave);
                    self.keep_floors(now, &campaign);
                    // An empty or wholly refused wave settles at once.
                    self.unsettled.insert(campaign);
                }
                Move::Halt { wave, reason } => self.halt(now, &campaign, wave, reason),
                Move::Finish => self.finish(now, &campaign),
            }
        }
    }

    /// Instructs every device of a wave, in priority order.
    pub(super) fn instruct_wave(&mut self, now: Moment, campaign: &CampaignId, wave: u16) {
        let Some(state) = self.campaigns.get(campaign).filter(|_| self.may_send(now, campaign)) else {
            return;
        };
        let mut devices: Vec<(u8, Eui64)> = state
            .rows()
            .filter(|row| row.wave == Some(wave) && row.stage == Stage::Planned)
            .map(|row| (row.priority, row.device))
            .collect();
        devices.sort_unstable();
        for (_, device) in devices {
            self.instruct(now, campaign, device);
        }
    }

    /// Asks the gate again and, if it still allows and it is the device's turn, instructs it. Only here does a transfer
    /// begin.
    pub(super) fn instruct(&mut self, now: Moment, campaign: &CampaignId, device: Eui64) {
        match self.turn_of(campaign, device) {
            Turn::Now => {}
            Turn::Later => return,
            Turn::Never(reason) => {
                return self.end(now, campaign, device, Outcome::HeldBack, reason, None);
            }
        }
        let targets = self.campaigns.get(campaign).map(|state| &state.order.targets);
        let next = targets.and_then(|targets| self.target_for(targets, device)).map(|target| target.image);
        let Some(image) = next.or(self.image_for(campaign, device)) else { return };
        let verdict = self.judge_again(now, campaign, device);
        if !verdict.allowed {
            return self.turn_away(now, campaign, device, verdict);
        }
        if self.hub_of(now, device).is_none() {
            let reason = "the inventory names no address for its hub".to_owned();
            self.end(now, campaign, device, Outcome::NoWan, reason, None);
            return;
        }
        let groups = self.count_at_risk(campaign, device);
        let record = Record::Instructed(InstructedRecord {
            device,
            row: verdict.row.clone(),
            verdict: self.news(campaign, device, verdict),
            supplier: Some(self.supplier_of(device)),
            image,
            groups,
        });
        self.record(now, campaign, &record, Some(Act::Stage(device)));
    }

    /// Returns what the gate said of a device, if that is not what it said before.
    pub(super) fn news(&self, campaign: &CampaignId, device: Eui64, verdict: Judgement) -> Option<Judgement> {
        let row = self.campaigns.get(campaign).and_then(|state| state.row(device));
        row.is_none_or(|row| *row.last_word() != verdict).then_some(verdict)
    }

    /// Ends a device that the gate does not let go on.
    pub(super) fn end_by_gate(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        outcome: Outcome,
        verdict: Judgement,
    ) {
        let reason = verdict.code.clone();
        let verdict = self.news(campaign, device, verdict);
        let ended = OutcomeRecord { device, outcome, reason, verdict, running: None, exclusion: None };
        self.conclude(now, campaign, ended);
    }

    /// Records a device's outcome and forgets its errand.
    pub(super) fn end(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        outcome: Outcome,
        reason: String,
        running: Option<FileVersion>,
    ) {
        let running = running.map(|version| version.to_string());
        if let Some(running) = &running {
            self.note_runs(campaign, device, running);
        }
        let ended = OutcomeRecord { device, outcome, reason, verdict: None, running, exclusion: None };
        self.conclude(now, campaign, ended);
    }

    fn conclude(&mut self, now: Moment, campaign: &CampaignId, mut ended: OutcomeRecord) {
        let OutcomeRecord { device, outcome, .. } = ended;
        let exclusion = self.exclusion_of(device, outcome, &ended.reason);
        ended.exclusion = exclusion.map(|exclusion| exclusion.as_str().to_owned());
        tracing::debug!(%campaign, %device, outcome = outcome.as_str(), reason = ended.reason, "device ended");
        // An order that names a device which another campaign is at work on ends it for itself alone.
        let other = self.under_way(device).is_some_and(|(other, _)| other != *campaign);
        self.record(now, campaign, &Record::Outcome(ended), None);
        self.unsettled.insert(campaign.clone());
        if other {
            return;
        }
        self.note_turn(campaign, device, outcome);
        self.land(device, Landing::Taken);
        self.errands.remove(&device);
        let place = self
            .campaigns
            .get(campaign)
            .and_then(|state| state.row(device))
            .map(|row| (row.hub, row.channel));
        if let Some((Some(hub), channel)) = place
            && let Some(hub) = self.hubs.get_mut(&hub)
            && hub.channels.get(&channel) == Some(&device)
        {
            hub.channels.remove(&channel);
        }
    }

    fn halt(&mut self, now: Moment, campaign: &CampaignId, wave: u16, reason: String) {
        tracing::warn!(%campaign, wave, %reason, "campaign halted");
        let record = Record::Halted(HaltedRecord { wave, reason: reason.clone() });
        self.stop(now, campaign, &record, Outcome::Halted, &reason);
    }

    /// Ends a campaign early: durable first, and from then on nothing is sent or activated for it.
    pub(super) fn stop(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        record: &Record,
        outcome: Outcome,
        reason: &str,
    ) {
        self.record(now, campaign, record, None);
        // A device that may have had its activation is not called off: what it runs is still read back.
        let sent = |device: &Eui64| self.errands.get(device).is_some_and(|errand| errand.is_told());
        let pending = self.pending(campaign, |_| true).into_iter().map(|(device, _)| device);
        let pending: Vec<Eui64> = pending.filter(|one| !sent(one)).collect();
        self.waiting.retain(|(_, act)| match act {
            Act::Stage(device) | Act::Activate(device) | Act::Retry(device, _) => {
                pending.binary_search(device).is_err()
            }
            Act::GoOn(_) => true,
        });
        for device in pending {
            if let Some(hub) = self.known_hub_of(device) {
                self.call_off(now, hub, Some(device));
            }
            self.end(now, campaign, device, outcome, reason.to_owned(), None);
        }
        self.unsettled.remove(campaign);
        self.turns.forget(campaign);
        self.shares.forget(campaign);
    }

    fn finish(&mut self, now: Moment, campaign: &CampaignId) {
        let Some(state) = self.campaigns.get(campaign) else { return };
        let tally = state.tally();
        let record = FinishedRecord {
            done: tally.done as u32,
            failed: tally.failed as u32,
            excluded: tally.excluded as u32,
        };
        tracing::info!(%campaign, done = tally.done, failed = tally.failed, excluded = tally.excluded, "finished");
        self.record(now, campaign, &Record::Finished(record), None);
        self.turns.forget(campaign);
        self.shares.forget(campaign);
    }
}
