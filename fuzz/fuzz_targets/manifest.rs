//! Any bytes as the envelope of a file that is otherwise sound, and the same bytes as a manifest that a trusted
//! key has signed: an attacker may send the first, only a confused signer the second.

#![no_main]

use bytes::Bytes;
use firmware_image::{ImageDigest, IntakeError, SequenceNumber, VerifiedImage, VerifyError};
use fuzz::{READING, bounded, envelope_around, file_around, key, manifest_in, seeds, signed, trust};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: check(), |data: &[u8]| {
    if let Ok(image) = verify(file_around(data)) {
        // Nobody can make another signature: whatever else the bytes are, they say what was signed.
        assert_eq!(image.sequence(), SequenceNumber(7));
        believed(&image);
    }
    match verify(file_around(&envelope_around(data))) {
        Ok(image) => believed(&image),
        Err(IntakeError::Verify(VerifyError::BadSignature | VerifyError::UntrustedKey { .. })) => {
            panic!("the signature made here is not the one that is looked for")
        }
        Err(_) => {}
    }
});

fn verify(file: Bytes) -> Result<VerifiedImage, IntakeError> {
    bounded("verification", file.len(), READING, || trust().verify_bytes(file.clone()))
}

fn believed(image: &VerifiedImage) {
    assert_eq!(image.signers(), [key().public().fingerprint()]);
    assert_eq!(image.image_digest(), ImageDigest::of(signed().file().payload()));
    assert_eq!(image.identity(), signed().file().identity());
}

/// Makes sure that both ways lead to a believed image when nothing is altered.
fn check() {
    seeds::check("manifest");
    let honest = signed().envelope().to_vec();
    assert!(verify(file_around(&honest)).is_ok(), "the honest envelope is refused");
    let again = envelope_around(&manifest_in(&honest));
    assert_eq!(again, honest, "the envelope is no longer written as the fuzzer writes it");
}
