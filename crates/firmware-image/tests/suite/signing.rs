//! Signing and verifying, and everything an attacker might change in between.

use bytes::Bytes;
use firmware_image::{
    ElementTag, ImageDigest, IntakeError, OtaFile, SequenceNumber, SignError, SignedImage, TrustStore,
    VerifiedImage, VerifyError,
};
use proptest::prelude::*;

use crate::support::{
    HEADER_LEN, edited, element, file_with_body, identity, key, parse, signed, tail_of, trusting, unsigned,
    with_right_size,
};

fn intake(bytes: &[u8]) -> Result<VerifiedImage, IntakeError> {
    trusting(&[1]).verify_bytes(Bytes::copy_from_slice(bytes))
}

/// What a forger gets for a file that is sound.
fn refusal(bytes: &[u8]) -> VerifyError {
    match intake(bytes) {
        Err(IntakeError::Verify(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn multi_element() -> OtaFile {
    let body = [element(0xf100, b"before"), element(0, b"image"), element(3, b"after")].concat();
    parse(&file_with_body(&body)).unwrap()
}

#[test]
fn a_signed_file_verifies_and_tells_what_was_signed() {
    let image = trusting(&[9, 1]).verify(signed()).unwrap();
    assert_eq!(image.identity(), identity());
    assert_eq!(image.sequence(), SequenceNumber(7));
    assert_eq!(image.signers()[0], key(1).public().fingerprint());
    assert_eq!(image.image_digest(), ImageDigest::of(unsigned().payload()));
    assert_eq!(image.file_digest(), image.file().file_digest());
    assert_eq!(image.bytes(), signed().file().bytes());
    assert_eq!(image.file().payload(), unsigned().payload());
}

#[test]
fn every_single_flipped_bit_is_refused() {
    let file = signed().file().bytes().to_vec();
    for bit in 0..file.len() * 8 {
        let mut altered = file.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(intake(&altered).is_err(), "bit {} of byte {}", bit % 8, bit / 8);
    }
}

#[test]
fn a_file_cut_at_any_length_is_refused_even_with_its_size_set_right() {
    let file = signed().file().bytes().to_vec();
    for len in 56..file.len() {
        assert!(intake(&with_right_size(file[..len].to_vec())).is_err(), "cut to {len} bytes");
    }
}

#[test]
fn a_header_altered_after_signing_is_refused() {
    // Manufacturer, image type, file version, stack, text, hardware range.
    for place in [10, 12, 14, 18, 20, 56, 58] {
        let mut file = signed().file().bytes().to_vec();
        file[place] ^= 2;
        assert_eq!(refusal(&file), VerifyError::HeaderAltered, "byte {place}");
    }
}

#[test]
fn a_good_payload_under_another_version_is_refused() {
    let mut newer = identity();
    newer.file_version.0 += 1;
    let other = OtaFile::build(&newer, "test", unsigned().payload()).unwrap();
    let forged = [&other.bytes()[..], &tail_of(&signed())].concat();
    assert_eq!(refusal(&with_right_size(forged)), VerifyError::HeaderAltered);
}

#[test]
fn a_payload_swapped_for_one_of_the_same_length_is_refused() {
    let mut file = signed().file().bytes().to_vec();
    file[HEADER_LEN + 6..HEADER_LEN + 16].copy_from_slice(b"The Device");
    assert_eq!(refusal(&file), VerifyError::PayloadAltered);
}

#[test]
fn an_element_added_before_the_envelope_is_refused() {
    let image = signed();
    let (body, envelope) = image.file().bytes().split_at(unsigned().bytes().len());
    let forged = [body, &element(0xf100, b"extra"), envelope].concat();
    // The stated size is signed, so it gives the addition away before the elements do.
    assert_eq!(refusal(&with_right_size(forged)), VerifyError::HeaderAltered);
}

#[test]
fn an_element_added_behind_the_envelope_is_refused() {
    let forged = [&signed().file().bytes()[..], &element(0xf100, b"extra")].concat();
    assert_eq!(refusal(&with_right_size(forged)), VerifyError::ElementAfterEnvelope);
    let envelope = element(ElementTag::ENVELOPE.0, signed().envelope());
    let forged = [&signed().file().bytes()[..], &envelope].concat();
    assert_eq!(refusal(&with_right_size(forged)), VerifyError::SeveralEnvelopes);
}

#[test]
fn other_elements_are_bound_too_their_order_with_them() {
    let image = SignedImage::sign(&multi_element(), SequenceNumber(1), &key(1)).unwrap();
    assert!(intake(image.file().bytes()).is_ok());
    let tail = tail_of(&image);
    let reordered = [element(0, b"image"), element(0xf100, b"before"), element(3, b"after")];
    let altered = [element(0xf100, b"Before"), element(0, b"image"), element(3, b"after")];
    let shifted = [element(0xf100, b"beforea"), element(0, b"image"), element(3, b"fter")];
    for elements in [reordered, altered, shifted] {
        let forged = file_with_body(&[elements.concat(), tail.clone()].concat());
        assert_eq!(refusal(&forged), VerifyError::ElementsAltered);
    }
}

#[test]
fn an_unsigned_file_is_refused() {
    assert_eq!(refusal(unsigned().bytes()), VerifyError::Unsigned);
    assert_eq!(SignedImage::from_file(unsigned()), Err(VerifyError::Unsigned));
}

#[test]
fn a_key_that_is_not_trusted_is_named() {
    let stranger = SignedImage::sign(&unsigned(), SequenceNumber(7), &key(2)).unwrap();
    let signer = key(2).public().fingerprint();
    assert_eq!(refusal(stranger.file().bytes()), VerifyError::UntrustedKey { signer });
    assert!(TrustStore::new(vec![]).verify(signed()).is_err());
}

#[test]
fn a_strangers_signature_under_a_trusted_name_is_refused() {
    let stranger = SignedImage::sign(&unsigned(), SequenceNumber(7), &key(2)).unwrap();
    let mut forged = stranger.file().bytes().to_vec();
    let name = *key(2).public().fingerprint().as_bytes();
    let place = forged.windows(8).position(|window| window == name).unwrap();
    forged[place..place + 8].copy_from_slice(key(1).public().fingerprint().as_bytes());
    assert_eq!(refusal(&forged), VerifyError::BadSignature);
}

#[test]
fn an_envelope_of_another_image_is_refused() {
    let other = OtaFile::build(&identity(), "test", b"the firmware of a very large meter").unwrap();
    let other = SignedImage::sign(&other, SequenceNumber(8), &key(1)).unwrap();
    let forged = [&unsigned().bytes()[..], &tail_of(&other)].concat();
    assert_eq!(refusal(&with_right_size(forged)), VerifyError::PayloadAltered);
}

#[test]
fn a_signed_file_is_not_signed_again() {
    let again = SignedImage::sign(signed().file(), SequenceNumber(8), &key(1));
    assert!(matches!(again, Err(SignError::AlreadySigned)));
}

#[test]
fn the_envelope_of_a_fixed_image_and_key_never_changes() {
    let image = signed();
    let hex: String = image.envelope().iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> =
        hex.as_bytes().chunks(100).map(|line| std::str::from_utf8(line).unwrap()).collect();
    assert_eq!(lines, GOLDEN_ENVELOPE);
    assert_eq!(image.file().file_digest().to_string(), GOLDEN_FILE_DIGEST);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_signed_verifies_with_its_own_key_only(
        payload in proptest::collection::vec(any::<u8>(), 1..400),
        others in proptest::collection::vec((0xf000_u16..0xf0c4, proptest::collection::vec(any::<u8>(), 0..40)), 0..4),
        sequence: u64,
    ) {
        let mut body: Vec<u8> = others.iter().flat_map(|(tag, value)| element(*tag, value)).collect();
        body.extend(element(0, &payload));
        let file = parse(&file_with_body(&body)).unwrap();
        let image = SignedImage::sign(&file, SequenceNumber(sequence), &key(1)).unwrap();
        let verified = intake(image.file().bytes()).unwrap();
        prop_assert_eq!(verified.sequence(), SequenceNumber(sequence));
        prop_assert_eq!(verified.file().payload(), &payload[..]);
        prop_assert!(trusting(&[2, 3]).verify(image).is_err());
    }

    #[test]
    fn no_edit_of_a_signed_file_verifies(
        edits in proptest::collection::vec(any::<(u8, u16, u8)>(), 1..5), right_size: bool,
    ) {
        let original = signed().file().bytes().to_vec();
        let mut forged = edited(&original, &edits);
        if right_size && forged.len() >= 56 {
            forged = with_right_size(forged);
        }
        prop_assert_eq!(intake(&forged).is_ok(), forged == original);
    }
}

const GOLDEN_FILE_DIGEST: &str = "a5b7b8ae62d4ca0c09c8a35e5a9f0a4103f60304cee877723098fa6da0a726f1";
const GOLDEN_ENVELOPE: [&str; 8] = [
    "d86ba202587d825824822f58202ccfa2f5bbf730b72654aeacf64611a41207505cd32029365dc93af18c1672425854d28443",
    "a10132a1044834750f98bd59fcfcf658407d996e00e62ff32e9db20ffc93628fe68f660b6700dda1fa44f3692fe0bd252d49",
    "73a6ab30826a5471100164af327f0aa1e0c95645be438d8f6bd7a562f3a1070358eea4010102070358d7a202838147706179",
    "6c6f61648146686561646572814770726f6d6973650458b7940cf514a201507fc5bc92cea1503b93c786e6e1d64a20025034",
    "4b4bd8efe351c195d83302cd2115ec010f020f0c0014a2035824822f582039915692a5f043bcf65b043cd7606df7d1d38557",
    "029d1dfd226155820d0c99af0e18220c0114a2035824822f582032f9bb2abbc2d4f4158c5a0f76905a49243ad3266aef09fc",
    "8b8113b4d53d63f30e183c0c0214a2035824822f582051959ee35c03ff1b0307e12a8d97bb62ee1af0aa86c7784a3c8b2b33",
    "b2423c920e1827074d8c0c00030f0c01030f0c02030f",
];
