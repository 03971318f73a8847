//! Recovery: the only way a conductor starts. An empty ledger is a ledger with nothing to fold.

use std::time::Duration;

use firmware_image::{CounterEpoch, Eui64, FileDigest, OrderCounter, OrderMemory};
use ledger::Entry;
use thiserror::Error;
use transfer_engine::Moment;

use super::activation::{Doubt, Told};
use super::{Conductor, Due};
use crate::order::CampaignId;
use crate::phase::Phase;
use crate::record::{Record, RecordError};
use crate::stage::{Outcome, Stage};
use crate::state::{CampaignState, FoldError};

/// Why a ledger cannot be taken up again.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// An entry is no record.
    #[error("the ledger holds an entry that is no record of a campaign")]
    Record(#[from] RecordError),
    /// An entry does not fit those before it.
    #[error("entry {index} does not fit the entries before it")]
    Fold {
        /// Which entry.
        index: u64,
        /// Why not.
        source: FoldError,
    },
    /// An entry's subject is no campaign id.
    #[error("entry {index}: subject {subject:?} is no campaign id")]
    Subject {
        /// Which entry.
        index: u64,
        /// What was found.
        subject: String,
    },
    /// An unfinished campaign needs an image that is not at the desk.
    #[error("campaign {campaign} is unfinished and needs image {image}, which is not at the desk")]
    MissingImage {
        /// The campaign.
        campaign: CampaignId,
        /// The image.
        image: FileDigest,
    },
}

impl Conductor {
    /// Folds entries of the ledger, oldest first. Call it with all of them, then [`Conductor::resume`].
    pub fn replay(&mut self, entries: &[Entry]) -> Result<(), ReplayError> {
        for entry in entries {
            let index = entry.index.0;
            let subject = || ReplayError::Subject { index, subject: entry.subject.clone() };
            let id: CampaignId = entry.subject.parse().map_err(|_| subject())?;
            let at = Moment::from_micros(entry.recorded_at_us);
            let record = Record::from_entry(entry)?;
            let fold = |source| ReplayError::Fold { index, source };
            match &record {
                Record::Order(order) if !self.campaigns.contains_key(&id) => {
                    self.campaigns.insert(id.clone(), CampaignState::new(id, at, order.clone()));
                    continue;
                }
                Record::Verdict(plan) if plan.verdict.may_come() => {
                    self.begin_errand(&id, plan.device);
                }
                Record::Ordered(order) => {
                    let memory = OrderMemory {
                        epoch: CounterEpoch(order.epoch),
                        counter: OrderCounter(order.counter),
                    };
                    self.orders.insert(order.device, memory);
                    if let Some(errand) = self.errands.get_mut(&order.device) {
                        // It may have been sent before the crash: look before anything is repeated.
                        errand.told = Told::OnItsWay;
                        errand.doubt(Doubt::Interrupted);
                    }
                }
                Record::StagingFailed(body) => {
                    let wait = body.retry_after_ms.map(Duration::from_millis);
                    if let Some(errand) = self.errands.get_mut(&body.device) {
                        errand.rests_until = wait.map(|wait| at + wait);
                    }
                }
                Record::Stepped(body) => self.begin_errand(&id, body.device),
                Record::Outcome(body) => {
                    let errand = self.errands.get(&body.device);
                    if errand.is_some_and(|errand| errand.campaign.as_ref() == Some(&id)) {
                        self.errands.remove(&body.device);
                    }
                }
                _ => {}
            }
            match self.campaigns.get_mut(&id) {
                Some(state) => state.apply(at, &record).map_err(fold)?,
                None => return Err(fold(FoldError::UnknownCampaign(id))),
            }
        }
        Ok(())
    }

    /// Takes up every unfinished campaign where its records end.
    pub fn resume(&mut self, now: Moment) -> Result<(), ReplayError> {
        let unfinished: Vec<CampaignId> = self
            .campaigns
            .values()
            .filter(|state| state.rows().any(|row| row.outcome.is_none()) || state.phase.is_open())
            .map(|state| state.id.clone())
            .collect();
        self.note_read_backs(now);
        for campaign in &unfinished {
            self.check_images(campaign)?;
            self.recount_shares(campaign);
        }
        for campaign in unfinished {
            self.weigh(&campaign);
            self.keep_hours(now, &campaign);
            self.recount_risks(&campaign);
            tracing::info!(%campaign, "resumed from the ledger");
            self.take_up(now, &campaign);
        }
        self.turn(now);
        Ok(())
    }

    fn check_images(&self, campaign: &CampaignId) -> Result<(), ReplayError> {
        let Some(state) = self.campaigns.get(campaign) else { return Ok(()) };
        let needed = state.rows().filter(|row| row.outcome.is_none()).filter_map(|row| row.image);
        match needed
            .into_iter()
            .find(|image| !self.images.contains_key(image) && !self.withdrawn.contains(image))
        {
            Some(image) => Err(ReplayError::MissingImage { campaign: campaign.clone(), image }),
            None => Ok(()),
        }
    }

    /// Takes up one campaign where its records end. Everything here may be done twice without harm.
    pub(super) fn take_up(&mut self, now: Moment, campaign: &CampaignId) {
        let Some(state) = self.campaigns.get(campaign) else { return };
        let (phase, opened) = (state.phase, state.waves_opened);
        // A crash may have come between the end of a campaign and the outcomes it brought.
        let stopped = match phase {
            Phase::Halted => Some((Outcome::Halted, "the campaign was halted")),
            Phase::Aborted => Some((Outcome::Aborted, "the campaign was aborted")),
            Phase::Running | Phase::Paused | Phase::Finished => None,
        };
        for (device, stage) in self.pending(campaign, |_| true) {
            match (stopped, stage) {
                (_, Stage::Ordered | Stage::Soaking) => self.resume_device(now, device),
                (Some((outcome, reason)), _) => {
                    self.end(now, campaign, device, outcome, reason.to_owned(), None);
                }
                (None, Stage::Planned) => {}
                (None, _) => self.resume_device(now, device),
            }
        }
        if phase.is_open() {
            for wave in 0..opened {
                self.instruct_wave(now, campaign, wave);
            }
            self.keep_floors(now, campaign);
            self.unsettled.insert(campaign.clone());
        }
    }

    /// Takes up one device where its records end. Everything here may be done twice without harm.
    pub(super) fn resume_device(&mut self, now: Moment, device: Eui64) {
        let Some((_, stage)) = self.under_way(device) else { return };
        let hub = self.hub_of(now, device);
        match (stage, hub) {
            (Stage::Planned | Stage::Ended, _) => {}
            (_, None) => self.end_unlisted(now, device),
            (Stage::Instructed, Some(_)) => match self.rest_of(now, device) {
                Some(until) => self.timers.insert(until, Due::Stage(device)),
                None => self.stage(now, device),
            },
            // What the order must carry was not recorded: the hub is asked for it again.
            (Stage::Staged | Stage::Delivered | Stage::Ordered | Stage::Soaking, Some((hub, _))) => {
                self.watch(now, hub);
            }
        }
    }

    /// Returns until when a device still rests after a try that failed before the head-end died. Told once: who is taken up
    /// again later than that is not waiting for a crash to be over.
    fn rest_of(&mut self, now: Moment, device: Eui64) -> Option<Moment> {
        let until = self.errands.get_mut(&device)?.rests_until.take()?;
        (until > now).then_some(until)
    }
}
