//! Whoever can sign: a key in memory, a token, a service. What is signed is left to `seal`.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;

use crate::key::{PublicKey, SIGNATURE_LEN};

/// A secret key, wherever it lies.
pub trait Signer {
    /// Returns the public half.
    fn public(&self) -> PublicKey;

    /// Signs a message with Ed25519 (RFC 8032).
    fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignerError>;
}

/// Signs, and gives away only a signature that holds.
///
/// A faulty token must not leave a document that nobody can verify, nor a signature that tells of its key.
pub(crate) fn sign_checked(key: &dyn Signer, message: &[u8]) -> Result<[u8; SIGNATURE_LEN], SignerError> {
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
