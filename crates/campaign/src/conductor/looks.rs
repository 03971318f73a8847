//! When a hub is looked at next: every `poll_interval_s` while there may be news, and rarely while all that is under way
//! behind it is known to take longer.
//!
//! A line costs money, and a gas meter, which sleeps, fetches for half a day. A hub says how many bytes each device has
//! fetched, so looks tell how fast it goes, and the next one comes when half of what is left should be there, but for the
//! last wake, which may be near or far:
//!
//! ```text
//!   fetched    0 ─────────────── half ─────── 3/4 ─── all      ten hours at a look a minute: 600 looks,
//!   looks      │││                │            │      ││││      so a hundred
//! ```
//!
//! Half, because what was measured may be half of how fast it goes from here on, and nobody is to wait for a look. A device
//! on the mains fetches in minutes, and is looked at as the policy says; so is one that waits, activates or is silent.

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

/// How the fetching of a device that sleeps has gone, as looks found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetching {
    /// The first look that found it to move, from which its pace is reckoned; before, it may have waited for another one of
    /// its home.
    since: Option<Moment>,
    /// Bytes it had then, or at the first look of all.
    from: u32,
    /// Bytes it had at the last look.
    offset: u32,
}

impl Fetching {
    /// The first look.
    fn begin(offset: u32) -> Fetching {
        Fetching { since: None, from: offset, offset }
    }

    /// One more look. A device that began anew is reckoned from here on.
    fn go_on(self, now: Moment, offset: u32) -> Fetching {
        match self.since {
            _ if offset < self.offset => Fetching::begin(offset),
            None if offset > self.offset => Fetching { since: Some(now), from: offset, offset },
            _ => Fetching { offset, ..self },
        }
    }

    /// Returns how long the device needs no look at the pace so far, with so many bytes to fetch in all; none while nothing
    /// is known of it.
    fn needs_no_look_for(self, now: Moment, len: u32) -> Option<Duration> {
        let fetched = u64::from(self.offset - self.from);
        let took = now.saturating_since(self.since?).as_micros() as u64;
        let left = u64::from(len.saturating_sub(self.offset));
        let rest = Duration::from_micros(took.saturating_mul(left).checked_div(fetched)?);
        Some((rest.saturating_sub(WAKE) / 2).min(LONGEST))
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
        let Some(errand) = self.errands.get_mut(&device) else { return };
        let sleeps = || {
            let found = self.desk.inventory.device(device);
            found.is_some_and(|found| found.device_type == DeviceType::Gsme)
        };
        errand.fetching = match errand.fetching {
            _ if status.state != HanState::Downloading => None,
            Some(fetching) => Some(fetching.go_on(now, status.offset)),
            None => sleeps().then(|| Fetching::begin(status.offset)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_pace_is_reckoned_from_the_first_look_that_found_the_device_to_move() {
        let start = Moment::from_micros(7);
        let at = |minutes: u32| start + minutes * MINUTE;
        let waits = Fetching::begin(1_000).go_on(at(60), 1_000);
        assert_eq!(waits.needs_no_look_for(at(60), 10_000), None, "an hour in which another one fetched");
        let moves = waits.go_on(at(61), 2_000);
        assert_eq!(moves.needs_no_look_for(at(61), 10_000), None, "one look tells no pace");
        let paced = moves.go_on(at(91), 4_000);
        assert_eq!(paced.needs_no_look_for(at(91), 10_000), Some(30 * MINUTE), "two wakes of three, by half");
        assert_eq!(paced.needs_no_look_for(at(91), 6_000), Some(Duration::ZERO), "its last wake");
        assert_eq!(paced.needs_no_look_for(at(91), 0), Some(Duration::ZERO), "shorter than what was fetched");
        assert_eq!(paced.needs_no_look_for(at(91), 900_000), Some(LONGEST));
        let anew = paced.go_on(at(92), 0);
        assert_eq!((anew.offset, anew.needs_no_look_for(at(92), 10_000)), (0, None));
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
            let (mut now, mut looks, mut seen) = (start, 1, Fetching::begin(fetched(start)));
            while fetched(now) < len {
                now = now + seen.needs_no_look_for(now, len).unwrap_or_default().max(MINUTE);
                seen = seen.go_on(now, fetched(now));
                looks += 1;
                assert!(looks <= 110, "once a minute these are 600");
            }
            assert!(now.saturating_since(done_at) <= MINUTE, "{:?} late", now.saturating_since(done_at));
        }
    }
}
