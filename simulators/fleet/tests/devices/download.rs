//! From the hub's slot into the meter's bank.

use std::time::Duration;

use fleet::{MeterKind, SecurityEvent, TransferOutcome};
use wire::{HanState, ImageTransferStatus};

use crate::home::{
    Home, METER_TYPE, OLD, Recipe, START, gullible, hardware, hub_config, meter_config, model, trust,
};

#[test]
fn an_image_reaches_the_meter_byte_for_byte_and_waits() {
    let mut home = Home::usual();
    let file = Recipe { len: 30_000, ..Recipe::new(METER_TYPE) }.signed();
    assert_eq!(home.stage(1, file.bytes()), ImageTransferStatus::VerificationSuccessful);
    home.run_minutes(10);
    assert_eq!(home.hub.staged_image(&mut home.pool, 1).as_ref(), Some(file.bytes()));
    assert_eq!(home.meters[0].staged_image(&mut home.pool).as_ref(), Some(file.bytes()));
    let status = home.han_status()[0];
    assert_eq!((status.state, status.offset), (HanState::Verified, file.bytes().len() as u32));
    assert_eq!(status.running_version, OLD.0);
    assert_eq!(home.meter().counters().activations, 0);
}

#[test]
fn an_image_that_nobody_trusted_signed_stops_at_the_hub() {
    for file in
        [Recipe { key: [9; 32], ..Recipe::new(METER_TYPE) }.signed(), Recipe::new(METER_TYPE).unsigned()]
    {
        let mut home = Home::usual();
        assert_eq!(home.stage(1, file.bytes()), ImageTransferStatus::VerificationFailed);
        home.run_minutes(10);
        assert_eq!(home.hub.counters().han_frames, 0);
        assert_eq!(home.hub.counters().images_rejected, 1);
    }
}

#[test]
fn an_image_that_the_hub_trusts_and_the_meter_does_not_is_refused_and_not_offered_again() {
    let mut home = Home::usual();
    let strict = fleet::DeviceTrust::pinned(firmware_image::TrustStore::new(Vec::new()), Vec::new());
    let config = fleet::MeterConfig { first_query: Duration::from_secs(5000), ..meter_config(1) };
    home.meters[0] = fleet::Meter::new(config, std::sync::Arc::new(strict), START);
    let file = Recipe::new(METER_TYPE).signed();
    home.stage(1, file.bytes());
    home.run_minutes(30);
    assert_eq!(home.meter().counters().rejections, 1);
    assert_eq!(home.meters[0].staged_image(&mut home.pool), None);
    assert_eq!(home.han_status()[0].state, HanState::Rejected);
    let served = home.hub.counters().blocks_served;
    home.run_minutes(60 * 48);
    assert_eq!(home.hub.counters().blocks_served, served);
}

#[test]
fn an_image_for_other_hardware_is_never_fetched() {
    let mut home = Home::usual();
    let file = Recipe { hardware: hardware(0x0200, 0x02FF), ..Recipe::new(METER_TYPE) }.signed();
    assert_eq!(home.stage(1, file.bytes()), ImageTransferStatus::VerificationSuccessful);
    home.run_minutes(10);
    assert_eq!(home.hub.counters().blocks_served, 0);
    assert_eq!(home.meters[0].staged_image(&mut home.pool), None);
    let mismatch = TransferOutcome::HardwareVersionMismatch;
    let log = home.hub.security_log();
    let ended = log.iter().filter(|entry| entry.event == SecurityEvent::TransferEnded(mismatch));
    assert_eq!(ended.count(), 1, "said once: {log:?}");
}

#[test]
fn an_image_older_than_the_security_counter_is_refused() {
    let mut home = Home::with_meter(fleet::MeterConfig { factory_sequence: 8, ..meter_config(1) });
    let file = Recipe { sequence: 7, ..Recipe::new(METER_TYPE) }.signed();
    home.stage(1, file.bytes());
    home.run_minutes(10);
    assert_eq!(home.meter().counters().rejections, 1);
    assert_eq!(home.han_status()[0].state, HanState::Rejected);
}

