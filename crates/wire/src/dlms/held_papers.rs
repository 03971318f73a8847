//! Which papers a hub holds: attribute 2 of the Data object 0.b.128.2.0.255 when it is read. Ours, entirely.
//!
//! ```text
//! GET   02 02 | 06 root version | 09 00, or 09 08 status serial u64
//! SET   09 length | one signed document: a trust root, and for the hub itself a status or a release
//! ```
//!
//! The serial is in octets because the Data objects we use stop at 32 bits. What the documents say is left to others.

use super::data::{emit_string, tag};
use super::typed::{emit_unsigned, octets, structure_of, unsigned};
use crate::WireError;
use crate::reader::Reader;

/// What a hub, or a device behind it, holds of the chain of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldPapers {
    /// The trust root; 0 for keys given one by one, and when the device has not said.
    pub root_version: u32,
    /// The newest status; `None` where there is none.
    pub status_serial: Option<u64>,
}

impl HeldPapers {
    /// Parses the value, which must be the whole input.
    pub fn parse(data: &[u8]) -> Result<HeldPapers, WireError> {
        let mut reader = Reader::new(data);
        structure_of(&mut reader, 2, "held papers", "02 02 (a structure of two)")?;
        let root_version = unsigned(&mut reader, "version of the trust root")?;
        let offset = reader.offset();
        let serial = octets(&mut reader, "serial of the status")?;
        let status_serial = match serial {
            [] => None,
            bytes => Some(u64::from_be_bytes(bytes.try_into().map_err(|_| WireError::Unexpected {
                what: "length of the status's serial",
                offset,
                found: bytes.len() as u64,
                expected: "0 or 8",
            })?)),
        };
        reader.finish("held papers")?;
        Ok(HeldPapers { root_version, status_serial })
    }

    /// Appends the value.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::STRUCTURE, 2]);
        emit_unsigned(self.root_version, out);
        match self.status_serial {
            Some(serial) => emit_string(tag::OCTETS, &serial.to_be_bytes(), out),
            None => emit_string(tag::OCTETS, &[], out),
        }
    }
}
