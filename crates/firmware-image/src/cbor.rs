//! Deterministic CBOR (RFC 8949, 4.2) into memory and out of it, and the error of bytes that are not it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::convert::Infallible;

use minicbor::{Decoder, Encoder};

/// Encodes with a function that cannot fail, because memory takes every byte.
pub(crate) fn encode(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Written) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).expect("writing to memory cannot fail");
    encoder.into_writer()
}

/// What a function given to [`encode`] returns.
pub(crate) type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// Reads a list of at most `most` items, which the encoding counts before they come.
///
/// The bound goes before the count: nothing is allocated because a byte says so.
pub(crate) fn read_list<'b, T>(
    decoder: &mut Decoder<'b>,
    most: usize,
    mut read: impl FnMut(&mut Decoder<'b>) -> Result<T, EncodingError>,
) -> Result<Vec<T>, EncodingError> {
    let count = decoder.array()?.ok_or_else(EncodingError::not_ours)?;
    if count > most as u64 {
        return Err(EncodingError::new(alloc::format!("a list has {count} items, expected at most {most}")));
    }
    (0..count).map(|_| read(decoder)).collect()
}

/// Reads a byte string of exactly `N` bytes.
pub(crate) fn read_bytes<const N: usize>(
    decoder: &mut Decoder<'_>,
    what: &str,
) -> Result<[u8; N], EncodingError> {
    let bytes = decoder.bytes()?;
    bytes
        .try_into()
        .map_err(|_| EncodingError::new(alloc::format!("{what}: expected {N} bytes, found {}", bytes.len())))
}

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
