//! What a hub lets in, on which papers, at what time; and what a device makes of images and orders.

use firmware_image::{
    ActivationOrder, Attack, BlockDigests, CounterEpoch, DeviceModel, DeviceState, Eui64, Expected,
    FileVersion, Floor, GateRefusal, HardwareVersion, HubGate, ImageDigest, MAX_COUNTER_JUMP, Nonce,
    OrderCounter, OrderMemory, Predecessors, RootVersion, SecurityCounter, SequenceNumber, SignedImage,
    Terms, TrustRoot, TrustStore, UtcSeconds, VerifiedImage, VersionRange,
};

use crate::support::{identity, key, unsigned};
use crate::trust_world::{
    ANN, BOB, HOUR, MAKER, NOW, ROOT, anchor, approved, first_root, maker, next, release, release_of,
    signed_root, signed_status, some_image, status,
};

fn image(terms: impl Into<Terms>) -> SignedImage {
    SignedImage::sign(&unsigned(), terms, &key(MAKER)).unwrap()
}

fn verified(terms: impl Into<Terms>) -> VerifiedImage {
    anchor().root().images().verify(image(terms)).unwrap()
}

/// A gate with fresh papers that release the image.
fn gate(image: &SignedImage) -> HubGate {
    let mut gate = HubGate::new(anchor());
    gate.take_status(NOW, &signed_status(&status(1, 1))).unwrap();
    gate.take_release(NOW, &approved(&release_of(image, 1), &[ANN, BOB])).unwrap();
    gate
}

fn attack(result: Result<impl Sized, GateRefusal>) -> Option<Attack> {
    result.err().map(|refusal| refusal.attack())
}

#[test]
fn a_released_image_on_fresh_papers_comes_in() {
    let image = image(SequenceNumber(5));
    let gate = gate(&image);
    assert!(gate.require_released(NOW, &image.file().file_digest()).is_ok());
    assert_eq!(gate.require_current(NOW, &verified(SequenceNumber(5))), Ok(()));
}

#[test]
fn an_image_that_no_release_names_stays_out() {
    let gate = gate(&image(SequenceNumber(5)));
    let other = verified(SequenceNumber(6));
    assert_eq!(attack(gate.require_current(NOW, &other)), Some(Attack::MixAndMatch));
}

#[test]
fn one_person_twice_is_not_two_people() {
    let mut gate = HubGate::new(anchor());
    let release = release(1, vec![some_image(b"one")]);
    for approvers in [&[ANN][..], &[ANN, ANN], &[]] {
        let taken = gate.take_release(NOW, &approved(&release, approvers));
        assert_eq!(attack(taken), Some(Attack::TooFewSigners));
    }
    let stranger = gate.take_release(NOW, &approved(&release, &[ANN, 99]));
    assert_eq!(attack(stranger), Some(Attack::UntrustedKey));
    assert!(gate.take_release(NOW, &approved(&release, &[BOB, ANN])).is_ok());
}

#[test]
fn papers_grow_old_and_a_clock_that_was_set_back_does_not_make_them_young() {
    let image = image(SequenceNumber(5));
    let digest = image.file().file_digest();
    let mut gate = gate(&image);
    let tomorrow = NOW.plus(25 * HOUR);
    assert_eq!(attack(gate.require_released(tomorrow, &digest)), Some(Attack::Freeze));
    let mut newer = status(2, 1);
    newer.validity.issued = tomorrow;
    newer.validity.expires = tomorrow.plus(HOUR);
    gate.take_status(tomorrow, &signed_status(&newer)).unwrap();
    assert!(gate.require_released(NOW, &digest).is_ok());
    let replayed = gate.take_status(UtcSeconds(0), &signed_status(&status(1, 1)));
    assert_eq!(attack(replayed), Some(Attack::Replay));
    let mut other = status(3, 1);
    other.validity.expires = NOW.plus(HOUR);
    let expired = gate.take_status(UtcSeconds(0), &signed_status(&other));
    assert_eq!(attack(expired), Some(Attack::Freeze), "the clock is not before the newest paper");
}

