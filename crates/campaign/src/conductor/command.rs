//! What an operator may ask of a campaign under way: pause, resume, abort.
//!
//! | | devices that wait or are under way | devices with an activation sent | images on hubs and devices |
//! |---|---|---|---|
//! | pause | nothing is instructed, no block is sent, no order is made or handed over | read back | stay |
//! | resume | go on from what their hubs hold | read back, told again if idle and still allowed | as they are |
//! | abort | end as `aborted` | read back, and end as they are found | stay, not activated |
//!
//! A pause and an abort work at once and are durable when the driver has written them; a resumption begins only when it
//! is durable. Looks at hubs, which change nothing there, go on in a paused campaign.

use std::collections::BTreeSet;

use firmware_image::Eui64;
use thiserror::Error;
use transfer_engine::{HubId, Moment, Task};

use super::activation::Doubt;
use super::shares::Landing;
use super::{Act, Conductor, Due};
use crate::order::CampaignId;
use crate::phase::Phase;
use crate::record::{CommandRecord, Record};
use crate::stage::{Outcome, Stage};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Have it wait.
    Pause,
    /// Have it go on.
    Resume,
    /// End it for good.
    Abort,
}

/// How a command was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heeded {
    /// It is recorded, and takes effect.
    Now,
    /// The campaign was like that before; nothing was recorded.
    Already,
}

/// Why a command is not heeded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// There is no such campaign.
    #[error("there is no campaign {0}")]
    Unknown(CampaignId),
    /// It is over.
    #[error("campaign {campaign} is {phase}: expected one that is running or paused")]
    Over {
        /// The campaign.
        campaign: CampaignId,
        /// How it ended.
        phase: &'static str,
    },
    /// Who asks and why must be said, and in a ledger it stands for good.
    #[error("{field}: expected 1 to {} characters without control characters, found {found}", MAX_WORDS)]
    Words {
        /// Which of the two.
        field: &'static str,
        /// How many characters were found.
        found: usize,
    },
}

/// The longest name or reason in characters: some sentences. A ledger entry holds 64 KiB.
const MAX_WORDS: usize = 500;

impl CommandRecord {
    fn check(&self) -> Result<(), CommandError> {
        for (field, words) in [("by", &self.by), ("reason", &self.reason)] {
            let found = words.chars().count();
            if words.trim().is_empty() || found > MAX_WORDS || words.chars().any(char::is_control) {
                return Err(CommandError::Words { field, found });
            }
        }
        Ok(())
    }
}

impl Command {
    /// Returns the phase that it leads to.
    fn leads_to(self) -> Phase {
        match self {
            Command::Pause => Phase::Paused,
            Command::Resume => Phase::Running,
            Command::Abort => Phase::Aborted,
        }
    }
}

impl Conductor {
    /// Heeds an operator. Asking for what is so already is heeded, too, and writes nothing.
    pub fn command(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        command: Command,
        asked: CommandRecord,
    ) -> Result<Heeded, CommandError> {
        asked.check()?;
        let state = self.campaigns.get(campaign).ok_or_else(|| CommandError::Unknown(campaign.clone()))?;
        let (phase, wanted) = (state.phase, command.leads_to());
        if phase == wanted {
            return Ok(Heeded::Already);
        }
        if !phase.may_become(wanted) {
            return Err(CommandError::Over { campaign: campaign.clone(), phase: phase.as_str() });
        }
        tracing::info!(%campaign, by = %asked.by, reason = %asked.reason, to = wanted.as_str(), "an operator asked");
        match command {
            Command::Pause => {
                self.record(now, campaign, &Record::Paused(asked), None);
                self.forget_resumption(campaign);
                self.hold(now, campaign, |stage| stage != Stage::Planned);
            }
            Command::Resume => {
                self.resuming.insert(campaign.clone());
                let act = Act::GoOn(campaign.clone());
                self.record(now, campaign, &Record::Resumed(asked), Some(act));
            }
            Command::Abort => {
                self.forget_resumption(campaign);
                let reason = asked.to_string();
                self.stop(now, campaign, &Record::Aborted(asked), Outcome::Aborted, &reason);
            }
        }
        self.turn(now);
        Ok(Heeded::Now)
    }

    /// Says whether a campaign is served: it runs, and that it does is durable.
    pub(super) fn goes_on(&self, campaign: &CampaignId) -> bool {
        let state = self.campaigns.get(campaign);
        state.is_some_and(|state| state.phase == Phase::Running) && !self.resuming.contains(campaign)
    }

    /// Goes on with a campaign whose resumption is durable.
    pub(super) fn go_on(&mut self, now: Moment, campaign: &CampaignId) {
        self.resuming.remove(campaign);
        self.take_up(now, campaign);
        self.hand_over_all_late(now, campaign);
    }

