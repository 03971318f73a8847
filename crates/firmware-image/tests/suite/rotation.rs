//! Trust roots: one follows another, signed by the old keys and the new, one step at a time, and never back.

use firmware_image::{
    Attack, CounterEpoch, EncodingError, MAX_STEPS, Quorum, RootError, SignedRoot, SignerCount, TrustAnchor,
    TrustRoot, UtcSeconds, Validity,
};
use proptest::prelude::*;

use crate::support::{edited, key};
use crate::trust_world::{
    ANN, BOB, MAKER, NOW, ORDER, ROOT, STATUS, anchor, first_root, maker, next, quorum, record, signed_root,
};

fn refusal(root: &TrustRoot, seeds: &[u8]) -> RootError {
    anchor().advance(&signed_root(root, seeds)).unwrap_err()
}

/// Why no such root is ever signed.
fn unsound(change: impl FnOnce(&mut TrustRoot)) -> String {
    let mut root = first_root();
    change(&mut root);
    SignedRoot::draft(&root).unwrap_err().to_string()
}

#[test]
fn the_next_root_is_taken_when_old_and_new_keys_sign_it() {
    let mut root = next(&first_root());
    root.root = quorum(2, &[12, 13, 14]);
    let signed = signed_root(&root, &[11, 12, 14]);
    let taken = anchor().advance(&signed).unwrap();
    assert_eq!(taken.root(), &root);
    assert_eq!(taken.advance(&signed), Ok(taken.clone()), "given again it changes nothing");
    assert!(signed.bytes().len() < 1_200, "{} bytes", signed.bytes().len());
}

#[test]
fn a_root_with_too_few_of_the_old_keys_is_refused() {
    let mut root = next(&first_root());
    root.root = quorum(2, &[11, 14, 15]);
    let count = SignerCount { have: 1, need: 2 };
    assert_eq!(refusal(&root, &[11, 14, 15]), RootError::OldSigners(count));
    assert_eq!(refusal(&root, &[11, 12]), RootError::NewSigners(count));
}

#[test]
fn a_root_that_goes_back_stands_still_or_leaps_is_refused() {
    let two = anchor().advance(&signed_root(&next(&first_root()), &ROOT[..2])).unwrap();
    let (held, found) = (two.root().version, first_root().version);
    let back = two.advance(anchor().signed()).unwrap_err();
    assert_eq!((back.clone(), back.attack()), (RootError::Rollback { held, found }, Attack::Rollback));
    let mut fork = next(&first_root());
    fork.epoch = CounterEpoch(9);
    let fork = two.advance(&signed_root(&fork, &ROOT[..2])).unwrap_err();
    assert_eq!(fork.attack(), Attack::BrokenChain);
    let leap = refusal(&next(&next(&first_root())), &ROOT[..2]);
    assert_eq!(leap.to_string(), "trust root 3 does not follow 1, which is held: expected version 2");
}

#[test]
fn a_stranger_can_add_nothing_to_a_root() {
    let root = next(&first_root());
    let signer = key(99).public().fingerprint();
    assert_eq!(refusal(&root, &[11, 12, 99]), RootError::UnknownSigner { signer });
    assert!(matches!(refusal(&root, &[99, 98]), RootError::OldSigners(SignerCount { have: 0, need: 2 })));
}

#[test]
fn a_revoked_key_never_comes_back() {
    let mut two = next(&first_root());
    two.makers = vec![maker(&[22])];
    two.revoked = vec![key(MAKER).public()];
    let held = anchor().advance(&signed_root(&two, &ROOT[..2])).unwrap();
    let mut three = next(&two);
    three.revoked.clear();
    three.makers = vec![maker(&[MAKER])];
    let refused = held.advance(&signed_root(&three, &ROOT[..2])).unwrap_err();
    assert_eq!(refused.attack(), Attack::RevokedKey);
    let reason = unsound(|root| root.revoked = vec![key(MAKER).public()]);
    assert_eq!(reason, "a revoked key has a duty");
}

#[test]
fn a_counter_epoch_never_falls() {
    let mut root = next(&first_root());
    root.epoch = CounterEpoch(0);
    let (held, found) = (CounterEpoch(1), CounterEpoch(0));
    assert_eq!(refusal(&root, &ROOT[..2]), RootError::EpochFalls { held, found });
}

