//! Soak: a device that says it runs the target is watched for a while, and counts as a success only if it still does at
//! the end, and its hub still hears of it and of the others of its home. That an image was transferred and activated does not
//! mean that the device works, or lets others work: firmware that fails a day later, or after which gas readings stop
//! arriving, halts the campaign before its next wave.
//!
//! | what is seen of a device that soaks | what comes of it |
//! |---|---|
//! | another version than the target, as its hub says at a look, and read back from it | `unhealthy` at once |
//! | all heard of lately, and the target read back, when its time is over | `activated` |
//! | itself, or one that was well about its order or later, not heard of lately, or not behind its hub any more | the hub is had to ask, at each look |
//! | still so, or no answer of its hub, until the deadline after | `unhealthy` |
//!
//! A hub says of each device behind it how long ago it heard it. One that has an order of its own answers for itself, and
//! not for its neighbours, until it is well again. A hub that says nothing of that kind is asked for the version only, when
//! the time is over. One that started shortly before an order has heard few yet: who is not known to have been well, and is
//! not heard later, is not missed.
//!
//! A pause changes nothing about it, as looks go on; a halt or an abort does not call it off: what it runs is a fact.

use std::time::Duration;

use firmware_image::{Eui64, FileVersion};
use transfer_engine::{HubId, Moment, Task};
use wire::HanDeviceStatus;

use super::Conductor;
use crate::order::CampaignId;
use crate::record::{Record, SoakingRecord};
use crate::stage::{Outcome, OutcomeClass, Stage};

/// Looks at a home in which everything is done but the watching: enough to see a device leave the target early, and few,
/// because a line costs money.
const SOAK_LOOKS: u32 = 8;

/// A device heard of so shortly before an order was well then: many say something once a day only.
const WELL_BEFORE: Duration = Duration::from_secs(25 * 3_600);

/// The longest time from one word of a device that is asked, or wakes, to the next, beside our looks: a gas meter's sleep.
const SLEEP: Duration = Duration::from_secs(1_800);

/// When a hub last heard the devices behind it, as its rows said at the last look; `None` before the first look.
#[derive(Debug, Default)]
pub(super) struct Heard(Option<Rows>);

#[derive(Debug)]
struct Rows {
    told_at: Moment,
    behind: Vec<HeardOf>,
}

#[derive(Clone, Copy, Debug)]
struct HeardOf {
    channel: u8,
    device: Eui64,
    /// `None`: not since the hub came up.
    at: Option<Moment>,
}

/// A device that should be heard of, and its channel.
type Unheard = (Option<u8>, Eui64);

impl HeardOf {
    /// Whether it was heard of in the time before a moment, or later.
    fn within(&self, moment: Moment, span: Duration) -> bool {
        self.at.is_some_and(|at| moment.saturating_since(at) <= span)
    }
}

impl Heard {
    fn note(now: Moment, rows: &[HanDeviceStatus]) -> Heard {
        let ago = |seconds: u32| {
            Moment::from_micros(now.as_micros().saturating_sub(u64::from(seconds) * 1_000_000))
        };
        let behind = rows.iter().filter(|row| row.channel != 0);
        let heard = behind.map(|row| HeardOf {
            channel: row.channel,
            device: Eui64::from_bytes(row.device),
            at: row.heard_s_ago.map(ago),
        });
        Heard(Some(Rows { told_at: now, behind: heard.collect() }))
    }

    /// Returns the devices other than one that were well before its order.
    fn companions_of(&self, now: Moment, device: Eui64) -> Vec<Eui64> {
        let others = self.0.iter().flat_map(|rows| &rows.behind);
        let well = others.filter(|of| of.device != device && of.within(now, WELL_BEFORE));
        well.map(|of| of.device).collect()
    }

    /// Returns a device and the others that were well about its order or after, as far as the hub remembers or is recorded, if
    /// they were not heard of for so long, with their channels if the hub knows them still; a hub itself is heard of by its
    /// rows. `None` before the first look.
    fn unheard(
        &self,
        now: Moment,
        lately: Duration,
        ordered_at: Moment,
        device: Eui64,
        recorded: &[Eui64],
    ) -> Option<Vec<Unheard>> {
        let rows = self.0.as_ref()?;
        let counts = |of: &HeardOf| {
            of.device == device || recorded.contains(&of.device) || of.within(ordered_at, WELL_BEFORE)
        };
        let silent = rows.behind.iter().filter(|of| counts(of) && !of.within(now, lately));
        let silent = silent.map(|of| (Some(of.channel), of.device));
        let has_row = |device: Eui64| rows.behind.iter().any(|of| of.device == device);
        let gone = recorded.iter().filter(|other| !has_row(**other)).map(|other| (None, *other));
        let is_quiet = now.saturating_since(rows.told_at) > lately;
        let itself = (is_quiet && !has_row(device)).then_some((None, device));
        Some(silent.chain(gone).chain(itself).collect())
    }
}

