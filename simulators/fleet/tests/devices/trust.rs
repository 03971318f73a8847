//! The chain of trust on hub and meter: rotation and revocation, freshness, and what does not belong together.

use std::time::Duration;

use firmware_image::{
    ActivationOrder, Attack, CounterEpoch, FileVersion, Nonce, OrderCounter, OtaFile, RootVersion,
    SequenceNumber, SignedImage, Terms,
};
use fleet::{Meter, MeterConfig, MeterKind};
use wire::{AccessResult, HanState, ImageTransferStatus};

use crate::chain::{Chain, FIRST, Staff, floor, key};
use crate::home::{
    HUB, HUB_TYPE, Home, METER_TYPE, NEW, OLD, Recipe, START, hub_config, meter_config, meter_eui,
};

const SECOND: Staff = Staff { maker: 2, order: 2, epoch: 1 };

fn chain() -> Chain {
    Chain::at(START)
}

fn rooted_with(meter: MeterConfig) -> Home {
    Home::new(hub_config(std::slice::from_ref(&meter)), vec![meter], chain().factory())
}

fn rooted() -> Home {
    rooted_with(meter_config(1))
}

fn signed_by(staff: Staff, recipe: &Recipe) -> OtaFile {
    let terms = Terms::from(SequenceNumber(recipe.sequence));
    let key = key("maker", staff.maker);
    SignedImage::sign(&recipe.unsigned(), terms, &key).unwrap().file().clone()
}

fn meter_file() -> OtaFile {
    signed_by(FIRST, &Recipe::new(METER_TYPE))
}

fn release(home: &mut Home, root_version: u64, files: &[&OtaFile]) {
    let chain = Chain::at(home.now);
    let serial = chain.now.0;
    assert_eq!(home.set_paper(0, &chain.status(serial, root_version, Vec::new())), AccessResult::Success);
    assert_eq!(home.set_paper(0, &chain.release(serial, root_version, files)), AccessResult::Success);
}

fn order_of(
    home: &Home,
    staff: Staff,
    device: firmware_image::Eui64,
    file: &OtaFile,
    counter: u64,
) -> Vec<u8> {
    let order = ActivationOrder {
        device,
        image: file.image_digest(),
        epoch: CounterEpoch(staff.epoch),
        counter: OrderCounter(counter),
        nonce: Nonce::from_bytes(home.nonce_of(device)),
    };
    order.sign(&key("order", staff.order)).unwrap().bytes().to_vec()
}

/// Brings the meter to run a file, as a campaign does.
fn update_meter(home: &mut Home, staff: Staff, file: &OtaFile, counter: u64) {
    assert_eq!(home.stage(1, file.bytes()), ImageTransferStatus::VerificationSuccessful);
    home.run_minutes(60);
    assert_eq!(home.han_status()[0].state, HanState::Verified);
    let order = order_of(home, staff, meter_eui(1), file, counter);
    assert_eq!(home.order_activation(1, &order), AccessResult::TemporaryFailure);
    home.run_minutes(5);
    assert_eq!(home.meter().running_version(), file.identity().file_version);
}

#[test]
fn a_rooted_home_updates_itself_on_fresh_papers() {
    let mut home = rooted();
    let file = meter_file();
    home.associate();
    assert_eq!(home.initiate(1, file.bytes()), AccessResult::ReadWriteDenied, "no papers");
    assert_eq!(home.hub.counters().attacks.of(Attack::Freeze), 1);
    release(&mut home, 1, &[&file]);
    update_meter(&mut home, FIRST, &file, 1);
    let row = home.han_status()[0];
    assert_eq!(row.root_version, 1);
    let held = home.held_papers(0);
    assert_eq!((held.root_version, held.status_serial), (1, Some(chain().now.0)));
    assert_eq!(home.held_papers(1).root_version, 1);
}

#[test]
fn what_no_release_names_is_not_let_in_and_what_fell_below_the_floor_goes_no_further() {
    let mut home = rooted();
    let (named, other) = (meter_file(), signed_by(FIRST, &Recipe { len: 4000, ..Recipe::new(METER_TYPE) }));
    release(&mut home, 1, &[&named]);
    assert_eq!(home.initiate(1, other.bytes()), AccessResult::ReadWriteDenied);
    assert_eq!(home.hub.counters().attacks.of(Attack::MixAndMatch), 1);
    let strict = chain().status(chain().now.0 + 1, 1, vec![floor(METER_TYPE, 8)]);
    assert_eq!(home.set_paper(0, &strict), AccessResult::Success);
    assert_eq!(home.stage(1, named.bytes()), ImageTransferStatus::VerificationFailed);
    assert_eq!(home.hub.counters().attacks.of(Attack::Rollback), 1);
    home.run_minutes(600);
    assert_eq!(home.hub.counters().blocks_served, 0);
}

