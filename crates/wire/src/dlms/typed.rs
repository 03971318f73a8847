//! Reading and writing values of known type, one after the other, without a [`crate::Data`] in between.

use super::data::{parse_string, tag};
use crate::WireError;
use crate::reader::Reader;

/// Reads the head of a structure that must have so many elements.
pub(crate) fn structure_of(
    reader: &mut Reader<'_>,
    count: u8,
    what: &'static str,
    expected: &'static str,
) -> Result<(), WireError> {
    reader.exactly(tag::STRUCTURE, what, expected)?;
    reader.exactly(count, what, expected)
}

/// Reads the head of an array: how many elements follow. Null is taken for an empty array.
pub(crate) fn list_count(
    reader: &mut Reader<'_>,
    limit: usize,
    what: &'static str,
) -> Result<usize, WireError> {
    if reader.peek() == Some(tag::NULL) {
        reader.u8(what)?;
        return Ok(0);
    }
    reader.exactly(tag::ARRAY, what, "01 (an array)")?;
    let offset = reader.offset();
    match reader.length(what)? {
        count if count <= limit => Ok(count),
        count => Err(WireError::TooLarge { what, offset, found: count as u64, limit: limit as u64 }),
    }
}

/// Reads an unsigned integer: double-long-unsigned where the standard says so, shorter ones as well.
pub(crate) fn unsigned(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, WireError> {
    let offset = reader.offset();
    match reader.u8(what)? {
        tag::UNSIGNED32 => reader.u32_be(what),
        tag::UNSIGNED16 => reader.u16_be(what).map(u32::from),
        tag::UNSIGNED8 => reader.u8(what).map(u32::from),
        found => {
            let expected = "06 (a double-long-unsigned)";
            Err(WireError::Unexpected { what, offset, found: found.into(), expected })
        }
    }
}

/// Reads an unsigned integer, or null for none.
pub(crate) fn optional_unsigned(
    reader: &mut Reader<'_>,
    what: &'static str,
) -> Result<Option<u32>, WireError> {
    if reader.peek() == Some(tag::NULL) {
        reader.u8(what)?;
        return Ok(None);
    }
    unsigned(reader, what).map(Some)
}

/// Reads an octet-string; visible and UTF-8 strings, which some send for identifications, as well.
pub(crate) fn octets<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], WireError> {
    let offset = reader.offset();
    match reader.u8(what)? {
        tag::OCTETS | tag::VISIBLE_STRING | tag::UTF8_STRING => parse_string(reader, what),
        found => {
            let expected = "09 (an octet-string)";
            Err(WireError::Unexpected { what, offset, found: found.into(), expected })
        }
    }
}

/// Appends a double-long-unsigned.
pub(crate) fn emit_unsigned(value: u32, out: &mut Vec<u8>) {
    out.push(tag::UNSIGNED32);
    out.extend_from_slice(&value.to_be_bytes());
}
