//! Telling signed documents apart by what is in them, for tools that are handed any file. Nothing is believed, and
//! nothing but the beginning is looked at; reading and verifying is left to each document.

use core::fmt;

use minicbor::Decoder;
use minicbor::decode::Error;

/// The kinds of signed documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A trust root.
    Root,
    /// A release.
    Release,
    /// A status.
    Status,
    /// An order to activate.
    Order,
    /// A COSE message around something else.
    Unknown,
}

impl DocumentKind {
    /// Recognises a document by its COSE tag and by the first two items of what is signed; `None` when the bytes
    /// do not begin as a COSE message with one or several signers.
    pub fn of(bytes: &[u8]) -> Option<DocumentKind> {
        let tag = Decoder::new(bytes).tag().ok()?.as_u64();
        let several = match tag {
            COSE_SIGN => true,
            COSE_SIGN1 => false,
            _ => return None,
        };
        let shape = beginning(bytes).unwrap_or_default();
        Some(match (several, shape) {
            (true, (11, _)) => DocumentKind::Root,
            (true, (9, _)) => DocumentKind::Release,
            (false, (6, 1)) => DocumentKind::Status,
            (false, (6, 2)) => DocumentKind::Order,
            _ => DocumentKind::Unknown,
        })
    }
}

/// Returns how many items the signed list has, and the number of its format.
fn beginning(bytes: &[u8]) -> Result<(u64, u64), Error> {
    let mut message = Decoder::new(bytes);
    message.tag()?;
    message.array()?;
    message.bytes()?;
    message.skip()?;
    let mut document = Decoder::new(message.bytes()?);
    Ok((document.array()?.unwrap_or(0), document.u64()?))
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            DocumentKind::Root => "root",
            DocumentKind::Release => "release",
            DocumentKind::Status => "status",
            DocumentKind::Order => "order",
            DocumentKind::Unknown => "unknown",
        })
    }
}

/// The CBOR tag of a COSE message with several signers (RFC 9052, table 1).
const COSE_SIGN: u64 = 98;
/// The CBOR tag of a COSE message with one signer (RFC 9052, table 1).
const COSE_SIGN1: u64 = 18;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{
        ActivationOrder, CounterEpoch, Eui64, ImageDigest, Nonce, OrderCounter, RootVersion, SigningKey,
        Status, UtcSeconds, Validity,
    };

    #[test]
    fn a_document_is_known_by_its_content_even_when_it_is_damaged_behind() {
        let key = SigningKey::generate_from_seed([7; 32]);
        let order = ActivationOrder {
            device: Eui64::from_bytes([1; 8]),
            image: ImageDigest::from_bytes([2; 32]),
            epoch: CounterEpoch(0),
            counter: OrderCounter(1),
            nonce: Nonce::from_bytes([3; 8]),
        };
        let mut bytes = order.sign(&key).expect("a key in memory signs").bytes().to_vec();
        assert_eq!(DocumentKind::of(&bytes), Some(DocumentKind::Order));
        bytes.extend([0; 4_000]);
        assert_eq!(DocumentKind::of(&bytes), Some(DocumentKind::Order));
        let validity = Validity { issued: UtcSeconds(1), expires: UtcSeconds(2) };
        let status = Status { serial: 1, validity, newest_root: RootVersion(1), floors: Vec::new() };
        let bytes = status.sign(&key).expect("a key in memory signs").bytes().to_vec();
        assert_eq!(DocumentKind::of(&bytes), Some(DocumentKind::Status));
        assert_eq!(DocumentKind::of(&bytes[..8]), Some(DocumentKind::Unknown));
        assert_eq!(DocumentKind::of(b"BEGIN"), None);
    }
}