#[test]
fn a_hub_that_is_kept_behind_notices() {
    let image = image(SequenceNumber(5));
    let mut gate = gate(&image);
    gate.take_status(NOW, &signed_status(&status(2, 2))).unwrap();
    let refused = gate.require_released(NOW, &image.file().file_digest()).unwrap_err();
    assert_eq!(refused.to_string(), "trust root 1 is held, and 2 is needed");
    gate.take_root(&signed_root(&next(&first_root()), &ROOT[..2])).unwrap();
    assert_eq!(attack(gate.require_released(NOW, &image.file().file_digest())), Some(Attack::Freeze));
    gate.take_status(NOW, &signed_status(&status(2, 2))).unwrap();
    gate.take_release(NOW, &approved(&release_of(&image, 1), &[ANN, BOB])).unwrap();
    assert!(gate.require_released(NOW, &image.file().file_digest()).is_ok());
}

/// A status and a release outlived the root they were made under: said again after a rotation, they were taken.
#[test]
fn papers_of_the_root_before_are_not_taken_again_after_a_rotation() {
    let mut gate = gate(&image(SequenceNumber(5)));
    let newer = release(2, vec![some_image(b"two")]);
    gate.take_release(NOW, &approved(&newer, &[ANN, BOB])).unwrap();
    gate.take_root(&signed_root(&next(&first_root()), &ROOT[..2])).unwrap();
    let replayed = gate.take_status(NOW, &signed_status(&status(1, 1)));
    assert_eq!(attack(replayed), Some(Attack::Replay));
    let older = release(1, vec![some_image(b"one")]);
    assert_eq!(attack(gate.take_release(NOW, &approved(&older, &[ANN, BOB]))), Some(Attack::Replay));
    // Nor after another one that came before any paper did.
    let third = TrustRoot { version: RootVersion(3), ..first_root() };
    gate.take_root(&signed_root(&third, &ROOT[..2])).unwrap();
    assert_eq!(attack(gate.take_release(NOW, &approved(&older, &[ANN, BOB]))), Some(Attack::Replay));
    assert!(gate.take_release(NOW, &approved(&newer, &[ANN, BOB])).is_ok());
    assert!(gate.take_status(NOW, &signed_status(&status(2, 3))).is_ok());
}

/// A stolen status key could shut a hub's gate for good: the date of its status outlived the rotation that ended it.
#[test]
fn a_paper_dated_far_ahead_holds_up_releases_until_the_next_root_and_no_longer() {
    let image = image(SequenceNumber(5));
    let mut gate = gate(&image);
    let mut ahead = status(u64::MAX, 1);
    ahead.validity.issued = NOW.plus(3_650 * 24 * HOUR);
    ahead.validity.expires = ahead.validity.issued.plus(HOUR);
    gate.take_status(NOW, &signed_status(&ahead)).unwrap();
    assert_eq!(attack(gate.require_released(NOW, &image.file().file_digest())), Some(Attack::Freeze));
    gate.take_root(&signed_root(&next(&first_root()), &ROOT[..2])).unwrap();
    gate.take_status(NOW, &signed_status(&status(2, 2))).unwrap();
    gate.take_release(NOW, &approved(&release_of(&image, 1), &[ANN, BOB])).unwrap();
    assert!(gate.require_released(NOW, &image.file().file_digest()).is_ok());
}

#[test]
fn a_gate_that_is_made_anew_remembers_the_serials_that_were_spent() {
    let mut gate = gate(&image(SequenceNumber(5)));
    let (older, newer) = (release(1, vec![some_image(b"one")]), release(2, vec![some_image(b"two")]));
    gate.take_release(NOW, &approved(&newer, &[ANN, BOB])).unwrap();
    gate.take_root(&signed_root(&next(&first_root()), &ROOT[..2])).unwrap();
    let mut resumed = HubGate::resume(gate.anchor().clone(), gate.spent().to_vec());
    assert_eq!(resumed, gate);
    assert_eq!(attack(resumed.take_release(NOW, &approved(&older, &[ANN, BOB]))), Some(Attack::Replay));
}

