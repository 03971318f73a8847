//! What has been agreed about a budget: its rate by the hour, its cap by the day, what it costs.

use super::ByteRate;
use crate::Moment;

/// Hours of a day.
const HOURS: usize = 24;

const MICROS_PER_HOUR: u64 = 3_600_000_000;
const MICROS_PER_DAY: u64 = HOURS as u64 * MICROS_PER_HOUR;

/// What share of a rate is free at each hour of the day (UTC), in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayProfile(pub [u16; HOURS]);

impl DayProfile {
    /// The whole rate at every hour.
    pub const FLAT: DayProfile = DayProfile([1_000; HOURS]);

    pub(crate) fn at(&self, rate: ByteRate, hour: u64) -> ByteRate {
        let share = self.0[(hour % HOURS as u64) as usize].min(1_000);
        ByteRate((u128::from(rate.0) * u128::from(share) / 1_000) as u64)
    }
}

/// What the traffic of a SIM pool may amount to between two midnights (UTC), both directions together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DayCap {
    /// Bytes; `None` is without bound.
    pub bytes: Option<u64>,
    /// Money, in millionths of a pound; `None` is without bound.
    pub money_micropounds: Option<u64>,
    /// What a million bytes cost, in millionths of a pound.
    pub price_micropounds_per_megabyte: u64,
}

impl DayCap {
    /// Returns the cap in bytes, by whichever bound comes first.
    pub fn in_bytes(&self) -> u64 {
        let price = u128::from(self.price_micropounds_per_megabyte);
        let affordable = match self.money_micropounds {
            Some(money) if price > 0 => {
                u64::try_from(u128::from(money) * 1_000_000 / price).unwrap_or(u64::MAX)
            }
            _ => u64::MAX,
        };
        affordable.min(self.bytes.unwrap_or(u64::MAX))
    }
}

/// A budget as it was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetPlan {
    /// The rate at the best of hours.
    pub rate: ByteRate,
    /// What is free of it by the hour.
    pub profile: DayProfile,
}

impl From<ByteRate> for BudgetPlan {
    /// The same rate around the clock.
    fn from(rate: ByteRate) -> BudgetPlan {
        BudgetPlan { rate, profile: DayProfile::FLAT }
    }
}

/// A carrier's network as one SIM pool uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarrierPlan {
    /// Its rate.
    pub budget: BudgetPlan,
    /// Its cap.
    pub cap: DayCap,
    /// What it has carried before we began to count: a restart grants no second cap.
    pub before: DayCount,
}

/// What was carried on one day, in both directions together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DayCount {
    /// The day, from the one of the Unix epoch (UTC).
    pub day: u64,
    /// Bytes.
    pub bytes: u64,
}

impl DayCount {
    /// Returns the day of a moment.
    pub fn day_of(now: Moment) -> u64 {
        day_of(now)
    }

    /// Returns when a day ends.
    pub fn end_of(day: u64) -> Moment {
        day_begins(day.saturating_add(1))
    }

    /// Returns what it counts of a day.
    pub fn on(self, day: u64) -> u64 {
        if self.day == day { self.bytes } else { 0 }
    }
}

pub(crate) fn hour_of(now: Moment) -> u64 {
    now.as_micros() / MICROS_PER_HOUR
}

pub(crate) fn hour_begins(hour: u64) -> Moment {
    Moment::from_micros(hour.saturating_mul(MICROS_PER_HOUR))
}

pub(crate) fn day_of(now: Moment) -> u64 {
    now.as_micros() / MICROS_PER_DAY
}

pub(crate) fn day_begins(day: u64) -> Moment {
    Moment::from_micros(day.saturating_mul(MICROS_PER_DAY))
}
