//! Ed25519 public keys: from PEM and to PEM, the weak ones refused, and strict verification.
//! Whom to believe is left to `trust`, secret keys to `signing_key`, where the files lie to the caller.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};

use crate::digest::sha256;
use crate::notation::{NotationError, parse_hex_bytes, serde_as_text, write_hex};

/// A public key that can be believed in: a point of the prime-order group, in its one encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo file (RFC 8410) and refuses weak keys.
    pub fn from_pem(text: &str) -> Result<PublicKey, KeyError> {
        require_label(text, PUBLIC_LABEL)?;
        let key = VerifyingKey::from_public_key_pem(text)
            .map_err(|error| KeyError::Malformed { reason: error.to_string() })?;
        PublicKey::checked(key)
    }

    /// Takes the 32 bytes of a key and refuses weak keys.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        let key = VerifyingKey::from_bytes(bytes)
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

    /// Takes the public half of a secret key, which cannot be weak.
    pub(crate) fn of(secret: &ed25519_dalek::SigningKey) -> PublicKey {
        PublicKey(secret.verifying_key())
    }

    /// Refuses the keys under which one signature can fit several messages. `verify_strict` alone lets the
    /// ones with a small-order part through.
    fn checked(key: VerifyingKey) -> Result<PublicKey, KeyError> {
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
    /// The file is encrypted, but not in a way that is read here.
    #[error("the file's encryption is not one that is read here: {reason}")]
    Encryption {
        /// What the PKCS#5 reader says.
        reason: String,
    },
    /// Trying a passphrase on the file would cost more than any honest file asks for.
    #[error("the file asks for {asked} to try a passphrase, expected at most {bound}")]
    TooCostly {
        /// The work or memory the file asks for.
        asked: String,
        /// The most that is spent.
        bound: String,
    },
    /// The passphrase does not open the file. Nothing more is said: it would help whoever guesses.
    #[error("the passphrase does not open the file")]
    WrongPassphrase,
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

/// Refuses a PEM file of another kind by name, because mixing up key files is the commonest mistake.
pub(crate) fn require_label(text: &str, expected: &'static str) -> Result<(), KeyError> {
    const KINDS: [(&str, &str); 4] = [
        (PRIVATE_LABEL, "a private key"),
        (PUBLIC_LABEL, "a public key"),
        (ENCRYPTED_LABEL, "an encrypted private key"),
        ("CERTIFICATE", "a certificate"),
    ];
    let label = label_of(text);
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

/// Returns what a PEM file says it is.
pub(crate) fn label_of(text: &str) -> Option<&str> {
    let rest = text.trim_start().strip_prefix("-----BEGIN ")?;
    rest.split_once("-----").map(|(label, _)| label)
}

/// The bytes of an Ed25519 signature.
pub(crate) const SIGNATURE_LEN: usize = 64;
/// The label of a SubjectPublicKeyInfo (RFC 7468, section 13).
const PUBLIC_LABEL: &str = "PUBLIC KEY";
/// The label of a PKCS#8 key (RFC 7468, section 10).
pub(crate) const PRIVATE_LABEL: &str = "PRIVATE KEY";
/// The label of an encrypted PKCS#8 key (RFC 7468, section 11).
pub(crate) const ENCRYPTED_LABEL: &str = "ENCRYPTED PRIVATE KEY";
