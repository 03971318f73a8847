//! Key files under a passphrase: those of OpenSSL and ours, wrong passphrases, and files that cost too much.

use firmware_image::{FreshBytes, KeyError, PublicKey, SigningKey};
use proptest::prelude::*;

use crate::support::key;

const PASSPHRASE: &[u8] = b"correct horse battery";

/// The public half of the key of RFC 8410, section 10.1, which OpenSSL 3.0.19 wrote into the files below.
const RFC_8410_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

/// `openssl pkcs8 -topk8 -v2 aes-256-cbc`: PBKDF2 with HMAC-SHA-256 and 2,048 rounds.
const OPENSSL_PBKDF2: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjGx0RgcNQSVwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEHrVSyb47kQHXiUMD7DC6roEQJe1
0zSTxDV2LfAc9vV5sGgvJNyPRQp3y1x6vid82zlOq8difA7d10bKaHNPsUOjWR7g
xrSN/18oTbVIAIUHQgw=
-----END ENCRYPTED PRIVATE KEY-----
";

/// `openssl pkcs8 -topk8 -scrypt`: N = 16,384, r = 8, p = 1.
const OPENSSL_SCRYPT: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAhJy8QNI5ivkgICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBD5iqvyuZ2c/ADS0faS2bR6BEAh2YkWI6+Ep9aO
v7aVkpZ+xIG5LDfo1ncoP0uV7TlApVlv7vzIDd5g6+bYluTP2zUZz99VobQmKo+y
wHtQqraz
-----END ENCRYPTED PRIVATE KEY-----
";

/// `openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES`.
const OPENSSL_PBES1: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MFgwHAYKKoZIhvcNAQwBAzAOBAiLCpzsABsqNgICCAAEOAUvuZoNC5SLPejn39R0
qaaMkSpN4ciY37f8WPfdlO51CZarqpBDGTaQlUyQlrMTzZ1CFT5/oAbB
-----END ENCRYPTED PRIVATE KEY-----
";

/// `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1`.
const OPENSSL_SHA1: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGNMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAiT8/DtdvZG8wICCAAw
HQYJYIZIAWUDBAEqBBAqgPM1jMW9mdZ4V0K9ot3rBECcVyqK0gCpfFIl8mJl9ShJ
gb9PRydHei6wkuYzAK1qrBWDe7POotHsgdxAZoM6im4JCA4u1t0WF1qa3OejLA5o
-----END ENCRYPTED PRIVATE KEY-----
";

/// `openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 4000001`: one round too many.
const OPENSSL_COSTLY: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGcMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAhx94wjLv5IHAIDPQkB
MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBBzSEht0GHZzt8duNXmPW6LBEDz
+uveNqDrD6txTG29dX0qfR2HpWM2gbz+clJoQ2KM9MVmWamhhh/HoHDhsyizKT/U
yEjYBT6bqX0rjW+OuXR2
-----END ENCRYPTED PRIVATE KEY-----
";

fn fresh(byte: u8) -> FreshBytes {
    FreshBytes { salt: [byte; 16], initialization_vector: [byte.wrapping_add(1); 16] }
}

fn refusal(text: &str, passphrase: &[u8]) -> KeyError {
    SigningKey::from_encrypted_pem(text, passphrase).err().expect("the file is refused")
}

#[test]
fn the_files_of_openssl_are_read() {
    let expected = PublicKey::from_pem(RFC_8410_PUBLIC).unwrap();
    for text in [OPENSSL_PBKDF2, OPENSSL_SCRYPT] {
        assert!(SigningKey::is_encrypted(text));
        assert_eq!(SigningKey::from_encrypted_pem(text, PASSPHRASE).unwrap().public(), expected);
    }
}

#[test]
fn ours_opens_with_its_passphrase_and_with_no_other() {
    let text = key(5).to_encrypted_pem(PASSPHRASE, fresh(1));
    let again = SigningKey::from_encrypted_pem(&text, PASSPHRASE).unwrap();
    assert_eq!(again.public(), key(5).public());
    for wrong in [&b"Correct horse battery"[..], b"correct horse battery ", b"", b"\xff\x00"] {
        let error = refusal(&text, wrong);
        assert_eq!(error, KeyError::WrongPassphrase);
        assert_eq!(error.to_string(), "the passphrase does not open the file");
    }
}

#[test]
fn a_wrong_passphrase_that_leaves_sound_padding_is_just_a_wrong_passphrase() {
    // One in 256 does; the cheap file makes it affordable to meet some.
    let refusals = (0..1_500_u32).map(|guess| refusal(OPENSSL_PBKDF2, &guess.to_le_bytes()));
    let others = refusals.filter(|error| *error != KeyError::WrongPassphrase).count();
    assert_eq!(others, 0);
}

#[test]
fn other_salts_make_other_files_of_the_same_key() {
    let one = key(5).to_encrypted_pem(PASSPHRASE, fresh(1));
    assert_eq!(*one, *key(5).to_encrypted_pem(PASSPHRASE, fresh(1)));
    assert_ne!(*one, *key(5).to_encrypted_pem(PASSPHRASE, fresh(2)));
}

#[test]
fn broken_ciphers_are_refused_by_name() {
    let error = refusal(OPENSSL_PBES1, PASSPHRASE);
    assert!(
        matches!(&error, KeyError::Encryption { reason } if reason.starts_with("expected PBES2")),
        "{error}"
    );
    // HMAC-SHA-1 by its object identifier.
    let error = refusal(OPENSSL_SHA1, PASSPHRASE);
    assert!(
        matches!(&error, KeyError::Encryption { reason } if reason.contains("1.2.840.113549.2.7")),
        "{error}"
    );
}

#[test]
fn a_file_that_costs_too_much_is_refused_whatever_the_passphrase() {
    let error = refusal(OPENSSL_COSTLY, b"anything");
    assert_eq!(
        error.to_string(),
        "the file asks for 4000001 rounds of PBKDF2 to try a passphrase, expected at most 4000000"
    );
}

#[test]
fn the_kinds_of_files_are_not_mixed_up() {
    let plain = key(5).to_pem();
    assert!(!SigningKey::is_encrypted(&plain) && !SigningKey::is_encrypted(RFC_8410_PUBLIC));
    assert!(refusal(&plain, PASSPHRASE).to_string().ends_with("found a private key"));
    let error = SigningKey::from_pem(OPENSSL_PBKDF2).err().unwrap();
    assert!(error.to_string().ends_with("found an encrypted private key"));
    assert!(matches!(refusal(&OPENSSL_PBKDF2[..100], PASSPHRASE), KeyError::Malformed { .. }));
}

#[test]
fn a_file_damaged_anywhere_never_panics_and_never_names_a_byte_of_the_key() {
    let body_starts = OPENSSL_PBKDF2.find('\n').unwrap() + 1;
    let body_ends = OPENSSL_PBKDF2.rfind("-----END").unwrap();
    for place in body_starts..body_ends {
        for exchanged in ["A", "/", "=", "\n"] {
            let mut text = OPENSSL_PBKDF2.to_owned();
            text.replace_range(place..=place, exchanged);
            if let Err(error) = SigningKey::from_encrypted_pem(&text, PASSPHRASE) {
                assert!(error.to_string().len() < 200, "{error}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics_as_a_key_file(text in ".{0,300}", body in "[A-Za-z0-9+/]{0,200}") {
        let framed = format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----\n");
        for text in [&text, &framed] {
            let _ = SigningKey::from_encrypted_pem(text, b"guess");
            let _ = SigningKey::from_pem(text);
        }
    }
}
