//! A lenient look at any file: what can be read of it, and everything odd about it, by name.
//! Nothing is decided here except whether `OtaFile::parse` would take the file.

use alloc::vec::Vec;
use core::fmt;

use crate::element::{ELEMENT_HEADER_LEN, ElementTag};
use crate::header::{FIXED_HEADER_LEN, HEADER_VERSION, KNOWN_FIELDS, MAGIC, OtaHeader, expected_len};
use crate::identity::ImageIdentity;
use crate::oddity::{Container, Oddity};
use crate::ota_file::{MAX_ELEMENTS, MAX_FILE_LEN, element_header};

/// What was seen in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Who the image is for; `None` when no header could be read.
    pub identity: Option<ImageIdentity>,
    /// The header, its fields as they stand.
    pub header: Option<OtaHeader>,
    /// Where the OTA file begins; not 0 when other bytes come before it.
    pub start: usize,
    /// The elements that lie within the file.
    pub elements: Vec<ElementSummary>,
    /// Everything out of the ordinary, in the order it was met.
    pub oddities: Vec<Oddity>,
}

impl Inspection {
    /// Returns whether the file is one that this crate builds, signs and serves.
    pub fn is_sound(&self) -> bool {
        !self.oddities.iter().any(Oddity::is_refused)
    }
}

/// An element that was seen: what, where and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementSummary {
    /// What it is.
    pub tag: ElementTag,
    /// Where its tag begins, in bytes from the start of the inspected bytes.
    pub offset: usize,
    /// How many bytes its value has.
    pub len: usize,
}

impl fmt::Display for ElementSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "element {} at byte {}: {} bytes", self.tag, self.offset, self.len)
    }
}

/// Looks at any bytes, and names what is odd about them.
///
/// Never fails. Allocates by what is there, never by what a length field claims.
pub fn inspect(bytes: &[u8]) -> Inspection {
    let mut seen =
        Inspection { identity: None, header: None, start: 0, elements: Vec::new(), oddities: Vec::new() };
    if bytes.len() > MAX_FILE_LEN {
        seen.oddities.push(Oddity::TooLarge { real: bytes.len() });
    }
    let Some(start) = find_start(bytes) else {
        seen.oddities.push(Oddity::NotAnOtaFile);
        return seen;
    };
    seen.start = start;
    if start > 0 {
        let container = Container::recognise(&bytes[..start], bytes.len());
        seen.oddities.push(Oddity::BytesBeforeMagic { count: start, container });
    }
    let file = &bytes[start..];
    let Ok((header, frame)) = OtaHeader::read(file) else {
        seen.oddities.push(Oddity::HeaderCutShort { real: file.len() });
        return seen;
    };
    seen.identity = Some(header.identity());
    seen.header = Some(header);
    if frame.header_version != HEADER_VERSION {
        seen.oddities.push(Oddity::UnknownHeaderVersion { found: frame.header_version });
    }
    if frame.field_control & !KNOWN_FIELDS != 0 {
        seen.oddities.push(Oddity::UnknownFieldControl { found: frame.field_control });
    }
    let expected = expected_len(frame.field_control);
    if usize::from(frame.header_len) != expected {
        seen.oddities.push(Oddity::HeaderLength { claimed: frame.header_len, expected });
    }
    judge_fields(&header, &mut seen.oddities);
    let end = judge_size(&header, file.len(), &mut seen.oddities);
    // An unknown optional field may stand between the ones we know and the first element.
    let body = usize::from(frame.header_len).max(expected);
    walk(&file[..end], body, &mut seen);
    judge_elements(&mut seen);
    seen
}

/// Finds where an OTA file begins: at once, or soon and followed by a header that makes sense.
pub(crate) fn find_start(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(&MAGIC) {
        return Some(0);
    }
    let last = bytes.len().checked_sub(FIXED_HEADER_LEN)?.min(MAX_PREFIX_LEN);
    (1..=last).find(|start| {
        // Four bytes may stand in any firmware by chance, or because it reads OTA files itself.
        let candidate = &bytes[*start..];
        candidate.starts_with(&MAGIC) && OtaHeader::parse(candidate).is_ok()
    })
}

