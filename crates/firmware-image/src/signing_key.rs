//! Ed25519 secret keys: from PEM and to PEM, plain or under a passphrase, and signing.
//! The encryption is left to `encrypted_key`, the public half to `key`, where the files lie to the caller.

use alloc::string::{String, ToString};

use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use zeroize::{Zeroize, Zeroizing};

use crate::encrypted_key::{self, FreshBytes};
use crate::key::{
    ENCRYPTED_LABEL, KeyError, PRIVATE_LABEL, PublicKey, SIGNATURE_LEN, label_of, require_label,
};
use crate::signer::{Signer, SignerError};

/// A secret key. Wiped from memory when dropped; cannot be printed or copied.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes a key of 32 bytes that nobody else can know; the same bytes make the same key.
    pub fn generate_from_seed(seed: [u8; 32]) -> SigningKey {
        let seed = Zeroizing::new(seed);
        SigningKey(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Returns whether a PEM file says that it takes a passphrase to be read.
    pub fn is_encrypted(text: &str) -> bool {
        label_of(text) == Some(ENCRYPTED_LABEL)
    }

    /// Reads an unencrypted PKCS#8 file (RFC 8410), with or without the public half.
    pub fn from_pem(text: &str) -> Result<SigningKey, KeyError> {
        require_label(text, PRIVATE_LABEL)?;
        let pair = KeypairBytes::from_pkcs8_pem(text);
        SigningKey::from_pair(pair.map_err(|error| KeyError::Malformed { reason: error.to_string() })?)
    }

    /// Reads an encrypted PKCS#8 file (RFC 5958, PBES2 of RFC 8018).
    ///
    /// A wrong passphrase and a damaged file are told apart only where that takes no passphrase. Costs as much
    /// time and memory as the file asks for, within bounds.
    pub fn from_encrypted_pem(text: &str, passphrase: &[u8]) -> Result<SigningKey, KeyError> {
        let plain = encrypted_key::decrypt(text, passphrase)?;
        // One wrong passphrase in 256 ends in something that looks decrypted: that is not a malformed key.
        let pair = KeypairBytes::from_pkcs8_der(&plain).map_err(|_| KeyError::WrongPassphrase)?;
        SigningKey::from_pair(pair)
    }

    fn from_pair(mut pair: KeypairBytes) -> Result<SigningKey, KeyError> {
        let key = SigningKey(ed25519_dalek::SigningKey::from_bytes(&pair.secret_key));
        pair.secret_key.zeroize();
        match pair.public_key {
            // Signing with one half and another's public half would give the secret away (RUSTSEC-2022-0093).
            Some(public) if public.0 != key.public().to_bytes() => Err(KeyError::HalvesDiffer),
            _ => Ok(key),
        }
    }

    /// Writes the PKCS#8 file (RFC 8410, version 1: without the public half, which OpenSSL reads too).
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut pair = self.to_pair();
        let pem = pair.to_pkcs8_pem(LineEnding::LF).expect("a key of fixed length has a PKCS#8 form");
        pair.secret_key.zeroize();
        pem
    }

    /// Writes the same under a passphrase: PBES2 with scrypt and AES-256-CBC, which OpenSSL reads too.
    ///
    /// `fresh` comes from the system's random numbers and is used for this file only.
    pub fn to_encrypted_pem(&self, passphrase: &[u8], fresh: FreshBytes) -> Zeroizing<String> {
        let mut pair = self.to_pair();
        let plain = pair.to_pkcs8_der().expect("a key of fixed length has a PKCS#8 form");
        pair.secret_key.zeroize();
        encrypted_key::encrypt(plain.as_bytes(), passphrase, fresh)
    }

    fn to_pair(&self) -> KeypairBytes {
        KeypairBytes { secret_key: self.0.to_bytes(), public_key: None }
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::of(&self.0)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}

impl Signer for SigningKey {
    fn public(&self) -> PublicKey {
        SigningKey::public(self)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignerError> {
        Ok(SigningKey::sign(self, message))
    }
}
