//! When a hub is looked at next: every `poll_interval_s` while there may be news, and rarely while all that is under way
//! behind it is known to take longer.
//!
//! A line costs money, and a gas meter fetches for half a day. A hub says how many bytes each device has fetched, so two
//! looks tell how fast it goes, and the next look comes when half of what is left should be there:
//!
//! ```text
//!   fetched    0 ─────────────── half ─────── 3/4 ─── 7/8 ── all       ten hours at a look a minute: 600 looks,
//!   looks      ││                 │            │       │  ││││         so ten or twenty
//! ```
//!
//! Half, because what was measured may be half of how fast it goes from here on, and nobody is to wait for a look; of a
//! device that sleeps, half of all but the last wake, which may be near or far. A device that stands still, waits, activates
//! or is silent is looked at as the policy says.

use std::time::Duration;

use eligibility::DeviceType;
use firmware_image::Eui64;
use transfer_engine::{HubId, Moment};
use wire::{HanDeviceStatus, HanState};

use super::{Conductor, Due};
use crate::order::CampaignId;
use crate::stage::Stage;

/// The longest time without a look at a device that fetches, beyond the policy's own interval: some stop for good, and say
/// so only when asked.
const LONGEST: Duration = Duration::from_secs(3_600);

/// From one wake of a gas meter to the next (GBCS; an assumption for SMETS1).
const WAKE: Duration = Duration::from_secs(1_800);

/// How a device's fetching has gone, as looks found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetching {
    /// Whether it sleeps between the parts that it fetches.
    sleeps: bool,
    /// The look from which its pace is reckoned.
    since: Moment,
    /// Bytes it had then.
    from: u32,
    /// Bytes it had at the last look.
    offset: u32,
}

impl Fetching {
    /// The first look.
    fn begin(now: Moment, offset: u32, sleeps: bool) -> Fetching {
        Fetching { sleeps, since: now, from: offset, offset }
    }

    /// One more look. A device that began anew or stood still is reckoned from here on; one that sleeps often stands still.
    fn go_on(self, now: Moment, offset: u32) -> Fetching {
        let stood_still = offset == self.offset && !self.sleeps;
        if offset < self.offset || stood_still {
            return Fetching::begin(now, offset, self.sleeps);
        }
        Fetching { offset, ..self }
    }

    /// Returns how long the device needs no look at the pace so far, with so many bytes to fetch in all; none while nothing
    /// is known of it.
    fn needs_no_look_for(self, now: Moment, len: u32) -> Option<Duration> {
        let fetched = u64::from(self.offset - self.from);
        let took = now.saturating_since(self.since).as_micros() as u64;
        let left = u64::from(len.saturating_sub(self.offset));
        let rest = Duration::from_micros(took.saturating_mul(left).checked_div(fetched)?);
        let surely = if self.sleeps { rest.saturating_sub(WAKE) } else { rest };
        Some((surely / 2).min(LONGEST))
    }
}

impl Conductor {
    /// Makes sure that a hub is looked at when there may be news.
    pub(super) fn watch(&mut self, now: Moment, hub: HubId) {
        let interval = self.poll_interval(now, hub);
        let Some(entry) = self.hub_entry(hub) else { return };
        let at = now + interval;
        // One that was to come later, because nothing was expected sooner, comes earlier.
        match entry.watch_at.replace(at) {
            Some(planned) if planned <= at => entry.watch_at = Some(planned),
            planned => {
                if let Some(planned) = planned {
                    self.timers.remove(planned, Due::Watch(hub));
                }
                self.timers.insert(at, Due::Watch(hub));
            }
        }
    }

    /// Looks at a hub at once instead of when its turn comes.
    pub(super) fn look_now(&mut self, now: Moment, hub: HubId) {
        if let Some(at) = self.hub_entry(hub).and_then(|entry| entry.watch_at.take()) {
            self.timers.remove(at, Due::Watch(hub));
        }
        self.look_at(now, hub);
    }

    fn poll_interval(&self, now: Moment, hub: HubId) -> Duration {
        let seconds = self
            .hub_named(hub)
            .and_then(|hub| hub.channels.values().next())
            .and_then(|device| self.under_way(*device))
            .and_then(|(campaign, _)| self.campaigns.get(&campaign))
            .map_or(300, |state| state.order.policy.poll_interval_s);
        let interval = Duration::from_secs(u64::from(seconds));
        self.nothing_expected_for(now, hub).map_or(interval, |rarely| rarely.max(interval))
    }

