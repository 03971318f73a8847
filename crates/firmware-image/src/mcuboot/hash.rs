//! The hashes of MCUboot images and of the keys that sign them.
//! Comparing them with what an image says is left to `verify`.

use core::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::tlv::McubootTlvKind;
use crate::key::PublicKey;
use crate::notation::write_hex;

/// The kinds of hash an image can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McubootHashKind {
    /// What imgtool takes if nothing else is said.
    Sha256,
    /// What goes with ECDSA over P-384 only.
    Sha384,
    /// What goes with pure signatures.
    Sha512,
}

impl McubootHashKind {
    /// Returns the kind a TLV holds, if it is one for the hash of the image.
    pub(super) fn of_tlv(kind: McubootTlvKind) -> Option<McubootHashKind> {
        match kind {
            McubootTlvKind::SHA256 => Some(McubootHashKind::Sha256),
            McubootTlvKind::SHA384 => Some(McubootHashKind::Sha384),
            McubootTlvKind::SHA512 => Some(McubootHashKind::Sha512),
            _ => None,
        }
    }

    /// Returns how many bytes a hash has.
    pub fn byte_len(self) -> usize {
        match self {
            McubootHashKind::Sha256 => 32,
            McubootHashKind::Sha384 => 48,
            McubootHashKind::Sha512 => MAX_HASH_LEN,
        }
    }

    /// Computes the hash of some bytes.
    pub(super) fn hash(self, bytes: &[u8]) -> ComputedHash {
        let mut value = [0; MAX_HASH_LEN];
        let len = self.byte_len();
        match self {
            McubootHashKind::Sha256 => value[..len].copy_from_slice(&Sha256::digest(bytes)),
            McubootHashKind::Sha384 => value[..len].copy_from_slice(&Sha384::digest(bytes)),
            McubootHashKind::Sha512 => value[..len].copy_from_slice(&Sha512::digest(bytes)),
        }
        ComputedHash { kind: self, value }
    }
}

impl fmt::Display for McubootHashKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            McubootHashKind::Sha256 => "SHA-256",
            McubootHashKind::Sha384 => "SHA-384",
            McubootHashKind::Sha512 => "SHA-512",
        })
    }
}

/// The hash that an image says it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McubootHash<'a> {
    /// Which kind.
    pub kind: McubootHashKind,
    /// Its bytes, as many as its kind has.
    pub value: &'a [u8],
}

impl fmt::Display for McubootHash<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.value, formatter)
    }
}

/// A hash of any kind that was computed here.
#[derive(Clone, Copy)]
pub(super) struct ComputedHash {
    kind: McubootHashKind,
    value: [u8; MAX_HASH_LEN],
}

impl ComputedHash {
    pub fn bytes(&self) -> &[u8] {
        &self.value[..self.kind.byte_len()]
    }
}

/// The first eight bytes of the hash by which an MCUboot image names its key: the SHA-256 or SHA-512 of its
/// SubjectPublicKeyInfo. Not the fingerprint by which the rest of this crate names the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct McubootKeyHash([u8; 8]);

impl McubootKeyHash {
    /// Computes how images that are hashed in this way name a key.
    pub fn of(key: &PublicKey, kind: McubootHashKind) -> McubootKeyHash {
        McubootKeyHash::shorten(kind.hash(&subject_public_key_info(key)).bytes())
    }

    /// Takes the beginning of a hash; a shorter one is filled up with zeros.
    pub(super) fn shorten(hash: &[u8]) -> McubootKeyHash {
        let mut start = [0; 8];
        start.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
        McubootKeyHash(start)
    }
}

impl fmt::Display for McubootKeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

impl fmt::Debug for McubootKeyHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "McubootKeyHash({self})")
    }
}

/// Returns the key as images hash or carry it (RFC 8410, DER).
pub(super) fn subject_public_key_info(key: &PublicKey) -> [u8; KEY_INFO_LEN] {
    // SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes without unused bits }.
    const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let mut info = [0; KEY_INFO_LEN];
    info[..PREFIX.len()].copy_from_slice(&PREFIX);
    info[PREFIX.len()..].copy_from_slice(&key.to_bytes());
    info
}

/// The bytes of an Ed25519 SubjectPublicKeyInfo.
pub(super) const KEY_INFO_LEN: usize = 44;

/// The bytes of the longest hash, SHA-512.
pub(super) const MAX_HASH_LEN: usize = 64;