impl Conductor {
    /// The device says it runs the target: it is done, or watched from now on, or still.
    pub(super) fn on_target(&mut self, now: Moment, hub: HubId, device: Eui64, running: FileVersion) {
        let Some((campaign, stage)) = self.under_way(device) else { return };
        let soaks = self.soak_of(&campaign) > Duration::ZERO;
        let outcome = match stage {
            Stage::Ordered if soaks => {
                let record = SoakingRecord { device, running: running.to_string() };
                self.record(now, &campaign, &Record::Soaking(record), None);
                return self.watch(now, hub);
            }
            Stage::Soaking if !self.is_soaked(now, &campaign, device) => return self.watch(now, hub),
            Stage::Soaking
                if self.unheard(now, &campaign, device).is_none_or(|unheard| !unheard.is_empty()) =>
            {
                return self.watch(now, hub);
            }
            Stage::Ordered | Stage::Soaking => Outcome::Activated,
            // Without an order of ours, somebody else brought it there.
            _ => Outcome::AlreadyOnTarget,
        };
        if let Some(next) = self.step_after(&campaign, device) {
            // Before its image is staged the answer is to a question about the step before: nothing comes of it.
            if stage.may_become(Stage::Planned) {
                self.step_on(now, &campaign, device, running, next);
            }
            return;
        }
        let reason = "the device says it runs the target".to_owned();
        self.end(now, &campaign, device, outcome, reason, Some(running));
    }

    /// Takes what a hub says of a device that is watched: whether it runs the target, or nothing when it has not been
    /// heard of for long. What counts is what the device is then read back to run.
    pub(super) fn on_soaking_row(
        &mut self,
        now: Moment,
        hub: HubId,
        device: Eui64,
        channel: u8,
        runs_target: Option<bool>,
    ) {
        let Some((campaign, Stage::Soaking)) = self.under_way(device) else { return };
        match runs_target {
            Some(true) if !self.is_soaked(now, &campaign, device) => {}
            Some(true) => {
                for (other_channel, other) in self.unheard(now, &campaign, device).unwrap_or_default() {
                    // The answer is what the hub knows; that it asks the device anew is the point.
                    if let Some(channel) = other_channel.filter(|_| other != device) {
                        self.assign(now, hub, Task::ReadVersion { channel }, 0);
                    }
                }
                self.read_back(now, hub, device, channel);
            }
            Some(false) => self.read_back(now, hub, device, channel),
            None => {}
        }
    }

    /// Takes what a hub says of when it last heard its devices, if anybody is going to soak; no rows are a hub that does not
    /// say such things.
    pub(super) fn hear_of(&mut self, now: Moment, hub: HubId, rows: &[HanDeviceStatus]) {
        if self.campaigns.values().all(|state| state.order.policy.soak_s == 0) {
            return;
        }
        let heard = Heard::note(now, rows);
        if let Some(entry) = self.hub_entry(hub) {
            entry.heard = heard;
        }
    }

