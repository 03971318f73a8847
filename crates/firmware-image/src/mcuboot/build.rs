//! MCUboot images out of raw payloads, byte for byte as `imgtool sign` makes them.
//! Compression, encryption and slot padding are left to imgtool.

use super::hash::{McubootHashKind, subject_public_key_info};
use super::header::{HEADER_LEN, McubootFlags, McubootHeader, McubootVersion};
use super::image::{DEPENDENCY_LEN, McubootDependency};
use super::tlv::{AREA_HEADER_LEN, AREA_MAGIC, McubootTlvKind, PROTECTED_MAGIC, TLV_HEADER_LEN, emit};
use crate::ota_file::MAX_FILE_LEN;
use crate::signing_key::SigningKey;
use alloc::vec::Vec;

/// What an image says of itself, and how it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McubootRecipe<'a> {
    /// Which release it is (`--version`).
    pub version: McubootVersion,
    /// Bytes before the image, at least 32 (`--header-size`). Boot loaders that run images in place want it
    /// as a multiple of their vector table's alignment, often 0x200.
    pub header_len: u16,
    /// Where these bytes come from.
    pub header_space: McubootHeaderSpace,
    /// The counter that a boot loader never lets go back (`--security-counter`).
    pub security_counter: Option<u32>,
    /// Which versions of other images must be there (`--dependencies`), at most 32.
    pub dependencies: &'a [McubootDependency],
    /// What the signature is over.
    pub signing: McubootSigning,
}

/// Where the bytes of the header come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McubootHeaderSpace {
    /// They are put before the payload (`--pad-header`); what the header leaves free is 0xFF, erased flash.
    Added,
    /// The payload begins with as many zeros, which the header replaces, as builds for Zephyr have it.
    Reserved,
}

/// What the signature is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McubootSigning {
    /// The SHA-256 of the image; imgtool's own choice.
    Sha256,
    /// The SHA-512 of the image (`--sha 512`).
    Sha512,
    /// The image itself (`--pure`), with its SHA-512 beside.
    Pure,
}

impl McubootSigning {
    fn hash_kind(self) -> McubootHashKind {
        match self {
            McubootSigning::Sha256 => McubootHashKind::Sha256,
            McubootSigning::Sha512 | McubootSigning::Pure => McubootHashKind::Sha512,
        }
    }

    fn hash_tlv(self) -> McubootTlvKind {
        match self {
            McubootSigning::Sha256 => McubootTlvKind::SHA256,
            McubootSigning::Sha512 | McubootSigning::Pure => McubootTlvKind::SHA512,
        }
    }
}

