//! The Data type: a value that says its own type (IEC 62056-5-3, in A-XDR, big-endian).
//!
//! | tag | type | content |
//! |--:|---|---|
//! | 00 | null | |
//! | 01 / 02 | array / structure | count, values |
//! | 03 | boolean | 1, 0 = false |
//! | 04 | bit-string | count of bits, bytes, first bit = most significant |
//! | 05 / 06 | double-long / -unsigned | 4 |
//! | 09 / 0a / 0c | octet- / visible- / UTF-8 string | length, bytes |
//! | 0d | BCD | 1 |
//! | 0f / 11 | integer / unsigned | 1 |
//! | 10 / 12 | long / long-unsigned | 2 |
//! | 13 | compact array | not supported |
//! | 14 / 15 | long64 / long64-unsigned | 8 |
//! | 16 | enum | 1 |
//! | 17 / 18 | float32 / float64 | 4 / 8 |
//! | 19 / 1a / 1b | date-time / date / time | 12 / 5 / 4 |

use crate::WireError;
use crate::reader::{Reader, put_length};

/// Structures within structures. What we read nests twice; vendors' profiles nest four times.
pub const MAX_DATA_DEPTH: usize = 8;

/// Elements of all arrays and structures of a value together: 255 HAN devices take under 2,000. Each parsed
/// element takes 24 B or so, therefore one APDU can make us allocate 100 kB at the most.
pub const MAX_DATA_ELEMENTS: usize = 4_096;

