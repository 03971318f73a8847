//! What devices do and no seed of the swarm makes them do for certain: each must happen in one of the scenes here, and
//! nothing that the wire or a life cycle has may be left to nobody without a reason.

use std::collections::BTreeSet;
use std::time::Duration;

use firmware_image::FileVersion;
use fleet::{ActivationOutcome, BootFault, SecurityEvent, TransferOutcome};
use wire::{
    AccessResult, AttributeId, AttributeList, HanState, ImageBlockRequest, ImageKey, ImageTransferStatus,
    OtaCommand, UPGRADE_WHEN_TOLD, UpgradeEndResponse, ZclFrame, ZclStatus,
};

use crate::activation::{self, hub_says, tell_order, with_verified_meter};
use crate::counts::print_row;
use crate::deeds::done_in;
use crate::home::{HUB, HUB_TYPE, Home, METER_TYPE, NEW, Recipe, meter_eui};
use crate::sometimes::{alert, table};
use crate::{dlms, security_log, trust};

/// A scene and what it is played for.
type Scene = (fn(), &'static [&'static str]);

/// The scenes, half of them tests of their own.
const SCENES: &[Scene] = &[
    (
        security_log::an_order_for_later_is_in_the_log_when_it_was_carried_out_and_when_not,
        &["alert 0x8F66", "alert 0x8F67", "meter CountDown to Normal"],
    ),
    (an_order_for_later_is_taken_back, &["meter CountDown to Waiting"]),
    (security_log::an_order_without_an_image_ends_with_no_image_held, &["alert 0x00CA 1"]),
    (security_log::an_order_that_reached_no_device_is_in_the_log_of_its_hub_after_a_day, &["alert 0x8F84"]),
    (an_image_is_altered_before_its_first_boot, &["alert 0x8F1B", "boot Armed to Settled"]),
    (what_runs_is_altered_and_then_what_ran_before, &["boots what ran before", "boots nothing"]),
    (strange_commands_are_answered, table::TO_STRANGE_COMMANDS),
    (
        dlms::associations_that_this_server_cannot_keep_are_refused,
        &["hub association refused for its mechanism"],
    ),
    (
        a_hub_fails_and_is_told_again,
        &[
            "hub own row ActivationFailed",
            "slot ActivationFailed to ActivationInitiated",
            "slot ActivationFailed to NotInitiated",
        ],
    ),
    (activation::the_hub_updates_itself, &["slot ActivationSuccessful to NotInitiated"]),
    (an_image_is_begun_anew_while_it_is_verified, &["slot VerificationInitiated to NotInitiated"]),
    (a_device_that_was_given_up_runs_its_image, &["slot ActivationFailed to ActivationSuccessful"]),
    (
        trust::a_new_epoch_begins_to_count_again_and_the_old_orders_are_void,
        &["bank of what ran before emptied"],
    ),
];

#[test]
fn what_no_seed_brings_about_happens_here() {
    let (mut done, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for (number, (scene, words)) in SCENES.iter().enumerate() {
        let seen = done_in(*scene);
        for word in *words {
            assert!(seen.contains(*word), "scene {number}: no `{word}` in {seen:?}");
            assert!(taken.insert(*word), "`{word}` is taken twice");
        }
        done.extend(seen);
    }
    let left: BTreeSet<&str> = table::of_devices().collect();
    assert_eq!(taken, left, "exactly what is left to the devices' tests");
    let unlisted: Vec<_> = done.iter().filter(|word| table::is_unlisted(word)).collect();
    assert!(unlisted.is_empty(), "nobody is said to do {unlisted:?}");
    print_row("sometimes-checks: left to scenes of devices, met", taken.len());
    print_row("sometimes-checks: codes that nobody sends", table::of_nobody().count());
}

#[test]
fn every_code_is_somebodys_or_nobodys_for_a_reason() {
    let named = |byte: &u8| !matches!(ZclStatus::from_byte(*byte), ZclStatus::Other(_));
    let statuses = (0..=u8::MAX).filter(named).map(ZclStatus::from_byte);
    let results = (0..=u8::MAX).map(AccessResult::from_byte);
    let results = results.filter(|result| !matches!(result, AccessResult::Other(_)));
    let phases = ["Settled", "Armed", "Trial"];
    let ended = ActivationOutcome::ALL.into_iter().map(SecurityEvent::ActivationEnded);
    let transferred = TransferOutcome::ALL.into_iter().map(SecurityEvent::TransferEnded);
    let codes: BTreeSet<String> = statuses
        .flat_map(|status| ["hub", "device"].map(|who| format!("{who} status {status}")))
        .chain(results.map(|result| format!("hub result {result}")))
        .chain(
            HanState::ALL
                .into_iter()
                .flat_map(|state| ["row", "own row"].map(|row| format!("hub {row} {state:?}"))),
        )
        .chain(phases.iter().flat_map(|from| phases.map(|to| format!("boot {from} to {to}"))))
        .chain(SecurityEvent::ALERTS.into_iter().chain(ended).chain(transferred).map(alert))
        .collect();
    let mut listed = BTreeSet::new();
    for word in table::of_swarm().chain(table::of_devices()).chain(table::of_nobody()) {
        assert!(listed.insert(word.to_owned()), "`{word}` is listed twice");
    }
    let missing: Vec<_> = codes.difference(&listed).collect();
    assert!(missing.is_empty(), "in no list: {missing:?}");
    assert!(table::of_nobody().all(|word| codes.contains(word)), "only a code can be nobody's");
    let reasons = table::DEVICES.iter().chain(table::NOBODY);
    assert!(reasons.clone().all(|(reason, words)| !reason.is_empty() && !words.is_empty()));
}

/// A hub that wants the activation at once, in an hour, or not now.
fn word_for(upgrade_time: u32) -> OtaCommand<'static> {
    let key = ImageKey { manufacturer: 0xFFFF, image_type: 0xFFFF, file_version: 0xFFFF_FFFF };
    OtaCommand::UpgradeEndResponse(UpgradeEndResponse { key, current_time: 100, upgrade_time })
}

