//! One thing that may be short, the head-end, a carrier or a cell: its slots, and where each campaign stands in it.

use std::collections::BTreeMap;
use std::time::Duration;

use transfer_engine::ByteRate;

use super::{Party, Path};
use crate::order::CampaignId;

/// Slots for each line that the link could fill at its full rate: hubs that do not answer hold one for minutes, and a small
/// image takes no longer than the questions around it.
const SLOTS_PER_LINE: u64 = 4;

/// The fewest slots of a link: between the end of a transfer and the beginning of the next lies an association.
pub(in crate::conductor) const SLOTS_MIN: u64 = 8;

/// What a full link carries at least of its rate, in percent: requests have a reserve of their own, of 5 % usually.
const FULL_PERCENT: u64 = 92;

/// The head-end, a carrier or a cell.
#[derive(Clone, Debug)]
pub(in crate::conductor) struct Link {
    pub(in crate::conductor) rate: ByteRate,
    pub(in crate::conductor) slots: u64,
    pub(in crate::conductor) in_flight: u64,
    /// All slots were in use since it was looked at last.
    pub(in crate::conductor) was_full: bool,
    /// Where the one was that had its turn last.
    pub(in crate::conductor) clock: u64,
    /// Where each campaign is: bytes over weight.
    pub(in crate::conductor) used: BTreeMap<CampaignId, u64>,
    /// What it had carried when it was looked at last.
    pub(in crate::conductor) carried: u64,
}

impl Link {
    pub(in crate::conductor) fn new(rate: ByteRate, line: ByteRate) -> Link {
        let slots = slots_of(rate, line);
        Link { rate, slots, in_flight: 0, was_full: false, clock: 0, used: BTreeMap::new(), carried: 0 }
    }

    pub(in crate::conductor) fn is_free(&self) -> bool {
        self.in_flight < self.slots
    }

    pub(in crate::conductor) fn take_slot(&mut self) {
        self.in_flight += 1;
        self.was_full |= !self.is_free();
    }

    /// Returns where a campaign begins its next image.
    pub(in crate::conductor) fn start(&self, campaign: &CampaignId) -> u64 {
        self.used.get(campaign).copied().unwrap_or_default().max(self.clock)
    }

    pub(in crate::conductor) fn charge(&mut self, campaign: &CampaignId, cost: u64) {
        let start = self.start(campaign);
        self.clock = start;
        self.used.insert(campaign.clone(), start.saturating_add(cost));
    }

    pub(in crate::conductor) fn correct(&mut self, campaign: &CampaignId, charged: u64, used: u64) {
        if let Some(place) = self.used.get_mut(campaign) {
            *place = place.saturating_add(used).saturating_sub(charged);
        }
    }

    /// Returns who may be next in it, of those who wait and their longest paths, by class: while all slots are used up
    /// whoever has had least, else any of the first class; nobody when there is no slot.
    pub(super) fn may_be_next(&self, waiting: impl Iterator<Item = (Party, Path)>) -> Vec<(Party, Path)> {
        if !self.is_free() {
            return Vec::new();
        }
        let mut waiting = waiting.peekable();
        let first = waiting.peek().map(|((class, _), _)| *class);
        let class = waiting.take_while(|((class, _), _)| Some(*class) == first);
        if !self.was_full {
            return class.collect();
        }
        class.min_by_key(|((_, campaign), _)| self.start(campaign)).into_iter().collect()
    }

    /// Notes that its rate is another one, as an hour has begun or a cap is used up.
    pub(in crate::conductor) fn set_rate(&mut self, rate: ByteRate, line: ByteRate) {
        if rate != self.rate {
            (self.rate, self.slots) = (rate, slots_of(rate, line));
        }
    }

    /// Makes more slots when those in use did not fill the link for a while.
    pub(in crate::conductor) fn look(&mut self, carried: u64, over: Duration) {
        let full = u128::from(self.rate.0) * over.as_millis() * u128::from(FULL_PERCENT) / 100_000;
        let sent = carried.saturating_sub(std::mem::replace(&mut self.carried, carried));
        if u128::from(sent) < full && !self.is_free() {
            self.slots += self.slots / 2 + 1;
        }
        self.was_full = !self.is_free();
    }
}

fn slots_of(rate: ByteRate, line: ByteRate) -> u64 {
    (rate.0 / line.0.max(1)).saturating_mul(SLOTS_PER_LINE).max(SLOTS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_secs(30);

    #[test]
    fn who_had_nothing_to_send_makes_up_for_nothing() {
        let (busy, idle): (CampaignId, CampaignId) =
            ("busy".parse().expect("a name"), "idle".parse().expect("a name"));
        let mut link = Link::new(ByteRate(2), ByteRate(1));
        (0..100).for_each(|_| link.charge(&busy, 10));
        assert_eq!(link.start(&idle), 990, "the one that had its turn last began there");
        link.charge(&idle, 10);
        assert_eq!((link.start(&busy), link.start(&idle)), (1_000, 1_000));
    }

    #[test]
    fn a_link_gets_more_slots_only_when_those_in_use_do_not_fill_it() {
        let mut link = Link::new(ByteRate(1_000), ByteRate(500));
        assert_eq!(link.slots, 8);
        link.look(0, LOOK);
        assert_eq!(link.slots, 8, "nobody is in its way");
        link.in_flight = 8;
        link.look(28_000, LOOK);
        assert_eq!(link.slots, 8, "it is full");
        link.look(43_000, LOOK);
        assert_eq!(link.slots, 13);
    }
}
