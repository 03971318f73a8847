//! What flash does, and what it leaves when it stops half way or is worn.

use super::{
    CutMode, FaultPlan, Flash, FlashError, FlashFault, FlashFaults, FlashLayout, FlashPlace, RegionId,
};
use super::{Wear, WornSector};
use crate::sector_pool::SectorPool;

const REGION: RegionId = RegionId(0);
const SECTOR_LEN: usize = 4096;

fn nor(sectors: usize, faults: FlashFaults) -> Flash {
    Flash::new(FlashLayout::SERIAL_NOR, [sectors], faults.plan(|_| Some(REGION)))
}

fn words(sectors: usize) -> Flash {
    let layout = FlashLayout::new(1024, 64, 16).expect("a layout");
    Flash::new(layout, [sectors], FaultPlan::default())
}

fn cut(at_operation: u64, mode: CutMode) -> FlashFaults {
    FlashFaults::cuts([FlashFault { at_operation, mode }])
}

fn read(flash: &Flash, offset: usize, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    flash.read(REGION, offset, &mut out);
    out
}

#[test]
fn programming_clears_bits_and_never_sets_one() {
    let pool = &mut SectorPool::new();
    let mut flash = nor(2, FlashFaults::NONE);
    flash.program(pool, REGION, 4090, &[0xF0; 12]).expect("erased");
    assert_eq!(read(&flash, 4089, 14), [&[0xFF][..], &[0xF0; 12], &[0xFF]].concat());
    flash.program(pool, REGION, 4090, &[0x30]).expect("only clears");
    assert_eq!(flash.program(pool, REGION, 4090, &[0xF0]), Err(FlashError::NotErased));
    flash.erase(REGION, 0).expect("erases");
    flash.program(pool, REGION, 4090, &[0xF0]).expect("erased again");
}

#[test]
fn a_unit_of_several_bytes_is_programmed_once_and_may_be_zeroed() {
    let pool = &mut SectorPool::new();
    let mut flash = words(1);
    flash.program(pool, REGION, 16, &[0xF0; 20]).expect("erased");
    assert_eq!(read(&flash, 16, 32), [&[0xF0; 20][..], &[0xFF; 12]].concat());
    assert_eq!(flash.operations(), 1);
    flash.program(pool, REGION, 16, &[0xF0; 20]).expect("the same bytes");
    assert_eq!(flash.operations(), 1, "what is there is not programmed again");
    assert_eq!(flash.program(pool, REGION, 16, &[0x30; 16]), Err(FlashError::NotErased));
    assert_eq!(flash.program(pool, REGION, 24, &[0xF0; 8]), Err(FlashError::OutOfRange), "within a unit");
    flash.program(pool, REGION, 32, &[0; 16]).expect("zeros go over anything");
    flash.program(pool, REGION, 16, &[0xF0; 16]).expect("the same bytes");
}

#[test]
fn one_operation_programs_within_one_page() {
    let pool = &mut SectorPool::new();
    let mut flash = words(1);
    flash.program(pool, REGION, 48, &[1; 100]).expect("erased");
    assert_eq!(flash.operations(), 3, "16, 64 and 20 bytes");
    assert_eq!(read(&flash, 48, 100), [1; 100]);
}

#[test]
fn nothing_is_programmed_or_erased_outside_a_region() {
    let pool = &mut SectorPool::new();
    let mut flash = nor(1, FlashFaults::NONE);
    assert_eq!(flash.program(pool, REGION, SECTOR_LEN - 1, &[0, 0]), Err(FlashError::OutOfRange));
    assert_eq!(flash.program(pool, REGION, usize::MAX, &[0, 0]), Err(FlashError::OutOfRange));
    assert_eq!(flash.erase(REGION, 1), Err(FlashError::OutOfRange));
}

#[test]
fn a_full_sector_is_shared_and_becomes_private_when_it_changes() {
    let pool = &mut SectorPool::new();
    let mut flashes = [nor(1, FlashFaults::NONE), nor(1, FlashFaults::NONE)];
    for flash in &mut flashes {
        for at in (0..SECTOR_LEN).step_by(64) {
            flash.program(pool, REGION, at, &[0x55; 64]).expect("erased");
        }
    }
    assert_eq!(pool.sector_count(), 1);
    assert!(flashes.iter().all(|flash| flash.shared_sectors(REGION, 1).is_some()));
    assert_eq!(flashes[0].digest(), flashes[1].digest());
    flashes[0].decay(REGION, 7, 1);
    assert_eq!(read(&flashes[0], 7, 1), [0x57]);
    assert_eq!(read(&flashes[1], 7, 1), [0x55]);
    assert_ne!(flashes[0].digest(), flashes[1].digest());
    drop(flashes);
    pool.forget_unused();
    assert_eq!(pool.sector_count(), 0);
}

