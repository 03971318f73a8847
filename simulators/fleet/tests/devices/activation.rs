//! Orders, trials, returns.

use std::time::Duration;

use firmware_image::{FileVersion, ImageDigest, OtaFile};
use fleet::{ActivationOutcome, BootFault, MeterKind};
use wire::{AccessResult, HanState, ImageTransferStatus};

use crate::home::{HUB, HUB_TYPE, Home, METER_TYPE, NEW, OLD, Recipe, image_key, meter_config, meter_eui};

pub fn with_verified_meter(home: &mut Home) -> OtaFile {
    let file = Recipe::new(METER_TYPE).signed();
    assert_eq!(home.stage(1, file.bytes()), ImageTransferStatus::VerificationSuccessful);
    home.run_minutes(60 * 12);
    assert_eq!(home.han_status()[0].state, HanState::Verified);
    file
}

#[test]
fn a_valid_order_activates_the_meter_and_the_meter_says_so() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    assert_eq!(home.order_activation(1, &order), AccessResult::TemporaryFailure);
    assert_eq!(home.status(1), ImageTransferStatus::ActivationInitiated);
    home.run_minutes(3);
    assert_eq!(home.status(1), ImageTransferStatus::ActivationSuccessful);
    assert_eq!(home.han_status()[0].state, HanState::Activated);
    assert_eq!(home.active_version(1).unwrap(), NEW.0.to_be_bytes());
    assert_eq!(home.meter().running_version(), NEW);
    assert_eq!(home.meter().security_counter(), 7);
    assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::Success));
    assert_eq!(home.meters[0].running_image(&mut home.pool).as_ref(), Some(file.bytes()));
    home.run_minutes(60 * 72);
    assert_eq!(home.meter().counters().activations, 1);
    assert_eq!(home.meter().counters().downloads, 1, "it does not fetch again what it runs");
}

/// The mains failed just after the meter had obeyed, and came back later at the hub. The hub said the order again; the
/// meter, which ran the image by then, answered that it held none, and was put down as failed for good.
#[test]
fn a_meter_that_runs_its_image_is_not_put_down_as_failed_by_a_hub_that_was_away() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    assert_eq!(home.order_activation(1, &order), AccessResult::TemporaryFailure);
    home.run_for(Duration::from_millis(1_500));
    home.hub.cut_power(home.now, Duration::from_secs(600));
    home.run_minutes(9);
    assert_eq!(home.meter().running_version(), NEW, "it activated while its hub was away");
    for minute in 0..10 {
        home.run_minutes(1);
        if home.hub.is_up(home.now) {
            home.associate();
            let state = home.han_status()[0].state;
            assert!(
                matches!(state, HanState::Activating | HanState::Activated),
                "minute {minute}: {state:?}"
            );
        }
    }
    assert_eq!(home.status(1), ImageTransferStatus::ActivationSuccessful);
}

#[test]
fn nothing_activates_without_an_order() {
    let mut home = Home::usual();
    with_verified_meter(&mut home);
    home.associate();
    assert_eq!(home.activate(1), AccessResult::ReadWriteDenied);
    home.run_minutes(60 * 72);
    assert_eq!(home.meter().counters().activations, 0);
    assert_eq!(home.status(1), ImageTransferStatus::VerificationSuccessful);
}

#[test]
fn an_order_with_anything_wrong_is_refused_by_the_hub() {
    let mut home = Home::usual();
    let digest = with_verified_meter(&mut home).image_digest();
    let wrong = [
        ("another device", home.order(meter_eui(2), digest, 1)),
        ("the hub", home.order(HUB, digest, 1)),
        ("another image", home.order(meter_eui(1), ImageDigest::of(b"other"), 1)),
        ("no counter", home.order(meter_eui(1), digest, 0)),
        ("a key for images", home.order_by(&image_key(), meter_eui(1), digest, 1)),
        ("no order at all", b"not an order".to_vec()),
    ];
    for (number, (what, order)) in (1..).zip(wrong) {
        assert_eq!(home.order_activation(1, &order), AccessResult::ReadWriteDenied, "{what}");
        assert_eq!(home.hub.counters().orders_refused, number);
    }
    home.run_minutes(60);
    assert_eq!(home.meter().counters().activations, 0);
}