fn an_order_for_later_is_taken_back() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    tell_order(&mut home, &order);
    hub_says(&mut home, word_for(3_700));
    home.run_minutes(30);
    hub_says(&mut home, word_for(UPGRADE_WHEN_TOLD));
    home.run_minutes(90);
    assert_ne!(home.meter().running_version(), NEW);
}

fn an_image_is_altered_before_its_first_boot() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    activation::tell_meter(&mut home, &order);
    home.meters[0].decay_spare(2_000, 0);
    home.run_minutes(3);
    assert_eq!(home.meter().last_outcome(), Some(ActivationOutcome::HashMismatch));
}

/// A device that finds nothing to boot stays dark: that no single fault brings it there is what the power cuts show.
fn what_runs_is_altered_and_then_what_ran_before() {
    let mut home = Home::usual();
    for number in 0..2 {
        let version = FileVersion(NEW.0 + number);
        let file = Recipe { version, sequence: 7 + u64::from(number), ..Recipe::new(METER_TYPE) }.signed();
        home.stage(1, file.bytes());
        home.run_minutes(60 * 25);
        let order = home.order(meter_eui(1), file.image_digest(), 1 + u64::from(number));
        home.order_activation(1, &order);
        home.run_minutes(3);
        assert_eq!(home.meter().running_version(), version);
    }
    home.meters[0].decay_running(2_000, 0);
    home.meters[0].reboot(home.now);
    home.run_minutes(2);
    assert_eq!(home.meter().running_version(), NEW);
    home.meters[0].decay_running(2_000, 0);
    home.meters[0].reboot(home.now);
    home.run_minutes(2);
    assert!(home.meter().is_dead());
}

fn strange_commands_are_answered() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    let beyond = ImageBlockRequest {
        key: ImageKey { manufacturer: 0x10E5, image_type: METER_TYPE.0, file_version: NEW.0 },
        offset: file.bytes().len() as u32,
        maximum_data_size: 40,
        requester: None,
        minimum_block_period_ms: None,
    };
    device_says(&mut home, OtaCommand::ImageBlockRequest(beyond));
    let list = AttributeList::new(&[AttributeId(0x4242)]).unwrap();
    hub_says(&mut home, OtaCommand::ReadAttributes(list));
    for (general, manufacturer) in [(false, None), (true, None), (false, Some(1)), (true, Some(1))] {
        let unknown = OtaCommand::Unknown { command: 0x55, general, manufacturer, payload: &[] };
        device_says(&mut home, unknown.clone());
        hub_says(&mut home, unknown);
    }
    home.run_minutes(1);
}

fn device_says(home: &mut Home, command: OtaCommand<'_>) {
    let mut zcl = Vec::new();
    ZclFrame { transaction: 9, from_server: false, disable_default_response: false, command }.emit(&mut zcl);
    home.hub.receive_han(home.now, &mut home.pool, 1, &zcl);
}

fn a_hub_fails_and_is_told_again() {
    let mut config = crate::home::hub_config(&[]);
    config.boot_fault = BootFault::NewFirmwareDoesNotComeUp;
    let mut home = Home::new(config, Vec::new(), crate::home::trust());
    let file = Recipe::new(HUB_TYPE).signed();
    home.stage(0, file.bytes());
    for counter in 1..=2 {
        home.order_activation(0, &home.order(HUB, file.image_digest(), counter));
        home.run_minutes(3);
        assert_eq!(home.rows()[0].state, HanState::ActivationFailed);
    }
    assert_eq!(home.hub.counters().rollbacks, 2);
    assert_eq!(home.stage(0, file.bytes()), ImageTransferStatus::VerificationSuccessful);
}

fn an_image_is_begun_anew_while_it_is_verified() {
    let mut home = Home::usual();
    let file = Recipe::new(METER_TYPE).signed();
    home.associate();
    home.initiate(1, file.bytes());
    for (number, bytes) in (0..).zip(file.bytes().chunks(1024)) {
        home.block(1, number, bytes);
    }
    assert_eq!(home.verify(1), AccessResult::TemporaryFailure);
    assert_eq!(home.initiate(1, file.bytes()), AccessResult::Success);
    assert_eq!(home.status(1), ImageTransferStatus::Initiated);
}

fn a_device_that_was_given_up_runs_its_image() {
    let mut home = Home::usual();
    let file = with_verified_meter(&mut home);
    let order = home.order(meter_eui(1), file.image_digest(), 1);
    home.order_activation(1, &order);
    home.run_for(Duration::from_secs(1));
    home.loses = Box::new(|_, _, _| true);
    home.run_minutes(60 * 25);
    assert_eq!(home.status(1), ImageTransferStatus::ActivationFailed);
    home.loses = Box::new(|_, _, _| false);
    home.run_minutes(120);
    assert_eq!(home.status(1), ImageTransferStatus::ActivationSuccessful);
}
