//! A carrier's level: its rate, and its cap by the day.
//!
//! The cap costs a decision about blocks nothing: the lease never holds more than the cap still lets through, and what was
//! carried is what has gone out of it.

use super::lease::Lease;
use super::limit::EngineClock;
use super::plan::{day_begins, day_of};
use super::tier::Tier;
use super::{BudgetRules, ByteRate, CarrierPlan, LARGEST_CHARGE, Use};
use crate::Moment;

#[derive(Clone, Debug)]
pub(super) struct Carrier {
    cap: u64,
    cap_for_blocks: u64,
    /// What was carried since midnight, and the lease on top.
    carried_and_leased: u64,
    /// When counting begins anew.
    pub(super) midnight: Moment,
    pub(super) tier: Tier,
}

impl Carrier {
    pub(super) fn new(plan: CarrierPlan, rules: &BudgetRules, clock: &EngineClock, now: Moment) -> Carrier {
        let cap = plan.cap.in_bytes() / u64::from(rules.shards.max(1));
        Carrier {
            cap,
            cap_for_blocks: cap - rules.reserve_of(cap),
            carried_and_leased: plan.before.on(day_of(now)) / u64::from(rules.shards.max(1)),
            midnight: day_begins(day_of(now) + 1),
            tier: Tier::new(plan.budget, rules, clock, now, false),
        }
    }

    /// Returns the same carrier for another engine, which has nothing in hand of it.
    pub(super) fn share(&self, lease: Lease) -> Carrier {
        Carrier { carried_and_leased: self.carried(lease), tier: self.tier.share(), ..self.clone() }
    }

    /// Returns what was carried since midnight.
    pub(super) fn carried(&self, lease: Lease) -> u64 {
        self.carried_and_leased.saturating_sub(lease.0)
    }

    /// Returns what blocks may still take today.
    pub(super) fn left_for_blocks(&self, lease: Lease) -> u64 {
        self.cap_for_blocks.saturating_sub(self.carried(lease))
    }

    /// Returns the rate of the hour, or none when nothing is left for blocks today.
    pub(super) fn rate_now(&self, lease: Lease, now: Moment) -> ByteRate {
        let has_ended = now < self.midnight && self.left_for_blocks(lease) < LARGEST_CHARGE;
        if has_ended { ByteRate(0) } else { self.tier.rate_at(now) }
    }

    /// Says what was carried since midnight. The lease is cut to what that leaves for blocks.
    pub(super) fn set_carried(&mut self, lease: &mut Lease, carried: u64) {
        let room = self.cap_for_blocks.saturating_sub(carried);
        self.tier.set_aside(lease, lease.0.saturating_sub(room));
        self.carried_and_leased = carried.saturating_add(lease.0);
    }

    /// Makes sure that a charge is covered, or says when to ask again.
    pub(super) fn renew(
        &mut self,
        lease: &mut Lease,
        now: Moment,
        bytes: u64,
        purpose: Use,
    ) -> Result<(), Moment> {
        let carried = self.carried(*lease);
        let cap = if purpose == Use::Blocks { self.cap_for_blocks } else { self.cap };
        if carried.saturating_add(bytes) > cap {
            return Err(self.midnight);
        }
        let renewed = self.tier.renew(lease, now, bytes, purpose);
        self.set_carried(lease, carried);
        renewed
    }

    /// Spends a charge that was renewed for.
    pub(super) fn spend(&mut self, lease: &mut Lease, bytes: u64, purpose: Use) {
        let carried = self.carried(*lease).saturating_add(bytes);
        self.tier.spend(lease, bytes, purpose);
        self.set_carried(lease, carried);
    }

    /// Takes back what was spent and is not needed.
    pub(super) fn give_back(&mut self, lease: &mut Lease, bytes: u64, purpose: Use) {
        let carried = self.carried(*lease).saturating_sub(bytes);
        self.tier.give_back(lease, bytes, purpose);
        self.set_carried(lease, carried);
    }

    /// Begins a day, if one has begun.
    pub(super) fn roll_day(&mut self, lease: &mut Lease, now: Moment) {
        if now >= self.midnight {
            self.midnight = day_begins(day_of(now) + 1);
            self.set_carried(lease, 0);
        }
    }

    /// Begins an hour, if one has begun.
    pub(super) fn change(
        &mut self,
        lease: &mut Lease,
        now: Moment,
        rules: &BudgetRules,
        clock: &EngineClock,
    ) {
        let carried = self.carried(*lease);
        self.tier.change(lease, now, rules, clock);
        self.set_carried(lease, carried);
    }
}
