//! What only someone with a trusted key, or with the innards of this crate, could put together: other
//! algorithm labels, manifests of another make, signatures turned around. And the draft's own example.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use coset::iana::Algorithm;
use proptest::prelude::*;
use uuid::Uuid;

use crate::cbor::EncodingError;
use crate::digest::sha256;
use crate::envelope::{Envelope, as_byte_string, emit};
use crate::identity::{FileVersion, ImageIdentity, ImageType, ManufacturerCode};
use crate::manifest::{Manifest, Measure, class_id, manifest_digest, vendor_id};
use crate::notation::parse_hex_bytes;
use crate::ota_file::OtaFile;
use crate::seal::{Seal, seal_attached, seal_detached};
use crate::signed_image::{SequenceNumber, SignedImage, Terms};
use crate::signer::Signer;
use crate::signing_key::SigningKey;
use crate::trust::{TrustStore, VerifiedImage};
use crate::verify_error::VerifyError;

fn key() -> SigningKey {
    SigningKey::generate_from_seed([1; 32])
}

fn file() -> OtaFile {
    let identity = ImageIdentity {
        manufacturer: ManufacturerCode(0x10E5),
        image_type: ImageType(0x0011),
        file_version: FileVersion(1),
        hardware: None,
    };
    OtaFile::build(&identity, "forged", b"payload").expect("a small file is built")
}

fn sealed_image(envelope_of: impl Fn(&Manifest) -> Vec<u8>) -> SignedImage {
    let terms = Terms::from(SequenceNumber(1));
    SignedImage::seal(&file(), &terms, |manifest| Ok(envelope_of(manifest)))
        .expect("the file is not signed yet")
}

/// Seals the file with an envelope of another make and offers it to someone who trusts the key.
fn offer(envelope_of: impl Fn(&Manifest) -> Vec<u8>) -> Result<VerifiedImage, VerifyError> {
    TrustStore::new(vec![key().public()]).verify(sealed_image(envelope_of))
}

fn make_envelope(manifest: &Manifest, algorithm: Algorithm, key: &dyn Signer) -> Vec<u8> {
    crate::signed_image::make_envelope(manifest, algorithm, &[key]).expect("a key in memory signs")
}

/// Offers the file with these bytes for a manifest, rightly signed.
fn offer_manifest(manifest_of: impl Fn(&Manifest) -> Vec<u8>) -> Result<VerifiedImage, VerifyError> {
    offer(|manifest| {
        let manifest = manifest_of(manifest);
        let digest = manifest_digest(&as_byte_string(&manifest));
        emit(&digest, &[sealed(&digest)], &manifest)
    })
}

/// Offers the file with a signature block of another make.
fn offer_seal(seal_of: impl Fn(&[u8]) -> Vec<u8>) -> Result<VerifiedImage, VerifyError> {
    offer(|manifest| {
        let manifest = manifest.encode();
        let digest = manifest_digest(&as_byte_string(&manifest));
        emit(&digest, &[seal_of(&digest)], &manifest)
    })
}

fn sealed(digest: &[u8]) -> Vec<u8> {
    seal_detached(Algorithm::Ed25519, digest, &key()).expect("a key in memory signs")
}

fn sealed_with_payload(payload: &[u8], domain: &[u8]) -> Vec<u8> {
    seal_attached(payload.to_vec(), domain, &key()).expect("a key in memory signs")
}

