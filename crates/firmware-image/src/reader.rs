//! A cursor over little-endian bytes that says which field it could not read, and where.

use crate::ota_file::ParseError;

/// Reads fields one after the other; never past the end, never allocating.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, offset: 0 }
    }

    pub fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], ParseError> {
        let rest = &self.bytes[self.offset..];
        let taken = rest.get(..len).ok_or(ParseError::Truncated {
            field,
            offset: self.offset,
            expected: len,
            found: rest.len(),
        })?;
        self.offset += len;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], ParseError> {
        let taken = self.take(field, N)?;
        Ok(taken.try_into().expect("take returns as many bytes as asked"))
    }

    pub fn u8(&mut self, field: &'static str) -> Result<u8, ParseError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub fn u16(&mut self, field: &'static str) -> Result<u16, ParseError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, field: &'static str) -> Result<u32, ParseError> {
        self.array(field).map(u32::from_le_bytes)
    }
}
