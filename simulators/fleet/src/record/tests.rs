//! Records and their copies under power cuts, rot and wear.

use super::{PLACE_LEN, RecordLog, RecordPair};
use crate::flash::{CutMode, Flash, FlashFault, FlashFaults, FlashLayout, FlashPlace, RegionId};
use crate::flash::{Wear, WornSector};
use crate::sector_pool::SectorPool;

const REGION: RegionId = RegionId(0);
const COPIES: [RegionId; 2] = [RegionId(0), RegionId(1)];

/// Serial NOR, words with error correction, and sectors smaller than a record.
fn layouts() -> [FlashLayout; 3] {
    let layout = |sector, page, unit| FlashLayout::new(sector, page, unit).expect("a layout");
    [FlashLayout::SERIAL_NOR, layout(2048, 256, 32), layout(256, 64, 8)]
}

/// A flash with `regions` regions for records of `place_len`; places in faults are regions by their number.
fn flash_of(layout: FlashLayout, regions: usize, place_len: usize, faults: FlashFaults) -> Flash {
    let plan = faults.plan(|place| match place {
        FlashPlace::Record(number) => Some(RegionId(number)),
        _ => None,
    });
    Flash::new(layout, vec![RecordLog::region_sectors(&layout, place_len); regions], plan)
}

/// Stores records 1, 2, 3, ..., some 25 kB in all, unless the power goes; returns what the last whole store wrote.
fn store_until_cut(flash: &mut Flash, pool: &mut SectorPool, len: usize, place_len: usize) -> u8 {
    let (mut log, _) = RecordLog::open_wide(flash, REGION, place_len);
    let whole = |value: &u8| log.store(flash, pool, &vec![*value; len]).is_ok();
    let count = (25_000 / len).min(60) as u8;
    (1..=count).take_while(whole).last().unwrap_or(0)
}

#[test]
fn a_power_cut_at_any_operation_leaves_the_last_or_the_new_record() {
    for layout in layouts() {
        for (len, place_len) in [(400, PLACE_LEN), (5_000, 3 * PLACE_LEN), (100, 512)] {
            let every = (0..).map(|at_operation| (at_operation, CutMode::ALL));
            for (at_operation, mode) in every.flat_map(|(at, modes)| modes.map(|mode| (at, mode))) {
                let pool = &mut SectorPool::new();
                let cut = FlashFaults::cuts([FlashFault { at_operation, mode }]);
                let mut flash = flash_of(layout, 1, place_len, cut);
                let stored = store_until_cut(&mut flash, pool, len, place_len);
                if flash.operations() <= at_operation {
                    assert!(at_operation > 10, "{at_operation}");
                    break;
                }
                flash.power_on();
                let (mut log, newest) = RecordLog::open_wide(&flash, REGION, place_len);
                if let Some(record) = &newest {
                    assert!(record.len() == len && record.iter().all(|byte| *byte == record[0]));
                }
                let found = newest.map_or(0, |record| record[0]);
                assert!(found == stored || found == stored + 1, "{mode:?} {at_operation}: {found} {stored}");
                log.store(&mut flash, pool, &vec![99; len]).expect("power is back");
                assert_eq!(RecordLog::open_wide(&flash, REGION, place_len).1, Some(vec![99; len]));
            }
        }
    }
}

#[test]
fn an_oversized_record_is_refused() {
    let mut flash = flash_of(FlashLayout::SERIAL_NOR, 1, PLACE_LEN, FlashFaults::NONE);
    let (mut log, none) = RecordLog::open(&flash, REGION);
    assert_eq!(none, None);
    for len in [5_000, 70_000] {
        assert!(log.store(&mut flash, &mut SectorPool::new(), &vec![0; len]).is_err());
    }
}

#[test]
fn records_go_elsewhere_when_a_sector_is_worn() {
    for wear in [Wear::Erase, Wear::Program] {
        for sector in 0..3 {
            let place = FlashPlace::Record(0);
            let faults = FlashFaults::NONE.with_worn(WornSector { place, sector, after_erases: 1, wear });
            let mut flash = flash_of(FlashLayout::SERIAL_NOR, 1, PLACE_LEN, faults);
            let pool = &mut SectorPool::new();
            for value in 0..250 {
                // Opened anew each time, as a device does that remembers nothing of a worn sector.
                let (mut log, _) = RecordLog::open(&flash, REGION);
                log.store(&mut flash, pool, &[value; 200]).expect("two places are sound");
                assert_eq!(RecordLog::open(&flash, REGION).1, Some(vec![value; 200]), "{wear:?} {sector}");
            }
        }
    }
}