/// Tells the meter directly what a hub that checks nothing would tell it.
pub fn tell_meter(home: &mut Home, order: &[u8]) {
    tell_order(home, order);
    let key = wire::ImageKey { manufacturer: 0xFFFF, image_type: 0xFFFF, file_version: 0xFFFF_FFFF };
    let response = wire::UpgradeEndResponse { key, current_time: 0, upgrade_time: 0 };
    hub_says(home, wire::OtaCommand::UpgradeEndResponse(response));
}

/// Hands the meter an order without the word to obey it.
pub fn tell_order(home: &mut Home, order: &[u8]) {
    let offsets = (0..order.len()).step_by(48);
    for offset in offsets {
        let bytes = &order[offset..(offset + 48).min(order.len())];
        let (total_len, offset) = (order.len() as u16, offset as u16);
        hub_says(
            home,
            wire::OtaCommand::DocumentFragment(wire::DocumentFragment {
                kind: wire::DocumentKind::Order,
                total_len,
                offset,
                bytes,
            }),
        );
    }
}

pub fn hub_says(home: &mut Home, command: wire::OtaCommand<'_>) {
    let mut zcl = Vec::new();
    let disable_default_response = false;
    wire::ZclFrame { transaction: 9, from_server: true, disable_default_response, command }.emit(&mut zcl);
    home.meters[0].receive_han(home.now, &mut home.pool, &zcl);
}

#[test]
fn the_meter_checks_orders_itself() {
    let mut home = Home::usual();
    let digest = with_verified_meter(&mut home).image_digest();
    let wrong = [
        home.order(meter_eui(2), digest, 1),
        home.order(meter_eui(1), ImageDigest::of(b"other"), 1),
        home.order(meter_eui(1), digest, 0),
        home.order_by(&image_key(), meter_eui(1), digest, 1),
        Vec::new(),
    ];
    for (number, order) in (1..).zip(wrong) {
        tell_meter(&mut home, &order);
        home.run_minutes(5);
        assert_eq!(home.meter().counters().orders_refused, number);
        assert_eq!(home.meter().running_version(), OLD);
    }
    let order = home.order(meter_eui(1), digest, 1);
    tell_meter(&mut home, &order);
    home.run_minutes(5);
    assert_eq!(home.meter().running_version(), NEW);
}

#[test]
fn a_spent_order_is_not_obeyed_again() {
    let config = fleet::MeterConfig { boot_fault: BootFault::NewFirmwareDoesNotComeUp, ..meter_config(1) };
    let mut home = Home::with_meter(config);
    let file = with_verified_meter(&mut home);
    let spent = home.order(meter_eui(1), file.image_digest(), 5);
    home.order_activation(1, &spent);
    home.run_minutes(10);
    assert_eq!(home.status(1), ImageTransferStatus::ActivationFailed);
    // Staged again, held again, and ordered with yesterday's order.
    with_verified_meter(&mut home);
    assert_eq!(home.order_activation(1, &spent), AccessResult::ReadWriteDenied);
    tell_meter(&mut home, &spent);
    home.run_minutes(10);
    assert_eq!(home.meter().counters().rollbacks, 1);
    assert_eq!(home.meter().counters().orders_refused, 1);
}

#[test]
fn new_firmware_that_does_not_come_up_gives_way_to_the_old() {
    let config = fleet::MeterConfig { boot_fault: BootFault::NewFirmwareDoesNotComeUp, ..meter_config(1) };
    let mut home = Home::with_meter(config);
    let file = with_verified_meter(&mut home);
    home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
    home.run_minutes(10);
    assert_eq!(home.status(1), ImageTransferStatus::ActivationFailed);
    assert_eq!(home.han_status()[0].state, HanState::ActivationFailed);
    assert_eq!(home.meter().running_version(), OLD);
    assert_eq!(home.meter().security_counter(), 0, "the counter rises at confirm only");
    assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::ActivationFailure));
    let downloads = home.meter().counters().downloads;
    home.run_minutes(60 * 72);
    assert_eq!(home.meter().counters().downloads, downloads, "what failed is not fetched again");
}

