//! A sound MCUboot image: read strictly to its last byte, its facts at hand. Nothing is believed here;
//! whether hash and signature hold is left to `verify`.

use core::fmt;

use super::error::McubootParseError;
use super::hash::{McubootHash, McubootHashKind, McubootKeyHash};
use super::header::{McubootHeader, McubootVersion, VERSION_LEN};
use super::tlv::{Area, MAX_TLVS, McubootTlv, McubootTlvKind, McubootTlvs, PROTECTED_MAGIC};
use crate::key::SIGNATURE_LEN;
use crate::notation::write_hex;

/// An image that every reader reads alike: header, image, protected TLVs, TLVs, no byte before, between or
/// after. At most one hash, key and signature, each in its place.
#[derive(Clone)]
pub struct McubootImage<'a> {
    bytes: &'a [u8],
    header: McubootHeader,
    tlvs: McubootTlvs<'a>,
    signed_len: usize,
    found: Found<'a>,
}

impl<'a> McubootImage<'a> {
    /// Reads an image and refuses everything that is not in order. Allocates nothing.
    pub fn parse(bytes: &'a [u8]) -> Result<McubootImage<'a>, McubootParseError> {
        let header = McubootHeader::parse(bytes)?;
        let header_len = usize::from(header.header_len);
        need(bytes, "header", 0, header_len)?;
        // A claim that does not fit is larger than any image.
        let image_len = usize::try_from(header.image_len).unwrap_or(usize::MAX);
        need(bytes, "image", header_len, image_len)?;
        let body_end = header_len + image_len;
        let protected = parse_protected(bytes, body_end, header.protected_len)?;
        let signed_len = body_end + usize::from(header.protected_len);
        let outside = Area::parse(bytes, signed_len, false)?;
        let mut found = Found::default();
        let mut count = 0;
        for mut area in [protected, outside] {
            while let Some(tlv) = area.take()? {
                if count == MAX_TLVS {
                    return Err(McubootParseError::TooManyTlvs { offset: tlv.offset });
                }
                count += 1;
                found.note(tlv)?;
            }
        }
        found.judge(signed_len)?;
        require_end(bytes, outside.end())?;
        Ok(McubootImage { bytes, header, tlvs: McubootTlvs::new(protected, outside), signed_len, found })
    }

    /// Returns the whole image.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the header.
    pub fn header(&self) -> &McubootHeader {
        &self.header
    }

    /// Returns which release it is.
    pub fn version(&self) -> McubootVersion {
        self.header.version
    }

    /// Returns what the device runs: the bytes between header and TLVs.
    pub fn body(&self) -> &'a [u8] {
        let start = usize::from(self.header.header_len);
        &self.bytes[start..self.signed_len - usize::from(self.header.protected_len)]
    }

    /// Returns what hash and signature reach: header, image and protected TLVs.
    pub fn signed_bytes(&self) -> &'a [u8] {
        &self.bytes[..self.signed_len]
    }

    /// Returns all TLVs in the order of the image.
    pub fn tlvs(&self) -> McubootTlvs<'a> {
        self.tlvs.clone()
    }

    /// Returns which versions of other images must be there.
    pub fn dependencies(&self) -> impl Iterator<Item = McubootDependency> {
        let dependencies = self.tlvs().filter(|tlv| tlv.kind == McubootTlvKind::DEPENDENCY);
        dependencies.map(|tlv| {
            McubootDependency::decode(tlv.value).expect("the length was checked when the image was parsed")
        })
    }

    /// Returns the counter that a boot loader never lets go back.
    pub fn security_counter(&self) -> Option<u32> {
        self.found.security_counter.map(|place| place.value)
    }

    /// Returns the hash that the image says it has; only a pure image may have none.
    pub fn hash(&self) -> Option<McubootHash<'a>> {
        self.found.hash.map(|place| place.value)
    }

    /// Returns which key the image says signed it.
    pub fn key(&self) -> Option<McubootKey<'a>> {
        self.found.key.map(|place| place.value)
    }

    /// Returns the signature.
    pub fn signature(&self) -> Option<McubootSignature<'a>> {
        self.found.signature.map(|place| place.value)
    }

    /// Returns whether the signature is over the hashed bytes themselves instead of their hash.
    pub fn is_pure(&self) -> bool {
        self.found.pure.is_some()
    }
}

impl PartialEq for McubootImage<'_> {
    fn eq(&self, other: &McubootImage<'_>) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for McubootImage<'_> {}

impl fmt::Debug for McubootImage<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the body: an image is hundreds of kilobytes.
        formatter.write_str("McubootImage ")?;
        formatter.debug_list().entry(&self.header).entries(self.tlvs()).finish()
    }
}