#[test]
fn a_copy_of_a_flash_changes_alone() {
    let pool = &mut SectorPool::new();
    let mut flash = nor(1, FlashFaults::NONE);
    flash.program(pool, REGION, 0, &[1, 2, 3]).expect("erased");
    let mut copy = flash.clone();
    copy.program(pool, REGION, 3, &[4]).expect("erased");
    assert_eq!((read(&flash, 0, 4), read(&copy, 0, 4)), (vec![1, 2, 3, 0xFF], vec![1, 2, 3, 4]));
}

#[test]
fn a_power_cut_hits_before_during_or_after_the_operation() {
    for mode in CutMode::ALL {
        let pool = &mut SectorPool::new();
        let mut flash = nor(1, cut(1, mode));
        flash.erase(REGION, 0).expect("before the cut");
        assert_eq!(flash.program(pool, REGION, 0, &[0; 8]), Err(FlashError::PowerLost));
        assert_eq!(flash.erase(REGION, 0), Err(FlashError::PowerLost), "the power is away");
        flash.power_on();
        let left = read(&flash, 0, 8);
        match mode {
            CutMode::Before => assert_eq!(left, [0xFF; 8]),
            CutMode::After => assert_eq!(left, [0; 8]),
            CutMode::Torn => {
                assert_eq!((&left[..4], &left[5..]), (&[0; 4][..], &[0xFF; 3][..]));
                assert!(left[4] != 0 && left[4] != 0xFF, "{:#x} is neither", left[4]);
            }
        }
    }
}

#[test]
fn an_erase_that_stops_leaves_ones_then_neither_then_what_was() {
    let pool = &mut SectorPool::new();
    let mut flash = nor(1, cut(1, CutMode::Torn));
    flash.program(pool, REGION, 0, &[0; SECTOR_LEN]).expect("erased");
    assert_eq!(flash.erase(REGION, 0), Err(FlashError::PowerLost));
    let left = read(&flash, 0, SECTOR_LEN);
    let (quarter, half) = (SECTOR_LEN / 4, SECTOR_LEN / 2);
    assert!(left[..quarter].iter().all(|byte| *byte == 0xFF));
    let neither = left[quarter..half].iter().filter(|byte| !matches!(**byte, 0 | 0xFF)).count();
    assert!(neither > quarter * 9 / 10, "{neither}");
    assert!(left[half..].iter().all(|byte| *byte == 0));
}

#[test]
fn cuts_come_one_after_the_other_in_any_order_of_planning() {
    let pool = &mut SectorPool::new();
    let at = |at_operation| FlashFault { at_operation, mode: CutMode::Before };
    let mut flash = nor(1, FlashFaults::cuts([at(3), at(1)]));
    flash.plan_cut(at(2));
    let mut cuts = Vec::new();
    for operation in 0..5 {
        flash.power_on();
        if flash.program(pool, REGION, operation, &[0]).is_err() {
            cuts.push(operation);
        }
    }
    assert_eq!(cuts, [1, 2, 3]);
}

#[test]
fn a_worn_sector_is_named_when_it_is_read_back() {
    let worn = |wear, after_erases| {
        let place = FlashPlace::SecurityLog;
        nor(2, FlashFaults::NONE.with_worn(WornSector { place, sector: 1, after_erases, wear }))
    };
    let named = Err(FlashError::Worn { region: 0, sector: 1 });
    let pool = &mut SectorPool::new();

    let mut flash = worn(Wear::Program, 0);
    flash.program(pool, REGION, 0, &[0; 8]).expect("the other sector is sound");
    assert_eq!(flash.program(pool, REGION, SECTOR_LEN, &[0; 8]), named);

    let mut flash = worn(Wear::Erase, 2);
    for _ in 0..2 {
        flash.program(pool, REGION, SECTOR_LEN, &[0; SECTOR_LEN]).expect("erased");
        flash.erase(REGION, 1).expect("not worn yet");
    }
    flash.program(pool, REGION, SECTOR_LEN, &[0; SECTOR_LEN]).expect("erased");
    assert_eq!(flash.erase(REGION, 1), named);
    assert_eq!(flash.erase(REGION, 0), Ok(()));
}
