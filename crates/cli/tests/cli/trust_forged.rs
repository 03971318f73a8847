//! An image whose signer promises another kind of payload than it is. No command makes one, so it is forged by hand,
//! with the maker's own key: the promise, then the digests over it, then the signature.

use firmware_image::{FileDigest, OtaFile, Signer, SigningKey};

/// Returns the image with `mcuboot` promised instead of `raw`, and everything else as it must be.
pub(crate) fn with_false_format(signed: &[u8], key: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_pem(std::str::from_utf8(key).unwrap()).unwrap();
    let mut file = signed.to_vec();
    let parsed = OtaFile::parse(signed.to_vec().into()).unwrap();
    let promise = parsed.elements().rev().nth(1).unwrap();
    let start = promise.offset + 6;
    let place = start..start + promise.value.len();
    let before = sha256(promise.value);
    // [1, minimum root 0, format 0, ...]: one byte each.
    assert_eq!(file[start..start + 4], [0x85, 1, 0, 0]);
    file[start + 3] = 1;
    let after = sha256(&file[place]);

    let manifest = manifest_start(&file);
    let old_digest = sha256(&file[manifest..]);
    replace(&mut file, &before, &after);
    let new_digest = sha256(&file[manifest..]);
    replace(&mut file, &old_digest, &new_digest);

    // Sig_structure (RFC 9052, 4.4): the context, the protected header {1: -19}, no external data, the SUIT_Digest.
    let suit_digest = [&[0x82, 0x2F, 0x58, 0x20][..], &new_digest].concat();
    let message = [b"\x84\x6ASignature1\x43\xA1\x01\x32\x40\x58\x24".as_slice(), &suit_digest].concat();
    let signature = Signer::sign(&key, &message).unwrap();
    // A nil payload, and the 64 bytes of the signature.
    let seal = find(&file, &[0xF6, 0x58, 0x40]) + 3;
    file[seal..seal + 64].copy_from_slice(&signature);
    file
}

/// Returns where the manifest's byte string begins, which ends with the file: `3: << manifest >>`.
fn manifest_start(file: &[u8]) -> usize {
    let begins = |start: &usize| match file[*start - 1..] {
        [3, 0x58, len, ..] => start + 2 + usize::from(len) == file.len(),
        [3, 0x59, high, low, ..] => start + 3 + usize::from(u16::from_be_bytes([high, low])) == file.len(),
        _ => false,
    };
    (file.len() - 600..file.len()).find(begins).unwrap()
}

fn replace(file: &mut [u8], old: &[u8; 32], new: &[u8; 32]) {
    let start = find(file, old);
    file[start..start + 32].copy_from_slice(new);
}

fn find(file: &[u8], bytes: &[u8]) -> usize {
    file.windows(bytes.len()).rposition(|window| window == bytes).unwrap()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    *FileDigest::of(bytes).as_bytes()
}