#[test]
fn papers_are_good_for_their_time_and_a_reboot_or_an_old_paper_does_not_bring_it_back() {
    let mut home = rooted();
    let file = meter_file();
    let (old_status, old_release) = (chain().status(1, 1, Vec::new()), chain().release(1, 1, &[&file]));
    for paper in [&old_status, &old_release, &old_status, &old_release] {
        assert_eq!(home.set_paper(0, paper), AccessResult::Success, "writing again changes nothing");
    }
    let operations = home.hub.flash_operations();
    assert_eq!(home.set_paper(0, &old_status), AccessResult::Success);
    assert_eq!(home.hub.flash_operations(), operations, "nor does it cost the flash anything");
    home.run_minutes(60 * 25);
    home.associate();
    assert_eq!(home.initiate(1, file.bytes()), AccessResult::ReadWriteDenied, "the status is of yesterday");
    home.hub.reboot(home.now);
    home.run_minutes(2);
    home.associate();
    assert_eq!(home.held_papers(0).status_serial, Some(1), "the papers survive a reboot");
    assert_eq!(home.initiate(1, file.bytes()), AccessResult::ReadWriteDenied);
    assert_eq!(home.set_paper(0, &old_status), AccessResult::ReadWriteDenied);
    let fresh = Chain::at(home.now).status(2, 1, Vec::new());
    assert_eq!(home.set_paper(0, &fresh), AccessResult::Success);
    assert_eq!(home.initiate(1, file.bytes()), AccessResult::Success);
    // Somebody sets the hub's clock back to when the old status was good.
    home.now = START;
    assert_eq!(home.set_paper(0, &old_status), AccessResult::ReadWriteDenied);
    assert!(home.hub.counters().attacks.of(Attack::Replay) >= 1);
    assert!(home.hub.counters().attacks.of(Attack::Freeze) >= 2);
}

#[test]
fn papers_that_are_not_believed_are_refused_without_a_reason() {
    let mut home = rooted();
    let chain = chain();
    let mut forged = chain.signed_root(2, SECOND).bytes().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let one_signer = chain.sign(&chain.root(2, SECOND), &[1]);
    let skips_one = chain.signed_root(3, SECOND);
    let forks = chain.sign(&chain.root(1, SECOND), &[1, 2]);
    let cases: [(&[u8], AccessResult, Attack); 6] = [
        (b"no paper", AccessResult::OtherReason, Attack::Malformed),
        (&[0xD2; 5000], AccessResult::OtherReason, Attack::EndlessData),
        (&forged, AccessResult::ReadWriteDenied, Attack::Tampering),
        (one_signer.bytes(), AccessResult::ReadWriteDenied, Attack::TooFewSigners),
        (skips_one.bytes(), AccessResult::ReadWriteDenied, Attack::BrokenChain),
        (forks.bytes(), AccessResult::ReadWriteDenied, Attack::BrokenChain),
    ];
    for (paper, answer, attack) in cases {
        let before = home.hub.counters().attacks.of(attack);
        assert_eq!(home.set_paper(0, paper), answer, "{attack}");
        assert_eq!(home.hub.counters().attacks.of(attack), before + 1, "{attack}");
    }
    assert_eq!(home.hub.root_version(), RootVersion(1));
    let mut pinned = Home::usual();
    assert_eq!(pinned.set_paper(0, b"anything"), AccessResult::ObjectUnavailable, "it needs no papers");
    assert_eq!(pinned.held_papers(0).root_version, 0);
}