#[test]
fn one_transfer_serves_two_slots_by_reference() {
    let meters = vec![meter_config(1), meter_config(2)];
    let mut home = Home::new(hub_config(&meters), meters, trust());
    let file = Recipe::new(METER_TYPE).signed();
    home.stage(1, file.bytes());
    let blocks = home.hub.counters().blocks_received;
    home.initiate(2, file.bytes());
    home.verify(2);
    home.run_for(Duration::from_secs(1));
    assert_eq!(home.status(2), ImageTransferStatus::VerificationSuccessful);
    assert_eq!(home.hub.counters().blocks_received, blocks);
    home.run_minutes(20);
    for meter in &home.meters {
        assert_eq!(meter.staged_image(&mut home.pool).as_ref(), Some(file.bytes()));
    }
    // The first slot moves on; the second keeps what it shares.
    home.associate();
    let other = Recipe { version: firmware_image::FileVersion(9), ..Recipe::new(METER_TYPE) }.signed();
    home.stage(1, other.bytes());
    assert_eq!(home.hub.staged_image(&mut home.pool, 2).as_ref(), Some(file.bytes()));
    assert_eq!(home.hub.staged_image(&mut home.pool, 1).as_ref(), Some(other.bytes()));
}

#[test]
fn while_one_meter_fetches_the_other_waits() {
    let meters = vec![meter_config(1), meter_config(2)];
    let mut home = Home::new(hub_config(&meters), meters, trust());
    let file = Recipe { len: 60_000, ..Recipe::new(METER_TYPE) }.signed();
    home.stage(1, file.bytes());
    home.initiate(2, file.bytes());
    home.verify(2);
    home.run_for(Duration::from_secs(25));
    let states: Vec<HanState> = home.han_status().iter().map(|status| status.state).collect();
    assert_eq!(states, [HanState::Downloading, HanState::Waiting]);
    assert_eq!(home.meters[1].counters().blocks_received, 0);
    home.run_minutes(10);
    let states: Vec<HanState> = home.han_status().iter().map(|status| status.state).collect();
    assert_eq!(states, [HanState::Verified, HanState::Verified]);
}

#[test]
fn a_hub_that_wants_another_pace_gets_it() {
    let meter = meter_config(1);
    let mut config = hub_config(std::slice::from_ref(&meter));
    config.minimum_block_period = Duration::from_millis(500);
    let mut home = Home::new(config, vec![meter], trust());
    let file = Recipe::new(METER_TYPE).signed();
    home.stage(1, file.bytes());
    home.run_for(Duration::from_secs(30));
    let blocks = home.meter().counters().blocks_received;
    assert!((50..=62).contains(&blocks), "{blocks} blocks in about 30 s at two a second");
    home.run_minutes(2);
    assert_eq!(home.han_status()[0].state, HanState::Verified);
}

#[test]
fn a_lossy_radio_delays_and_does_not_spoil() {
    for page_len in [None, Some(512)] {
        let mut home = Home::with_meter(fleet::MeterConfig { page_len, ..meter_config(1) });
        home.loses = Box::new(|number, _, _| number % 5 == 0 || number % 7 == 3);
        let file = Recipe { len: 20_000, ..Recipe::new(METER_TYPE) }.signed();
        home.stage(1, file.bytes());
        home.run_minutes(90);
        assert_eq!(home.meters[0].staged_image(&mut home.pool).as_ref(), Some(file.bytes()), "{page_len:?}");
        assert!(home.meter().counters().repeats > 0);
    }
}

