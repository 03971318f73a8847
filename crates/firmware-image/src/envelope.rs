//! The SUIT envelope: a manifest and the seals over its digest, one for each signer. The manifest's content is
//! left to `manifest`, the COSE messages to `seal`.
//!
//! ```text
//! 107({ 2: << [ << [-16, SHA-256 of item 3's value] >>, +<< COSE_Sign1 >> ] >>, 3: << manifest >> })
//! ```

use alloc::format;
use alloc::vec::Vec;

use minicbor::Decoder;
use minicbor::data::Tag;

use crate::cbor::{EncodingError, encode};

/// The three parts of an envelope, as they stand in the bytes received.
pub(crate) struct Envelope<'a> {
    /// What is signed: an encoded SUIT_Digest.
    pub digest: &'a [u8],
    /// The COSE_Sign1 messages, one for each signer.
    pub seals: Vec<&'a [u8]>,
    /// The manifest.
    pub manifest: &'a [u8],
    /// The manifest with the header of its byte string: what the digest is of.
    pub manifest_with_bstr_header: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart and refuses any other encoding of it.
    pub fn parse(bytes: &'a [u8]) -> Result<Envelope<'a>, EncodingError> {
        if bytes.len() > MAX_ENVELOPE_LEN {
            return Err(EncodingError::new(format!("it has more than {MAX_ENVELOPE_LEN} bytes")));
        }
        let mut outer = Decoder::new(bytes);
        outer.tag()?;
        outer.map()?;
        outer.skip()?;
        let wrapper = outer.bytes()?;
        outer.skip()?;
        let manifest_start = outer.position();
        let manifest = outer.bytes()?;
        let manifest_with_bstr_header = &bytes[manifest_start..outer.position()];
        let mut inner = Decoder::new(wrapper);
        let count = inner.array()?.unwrap_or(0);
        if !(2..=1 + MAX_SEALS).contains(&count) {
            return Err(EncodingError::new(format!("it has not between 1 and {MAX_SEALS} signatures")));
        }
        let digest = inner.bytes()?;
        let seals = (1..count).map(|_| inner.bytes()).collect::<Result<Vec<_>, _>>()?;
        if emit(digest, &seals, manifest) != bytes {
            return Err(EncodingError::not_ours());
        }
        Ok(Envelope { digest, seals, manifest, manifest_with_bstr_header })
    }
}

/// Puts an envelope together.
pub(crate) fn emit(digest: &[u8], seals: &[impl AsRef<[u8]>], manifest: &[u8]) -> Vec<u8> {
    let wrapper = encode(|encoder| {
        encoder.array(1 + seals.len() as u64)?.bytes(digest)?;
        for seal in seals {
            encoder.bytes(seal.as_ref())?;
        }
        Ok(())
    });
    encode(|encoder| {
        encoder.tag(Tag::new(SUIT_ENVELOPE))?.map(2)?;
        encoder.u8(AUTHENTICATION_WRAPPER)?.bytes(&wrapper)?.u8(MANIFEST)?.bytes(manifest)?;
        Ok(())
    })
}

/// Returns a manifest as the byte string it is in the envelope.
pub(crate) fn as_byte_string(manifest: &[u8]) -> Vec<u8> {
    encode(|encoder| {
        encoder.bytes(manifest)?;
        Ok(())
    })
}

/// The largest envelope read, in bytes. Ours have under 700 with two signatures; the bound keeps a forged one from
/// costing more than a glance.
pub(crate) const MAX_ENVELOPE_LEN: usize = 1_024;
/// The most signatures: a manufacturer's threshold is two at the most, and two more may be on their way in or out.
pub(crate) const MAX_SEALS: u64 = 4;
const SUIT_ENVELOPE: u64 = 107;
const AUTHENTICATION_WRAPPER: u8 = 2;
const MANIFEST: u8 = 3;