/// Other updaters stop at a fixed number of rotations and strand whoever slept through more of them.
#[test]
fn a_device_that_slept_through_two_years_of_rotations_is_led_forward_step_by_step() {
    let mut chain = Vec::new();
    let mut root = first_root();
    for week in 0..104_u8 {
        let mut following = next(&root);
        // Every quarter one root key is exchanged, and every root in between has long expired.
        if week % 13 == 12 {
            let seeds = [101 + week / 13, 102 + week / 13, 103 + week / 13];
            following.root = quorum(2, &seeds);
        }
        let issued = UtcSeconds(root.validity.issued.0 + 7 * 86_400);
        following.validity = Validity { issued, expires: issued.plus(8 * 86_400) };
        let signers: Vec<u8> = (0..=255)
            .filter(|seed| {
                let public = key(*seed).public();
                [&root, &following].iter().any(|root| root.root.keys().contains(&public))
            })
            .collect();
        chain.push(signed_root(&following, &signers));
        root = following;
    }
    let halfway = anchor().advance_through(&chain).unwrap();
    assert_eq!(halfway.root().version.0, 1 + MAX_STEPS as u64);
    let there = halfway.advance_through(&chain[MAX_STEPS..]).unwrap();
    assert_eq!(there.root(), &root);
    assert!(there.require_fresh(root.validity.issued).is_ok());
    assert!(halfway.require_fresh(root.validity.issued).is_err(), "it is old, and was taken all the same");
}

#[test]
fn a_root_that_does_not_hold_together_is_never_signed() {
    let reasons = [
        unsound(|root| root.root = quorum(1, &ROOT)),
        unsound(|root| root.root = quorum(2, &ROOT[..2])),
        unsound(|root| {
            root.operator = Quorum::new(2, vec![record(ANN, "Ann"), record(BOB, "Ann")]).unwrap();
        }),
        unsound(|root| root.order = quorum(1, &[STATUS])),
        unsound(|root| root.makers.clear()),
        unsound(|root| root.makers = vec![maker(&[MAKER]), maker(&[22])]),
        unsound(|root| root.validity.expires = root.validity.issued),
        unsound(|root| root.validity.expires = NOW.plus(367 * 86_400)),
        unsound(|root| root.version.0 = 0),
    ];
    let expected = [
        "root role: expected two or more signatures, and a key to spare",
        "root role: expected two or more signatures, and a key to spare",
        "operator role: expected signatures of two or more different people",
        "a key has two duties",
        "makers: expected 1 to 16",
        "makers: expected in order, none twice",
        "validity: expected issued before expires, and at most 366 days between",
        "validity: expected issued before expires, and at most 366 days between",
        "version: expected 1 or more, found 0",
    ];
    assert_eq!(reasons, expected);
    let twice: Result<Quorum, EncodingError> =
        Quorum::new(2, vec![record(ORDER, "one"), record(ORDER, "two")]);
    assert!(twice.is_err());
}

#[test]
fn a_root_is_read_back_as_it_was_written() {
    let signed = signed_root(&first_root(), &ROOT);
    assert_eq!(signed.claims(), Ok(first_root()));
    assert_eq!(signed.claimed_signers().unwrap().len(), 3);
    assert_eq!(signed_root(&first_root(), &[13, 11, 12]), signed, "the order of signing leaves no trace");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_edit_of_a_root_is_taken(edits in proptest::collection::vec(any::<(u8, u16, u8)>(), 1..4)) {
        let original = signed_root(&next(&first_root()), &ROOT[..2]).bytes().to_vec();
        let forged = edited(&original, &edits);
        let taken = SignedRoot::from_bytes(&forged).and_then(|root| anchor().advance(&root));
        prop_assert_eq!(taken.is_ok(), forged == original);
    }

    #[test]
    fn any_bytes_are_taken_for_a_root_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let taken = SignedRoot::from_bytes(&bytes).and_then(|root| TrustAnchor::adopt(&root));
        prop_assert!(taken.is_err());
    }
}