    /// Returns the other devices of a home that are well before one of them is ordered to activate; none where that one does
    /// not soak.
    pub(super) fn companions_of(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Vec<Eui64> {
        if self.soak_of(campaign).is_zero() {
            return Vec::new();
        }
        self.heard_behind(device).map_or_else(Vec::new, |heard| heard.companions_of(now, device))
    }

    /// Returns the channels and devices that must be heard of before the soak of a device counts and were not lately;
    /// `None` when its hub was not looked at yet.
    pub(super) fn unheard(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Option<Vec<Unheard>> {
        let state = self.campaigns.get(campaign)?;
        let row = state.row(device)?;
        let policy = &state.order.policy;
        // Who is asked at one look is heard of at the next.
        let two_looks = Duration::from_secs(policy.poll_interval_s.into()) * 2;
        let lately = Duration::from_secs(policy.silent_after_s.into()).max(SLEEP + two_looks);
        let ordered_at = row.reached(Stage::Ordered)?;
        let mut unheard =
            self.heard_behind(device)?.unheard(now, lately, ordered_at, device, &row.companions)?;
        unheard.retain(|(_, other)| *other == device || !self.has_its_own_order(*other, ordered_at));
        Some(unheard)
    }

    fn heard_behind(&self, device: Eui64) -> Option<&Heard> {
        let hub = self.errands.get(&device)?.hub?;
        Some(&self.hub_named(hub)?.heard)
    }

    /// Says whether a device has an order of its own that was not concluded at a moment, unless it has come out well of it
    /// since: what comes of that is told of it alone.
    fn has_its_own_order(&self, device: Eui64, moment: Moment) -> bool {
        let mut rows = self.campaigns.values().filter_map(|state| state.row(device));
        rows.any(|row| {
            let is_well = matches!(&row.outcome, Some((outcome, _)) if outcome.class() == OutcomeClass::Done);
            let ended = row.reached(Stage::Ended);
            row.reached(Stage::Ordered).is_some() && !is_well && ended.is_none_or(|ended| ended > moment)
        })
    }

    /// Returns how long a device that soaks needs no look.
    pub(super) fn soaks_for(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Option<Duration> {
        let since = self.campaigns.get(campaign)?.row(device)?.reached(Stage::Soaking)?;
        let soak = self.soak_of(campaign);
        Some((since + soak).saturating_since(now).min(soak / SOAK_LOOKS))
    }

    fn soak_of(&self, campaign: &CampaignId) -> Duration {
        let seconds = self.campaigns.get(campaign).map_or(0, |state| state.order.policy.soak_s);
        Duration::from_secs(u64::from(seconds))
    }

    fn is_soaked(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> bool {
        let since = self.campaigns.get(campaign).and_then(|state| state.row(device)?.reached(Stage::Soaking));
        since.is_some_and(|since| now.saturating_since(since) >= self.soak_of(campaign))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::HanState;

    fn row(channel: u8, heard_s_ago: Option<u32>) -> HanDeviceStatus {
        HanDeviceStatus {
            channel,
            device: [channel; 8],
            state: HanState::Idle,
            offset: 0,
            running_version: 1,
            staged_version: 0,
            challenge: None,
            root_version: 0,
            heard_s_ago,
        }
    }

    #[test]
    fn a_neighbour_that_was_silent_before_is_nobodys_fault_after() {
        let now = Moment::from_micros(200_000_000_000);
        let device = |channel| Eui64::from_bytes([channel; 8]);
        let rows =
            [row(0, Some(0)), row(1, Some(3)), row(2, Some(90_000)), row(3, Some(90_001)), row(4, None)];
        let heard = Heard::note(now, &rows);
        let companions = heard.companions_of(now, device(1));
        assert_eq!(companions, [device(2)], "one said something within the day, one before, one not at all");
        let lately = Duration::from_secs(7_200);
        let later = now + Duration::from_secs(86_400);
        let unheard =
            |rows: &[_]| Heard::note(later, rows).unheard(later, lately, now, device(1), &companions);
        let day = Some(86_400);
        let rows = [row(1, Some(7_200)), row(2, Some(176_400)), row(3, Some(176_401)), row(4, None)];
        assert_eq!(
            unheard(&rows),
            Some(vec![(Some(2), device(2))]),
            "only what was well before and is silent"
        );
        let restarted = [row(1, None), row(2, None), row(3, None)];
        assert_eq!(
            unheard(&restarted),
            Some(vec![(Some(1), device(1)), (Some(2), device(2))]),
            "the hub started again"
        );
        assert_eq!(
            unheard(&[row(4, day), row(1, day), row(2, Some(9))]),
            Some(vec![(Some(4), device(4)), (Some(1), device(1))]),
            "since"
        );
        assert_eq!(unheard(&[row(1, Some(9))]), Some(vec![(None, device(2))]), "its hub knows it no more");
        let never = Heard::note(later, &[row(1, Some(9))]).unheard(later, lately, now, device(1), &[]);
        assert_eq!(never, Some(vec![]), "nobody was well before");
        let gone = heard.unheard(later, lately, now, device(0), &[device(1)]);
        assert_eq!(
            gone.and_then(|all| all.last().copied()),
            Some((None, device(0))),
            "its hub answers no more"
        );
        assert_eq!(
            Heard::default().unheard(later, lately, now, device(1), &companions),
            None,
            "nobody has looked yet"
        );
    }
}
