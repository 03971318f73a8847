//! Shared budgets: global, carrier, cell; and the pace of each link.
//!
//! ```text
//!   global ── carrier (SIM pool: rate, profile, cap per day) ── cell ── link
//!     └ whole rate: requests        └ less the reserve: blocks
//! ```
//!
//! A block needs room at every level. Blocks never use the reserved share, so that reads answer in time while a
//! campaign runs. Property, held by tests: in no window of any length does a level carry more than its rate times
//! the window and its burst: the configured time of the rate, or for budgets too small for that a largest block at
//! hand and another one in the hands of each engine.
//!
//! A decision is a few comparisons and subtractions of leases. Limits, profiles and caps are looked at when a lease
//! is used up, and when an hour or a day begins.

mod lease;
mod limit;
mod pacer;
mod plan;

use std::time::Duration;

use lease::{Lease, UNRESERVED};
pub(crate) use limit::EngineClock;
use limit::Limit;
pub use pacer::Pacer;
pub use plan::{BudgetPlan, CarrierPlan, DayCap, DayProfile};
use plan::{day_begins, day_of, hour_begins, hour_of};

use crate::Moment;

/// A rate on a wire, in bytes per second, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRate(pub u64);

impl ByteRate {
    /// Returns how long `bytes` occupy a line of this rate; a rate of zero never finishes.
    pub fn time_for(self, bytes: usize) -> Duration {
        match self.0 {
            0 => Duration::MAX,
            rate => Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000).div_ceil(rate)),
        }
    }
}

/// A carrier, or one SIM pool of it. A dense index in order of addition; 0 is there from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierId(pub u16);

/// A radio cell: hubs that share one budget. A dense index in order of addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub u32);

/// IP and UDP headers, bytes: what a datagram costs on the line beside its content.
pub(crate) const DATAGRAM_OVERHEAD: usize = 28;

/// The largest single charge: one block of 8 KiB with its headers. Trains are kept below it or below the burst.
pub(crate) const LARGEST_CHARGE: u64 = 8_192 + 64 + DATAGRAM_OVERHEAD as u64;

/// What bytes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Requests and their answers: may use everything, the reserve included.
    Requests,
    /// Blocks of images: may use what is not reserved.
    Blocks,
}

/// Which level refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The whole head-end.
    Global,
    /// The carrier of the cell.
    Carrier,
    /// The cell.
    Cell,
}

/// A refusal: which level, and when to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who refused.
    pub level: Level,
    /// When it may grant.
    pub until: Moment,
}

/// How budgets are set up.
#[derive(Clone, Copy, Debug)]
pub struct BudgetRules {
    /// What the whole head-end may send.
    pub global: BudgetPlan,
    /// How much time of a rate may be made up for at once.
    pub burst: Duration,
    /// The share of every shared budget that blocks leave to requests, in thousandths.
    pub reserve_permille: u16,
    /// How many engines share these budgets, each on its core.
    pub shards: u32,
}

/// One level: a limit for everything, and one for blocks.
#[derive(Clone, Debug)]
struct Tier {
    all: Limit,
    /// `None`: nothing is reserved.
    blocks: Option<Limit>,
    /// When the rate changes next.
    changes_at: Moment,
    /// The hour leaves nothing.
    shut: bool,
    plan: BudgetPlan,
}

#[derive(Clone, Debug)]
struct Carrier {
    lease: Lease,
    cap: u64,
    cap_for_blocks: u64,
    carried: u64,
    /// When counting begins anew.
    midnight: Moment,
    tier: Tier,
}

/// What a decision touches of a cell.
#[derive(Clone, Copy, Debug)]
struct CellLease {
    lease: Lease,
    carrier: CarrierId,
}

/// The tree of shared budgets, as one engine sees it.
#[derive(Debug)]
pub struct Budgets {
    rules: BudgetRules,
    start: Moment,
    clock: EngineClock,
    global_lease: Lease,
    cell_leases: Vec<CellLease>,
    carriers: Vec<Carrier>,
    global: Tier,
    cells: Vec<Tier>,
    /// When a rate changes or a day begins anywhere.
    changes_at: Moment,
}

impl Budgets {
    /// Makes the tree with its global budget and one carrier that never binds.
    pub fn new(rules: BudgetRules, start: Moment) -> Budgets {
        let clock = EngineClock::default();
        let global = Tier::new(rules.global, &rules, &clock, start, false);
        let mut budgets = Budgets {
            rules,
            start,
            clock,
            global_lease: global.no_lease(),
            cell_leases: Vec::new(),
            carriers: Vec::new(),
            changes_at: global.changes_at,
            global,
            cells: Vec::new(),
        };
        let unbound = BudgetPlan::from(ByteRate(1 << 40));
        budgets.add_carrier(start, CarrierPlan { budget: unbound, cap: DayCap::default() });
        budgets
    }

