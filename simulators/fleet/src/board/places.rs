//! What lies where in the flash of a device.
//!
//! ```text
//! region 0, 1        the two copies of the boot record      region 2       the security log
//! region 3..3+r      the device's own records               region 3+r     papers
//! region 4+r+2b      data of bank b                         region 5+r+2b  marks of bank b
//! ```

use super::BoardPlan;
use crate::bank::{Bank, BankId};
use crate::flash::{FlashLayout, FlashPlace, RegionId};
use crate::record::{PLACE_LEN, RecordLog};
use crate::security_log::SecurityLog;

/// The bytes that a place of the boot record holds at least: the record is some 300 long.
pub(crate) const BOOT_PLACE_LEN: usize = 1024;

/// The first region of the device's own records.
const FIRST_OWN: u8 = 3;

/// The regions of one device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    layout: FlashLayout,
    own_records: u8,
    paper_len: usize,
    banks: u8,
    unit: u32,
}

impl Places {
    /// The two copies of the boot record.
    pub(super) const BOOT: [RegionId; 2] = [RegionId(0), RegionId(1)];
    pub(super) const SECURITY_LOG: RegionId = RegionId(2);

    pub(super) fn new(plan: &BoardPlan) -> Places {
        let &BoardPlan { own_records, paper_len, unit, flash: layout, .. } = plan;
        Places { layout, own_records, paper_len, banks: plan.banks + layout.extra_banks(), unit }
    }

    /// Returns how many sectors each region has.
    pub(super) fn capacities(&self) -> Vec<usize> {
        let Places { layout, own_records, paper_len, banks, unit } = self;
        let mut capacities = vec![RecordLog::region_sectors(layout, BOOT_PLACE_LEN); Places::BOOT.len()];
        capacities.push(SecurityLog::region_sectors(layout));
        let own = RecordLog::region_sectors(layout, PLACE_LEN);
        capacities.extend(std::iter::repeat_n(own, usize::from(*own_records)));
        capacities.push(RecordLog::region_sectors(layout, *paper_len));
        for _ in 0..*banks {
            capacities.extend([Bank::data_sectors(layout), Bank::mark_sectors(layout, *unit)]);
        }
        capacities
    }

    /// Returns the region of the device's own record `number`.
    pub(super) fn own_record(number: u8) -> RegionId {
        RegionId(FIRST_OWN + number)
    }

    pub(super) fn papers(&self) -> RegionId {
        RegionId(FIRST_OWN + self.own_records)
    }

    pub(super) fn banks(&self) -> u8 {
        self.banks
    }

    fn data(&self, bank: u8) -> RegionId {
        RegionId(self.papers().0 + 1 + 2 * bank)
    }

    fn marks(&self, bank: u8) -> RegionId {
        RegionId(self.data(bank).0 + 1)
    }

    pub(super) fn bank(&self, bank: BankId) -> Bank {
        Bank::new(self.data(bank.0), self.marks(bank.0), self.unit)
    }

    /// Finds the region of a place, if the device has it.
    pub(super) fn region_of(&self, place: FlashPlace) -> Option<RegionId> {
        match place {
            FlashPlace::BootRecord(copy) => Places::BOOT.get(usize::from(copy)).copied(),
            FlashPlace::SecurityLog => Some(Places::SECURITY_LOG),
            FlashPlace::Record(number) => (number < self.own_records).then(|| Places::own_record(number)),
            FlashPlace::Papers => Some(self.papers()),
            FlashPlace::Bank(bank) => (bank < self.banks).then(|| self.data(bank)),
            FlashPlace::Marks(bank) => (bank < self.banks).then(|| self.marks(bank)),
        }
    }

    /// Returns what lies in a region.
    pub(super) fn place_of(&self, region: RegionId) -> FlashPlace {
        let RegionId(number) = region;
        let papers = self.papers().0;
        match number {
            0 | 1 => FlashPlace::BootRecord(number),
            2 => FlashPlace::SecurityLog,
            _ if number < papers => FlashPlace::Record(number - FIRST_OWN),
            _ if number == papers => FlashPlace::Papers,
            _ if (number - papers) % 2 == 1 => FlashPlace::Bank((number - papers) / 2),
            _ => FlashPlace::Marks((number - papers) / 2 - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use crate::flash::{FlashLayout, FlashPlace, RegionId};

    #[test]
    fn every_region_is_one_place_and_every_place_one_region() {
        let layout = FlashLayout::SERIAL_NOR;
        let places = Places { layout, own_records: 2, paper_len: 5_000, banks: 3, unit: 1024 };
        let regions = places.capacities().len() as u8;
        assert_eq!(regions, 2 + 1 + 2 + 1 + 2 * 3);
        for region in (0..regions).map(RegionId) {
            assert_eq!(places.region_of(places.place_of(region)), Some(region));
        }
        for nowhere in [FlashPlace::BootRecord(2), FlashPlace::Record(2), FlashPlace::Bank(3)] {
            assert_eq!(places.region_of(nowhere), None);
        }
    }
}
