//! Activation orders: signed, verified, and everything but the original refused.

use firmware_image::{
    ActivationOrder, CounterEpoch, Eui64, ImageDigest, Nonce, OrderCounter, OrderError, SignedImage,
    SignedOrder, VerifyError,
};
use proptest::prelude::*;

use crate::support::{edited, element, key, parse, signed, tail_of, trusting, unsigned, with_right_size};

fn order() -> ActivationOrder {
    ActivationOrder {
        device: Eui64::from_bytes([0, 0x0d, 0x6f, 0, 0x0b, 0x0a, 0x0c, 0x0d]),
        image: ImageDigest::of(b"image"),
        epoch: CounterEpoch(1),
        counter: OrderCounter(3),
        nonce: Nonce::from_bytes(*b"nonce 03"),
    }
}

fn signed_with(order: &ActivationOrder, seed: u8) -> SignedOrder {
    order.sign(&key(seed)).unwrap()
}

fn obey(bytes: &[u8]) -> Result<ActivationOrder, OrderError> {
    SignedOrder::from_bytes(bytes)?.verify(&[key(1).public()])
}

#[test]
fn a_signed_order_is_read_back_and_is_small() {
    let signed = signed_with(&order(), 1);
    assert_eq!(signed.verify(&[key(1).public()]), Ok(order()));
    assert_eq!(obey(signed.bytes()), Ok(order()));
    assert_eq!(signed.bytes().len(), 141);
}

#[test]
fn every_single_flipped_bit_of_an_order_is_refused() {
    let bytes = signed_with(&order(), 1).bytes().to_vec();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(obey(&altered).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
    }
}

#[test]
fn an_order_cut_or_extended_is_refused() {
    let bytes = signed_with(&order(), 1).bytes().to_vec();
    for len in 0..bytes.len() {
        assert!(obey(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
    assert!(obey(&[&bytes[..], &[0]].concat()).is_err());
    assert_eq!(obey(&[0; 513]), Err(OrderError::TooLong { found: 513 }));
}

#[test]
fn an_order_of_a_stranger_is_refused_by_name() {
    let signer = key(2).public().fingerprint();
    assert_eq!(obey(signed_with(&order(), 2).bytes()), Err(OrderError::UntrustedKey { signer }));
}

#[test]
fn the_seal_of_an_image_is_no_order_and_an_order_is_no_envelope() {
    let image: SignedImage = signed();
    assert!(matches!(obey(image.envelope()), Err(OrderError::Malformed(_))));
    // The COSE message inside the envelope, offered as an order.
    let start = image.envelope().windows(2).position(|window| window == [0xd2, 0x84]).unwrap();
    let seal = &image.envelope()[start..start + 84];
    let error = obey(seal).unwrap_err();
    assert_eq!(error.to_string(), "the order is malformed: its signature brings no order");
    let tail = tail_of(&signed());
    let envelope = element(0xf0c5, signed_with(&order(), 1).bytes());
    let before = &tail[..tail.len() - 6 - image.envelope().len()];
    let forged = [&unsigned().bytes()[..], before, &envelope].concat();
    let file = SignedImage::from_file(parse(&with_right_size(forged)).unwrap()).unwrap();
    assert!(matches!(trusting(&[1]).verify(file), Err(VerifyError::EnvelopeMalformed(_))));
}

proptest! {
    #[test]
    fn any_order_is_read_back_alike(
        device: [u8; 8], image: [u8; 32], epoch: u32, counter: u64, nonce: [u8; 8],
    ) {
        let order = ActivationOrder {
            device: Eui64::from_bytes(device),
            image: ImageDigest::from_bytes(image),
            epoch: CounterEpoch(epoch),
            counter: OrderCounter(counter),
            nonce: Nonce::from_bytes(nonce),
        };
        prop_assert_eq!(obey(signed_with(&order, 1).bytes()), Ok(order));
    }

    #[test]
    fn any_bytes_are_taken_for_an_order_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(obey(&bytes).is_err());
    }

    #[test]
    fn no_edit_of_an_order_is_obeyed(edits in proptest::collection::vec(any::<(u8, u16, u8)>(), 1..4)) {
        let original = signed_with(&order(), 1).bytes().to_vec();
        let forged = edited(&original, &edits);
        prop_assert_eq!(obey(&forged).is_ok(), forged == original);
    }
}
