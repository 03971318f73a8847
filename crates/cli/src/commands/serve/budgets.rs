//! The table `[budgets]` of `serve`: what may be put on the air, headers included. Every key has its unit in its name.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use campaign::BudgetBook;
use eligibility::Inventory;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use transfer_engine::{
    BudgetPlan, ByteRate, CarrierPlan, DayCap, DayCount, DayProfile, EngineConfig, LineRate,
};

/// Budgets as an operator has agreed them with carriers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Budgets {
    /// By the whole head-end.
    pub(super) global_rate_bytes_per_s: NonZeroU64,
    /// What is free of it at each hour (UTC).
    pub(super) global_profile_permille: Profile,
    /// In one radio cell that is not named below.
    pub(super) cell_rate_bytes_per_s: NonZeroU64,
    /// To one hub.
    link_rate_bits_per_s: NonZeroU64,
    /// Whether every hub's line carries that much, as agreed with the carrier; else it is the most, and found out.
    link_rate_agreed: bool,
    /// How much time of a rate may be made up for at once.
    burst_ms: NonZeroU32,
    /// The same for one line whose rate is agreed: what a train of blocks to a hub may take of it.
    line_burst_ms: NonZeroU32,
    /// The share of every shared budget that blocks leave to reads.
    #[serde(deserialize_with = "permille")]
    pub(super) reserve_permille: u16,
    /// Carriers, or SIM pools, by the name that the inventory has for the communication services provider.
    carriers: BTreeMap<String, Carrier>,
    /// Cells with a budget of their own, by the name that the inventory has for them.
    cells: BTreeMap<String, Cell>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Carrier {
    rate_bytes_per_s: NonZeroU64,
    #[serde(default)]
    profile_permille: Profile,
    cap_megabytes_per_day: Option<NonZeroU64>,
    #[serde(default, deserialize_with = "pounds")]
    cap_pounds_per_day: Option<Micropounds>,
    #[serde(default, deserialize_with = "pounds")]
    price_pounds_per_gigabyte: Option<Micropounds>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    rate_bytes_per_s: NonZeroU64,
    #[serde(default)]
    profile_permille: Profile,
}

/// Shares of a rate by the hour.
#[derive(Clone, Debug)]
pub(super) struct Profile(pub(super) DayProfile);

/// Millionths of a pound.
#[derive(Clone, Copy, Debug)]
struct Micropounds(u64);

/// The most that anybody pays or is paid here, pounds; beyond, a number is a mistake.
const MOST_POUNDS: f64 = 1e9;

const MEGABYTE: u64 = 1_000_000;

impl Default for Budgets {
    fn default() -> Budgets {
        let rate = |rate| NonZeroU64::new(rate).unwrap_or(NonZeroU64::MIN);
        let usual = EngineConfig::default();
        let ms = |time: Duration| u32::try_from(time.as_millis()).ok().and_then(NonZeroU32::new);
        // A fraction of what GPRS class 10 carries (48 kbit/s), so that no queue grows. An operator agrees
        // numbers with the carrier (assumption).
        Budgets {
            global_rate_bytes_per_s: rate(200_000),
            global_profile_permille: Profile::default(),
            cell_rate_bytes_per_s: rate(20_000),
            link_rate_bits_per_s: rate(21_600),
            link_rate_agreed: false,
            burst_ms: ms(usual.burst).unwrap_or(NonZeroU32::MIN),
            line_burst_ms: ms(usual.line_burst).unwrap_or(NonZeroU32::MIN),
            reserve_permille: usual.reserve_permille,
            carriers: BTreeMap::new(),
            cells: BTreeMap::new(),
        }
    }
}

impl Default for Profile {
    fn default() -> Profile {
        Profile(DayProfile::FLAT)
    }
}

