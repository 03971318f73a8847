//! The TLVs behind an MCUboot image: their kinds, and the two areas they stand in.
//! Which of them an image must have is left to `image`.

use alloc::vec::Vec;
use core::fmt;

use super::error::McubootParseError;

/// The kind of a TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct McubootTlvKind(pub u16);

impl McubootTlvKind {
    /// The hash of the key that signed.
    pub const KEY_HASH: McubootTlvKind = McubootTlvKind(0x01);
    /// The whole key that signed (`imgtool sign --public-key-format full`).
    pub const PUBLIC_KEY: McubootTlvKind = McubootTlvKind(0x02);
    /// The SHA-256 of header, image and protected TLVs.
    pub const SHA256: McubootTlvKind = McubootTlvKind(0x10);
    /// The SHA-384 of the same.
    pub const SHA384: McubootTlvKind = McubootTlvKind(0x11);
    /// The SHA-512 of the same.
    pub const SHA512: McubootTlvKind = McubootTlvKind(0x12);
    /// An Ed25519 signature.
    pub const ED25519: McubootTlvKind = McubootTlvKind(0x24);
    /// The mark that the signature is over the hashed bytes instead of their hash.
    pub const PURE: McubootTlvKind = McubootTlvKind(0x25);
    /// Which version of another image must be there.
    pub const DEPENDENCY: McubootTlvKind = McubootTlvKind(0x40);
    /// A counter that never goes back.
    pub const SECURITY_COUNTER: McubootTlvKind = McubootTlvKind(0x50);

    /// Returns what the kind stands for.
    pub fn name(self) -> &'static str {
        match self.0 {
            0x01 => "key hash",
            0x02 => "public key",
            0x10 => "SHA-256",
            0x11 => "SHA-384",
            0x12 => "SHA-512",
            0x20 => "RSA-2048 signature",
            0x21 => "ECDSA P-224 signature",
            0x22 => "ECDSA signature",
            0x23 => "RSA-3072 signature",
            0x24 => "Ed25519 signature",
            0x25 => "pure mark",
            0x30 => "encryption key for RSA-2048",
            0x31 => "encryption key for AES-KW",
            0x32 => "encryption key for ECIES P-256",
            0x33 => "encryption key for ECIES X25519",
            0x34 => "encryption key for ECIES X25519 with SHA-512",
            0x40 => "dependency",
            0x50 => "security counter",
            0x60 => "boot record",
            0x70 => "decompressed size",
            0x71 => "decompressed hash",
            0x72 => "decompressed signature",
            0x73 => "compressed decrypted size",
            0x74 => "vendor UUID",
            0x75 => "class UUID",
            kind if kind & 0xFF >= 0xA0 => "vendor",
            _ => "unknown",
        }
    }

    pub(super) fn is_key(self) -> bool {
        matches!(self, McubootTlvKind::KEY_HASH | McubootTlvKind::PUBLIC_KEY)
    }

    pub(super) fn is_signature(self) -> bool {
        matches!(self.0, 0x20..=0x24)
    }

    pub(super) fn is_encryption_key(self) -> bool {
        matches!(self.0, 0x30..=0x34)
    }

    /// Returns whether the TLV belongs behind the protected area; MCUboot has the same list.
    pub(super) fn belongs_outside(self) -> bool {
        matches!(self.0, 0x01 | 0x02 | 0x10..=0x12 | 0x20..=0x25 | 0x30..=0x34)
    }
}

impl fmt::Display for McubootTlvKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0x{:02X} ({})", self.0, self.name())
    }
}

/// One TLV.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct McubootTlv<'a> {
    /// What it is.
    pub kind: McubootTlvKind,
    /// Where its type begins, counted in bytes from the start of the image.
    pub offset: usize,
    /// Whether it stands in the protected area, where the hash reaches.
    pub is_protected: bool,
    /// What it holds.
    pub value: &'a [u8],
}

impl fmt::Debug for McubootTlv<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}, {} bytes", self.kind, self.offset, self.value.len())
    }
}

/// The TLVs of one area, without the area's own header.
#[derive(Clone, Copy)]
pub(super) struct Area<'a> {
    entries: &'a [u8],
    offset: usize,
    is_protected: bool,
}

impl<'a> Area<'a> {
    /// An area that is not there.
    pub const ABSENT: Area<'static> = Area { entries: &[], offset: 0, is_protected: true };

