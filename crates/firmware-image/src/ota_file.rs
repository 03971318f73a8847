//! A sound Zigbee OTA file: read strictly, or built. What is odd in other people's files is left to
//! `inspect` and `adopt`, who signed it to `signed_image`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use bytes::Bytes;

use crate::digest::{FileDigest, ImageDigest};
use crate::element::{ELEMENT_HEADER_LEN, Element, ElementTag};
use crate::header::{HEADER_STRING_LEN, HEADER_VERSION, OtaHeader, ZIGBEE_PRO};
use crate::identity::ImageIdentity;

/// A file that every reader reads alike: one header, elements without a gap, exactly one payload, no byte
/// before or after.
///
/// Keeps the bytes it was made from; a clone shares them.
#[derive(Clone)]
pub struct OtaFile {
    bytes: Bytes,
    header: OtaHeader,
    places: Arc<[Place]>,
    payload: Range<usize>,
}

impl OtaFile {
    /// Reads a file and refuses every oddity.
    pub fn parse(bytes: Bytes) -> Result<OtaFile, ParseError> {
        let real = bytes.len();
        if real > MAX_FILE_LEN {
            return Err(ParseError::TooLarge { real });
        }
        let header = OtaHeader::parse(&bytes)?;
        let claimed = header.total_image_size;
        // A claim that does not fit is larger than any file.
        let total = usize::try_from(claimed).unwrap_or(usize::MAX);
        if total > real {
            return Err(ParseError::TotalSizeBeyondEnd { claimed, real });
        }
        if total < real {
            return Err(ParseError::Tail { offset: total, count: real - total });
        }
        let places = walk(&bytes, header.encoded_len())?;
        let payload = find_payload(&places)?;
        Ok(OtaFile { bytes, header, places: places.into(), payload })
    }

    /// Builds a file with one element, the payload.
    pub fn build(identity: &ImageIdentity, header_text: &str, payload: &[u8]) -> Result<OtaFile, BuildError> {
        if header_text.len() > HEADER_STRING_LEN {
            return Err(BuildError::HeaderTextTooLong { found: header_text.len() });
        }
        let mut header_string = [0; HEADER_STRING_LEN];
        header_string[..header_text.len()].copy_from_slice(header_text.as_bytes());
        let header = OtaHeader {
            header_version: HEADER_VERSION,
            manufacturer: identity.manufacturer,
            image_type: identity.image_type,
            file_version: identity.file_version,
            stack_version: ZIGBEE_PRO,
            header_string,
            total_image_size: 0,
            credential_version: None,
            destination: None,
            hardware: identity.hardware,
        };
        OtaFile::assemble(header, &[(ElementTag::UPGRADE_IMAGE, payload)])
    }

    /// Builds a file from a header, whose size is filled in, and elements that hold exactly one payload.
    pub(crate) fn assemble(
        mut header: OtaHeader,
        elements: &[(ElementTag, &[u8])],
    ) -> Result<OtaFile, BuildError> {
        if header.hardware.is_some_and(|range| range.is_inverted()) {
            return Err(BuildError::HardwareRangeInverted);
        }
        let payload_empty =
            |(tag, value): &(ElementTag, &[u8])| *tag == ElementTag::UPGRADE_IMAGE && value.is_empty();
        if elements.iter().any(payload_empty) {
            return Err(BuildError::EmptyPayload);
        }
        if elements.len() > MAX_ELEMENTS {
            return Err(BuildError::TooManyElements);
        }
        let body: usize = elements.iter().map(|(_, value)| ELEMENT_HEADER_LEN + value.len()).sum();
        let total = header.encoded_len() + body;
        if total > MAX_FILE_LEN {
            return Err(BuildError::TooLarge { found: total });
        }
        header.total_image_size = u32::try_from(total).expect("the largest file fits 32 bits");
        let mut bytes = Vec::with_capacity(total);
        header.emit(&mut bytes);
        for (tag, value) in elements {
            let len = u32::try_from(value.len()).expect("an element is smaller than the largest file");
            bytes.extend_from_slice(&tag.0.to_le_bytes());
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Ok(OtaFile::parse(bytes.into()).expect("what this crate assembles is sound"))
    }

    /// Returns the header.
    pub fn header(&self) -> &OtaHeader {
        &self.header
    }

    /// Returns the header's bytes as they travel.
    pub fn header_bytes(&self) -> &[u8] {
        &self.bytes[..self.header.encoded_len()]
    }

    /// Returns who the image is for and which one it is.
    pub fn identity(&self) -> ImageIdentity {
        self.header.identity()
    }

    /// Returns the payload: what a device runs.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload.clone()]
    }