fn malformed(result: Result<VerifiedImage, VerifyError>) -> EncodingError {
    match result {
        Err(VerifyError::EnvelopeMalformed(error) | VerifyError::ManifestMalformed(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_digest_covers_the_manifest_with_its_byte_string_header_as_in_the_drafts_example_0() {
    // draft-ietf-suit-manifest, appendix "Example 0: Secure Boot": the manifest and its stated digest.
    let example: [u8; 115] = parse_hex_bytes(concat!(
        "5871a50101020003585fa202818141000458568614a40150fa6b4a53d5ad5fdfbe9de663e4d41ffe",
        "02501492af1425695e48bf429b2d51f2ab45035824822f582000112233445566778899aabbccddee",
        "ff0123456789abcdeffedcba98765432100e1987d0010f020f074382030f0943821702"
    ))
    .expect("the example is hexadecimal");
    let expected: [u8; 36] =
        parse_hex_bytes("822f58206658ea560262696dd1f13b782239a064da7c6c5cbaf52fded428a6fc83c7e5af")
            .expect("the digest is hexadecimal");
    assert_eq!(manifest_digest(&example), expected);
    assert_eq!(as_byte_string(&example[2..]), example);
}

#[test]
fn vendor_and_class_ids_never_change() {
    let (manufacturer, image_type) = (ManufacturerCode(0x10E5), ImageType(0x0011));
    assert_eq!(vendor_id(manufacturer).to_string(), "7fc5bc92-cea1-503b-93c7-86e6e1d64a20");
    assert_eq!(class_id(manufacturer, image_type).to_string(), "344b4bd8-efe3-51c1-95d8-3302cd2115ec");
}

#[test]
fn the_older_label_of_the_algorithm_is_accepted_and_no_other() {
    assert!(offer(|manifest| make_envelope(manifest, Algorithm::EdDSA, &key())).is_ok());
    assert!(offer(|manifest| make_envelope(manifest, Algorithm::Ed25519, &key())).is_ok());
    for other in [Algorithm::ES256, Algorithm::HMAC_256_256, Algorithm::Ed448, Algorithm::Reserved] {
        let error = malformed(offer(|manifest| make_envelope(manifest, other, &key())));
        assert_eq!(error.to_string(), "its algorithm is not Ed25519 (-19 or -8)");
    }
}

#[test]
fn a_signature_that_names_no_key_is_tried_with_every_trusted_one() {
    let nameless = |digest: &[u8]| {
        let seal = sealed(digest);
        // The unprotected header {4: fingerprint} becomes {}.
        [&seal[..6], &[0xa0], &seal[17..]].concat()
    };
    let image = offer_seal(nameless).expect("the signature is right");
    assert_eq!(image.signers(), [key().public().fingerprint()]);
    let stranger = SigningKey::generate_from_seed([2; 32]);
    let trust = TrustStore::new(vec![stranger.public()]);
    let image = sealed_image(|manifest| {
        let manifest = manifest.encode();
        let digest = manifest_digest(&as_byte_string(&manifest));
        emit(&digest, &[nameless(&digest)], &manifest)
    });
    let refused = trust.verify(image);
    assert_eq!(refused, Err(VerifyError::BadSignature));
}

#[test]
fn a_second_form_of_the_same_signature_is_refused() {
    // S and S + L are the same scalar (RFC 8032, 5.1.7 forbids the second).
    let order: [u8; 32] = parse_hex_bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        .expect("the order is hexadecimal");
    let turned = |digest: &[u8]| {
        let mut seal = sealed(digest);
        let start = seal.len() - 32;
        let mut carry = 0;
        for (byte, addend) in seal[start..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(addend) + carry;
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        seal
    };
    assert_eq!(offer_seal(turned), Err(VerifyError::BadSignature));
}

#[test]
fn a_signature_that_brings_its_own_payload_is_refused() {
    let error = malformed(offer_seal(|digest| sealed_with_payload(digest, &[])));
    assert_eq!(error.to_string(), "its signature brings a payload of its own");
}

#[test]
fn two_signatures_of_one_key_are_refused_and_two_keys_are_two_signers() {
    let twice = |manifest: &Manifest| {
        crate::signed_image::make_envelope(manifest, Algorithm::Ed25519, &[&key(), &key()])
            .expect("a key in memory signs")
    };
    assert_eq!(malformed(offer(twice)).to_string(), "it carries two signatures of one key");
    let other = SigningKey::generate_from_seed([2; 32]);
    let terms = Terms::from(SequenceNumber(1));
    let image = SignedImage::sign_jointly(&file(), &terms, &[&key(), &other]).expect("it is not signed yet");
    let trust = TrustStore::new(vec![key().public(), other.public()]);
    assert_eq!(trust.verify(image.clone()).expect("both are trusted").signers().len(), 2);
    // A signature of somebody unknown beside a good one: nothing unaccounted for is carried along.
    let signer = other.public().fingerprint();
    let refused = TrustStore::new(vec![key().public()]).verify(image);
    assert_eq!(refused, Err(VerifyError::UntrustedKey { signer }));
}

#[test]
fn a_signature_over_another_domain_is_refused() {
    let foreign = |digest: &[u8]| {
        let attached = sealed_with_payload(digest, b"smets1-ota/v1/order\0");
        let mut seal = sealed(digest);
        let start = seal.len() - 64;
        seal[start..].copy_from_slice(&attached[attached.len() - 64..]);
        seal
    };
    assert_eq!(offer_seal(foreign), Err(VerifyError::BadSignature));
}

#[test]
fn a_manifest_other_than_the_digested_one_is_refused() {
    let swapped = |manifest: &Manifest| {
        let digest = manifest_digest(&as_byte_string(&manifest.encode()));
        let higher = Manifest { sequence: SequenceNumber(2), ..manifest.clone() };
        emit(&digest, &[sealed(&digest)], &higher.encode())
    };
    assert_eq!(offer(swapped), Err(VerifyError::ManifestAltered));
}

#[test]
fn a_digest_without_the_byte_string_header_is_refused() {
    let naive = |manifest: &Manifest| {
        let manifest = manifest.encode();
        let digest = crate::manifest::encode_digest(&sha256(&manifest));
        emit(&digest, &[sealed(&digest)], &manifest)
    };
    assert_eq!(offer(naive), Err(VerifyError::ManifestAltered));
}

#[test]
fn an_image_signed_for_another_class_is_refused() {
    let other = |manifest: &Manifest| Manifest { class: Uuid::nil(), ..manifest.clone() }.encode();
    assert_eq!(offer_manifest(other), Err(VerifyError::ClassMismatch));
    let other = |manifest: &Manifest| Manifest { vendor: Uuid::nil(), ..manifest.clone() }.encode();
    assert_eq!(offer_manifest(other), Err(VerifyError::ClassMismatch));
}

#[test]
fn promises_that_do_not_fit_the_file_are_refused() {
    let wrong = Measure::of(b"something else");
    let payload = |manifest: &Manifest| Manifest { payload: wrong, ..manifest.clone() }.encode();
    assert_eq!(offer_manifest(payload), Err(VerifyError::PayloadAltered));
    let header = |manifest: &Manifest| Manifest { header: wrong, ..manifest.clone() }.encode();
    assert_eq!(offer_manifest(header), Err(VerifyError::HeaderAltered));
    let promise = |manifest: &Manifest| Manifest { promise: wrong, ..manifest.clone() }.encode();
    assert_eq!(offer_manifest(promise), Err(VerifyError::PromiseAltered));
    let elements = |manifest: &Manifest| Manifest { elements: Some(wrong), ..manifest.clone() }.encode();
    assert_eq!(offer_manifest(elements), Err(VerifyError::ElementsAltered));
    let size = |manifest: &Manifest| {
        let payload = Measure { size: manifest.payload.size + 1, ..manifest.payload };
        Manifest { payload, ..manifest.clone() }.encode()
    };
    assert_eq!(offer_manifest(size), Err(VerifyError::PayloadAltered));
}

#[test]
fn a_manifest_with_anything_unknown_in_it_is_refused_though_rightly_signed() {
    // A fifth entry in the map, and its count.
    malformed(offer_manifest(|manifest| {
        let mut bytes = [&manifest.encode()[..], &[0x09, 0x43, 0x82, 0x17, 0x02]].concat();
        bytes[0] = 0xa5;
        bytes
    }));
    // Version 2; a byte behind the end; the sequence number 1 in two bytes; an abort in place of a check.
    malformed(offer_manifest(|manifest| replaced(manifest, &[0xa4, 1, 1], &[0xa4, 1, 2])));
    malformed(offer_manifest(|manifest| [&manifest.encode()[..], &[0]].concat()));
    malformed(offer_manifest(|manifest| replaced(manifest, &[0xa4, 1, 1, 2, 1], &[0xa4, 1, 1, 2, 0x18, 1])));
    malformed(offer_manifest(|manifest| replaced(manifest, &[12, 0, 3, 15], &[12, 0, 14, 15])));
}

fn replaced(manifest: &Manifest, old: &[u8], new: &[u8]) -> Vec<u8> {
    let bytes = manifest.encode();
    let place = bytes.windows(old.len()).position(|window| window == old).expect("the bytes are there");
    [&bytes[..place], new, &bytes[place + old.len()..]].concat()
}

#[test]
fn an_envelope_with_a_byte_more_or_a_seal_of_another_shape_is_refused() {
    let envelope = |manifest: &Manifest| make_envelope(manifest, Algorithm::Ed25519, &key());
    malformed(offer(|manifest| [&envelope(manifest)[..], &[0]].concat()));
    malformed(offer(|manifest| vec![0xff; envelope(manifest).len() + 1_000]));
    malformed(offer(|_| Vec::new()));
    malformed(offer_seal(|digest| sealed(digest)[1..].to_vec()));
    malformed(offer_seal(|_| vec![0x9f; 400]));
}

proptest! {
    #[test]
    fn any_manifest_is_read_back_alike(
        sequence: u64, vendor: u128, class: u128, measures: [([u8; 32], u64); 4], four: bool,
    ) {
        let [payload, header, promise, elements] = measures.map(|(digest, size)| Measure { digest, size });
        let manifest = Manifest {
            sequence: SequenceNumber(sequence),
            vendor: Uuid::from_u128(vendor),
            class: Uuid::from_u128(class),
            payload,
            header,
            promise,
            elements: four.then_some(elements),
        };
        prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn what_is_read_of_any_bytes_is_what_would_be_written(
        edits in proptest::collection::vec(any::<(u16, u8)>(), 0..4),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let image = SignedImage::sign(&file(), SequenceNumber(1), &key()).expect("the file is not signed yet");
        let mut bytes = image.envelope().to_vec();
        for (place, value) in edits {
            let place = usize::from(place) % bytes.len();
            bytes[place] = value;
        }
        for input in [&bytes[..], &noise[..]] {
            if let Ok(envelope) = Envelope::parse(input) {
                prop_assert_eq!(emit(envelope.digest, &envelope.seals, envelope.manifest), input);
                envelope.seals.iter().for_each(|seal| drop(Seal::parse_of_image(seal)));
                if let Ok(manifest) = Manifest::decode(envelope.manifest) {
                    prop_assert_eq!(manifest.encode(), envelope.manifest);
                }
            }
            let _ = Seal::parse(input);
            let _ = Manifest::decode(input);
        }
    }
}