/// One value. Strings are slices of the input.
#[derive(Clone, Debug, PartialEq)]
pub enum Data<'a> {
    /// Nothing.
    Null,
    /// Values of one type (which is not checked).
    Array(Vec<Data<'a>>),
    /// Values of several types.
    Structure(Vec<Data<'a>>),
    /// True or false; false is 0, true is emitted as 1.
    Boolean(bool),
    /// Bits, first one first.
    BitString {
        /// The bytes that hold them: as many as `len` needs. The first bit is the most significant.
        bits: &'a [u8],
        /// How many bits.
        len: u32,
    },
    /// double-long.
    Integer32(i32),
    /// double-long-unsigned.
    Unsigned32(u32),
    /// octet-string.
    Octets(&'a [u8]),
    /// visible-string; whether it is ASCII is not checked.
    VisibleString(&'a [u8]),
    /// utf8-string; whether it is UTF-8 is not checked.
    Utf8String(&'a [u8]),
    /// Two decimal digits.
    Bcd(u8),
    /// integer.
    Integer8(i8),
    /// long.
    Integer16(i16),
    /// unsigned.
    Unsigned8(u8),
    /// long-unsigned.
    Unsigned16(u16),
    /// long64.
    Integer64(i64),
    /// long64-unsigned.
    Unsigned64(u64),
    /// enum.
    Enum(u8),
    /// float32.
    Float32(f32),
    /// float64.
    Float64(f64),
    /// date-time, as it travels: date, time, deviation, clock status.
    DateTime([u8; 12]),
    /// date: year u16, month, day, day of the week.
    Date([u8; 5]),
    /// time: hour, minute, second, hundredths.
    Time([u8; 4]),
}

impl<'a> Data<'a> {
    /// Parses a value, which must be the whole input.
    ///
    /// Bounds: [`MAX_DATA_DEPTH`], [`MAX_DATA_ELEMENTS`], and no count above the bytes that are left.
    pub fn parse(input: &'a [u8]) -> Result<Data<'a>, WireError> {
        let mut reader = Reader::new(input);
        let mut budget = MAX_DATA_ELEMENTS;
        let data = parse_value(&mut reader, MAX_DATA_DEPTH, &mut budget)?;
        reader.finish("value")?;
        Ok(data)
    }

    /// Appends the value.
    ///
    /// # Panics
    ///
    /// Panics if a bit-string has fewer bytes than its bits need.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Data::Null => out.push(tag::NULL),
            Data::Array(elements) => emit_elements(tag::ARRAY, elements, out),
            Data::Structure(elements) => emit_elements(tag::STRUCTURE, elements, out),
            Data::Boolean(value) => out.extend_from_slice(&[tag::BOOLEAN, (*value).into()]),
            Data::BitString { bits, len } => {
                out.push(tag::BIT_STRING);
                put_length(*len as usize, out);
                out.extend_from_slice(&bits[..len.div_ceil(8) as usize]);
            }
            Data::Integer32(value) => emit_fixed(tag::INTEGER32, value.to_be_bytes(), out),
            Data::Unsigned32(value) => emit_fixed(tag::UNSIGNED32, value.to_be_bytes(), out),
            Data::Octets(octets) => emit_string(tag::OCTETS, octets, out),
            Data::VisibleString(octets) => emit_string(tag::VISIBLE_STRING, octets, out),
            Data::Utf8String(octets) => emit_string(tag::UTF8_STRING, octets, out),
            Data::Bcd(value) => emit_fixed(tag::BCD, [*value], out),
            Data::Integer8(value) => emit_fixed(tag::INTEGER8, value.to_be_bytes(), out),
            Data::Integer16(value) => emit_fixed(tag::INTEGER16, value.to_be_bytes(), out),
            Data::Unsigned8(value) => emit_fixed(tag::UNSIGNED8, [*value], out),
            Data::Unsigned16(value) => emit_fixed(tag::UNSIGNED16, value.to_be_bytes(), out),
            Data::Integer64(value) => emit_fixed(tag::INTEGER64, value.to_be_bytes(), out),
            Data::Unsigned64(value) => emit_fixed(tag::UNSIGNED64, value.to_be_bytes(), out),
            Data::Enum(value) => emit_fixed(tag::ENUM, [*value], out),
            Data::Float32(value) => emit_fixed(tag::FLOAT32, value.to_be_bytes(), out),
            Data::Float64(value) => emit_fixed(tag::FLOAT64, value.to_be_bytes(), out),
            Data::DateTime(value) => emit_fixed(tag::DATE_TIME, *value, out),
            Data::Date(value) => emit_fixed(tag::DATE, *value, out),
            Data::Time(value) => emit_fixed(tag::TIME, *value, out),
        }
    }
}

/// The tags of the types, for those who read or write a value of known type without a [`Data`].
pub(crate) mod tag {
    pub(crate) const NULL: u8 = 0x00;
    pub(crate) const ARRAY: u8 = 0x01;
    pub(crate) const STRUCTURE: u8 = 0x02;
    pub(crate) const BOOLEAN: u8 = 0x03;
    pub(crate) const BIT_STRING: u8 = 0x04;
    pub(crate) const INTEGER32: u8 = 0x05;
    pub(crate) const UNSIGNED32: u8 = 0x06;
    pub(crate) const OCTETS: u8 = 0x09;
    pub(crate) const VISIBLE_STRING: u8 = 0x0A;
    pub(crate) const UTF8_STRING: u8 = 0x0C;
    pub(crate) const BCD: u8 = 0x0D;
    pub(crate) const INTEGER8: u8 = 0x0F;
    pub(crate) const INTEGER16: u8 = 0x10;
    pub(crate) const UNSIGNED8: u8 = 0x11;
    pub(crate) const UNSIGNED16: u8 = 0x12;
    pub(crate) const INTEGER64: u8 = 0x14;
    pub(crate) const UNSIGNED64: u8 = 0x15;
    pub(crate) const ENUM: u8 = 0x16;
    pub(crate) const FLOAT32: u8 = 0x17;
    pub(crate) const FLOAT64: u8 = 0x18;
    pub(crate) const DATE_TIME: u8 = 0x19;
    pub(crate) const DATE: u8 = 0x1A;
    pub(crate) const TIME: u8 = 0x1B;
}

fn parse_value<'a>(reader: &mut Reader<'a>, depth: usize, budget: &mut usize) -> Result<Data<'a>, WireError> {
    let offset = reader.offset();
    Ok(match reader.u8("type tag")? {
        tag::NULL => Data::Null,
        tag::ARRAY => Data::Array(parse_elements(reader, depth, budget)?),
        tag::STRUCTURE => Data::Structure(parse_elements(reader, depth, budget)?),
        tag::BOOLEAN => Data::Boolean(reader.u8("boolean")? != 0),
        tag::BIT_STRING => {
            let (bits, len) = parse_bits(reader)?;
            Data::BitString { bits, len }
        }
        tag::INTEGER32 => Data::Integer32(i32::from_be_bytes(reader.array("double-long")?)),
        tag::UNSIGNED32 => Data::Unsigned32(reader.u32_be("double-long-unsigned")?),
        tag::OCTETS => Data::Octets(parse_string(reader, "octet-string")?),
        tag::VISIBLE_STRING => Data::VisibleString(parse_string(reader, "visible-string")?),
        tag::UTF8_STRING => Data::Utf8String(parse_string(reader, "utf8-string")?),
        tag::BCD => Data::Bcd(reader.u8("bcd")?),
        tag::INTEGER8 => Data::Integer8(i8::from_be_bytes(reader.array("integer")?)),
        tag::INTEGER16 => Data::Integer16(i16::from_be_bytes(reader.array("long")?)),
        tag::UNSIGNED8 => Data::Unsigned8(reader.u8("unsigned")?),
        tag::UNSIGNED16 => Data::Unsigned16(reader.u16_be("long-unsigned")?),
        tag::INTEGER64 => Data::Integer64(i64::from_be_bytes(reader.array("long64")?)),
        tag::UNSIGNED64 => Data::Unsigned64(reader.u64_be("long64-unsigned")?),
        tag::ENUM => Data::Enum(reader.u8("enum")?),
        tag::FLOAT32 => Data::Float32(f32::from_be_bytes(reader.array("float32")?)),
        tag::FLOAT64 => Data::Float64(f64::from_be_bytes(reader.array("float64")?)),
        tag::DATE_TIME => Data::DateTime(reader.array("date-time")?),
        tag::DATE => Data::Date(reader.array("date")?),
        tag::TIME => Data::Time(reader.array("time")?),
        found => return Err(unknown_type(offset, found)),
    })
}

fn parse_elements<'a>(
    reader: &mut Reader<'a>,
    depth: usize,
    budget: &mut usize,
) -> Result<Vec<Data<'a>>, WireError> {
    let count = parse_element_count(reader, depth, budget)?;
    let mut elements = Vec::with_capacity(count);
    for _ in 0..count {
        elements.push(parse_value(reader, depth - 1, budget)?);
    }
    Ok(elements)
}

