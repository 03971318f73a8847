//! A gas meter's battery: what is kept for metering is not spent on an update.

use std::time::Duration;

use fleet::{Battery, MeterConfig, MeterKind, SecurityEvent, TransferOutcome};
use wire::{HanState, ImageTransferStatus};

use crate::home::{Home, METER_TYPE, NEW, OLD, Recipe, START, meter_config, meter_eui};

const WAKE: Duration = Duration::from_secs(1800);
const RESERVE_NAH: u64 = 1_000_000;

/// A gas meter that can pay for so many blocks before it is at its reserve, if it wakes fewer than a hundred times.
fn gas_meter(blocks: u64) -> MeterConfig {
    let battery = Battery {
        charge_nah: RESERVE_NAH + 100 + blocks * 1_000,
        reserve_nah: RESERVE_NAH,
        wake_nah: 1,
        block_nah: 1_000,
    };
    let kind = MeterKind::Gas { wake_interval: WAKE, blocks_per_wake: 50 };
    MeterConfig { kind, battery: Some(battery), first_query: Duration::from_secs(100), ..meter_config(1) }
}

fn notes_of_battery(home: &Home) -> usize {
    home.meter().security_log().iter().filter(|entry| entry.event == SecurityEvent::LowBattery).count()
}

#[test]
fn a_meter_at_its_reserve_stops_fetching_says_so_once_and_meters_on() {
    let mut home = Home::with_meter(gas_meter(120));
    let file = Recipe { len: 10_000, ..Recipe::new(METER_TYPE) }.signed();
    home.stage(1, file.bytes());
    home.run_until(START + WAKE * 4);
    let counters = *home.meter().counters();
    assert_eq!((counters.blocks_received, counters.downloads_abandoned), (120, 1), "two wakes and a bit");
    assert_eq!(home.han_status()[0].state, HanState::Declined, "the hub has heard that its client stops");
    let failure = SecurityEvent::TransferEnded(TransferOutcome::TransferFailure);
    assert_eq!(home.hub.security_log().last().map(|entry| entry.event), Some(failure));
    assert_eq!(home.meter().battery_drawn_nah(), Some(120_000 + counters.wakes));
    home.run_until(START + WAKE * 90);
    assert_eq!(home.meter().counters().blocks_received, 120, "no block is asked for any more");
    assert_eq!(home.meter().counters().battery_refusals, 2, "the next day it looks once more");
    assert_eq!(notes_of_battery(&home), 1);
    assert!(home.meter().battery_left_nah() >= Some(RESERVE_NAH), "{:?}", home.meter().battery_left_nah());
    assert_eq!(home.meter().running_version(), OLD);
}

#[test]
fn a_meter_that_verified_its_image_with_its_last_charge_obeys_no_order() {
    let file = Recipe { len: 4_000, ..Recipe::new(METER_TYPE) }.signed();
    let blocks = file.bytes().len().div_ceil(40) as u64;
    for (affordable, obeys) in [(blocks, false), (blocks + 1, true)] {
        let mut home = Home::with_meter(gas_meter(affordable));
        home.stage(1, file.bytes());
        home.run_until(START + WAKE * 5);
        assert_eq!(home.han_status()[0].state, HanState::Verified);
        home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
        home.run_for(WAKE * 8);
        assert_eq!(home.meter().running_version(), if obeys { NEW } else { OLD }, "{affordable} blocks");
        assert_eq!(home.status(1) == ImageTransferStatus::ActivationSuccessful, obeys);
        assert_eq!(notes_of_battery(&home), usize::from(!obeys));
    }
}

#[test]
fn a_meter_on_the_mains_has_no_battery_to_spare() {
    let home = Home::usual();
    assert_eq!((home.meter().battery_left_nah(), home.meter().battery_drawn_nah()), (None, None));
}
