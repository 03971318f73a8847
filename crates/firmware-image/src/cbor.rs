//! Deterministic CBOR (RFC 8949, 4.2) into memory, and the error of bytes that are not it.

use std::convert::Infallible;

use minicbor::Encoder;

/// Encodes with a function that cannot fail, because memory takes every byte.
pub(crate) fn encode(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Written) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).expect("writing to memory cannot fail");
    encoder.into_writer()
}

/// What a function given to [`encode`] returns.
pub(crate) type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// A signed document that is not written in its one encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct EncodingError {
    reason: String,
}

impl EncodingError {
    pub(crate) fn new(reason: impl Into<String>) -> EncodingError {
        EncodingError { reason: reason.into() }
    }

    /// The document can be read, but this crate would have written it differently.
    pub(crate) fn not_ours() -> EncodingError {
        EncodingError::new("it is not in the one encoding of this profile")
    }
}

impl From<minicbor::decode::Error> for EncodingError {
    fn from(error: minicbor::decode::Error) -> EncodingError {
        EncodingError::new(error.to_string())
    }
}

impl From<coset::CoseError> for EncodingError {
    fn from(error: coset::CoseError) -> EncodingError {
        EncodingError::new(error.to_string())
    }
}