    /// Returns the same budgets for an engine on another core. Leases are its own; caps are divided evenly. Add
    /// all carriers and cells before.
    pub fn share(&self) -> Budgets {
        let carriers = self.carriers.iter();
        let cells = self.cell_leases.iter().zip(&self.cells);
        Budgets {
            rules: self.rules,
            start: self.start,
            clock: self.clock.clone(),
            global_lease: self.global.no_lease(),
            cell_leases: cells.map(|(cell, tier)| CellLease { lease: tier.no_lease(), ..*cell }).collect(),
            carriers: carriers
                .map(|carrier| Carrier { lease: carrier.tier.no_lease(), ..carrier.clone() })
                .collect(),
            global: self.global.clone(),
            cells: self.cells.clone(),
            changes_at: self.changes_at,
        }
    }

    /// Adds a carrier.
    pub fn add_carrier(&mut self, now: Moment, plan: CarrierPlan) -> CarrierId {
        let cap = plan.cap.in_bytes() / u64::from(self.rules.shards.max(1));
        let reserve = u128::from(cap) * u128::from(self.rules.reserve_permille.min(1_000)) / 1_000;
        let tier = Tier::new(plan.budget, &self.rules, &self.clock, now, false);
        let midnight = day_begins(day_of(now) + 1);
        self.changes_at = self.changes_at.min(tier.changes_at).min(midnight);
        self.carriers.push(Carrier {
            lease: tier.no_lease(),
            cap,
            cap_for_blocks: cap - reserve as u64,
            carried: 0,
            midnight,
            tier,
        });
        CarrierId(self.carriers.len() as u16 - 1)
    }

    /// Adds a cell of a carrier that exists.
    pub fn add_cell(&mut self, now: Moment, carrier: CarrierId, plan: BudgetPlan) -> CellId {
        assert!((carrier.0 as usize) < self.carriers.len(), "the carrier was added before");
        let tier = Tier::new(plan, &self.rules, &self.clock, now, false);
        self.changes_at = self.changes_at.min(tier.changes_at);
        self.cell_leases.push(CellLease { lease: tier.no_lease(), carrier });
        self.cells.push(tier);
        CellId(self.cells.len() as u32 - 1)
    }

    /// Returns how many carriers there are.
    pub fn carriers(&self) -> usize {
        self.carriers.len()
    }

    /// Returns how many cells there are.
    pub fn cells(&self) -> u32 {
        self.cells.len() as u32
    }

    /// Returns the carrier of a cell.
    pub fn carrier_of(&self, cell: CellId) -> CarrierId {
        self.cell_leases[cell.0 as usize].carrier
    }

    /// Returns the largest charge for blocks that a cell and all above it can grant at once, today.
    pub(crate) fn largest_charge(&self, cell: CellId) -> u64 {
        let CellLease { lease, carrier } = &self.cell_leases[cell.0 as usize];
        let carrier = &self.carriers[usize::from(carrier.0)];
        let left_today = carrier.cap_for_blocks.saturating_sub(carrier.carried);
        lease.most.min(carrier.lease.most).min(self.global_lease.most).min(left_today)
    }

    /// Moves the clock, which never goes back. To be called before charges are admitted at a later moment.
    pub fn advance(&mut self, now: Moment) {
        self.clock.set(now, self.start);
        if now >= self.changes_at {
            self.change(now);
        }
    }

    /// Begins an hour or a day wherever one begins.
    #[cold]
    fn change(&mut self, now: Moment) {
        let Budgets { rules, clock, .. } = self;
        self.global.change(&mut self.global_lease, now, rules, clock);
        let mut next = self.global.changes_at;
        for carrier in &mut self.carriers {
            carrier.roll_day(now);
            carrier.tier.change(&mut carrier.lease, now, rules, clock);
            next = next.min(carrier.tier.changes_at).min(carrier.midnight);
        }
        for (cell, tier) in self.cell_leases.iter_mut().zip(&mut self.cells) {
            tier.change(&mut cell.lease, now, rules, clock);
            next = next.min(tier.changes_at);
        }
        self.changes_at = next;
    }

    /// Grants so many bytes in a cell at every level, or at none.
    ///
    /// # Panics
    ///
    /// Panics when a charge is larger than a level's burst, and so could never be granted.
    #[inline]
    pub fn admit(&mut self, now: Moment, cell: CellId, bytes: u64, purpose: Use) -> Result<(), Refusal> {
        let CellLease { lease, carrier } = &mut self.cell_leases[cell.0 as usize];
        let carrier = &mut self.carriers[usize::from(carrier.0)];
        let covered = lease.covers(bytes, purpose)
            & carrier.lease.covers(bytes, purpose)
            & carrier.cap_allows(bytes, purpose)
            & self.global_lease.covers(bytes, purpose);
        if !covered {
            return self.renew_and_admit(now, cell, bytes, purpose);
        }
        lease.spend(bytes, purpose);
        carrier.lease.spend(bytes, purpose);
        carrier.carried += bytes;
        self.global_lease.spend(bytes, purpose);
        Ok(())
    }

