//! Key files: read, written, and the weak ones refused.

use firmware_image::{KeyError, PublicKey, SigningKey};

use crate::support::key;

/// The key of RFC 8410, sections 10.1 and 10.3.
const RFC_8410_V1: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const RFC_8410_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

#[test]
fn the_key_of_the_standard_is_read_and_written_alike() {
    let key = SigningKey::from_pem(RFC_8410_V1).unwrap();
    assert_eq!(*key.to_pem(), RFC_8410_V1);
    assert_eq!(key.public().to_pem(), RFC_8410_PUBLIC);
    assert_eq!(PublicKey::from_pem(RFC_8410_PUBLIC).unwrap(), key.public());
}

#[test]
fn keys_survive_their_files() {
    let again = SigningKey::from_pem(&key(5).to_pem()).unwrap();
    assert_eq!(again.public(), key(5).public());
    assert_eq!(PublicKey::from_pem(&key(5).public().to_pem()).unwrap(), key(5).public());
    assert_eq!(PublicKey::from_bytes(&key(5).public().to_bytes()).unwrap(), key(5).public());
}

#[test]
fn fingerprints_tell_keys_apart_and_are_sixteen_digits() {
    let fingerprint = key(5).public().fingerprint();
    assert_ne!(fingerprint, key(6).public().fingerprint());
    assert_eq!(fingerprint.to_string().len(), 16);
    assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
}

#[test]
fn the_wrong_kind_of_file_is_named_and_never_quoted() {
    let error = PublicKey::from_pem(&key(5).to_pem()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a PEM file that begins `-----BEGIN PUBLIC KEY-----`, found a private key"
    );
    let error = SigningKey::from_pem(RFC_8410_PUBLIC).err().unwrap();
    assert!(error.to_string().ends_with("found a public key"));
    assert!(SigningKey::from_pem("hello").err().unwrap().to_string().ends_with("found no PEM file"));
    let cut = &RFC_8410_V1[..60];
    assert!(matches!(SigningKey::from_pem(cut), Err(KeyError::Malformed { .. })));
}

#[test]
fn a_file_with_halves_of_two_keys_is_refused() {
    // Version 2 of the same key (RFC 8410, 10.3), its public half exchanged for another's.
    let mut der =
        vec![0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend_from_slice(&[5; 32]);
    der.extend_from_slice(&[0x81, 0x21, 0x00]);
    let with_public = |public: [u8; 32]| {
        let body = base64(&[&der[..], &public].concat());
        format!("-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n")
    };
    assert!(SigningKey::from_pem(&with_public(key(5).public().to_bytes())).is_ok());
    let mixed = SigningKey::from_pem(&with_public(key(6).public().to_bytes()));
    assert!(matches!(mixed, Err(KeyError::HalvesDiffer)));
}

#[test]
fn points_of_small_order_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    // (0, -1), of order 2.
    let mut order_two = [0xff; 32];
    order_two[0] = 0xec;
    order_two[31] = 0x7f;
    // y = 0, of order 4.
    for bytes in [identity, order_two, [0; 32]] {
        assert_eq!(PublicKey::from_bytes(&bytes), Err(KeyError::SmallOrder));
    }
}

#[test]
fn points_with_a_small_order_part_are_refused() {
    // A + T, where T = (0, -1): adding the point of order two turns (x, y) into (-x, -y).
    let good = key(5).public().to_bytes();
    let mixed = negated(good);
    assert_eq!(PublicKey::from_bytes(&mixed), Err(KeyError::NotTorsionFree));
}

#[test]
fn a_second_encoding_of_a_point_is_refused() {
    // y = p + 3 stands for the point with y = 3; the next y after it that lies on the curve does as well.
    for low in 0xf0..=0xff_u8 {
        let mut bytes = [0xff; 32];
        bytes[0] = low;
        bytes[31] = 0x7f;
        let refused = PublicKey::from_bytes(&bytes).unwrap_err();
        assert!(
            matches!(refused, KeyError::NotCanonical | KeyError::Malformed { .. }),
            "{low:#x}: {refused}"
        );
    }
}

/// Encodes (-x, -y) for an encoded (x, y): y becomes p - y, and the sign of x is turned.
fn negated(encoded: [u8; 32]) -> [u8; 32] {
    let mut y = encoded;
    let sign = y[31] >> 7;
    y[31] &= 0x7f;
    let mut prime = [0xff_u8; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    let mut borrow = 0;
    let mut out = [0; 32];
    for (place, byte) in out.iter_mut().enumerate() {
        let difference = i16::from(prime[place]) - i16::from(y[place]) - borrow;
        borrow = i16::from(difference < 0);
        *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    out[31] |= (1 - sign) << 7;
    out
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for (index, chunk) in bytes.chunks(3).enumerate() {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for digit in 0..4 {
            let value = (number >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= chunk.len() { DIGITS[value] as char } else { '=' });
        }
        if index % 16 == 15 {
            text.push('\n');
        }
    }
    text + "\n"
}
