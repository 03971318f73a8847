//! Any bytes as a firmware file: read strictly, looked at, adopted, and what came of it signed and verified.

#![no_main]

use bytes::Bytes;
use firmware_image::{Adoption, BuildError, OtaFile, SequenceNumber, SignError, SignedImage, adopt, inspect};
use fuzz::{READING, SIGNING, bounded, identity, key, seeds, trust};
use libfuzzer_sys::fuzz_target;

/// How an MCUboot image begins; the wrong way round it is one for a machine of the other byte order.
const MCUBOOT_MAGIC: [u8; 4] = [0x3d, 0xb8, 0xf3, 0x96];

fuzz_target!(init: seeds::check("ota_file"), |data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let parsed = bounded("parsing", data.len(), READING, || OtaFile::parse(bytes.clone()));
    let seen = bounded("inspection", data.len(), READING, || inspect(data));
    assert_eq!(seen.is_sound(), parsed.is_ok(), "{seen:?} {parsed:?}");
    bounded("naming oddities", data.len(), READING, || {
        for oddity in &seen.oddities {
            assert!(!oddity.to_string().is_empty());
        }
    });
    let adopted = bounded("adoption", data.len(), READING, || adopt(bytes.clone(), identity()));
    if let Ok(file) = parsed {
        assert_eq!(file.bytes(), data, "a file keeps the bytes it was made from");
        assert_eq!(adopted, Ok((file, Adoption::Kept)));
    } else if let Ok((_, Adoption::Kept)) = adopted {
        panic!("a file that cannot be read was kept");
    }
    if let Ok((file, _)) = adopted {
        sign_and_verify(&file);
    }
});

/// What is sound can be signed and is then believed, unless it is signed already or full.
fn sign_and_verify(file: &OtaFile) {
    let len = file.bytes().len();
    assert_eq!(OtaFile::parse(file.bytes().clone()).as_ref(), Ok(file));
    match bounded("signing", len, SIGNING, || SignedImage::sign(file, SequenceNumber(7), &key())) {
        Ok(image) => {
            let again = image.file().bytes().clone();
            let verified = bounded("verification", len, READING, || trust().verify_bytes(again));
            let verified = verified.expect("what was signed is believed");
            assert_eq!(verified.identity(), file.identity());
            assert_eq!(verified.image_digest(), file.image_digest());
        }
        Err(SignError::AlreadySigned) => {
            // With a signature of nobody we trust or with the seed's; either way it must not panic.
            let _ = bounded("verification", len, READING, || trust().verify_bytes(file.bytes().clone()));
        }
        Err(SignError::Build(BuildError::TooLarge { .. } | BuildError::TooManyElements)) => {}
        // What a boot loader would not take is not signed; what it would not look at as its own, is.
        Err(SignError::Payload(error)) => {
            let mut magic = MCUBOOT_MAGIC;
            let found = file.payload().get(..4);
            let is_one = found == Some(&magic[..]);
            magic.reverse();
            assert!(is_one || found == Some(&magic[..]), "{error:?}");
        }
        Err(other) => panic!("{other:?}"),
    }
}
