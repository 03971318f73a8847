//! Ed25519 vectors at the edges of the curve, made by arithmetic: small-order and mixed-order points, second
//! encodings, scalars out of range. Most would fool a verifier that follows RFC 8032 loosely, and each says
//! whether it would. What Wycheproof covers is in `wycheproof`.
//!
//! ```text
//! A, R  points        accepted   key imported, S in range, R = SB - kA byte for byte
//! k     H(R, A, M)    lax        8(SB - R - kA) = 0 with S reduced and every encoding taken
//! ```

use std::collections::BTreeMap;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::IsIdentity;
use curve25519_dalek::{EdwardsPoint, Scalar};
use firmware_image::{KeyError, PublicKey};
use sha2::{Digest, Sha512};

/// One signature to be judged, what must come out, and why.
struct Vector {
    class: &'static str,
    reason: &'static str,
    key: [u8; 32],
    message: Vec<u8>,
    r: [u8; 32],
    s: [u8; 32],
    expected: Verdict,
    /// Whether a verifier with the cofactor and without checks of encodings and ranges would accept it.
    fools_a_lax_verifier: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    SignatureRefused,
    KeyOfSmallOrder,
    KeyNotTorsionFree,
    KeyNotCanonical,
    KeyMalformed,
}

impl Vector {
    fn verdict(&self) -> Verdict {
        let key = match PublicKey::from_bytes(&self.key) {
            Ok(key) => key,
            Err(KeyError::SmallOrder) => return Verdict::KeyOfSmallOrder,
            Err(KeyError::NotTorsionFree) => return Verdict::KeyNotTorsionFree,
            Err(KeyError::NotCanonical) => return Verdict::KeyNotCanonical,
            Err(KeyError::Malformed { .. }) => return Verdict::KeyMalformed,
            Err(other) => panic!("{}: {other}", self.class),
        };
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&self.r);
        signature[32..].copy_from_slice(&self.s);
        if key.verifies(&self.message, &signature) { Verdict::Accepted } else { Verdict::SignatureRefused }
    }

    /// Judges as loosely as the equation with the cofactor allows.
    fn lax_verdict(&self) -> bool {
        let points = (decompressed(self.key), decompressed(self.r));
        let (Some(key), Some(commitment)) = points else { return false };
        let s = Scalar::from_bytes_mod_order(self.s);
        let k = challenge(&self.r, &self.key, &self.message);
        (EdwardsPoint::mul_base(&s) - commitment - k * key).mul_by_cofactor().is_identity()
    }
}

fn decompressed(encoding: [u8; 32]) -> Option<EdwardsPoint> {
    CompressedEdwardsY(encoding).decompress()
}

/// The scalar k of RFC 8032, 5.1.7, step 2.
fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let digest = Sha512::new().chain_update(r).chain_update(key).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&digest.into())
}

/// A scalar that depends on its name only.
fn scalar(name: &str, index: usize) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(format!("edge vectors, {name}, {index}")).into())
}

