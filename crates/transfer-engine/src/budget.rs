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
//! A decision about blocks is a comparison and a subtraction for each level. Limits, profiles and caps are looked at when
//! a lease is used up, for requests, and when an hour or a day begins.

mod carrier;
mod lease;
mod limit;
mod pacer;
mod plan;
mod tier;

use std::time::Duration;

use carrier::Carrier;
use lease::Lease;
use limit::EngineClock;
pub use pacer::{AirTime, Pacer};
pub use plan::{BudgetPlan, CarrierPlan, DayCap, DayCount, DayProfile};
use tier::Tier;

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

impl BudgetRules {
    /// Returns how much of a rate or a cap blocks leave to requests.
    pub(crate) fn reserve_of(&self, whole: u64) -> u64 {
        let reserve = u128::from(whole) * u128::from(self.reserve_permille.min(1_000)) / 1_000;
        reserve as u64
    }
}

/// What a decision touches of a cell.
#[derive(Clone, Copy, Debug)]
struct CellLease {
    lease: Lease,
    /// The largest charge for blocks that the cell can grant at once.
    most: u32,
    carrier: CarrierId,
}

/// The tree of shared budgets, as one engine sees it.
#[derive(Debug)]
pub struct Budgets {
    rules: BudgetRules,
    start: Moment,
    clock: EngineClock,
    global_lease: Lease,
    carrier_leases: Vec<Lease>,
    cell_leases: Vec<CellLease>,
    global: Tier,
    carriers: Vec<Carrier>,
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
            global_lease: Lease::default(),
            carrier_leases: Vec::new(),
            cell_leases: Vec::new(),
            carriers: Vec::new(),
            changes_at: global.changes_at,
            global,
            cells: Vec::new(),
        };
        let unbound = BudgetPlan::from(ByteRate(1 << 40));
        budgets.add_carrier(
            start,
            CarrierPlan { budget: unbound, cap: DayCap::default(), before: DayCount::default() },
        );
        budgets
    }

    /// Returns the same budgets for an engine on another core. Leases are its own; caps are divided evenly. Add
    /// all carriers and cells before.
    pub fn share(&self) -> Budgets {
        let carriers = self.carriers.iter().zip(&self.carrier_leases);
        let cells = self.cell_leases.iter();
        Budgets {
            rules: self.rules,
            start: self.start,
            clock: self.clock.clone(),
            global_lease: Lease::default(),
            carrier_leases: vec![Lease::default(); self.carriers.len()],
            cell_leases: cells.map(|cell| CellLease { lease: Lease::default(), ..*cell }).collect(),
            global: self.global.share(),
            carriers: carriers.map(|(carrier, lease)| carrier.share(*lease)).collect(),
            cells: self.cells.iter().map(Tier::share).collect(),
            changes_at: self.changes_at,
        }
    }

    /// Adds a carrier.
    pub fn add_carrier(&mut self, now: Moment, plan: CarrierPlan) -> CarrierId {
        let carrier = Carrier::new(plan, &self.rules, &self.clock, now);
        self.changes_at = self.changes_at.min(carrier.tier.changes_at).min(carrier.midnight);
        self.carriers.push(carrier);
        self.carrier_leases.push(Lease::default());
        CarrierId(self.carriers.len() as u16 - 1)
    }

    /// Adds a cell of a carrier that exists.
    pub fn add_cell(&mut self, now: Moment, carrier: CarrierId, plan: BudgetPlan) -> CellId {
        assert!((carrier.0 as usize) < self.carriers.len(), "the carrier was added before");
        let tier = Tier::new(plan, &self.rules, &self.clock, now, false);
        self.changes_at = self.changes_at.min(tier.changes_at);
        self.cell_leases.push(CellLease { lease: Lease::default(), most: narrow(tier.most()), carrier });
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
        let CellLease { most, carrier, .. } = self.cell_leases[cell.0 as usize];
        let (carrier, lease) =
            (&self.carriers[usize::from(carrier.0)], self.carrier_leases[usize::from(carrier.0)]);
        let left_today = carrier.left_for_blocks(lease);
        u64::from(most).min(carrier.tier.most()).min(self.global.most()).min(left_today)
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
        for (carrier, lease) in self.carriers.iter_mut().zip(&mut self.carrier_leases) {
            carrier.roll_day(lease, now);
            carrier.change(lease, now, rules, clock);
            next = next.min(carrier.tier.changes_at).min(carrier.midnight);
        }
        for (cell, tier) in self.cell_leases.iter_mut().zip(&mut self.cells) {
            tier.change(&mut cell.lease, now, rules, clock);
            cell.most = narrow(tier.most());
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
        let CellLease { lease, carrier, .. } = &mut self.cell_leases[cell.0 as usize];
        let carrier = &mut self.carrier_leases[usize::from(carrier.0)];
        // Without branches between them, as they go together.
        let covered = lease.covers(bytes) & carrier.covers(bytes) & self.global_lease.covers(bytes);
        if purpose == Use::Requests || !covered {
            return self.renew_and_admit(now, cell, bytes, purpose);
        }
        lease.spend(bytes);
        carrier.spend(bytes);
        self.global_lease.spend(bytes);
        Ok(())
    }

    /// Renews what does not cover a charge, from the cell up, and grants it if all could be had.
    #[cold]
    fn renew_and_admit(
        &mut self,
        now: Moment,
        cell: CellId,
        bytes: u64,
        purpose: Use,
    ) -> Result<(), Refusal> {
        let (tier, place) = (&mut self.cells[cell.0 as usize], &mut self.cell_leases[cell.0 as usize]);
        let index = usize::from(place.carrier.0);
        let (carrier, carrier_lease) = (&mut self.carriers[index], &mut self.carrier_leases[index]);
        let refused = |level| move |until| Refusal { level, until };
        tier.renew(&mut place.lease, now, bytes, purpose).map_err(refused(Level::Cell))?;
        carrier.renew(carrier_lease, now, bytes, purpose).map_err(refused(Level::Carrier))?;
        self.global.renew(&mut self.global_lease, now, bytes, purpose).map_err(refused(Level::Global))?;
        tier.spend(&mut place.lease, bytes, purpose);
        carrier.spend(carrier_lease, bytes, purpose);
        self.global.spend(&mut self.global_lease, bytes, purpose);
        Ok(())
    }

    /// Takes back what was admitted and not sent.
    #[inline]
    pub(crate) fn give_back(&mut self, cell: CellId, bytes: u64, purpose: Use) {
        if bytes == 0 {
            return;
        }
        let (tier, place) = (&mut self.cells[cell.0 as usize], &mut self.cell_leases[cell.0 as usize]);
        let index = usize::from(place.carrier.0);
        tier.give_back(&mut place.lease, bytes, purpose);
        self.carriers[index].give_back(&mut self.carrier_leases[index], bytes, purpose);
        self.global.give_back(&mut self.global_lease, bytes, purpose);
    }

    /// Notes bytes that came in: carriers count both directions.
    pub fn received(&mut self, now: Moment, cell: CellId, bytes: u64) {
        let index = usize::from(self.carrier_of(cell).0);
        let (carrier, lease) = (&mut self.carriers[index], &mut self.carrier_leases[index]);
        carrier.roll_day(lease, now);
        let carried = carrier.carried(*lease).saturating_add(bytes);
        carrier.set_carried(lease, carried);
    }

    /// Returns what blocks may take of a carrier's rate at the moment: that of the hour, and none when its cap is used up.
    pub fn rate_of(&self, carrier: CarrierId, now: Moment) -> ByteRate {
        let index = usize::from(carrier.0);
        self.carriers[index].rate_now(self.carrier_leases[index], now)
    }

    /// Returns what a carrier has carried since midnight.
    pub fn carried_today(&self, carrier: CarrierId) -> u64 {
        let index = usize::from(carrier.0);
        self.carriers[index].carried(self.carrier_leases[index])
    }
}

/// Returns a largest charge in 4 B: trains are far shorter than four gigabytes.
fn narrow(most: u64) -> u32 {
    u32::try_from(most).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
