//! The 32 bytes an MCUboot image begins with, its version and its flags.
//! What follows the header is left to `image`.

use core::fmt;
use core::str::FromStr;

use super::error::McubootParseError;
use crate::notation::NotationError;

/// The fields of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McubootHeader {
    /// Where the image runs from, if one of its flags says so.
    pub load_address: u32,
    /// Bytes before the image: the header and the padding behind it.
    pub header_len: u16,
    /// Bytes of the protected TLV area with its own four bytes of header; 0 if there is none.
    pub protected_len: u16,
    /// Bytes of the image itself.
    pub image_len: u32,
    /// What kind of image it is.
    pub flags: McubootFlags,
    /// Which release it is.
    pub version: McubootVersion,
}

impl McubootHeader {
    /// Reads the header and refuses what is no plain little-endian image.
    pub(super) fn parse(bytes: &[u8]) -> Result<McubootHeader, McubootParseError> {
        let (head, _) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(McubootParseError::Truncated {
            field: "header",
            offset: 0,
            expected: HEADER_LEN,
            found: bytes.len(),
        })?;
        let magic: [u8; 4] = *head.first_chunk().expect("a header is longer than its magic");
        if magic == MAGIC.to_be_bytes() {
            return Err(McubootParseError::BigEndian);
        }
        let found = u32::from_le_bytes(magic);
        if found != MAGIC {
            return Err(McubootParseError::WrongMagic { found });
        }
        let header = McubootHeader::decode(head);
        if usize::from(header.header_len) < HEADER_LEN {
            return Err(McubootParseError::HeaderTooShort { found: header.header_len });
        }
        if header.flags.is_encrypted() {
            return Err(McubootParseError::Encrypted { flags: header.flags });
        }
        if header.image_len == 0 {
            return Err(McubootParseError::EmptyImage);
        }
        Ok(header)
    }

    /// Takes the fields apart. The last four bytes are reserved; no boot loader reads them.
    fn decode(head: &[u8; HEADER_LEN]) -> McubootHeader {
        let [_, _, _, _, l0, l1, l2, l3, h0, h1, p0, p1, i0, i1, i2, i3, f0, f1, f2, f3, version @ ..] =
            *head;
        let version: [u8; VERSION_LEN] = *version.first_chunk().expect("a version and four bytes are left");
        McubootHeader {
            load_address: u32::from_le_bytes([l0, l1, l2, l3]),
            header_len: u16::from_le_bytes([h0, h1]),
            protected_len: u16::from_le_bytes([p0, p1]),
            image_len: u32::from_le_bytes([i0, i1, i2, i3]),
            flags: McubootFlags(u32::from_le_bytes([f0, f1, f2, f3])),
            version: McubootVersion::decode(version),
        }
    }

    /// Returns the 32 bytes.
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut head = [0; HEADER_LEN];
        head[..4].copy_from_slice(&MAGIC.to_le_bytes());
        head[4..8].copy_from_slice(&self.load_address.to_le_bytes());
        head[8..10].copy_from_slice(&self.header_len.to_le_bytes());
        head[10..12].copy_from_slice(&self.protected_len.to_le_bytes());
        head[12..16].copy_from_slice(&self.image_len.to_le_bytes());
        head[16..20].copy_from_slice(&self.flags.0.to_le_bytes());
        head[20..28].copy_from_slice(&self.version.encode());
        head
    }
}

/// A release of an image: `major.minor.revision+build`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct McubootVersion {
    /// The first number.
    pub major: u8,
    /// The second.
    pub minor: u8,
    /// The third.
    pub revision: u16,
    /// The last one, behind a `+`.
    pub build: u32,
}

impl McubootVersion {
    /// Returns the security counter that imgtool derives of a version when it is asked for `auto`.
    pub fn security_counter(&self) -> u32 {
        u32::from(self.major) << 24 | u32::from(self.minor) << 16 | u32::from(self.revision)
    }