    /// Hands over the orders that a pause or the time of day held back.
    pub(super) fn hand_over_all_late(&mut self, now: Moment, campaign: &CampaignId) {
        if !self.may_activate(now, campaign) {
            return;
        }
        for (device, _) in self.pending(campaign, |stage| stage == Stage::Ordered) {
            self.hand_over_late(now, campaign, device);
        }
    }

    /// Hands over one of them, if the gate still allows the device.
    fn hand_over_late(&mut self, now: Moment, campaign: &CampaignId, device: Eui64) {
        if self.errands.get(&device).is_none_or(|errand| errand.is_told()) {
            return;
        }
        let verdict = self.judge_again(now, campaign, device);
        if verdict.allowed {
            self.activate(now, device);
        } else if verdict.waits {
            if let Some(errand) = self.errands.get_mut(&device) {
                errand.withdrawn = Some(verdict.code);
            }
        } else {
            self.hold_unactivated(now, campaign, device, verdict);
        }
    }

    /// Hands over an order again to a device that is idle, if the gate still allows the device. One that may have been told
    /// cannot be called back: when it is refused now, it is looked at until it is overdue, and why is noted.
    pub(super) fn tell_again(&mut self, now: Moment, campaign: &CampaignId, device: Eui64) {
        if !self.may_activate(now, campaign) {
            return;
        }
        if self.errands.get(&device).is_some_and(|errand| !errand.is_told()) {
            self.hand_over_late(now, campaign, device);
            return;
        }
        let verdict = self.judge_again(now, campaign, device);
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.withdrawn = (!verdict.allowed).then_some(verdict.code);
        }
        if verdict.allowed {
            self.activate(now, device);
        }
    }

    fn forget_resumption(&mut self, campaign: &CampaignId) {
        self.resuming.remove(campaign);
        self.waiting.retain(|(_, act)| !matches!(act, Act::GoOn(other) if other == campaign));
    }

    /// Takes back whatever the engine was told to do for the devices of a campaign at certain stages; what their hubs and
    /// they themselves hold stays there. Other devices behind the same hubs are given theirs again.
    pub(super) fn hold(&mut self, now: Moment, campaign: &CampaignId, wanted: impl Fn(Stage) -> bool) {
        let devices = self.pending(campaign, wanted);
        let held = |device: &Eui64| devices.binary_search_by_key(device, |(device, _)| *device).is_ok();
        self.timers.retain(|due| !matches!(due, Due::Stage(device) if held(&device)));
        let hubs: BTreeSet<HubId> =
            devices.iter().filter_map(|(device, _)| self.known_hub_of(*device)).collect();
        for hub in hubs {
            self.call_off(now, hub, None);
        }
    }

    /// Returns the devices of a campaign without an outcome that are at certain stages, by EUI-64.
    pub(super) fn pending(
        &self,
        campaign: &CampaignId,
        wanted: impl Fn(Stage) -> bool,
    ) -> Vec<(Eui64, Stage)> {
        let rows = self.campaigns.get(campaign).into_iter().flat_map(|state| state.rows());
        let rows = rows.filter(|row| row.outcome.is_none() && wanted(row.stage));
        rows.map(|row| (row.device, row.stage)).collect()
    }

    /// Takes back what the engine was told to do at a hub, and gives the devices behind it theirs again, but for one.
    pub(super) fn call_off(&mut self, now: Moment, hub: HubId, but_for: Option<Eui64>) {
        let tasks = self.engine.abandon(now, hub);
        self.forget_papers(hub);
        for channel in tasks.iter().filter_map(staged_channel) {
            if let Some(device) = self.device_on(hub, channel) {
                self.land(device, Landing::Unused);
            }
        }
        for channel in tasks.into_iter().filter_map(activated_channel) {
            if let Some(errand) = self.device_on(hub, channel).and_then(|one| self.errands.get_mut(&one)) {
                errand.doubt(Doubt::Interrupted);
            }
        }
        for (_, device) in self.devices_of(hub) {
            if let Some(errand) = self.errands.get_mut(&device) {
                // The answer, if it comes, is nobody's any more.
                errand.reading_version = false;
            }
            if but_for != Some(device) {
                self.resume_device(now, device);
            }
        }
    }
}

/// Returns the channel whose device's image a task brings.
fn staged_channel(task: &Task) -> Option<u8> {
    match task {
        Task::Stage { channel, .. } => Some(*channel),
        _ => None,
    }
}

/// Returns the channel whose device a task tells to activate.
fn activated_channel(task: Task) -> Option<u8> {
    match task {
        Task::Activate { channel, .. } => Some(channel),
        _ => None,
    }
}
