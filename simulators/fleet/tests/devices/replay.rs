//! Orders that were obeyed, counters that were reached, and bytes that changed after they were checked.

use firmware_image::{FileVersion, ImageDigest, OtaFile};
use fleet::{ActivationOutcome, BootFault, CutMode, FlashFault};
use wire::{AccessResult, HanState, ImageTransferStatus};

use crate::activation::tell_meter;
use crate::home::{
    HUB, HUB_TYPE, Home, METER_TYPE, NEW, OLD, Recipe, hub_config, meter_config, meter_eui, order_key, trust,
};

fn image(step: u32) -> OtaFile {
    let (version, sequence) = (FileVersion(NEW.0 + step), 7 + u64::from(step));
    Recipe { version, sequence, ..Recipe::new(METER_TYPE) }.signed()
}

#[test]
fn no_recorded_order_is_obeyed_at_any_later_state() {
    let mut home = Home::usual();
    let mut recorded: Vec<Vec<u8>> = Vec::new();
    for step in 0..4 {
        let file = image(step);
        home.stage(1, file.bytes());
        replay_all(&mut home, &recorded);
        home.run_minutes(60);
        assert_eq!(home.han_status()[0].state, HanState::Verified);
        replay_all(&mut home, &recorded);
        // Orders that were made and never delivered are recorded like those that were obeyed.
        let digest = file.image_digest();
        let counters = [u64::from(step) * 2 + 1, u64::from(step) * 2 + 2];
        let made = counters.map(|counter| home.order(meter_eui(1), digest, counter));
        assert_eq!(home.order_activation(1, &made[1]), AccessResult::TemporaryFailure);
        home.run_minutes(5);
        assert_eq!(home.meter().running_version(), FileVersion(NEW.0 + step));
        recorded.extend(made);
        replay_all(&mut home, &recorded);
        home.meters[0].reboot(home.now);
        home.run_minutes(5);
        replay_all(&mut home, &recorded);
    }
    assert_eq!(home.meter().counters().activations, 4);
}

/// Writes each recorded order on the WAN and says it on the radio; nothing comes of it.
fn replay_all(home: &mut Home, recorded: &[Vec<u8>]) {
    let before = (home.meter().running_version(), home.meter().counters().activations);
    for order in recorded {
        home.associate();
        home.try_order(1, order);
        tell_meter(home, order);
        home.run_minutes(2);
        assert_eq!((home.meter().running_version(), home.meter().counters().activations), before);
    }
}

#[test]
fn an_order_answers_one_nonce_and_no_other() {
    let mut home = Home::usual();
    let file = image(0);
    home.stage(1, file.bytes());
    home.run_minutes(60);
    let first = home.nonce_of(meter_eui(1));
    let early = home.order(meter_eui(1), file.image_digest(), 1);
    // Another image takes its place: the meter draws again when that one verifies.
    let other = image(1);
    home.stage(1, other.bytes());
    home.run_minutes(60 * 30);
    assert_eq!(home.han_status()[0].state, HanState::Verified);
    assert_ne!(home.nonce_of(meter_eui(1)), first);
    home.meters[0].reboot(home.now);
    home.run_minutes(3);
    let second = home.nonce_of(meter_eui(1));
    assert_eq!(home.han_status()[0].challenge.unwrap().nonce, second, "it survives a reboot");
    tell_meter(&mut home, &early);
    let for_first = firmware_image::ActivationOrder {
        device: meter_eui(1),
        image: other.image_digest(),
        epoch: firmware_image::CounterEpoch(0),
        counter: firmware_image::OrderCounter(1),
        nonce: firmware_image::Nonce::from_bytes(first),
    };
    let for_first = for_first.sign(&order_key()).unwrap().bytes().to_vec();
    tell_meter(&mut home, &for_first);
    assert_eq!(home.order_activation(1, &for_first), AccessResult::ReadWriteDenied);
    home.run_minutes(5);
    assert_eq!(home.meter().running_version(), OLD);
}

/// How a hub came to its counter, beside the number itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum History {
    LeftByTheFactory,
    Confirmed,
    ConfirmedAndRebooted,
    ConfirmedAndHoldingAnother,
    AfterARollback,
    AfterARefusal,
}

const HISTORIES: [History; 6] = [
    History::LeftByTheFactory,
    History::Confirmed,
    History::ConfirmedAndRebooted,
    History::ConfirmedAndHoldingAnother,
    History::AfterARollback,
    History::AfterARefusal,
];

fn hub_image(sequence: u64, len: usize) -> OtaFile {
    let version = FileVersion(NEW.0 + sequence as u32);
    Recipe { version, sequence, len, ..Recipe::new(HUB_TYPE) }.signed()
}

fn activate(home: &mut Home, file: &OtaFile, counter: u64) {
    assert_eq!(home.stage(0, file.bytes()), ImageTransferStatus::VerificationSuccessful);
    let order = home.order(HUB, file.image_digest(), counter);
    assert_eq!(home.order_activation(0, &order), AccessResult::Success);
    home.run_minutes(3);
    home.associate();
}

