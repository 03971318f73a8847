//! A cursor over received bytes: every read is bounded and names what it wanted.

use crate::WireError;

/// A cursor. Cloning it is a look ahead.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    /// Everything up to the end of what may be read; the part before `offset` has been.
    input: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Reader<'a> {
        Reader { input, offset: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn remaining(&self) -> usize {
        self.input.len() - self.offset
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Takes everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = &self.input[self.offset..];
        self.offset = self.input.len();
        rest
    }

    /// Takes everything that is left, at least one byte.
    pub(crate) fn some_rest(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        self.require(1, what)?;
        Ok(self.rest())
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.get(self.offset).copied()
    }

    #[inline]
    fn require(&self, needed: usize, what: &'static str) -> Result<(), WireError> {
        if self.remaining() < needed {
            return Err(self.truncated(needed, what));
        }
        Ok(())
    }

    /// Out of line: what goes well is to stay short.
    #[cold]
    fn truncated(&self, needed: usize, what: &'static str) -> WireError {
        WireError::Truncated { what, offset: self.offset, needed, available: self.remaining() }
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        self.require(len, what)?;
        let start = self.offset;
        self.offset += len;
        Ok(&self.input[start..self.offset])
    }

    /// Takes the next `len` bytes as a cursor of their own that counts offsets as this one does.
    pub(crate) fn part(&mut self, len: usize, what: &'static str) -> Result<Reader<'a>, WireError> {
        let start = self.offset;
        self.take(len, what)?;
        Ok(Reader { input: &self.input[..self.offset], offset: start })
    }

    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let Some(bytes) = self.input[self.offset..].first_chunk() else {
            return Err(self.truncated(N, what));
        };
        self.offset += N;
        Ok(*bytes)
    }

    #[inline(always)]
    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, WireError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    #[inline(always)]
    pub(crate) fn u16_be(&mut self, what: &'static str) -> Result<u16, WireError> {
        self.array(what).map(u16::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn u32_be(&mut self, what: &'static str) -> Result<u32, WireError> {
        self.array(what).map(u32::from_be_bytes)
    }

    pub(crate) fn u64_be(&mut self, what: &'static str) -> Result<u64, WireError> {
        self.array(what).map(u64::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn u16_le(&mut self, what: &'static str) -> Result<u16, WireError> {
        self.array(what).map(u16::from_le_bytes)
    }

    #[inline(always)]
    pub(crate) fn u32_le(&mut self, what: &'static str) -> Result<u32, WireError> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// Takes an EUI-64, which travels least significant byte first, in the order in which it is written down.
    pub(crate) fn eui64(&mut self, what: &'static str) -> Result<[u8; 8], WireError> {
        let mut eui64: [u8; 8] = self.array(what)?;
        eui64.reverse();
        Ok(eui64)
    }

    /// Takes one byte that must be `byte`.
    pub(crate) fn exactly(
        &mut self,
        byte: u8,
        what: &'static str,
        expected: &'static str,
    ) -> Result<(), WireError> {
        let offset = self.offset;
        match self.u8(what)? {
            found if found == byte => Ok(()),
            found => Err(WireError::Unexpected { what, offset, found: found.into(), expected }),
        }
    }

    /// Takes an OPTIONAL or DEFAULT flag of A-XDR (IEC 61334-6): 0 absent, anything else present.
    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        self.u8(what).map(|byte| byte != 0)
    }

    /// Makes sure that everything has been read.
    pub(crate) fn finish(&self, what: &'static str) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(WireError::Trailing { what, offset: self.offset, count }),
        }
    }

    /// Takes a length as A-XDR and BER write it: below 128 one byte, else the number of bytes and they.
    ///
    /// The length is checked against what is left, so whoever allocates by it is bounded by the input.
    pub(crate) fn length(&mut self, what: &'static str) -> Result<usize, WireError> {
        let offset = self.offset;
        let len = self.count(what)?;
        if len > self.remaining() {
            return Err(WireError::Truncated { what, offset, needed: len, available: self.remaining() });
        }
        Ok(len)
    }

    /// Takes a number written like a length, such as the number of bits of a bit-string.
    pub(crate) fn count(&mut self, what: &'static str) -> Result<usize, WireError> {
        let offset = self.offset;
        let first = self.u8(what)?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let bytes = match first & 0x7F {
            len @ 1..=4 => self.take(len.into(), what)?,
            _ => {
                let expected = "a length of one to four bytes";
                return Err(WireError::Unexpected { what, offset, found: first.into(), expected });
            }
        };
        Ok(bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
    }
}

/// Appends a length as A-XDR and BER write it.
pub(crate) fn put_length(len: usize, out: &mut Vec<u8>) {
    match len {
        0..0x80 => out.push(len as u8),
        0x80..0x100 => out.extend_from_slice(&[0x81, len as u8]),
        0x100..0x1_0000 => {
            let [high, low] = (len as u16).to_be_bytes();
            out.extend_from_slice(&[0x82, high, low]);
        }
        _ => {
            let len = u32::try_from(len).expect("nothing on the wire is longer than 4 GB");
            out.push(0x84);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
}

/// Returns how many bytes [`put_length`] appends.
pub(crate) const fn length_len(len: usize) -> usize {
    match len {
        0..0x80 => 1,
        0x80..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

/// Appends an EUI-64, given in the order in which it is written down, least significant byte first.
pub(crate) fn put_eui64(mut eui64: [u8; 8], out: &mut Vec<u8>) {
    eui64.reverse();
    out.extend_from_slice(&eui64);
}