    /// Returns how long nothing is expected of any device behind a hub, if that is known of all of them.
    fn nothing_expected_for(&self, now: Moment, hub: HubId) -> Option<Duration> {
        let mut all: Option<Duration> = None;
        for device in self.hub_named(hub)?.channels.values() {
            let Some((campaign, stage)) = self.under_way(*device) else { continue };
            let one = match stage {
                // The engine will say when its image is on the hub, and the hub is watched from then on.
                Stage::Planned | Stage::Instructed => continue,
                Stage::Staged => self.fetches_for(now, &campaign, *device)?,
                Stage::Soaking => self.soaks_for(now, &campaign, *device)?,
                _ => return None,
            };
            all = Some(all.map_or(one, |all| all.min(one)));
        }
        all
    }

    /// Returns how long a device that fetches its image needs no look, and never past its deadline.
    fn fetches_for(&self, now: Moment, campaign: &CampaignId, device: Eui64) -> Option<Duration> {
        let fetching = self.errands.get(&device)?.fetching?;
        let state = self.campaigns.get(campaign)?;
        let row = state.row(device)?;
        let (image, _) = self.images.get(&row.image?)?;
        let len = u32::try_from(image.bytes().len()).unwrap_or(u32::MAX);
        let allowed = Duration::from_secs(u64::from(state.order.policy.han_deadline_s));
        let overdue_in = (row.reached(Stage::Staged)? + allowed).saturating_since(now);
        Some(fetching.needs_no_look_for(now, len)?.min(overdue_in))
    }

    /// Notes what a look found of a device whose image is on its hub.
    pub(super) fn note_fetching(&mut self, now: Moment, device: Eui64, status: &HanDeviceStatus) {
        let sleeps = || {
            let found = self.desk.inventory.device(device);
            found.is_some_and(|found| found.device_type == DeviceType::Gsme)
        };
        let before = self.errands.get(&device).and_then(|errand| errand.fetching);
        let fetching = (status.state == HanState::Downloading).then(|| match before {
            Some(fetching) => fetching.go_on(now, status.offset),
            None => Fetching::begin(now, status.offset, sleeps()),
        });
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.fetching = fetching;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_device_is_looked_at_when_half_of_the_rest_is_there_and_one_that_stood_still_is_reckoned_anew() {
        let start = Moment::from_micros(7);
        let first = Fetching::begin(start, 1_000, false);
        assert_eq!(first.needs_no_look_for(start, 10_000), None, "one look tells no pace");
        let then = start + MINUTE;
        let second = first.go_on(then, 2_000);
        assert_eq!(second.needs_no_look_for(then, 10_000), Some(4 * MINUTE));
        assert_eq!(second.needs_no_look_for(then, 0), Some(Duration::ZERO), "shorter than what was fetched");
        assert_eq!(second.needs_no_look_for(then, 900_000), Some(LONGEST));
        let still = second.go_on(then + MINUTE, 2_000);
        assert_eq!(still.needs_no_look_for(then + MINUTE, 10_000), None);
        let anew = second.go_on(then + MINUTE, 0);
        assert_eq!((anew.offset, anew.needs_no_look_for(then + MINUTE, 10_000)), (0, None));
        let asleep = Fetching { sleeps: true, ..second }.go_on(then + MINUTE, 2_000);
        assert_eq!(asleep.needs_no_look_for(then + MINUTE, 10_000), Some(Duration::ZERO), "its last wake");
        assert_eq!(asleep.needs_no_look_for(then + MINUTE, 32_000), Some(15 * MINUTE), "the last but one");
    }

    #[test]
    fn looks_at_a_device_that_sleeps_are_few_and_not_late() {
        // 6,000 B at each wake, twice an hour, the first somewhere within half an hour; ten hours in all.
        let (len, part) = (120_000_u32, 6_000_u32);
        for phase in 0..30 {
            let start = Moment::from_micros(1);
            let first_wake = start + phase * MINUTE;
            let done_at = first_wake + WAKE * (len / part - 1);
            let fetched = |now: Moment| {
                let wakes = 1 + now.saturating_since(first_wake).as_secs() / WAKE.as_secs();
                if now < first_wake { 0 } else { (wakes as u32 * part).min(len) }
            };
            let (mut now, mut looks, mut seen) = (start, 1, Fetching::begin(start, fetched(start), true));
            while fetched(now) < len {
                now = now + seen.needs_no_look_for(now, len).unwrap_or_default().max(MINUTE);
                seen = seen.go_on(now, fetched(now));
                looks += 1;
                assert!(looks < 100, "once a minute these are 600");
            }
            assert!(now.saturating_since(done_at) <= MINUTE, "{:?} late", now.saturating_since(done_at));
        }
    }
}