    /// Renews the leases that do not cover a charge, from the cell up, and grants it if all could be had.
    #[cold]
    fn renew_and_admit(
        &mut self,
        now: Moment,
        cell: CellId,
        bytes: u64,
        purpose: Use,
    ) -> Result<(), Refusal> {
        let tier = &self.cells[cell.0 as usize];
        let CellLease { lease, carrier } = &mut self.cell_leases[cell.0 as usize];
        let carrier = &mut self.carriers[usize::from(carrier.0)];
        let refused = |level| move |until| Refusal { level, until };
        tier.renew(lease, now, bytes, purpose).map_err(refused(Level::Cell))?;
        if !carrier.cap_allows(bytes, purpose) {
            return Err(Refusal { level: Level::Carrier, until: carrier.midnight });
        }
        carrier.tier.renew(&mut carrier.lease, now, bytes, purpose).map_err(refused(Level::Carrier))?;
        self.global.renew(&mut self.global_lease, now, bytes, purpose).map_err(refused(Level::Global))?;
        lease.spend(bytes, purpose);
        carrier.lease.spend(bytes, purpose);
        carrier.carried = carrier.carried.saturating_add(bytes);
        self.global_lease.spend(bytes, purpose);
        Ok(())
    }

    /// Takes back what was admitted and not sent.
    pub(crate) fn give_back(&mut self, cell: CellId, bytes: u64, purpose: Use) {
        let CellLease { lease, carrier } = &mut self.cell_leases[cell.0 as usize];
        let carrier = &mut self.carriers[usize::from(carrier.0)];
        carrier.carried = carrier.carried.saturating_sub(bytes);
        for lease in [lease, &mut carrier.lease, &mut self.global_lease] {
            lease.give_back(bytes, purpose);
        }
    }

    /// Notes bytes that came in: carriers count both directions.
    pub fn received(&mut self, now: Moment, cell: CellId, bytes: u64) {
        let carrier = self.carrier_of(cell);
        let carrier = &mut self.carriers[usize::from(carrier.0)];
        carrier.roll_day(now);
        carrier.carried = carrier.carried.saturating_add(bytes);
    }

    /// Returns what a carrier has carried since midnight.
    pub fn carried_today(&self, carrier: CarrierId) -> u64 {
        self.carriers[usize::from(carrier.0)].carried
    }
}

impl Carrier {
    fn roll_day(&mut self, now: Moment) {
        if now >= self.midnight {
            (self.midnight, self.carried) = (day_begins(day_of(now) + 1), 0);
        }
    }

    #[inline]
    fn cap_allows(&self, bytes: u64, purpose: Use) -> bool {
        let cap = if purpose == Use::Blocks { self.cap_for_blocks } else { self.cap };
        self.carried.saturating_add(bytes) <= cap
    }
}

impl Tier {
    fn new(plan: BudgetPlan, rules: &BudgetRules, clock: &EngineClock, now: Moment, empty: bool) -> Tier {
        let hour = hour_of(now);
        let rate = plan.profile.at(plan.rate, hour);
        let reserve = u128::from(rate.0) * u128::from(rules.reserve_permille.min(1_000)) / 1_000;
        let limit =
            |rate| Limit::new(rate, rules.burst, LARGEST_CHARGE, rules.shards.max(1), clock.clone(), empty);
        let flat = plan.profile == DayProfile::FLAT;
        Tier {
            all: limit(rate),
            blocks: (reserve > 0).then(|| limit(ByteRate(rate.0 - reserve as u64))),
            changes_at: if flat { Moment::MAX } else { hour_begins(hour + 1) },
            shut: rate.0 == 0,
            plan,
        }
    }

    /// Returns a lease of nothing.
    fn no_lease(&self) -> Lease {
        let (blocks, most) = match &self.blocks {
            Some(blocks) => (0, blocks.most()),
            None => (UNRESERVED, self.all.most()),
        };
        Lease { all: 0, blocks, most }
    }

    /// Makes sure that a lease covers a charge, or says when to ask again.
    fn renew(&self, lease: &mut Lease, now: Moment, bytes: u64, purpose: Use) -> Result<(), Moment> {
        if self.shut {
            return Err(self.changes_at);
        }
        if lease.all < bytes {
            lease.all += self.all.lease(now, bytes - lease.all)?;
        }
        if let (Use::Blocks, Some(blocks)) = (purpose, &self.blocks)
            && lease.blocks < bytes
        {
            lease.blocks += blocks.lease(now, bytes - lease.blocks)?;
        }
        Ok(())
    }

    /// Takes the rate of the hour, if one has begun. What the last hour has not used is not carried over, and what it
    /// has used counts for its burst. Engines that share the budget do not change it together, so each takes its
    /// part from now on.
    fn change(&mut self, lease: &mut Lease, now: Moment, rules: &BudgetRules, clock: &EngineClock) {
        if now < self.changes_at {
            return;
        }
        let shards = u64::from(rules.shards.max(1));
        let plan = BudgetPlan { rate: ByteRate(self.plan.rate.0 / shards), ..self.plan };
        let alone = BudgetRules { shards: 1, ..*rules };
        *self = Tier { plan: self.plan, ..Tier::new(plan, &alone, clock, now, true) };
        *lease = self.no_lease();
    }
}

#[cfg(test)]
mod tests;