#[test]
fn of_a_campaign_only_the_newest_release_counts_and_four_campaigns_fit() {
    let mut gate = gate(&image(SequenceNumber(5)));
    let newer = release(2, vec![some_image(b"two")]);
    gate.take_release(NOW, &approved(&newer, &[ANN, BOB])).unwrap();
    let older = release(1, vec![some_image(b"one")]);
    assert_eq!(attack(gate.take_release(NOW, &approved(&older, &[ANN, BOB]))), Some(Attack::Replay));
    for name in ["spring", "summer", "autumn", "fifth"] {
        let mut more = release(1, vec![some_image(name.as_bytes())]);
        more.campaign = firmware_image::CampaignName::new(name).unwrap();
        gate.take_release(NOW, &approved(&more, &[ANN, BOB])).unwrap();
    }
    assert_eq!(gate.releases().len(), 4);
}

#[test]
fn a_status_can_stop_images_that_are_too_old() {
    let image = image(SequenceNumber(5));
    let mut gate = gate(&image);
    let identity = identity();
    let (manufacturer, image_type) = (identity.manufacturer, identity.image_type);
    let mut raised = status(2, 1);
    raised.floors = vec![Floor { manufacturer, image_type, lowest: SequenceNumber(6) }];
    gate.take_status(NOW, &signed_status(&raised)).unwrap();
    let refused = gate.require_current(NOW, &verified(SequenceNumber(5)));
    assert_eq!(attack(refused), Some(Attack::Rollback));
}

fn device() -> DeviceState {
    let identity = identity();
    let model = DeviceModel {
        manufacturer: identity.manufacturer,
        image_type: identity.image_type,
        hardware: HardwareVersion(0x0110),
    };
    let counter = SecurityCounter { sequence: SequenceNumber(5), image: Some(ImageDigest::of(b"confirmed")) };
    DeviceState { model, running: FileVersion(0x0102_0303), counter }
}

fn judge(device: DeviceState, terms: impl Into<Terms>) -> Option<Attack> {
    device.require_acceptable(&verified(terms)).err().map(|refusal| refusal.attack())
}

#[test]
fn a_device_takes_what_is_for_it_and_newer_than_what_it_confirmed() {
    assert_eq!(judge(device(), SequenceNumber(6)), None);
    assert_eq!(judge(device(), SequenceNumber(5)), Some(Attack::Rollback), "the same number, another image");
    assert_eq!(judge(device(), SequenceNumber(4)), Some(Attack::Rollback));
    let mut same = device();
    same.counter.image = Some(ImageDigest::of(unsigned().payload()));
    assert_eq!(judge(same, SequenceNumber(5)), None);
    let mut other = device();
    other.model.hardware = HardwareVersion(0x0200);
    assert_eq!(judge(other, SequenceNumber(6)), Some(Attack::WrongHardware));
    let mut other = device();
    other.model.image_type.0 += 1;
    assert_eq!(judge(other, SequenceNumber(6)), Some(Attack::WrongDevice));
}

#[test]
fn an_image_follows_only_the_versions_it_names() {
    let only = |min, max| Terms {
        predecessors: Predecessors::only(vec![VersionRange { min: FileVersion(min), max: FileVersion(max) }])
            .unwrap(),
        ..Terms::from(SequenceNumber(6))
    };
    assert_eq!(judge(device(), only(0x0102_0300, 0x0102_0303)), None);
    assert_eq!(judge(device(), only(0x0102_0304, 0x0102_FFFF)), Some(Attack::WrongPredecessor));
    let mut again = device();
    again.running = identity().file_version;
    assert_eq!(judge(again, only(1, 2)), None, "what runs already may be put there again");
}

#[test]
fn an_image_may_ask_for_keys_newer_than_a_device_has() {
    let terms = Terms { minimum_root: RootVersion(2), ..Terms::from(SequenceNumber(6)) };
    let refused = anchor().root().images().verify(image(terms.clone())).unwrap_err();
    assert_eq!(refused.attack(), Attack::Freeze);
    let two = anchor().advance(&signed_root(&next(&first_root()), &ROOT[..2])).unwrap();
    assert!(two.root().images().verify(image(terms)).is_ok());
}

#[test]
fn a_maker_vouches_for_its_own_family_only() {
    let mut root = first_root();
    root.makers[0].image_types[0].0 += 1;
    let refused = root.images().verify(image(SequenceNumber(6))).unwrap_err();
    assert_eq!(refused.attack(), Attack::UntrustedKey);
    let mut two_of_two = first_root();
    two_of_two.makers[0].quorum = crate::trust_world::quorum(2, &[MAKER, 22]);
    let refused = two_of_two.images().verify(image(SequenceNumber(6))).unwrap_err();
    assert_eq!(refused.attack(), Attack::TooFewSigners);
    let terms = Terms::from(SequenceNumber(6));
    let both = SignedImage::sign_jointly(&unsigned(), &terms, &[&key(22), &key(MAKER)]).unwrap();
    assert!(two_of_two.images().verify(both).is_ok());
}

