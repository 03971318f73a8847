//! A piece of a signed document on its way to a device, and what the device wants to see signed next. Ours,
//! entirely: manufacturer specific commands of the OTA cluster.
//!
//! ```text
//! c0, c1  to client   frame control 0d (+ 10) | e5 10 | transaction | c0 | total u16 | offset u16 | bytes
//! c2      to client   frame control 0d (+ 10) | e5 10 | transaction | c2
//! c2      to server   frame control 05 (+ 10) | e5 10 | transaction | c2 | nonce 8 | last counter u64 | root u32
//! ```
//!
//! An order (c0) is up to 512 B long, a trust root (c1) up to 4,096 B, and a frame holds 91 B of it at the most, so
//! it travels in pieces and the meter puts them together. Each piece is answered by a default response, unless that
//! was declined; a whole trust root is answered by c2, which names the root that is held now. A meter that does
//! not know a command answers that it is unsupported, as ZCL has it, and needs no order.

use crate::WireError;
use crate::reader::Reader;

/// The id of the command that carries [`DocumentKind::Order`], manufacturer specific.
pub const ORDER_COMMAND: u8 = 0xC0;

/// The id of the command that carries [`DocumentKind::Root`], manufacturer specific.
pub const ROOT_COMMAND: u8 = 0xC1;

/// The id of the command by which a hub asks for a [`DeviceChallenge`] and a meter tells it, manufacturer specific.
pub const CHALLENGE_COMMAND: u8 = 0xC2;

/// The manufacturer code under which these commands are ours. An example code, not one given to us.
pub const ORDER_MANUFACTURER: u16 = 0x10E5;

/// What kind of document a piece is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A signed activation order.
    Order,
    /// A signed trust root.
    Root,
}

impl DocumentKind {
    pub(crate) const fn command(self) -> u8 {
        match self {
            DocumentKind::Order => ORDER_COMMAND,
            DocumentKind::Root => ROOT_COMMAND,
        }
    }
}

/// A piece of a signed document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DocumentFragment<'a> {
    /// Of what.
    pub kind: DocumentKind,
    /// How long the whole document is, in bytes.
    pub total_len: u16,
    /// Where this piece begins.
    pub offset: u16,
    /// The piece: the rest of the frame, within `total_len`.
    pub bytes: &'a [u8],
}

impl<'a> DocumentFragment<'a> {
    pub(crate) fn parse(
        kind: DocumentKind,
        reader: &mut Reader<'a>,
    ) -> Result<DocumentFragment<'a>, WireError> {
        let total_len = reader.u16_le("length of the document")?;
        let offset = reader.u16_le("offset in the document")?;
        let at = reader.offset();
        let bytes = reader.rest();
        let end = usize::from(offset) + bytes.len();
        if end > usize::from(total_len) {
            let (found, limit) = (end as u64, total_len.into());
            return Err(WireError::TooLarge {
                what: "end of the document's piece",
                offset: at,
                found,
                limit,
            });
        }
        Ok(DocumentFragment { kind, total_len, offset, bytes })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.total_len.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(self.bytes);
    }
}

/// What a device's next order must carry, and which trust root it is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceChallenge {
    /// What the device drew; the next order must repeat it.
    pub nonce: [u8; 8],
    /// The counter of the last order it obeyed, in the epoch of its trust root.
    pub last_counter: u64,
    /// The trust root it holds; 0 for keys given one by one.
    pub root_version: u32,
}

impl DeviceChallenge {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<DeviceChallenge, WireError> {
        Ok(DeviceChallenge {
            nonce: reader.array("nonce")?,
            last_counter: u64::from_le_bytes(reader.array("last counter")?),
            root_version: reader.u32_le("version of the trust root")?,
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.last_counter.to_le_bytes());
        out.extend_from_slice(&self.root_version.to_le_bytes());
    }
}