    /// Reads the area that begins at `offset`; the TLVs inside are not looked at.
    pub fn parse(bytes: &'a [u8], offset: usize, is_protected: bool) -> Result<Area<'a>, McubootParseError> {
        let field = if is_protected { "protected TLV area" } else { "TLV area" };
        let rest = bytes.get(offset..).unwrap_or_default();
        let truncated =
            |expected| McubootParseError::Truncated { field, offset, expected, found: rest.len() };
        let (head, _) =
            rest.split_first_chunk::<AREA_HEADER_LEN>().ok_or_else(|| truncated(AREA_HEADER_LEN))?;
        let (found, total) = decode_pair(head);
        let expected = if is_protected { PROTECTED_MAGIC } else { AREA_MAGIC };
        if found != expected {
            return Err(McubootParseError::AreaMagic { offset, expected, found });
        }
        let len = usize::from(total);
        if len < AREA_HEADER_LEN {
            return Err(McubootParseError::AreaTooShort { offset: offset + 2, found: total });
        }
        let area = rest.get(..len).ok_or_else(|| truncated(len))?;
        Ok(Area { entries: &area[AREA_HEADER_LEN..], offset: offset + AREA_HEADER_LEN, is_protected })
    }

    /// Returns where the area ends.
    pub fn end(&self) -> usize {
        self.offset + self.entries.len()
    }

    /// Takes the first TLV off; `None` when there are no more.
    pub fn take(&mut self) -> Result<Option<McubootTlv<'a>>, McubootParseError> {
        let Area { entries, offset, is_protected } = *self;
        if entries.is_empty() {
            return Ok(None);
        }
        let (head, rest) = entries
            .split_first_chunk()
            .ok_or(McubootParseError::StrayBytes { offset, count: entries.len() })?;
        let (kind, claimed) = decode_pair(head);
        let kind = McubootTlvKind(kind);
        let (value, rest) = rest
            .split_at_checked(usize::from(claimed))
            .ok_or(McubootParseError::TlvBeyondArea { kind, offset, claimed, available: rest.len() })?;
        *self = Area { entries: rest, offset: offset + TLV_HEADER_LEN + value.len(), is_protected };
        Ok(Some(McubootTlv { kind, offset, is_protected, value }))
    }
}

/// The TLVs of an image in the order they stand in, the protected ones first.
#[derive(Clone)]
pub struct McubootTlvs<'a> {
    protected: Area<'a>,
    outside: Area<'a>,
}

impl<'a> McubootTlvs<'a> {
    /// Takes two areas that were read to their end before.
    pub(super) fn new(protected: Area<'a>, outside: Area<'a>) -> McubootTlvs<'a> {
        McubootTlvs { protected, outside }
    }
}

impl<'a> Iterator for McubootTlvs<'a> {
    type Item = McubootTlv<'a>;

    fn next(&mut self) -> Option<McubootTlv<'a>> {
        let sound = "the image was parsed, its TLVs are sound";
        self.protected.take().expect(sound).or_else(|| self.outside.take().expect(sound))
    }
}

/// Appends one TLV.
pub(super) fn emit(kind: McubootTlvKind, value: &[u8], into: &mut Vec<u8>) {
    let len = u16::try_from(value.len()).expect("what is built is shorter than 64 KiB");
    into.extend_from_slice(&kind.0.to_le_bytes());
    into.extend_from_slice(&len.to_le_bytes());
    into.extend_from_slice(value);
}

fn decode_pair([a0, a1, b0, b1]: &[u8; 4]) -> (u16, u16) {
    (u16::from_le_bytes([*a0, *a1]), u16::from_le_bytes([*b0, *b1]))
}

/// What the area begins with that holds hash, key and signature.
pub(super) const AREA_MAGIC: u16 = 0x6907;

/// What the area begins with that is hashed together with the image.
pub(super) const PROTECTED_MAGIC: u16 = 0x6908;

/// The bytes of an area before its TLVs: magic u16, size u16. The size counts them too.
pub(super) const AREA_HEADER_LEN: usize = 4;

/// The bytes of a TLV before its value: type u16, length u16.
pub(super) const TLV_HEADER_LEN: usize = 4;

/// The most TLVs an image may have, both areas together. The richest output of imgtool without custom TLVs
/// has about a dozen; the rest is room for dependencies and custom ones.
pub(super) const MAX_TLVS: usize = 64;
