//! Takes in any vendor's firmware file and makes a sound, unsigned OTA file of it.
//!
//! | what comes | what is made of it |
//! |---|---|
//! | a sound OTA file, signed or not | itself |
//! | a sound OTA file inside other bytes | the file inside |
//! | an OTA file with an odd body | a new file: same header, payload = everything after the header |
//! | an OTA file that is cut short, or whose header is not sound | an error |
//! | anything else | a new file: the caller's identity, payload = every byte |
//!
//! The rules are ours. They only have to give every device the bytes its vendor meant it to run.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::element::ElementTag;
use crate::header::OtaHeader;
use crate::identity::ImageIdentity;
use crate::inspect::{find_start, inspect};
use crate::oddity::Oddity;
use crate::ota_file::{BuildError, MAX_FILE_LEN, OtaFile, ParseError};

/// What had to be done to a file to make it sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Nothing.
    Kept,
    /// It was an OTA file, and was freed of what made it odd.
    Rewrapped {
        /// Everything odd that was seen in it.
        oddities: Vec<Oddity>,
    },
    /// It was no OTA file, and became the payload of one.
    Wrapped,
}

/// Makes a sound file of a vendor's file. `fallback` names a file that has no OTA header to name it.
pub fn adopt(bytes: Bytes, fallback: ImageIdentity) -> Result<(OtaFile, Adoption), AdoptError> {
    if bytes.is_empty() {
        return Err(AdoptError::Empty);
    }
    if bytes.len() > MAX_FILE_LEN {
        return Err(AdoptError::TooLarge { real: bytes.len() });
    }
    if let Ok(file) = OtaFile::parse(bytes.clone()) {
        return Ok((file, Adoption::Kept));
    }
    let Some(start) = find_start(&bytes) else {
        let file = OtaFile::build(&fallback, WRAPPED_HEADER_TEXT, &bytes)?;
        return Ok((file, Adoption::Wrapped));
    };
    let oddities = inspect(&bytes).oddities;
    let inner = claimed_bytes(bytes.slice(start..))?;
    let file = match OtaFile::parse(inner.clone()) {
        Ok(file) => file,
        Err(_) => rewrap(&inner)?,
    };
    Ok((file, Adoption::Rewrapped { oddities }))
}

/// Cuts off what follows the size the header states, and refuses a file that is shorter.
fn claimed_bytes(file: Bytes) -> Result<Bytes, AdoptError> {
    let header = OtaHeader::parse(&file).map_err(AdoptError::Header)?;
    let claimed = header.total_image_size;
    match usize::try_from(claimed) {
        Ok(total) if total <= file.len() => Ok(file.slice(..total)),
        _ => Err(AdoptError::CutShort { claimed, real: file.len() }),
    }
}

/// Makes everything after the header the payload, because nobody can say which part of it is meant.
fn rewrap(inner: &[u8]) -> Result<OtaFile, AdoptError> {
    let header = OtaHeader::parse(inner).map_err(AdoptError::Header)?;
    let body = inner.get(header.encoded_len()..).unwrap_or_default();
    if body.is_empty() {
        return Err(AdoptError::NoBody);
    }
    Ok(OtaFile::assemble(header, &[(ElementTag::UPGRADE_IMAGE, body)])?)
}

/// Why nothing sound can be made of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file is larger than anything the order interface takes.
    #[error("file length: expected at most {MAX_FILE_LEN} bytes, found {real}")]
    TooLarge {
        /// How long it is.
        real: usize,
    },
    /// Bytes are missing at the end; what is left must not reach a device.
    #[error("the file is cut short: its header claims {claimed} bytes, it has {real}")]
    CutShort {
        /// What the header says.
        claimed: u32,
        /// How many bytes there are, from the OTA header on.
        real: usize,
    },
    /// It calls itself an OTA file and its header cannot be relied upon.
    #[error(transparent)]
    Header(ParseError),
    /// It is an OTA header and nothing more.
    #[error("nothing follows the header of the file")]
    NoBody,
    /// The sound file could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// The header text of a file that had none of its own.
const WRAPPED_HEADER_TEXT: &str = "wrapped by lamplighter";
