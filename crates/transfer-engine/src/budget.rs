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

mod limit;
mod pacer;
mod plan;

use std::time::Duration;

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
#[derive(Debug)]
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

#[derive(Debug)]
struct Carrier {
    tier: Tier,
    cap: u64,
    cap_for_blocks: u64,
    carried: u64,
    /// When counting begins anew.
    midnight: Moment,
}

/// The tree of shared budgets, as one engine sees it.
#[derive(Debug)]
pub struct Budgets {
    rules: BudgetRules,
    start: Moment,
    clock: EngineClock,
    global: Tier,
    carriers: Vec<Carrier>,
    cells: Vec<(Tier, CarrierId)>,
}

impl Budgets {
    /// Makes the tree with its global budget and one carrier that never binds.
    pub fn new(rules: BudgetRules, start: Moment) -> Budgets {
        let clock = EngineClock::default();
        let global = Tier::new(rules.global, &rules, &clock, start, false);
        let mut budgets = Budgets { rules, start, clock, global, carriers: Vec::new(), cells: Vec::new() };
        let unbound = BudgetPlan::from(ByteRate(1 << 40));
        budgets.add_carrier(start, CarrierPlan { budget: unbound, cap: DayCap::default() });
        budgets
    }

    /// Returns the same budgets for an engine on another core. Leases are its own; caps are divided evenly. Add
    /// all carriers and cells before.
    pub fn share(&self) -> Budgets {
        let carriers = self.carriers.iter().map(|carrier| Carrier { tier: carrier.tier.share(), ..*carrier });
        Budgets {
            rules: self.rules,
            start: self.start,
            clock: self.clock.clone(),
            global: self.global.share(),
            carriers: carriers.collect(),
            cells: self.cells.iter().map(|(tier, carrier)| (tier.share(), *carrier)).collect(),
        }
    }

    /// Adds a carrier.
    pub fn add_carrier(&mut self, now: Moment, plan: CarrierPlan) -> CarrierId {
        let cap = plan.cap.in_bytes() / u64::from(self.rules.shards.max(1));
        let reserve = u128::from(cap) * u128::from(self.rules.reserve_permille.min(1_000)) / 1_000;
        self.carriers.push(Carrier {
            tier: Tier::new(plan.budget, &self.rules, &self.clock, now, false),
            cap,
            cap_for_blocks: cap - reserve as u64,
            carried: 0,
            midnight: day_begins(day_of(now) + 1),
        });
        CarrierId(self.carriers.len() as u16 - 1)
    }

    /// Adds a cell of a carrier that exists.
    pub fn add_cell(&mut self, now: Moment, carrier: CarrierId, plan: BudgetPlan) -> CellId {
        assert!((carrier.0 as usize) < self.carriers.len(), "the carrier was added before");
        self.cells.push((Tier::new(plan, &self.rules, &self.clock, now, false), carrier));
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
        self.cells[cell.0 as usize].1
    }

    /// Returns the largest charge for blocks that a cell and all above it can grant at once, today.
    pub(crate) fn largest_charge(&self, cell: CellId) -> u64 {
        let (tier, carrier) = &self.cells[cell.0 as usize];
        let carrier = &self.carriers[usize::from(carrier.0)];
        let left_today = carrier.cap_for_blocks.saturating_sub(carrier.carried);
        let tiers = [tier, &carrier.tier, &self.global];
        tiers.iter().map(|tier| tier.most()).fold(left_today, u64::min)
    }

    /// Moves the clock. It never goes back.
    pub fn advance(&mut self, now: Moment) {
        self.clock.set(now, self.start);
    }

    /// Grants so many bytes in a cell at every level, or at none.
    ///
    /// # Panics
    ///
    /// Panics when a charge is larger than a level's burst, and so could never be granted.
    pub fn admit(&mut self, now: Moment, cell: CellId, bytes: u64, purpose: Use) -> Result<(), Refusal> {
        let Budgets { rules, clock, global, carriers, cells, .. } = self;
        let (cell, carrier) = &mut cells[cell.0 as usize];
        let carrier = &mut carriers[usize::from(carrier.0)];
        let refused = |level| move |until| Refusal { level, until };
        cell.ensure(now, bytes, purpose, rules, clock).map_err(refused(Level::Cell))?;
        carrier.check_cap(now, bytes, purpose).map_err(refused(Level::Carrier))?;
        carrier.tier.ensure(now, bytes, purpose, rules, clock).map_err(refused(Level::Carrier))?;
        global.ensure(now, bytes, purpose, rules, clock).map_err(refused(Level::Global))?;
        cell.spend(bytes, purpose);
        carrier.tier.spend(bytes, purpose);
        carrier.carried = carrier.carried.saturating_add(bytes);
        global.spend(bytes, purpose);
        Ok(())
    }

    /// Takes back what was admitted and not sent.
    pub(crate) fn give_back(&mut self, cell: CellId, bytes: u64, purpose: Use) {
        let (cell, carrier) = &mut self.cells[cell.0 as usize];
        let carrier = &mut self.carriers[usize::from(carrier.0)];
        carrier.carried = carrier.carried.saturating_sub(bytes);
        for tier in [cell, &mut carrier.tier, &mut self.global] {
            tier.give_back(bytes, purpose);
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

    fn check_cap(&mut self, now: Moment, bytes: u64, purpose: Use) -> Result<(), Moment> {
        self.roll_day(now);
        let cap = if purpose == Use::Blocks { self.cap_for_blocks } else { self.cap };
        if self.carried.saturating_add(bytes) > cap { Err(self.midnight) } else { Ok(()) }
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

    fn share(&self) -> Tier {
        Tier { all: self.all.share(), blocks: self.blocks.as_ref().map(Limit::share), ..*self }
    }

    /// Returns the largest charge for blocks that can be granted at once.
    fn most(&self) -> u64 {
        self.blocks.as_ref().unwrap_or(&self.all).most()
    }

    #[inline]
    fn ensure(
        &mut self,
        now: Moment,
        bytes: u64,
        purpose: Use,
        rules: &BudgetRules,
        clock: &EngineClock,
    ) -> Result<(), Moment> {
        if now >= self.changes_at {
            self.change(now, rules, clock);
        }
        if self.shut {
            return Err(self.changes_at);
        }
        self.all.ensure(now, bytes)?;
        match &mut self.blocks {
            Some(blocks) if purpose == Use::Blocks => blocks.ensure(now, bytes),
            _ => Ok(()),
        }
    }

    /// Takes the rate of the hour. What the last hour has not used is not carried over, and what it has used counts
    /// for its burst. Engines that share the budget do not change it together, so each takes its part from now on.
    #[cold]
    fn change(&mut self, now: Moment, rules: &BudgetRules, clock: &EngineClock) {
        let shards = u64::from(rules.shards.max(1));
        let plan = BudgetPlan { rate: ByteRate(self.plan.rate.0 / shards), ..self.plan };
        let alone = BudgetRules { shards: 1, ..*rules };
        *self = Tier { plan: self.plan, ..Tier::new(plan, &alone, clock, now, true) };
    }

    fn give_back(&mut self, bytes: u64, purpose: Use) {
        self.all.give_back(bytes);
        if let (Use::Blocks, Some(blocks)) = (purpose, &mut self.blocks) {
            blocks.give_back(bytes);
        }
    }

    fn spend(&mut self, bytes: u64, purpose: Use) {
        self.all.spend(bytes);
        if let (Use::Blocks, Some(blocks)) = (purpose, &mut self.blocks) {
            blocks.spend(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