#[test]
fn a_remembered_verdict_is_void_under_other_keys() {
    let mark = first_root().images().mark();
    assert_ne!(next(&first_root()).images().mark(), mark);
    let mut other = first_root();
    other.makers = vec![maker(&[22])];
    assert_ne!(other.images().mark(), mark);
    assert_eq!(first_root().images().mark(), mark);
}

#[test]
fn an_order_is_obeyed_once_by_one_device_for_one_image() {
    let order = ActivationOrder {
        device: Eui64::from_bytes([1; 8]),
        image: ImageDigest::of(b"image"),
        epoch: CounterEpoch(1),
        counter: OrderCounter(4),
        nonce: Nonce::from_bytes([9; 8]),
    };
    let expected = Expected { device: order.device, image: order.image, nonce: order.nonce };
    let memory = OrderMemory { epoch: CounterEpoch(1), counter: OrderCounter(3) };
    let judge = |memory: OrderMemory, order: ActivationOrder| {
        memory.require_acceptable(&order, CounterEpoch(1), &expected).err().map(|refusal| refusal.attack())
    };
    assert_eq!(judge(memory, order), None);
    assert_eq!(judge(OrderMemory::after(&order), order), Some(Attack::Replay));
    let far = OrderCounter(3 + MAX_COUNTER_JUMP);
    assert_eq!(judge(memory, ActivationOrder { counter: far, ..order }), None);
    let too_far = OrderCounter(far.0 + 1);
    assert_eq!(judge(memory, ActivationOrder { counter: too_far, ..order }), Some(Attack::FastForward));
    let nonce = Nonce::from_bytes([8; 8]);
    assert_eq!(judge(memory, ActivationOrder { nonce, ..order }), Some(Attack::Replay));
    let device = Eui64::from_bytes([2; 8]);
    assert_eq!(judge(memory, ActivationOrder { device, ..order }), Some(Attack::WrongDevice));
    let image = ImageDigest::of(b"other");
    assert_eq!(judge(memory, ActivationOrder { image, ..order }), Some(Attack::MixAndMatch));
    assert_eq!(judge(memory, ActivationOrder { epoch: CounterEpoch(2), ..order }), Some(Attack::Freeze));
    // A new epoch begins at 1, whatever was counted before.
    let ran_up = OrderMemory { epoch: CounterEpoch(0), counter: OrderCounter(u64::MAX) };
    assert_eq!(judge(ran_up, order), None);
}

#[test]
fn the_wrong_blocks_of_a_file_are_told_by_the_signed_list() {
    let payload: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = firmware_image::OtaFile::build(&identity(), "blocks", &payload).unwrap();
    let image = SignedImage::sign(&file, SequenceNumber(1), &key(1)).unwrap();
    let trust = TrustStore::new(vec![key(1).public()]);
    let good = image.file().bytes().to_vec();
    let list = BlockDigests::find(&good, &trust).unwrap();
    assert_eq!(list.wrong_ranges(&good).count(), 0);
    for block in 0..file.bytes().len().div_ceil(1_024) {
        let mut bad = good.clone();
        bad[block * 1_024 + 7] ^= 1;
        let list = BlockDigests::find(&bad, &trust).unwrap();
        let start = block * 1_024;
        let end = (start + 1_024).min(file.bytes().len());
        assert!(list.wrong_ranges(&bad).eq(std::iter::once(start..end)), "block {block}");
    }
    for place in BlockDigests::earliest_start(good.len())..good.len() {
        let mut bad = good.clone();
        bad[place] ^= 1;
        match BlockDigests::find(&bad, &trust) {
            None => {}
            Some(list) => assert_eq!(list.wrong_ranges(&bad).count(), 1, "byte {place}"),
        }
    }
    assert_eq!(BlockDigests::find(&good, &TrustStore::new(vec![key(2).public()])), None);
}