fn hub_with(history: History, sequence: u64) -> Home {
    let mut config = hub_config(&[]);
    config.factory_sequence = match history {
        History::LeftByTheFactory | History::AfterARollback => sequence,
        _ => 0,
    };
    if history == History::AfterARollback {
        config.boot_fault = BootFault::NewFirmwareDoesNotComeUp;
    }
    let mut home = Home::new(config, Vec::new(), trust());
    match history {
        History::LeftByTheFactory => {}
        History::AfterARollback => {
            activate(&mut home, &hub_image(100, 3000), 1);
            assert_eq!(home.hub.last_outcome(), Some(ActivationOutcome::ActivationFailure));
        }
        _ => activate(&mut home, &hub_image(sequence, 3000), 1),
    }
    match history {
        History::ConfirmedAndRebooted => {
            home.hub.reboot(home.now);
            home.run_minutes(1);
        }
        History::ConfirmedAndHoldingAnother => {
            home.stage(0, hub_image(100, 3100).bytes());
        }
        History::AfterARefusal => {
            home.stage(0, Recipe { key: [9; 32], ..Recipe::new(HUB_TYPE) }.signed().bytes());
        }
        _ => {}
    }
    home
}

#[test]
fn going_back_is_refused_for_all_pairs_of_numbers_in_all_states() {
    let mut cases = 0;
    for history in HISTORIES {
        // Whoever confirmed an image knows it; what the factory put there is known by its number alone.
        let knows_image = !matches!(history, History::LeftByTheFactory | History::AfterARollback);
        for confirmed in 1..=8 {
            for offered in 1..=8 {
                let mut home = hub_with(history, confirmed);
                let status = home.stage(0, hub_image(offered, 2500).bytes());
                let may_follow = offered > confirmed || (offered == confirmed && !knows_image);
                let expected = if may_follow {
                    ImageTransferStatus::VerificationSuccessful
                } else {
                    ImageTransferStatus::VerificationFailed
                };
                assert_eq!(status, expected, "{history:?}: {offered} after {confirmed}");
                cases += 1;
            }
            if knows_image {
                let mut home = hub_with(history, confirmed);
                let status = home.stage(0, hub_image(confirmed, 3000).bytes());
                assert_eq!(status, ImageTransferStatus::VerificationSuccessful, "the very same image");
            }
        }
    }
    assert_eq!(cases, 384);
}

#[test]
fn a_cut_while_the_counter_is_written_never_lets_it_fall() {
    let update = |fault: Option<FlashFault>| {
        let mut config = hub_config(&[]);
        config.flash_faults = fault.into();
        let mut home = Home::new(config, Vec::new(), trust());
        let (new, old) = (hub_image(5, 2500), hub_image(4, 2600));
        for counter in 1..=4 {
            for _ in 0..4 {
                home.associate_patiently();
                home.try_initiate(0, new.bytes());
                for (number, bytes) in (0..).zip(new.bytes().chunks(1024)) {
                    home.try_block(0, number, bytes);
                }
                home.try_verify(0);
                home.run_minutes(1);
                if home.hub.transfer_status(0) == Some(ImageTransferStatus::VerificationSuccessful) {
                    break;
                }
            }
            let order = home.order(HUB, new.image_digest(), counter);
            home.associate_patiently();
            home.try_order(0, &order);
            home.run_minutes(3);
            if home.hub.running_version() == new.identity().file_version {
                break;
            }
        }
        assert_eq!(home.hub.running_version(), new.identity().file_version, "{fault:?}");
        home.associate_patiently();
        let operations = home.hub.flash_operations();
        if fault.is_none_or(|fault| fault.at_operation < operations) {
            assert_eq!(home.stage(0, old.bytes()), ImageTransferStatus::VerificationFailed, "{fault:?}");
        }
        operations
    };
    let operations = update(None);
    for mode in [CutMode::Before, CutMode::Torn, CutMode::After] {
        for at_operation in 0..operations {
            update(Some(FlashFault { at_operation, mode }));
        }
    }
}

#[test]
fn a_bit_that_flips_on_any_page_after_the_check_stops_the_hubs_own_activation() {
    let file = Recipe::new(HUB_TYPE).signed();
    for page in 0..file.bytes().len().div_ceil(1024) as u32 {
        let mut home = Home::new(hub_config(&[]), Vec::new(), trust());
        assert_eq!(home.stage(0, file.bytes()), ImageTransferStatus::VerificationSuccessful);
        let order = home.order(HUB, file.image_digest(), 1);
        home.hub.decay_staged(0, page * 1024, 5);
        assert_eq!(home.order_activation(0, &order), AccessResult::OtherReason, "page {page}");
        home.run_minutes(3);
        assert_eq!(home.hub.running_version(), OLD, "page {page}");
        assert_eq!(home.hub.last_outcome(), Some(ActivationOutcome::HashMismatch));
    }
}

#[test]
fn an_order_for_another_home_or_image_is_none_here() {
    let mut home = Home::with_meter(meter_config(1));
    let file = image(0);
    home.stage(1, file.bytes());
    home.run_minutes(60);
    let other = home.order(meter_eui(1), ImageDigest::of(b"another"), 1);
    assert_eq!(home.order_activation(1, &other), AccessResult::ReadWriteDenied);
    let attacks = home.hub.counters().attacks;
    assert_eq!(attacks.of(firmware_image::Attack::MixAndMatch), 1);
    assert_eq!(attacks.total(), 1);
}