/// Another image that must be there, and its lowest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McubootDependency {
    /// The number of the other image, from 0.
    pub image: u8,
    /// Its lowest version.
    pub version: McubootVersion,
}

impl McubootDependency {
    fn decode(value: &[u8]) -> Option<McubootDependency> {
        let [image, _, _, _, version @ ..] = *<&[u8; DEPENDENCY_LEN]>::try_from(value).ok()?;
        Some(McubootDependency { image, version: McubootVersion::decode(version) })
    }

    pub(super) fn encode(&self) -> [u8; DEPENDENCY_LEN] {
        let mut value = [0; DEPENDENCY_LEN];
        value[0] = self.image;
        value[DEPENDENCY_LEN - VERSION_LEN..].copy_from_slice(&self.version.encode());
        value
    }
}

impl fmt::Display for McubootDependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "image {} from {} on", self.image, self.version)
    }
}

/// How an image names the key that signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McubootKey<'a> {
    /// By the hash of its SubjectPublicKeyInfo.
    Hash(&'a [u8]),
    /// By its SubjectPublicKeyInfo itself.
    Whole(&'a [u8]),
}

impl McubootKey<'_> {
    /// Returns the short form for messages.
    pub fn short(&self) -> McubootKeyHash {
        match self {
            McubootKey::Hash(hash) => McubootKeyHash::shorten(hash),
            McubootKey::Whole(info) => McubootKeyHash::shorten(McubootHashKind::Sha256.hash(info).bytes()),
        }
    }
}

impl fmt::Display for McubootKey<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (McubootKey::Hash(bytes) | McubootKey::Whole(bytes)) = self;
        write_hex(bytes, formatter)
    }
}

/// A signature and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McubootSignature<'a> {
    /// Which kind of signature it is.
    pub kind: McubootTlvKind,
    /// Its bytes.
    pub value: &'a [u8],
}

/// Something that may be there once, and where.
#[derive(Clone, Copy)]
struct Place<T> {
    offset: usize,
    value: T,
}

/// What the TLVs met so far have said.
#[derive(Clone, Copy, Default)]
struct Found<'a> {
    hash: Option<Place<McubootHash<'a>>>,
    pure: Option<Place<()>>,
    key: Option<Place<McubootKey<'a>>>,
    signature: Option<Place<McubootSignature<'a>>>,
    security_counter: Option<Place<u32>>,
}

impl<'a> Found<'a> {
    /// Takes in one TLV, in the order they stand in.
    fn note(&mut self, tlv: McubootTlv<'a>) -> Result<(), McubootParseError> {
        let McubootTlv { kind, offset, is_protected, value } = tlv;
        if kind.is_encryption_key() {
            return Err(McubootParseError::EncryptionKey { kind, offset });
        }
        match (is_protected, kind.belongs_outside()) {
            (true, true) => return Err(McubootParseError::Protected { kind, offset }),
            (false, false) => return Err(McubootParseError::Unprotected { kind, offset }),
            _ => {}
        }
        let precedes_signature = kind.is_key() || McubootHashKind::of_tlv(kind).is_some();
        if precedes_signature && self.signature.is_some() {
            return Err(McubootParseError::BehindSignature { kind, offset });
        }
        if let Some(hash) = McubootHashKind::of_tlv(kind) {
            require_len(&tlv, hash.byte_len())?;
            return note_once(&mut self.hash, kind, offset, McubootHash { kind: hash, value });
        }
        match kind {
            McubootTlvKind::KEY_HASH => note_once(&mut self.key, kind, offset, McubootKey::Hash(value)),
            McubootTlvKind::PUBLIC_KEY => note_once(&mut self.key, kind, offset, McubootKey::Whole(value)),
            McubootTlvKind::PURE => match *value {
                [1] => note_once(&mut self.pure, kind, offset, ()),
                [found] => Err(McubootParseError::PureMark { offset, found }),
                _ => require_len(&tlv, 1),
            },
            McubootTlvKind::DEPENDENCY => require_len(&tlv, DEPENDENCY_LEN),
            McubootTlvKind::SECURITY_COUNTER => {
                require_len(&tlv, SECURITY_COUNTER_LEN)?;
                let counter = value.first_chunk().expect("the length was checked");
                note_once(&mut self.security_counter, kind, offset, u32::from_le_bytes(*counter))
            }
            kind if kind.is_signature() => {
                if kind == McubootTlvKind::ED25519 {
                    require_len(&tlv, SIGNATURE_LEN)?;
                }
                note_once(&mut self.signature, kind, offset, McubootSignature { kind, value })
            }
            _ => Ok(()),
        }
    }