#[test]
fn a_record_is_refused_and_the_last_one_stays_when_no_sector_is_sound() {
    let worn =
        |sector| WornSector { place: FlashPlace::Record(0), sector, after_erases: 1, wear: Wear::Erase };
    let faults = (0..3).fold(FlashFaults::NONE, |faults, sector| faults.with_worn(worn(sector)));
    let mut flash = flash_of(FlashLayout::SERIAL_NOR, 1, PLACE_LEN, faults);
    let pool = &mut SectorPool::new();
    let mut log = RecordLog::open(&flash, REGION).0;
    let stored = (0..250).take_while(|value| log.store(&mut flash, pool, &[*value; 200]).is_ok()).last();
    assert!(stored.is_some_and(|value| value > 50 && value < 249), "{stored:?}");
    assert_eq!(RecordLog::open(&flash, REGION).1, stored.map(|value| vec![value; 200]));
}

/// Opens a pair as a boot does: the newest record, and a copy that lags brought up.
fn open_and_heal(flash: &mut Flash, pool: &mut SectorPool) -> (RecordPair, Option<Vec<u8>>) {
    let (mut pair, newest) = RecordPair::open(flash, COPIES, 1024);
    if let Some(payload) = &newest {
        pair.heal(flash, pool, payload).expect("power is there");
    }
    (pair, newest)
}

#[test]
fn a_pair_never_falls_back_behind_what_was_stored_and_either_copy_may_rot() {
    let pool = &mut SectorPool::new();
    for at_operation in 0..60 {
        for mode in CutMode::ALL {
            let cut = FlashFaults::cuts([FlashFault { at_operation, mode }]);
            let mut flash = flash_of(FlashLayout::SERIAL_NOR, 2, 1024, cut);
            let (mut pair, _) = RecordPair::open(&flash, COPIES, 1024);
            let whole = |value: &u8| pair.store(&mut flash, pool, &[*value; 200]).is_ok();
            let stored = (1..=40).take_while(whole).last().unwrap_or(0);
            flash.power_on();
            let (_, newest) = open_and_heal(&mut flash, pool);
            let found = newest.map_or(0, |record| record[0]);
            assert!(found == stored || found == stored + 1, "{mode:?} {at_operation}: {found} {stored}");
            // From here on either copy alone is enough.
            for rotten in COPIES {
                let mut flash = flash.clone();
                for offset in (0..flash.region_len(rotten)).step_by(7) {
                    flash.decay(rotten, offset, 3);
                }
                let (_, newest) = open_and_heal(&mut flash, pool);
                assert_eq!(newest.map_or(0, |record| record[0]), found, "{rotten:?} is rotten");
                let other = COPIES[usize::from(rotten == COPIES[0])];
                for offset in (0..flash.region_len(other)).step_by(7) {
                    flash.decay(other, offset, 3);
                }
                let (_, newest) = open_and_heal(&mut flash, pool);
                assert_eq!(newest.map_or(0, |record| record[0]), found, "the rotten copy was brought up");
            }
        }
    }
}

#[test]
fn a_pair_goes_on_with_one_copy_when_the_other_is_worn() {
    for lame in 0..2 {
        let worn = |sector| WornSector {
            place: FlashPlace::Record(lame),
            sector,
            after_erases: 0,
            wear: Wear::Program,
        };
        let faults = (0..3).fold(FlashFaults::NONE, |faults, sector| faults.with_worn(worn(sector)));
        let mut flash = flash_of(FlashLayout::SERIAL_NOR, 2, 1024, faults);
        let pool = &mut SectorPool::new();
        let (mut pair, _) = open_and_heal(&mut flash, pool);
        for value in 0..60 {
            pair.store(&mut flash, pool, &[value; 200]).expect("one copy is sound");
            assert!(pair.take_worn().is_some(), "the worn copy is named");
            assert_eq!(open_and_heal(&mut flash, pool).1, Some(vec![value; 200]));
        }
    }
}