#[test]
fn a_gas_meter_gets_its_order_at_the_next_wake() {
    let wake_interval = Duration::from_secs(1800);
    let kind = MeterKind::Gas { wake_interval, blocks_per_wake: 50 };
    let first_query = Duration::from_secs(100);
    let mut home = Home::with_meter(fleet::MeterConfig { kind, first_query, ..meter_config(1) });
    let file = with_verified_meter(&mut home);
    home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
    home.run_for(wake_interval + Duration::from_secs(120));
    assert_eq!(home.status(1), ImageTransferStatus::ActivationSuccessful);
    assert_eq!(home.meter().running_version(), NEW);
}

#[test]
fn a_hub_that_restarts_while_a_gas_meter_goes_back_does_not_send_the_image_again() {
    let wake_interval = Duration::from_secs(1800);
    let kind = MeterKind::Gas { wake_interval, blocks_per_wake: 50 };
    let boot_fault = BootFault::NewFirmwareDoesNotComeUp;
    let first_query = Duration::from_secs(100);
    let mut home = Home::with_meter(fleet::MeterConfig { kind, first_query, boot_fault, ..meter_config(1) });
    let file = with_verified_meter(&mut home);
    home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
    while home.meter().is_up() {
        home.run_for(Duration::from_secs(1));
    }
    // The meter has said that it obeys; with the restart that is forgotten.
    home.hub.reboot(home.now);
    let before = home.meter().counters().blocks_received;
    home.run_for(wake_interval * 3);
    home.associate();
    assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::ActivationFailure));
    assert_eq!(home.status(1), ImageTransferStatus::ActivationFailed);
    assert_eq!(home.han_status()[0].state, HanState::ActivationFailed);
    assert_eq!(home.meter().counters().blocks_received, before, "nothing is fetched twice");
}

#[test]
fn an_order_is_not_accepted_while_the_meter_still_fetches() {
    let mut home = Home::usual();
    let file = Recipe { len: 60_000, ..Recipe::new(METER_TYPE) }.signed();
    home.stage(1, file.bytes());
    home.run_for(Duration::from_secs(5));
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    assert_eq!(home.order_activation(1, &order), AccessResult::ObjectUnavailable);
    assert_eq!(home.status(1), ImageTransferStatus::VerificationSuccessful);
}

fn scramble(number: u64) -> u64 {
    let mixed = (number ^ (number >> 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33
}

#[test]
fn lost_orders_and_answers_are_made_good() {
    for seed in 0..40 {
        let mut home = Home::usual();
        let file = with_verified_meter(&mut home);
        home.loses = Box::new(move |number, _, _| scramble(number + 1000 * seed) % 100 < 40);
        home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
        home.run_minutes(60 * 23);
        assert_eq!(home.status(1), ImageTransferStatus::ActivationSuccessful, "seed {seed}");
    }
}

#[test]
fn a_bit_that_flips_between_verify_and_activate_stops_the_activation() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    for page in 0..file.bytes().len().div_ceil(1024) as u32 {
        let mut home = Home::usual();
        let file = with_verified_meter(&mut home);
        home.meters[0].decay_spare(page * 1024, 3);
        home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
        home.run_minutes(10);
        assert_eq!(home.meter().running_version(), OLD, "page {page}");
        assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::HashMismatch));
        assert_eq!(home.status(1), ImageTransferStatus::ActivationFailed);
    }
    home.hub.decay_staged(1, 100, 0);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    assert_eq!(home.order_activation(1, &order), AccessResult::OtherReason);
}