    /// Returns the elements in the order of the file.
    pub fn elements(&self) -> impl ExactSizeIterator<Item = Element<'_>> + DoubleEndedIterator {
        self.places.iter().map(|place| Element {
            tag: place.tag,
            offset: place.value.start - ELEMENT_HEADER_LEN,
            value: &self.bytes[place.value.clone()],
        })
    }

    /// Returns the whole file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Computes the digest of the whole file.
    pub fn file_digest(&self) -> FileDigest {
        FileDigest::of(&self.bytes)
    }

    /// Computes the digest of the payload.
    pub fn image_digest(&self) -> ImageDigest {
        ImageDigest::of(self.payload())
    }
}

impl PartialEq for OtaFile {
    fn eq(&self, other: &OtaFile) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for OtaFile {}

impl fmt::Debug for OtaFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the payload: an image is hundreds of kilobytes.
        let elements: Vec<_> = self.elements().collect();
        let mut debug = formatter.debug_struct("OtaFile");
        debug.field("header", &self.header).field("elements", &elements).finish()
    }
}

/// Where an element's value stands.
#[derive(Clone, Debug)]
struct Place {
    tag: ElementTag,
    value: Range<usize>,
}

/// Reads element after element until the last byte of the file.
fn walk(bytes: &[u8], start: usize) -> Result<Vec<Place>, ParseError> {
    let mut places = Vec::new();
    let mut offset = start;
    while offset < bytes.len() {
        if places.len() == MAX_ELEMENTS {
            return Err(ParseError::TooManyElements { offset });
        }
        let (tag, claimed) = element_header(&bytes[offset..])
            .ok_or(ParseError::StrayBytes { offset, count: bytes.len() - offset })?;
        let value_start = offset + ELEMENT_HEADER_LEN;
        let available = bytes.len() - value_start;
        let len = usize::try_from(claimed).unwrap_or(usize::MAX);
        if len > available {
            return Err(ParseError::ElementBeyondEnd { tag, offset, claimed, available });
        }
        places.push(Place { tag, value: value_start..value_start + len });
        offset = value_start + len;
    }
    Ok(places)
}

/// Reads tag and claimed length, if that many bytes are left.
pub(crate) fn element_header(bytes: &[u8]) -> Option<(ElementTag, u32)> {
    let (head, _) = bytes.split_first_chunk::<ELEMENT_HEADER_LEN>()?;
    let [tag_low, tag_high, len @ ..] = *head;
    Some((ElementTag(u16::from_le_bytes([tag_low, tag_high])), u32::from_le_bytes(len)))
}

fn find_payload(places: &[Place]) -> Result<Range<usize>, ParseError> {
    let mut payloads = places.iter().filter(|place| place.tag == ElementTag::UPGRADE_IMAGE);
    let first = payloads.next().ok_or(ParseError::NoPayload)?;
    let offset_of = |place: &Place| place.value.start - ELEMENT_HEADER_LEN;
    if let Some(second) = payloads.next() {
        return Err(ParseError::SecondPayload { first: offset_of(first), second: offset_of(second) });
    }
    if first.value.is_empty() {
        return Err(ParseError::EmptyPayload { offset: offset_of(first) });
    }
    Ok(first.value.clone())
}

