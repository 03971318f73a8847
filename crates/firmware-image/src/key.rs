//! Ed25519 keys: from PEM and to PEM, signing and strict verification.
//! Whom to believe is left to `trust`, where the files lie and who may read them to the caller.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use zeroize::{Zeroize, Zeroizing};

use crate::digest::sha256;
use crate::notation::{NotationError, parse_hex_bytes, serde_as_text, write_hex};

/// A secret key. Wiped from memory when dropped; cannot be printed or copied.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a key of 32 bytes that nobody else can know; the same bytes make the same key.
    pub fn generate_from_seed(seed: [u8; 32]) -> SigningKey {
        let seed = Zeroizing::new(seed);
        SigningKey(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads an unencrypted PKCS#8 file (RFC 8410), with or without the public half.
    pub fn from_pem(text: &str) -> Result<SigningKey, KeyError> {
        require_label(text, "PRIVATE KEY")?;
        let mut pair = KeypairBytes::from_pkcs8_pem(text).map_err(KeyError::malformed)?;
        let key = SigningKey(ed25519_dalek::SigningKey::from_bytes(&pair.secret_key));
        pair.secret_key.zeroize();
        match pair.public_key {
            // Signing with one half and another's public half would give the secret away (RUSTSEC-2022-0093).
            Some(public) if public.0 != key.0.verifying_key().to_bytes() => Err(KeyError::HalvesDiffer),
            _ => Ok(key),
        }
    }

    /// Writes the PKCS#8 file (RFC 8410, version 1: without the public half, which OpenSSL reads too).
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let pem = pair.to_pkcs8_pem(LineEnding::LF).expect("a key of fixed length has a PKCS#8 form");
        pair.secret_key.zeroize();
        pem
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}

/// A public key that can be believed in: a point of the prime-order group, in its one encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo file (RFC 8410) and refuses weak keys.
    pub fn from_pem(text: &str) -> Result<PublicKey, KeyError> {
        require_label(text, "PUBLIC KEY")?;
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(text)
            .map_err(|error| KeyError::Malformed { reason: error.to_string() })?;
        PublicKey::checked(key)
    }

    /// Takes the 32 bytes of a key and refuses weak keys.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|error| KeyError::Malformed { reason: error.to_string() })?;
        PublicKey::checked(key)
    }

    /// Returns the 32 bytes of the key.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Writes the SubjectPublicKeyInfo file (RFC 8410).
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("a key of fixed length has a PEM form")
    }

    /// Returns the short name by which people and signatures point at the key.
    pub fn fingerprint(&self) -> KeyFingerprint {
        let digest = sha256(self.0.as_bytes());
        KeyFingerprint(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
    }

    /// Refuses the keys under which one signature can fit several messages. `verify_strict` alone lets the
    /// ones with a small-order part through.
    fn checked(key: ed25519_dalek::VerifyingKey) -> Result<PublicKey, KeyError> {
        let point = key.to_edwards();
        if point.compress().to_bytes() != key.to_bytes() {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() {
            return Err(KeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::NotTorsionFree);
        }
        Ok(PublicKey(key))
    }

    /// Returns whether this key made the signature over the message (RFC 8032, 5.1.7, without the cofactor;
    /// also refuses an R of small order).
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.fingerprint())
    }
}

/// The first eight bytes of the SHA-256 of a public key: enough to tell keys apart, never enough to trust one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint([u8; 8]);

impl KeyFingerprint {
    /// Takes the eight bytes.
    pub const fn from_bytes(bytes: [u8; 8]) -> KeyFingerprint {
        KeyFingerprint(bytes)
    }

    /// Returns the eight bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyFingerprint({self})")
    }
}

impl FromStr for KeyFingerprint {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let error = || NotationError::new("key fingerprint", "16 hexadecimal digits", text);
        parse_hex_bytes(text).map(KeyFingerprint).ok_or_else(error)
    }
}

serde_as_text!(KeyFingerprint);

/// Why a key file is refused. Never quotes the file: it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file is of another kind, such as the private key where the public one belongs.
    #[error("expected a PEM file that begins `-----BEGIN {expected}-----`, found {found}")]
    WrongKind {
        /// The label that was expected.
        expected: &'static str,
        /// The kind that was recognised.
        found: &'static str,
    },
    /// The file holds no Ed25519 key.
    #[error("no Ed25519 key: {reason}")]
    Malformed {
        /// What the PKCS#8 reader says.
        reason: String,
    },
    /// The two halves in the file are not of one key.
    #[error("the public half in the file does not belong to the private half")]
    HalvesDiffer,
    /// Under this key anything can be made to verify.
    #[error("the key is a point of small order: anything can be made to verify under it")]
    SmallOrder,
    /// The key has a part of small order.
    #[error("the key is not in the prime-order group: no honest tool makes such a key")]
    NotTorsionFree,
    /// The key is written in a second encoding of the same point.
    #[error("the key is not in its canonical encoding")]
    NotCanonical,
}

impl KeyError {
    fn malformed(error: ed25519_dalek::pkcs8::Error) -> KeyError {
        KeyError::Malformed { reason: error.to_string() }
    }
}

/// Refuses a PEM file of another kind by name, because mixing up key files is the commonest mistake.
fn require_label(text: &str, expected: &'static str) -> Result<(), KeyError> {
    const KINDS: [(&str, &str); 4] = [
        ("PRIVATE KEY", "a private key"),
        ("PUBLIC KEY", "a public key"),
        ("ENCRYPTED PRIVATE KEY", "an encrypted private key"),
        ("CERTIFICATE", "a certificate"),
    ];
    let label = text
        .trim_start()
        .strip_prefix("-----BEGIN ")
        .and_then(|rest| rest.split_once("-----"))
        .map(|(label, _)| label);
    if label == Some(expected) {
        return Ok(());
    }
    let kind = KINDS.iter().find(|(name, _)| label == Some(name)).map(|(_, kind)| *kind);
    let found = match (label, kind) {
        (_, Some(kind)) => kind,
        (Some(_), None) => "a PEM file of another kind",
        (None, None) => "no PEM file",
    };
    Err(KeyError::WrongKind { expected, found })
}

/// The bytes of an Ed25519 signature.
pub(crate) const SIGNATURE_LEN: usize = 64;