    /// Requires that what was met makes sense together.
    fn judge(&self, area: usize) -> Result<(), McubootParseError> {
        if let (Some(signature), None) = (&self.signature, &self.key) {
            let Place { offset, value: McubootSignature { kind, .. } } = *signature;
            return Err(McubootParseError::NoKey { kind, offset });
        }
        let Some(hash) = &self.hash else {
            let covered = self.pure.is_some() && self.signature.is_some();
            return if covered { Ok(()) } else { Err(McubootParseError::NoHash { offset: area }) };
        };
        // A boot loader compares as many bytes as it is given: a shorter key hash fits more keys.
        match &self.key {
            Some(Place { offset, value: McubootKey::Hash(key) })
                if key.len() != hash.value.kind.byte_len() =>
            {
                Err(McubootParseError::TlvLength {
                    kind: McubootTlvKind::KEY_HASH,
                    offset: *offset,
                    expected: hash.value.kind.byte_len(),
                    found: key.len(),
                })
            }
            _ => Ok(()),
        }
    }
}

fn note_once<T>(
    slot: &mut Option<Place<T>>,
    kind: McubootTlvKind,
    offset: usize,
    value: T,
) -> Result<(), McubootParseError> {
    match slot {
        Some(first) => Err(McubootParseError::Repeated { kind, first: first.offset, second: offset }),
        None => {
            *slot = Some(Place { offset, value });
            Ok(())
        }
    }
}

fn require_len(tlv: &McubootTlv<'_>, expected: usize) -> Result<(), McubootParseError> {
    let found = tlv.value.len();
    if found == expected {
        return Ok(());
    }
    Err(McubootParseError::TlvLength { kind: tlv.kind, offset: tlv.offset, expected, found })
}

/// Requires that `expected` bytes are there from `offset` on, which lies within the image.
fn need(bytes: &[u8], field: &'static str, offset: usize, expected: usize) -> Result<(), McubootParseError> {
    let found = bytes.len() - offset;
    if found < expected {
        return Err(McubootParseError::Truncated { field, offset, expected, found });
    }
    Ok(())
}

/// Reads the protected area that the header announces. One that it does not announce is found by its magic
/// where the other area should begin, and refused there.
fn parse_protected(bytes: &[u8], offset: usize, expected: u16) -> Result<Area<'_>, McubootParseError> {
    if expected == 0 {
        let magic = bytes.get(offset..).and_then(<[u8]>::first_chunk);
        if magic == Some(&PROTECTED_MAGIC.to_le_bytes()) {
            let area = Area::parse(bytes, offset, true)?;
            return Err(protected_size(offset, expected, area.end()));
        }
        return Ok(Area::ABSENT);
    }
    let area = Area::parse(bytes, offset, true)?;
    if area.end() - offset == usize::from(expected) {
        return Ok(area);
    }
    Err(protected_size(offset, expected, area.end()))
}

fn protected_size(offset: usize, expected: u16, end: usize) -> McubootParseError {
    let found = u16::try_from(end - offset).expect("an area's size is a u16");
    McubootParseError::ProtectedSize { offset: offset + 2, expected, found }
}

/// Requires that the image ends here, and names what follows if it does not.
fn require_end(bytes: &[u8], offset: usize) -> Result<(), McubootParseError> {
    let tail = &bytes[offset..];
    let count = tail.len();
    let Some(first) = tail.first() else {
        return Ok(());
    };
    if tail.ends_with(&BOOT_MAGIC) || tail.ends_with(&BOOT_MAGIC_WITH_ALIGNMENT) {
        return Err(McubootParseError::SlotTrailer { offset, count });
    }
    // Erased flash reads as ones or as zeros.
    if [0x00, 0xff].contains(first) && tail.iter().all(|byte| byte == first) {
        return Err(McubootParseError::Padding { offset, count, value: *first });
    }
    Err(McubootParseError::Tail { offset, count })
}

/// What a slot ends with whose flash is written in units of up to eight bytes.
const BOOT_MAGIC: [u8; 16] =
    [0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80];

/// What every other slot ends with, behind two bytes that say the unit.
const BOOT_MAGIC_WITH_ALIGNMENT: [u8; 14] =
    [0x2d, 0xe1, 0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f, 0x8a];

/// The bytes of a dependency: image u8, three reserved, version.
pub(super) const DEPENDENCY_LEN: usize = 12;

/// The bytes of a security counter: a u32.
const SECURITY_COUNTER_LEN: usize = 4;