/// Reads the number of elements and takes it from the budget. An element is at least one byte long, so the
/// number is bounded by what is left as well.
fn parse_element_count(
    reader: &mut Reader<'_>,
    depth: usize,
    budget: &mut usize,
) -> Result<usize, WireError> {
    let offset = reader.offset();
    if depth == 0 {
        let (what, found, limit) = ("nesting", MAX_DATA_DEPTH as u64 + 1, MAX_DATA_DEPTH as u64);
        return Err(WireError::TooLarge { what, offset, found, limit });
    }
    let count = reader.length("number of elements")?;
    *budget = budget.checked_sub(count).ok_or(WireError::TooLarge {
        what: "number of elements",
        offset,
        found: count as u64,
        limit: *budget as u64,
    })?;
    Ok(count)
}

/// Reads over one value without keeping it.
pub(crate) fn skip_value(reader: &mut Reader<'_>) -> Result<(), WireError> {
    skip_within(reader, MAX_DATA_DEPTH, &mut { MAX_DATA_ELEMENTS })
}

fn skip_within(reader: &mut Reader<'_>, depth: usize, budget: &mut usize) -> Result<(), WireError> {
    let look_ahead = reader.peek();
    if let Some(tag::ARRAY | tag::STRUCTURE) = look_ahead {
        reader.u8("type tag")?;
        let count = parse_element_count(reader, depth, budget)?;
        return (0..count).try_for_each(|_| skip_within(reader, depth - 1, budget));
    }
    // Everything else is parsed without allocating.
    parse_value(reader, depth, budget).map(|_| ())
}

/// Reads `count of bits, bytes`.
pub(crate) fn parse_bits<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], u32), WireError> {
    // Four bytes of length at most, so a count fits.
    let len = reader.count("number of bits")? as u32;
    Ok((reader.take(len.div_ceil(8) as usize, "bit-string")?, len))
}

/// Reads `length, bytes`.
pub(crate) fn parse_string<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8], WireError> {
    let len = reader.length(what)?;
    reader.take(len, what)
}

fn emit_fixed<const N: usize>(tag: u8, value: [u8; N], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&value);
}

pub(crate) fn emit_string(tag: u8, octets: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_length(octets.len(), out);
    out.extend_from_slice(octets);
}

fn emit_elements(tag: u8, elements: &[Data<'_>], out: &mut Vec<u8>) {
    out.push(tag);
    put_length(elements.len(), out);
    for element in elements {
        element.emit(out);
    }
}

fn unknown_type(offset: usize, found: u8) -> WireError {
    /// A type description and bare values; nothing we read uses it.
    const COMPACT_ARRAY: u8 = 0x13;
    let found_number = u64::from(found);
    if found == COMPACT_ARRAY {
        return WireError::Unsupported { what: "type tag", offset, found: found_number };
    }
    WireError::Unexpected { what: "type tag", offset, found: found_number, expected: "a type of DLMS" }
}
