//! MCUboot images, the payloads that many boot loaders ask for: recognised, read strictly, verified, built.
//! Who is to be believed is left to the caller, and the OTA file around the payload to `ota_file`.
//!
//! ```text
//! ┌───────────┬─────────┬─────────┬─────────────────────┬──────────────────────────────────────────┐
//! │ header    │ padding │ image   │ protected TLVs      │ TLVs                                     │
//! │ 32 bytes, │ to the  │         │ 0x6908, counter,    │ 0x6907, hash, pure mark, key, signature  │
//! │ 0x96F3B83D│ header  │         │ dependencies, ...   │                                          │
//! │           │ size    │         │ may be absent       │                                          │
//! └───────────┴─────────┴─────────┴─────────────────────┴──────────────────────────────────────────┘
//! └────────────── hashed; signed itself if pure ────────┘
//! ```
//!
//! All fields are little-endian. A signature is over the hash, or, with the pure mark, over the hashed bytes
//! themselves. Layout and order are those of imgtool 2.5.0; what MCUboot 2.4 accepts and imgtool never writes
//! is refused wherever two readers could understand it differently.

mod build;
mod error;
mod hash;
mod header;
mod image;
mod tlv;
mod verify;

use core::fmt;

pub use build::{McubootBuildError, McubootHeaderSpace, McubootRecipe, McubootSigning};
pub use error::McubootParseError;
pub use hash::{McubootHash, McubootHashKind, McubootKeyHash};
pub use header::{McubootFlags, McubootHeader, McubootVersion};
pub use image::{McubootDependency, McubootImage, McubootKey, McubootSignature};
pub use tlv::{McubootTlv, McubootTlvKind, McubootTlvs};
pub use verify::{McubootVerifyError, VerifiedMcuboot};

/// What the bytes of a payload are, as far as their beginning tells. The numbers are those of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadFormat {
    /// Bytes that this crate does not look into.
    Raw = 0,
    /// An image with an MCUboot header. Whether it is a sound one, [`McubootImage::parse`] says.
    Mcuboot = 1,
}

impl PayloadFormat {
    /// Recognises a payload by its first four bytes, also those of a big-endian image: it is refused by name
    /// later, instead of being carried as something raw.
    pub fn of(payload: &[u8]) -> PayloadFormat {
        match payload.first_chunk() {
            Some(magic) if *magic == header::MAGIC.to_le_bytes() => PayloadFormat::Mcuboot,
            Some(magic) if *magic == header::MAGIC.to_be_bytes() => PayloadFormat::Mcuboot,
            _ => PayloadFormat::Raw,
        }
    }

    /// Returns whether a payload is of this kind, and a sound one where that can be told without hashing it.
    pub(crate) fn holds(self, payload: &[u8]) -> bool {
        PayloadFormat::of(payload) == self
            && (self == PayloadFormat::Raw || McubootImage::parse(payload).is_ok())
    }
}

impl fmt::Display for PayloadFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            PayloadFormat::Raw => "raw",
            PayloadFormat::Mcuboot => "MCUboot",
        })
    }
}
