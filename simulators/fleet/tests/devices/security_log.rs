//! What the security log says of an update, and the four ways in which an activation ends.

use std::time::Duration;

use firmware_image::ImageDigest;
use fleet::{
    ActivationOutcome, BootFault, MeterConfig, MeterKind, SecurityEntry, SecurityEvent, TransferOutcome,
};
use wire::{AccessResult, ImageKey, ImageTransferStatus, OtaCommand, UpgradeEndResponse};

use crate::activation::{hub_says, tell_meter, tell_order, with_verified_meter};
use crate::home::{HUB, Home, METER_TYPE, NEW, OLD, Recipe, image_key, meter_config, meter_eui};

fn events(log: &[SecurityEntry]) -> Vec<SecurityEvent> {
    log.iter().map(|entry| entry.event).collect()
}

fn transferred(outcome: TransferOutcome) -> SecurityEvent {
    SecurityEvent::TransferEnded(outcome)
}

fn ended(outcome: ActivationOutcome) -> SecurityEvent {
    SecurityEvent::ActivationEnded(outcome)
}

#[test]
fn an_update_leaves_its_steps_in_the_logs_of_meter_and_hub() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    home.order_activation(1, &order);
    home.run_minutes(3);
    let log = home.meter().security_log();
    let steps =
        [SecurityEvent::ImageVerified, SecurityEvent::VersionChanged, ended(ActivationOutcome::Success)];
    assert_eq!(events(&log), steps);
    assert!(log.iter().all(|entry| entry.version == NEW));
    assert!(log.windows(2).all(|pair| pair[0].moment <= pair[1].moment));
    let digest = u64::from_be_bytes(*file.image_digest().as_bytes().first_chunk().unwrap());
    assert_eq!((log[0].detail, log[2].detail), (digest, 1));
    let codes: Vec<u16> = log.iter().map(|entry| entry.event.code()).collect();
    assert_eq!(codes, [0x8F72, 0x8F43, 0x00CA]);
    let hub_log = home.hub.security_log();
    assert_eq!(events(&hub_log), [SecurityEvent::ImageVerified, transferred(TransferOutcome::Success)]);
    assert_eq!(hub_log[1].detail, u64::from_be_bytes(meter_eui(1).to_bytes()));
}

#[test]
fn an_image_that_does_not_verify_and_one_that_does_not_come_up_are_in_the_log() {
    let boot_fault = BootFault::NewFirmwareDoesNotComeUp;
    let mut home = Home::with_meter(MeterConfig { boot_fault, ..meter_config(1) });
    let file = with_verified_meter(&mut home);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    home.order_activation(1, &order);
    home.run_minutes(10);
    let failure = ActivationOutcome::ActivationFailure;
    let log = home.meter().security_log();
    assert_eq!(events(&log), [SecurityEvent::ImageVerified, ended(failure)]);
    assert_eq!(log[1].version, OLD, "the log says what runs in the end");
    assert_eq!(home.meter().last_outcome(), Some(failure));

    let mut home = Home::usual();
    home.stage(1, Recipe::new(METER_TYPE).signed().bytes());
    while home.meter().counters().downloads == 0 {
        home.run_for(Duration::from_millis(5));
    }
    home.meters[0].decay_spare(1_000, 3);
    home.run_minutes(1);
    let log = home.meter().security_log();
    assert_eq!(events(&log)[..1], [SecurityEvent::ImageRefused]);
    assert_eq!(log[0].event.code(), 0x8F1C);
    assert_ne!(log[0].detail, 0, "the digest of what came");
    assert_eq!(events(&home.hub.security_log()).last(), Some(&transferred(TransferOutcome::ImageDiscarded)));
}