fn encoding(point: EdwardsPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

/// Finds a message for which k is divisible by eight: then a part of small order vanishes from kA, and a
/// verifier is fooled even without the cofactor.
fn message_with_even_challenge(r: &[u8; 32], key: &[u8; 32]) -> Vec<u8> {
    (0..1_000_u32)
        .map(|attempt| format!("message {attempt}").into_bytes())
        .find(|message| challenge(r, key, message).as_bytes()[0].is_multiple_of(8))
        .expect("one message in eight will do")
}

/// p + `low`: an encoding of the number `low` that is not its own. There are nineteen.
fn second_encoding_of(low: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed + low;
    bytes[31] = 0x7f;
    bytes
}

fn with_sign(mut encoding: [u8; 32]) -> [u8; 32] {
    encoding[31] ^= 0x80;
    encoding
}

/// Every string of 32 bytes that a decoder without checks takes for a point of small order: the eight
/// encodings, and six second ones.
fn small_order_encodings() -> Vec<([u8; 32], bool)> {
    let mut all: Vec<_> = EIGHT_TORSION.iter().map(|point| (encoding(*point), true)).collect();
    let one = encoding(EIGHT_TORSION[0]);
    let minus_one = encoding(EIGHT_TORSION[4]);
    let second =
        [with_sign(one), with_sign(minus_one), second_encoding_of(0), with_sign(second_encoding_of(0))];
    all.extend(second.into_iter().map(|bytes| (bytes, false)));
    all.extend([second_encoding_of(1), with_sign(second_encoding_of(1))].map(|bytes| (bytes, false)));
    all
}

/// The signature that whoever knows a and r makes over the message: R as given, S = r + ka.
fn answer(r: &[u8; 32], key: &[u8; 32], message: &[u8], secret: Scalar, nonce: Scalar) -> [u8; 32] {
    (nonce + challenge(r, key, message) * secret).to_bytes()
}

fn honest(index: usize) -> (Scalar, Scalar, Vector) {
    let (secret, nonce) = (scalar("secret", index), scalar("nonce", index));
    let key = encoding(EdwardsPoint::mul_base(&secret));
    let r = encoding(EdwardsPoint::mul_base(&nonce));
    let message = format!("honest message {index}").into_bytes();
    let s = answer(&r, &key, &message, secret, nonce);
    let vector = Vector {
        class: "honest",
        reason: "the arithmetic of these vectors makes signatures that are right",
        key,
        message,
        r,
        s,
        expected: Verdict::Accepted,
        fools_a_lax_verifier: true,
    };
    (secret, nonce, vector)
}

fn small_order_keys() -> impl Iterator<Item = Vector> {
    small_order_encodings().into_iter().enumerate().map(|(index, (key, canonical))| {
        let nonce = scalar("nonce", index);
        let r = encoding(EdwardsPoint::mul_base(&nonce));
        let message = message_with_even_challenge(&r, &key);
        Vector {
            class: "key of small order",
            reason: "kA vanishes for one message in eight: whoever picks S = r signs for this key",
            key,
            message,
            r,
            s: nonce.to_bytes(),
            expected: if canonical { Verdict::KeyOfSmallOrder } else { Verdict::KeyNotCanonical },
            fools_a_lax_verifier: true,
        }
    })
}

fn mixed_order_keys() -> impl Iterator<Item = Vector> {
    (1..8).map(|index| {
        let (secret, nonce) = (scalar("secret", index), scalar("nonce", index));
        let key = encoding(EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[index]);
        let r = encoding(EdwardsPoint::mul_base(&nonce));
        let message = message_with_even_challenge(&r, &key);
        let s = answer(&r, &key, &message, secret, nonce);
        Vector {
            class: "key A + T",
            reason: "whether the signature fits depends on the verifier: two devices may disagree",
            key,
            message,
            r,
            s,
            expected: Verdict::KeyNotTorsionFree,
            fools_a_lax_verifier: true,
        }
    })
}

fn mixed_order_commitments() -> impl Iterator<Item = Vector> {
    (1..8).map(|index| {
        let (secret, nonce, honest) = honest(index);
        let r = encoding(EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[index]);
        let s = answer(&r, &honest.key, &honest.message, secret, nonce);
        Vector {
            class: "R + T",
            reason: "fits only with the cofactor: a second signature over the same message",
            r,
            s,
            expected: Verdict::SignatureRefused,
            ..honest
        }
    })
}

fn mixed_order_both() -> impl Iterator<Item = Vector> {
    (1..8).map(|index| {
        let (secret, nonce) = (scalar("secret", index), scalar("nonce", index));
        let key = encoding(EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[index]);
        let r = encoding(EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[8 - index]);
        let message = format!("both {index}").into_bytes();
        let s = answer(&r, &key, &message, secret, nonce);
        Vector {
            class: "key A + T, R + T'",
            reason: "the small-order parts may cancel, so that even the strict equation holds",
            key,
            message,
            r,
            s,
            expected: Verdict::KeyNotTorsionFree,
            fools_a_lax_verifier: true,
        }
    })
}

fn small_order_commitments() -> impl Iterator<Item = Vector> {
    small_order_encodings().into_iter().enumerate().map(|(index, (r, _))| {
        let (secret, _, honest) = honest(index);
        let s = answer(&r, &honest.key, &honest.message, secret, Scalar::ZERO);
        Vector {
            class: "R of small order",
            reason: "the signer used no nonce: S gives the key away, and no honest tool does that",
            r,
            s,
            expected: Verdict::SignatureRefused,
            ..honest
        }
    })
}

/// L, the order of the base point, least significant byte first.
fn order() -> [u8; 32] {
    let mut bytes = (-Scalar::ONE).to_bytes();
    bytes[0] += 1;
    bytes
}

fn sum(left: [u8; 32], right: [u8; 32]) -> Option<[u8; 32]> {
    let mut carry = 0;
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        let total = u16::from(left[place]) + u16::from(right[place]) + carry;
        [*byte, _] = total.to_le_bytes();
        carry = total >> 8;
    }
    (carry == 0).then_some(bytes)
}

fn multiples_of_the_order_added() -> Vec<Vector> {
    let (_, _, first) = honest(0);
    std::iter::successors(sum(first.s, order()), |s| sum(*s, order()))
        .map(|s| Vector {
            class: "S + jL",
            reason: "the same scalar in another form (RFC 8032, 5.1.7 wants S < L)",
            s,
            expected: Verdict::SignatureRefused,
            ..honest(0).2
        })
        .collect()
}

fn scalars_at_the_bounds() -> Vec<Vector> {
    let zero = [0; 32];
    let mut one = zero;
    one[0] = 1;
    let mut below = order();
    below[0] -= 1;
    let above = sum(order(), one).expect("L + 1 has 253 bits");
    let power = |bit: usize| {
        let mut bytes = zero;
        bytes[bit / 8] = 1 << (bit % 8);
        bytes
    };
    let bounds =
        [zero, one, below, order(), above, power(252), power(253), power(254), power(255), [0xff; 32]];
    let flipped = (253..256).map(|bit| {
        let mut s = honest(0).2.s;
        s[bit / 8] ^= 1 << (bit % 8);
        s
    });
    bounds
        .into_iter()
        .chain(flipped)
        .map(|s| Vector {
            class: "S at its bounds",
            reason: "not the scalar that was signed; at and above L not one at all",
            s,
            expected: Verdict::SignatureRefused,
            fools_a_lax_verifier: false,
            ..honest(0).2
        })
        .collect()
}