#[test]
fn pages_need_fewer_frames_than_blocks() {
    let mut frames = Vec::new();
    for page_len in [None, Some(1024)] {
        let mut home = Home::with_meter(fleet::MeterConfig { page_len, ..meter_config(1) });
        let file = Recipe { len: 20_000, ..Recipe::new(METER_TYPE) }.signed();
        home.stage(1, file.bytes());
        home.run_minutes(10);
        assert_eq!(home.meters[0].staged_image(&mut home.pool).as_ref(), Some(file.bytes()));
        frames.push(home.frames);
    }
    assert!(frames[1] * 10 < frames[0] * 6, "{frames:?}");
}

#[test]
fn a_gas_meter_fetches_over_many_wakes_and_sleeps_between() {
    let wake_interval = Duration::from_secs(1800);
    let kind = MeterKind::Gas { wake_interval, blocks_per_wake: 50 };
    let first_query = Duration::from_secs(100);
    let mut home = Home::with_meter(fleet::MeterConfig { kind, first_query, ..meter_config(1) });
    let file = Recipe { len: 10_000, ..Recipe::new(METER_TYPE) }.signed();
    home.stage(1, file.bytes());
    home.run_until(START + Duration::from_secs(99));
    assert_eq!(home.meter().counters().blocks_received, 0, "it sleeps");
    home.run_until(START + Duration::from_secs(1000));
    assert_eq!(home.meter().counters().blocks_received, 50, "one wake");
    assert!(!home.meter().is_awake(home.now));
    let wakes = file.bytes().len().div_ceil(40).div_ceil(50) as u64;
    home.run_until(START + Duration::from_secs(100 + 1800 * (wakes - 1) + 600));
    assert_eq!(home.meters[0].staged_image(&mut home.pool).as_ref(), Some(file.bytes()));
}

#[test]
fn a_download_goes_on_after_the_hub_was_away_for_long() {
    let mut home = Home::usual();
    let file = Recipe { len: 60_000, ..Recipe::new(METER_TYPE) }.signed();
    home.stage(1, file.bytes());
    home.run_for(Duration::from_secs(15));
    home.loses = Box::new(|_, _, _| true);
    home.run_minutes(10);
    assert_eq!(home.meter().counters().downloads_abandoned, 1);
    let before = home.meter().counters().blocks_received;
    home.loses = Box::new(|_, _, _| false);
    home.hub.reboot(home.now);
    home.run_minutes(10);
    assert_eq!(home.meters[0].staged_image(&mut home.pool).as_ref(), Some(file.bytes()));
    let blocks = home.meter().counters().blocks_received;
    let whole = file.bytes().len().div_ceil(40) as u64;
    assert!(before > 100 && blocks <= whole + 1024 / 40 + 2, "{before} before, {blocks} of {whole} in all");
}

#[test]
fn a_standalone_meter_is_served_from_the_hubs_own_slot() {
    let mut config = hub_config(&[]);
    config.model = None;
    let meter = fleet::MeterConfig { first_query: Duration::from_secs(30), ..meter_config(1) };
    let mut home = Home::new(config, vec![meter], gullible());
    let file = Recipe::new(METER_TYPE).unsigned();
    home.hub.stage(home.now, &mut home.pool, 0, file.bytes()).unwrap();
    home.run_minutes(5);
    let status = home.han_status();
    assert_eq!(status.len(), 1);
    assert_eq!((status[0].channel, status[0].state), (1, HanState::Verified));
    assert_eq!(status[0].device, home.meter().eui().to_bytes(), "the meter introduced itself");
    assert_eq!(home.activate(0), wire::AccessResult::Success);
    home.run_minutes(5);
    assert_eq!(home.meter().counters().activations, 1);
    assert_eq!(home.han_status()[0].state, HanState::Activated);
}

#[test]
fn a_commissioned_meter_is_offered_its_own_slot_only() {
    let mut home = Home::usual();
    let file = Recipe::new(METER_TYPE).signed();
    assert_eq!(home.stage(0, file.bytes()), ImageTransferStatus::VerificationSuccessful);
    home.run_minutes(60 * 30);
    assert_eq!(home.meter().counters().blocks_received, 0);
    assert_eq!(model(METER_TYPE).image_type, METER_TYPE);
}