/// Why a file is not sound: which field, at which byte of the file, what was expected, what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The file ends inside a field of the header.
    #[error("{field} at byte {offset}: expected {expected} bytes, found the end of the file after {found}")]
    Truncated {
        /// The field that is not whole.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// How many bytes it has.
        expected: usize,
        /// How many were left.
        found: usize,
    },
    /// A field of the header holds something else.
    #[error("{field} at byte {offset}: expected {expected}, found {found}")]
    Unexpected {
        /// The field.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// The file is larger than anything the order interface takes.
    #[error("file length: expected at most {MAX_FILE_LEN} bytes, found {real}")]
    TooLarge {
        /// How long it is.
        real: usize,
    },
    /// The header claims more bytes than there are: the file is cut short.
    #[error(
        "total image size at byte 52: expected the file's {real} bytes, found {claimed}: the file is cut short"
    )]
    TotalSizeBeyondEnd {
        /// What the header says.
        claimed: u32,
        /// How long the file is.
        real: usize,
    },
    /// Bytes follow the end that the header states.
    #[error("end of file at byte {offset}: expected nothing more, found {count} more bytes")]
    Tail {
        /// Where the file should end.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
    /// An element claims more bytes than there are.
    #[error("length of element {tag} at byte {offset}: expected at most {available}, found {claimed}")]
    ElementBeyondEnd {
        /// Which element.
        tag: ElementTag,
        /// Where its tag begins.
        offset: usize,
        /// How long it says it is.
        claimed: u32,
        /// How many bytes follow its header.
        available: usize,
    },
    /// The last bytes are too few to be an element.
    #[error(
        "element at byte {offset}: expected {ELEMENT_HEADER_LEN} bytes of tag and length, found {count} stray bytes"
    )]
    StrayBytes {
        /// Where they begin.
        offset: usize,
        /// How many.
        count: usize,
    },
    /// More elements than any real file has.
    #[error("element at byte {offset}: expected at most {MAX_ELEMENTS} elements, found one more")]
    TooManyElements {
        /// Where the first one too many begins.
        offset: usize,
    },
    /// No element 0x0000.
    #[error("elements: expected one with tag 0x0000 (upgrade image), found none")]
    NoPayload,
    /// Two elements 0x0000, and nobody says which one counts.
    #[error(
        "element at byte {second}: expected one upgrade image in all, found a second after that at byte {first}"
    )]
    SecondPayload {
        /// Where the first begins.
        first: usize,
        /// Where the second begins.
        second: usize,
    },
    /// The payload has no bytes.
    #[error("length of upgrade image at byte {offset}: expected at least 1, found 0")]
    EmptyPayload {
        /// Where the element begins.
        offset: usize,
    },
}

/// Why a file could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There is nothing to install.
    #[error("the payload is empty")]
    EmptyPayload,
    /// The text does not fit its field.
    #[error("header text: expected at most {HEADER_STRING_LEN} bytes, found {found}")]
    HeaderTextTooLong {
        /// How long it is.
        found: usize,
    },
    /// The range has its ends the wrong way round.
    #[error("hardware range: the minimum is above the maximum")]
    HardwareRangeInverted,
    /// The file would be larger than anything the order interface takes.
    #[error("file length: expected at most {MAX_FILE_LEN} bytes, found {found}")]
    TooLarge {
        /// How long it would be.
        found: usize,
    },
    /// The file would have more elements than it could be read with.
    #[error("elements: expected at most {MAX_ELEMENTS}")]
    TooManyElements,
}

/// The largest file, in bytes: what a DCC User Interface service request takes (DUIS, fact).
///
/// Also what bounds every allocation in this crate.
pub const MAX_FILE_LEN: usize = 10_240_000;

/// The most elements a file may have. The richest public image has 175; this is six times as many.
pub(crate) const MAX_ELEMENTS: usize = 1_024;
