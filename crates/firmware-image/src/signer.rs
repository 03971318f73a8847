//! Whoever can sign: a key in memory, a token, a service. What is signed is left to `seal`.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;

use crate::key::{PublicKey, SIGNATURE_LEN};

/// A secret key, wherever it lies.
pub trait Signer {
    /// Returns the public half.
    fn public(&self) -> PublicKey;

    /// Signs a message with Ed25519 (RFC 8032). Not to be used as it comes: [`sign_checked`] is.
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignerError>;
}

/// Signs, and gives away only a signature that holds.
///
/// A faulty token must not leave a document that nobody can verify, nor a signature that tells of its key.
pub fn sign_checked(key: &dyn Signer, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignerError> {
    let signature = key.sign(message)?;
    if key.public().verifies(message, &signature) {
        Ok(signature)
    } else {
        Err(SignerError::new("its signature does not hold under its own public key"))
    }
}

/// Why there is no signature.
#[derive(Debug)]
pub struct SignerError(Box<dyn Error + Send + Sync>);

impl SignerError {
    /// Wraps what the key's keeper says.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> SignerError {
        SignerError(cause.into())
    }
}

impl fmt::Display for SignerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the key does not sign: {}", self.0)
    }
}

impl Error for SignerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::signing_key::SigningKey;

    /// A token that flips one bit of what it signs, or answers for another's key.
    struct Faulty {
        key: SigningKey,
        public: PublicKey,
        flipped_bit: Option<usize>,
    }

    impl Signer for Faulty {
        fn public(&self) -> PublicKey {
            self.public
        }

        fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignerError> {
            let mut signature = self.key.sign(message);
            if let Some(bit) = self.flipped_bit {
                signature[bit / 8] ^= 1 << (bit % 8);
            }
            Ok(signature)
        }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::generate_from_seed([seed; 32])
    }

    #[test]
    fn a_sound_signature_is_given_away() {
        let signature = sign_checked(&key(1), b"image").expect("a key in memory signs");
        assert!(key(1).public().verifies(b"image", &signature));
    }

    #[test]
    fn a_signature_with_any_bit_wrong_is_kept_back() {
        for bit in 0..SIGNATURE_LEN * 8 {
            let token = Faulty { key: key(1), public: key(1).public(), flipped_bit: Some(bit) };
            let error = sign_checked(&token, b"image").expect_err("the signature is faulty");
            assert!(error.to_string().ends_with("does not hold under its own public key"), "{error}");
        }
    }

    #[test]
    fn a_signature_under_another_key_is_kept_back() {
        let token = Faulty { key: key(1), public: key(2).public(), flipped_bit: None };
        assert!(sign_checked(&token, b"image").is_err());
    }

    #[test]
    fn what_the_keeper_says_is_passed_on() {
        let error = SignerError::new(core::fmt::Error);
        assert!(error.to_string().starts_with("the key does not sign: "), "{error}");
    }
}