    pub(super) fn decode([major, minor, r0, r1, b0, b1, b2, b3]: [u8; VERSION_LEN]) -> McubootVersion {
        let revision = u16::from_le_bytes([r0, r1]);
        McubootVersion { major, minor, revision, build: u32::from_le_bytes([b0, b1, b2, b3]) }
    }

    pub(super) fn encode(&self) -> [u8; VERSION_LEN] {
        let [r0, r1] = self.revision.to_le_bytes();
        let [b0, b1, b2, b3] = self.build.to_le_bytes();
        [self.major, self.minor, r0, r1, b0, b1, b2, b3]
    }
}

impl fmt::Display for McubootVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}+{}", self.major, self.minor, self.revision, self.build)
    }
}

/// Reads `1`, `1.2`, `1.2.3` and `1.2.3+4`, as imgtool does: later parts are 0, no number begins with a zero.
impl FromStr for McubootVersion {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let error = || {
            let expected = "major.minor.revision+build, at most 255.255.65535+4294967295";
            NotationError::new("MCUboot version", expected, text)
        };
        let (numbers, build) = match text.split_once('+') {
            Some((numbers, build)) => (numbers, Some(build)),
            None => (text, None),
        };
        let mut parts = numbers.split('.');
        let major = parts.next();
        let minor = parts.next();
        let revision = parts.next();
        if parts.next().is_some() || (build.is_some() && revision.is_none()) {
            return Err(error());
        }
        Ok(McubootVersion {
            major: parse_part(major).ok_or_else(error)?,
            minor: parse_part(minor).ok_or_else(error)?,
            revision: parse_part(revision).ok_or_else(error)?,
            build: parse_part(build).ok_or_else(error)?,
        })
    }
}

/// Reads a decimal number without a sign or a leading zero; a part that is left out is 0.
fn parse_part<N: FromStr + Default>(part: Option<&str>) -> Option<N> {
    let Some(digits) = part else {
        return Some(N::default());
    };
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

/// What kind of image it is, in bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct McubootFlags(pub u32);

impl McubootFlags {
    const ENCRYPTED_AES128: u32 = 0x0000_0004;
    const ENCRYPTED_AES256: u32 = 0x0000_0008;

    /// The names of all flags that MCUboot defines, lowest bit first.
    const NAMES: [(u32, &'static str); 9] = [
        (0x0000_0001, "position-independent"),
        (McubootFlags::ENCRYPTED_AES128, "encrypted with AES-128"),
        (McubootFlags::ENCRYPTED_AES256, "encrypted with AES-256"),
        (0x0000_0010, "not bootable"),
        (0x0000_0020, "runs from RAM"),
        (0x0000_0100, "built for a fixed address"),
        (0x0000_0200, "compressed with LZMA1"),
        (0x0000_0400, "compressed with LZMA2"),
        (0x0000_0800, "compressed through the ARM Thumb filter"),
    ];

    /// Returns whether the image is encrypted, or its flags ask for encryption.
    pub fn is_encrypted(self) -> bool {
        self.0 & (McubootFlags::ENCRYPTED_AES128 | McubootFlags::ENCRYPTED_AES256) != 0
    }

    /// Returns the names of the flags that are set, lowest bit first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        McubootFlags::NAMES.into_iter().filter(move |(bit, _)| self.0 & bit != 0).map(|(_, name)| name)
    }

    /// Returns the bits that are set and have no name.
    pub fn unknown_bits(self) -> u32 {
        self.0 & !McubootFlags::NAMES.iter().fold(0, |bits, (bit, _)| bits | bit)
    }
}

impl fmt::Display for McubootFlags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "0x{:08X}", self.0)?;
        let mut before = " (";
        for name in self.names() {
            write!(formatter, "{before}{name}")?;
            before = ", ";
        }
        formatter.write_str(if before == ", " { ")" } else { "" })
    }
}

/// What an MCUboot image begins with.
pub(super) const MAGIC: u32 = 0x96F3_B83D;

/// The bytes of the header without its padding.
pub(super) const HEADER_LEN: usize = 32;

/// The bytes of a version: u8, u8, u16, u32.
pub(super) const VERSION_LEN: usize = 8;