#[test]
pub fn the_hub_updates_itself() {
    let mut home = Home::usual();
    let file = Recipe::new(HUB_TYPE).signed();
    assert_eq!(home.stage(0, file.bytes()), ImageTransferStatus::VerificationSuccessful);
    assert_eq!(home.activate(0), AccessResult::ReadWriteDenied, "no order");
    let order = home.order(HUB, file.image_digest(), 1);
    assert_eq!(home.order_activation(0, &order), AccessResult::Success);
    assert!(!home.hub.is_up(home.now));
    home.run_for(Duration::from_secs(19));
    assert!(!home.hub.is_up(home.now));
    home.run_for(Duration::from_secs(2));
    home.associate();
    assert_eq!(home.status(0), ImageTransferStatus::ActivationSuccessful);
    assert_eq!(home.active_version(0).unwrap(), NEW.0.to_be_bytes());
    // The next image goes into another bank, and going back is refused.
    let next = Recipe { version: FileVersion(NEW.0 + 1), sequence: 8, ..Recipe::new(HUB_TYPE) }.signed();
    assert_eq!(home.stage(0, next.bytes()), ImageTransferStatus::VerificationSuccessful);
    let back = Recipe { version: FileVersion(NEW.0 + 2), sequence: 6, ..Recipe::new(HUB_TYPE) }.signed();
    assert_eq!(home.stage(0, back.bytes()), ImageTransferStatus::VerificationFailed);
}

#[test]
fn a_hub_whose_new_firmware_does_not_come_up_returns_and_says_so() {
    let mut config = crate::home::hub_config(&[]);
    config.boot_fault = BootFault::NewFirmwareDoesNotComeUp;
    let mut home = Home::new(config, Vec::new(), crate::home::trust());
    let file = Recipe::new(HUB_TYPE).signed();
    home.stage(0, file.bytes());
    home.order_activation(0, &home.order(HUB, file.image_digest(), 1));
    home.run_minutes(3);
    home.associate();
    assert_eq!(home.status(0), ImageTransferStatus::ActivationFailed);
    assert_eq!(home.active_version(0).unwrap(), OLD.0.to_be_bytes());
    assert_eq!(home.hub.counters().rollbacks, 1);
}

#[test]
fn the_hub_does_not_run_an_image_for_somebody_else() {
    let mut home = Home::usual();
    let file = Recipe::new(METER_TYPE).signed();
    assert_eq!(
        home.stage(0, file.bytes()),
        ImageTransferStatus::VerificationSuccessful,
        "it may be passed on"
    );
    let order = home.order(HUB, file.image_digest(), 1);
    assert_eq!(home.order_activation(0, &order), AccessResult::ReadWriteDenied);
    let hardware = crate::home::hardware(0x0200, 0x0200);
    let wrong = Recipe { hardware, ..Recipe::new(HUB_TYPE) }.signed();
    assert_eq!(home.stage(0, wrong.bytes()), ImageTransferStatus::VerificationFailed);
}

#[test]
fn a_reboot_of_the_hub_does_not_lose_an_activation() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
    home.hub.reboot(home.now);
    home.run_minutes(5);
    home.associate();
    assert_eq!(home.status(1), ImageTransferStatus::ActivationSuccessful);
}

#[test]
fn firmware_that_falls_silent_runs_on_and_is_heard_of_no_more_until_it_starts_again() {
    let after = Duration::from_secs(5 * 3600);
    let mut home =
        Home::with_meter(fleet::MeterConfig { falls_silent_after: Some(after), ..meter_config(1) });
    let file = with_verified_meter(&mut home);
    home.order_activation(1, &home.order(meter_eui(1), file.image_digest(), 1));
    home.run_minutes(10);
    assert_eq!(home.han_status()[0].state, HanState::Activated, "it came up, and said so");
    home.run_for(after);
    assert!(home.meter().is_up() && !home.meter().is_awake(home.now));
    let frames = home.frames;
    home.run_minutes(60 * 48);
    assert_eq!(home.frames, frames, "nothing is said and nothing is asked");
    home.meters[0].reboot(home.now);
    home.run_minutes(10);
    assert!(home.frames > frames, "it works again, for five hours");
    assert_eq!(home.meter().running_version(), NEW);
}