impl McubootRecipe<'_> {
    /// Makes an image of a payload and signs it. The same recipe, payload and key make the same bytes.
    pub fn sign(&self, payload: &[u8], key: &SigningKey) -> Result<Vec<u8>, McubootBuildError> {
        let mut bytes = self.unsigned(payload)?;
        let kind = self.signing.hash_kind();
        let hash = kind.hash(&bytes);
        let signature = match self.signing {
            McubootSigning::Sha256 | McubootSigning::Sha512 => key.sign(hash.bytes()),
            McubootSigning::Pure => key.sign(&bytes),
        };
        let mut tlvs = Vec::new();
        emit(self.signing.hash_tlv(), hash.bytes(), &mut tlvs);
        if self.signing == McubootSigning::Pure {
            emit(McubootTlvKind::PURE, &[1], &mut tlvs);
        }
        let key_hash = kind.hash(&subject_public_key_info(&key.public()));
        emit(McubootTlvKind::KEY_HASH, key_hash.bytes(), &mut tlvs);
        emit(McubootTlvKind::ED25519, &signature, &mut tlvs);
        emit_area(AREA_MAGIC, &tlvs, &mut bytes);
        Ok(bytes)
    }

    /// Makes header, image and protected TLVs.
    fn unsigned(&self, payload: &[u8]) -> Result<Vec<u8>, McubootBuildError> {
        let body = self.body_of(payload)?;
        let protected = self.protected()?;
        let protected_len = if protected.is_empty() { 0 } else { AREA_HEADER_LEN + protected.len() };
        let header_len = usize::from(self.header_len);
        let total = header_len + body.len() + protected_len + OUTSIDE_LEN_BOUND;
        if total > MAX_FILE_LEN {
            return Err(McubootBuildError::TooLarge { found: body.len() });
        }
        let header = McubootHeader {
            load_address: 0,
            header_len: self.header_len,
            protected_len: u16::try_from(protected_len).expect("the dependencies are few"),
            image_len: u32::try_from(body.len()).expect("the largest file fits 32 bits"),
            flags: McubootFlags::default(),
            version: self.version,
        };
        let padding = match self.header_space {
            McubootHeaderSpace::Added => 0xff,
            McubootHeaderSpace::Reserved => 0x00,
        };
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(&header.encode());
        bytes.resize(header_len, padding);
        bytes.extend_from_slice(body);
        if !protected.is_empty() {
            emit_area(PROTECTED_MAGIC, &protected, &mut bytes);
        }
        Ok(bytes)
    }

    /// Returns the payload without the space it has reserved for the header.
    fn body_of<'p>(&self, payload: &'p [u8]) -> Result<&'p [u8], McubootBuildError> {
        let header_len = usize::from(self.header_len);
        if header_len < HEADER_LEN {
            return Err(McubootBuildError::HeaderTooShort { found: self.header_len });
        }
        let body = match self.header_space {
            McubootHeaderSpace::Added => payload,
            McubootHeaderSpace::Reserved => {
                let reserved = payload.iter().take(header_len).take_while(|byte| **byte == 0).count();
                if reserved < header_len {
                    return Err(McubootBuildError::NotReserved {
                        expected: self.header_len,
                        found: reserved,
                    });
                }
                &payload[header_len..]
            }
        };
        if body.is_empty() { Err(McubootBuildError::EmptyPayload) } else { Ok(body) }
    }

    /// Makes the TLVs that the hash reaches, in imgtool's order.
    fn protected(&self) -> Result<Vec<u8>, McubootBuildError> {
        if self.dependencies.len() > MAX_DEPENDENCIES {
            return Err(McubootBuildError::TooManyDependencies { found: self.dependencies.len() });
        }
        let mut tlvs = Vec::with_capacity((TLV_HEADER_LEN + DEPENDENCY_LEN) * (1 + self.dependencies.len()));
        if let Some(counter) = self.security_counter {
            emit(McubootTlvKind::SECURITY_COUNTER, &counter.to_le_bytes(), &mut tlvs);
        }
        for dependency in self.dependencies {
            emit(McubootTlvKind::DEPENDENCY, &dependency.encode(), &mut tlvs);
        }
        Ok(tlvs)
    }
}

fn emit_area(magic: u16, tlvs: &[u8], into: &mut Vec<u8>) {
    let total = u16::try_from(AREA_HEADER_LEN + tlvs.len()).expect("the TLVs that are built are few");
    into.extend_from_slice(&magic.to_le_bytes());
    into.extend_from_slice(&total.to_le_bytes());
    into.extend_from_slice(tlvs);
}

/// Why no image could be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum McubootBuildError {
    /// There is nothing to run.
    #[error("the payload of the MCUboot image is empty")]
    EmptyPayload,
    /// The header has no room for its fields.
    #[error("MCUboot header size: expected at least {HEADER_LEN}, found {found}")]
    HeaderTooShort {
        /// What was asked for.
        found: u16,
    },
    /// The payload has no room for the header.
    #[error(
        "room for the MCUboot header at byte 0 of the payload: expected {expected} zero bytes, found {found}"
    )]
    NotReserved {
        /// How many bytes the header takes.
        expected: u16,
        /// How many zeros the payload begins with.
        found: usize,
    },
    /// The image would fit no OTA file.
    #[error(
        "payload of the MCUboot image: expected less than {MAX_FILE_LEN} bytes with header and signature, found {found}"
    )]
    TooLarge {
        /// How long the payload is.
        found: usize,
    },
    /// More dependencies than make sense.
    #[error("dependencies: expected at most {MAX_DEPENDENCIES}, found {found}")]
    TooManyDependencies {
        /// How many there are.
        found: usize,
    },
}

/// The most dependencies that are written: MCUboot knows up to 256 images and no board has 32, and so many
/// fit into [`MAX_TLVS`](super::tlv::MAX_TLVS) together with everything else.
const MAX_DEPENDENCIES: usize = 32;

/// No less than the bytes of the TLVs that are not protected: area, SHA-512, pure mark, key hash, signature.
const OUTSIDE_LEN_BOUND: usize = 256;
