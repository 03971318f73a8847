//! Why a status or a release is not believed.

use crate::attack::Attack;
use crate::cbor::EncodingError;
use crate::key::KeyFingerprint;
use crate::seal::SealFault;

/// Why a signed document is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// No document of its kind is that long.
    #[error("length: expected at most {limit} bytes, found {found}")]
    TooLong {
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// It is not in its one encoding, or does not hold together.
    #[error("the document is malformed: {0}")]
    Malformed(EncodingError),
    /// The signer has not this duty.
    #[error("signed with key {signer}, which has not this duty")]
    UntrustedKey {
        /// The key that the signature names.
        signer: KeyFingerprint,
    },
    /// A signature in the name of a trusted key does not hold.
    #[error("the signature is not valid under the trusted key")]
    BadSignature,
    /// Not enough different keys, or not enough different people.
    #[error("approved by {have} different people, expected {need}")]
    TooFewApprovers {
        /// How many approved.
        have: usize,
        /// How many must.
        need: usize,
    },
}

impl DocumentError {
    /// Returns which attack the document would have been.
    pub fn attack(&self) -> Attack {
        match self {
            DocumentError::TooLong { .. } => Attack::EndlessData,
            DocumentError::Malformed(_) => Attack::Malformed,
            DocumentError::UntrustedKey { .. } => Attack::UntrustedKey,
            DocumentError::BadSignature => Attack::Tampering,
            DocumentError::TooFewApprovers { .. } => Attack::TooFewSigners,
        }
    }
}

impl From<SealFault> for DocumentError {
    fn from(fault: SealFault) -> DocumentError {
        match fault {
            SealFault::UntrustedKey { signer } => DocumentError::UntrustedKey { signer },
            SealFault::BadSignature => DocumentError::BadSignature,
        }
    }
}
