//! Signs what no honest tool would sign: any bytes as a manifest or as an order. Without it the fuzzer would end
//! at the signature every time, and never see the readers behind it.

use std::sync::LazyLock;

use bytes::Bytes;
use ed25519_dalek::{Signer, SigningKey};
use minicbor::data::Tag;
use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};

use crate::{SEED, signed};

/// Returns the manifest of an envelope.
pub fn manifest_in(envelope: &[u8]) -> Vec<u8> {
    let read = || -> Result<Vec<u8>, minicbor::decode::Error> {
        let mut decoder = Decoder::new(envelope);
        decoder.tag()?;
        decoder.map()?;
        for _ in 0..3 {
            decoder.skip()?;
        }
        Ok(decoder.bytes()?.to_vec())
    };
    read().expect("an envelope made by this crate's own tool is sound")
}

/// Makes an envelope with these bytes for a manifest, rightly signed.
pub fn envelope_around(manifest: &[u8]) -> Vec<u8> {
    let with_header = cbor(|encoder| encoder.bytes(manifest).map(drop));
    let digest =
        cbor(|encoder| encoder.array(2)?.i8(SHA_256)?.bytes(&Sha256::digest(&with_header)).map(drop));
    let seal = sign(&digest, &[], false);
    let wrapper = cbor(|encoder| encoder.array(2)?.bytes(&digest)?.bytes(&seal).map(drop));
    cbor(|encoder| {
        encoder.tag(Tag::new(SUIT_ENVELOPE))?.map(2)?;
        encoder.u8(2)?.bytes(&wrapper)?.u8(3)?.bytes(manifest).map(drop)
    })
}

/// Makes a signed order with these bytes for an order, rightly signed.
pub fn order_around(order: &[u8]) -> Vec<u8> {
    sign(order, ORDER_DOMAIN, true)
}

/// Makes a trust root with these bytes for a document, rightly signed by two of the root keys (RFC 9052, 4.1).
pub fn root_around(document: &[u8]) -> Vec<u8> {
    static KEYS: LazyLock<Vec<(Vec<u8>, SigningKey)>> = LazyLock::new(|| {
        let keys = [11_u8, 12].map(|number| SigningKey::from_bytes(&[number; 32]));
        let named = |key: SigningKey| (Sha256::digest(key.verifying_key().as_bytes())[..8].to_vec(), key);
        let mut named: Vec<_> = keys.into_iter().map(named).collect();
        named.sort_by(|one, next| one.0.cmp(&next.0));
        named
    });
    let protected = cbor(|encoder| encoder.map(1)?.u8(1)?.i8(ED25519).map(drop));
    let signed = cbor(|encoder| {
        encoder
            .array(5)?
            .str("Signature")?
            .bytes(&[])?
            .bytes(&protected)?
            .bytes(ROOT_DOMAIN)?
            .bytes(document)
            .map(drop)
    });
    cbor(|encoder| {
        encoder.tag(Tag::new(COSE_SIGN))?.array(4)?.bytes(&[])?.map(0)?.bytes(document)?;
        encoder.array(KEYS.len() as u64)?;
        for (fingerprint, key) in KEYS.iter() {
            let signature = key.sign(&signed).to_bytes();
            encoder.array(3)?.bytes(&protected)?.map(1)?.u8(4)?.bytes(fingerprint)?.bytes(&signature)?;
        }
        Ok(())
    })
}

/// Puts an envelope in the place of the one of the signed file, with the header's size set right.
pub fn file_around(envelope: &[u8]) -> Bytes {
    let image = signed();
    let place = image.file().elements().next_back().expect("a signed file ends in its envelope");
    let mut bytes = image.file().bytes()[..place.offset].to_vec();
    bytes.extend_from_slice(&place.tag.0.to_le_bytes());
    bytes.extend_from_slice(&len(envelope).to_le_bytes());
    bytes.extend_from_slice(envelope);
    let total = len(&bytes).to_le_bytes();
    bytes[TOTAL_SIZE].copy_from_slice(&total);
    bytes.into()
}

/// Makes a COSE_Sign1 message (RFC 9052, 4.2) as the crate under test writes it.
fn sign(payload: &[u8], domain: &[u8], attached: bool) -> Vec<u8> {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&SEED));
    let fingerprint = &Sha256::digest(KEY.verifying_key().as_bytes())[..8];
    let protected = cbor(|encoder| encoder.map(1)?.u8(1)?.i8(ED25519).map(drop));
    let signed = cbor(|encoder| {
        encoder.array(4)?.str("Signature1")?.bytes(&protected)?.bytes(domain)?.bytes(payload).map(drop)
    });
    let signature = KEY.sign(&signed).to_bytes();
    cbor(|encoder| {
        encoder.tag(Tag::new(COSE_SIGN1))?.array(4)?.bytes(&protected)?.map(1)?.u8(4)?.bytes(fingerprint)?;
        if attached { encoder.bytes(payload)? } else { encoder.null()? }.bytes(&signature).map(drop)
    })
}

fn cbor(
    write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), minicbor::encode::Error<std::convert::Infallible>>,
) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).expect("writing to memory cannot fail");
    encoder.into_writer()
}

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("the fuzzer's inputs are small")
}

/// Where the header of an OTA file states the size of the file.
const TOTAL_SIZE: std::ops::Range<usize> = 52..56;
const ORDER_DOMAIN: &[u8] = b"smets1-ota/v1/order\0";
const ROOT_DOMAIN: &[u8] = b"smets1-ota/v1/root\0";
const COSE_SIGN: u64 = 98;
const SUIT_ENVELOPE: u64 = 107;
const COSE_SIGN1: u64 = 18;
/// COSE algorithm SHA-256.
const SHA_256: i8 = -16;
/// COSE algorithm Ed25519 (RFC 9864).
const ED25519: i8 = -19;