#[test]
pub fn an_order_that_reached_no_device_is_in_the_log_of_its_hub_after_a_day() {
    let gas = MeterKind::Gas { wake_interval: Duration::from_secs(1_800), blocks_per_wake: 1_000 };
    for (kind, event, code) in [
        (MeterKind::Electricity, SecurityEvent::MessageNotDelivered, 0x8F84),
        (gas, SecurityEvent::CommandNotRetrieved, 0x819D),
    ] {
        let first_query = Duration::from_secs(100);
        let mut home = Home::with_meter(MeterConfig { kind, first_query, ..meter_config(1) });
        let file = Recipe::new(METER_TYPE).signed();
        home.stage(1, file.bytes());
        home.run_minutes(120);
        let order = home.order(meter_eui(1), file.image_digest(), 1);
        home.loses = Box::new(|_, _, _| true);
        home.order_activation(1, &order);
        home.run_minutes(23 * 60);
        assert_eq!(home.hub.security_log().last().map(|entry| entry.event == event), Some(false));
        home.run_minutes(2 * 60);
        let log = home.hub.security_log();
        let entry = log.last().unwrap();
        assert_eq!((entry.event, entry.event.code(), entry.version), (event, code, NEW));
        assert_eq!(entry.detail, u64::from_be_bytes(meter_eui(1).to_bytes()));
    }
}

/// Without an image there is nothing to activate; the device says so to whoever reads its outcome, and the order is
/// spent, so that it does not activate an image that comes later.
#[test]
pub fn an_order_without_an_image_ends_with_no_image_held() {
    let mut home = Home::usual();
    let digest = ImageDigest::of(b"an image that never came");
    for forged in [home.order_by(&image_key(), meter_eui(1), digest, 1), home.order(meter_eui(2), digest, 1)]
    {
        tell_meter(&mut home, &forged);
    }
    assert_eq!((home.meter().last_outcome(), home.meter().security_log()), (None, Vec::new()));

    let order = home.order(meter_eui(1), digest, 1);
    let nonce = home.meter().challenge().nonce;
    tell_meter(&mut home, &order);
    tell_meter(&mut home, &order);
    assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::NoImageHeld));
    assert_eq!(events(&home.meter().security_log()), [ended(ActivationOutcome::NoImageHeld)]);
    assert_eq!(home.meter().challenge().last_counter, 1);
    assert_ne!(home.meter().challenge().nonce, nonce);

    home.meters[0].reboot(home.now);
    home.run_minutes(2);
    assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::NoImageHeld), "it is remembered");

    let order = home.order(HUB, digest, 1);
    assert_eq!(home.order_activation(0, &order), AccessResult::OtherReason);
    assert_eq!(home.hub.last_outcome(), Some(ActivationOutcome::NoImageHeld));
    assert_eq!(home.status(0), ImageTransferStatus::NotInitiated);
}

#[test]
fn an_image_altered_before_its_order_ends_with_hash_mismatch() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    home.meters[0].decay_spare(2_000, 0);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    tell_meter(&mut home, &order);
    assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::HashMismatch));
    let log = home.meter().security_log();
    assert_eq!(events(&log), [SecurityEvent::ImageVerified, ended(ActivationOutcome::HashMismatch)]);
}

#[test]
pub fn an_order_for_later_is_in_the_log_when_it_was_carried_out_and_when_not() {
    for altered in [false, true] {
        let mut home = Home::usual();
        let file = with_verified_meter(&mut home);
        let order = home.order(meter_eui(1), file.image_digest(), 1);
        tell_order(&mut home, &order);
        let key = ImageKey { manufacturer: 0xFFFF, image_type: 0xFFFF, file_version: 0xFFFF_FFFF };
        let in_an_hour = UpgradeEndResponse { key, current_time: 100, upgrade_time: 3_700 };
        hub_says(&mut home, OtaCommand::UpgradeEndResponse(in_an_hour));
        home.run_minutes(59);
        assert_eq!(events(&home.meter().security_log()), [SecurityEvent::ImageVerified]);
        if altered {
            home.meters[0].decay_spare(2_000, 0);
        }
        home.run_minutes(3);
        let expected = match altered {
            false => SecurityEvent::DatedOrderObeyed,
            true => SecurityEvent::DatedOrderNotObeyed,
        };
        assert_eq!(home.meter().security_log()[1].event, expected);
        assert_eq!(home.meter().running_version() == NEW, !altered);
    }
}