impl Budgets {
    /// Checks what no single value shows.
    pub(super) fn check(&self) -> Result<(), String> {
        let unpriced = self.carriers.iter().find(|(_, carrier)| {
            let is_free = carrier.price_pounds_per_gigabyte.is_none_or(|price| price.0 == 0);
            carrier.cap_pounds_per_day.is_some() && is_free
        });
        if let Some((name, _)) = unpriced {
            return Err(format!(
                "key budgets.carriers.{name}.cap_pounds_per_day: expected a price_pounds_per_gigabyte beside it"
            ));
        }
        if self.line_burst() != EngineConfig::default().line_burst && !self.link_rate_agreed {
            return Err(
                "key budgets.line_burst_ms: expected link_rate_agreed = true beside it: long trains would hide the \
                 rate of a line that is being found out"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Returns how much time of a rate may be made up for at once.
    pub(super) fn burst(&self) -> Duration {
        Duration::from_millis(u64::from(self.burst_ms.get()))
    }

    /// Returns how much of an agreed line a train may take.
    pub(super) fn line_burst(&self) -> Duration {
        Duration::from_millis(u64::from(self.line_burst_ms.get()))
    }

    /// Returns how fast a hub's line is filled.
    pub(super) fn link_rate(&self) -> LineRate {
        let rate = ByteRate(self.link_rate_bits_per_s.get().div_ceil(8));
        if self.link_rate_agreed { LineRate::Fixed(rate) } else { LineRate::AtMost(rate) }
    }

    /// Returns what has been agreed about carriers and cells, all of which must be in the inventory: a name that is
    /// mistaken would be a cap that nobody keeps.
    pub(super) fn book(&self, inventory: &Inventory) -> Result<BudgetBook, String> {
        for name in self.carriers.keys() {
            if !inventory.devices().any(|device| device.comms_provider.as_str() == name) {
                return Err(format!(
                    "key budgets.carriers.{name}: expected a comms_provider of the inventory, found no device with it"
                ));
            }
        }
        for name in self.cells.keys() {
            if !inventory.devices().any(|device| device.cell.as_str() == name) {
                return Err(format!(
                    "key budgets.cells.{name}: expected a cell of the inventory, found no device in it"
                ));
            }
        }
        let carriers = self.carriers.iter().map(|(name, carrier)| (name.clone(), carrier.plan()));
        let cells = self.cells.iter().map(|(name, cell)| {
            (
                name.clone(),
                BudgetPlan { rate: ByteRate(cell.rate_bytes_per_s.get()), profile: cell.profile_permille.0 },
            )
        });
        Ok(BudgetBook { carriers: carriers.collect(), cells: cells.collect() })
    }
}

impl Carrier {
    fn plan(&self) -> CarrierPlan {
        let budget =
            BudgetPlan { rate: ByteRate(self.rate_bytes_per_s.get()), profile: self.profile_permille.0 };
        let cap = DayCap {
            bytes: self.cap_megabytes_per_day.map(|megabytes| megabytes.get().saturating_mul(MEGABYTE)),
            money_micropounds: self.cap_pounds_per_day.map(|money| money.0),
            // Rounded up, so that the cap in money is never exceeded.
            price_micropounds_per_megabyte: self
                .price_pounds_per_gigabyte
                .map_or(0, |price| price.0.div_ceil(1_000)),
        };
        CarrierPlan { budget, cap, before: DayCount::default() }
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Profile, D::Error> {
        let shares: Vec<u16> = Vec::deserialize(deserializer)?;
        if let Some(share) = shares.iter().find(|share| **share > 1_000) {
            return Err(D::Error::custom(format!(
                "expected shares from 0 to 1000 thousandths, found {share}"
            )));
        }
        let count = shares.len();
        let hours = shares.try_into();
        hours.map(|hours| Profile(DayProfile(hours))).map_err(|_| {
            D::Error::custom(format!("expected 24 shares, one for each hour (UTC), found {count}"))
        })
    }
}

fn permille<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    match u16::deserialize(deserializer)? {
        share @ 0..=1_000 => Ok(share),
        share => Err(D::Error::custom(format!("expected 0 to 1000 thousandths, found {share}"))),
    }
}

fn pounds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Micropounds>, D::Error> {
    let pounds = f64::deserialize(deserializer)?;
    if (0.0..=MOST_POUNDS).contains(&pounds) {
        return Ok(Some(Micropounds((pounds * 1e6).round() as u64)));
    }
    Err(D::Error::custom(format!("expected pounds from 0 to {MOST_POUNDS}, found {pounds}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_file;

    #[test]
    fn every_level_is_read_with_its_units() {
        let text = "burst_ms = 20\nlink_rate_agreed = true\nline_burst_ms = 500\nreserve_permille = 100\n\
                    [carriers.CSP-1]\nrate_bytes_per_s = 5000\ncap_megabytes_per_day = 2000\n\
                    cap_pounds_per_day = 3.5\nprice_pounds_per_gigabyte = 7\n\
                    profile_permille = [1000, 1000, 1000, 1000, 1000, 1000, 500, 500, 500, 500, 500, 500, 500, 500, \
                    500, 500, 500, 0, 0, 0, 0, 500, 1000, 1000]\n[cells.C1]\nrate_bytes_per_s = 900\n";
        let budgets: Budgets = toml_file::parse(text).expect("it reads");
        assert_eq!(budgets.check(), Ok(()));
        assert_eq!((budgets.burst(), budgets.reserve_permille), (Duration::from_millis(20), 100));
        assert_eq!(budgets.line_burst(), Duration::from_millis(500));
        assert_eq!(budgets.link_rate(), LineRate::Fixed(ByteRate(2_700)));
        assert_eq!(budgets.global_rate_bytes_per_s.get(), 200_000);
        let plan = budgets.carriers["CSP-1"].plan();
        assert_eq!(plan.budget.rate, ByteRate(5_000));
        assert_eq!((plan.budget.profile.0[5], plan.budget.profile.0[17]), (1_000, 0));
        assert_eq!(plan.cap.bytes, Some(2_000_000_000));
        assert_eq!(plan.cap.in_bytes(), 500_000_000, "3.50 pounds at 7 pounds a gigabyte come first");
        assert_eq!(budgets.cells["C1"].rate_bytes_per_s.get(), 900);
    }

    #[test]
    fn a_name_that_the_inventory_does_not_have_is_refused() {
        let inventory = Inventory::from_rows(Vec::new()).expect("nobody");
        let read = |text| toml_file::parse::<Budgets>(text).expect("it reads").book(&inventory);
        let found = read("[carriers.CSP-9]\nrate_bytes_per_s = 5000").expect_err("nobody has it");
        assert!(
            found.starts_with("key budgets.carriers.CSP-9: expected a comms_provider of the inventory"),
            "{found}"
        );
        let found = read("[cells.C9]\nrate_bytes_per_s = 5000").expect_err("nobody is in it");
        assert!(found.starts_with("key budgets.cells.C9: expected a cell of the inventory"), "{found}");
        assert_eq!(read(""), Ok(BudgetBook::default()));
    }
}
