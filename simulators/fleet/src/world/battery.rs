//! The `[device.gas.battery]` table: what a gas meter's battery holds, and what an update draws from it.
//!
//! The defaults are assumptions: a lithium cell of size D (19 Ah), a hundredth of it kept for metering, and a radio that
//! takes 25 mA for a quarter of a second at each wake and for a tenth of one with each block. So an image of 241 kB in
//! blocks of 48 bytes draws 3.5 mAh, and a low battery, with 1 mAh above the reserve, not more than a third of it.

use serde::{Deserialize, Deserializer, de::Error};

use crate::meter::Battery;

const NAH_PER_MAH: u64 = 1_000_000;

/// A gas meter's battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatterySpec {
    /// What it holds when the world begins, in mAh.
    pub charge_mah: u32,
    /// What it holds in the homes of `low_battery_share`.
    pub low_mah: u32,
    /// What is kept for metering: below it the meter fetches no block and obeys no order.
    pub reserve_mah: u32,
    /// What a wake draws, in nAh.
    pub wake_nah: u32,
    /// What a block draws, in nAh.
    pub block_nah: u32,
}

impl Default for BatterySpec {
    fn default() -> BatterySpec {
        BatterySpec { charge_mah: 19_000, low_mah: 191, reserve_mah: 190, wake_nah: 1_736, block_nah: 694 }
    }
}

impl BatterySpec {
    /// Returns the battery of one meter.
    pub(crate) fn battery(&self, is_low: bool) -> Battery {
        let charge_mah = if is_low { self.low_mah } else { self.charge_mah };
        Battery {
            charge_nah: u64::from(charge_mah) * NAH_PER_MAH,
            reserve_nah: u64::from(self.reserve_mah) * NAH_PER_MAH,
            wake_nah: self.wake_nah,
            block_nah: self.block_nah,
        }
    }
}

/// Reads the table and checks that what is low is not more than all.
pub(super) fn battery<'de, D: Deserializer<'de>>(source: D) -> Result<BatterySpec, D::Error> {
    let spec = BatterySpec::deserialize(source)?;
    if spec.low_mah > spec.charge_mah {
        return Err(D::Error::custom("expected `low_mah` of at most `charge_mah`"));
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use crate::world::WorldSpec;

    const STREET: &str = include_str!("../../../fleets/street.toml");

    #[test]
    fn a_low_battery_holds_no_more_than_a_full_one() {
        let table = "[device.gas.battery]\nlow_mah = 20000\n\n[device.display";
        let text = STREET.replacen("[device.display", table, 1);
        let error = WorldSpec::parse(&text).expect_err("20 Ah are more than the 19 of a full one");
        assert!(error.expected.contains("`low_mah` of at most `charge_mah`"), "{error}");
        assert_eq!(error.key, "device.gas.battery", "{error}");
    }
}