#[test]
fn a_hub_led_forward_drops_what_the_retired_key_signed_and_goes_on_running_it() {
    // A device ran an image of the first maker's key. The key was retired in the second root. A device that asked for
    // the signature again at its next boot would have found no image to run, and been dead.
    let mut home = rooted();
    let first = signed_by(FIRST, &Recipe::new(HUB_TYPE));
    release(&mut home, 1, &[&first]);
    assert_eq!(home.stage(0, first.bytes()), ImageTransferStatus::VerificationSuccessful);
    let order = order_of(&home, FIRST, HUB, &first, 1);
    assert_eq!(home.order_activation(0, &order), AccessResult::Success);
    home.run_minutes(2);
    assert_eq!(home.hub.running_version(), NEW);
    let waiting = meter_file();
    release(&mut home, 1, &[&first, &waiting]);
    assert_eq!(home.stage(1, waiting.bytes()), ImageTransferStatus::VerificationSuccessful);
    assert_eq!(home.set_paper(0, chain().signed_root(2, SECOND).bytes()), AccessResult::Success);
    assert_eq!(home.hub.root_version(), RootVersion(2));
    assert_eq!(home.status(1), ImageTransferStatus::NotInitiated, "nobody vouches for it any more");
    assert_eq!(home.held_papers(0).status_serial, None, "papers of the old root went with it");
    for _ in 0..3 {
        home.hub.reboot(home.now);
        home.run_minutes(2);
        assert!(home.hub.is_up(home.now) && !home.hub.is_dead());
        assert_eq!(home.hub.running_version(), NEW, "it boots although its signer was retired");
        assert_eq!(home.hub.root_version(), RootVersion(2), "and remembers the root");
    }
    release(&mut home, 2, &[&first]);
    let next = Recipe { version: FileVersion(NEW.0 + 1), sequence: 8, ..Recipe::new(HUB_TYPE) };
    let (old_key, new_key) = (signed_by(FIRST, &next), signed_by(SECOND, &next));
    release_all(&mut home, 2, &[&old_key, &new_key]);
    assert_eq!(home.stage(0, old_key.bytes()), ImageTransferStatus::VerificationFailed);
    assert_eq!(home.stage(0, new_key.bytes()), ImageTransferStatus::VerificationSuccessful);
    let stale = order_of(&home, Staff { order: 1, ..SECOND }, HUB, &new_key, 2);
    assert_eq!(
        home.order_activation(0, &stale),
        AccessResult::ReadWriteDenied,
        "the order key is retired too"
    );
    let order = order_of(&home, SECOND, HUB, &new_key, 2);
    assert_eq!(home.order_activation(0, &order), AccessResult::Success);
}

fn release_all(home: &mut Home, root_version: u64, files: &[&OtaFile]) {
    let chain = Chain::at(home.now);
    let paper = chain.release_of("another", 1, root_version, files);
    assert_eq!(home.set_paper(0, &paper), AccessResult::Success);
}

#[test]
fn a_meter_led_forward_boots_what_a_retired_key_signed_and_takes_only_what_the_new_one_signs() {
    let mut home = rooted();
    let first = meter_file();
    release(&mut home, 1, &[&first]);
    update_meter(&mut home, FIRST, &first, 1);
    assert_eq!(home.set_paper(0, chain().signed_root(2, SECOND).bytes()), AccessResult::Success);
    assert_eq!(home.set_paper(1, chain().signed_root(2, SECOND).bytes()), AccessResult::Success);
    home.run_minutes(2);
    assert_eq!(home.meter().root_version(), RootVersion(2));
    assert_eq!(home.han_status()[0].root_version, 2);
    for _ in 0..3 {
        home.meters[0].reboot(home.now);
        home.run_minutes(2);
        assert!(home.meter().is_up() && !home.meter().is_dead());
        assert_eq!((home.meter().running_version(), home.meter().root_version()), (NEW, RootVersion(2)));
    }
    let next = Recipe { version: FileVersion(NEW.0 + 1), sequence: 8, ..Recipe::new(METER_TYPE) };
    let file = signed_by(SECOND, &next);
    release(&mut home, 2, &[&file]);
    update_meter(&mut home, SECOND, &file, 2);
}

#[test]
fn a_revocation_discards_what_waits_in_the_meter_and_voids_its_order() {
    let mut home = rooted();
    let first = meter_file();
    release(&mut home, 1, &[&first]);
    home.stage(1, first.bytes());
    home.run_minutes(60);
    assert!(home.meters[0].staged_image(&mut home.pool).is_some());
    assert_eq!(home.set_paper(1, chain().signed_root(2, SECOND).bytes()), AccessResult::Success);
    home.run_minutes(2);
    assert_eq!(home.meter().root_version(), RootVersion(2));
    assert_eq!(home.meters[0].staged_image(&mut home.pool), None);
    assert_eq!(home.meter().counters().attacks.of(Attack::UntrustedKey), 1);
    home.run_minutes(60 * 24);
    assert_eq!(home.meter().running_version(), OLD);
}

