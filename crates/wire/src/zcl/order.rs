//! A piece of a signed activation order. Ours, entirely: a manufacturer specific command of the OTA cluster.
//!
//! ```text
//! frame control 05 or 0d (+ 10) | manufacturer e5 10 | transaction | c0 | total u16 | offset u16 | bytes
//! ```
//!
//! An order is up to 512 B long and a frame holds 91 B of it at the most, so it travels in pieces and the meter
//! puts them together. Each piece is answered by a default response for command 0xc0. A meter that does not know
//! the command answers that it is unsupported, as ZCL has it, and needs no order.

use crate::WireError;
use crate::reader::Reader;

/// The command's id, manufacturer specific.
pub const ORDER_COMMAND: u8 = 0xC0;

/// The manufacturer code under which [`ORDER_COMMAND`] is ours. An example code, not one given to us.
pub const ORDER_MANUFACTURER: u16 = 0x10E5;

/// A piece of a signed activation order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderFragment<'a> {
    /// How long the whole order is, in bytes.
    pub total_len: u16,
    /// Where this piece begins.
    pub offset: u16,
    /// The piece: the rest of the frame, within `total_len`.
    pub bytes: &'a [u8],
}

impl<'a> OrderFragment<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>) -> Result<OrderFragment<'a>, WireError> {
        let total_len = reader.u16_le("length of the order")?;
        let offset = reader.u16_le("offset in the order")?;
        let at = reader.offset();
        let bytes = reader.rest();
        let end = usize::from(offset) + bytes.len();
        if end > usize::from(total_len) {
            let (found, limit) = (end as u64, total_len.into());
            return Err(WireError::TooLarge { what: "end of the order's piece", offset: at, found, limit });
        }
        Ok(OrderFragment { total_len, offset, bytes })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.total_len.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(self.bytes);
    }
}