/// All nineteen numbers that have a second encoding, with either sign, as a key and as R.
fn second_encodings() -> impl Iterator<Item = Vector> {
    let encodings = (0..19).map(second_encoding_of).flat_map(|bytes| [bytes, with_sign(bytes)]);
    encodings.flat_map(|bytes| {
        let expected = match decompressed(bytes) {
            Some(_) => Verdict::KeyNotCanonical,
            None => Verdict::KeyMalformed,
        };
        let as_key = Vector {
            class: "second encoding of the key",
            reason: "y is not below p: two names for one key, or no point at all",
            key: bytes,
            expected,
            fools_a_lax_verifier: false,
            ..honest(0).2
        };
        let as_commitment = Vector {
            class: "second encoding of R",
            reason: "y is not below p",
            r: bytes,
            expected: Verdict::SignatureRefused,
            fools_a_lax_verifier: false,
            ..honest(0).2
        };
        [as_key, as_commitment]
    })
}

fn sign_bits() -> impl Iterator<Item = Vector> {
    (0..4).flat_map(|index| {
        let base = || Vector { class: "sign bit", fools_a_lax_verifier: false, ..honest(index).2 };
        let (secret, nonce, original) = honest(index);
        let negated_key = with_sign(original.key);
        let negated_r = with_sign(original.r);
        // -A's own signature, made with the secret -a: the point is as good as A.
        let s = answer(&original.r, &negated_key, &original.message, -secret, nonce);
        let refused = Verdict::SignatureRefused;
        [
            Vector { reason: "-A did not sign this", key: negated_key, expected: refused, ..base() },
            Vector { reason: "-R is another commitment", r: negated_r, expected: refused, ..base() },
            Vector {
                reason: "the negated signature is not one under the negated key",
                key: negated_key,
                r: negated_r,
                s: (-Scalar::from_bytes_mod_order(original.s)).to_bytes(),
                expected: refused,
                ..base()
            },
            Vector {
                reason: "-A is a sound key and signs as one",
                key: negated_key,
                s,
                expected: Verdict::Accepted,
                fools_a_lax_verifier: true,
                ..base()
            },
        ]
    })
}

fn all_vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = (0..8).map(|index| honest(index).2).collect();
    vectors.extend(small_order_keys());
    vectors.extend(mixed_order_keys());
    vectors.extend(mixed_order_commitments());
    vectors.extend(mixed_order_both());
    vectors.extend(small_order_commitments());
    vectors.extend(multiples_of_the_order_added());
    vectors.extend(scalars_at_the_bounds());
    vectors.extend(second_encodings());
    vectors.extend(sign_bits());
    vectors
}

/// Judges every vector: which one it is, and whether it got the verdict that it names.
pub(crate) fn judged() -> Vec<(String, bool)> {
    let judge = |(number, vector): (usize, &Vector)| {
        let what = format!("vector {number}, {}: {}", vector.class, vector.reason);
        (what, vector.verdict() == vector.expected)
    };
    all_vectors().iter().enumerate().map(judge).collect()
}

#[test]
fn every_vector_at_the_edges_of_the_curve_gets_the_verdict_it_names() {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (what, holds) in judged() {
        assert!(holds, "{what}");
    }
    for vector in all_vectors() {
        let (count, fooling) = counts.entry(vector.class).or_default();
        *count += 1;
        *fooling += usize::from(vector.fools_a_lax_verifier && vector.expected != Verdict::Accepted);
    }
    for (class, (count, fooling)) in &counts {
        println!("{class}: {count} vectors, {fooling} of which would fool a lax verifier");
    }
    let counted: Vec<(&str, usize)> = counts.iter().map(|(class, (count, _))| (*class, *count)).collect();
    assert_eq!(counted, COUNTS);
}

#[test]
fn every_vector_that_claims_to_fool_a_lax_verifier_does() {
    for (number, vector) in all_vectors().iter().enumerate() {
        let what = format!("vector {number}, {}: {}", vector.class, vector.reason);
        assert_eq!(vector.lax_verdict(), vector.fools_a_lax_verifier, "{what}");
    }
}

/// How many vectors there are of each class, so that none gets lost.
const COUNTS: [(&str, usize); 11] = [
    ("R + T", 7),
    ("R of small order", 14),
    ("S + jL", 15),
    ("S at its bounds", 13),
    ("honest", 8),
    ("key A + T", 7),
    ("key A + T, R + T'", 7),
    ("key of small order", 14),
    ("second encoding of R", 38),
    ("second encoding of the key", 38),
    ("sign bit", 16),
];