#[test]
pub fn a_new_epoch_begins_to_count_again_and_the_old_orders_are_void() {
    let mut home = rooted();
    let first = meter_file();
    release(&mut home, 1, &[&first]);
    update_meter(&mut home, FIRST, &first, 16);
    let second = Staff { epoch: 2, ..FIRST };
    for channel in [0, 1] {
        assert_eq!(home.set_paper(channel, chain().signed_root(2, second).bytes()), AccessResult::Success);
    }
    home.run_minutes(2);
    let row = home.han_status()[0];
    assert_eq!((row.root_version, row.challenge.unwrap().last_counter), (2, 0));
    let next = Recipe { version: FileVersion(NEW.0 + 1), sequence: 8, ..Recipe::new(METER_TYPE) };
    let file = signed_by(FIRST, &next);
    release(&mut home, 2, &[&file]);
    home.stage(1, file.bytes());
    home.run_minutes(60);
    let old_epoch = order_of(&home, FIRST, meter_eui(1), &file, 17);
    assert_eq!(home.order_activation(1, &old_epoch), AccessResult::ReadWriteDenied);
    assert_eq!(home.hub.counters().attacks.of(Attack::Freeze), 1);
    let order = order_of(&home, second, meter_eui(1), &file, 1);
    assert_eq!(home.order_activation(1, &order), AccessResult::TemporaryFailure);
    home.run_minutes(5);
    assert_eq!(home.meter().running_version(), FileVersion(NEW.0 + 1));
}

#[test]
fn a_counter_that_jumps_would_use_up_the_numbers_and_is_refused() {
    for (counter, obeyed) in [(0, false), (1, true), (16, true), (17, false), (u64::MAX, false)] {
        let mut home = rooted();
        let file = meter_file();
        release(&mut home, 1, &[&file]);
        home.stage(1, file.bytes());
        home.run_minutes(60);
        let order = order_of(&home, FIRST, meter_eui(1), &file, counter);
        let answer = home.order_activation(1, &order);
        assert_eq!(answer == AccessResult::TemporaryFailure, obeyed, "{counter}");
        home.run_minutes(5);
        assert_eq!(home.meter().running_version() == NEW, obeyed, "{counter}");
        let attacks = home.hub.counters().attacks;
        assert_eq!(attacks.of(Attack::FastForward), u32::from(counter > 16), "{counter}");
    }
}

/// A chain in which every fifth root brings a new maker's key; a real one rotates less.
fn staff_of(version: u64) -> Staff {
    Staff { maker: (1 + version / 5) as u8, order: 1, epoch: 1 }
}

#[test]
fn a_gas_meter_that_slept_through_seventy_rotations_is_led_forward_step_by_step() {
    const NEWEST: u64 = 75;
    let kind = MeterKind::Gas { wake_interval: Duration::from_secs(1800), blocks_per_wake: 50 };
    let config = MeterConfig { kind, first_query: Duration::from_secs(100), ..meter_config(1) };
    let mut home = rooted_with(config.clone());
    let chain = chain();
    let roots: Vec<_> = (2..=NEWEST).map(|version| chain.signed_root(version, staff_of(version))).collect();
    // Two years later: the hub was led along all the time, the meter was not.
    for root in &roots {
        assert_eq!(home.set_paper(0, root.bytes()), AccessResult::Success);
    }
    assert_eq!(home.hub.root_version(), RootVersion(NEWEST));
    home.meters[0] = Meter::new(config, std::sync::Arc::new(chain.factory()), START);
    let file = signed_by(staff_of(NEWEST), &Recipe::new(METER_TYPE));
    release(&mut home, NEWEST, &[&file]);
    home.stage(1, file.bytes());
    home.run_minutes(120);
    assert_eq!(home.han_status()[0].root_version, 1, "it said so when it woke");
    assert_eq!(home.meter().counters().blocks_received, 0, "it is offered nothing before it is led forward");
    let taken =
        roots.iter().take_while(|root| home.set_paper(1, root.bytes()) == AccessResult::Success).count();
    assert_eq!(taken, 64, "more wait for the next call");
    home.run_minutes(120);
    assert_eq!(home.meter().root_version(), RootVersion(65));
    for root in &roots[64..] {
        assert_eq!(home.set_paper(1, root.bytes()), AccessResult::Success);
    }
    home.run_minutes(60 * 24);
    assert_eq!(home.meter().root_version(), RootVersion(NEWEST));
    assert_eq!(home.han_status()[0].state, HanState::Verified, "and then fetched what today's key signed");
    assert_eq!(home.meter().counters().rejections, 0);
    let order = order_of(&home, staff_of(NEWEST), meter_eui(1), &file, 1);
    assert_eq!(home.order_activation(1, &order), AccessResult::TemporaryFailure);
    home.run_minutes(90);
    assert_eq!(home.meter().running_version(), NEW);
}

