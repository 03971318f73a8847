//! The security log under power cuts and wear: what was acknowledged stays.

use super::{KEPT, SecurityEntry, SecurityEvent, SecurityLog, TransferOutcome};
use crate::boot::ActivationOutcome;
use crate::flash::{CutMode, Flash, FlashError, FlashFault, FlashFaults, FlashLayout, FlashPlace, RegionId};
use crate::flash::{Wear, WornSector};
use crate::sector_pool::SectorPool;
use firmware_image::FileVersion;
use transfer_engine::Moment;

const REGION: RegionId = RegionId(0);

fn layouts() -> [FlashLayout; 3] {
    let layout = |sector, page, unit| FlashLayout::new(sector, page, unit).expect("a layout");
    [FlashLayout::SERIAL_NOR, layout(2048, 256, 32), layout(256, 64, 8)]
}

fn flash_of(layout: FlashLayout, faults: FlashFaults) -> Flash {
    Flash::new(layout, [SecurityLog::region_sectors(&layout)], faults.plan(|_| Some(REGION)))
}

fn entry(detail: u64) -> SecurityEntry {
    let (moment, version) = (Moment::from_micros(detail), FileVersion(7));
    SecurityEntry { number: 0, moment, event: SecurityEvent::VersionChanged, version, detail }
}

/// Returns the details of the entries; numbers and details both rise by one.
fn details(log: &SecurityLog, flash: &Flash) -> Vec<u64> {
    let entries = log.entries(flash);
    assert!(entries.windows(2).all(|pair| pair[0].number + 1 == pair[1].number), "no number is missing");
    entries.iter().map(|entry| entry.detail).collect()
}

#[test]
fn every_event_survives_its_bytes() {
    let ended = ActivationOutcome::ALL.map(SecurityEvent::ActivationEnded);
    let mut flash = flash_of(FlashLayout::SERIAL_NOR, FlashFaults::NONE);
    let mut log = SecurityLog::open(&flash, REGION);
    let transferred = TransferOutcome::ALL.map(SecurityEvent::TransferEnded);
    let events: Vec<_> = SecurityEvent::ALERTS.into_iter().chain(ended).chain(transferred).collect();
    for event in &events {
        let whole = SecurityEntry { event: *event, ..entry(u64::MAX) };
        log.append(&mut flash, &mut SectorPool::new(), whole).expect("power is there");
    }
    let read: Vec<_> = SecurityLog::open(&flash, REGION).entries(&flash);
    assert_eq!(read.iter().map(|entry| entry.event).collect::<Vec<_>>(), events);
    assert!(read.iter().all(|read| (read.version, read.detail) == (FileVersion(7), u64::MAX)));
}

#[test]
fn the_newest_hundred_are_there_however_many_came() {
    for layout in layouts() {
        let mut flash = flash_of(layout, FlashFaults::NONE);
        let pool = &mut SectorPool::new();
        let mut log = SecurityLog::open(&flash, REGION);
        for detail in 1..=1_000 {
            log.append(&mut flash, pool, entry(detail)).expect("power is there");
            let first = detail.saturating_sub(KEPT as u64 - 1).max(1);
            let expected: Vec<u64> = (first..=detail).collect();
            assert_eq!(details(&SecurityLog::open(&flash, REGION), &flash), expected, "{layout:?}");
        }
    }
}

#[test]
fn a_cut_at_any_operation_loses_nothing_that_was_acknowledged() {
    for layout in layouts() {
        // So many operations fill the ring more than once.
        let span = 2 * 32 * SecurityLog::region_sectors(&layout) as u64;
        let step = if layout == FlashLayout::SERIAL_NOR { 3 } else { 1 };
        for at_operation in (0..span.min(700)).step_by(step) {
            for mode in CutMode::ALL {
                let cut = FlashFaults::cuts([FlashFault { at_operation, mode }]);
                let mut flash = flash_of(layout, cut);
                let pool = &mut SectorPool::new();
                let mut log = SecurityLog::open(&flash, REGION);
                let mut acknowledged = 0;
                while log.append(&mut flash, pool, entry(acknowledged + 1)).is_ok() {
                    acknowledged += 1;
                }
                flash.power_on();
                let mut log = SecurityLog::open(&flash, REGION);
                let found = details(&log, &flash);
                let last = found.last().copied().unwrap_or(0);
                assert!(last == acknowledged || last == acknowledged + 1, "{mode:?} {at_operation}");
                assert_eq!(found.len() as u64, last.min(KEPT as u64), "{mode:?} {at_operation}");
                log.append(&mut flash, pool, entry(last + 1)).expect("power is back");
                assert_eq!(details(&log, &flash).last(), Some(&(last + 1)));
            }
        }
    }
}

#[test]
fn the_newest_hundred_stay_with_a_worn_sector() {
    for layout in layouts() {
        for wear in [Wear::Erase, Wear::Program] {
            let place = FlashPlace::SecurityLog;
            let worn = FlashFaults::NONE.with_worn(WornSector { place, sector: 1, after_erases: 1, wear });
            let mut flash = flash_of(layout, worn);
            let pool = &mut SectorPool::new();
            for detail in 1..=800 {
                let mut log = SecurityLog::open(&flash, REGION);
                log.append(&mut flash, pool, entry(detail)).expect("the other sectors are sound");
                assert_eq!(
                    details(&log, &flash).len() as u64,
                    detail.min(KEPT as u64),
                    "{layout:?} {wear:?}"
                );
            }
        }
    }
}

#[test]
fn a_log_without_a_sound_sector_says_so_and_keeps_what_it_can() {
    let layout = FlashLayout::SERIAL_NOR;
    let worn =
        |sector| WornSector { place: FlashPlace::SecurityLog, sector, after_erases: 0, wear: Wear::Program };
    let faults = (0..3).fold(FlashFaults::NONE, |faults, sector| faults.with_worn(worn(sector)));
    let mut flash = flash_of(layout, faults);
    let mut log = SecurityLog::open(&flash, REGION);
    let refused = log.append(&mut flash, &mut SectorPool::new(), entry(1));
    assert!(matches!(refused, Err(FlashError::Worn { .. })), "{refused:?}");
}
