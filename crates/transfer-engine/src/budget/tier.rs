//! One level as it was agreed: a limit for everything and one for blocks, by the hour, and what is in hand of them.

use super::lease::{Lease, Spare};
use super::limit::{EngineClock, Limit};
use super::plan::{hour_begins, hour_of};
use super::{BudgetPlan, BudgetRules, ByteRate, DayProfile, LARGEST_CHARGE, Use};
use crate::Moment;

/// One level. Its lease is kept where decisions find it, and handed in.
#[derive(Clone, Debug)]
pub(super) struct Tier {
    all: Limit,
    /// `None`: nothing is reserved.
    blocks: Option<Limit>,
    spare: Spare,
    /// When the rate changes next.
    pub(super) changes_at: Moment,
    /// The hour leaves nothing.
    shut: bool,
    plan: BudgetPlan,
}

impl Tier {
    pub(super) fn new(
        plan: BudgetPlan,
        rules: &BudgetRules,
        clock: &EngineClock,
        now: Moment,
        empty: bool,
    ) -> Tier {
        let hour = hour_of(now);
        let rate = plan.profile.at(plan.rate, hour);
        let reserve = rules.reserve_of(rate.0);
        let limit =
            |rate| Limit::new(rate, rules.burst, LARGEST_CHARGE, rules.shards.max(1), clock.clone(), empty);
        let flat = plan.profile == DayProfile::FLAT;
        Tier {
            all: limit(rate),
            blocks: (reserve > 0).then(|| limit(ByteRate(rate.0 - reserve))),
            spare: Spare::default(),
            changes_at: if flat { Moment::MAX } else { hour_begins(hour + 1) },
            shut: rate.0 == 0,
            plan,
        }
    }

    /// Returns the same level for another engine, which has nothing in hand of it.
    pub(super) fn share(&self) -> Tier {
        Tier { spare: Spare::default(), ..self.clone() }
    }

    /// Returns the rate of the hour.
    pub(super) fn rate_at(&self, now: Moment) -> ByteRate {
        self.plan.profile.at(self.plan.rate, hour_of(now))
    }

    /// Returns the largest charge for blocks that can be granted at once.
    pub(super) fn most(&self) -> u64 {
        self.blocks.as_ref().unwrap_or(&self.all).most()
    }

    /// Makes sure that a charge is covered, by the lease if it is for blocks, or says when to ask again.
    pub(super) fn renew(
        &mut self,
        lease: &mut Lease,
        now: Moment,
        bytes: u64,
        purpose: Use,
    ) -> Result<(), Moment> {
        if self.shut {
            return Err(self.changes_at);
        }
        match purpose {
            Use::Requests => {
                let short = bytes.saturating_sub(self.spare.all);
                self.set_aside(lease, short);
                if self.spare.all < bytes {
                    self.spare.all += self.all.lease(now, bytes - self.spare.all)?;
                }
            }
            Use::Blocks => {
                let in_hand = lease.0 + self.spare.all;
                if in_hand < bytes {
                    self.spare.all += self.all.lease(now, bytes - in_hand)?;
                }
                if let Some(blocks) = &self.blocks {
                    let in_hand = lease.0 + self.spare.blocks;
                    if in_hand < bytes {
                        self.spare.blocks += blocks.lease(now, bytes - in_hand)?;
                    }
                }
                self.take_up(lease);
            }
        }
        Ok(())
    }

    /// Puts into the lease what is granted for everything and for blocks.
    fn take_up(&mut self, lease: &mut Lease) {
        let Spare { all, blocks } = &mut self.spare;
        let both = match self.blocks {
            Some(_) => (*all).min(*blocks),
            None => *all,
        };
        *all -= both;
        *blocks = blocks.saturating_sub(both);
        lease.0 += both;
    }

    /// Takes so much out of the lease, or all of it: it remains in hand.
    pub(super) fn set_aside(&mut self, lease: &mut Lease, bytes: u64) {
        let bytes = bytes.min(lease.0);
        lease.0 -= bytes;
        self.spare.all += bytes;
        if self.blocks.is_some() {
            self.spare.blocks += bytes;
        }
    }

    /// Spends a charge that was renewed for.
    pub(super) fn spend(&mut self, lease: &mut Lease, bytes: u64, purpose: Use) {
        match purpose {
            Use::Blocks => lease.spend(bytes),
            Use::Requests => self.spare.all = self.spare.all.saturating_sub(bytes),
        }
    }

    /// Takes back what was spent and is not needed.
    pub(super) fn give_back(&mut self, lease: &mut Lease, bytes: u64, purpose: Use) {
        match purpose {
            Use::Blocks => lease.0 += bytes,
            Use::Requests => self.spare.all += bytes,
        }
    }

    /// Takes the rate of the hour, if one has begun. What the last hour has not used is not carried over, and what it
    /// has used counts for its burst. Engines that share the budget do not change it together, so each takes its
    /// part from now on.
    pub(super) fn change(
        &mut self,
        lease: &mut Lease,
        now: Moment,
        rules: &BudgetRules,
        clock: &EngineClock,
    ) {
        if now < self.changes_at {
            return;
        }
        let shards = u64::from(rules.shards.max(1));
        let plan = BudgetPlan { rate: ByteRate(self.plan.rate.0 / shards), ..self.plan };
        let alone = BudgetRules { shards: 1, ..*rules };
        *self = Tier { plan: self.plan, ..Tier::new(plan, &alone, clock, now, true) };
        *lease = Lease::default();
    }
}