#[test]
fn roots_are_passed_on_over_a_lossy_radio_and_a_gap_is_not() {
    let chain = chain();
    for seed in 0..10 {
        let mut home = rooted();
        home.run_minutes(60 * 25);
        home.loses = Box::new(move |number, _, _| (number + seed) * 2_654_435_761 % 100 < 5);
        assert_eq!(home.set_paper(1, chain.signed_root(4, FIRST).bytes()), AccessResult::ReadWriteDenied);
        for version in 2..=6 {
            let root = chain.signed_root(version, FIRST);
            assert_eq!(home.set_paper(1, root.bytes()), AccessResult::Success);
        }
        home.run_minutes(60 * 26);
        assert_eq!(home.meter().root_version(), RootVersion(6), "seed {seed}");
    }
}

#[test]
fn a_root_that_does_not_follow_moves_no_meter() {
    let mut home = rooted();
    home.run_minutes(60 * 25);
    let chain = chain();
    // The hub cannot tell who signed it; the meter can.
    let one_signer = chain.sign(&chain.root(2, SECOND), &[1]);
    assert_eq!(home.set_paper(1, one_signer.bytes()), AccessResult::Success);
    home.run_minutes(5);
    assert_eq!(home.meter().root_version(), RootVersion(1));
    assert!(home.meter().counters().attacks.of(Attack::TooFewSigners) >= 1);
    let mut pinned = Home::usual();
    assert_eq!(pinned.set_paper(1, chain.signed_root(2, SECOND).bytes()), AccessResult::Success);
    pinned.run_minutes(5);
    assert_eq!(pinned.meter().root_version(), RootVersion(0), "keys given one by one are led nowhere");
}

#[test]
fn a_cut_while_a_root_is_taken_leaves_the_old_root_or_the_new() {
    let chain = chain();
    let take = |fault: Option<fleet::FlashFault>| {
        let mut home = rooted_with(MeterConfig { flash_faults: fault.into(), ..meter_config(1) });
        home.run_minutes(60 * 25);
        for version in [2, 3] {
            for _ in 0..3 {
                home.set_paper(1, chain.signed_root(version, FIRST).bytes());
                home.run_minutes(3);
                let held = home.meter().root_version().0;
                assert!((version - 1..=version).contains(&held), "{fault:?}: {held}");
            }
        }
        assert_eq!(home.meter().root_version(), RootVersion(3), "{fault:?}");
        home.meter().flash_operations()
    };
    let operations = take(None);
    assert!(operations >= 4, "{operations}");
    for mode in [fleet::CutMode::Before, fleet::CutMode::Torn, fleet::CutMode::After] {
        for at_operation in 0..operations {
            take(Some(fleet::FlashFault { at_operation, mode }));
        }
    }
}

/// The serials of releases went with a reboot after a rotation: a release of the year before was taken again.
#[test]
fn a_release_from_before_a_rotation_stays_spent_over_a_reboot() {
    let mut home = rooted();
    let (file, chain) = (meter_file(), chain());
    release(&mut home, 1, &[&file]);
    assert_eq!(home.set_paper(0, chain.signed_root(2, FIRST).bytes()), AccessResult::Success);
    let older = chain.release(chain.now.0 - 1, 1, &[&file]);
    for reboots in [false, true] {
        if reboots {
            home.hub.reboot(home.now);
            home.associate_patiently();
        }
        assert_eq!(home.set_paper(0, &older), AccessResult::ReadWriteDenied, "after a reboot: {reboots}");
    }
    assert_eq!(home.hub.counters().attacks.of(Attack::Replay), 2);
    release(&mut home, 2, &[&file]);
}

#[test]
fn an_order_longer_than_any_is_counted_as_what_it_is() {
    let mut home = rooted();
    home.associate();
    assert_eq!(home.set_order(1, &[0x84; 513]), AccessResult::OtherReason);
    assert_eq!(home.hub.counters().attacks.of(Attack::EndlessData), 1);
}

#[test]
fn a_released_image_does_not_serve_for_another_and_an_order_not_for_another_image() {
    let mut home = rooted();
    let (one, other) = (meter_file(), signed_by(FIRST, &Recipe { len: 4000, ..Recipe::new(METER_TYPE) }));
    release(&mut home, 1, &[&one, &other]);
    assert_eq!(home.stage(1, one.bytes()), ImageTransferStatus::VerificationSuccessful);
    home.run_minutes(60);
    let order = order_of(&home, FIRST, meter_eui(1), &other, 1);
    assert_eq!(home.order_activation(1, &order), AccessResult::ReadWriteDenied);
    assert_eq!(home.hub.counters().attacks.of(Attack::MixAndMatch), 1);
}