fn judge_fields(header: &OtaHeader, oddities: &mut Vec<Oddity>) {
    if let Some(range) = header.hardware.filter(|range| range.is_inverted()) {
        oddities.push(Oddity::HardwareRangeInverted { range });
    }
    let string = &header.header_string;
    let text_len = string.iter().position(|byte| *byte == 0);
    let (text, padding) = string.split_at(text_len.unwrap_or(string.len()));
    let printable = text.iter().all(|byte| (0x20..0x7f).contains(byte));
    if !printable || padding.iter().any(|byte| *byte != 0) {
        oddities.push(Oddity::HeaderStringJunk);
    } else if text_len.is_none() {
        oddities.push(Oddity::HeaderStringUnterminated);
    }
}

/// Compares the stated size with the real one and returns where to stop reading.
fn judge_size(header: &OtaHeader, real: usize, oddities: &mut Vec<Oddity>) -> usize {
    let claimed = header.total_image_size;
    let total = usize::try_from(claimed).unwrap_or(usize::MAX);
    if total > real {
        oddities.push(Oddity::TotalSizeBeyondEnd { claimed, real });
    } else if total < real {
        oddities.push(Oddity::Tail { offset: total, count: real - total });
    }
    total.min(real)
}

fn walk(file: &[u8], body: usize, seen: &mut Inspection) {
    let start = seen.start;
    let mut offset = body;
    if offset > file.len() {
        seen.oddities.push(Oddity::HeaderBeyondEnd { header_len: body, end: file.len() });
        return;
    }
    while offset < file.len() {
        let left = file.len() - offset;
        if seen.elements.len() == MAX_ELEMENTS {
            seen.oddities.push(Oddity::TooManyElements { offset: start + offset });
            return;
        }
        let Some((tag, claimed)) = element_header(&file[offset..]) else {
            seen.oddities.push(Oddity::StrayBytes { offset: start + offset, count: left });
            return;
        };
        let available = left - ELEMENT_HEADER_LEN;
        let len = usize::try_from(claimed).unwrap_or(usize::MAX);
        if len > available {
            let offset = start + offset;
            seen.oddities.push(Oddity::ElementBeyondEnd { tag, offset, claimed, available });
            return;
        }
        seen.elements.push(ElementSummary { tag, offset: start + offset, len });
        offset += ELEMENT_HEADER_LEN + len;
    }
}

fn judge_elements(seen: &mut Inspection) {
    let payloads: Vec<&ElementSummary> =
        seen.elements.iter().filter(|element| element.tag == ElementTag::UPGRADE_IMAGE).collect();
    match payloads[..] {
        [] => seen.oddities.push(Oddity::NoPayload),
        [only] if only.len == 0 => seen.oddities.push(Oddity::EmptyPayload { offset: only.offset }),
        [_] => {}
        [..] => seen.oddities.push(Oddity::SeveralPayloads { count: payloads.len() }),
    }
    if let Some(first) = seen.elements.first().filter(|first| first.tag != ElementTag::UPGRADE_IMAGE) {
        seen.oddities.push(Oddity::FirstElementNotPayload { tag: first.tag });
    }
    for element in &seen.elements {
        if element.tag.is_signature_or_hash() {
            seen.oddities.push(Oddity::UncheckedProtection { tag: element.tag, offset: element.offset });
        } else if !element.tag.is_registered() {
            seen.oddities.push(Oddity::UnregisteredTag { tag: element.tag, offset: element.offset });
        }
    }
}

/// How far into a file the magic is searched for, in bytes. The containers we know put it within the first
/// hundred; beyond some kilobytes it is a constant inside a firmware rather than a file inside a container.
const MAX_PREFIX_LEN: usize = 4_096;
