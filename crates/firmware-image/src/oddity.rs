//! The oddities of real OTA files, each with its name, what it means, and whether it is refused.
//! The list was counted over 1,348 public images of 53 manufacturers; finding them is left to `inspect`.

use crate::element::ElementTag;
use crate::header::HEADER_VERSION;
use crate::identity::HardwareRange;
use crate::ota_file::{MAX_ELEMENTS, MAX_FILE_LEN};

/// Something out of the ordinary in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Oddity {
    /// No OTA header anywhere near the start.
    #[error("no Zigbee OTA file: the identifier 1e f1 ee 0b is missing")]
    NotAnOtaFile,
    /// More bytes than the order interface takes.
    #[error("{real} bytes, more than the {MAX_FILE_LEN} that can be ordered")]
    TooLarge {
        /// How long the file is.
        real: usize,
    },
    /// Something stands before the OTA file.
    #[error("{count} bytes before the file identifier: {container}")]
    BytesBeforeMagic {
        /// How many bytes.
        count: usize,
        /// What they look like.
        container: Container,
    },
    /// The file ends inside its header.
    #[error("the file ends inside its header, after {real} bytes")]
    HeaderCutShort {
        /// How many bytes there are.
        real: usize,
    },
    /// A header version nobody has defined.
    #[error("header version 0x{found:04X} instead of 0x{HEADER_VERSION:04X}")]
    UnknownHeaderVersion {
        /// What it says.
        found: u16,
    },
    /// Optional header fields nobody has defined.
    #[error("field control 0x{found:04X} announces header fields nobody has defined")]
    UnknownFieldControl {
        /// What it says.
        found: u16,
    },
    /// The header length does not go with the optional fields.
    #[error("header length {claimed} where the optional fields make {expected}")]
    HeaderLength {
        /// What the header says.
        claimed: u16,
        /// What its fields add up to.
        expected: usize,
    },
    /// The header, by its own length, leaves the file.
    #[error("a header of {header_len} bytes does not fit the {end} bytes of the file")]
    HeaderBeyondEnd {
        /// How long the header would be.
        header_len: usize,
        /// Where the file ends.
        end: usize,
    },
    /// The hardware range names no hardware.
    #[error("hardware range {range} has its ends the wrong way round")]
    HardwareRangeInverted {
        /// The range.
        range: HardwareRange,
    },
    /// The header string fills its 32 bytes; only a reader of C strings would mind.
    #[error("the header string fills all its 32 bytes, without a NUL")]
    HeaderStringUnterminated,
    /// The header string is not text.
    #[error("the header string holds bytes that are no text")]
    HeaderStringJunk,
    /// The file is cut short.
    #[error("total image size {claimed} is larger than the file's {real} bytes: it is cut short")]
    TotalSizeBeyondEnd {
        /// What the header says.
        claimed: u32,
        /// How many bytes there are.
        real: usize,
    },
    /// Something stands after the OTA file.
    #[error("{count} bytes after the end that total image size states ({offset})")]
    Tail {
        /// Where the file should end, in bytes from its identifier.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
    /// An element reaches past the end, or the body is no list of elements at all.
    #[error("element {tag} at byte {offset} claims {claimed} bytes where {available} are left")]
    ElementBeyondEnd {
        /// Which element.
        tag: ElementTag,
        /// Where its tag begins.
        offset: usize,
        /// What it says.
        claimed: u32,
        /// What is left.
        available: usize,
    },
    /// A few bytes after the last element.
    #[error("{count} stray bytes after the last element, at byte {offset}")]
    StrayBytes {
        /// Where they begin.
        offset: usize,
        /// How many.
        count: usize,
    },
    /// More elements than are read.
    #[error("more than {MAX_ELEMENTS} elements; not read from byte {offset} on")]
    TooManyElements {
        /// Where reading stopped.
        offset: usize,
    },
    /// No element holds the firmware.
    #[error("no element 0x0000 (upgrade image)")]
    NoPayload,
    /// The firmware is empty.
    #[error("the upgrade image at byte {offset} is empty")]
    EmptyPayload {
        /// Where the element begins.
        offset: usize,
    },
    /// Several elements claim to be the firmware.
    #[error("{count} elements 0x0000 (upgrade image), and nothing says which one counts")]
    SeveralPayloads {
        /// How many.
        count: usize,
    },
    /// The firmware is not the first element; careless readers take the first for it.
    #[error("the first element is {tag}, not the upgrade image")]
    FirstElementNotPayload {
        /// What is first.
        tag: ElementTag,
    },
    /// A hash or signature that this crate reads over.
    #[error("element {tag} at byte {offset} is carried along and not checked")]
    UncheckedProtection {
        /// Which one.
        tag: ElementTag,
        /// Where its tag begins.
        offset: usize,
    },
    /// A tag neither the cluster nor a vendor may use.
    #[error("element {tag} at byte {offset} has a tag outside the standard's and the vendors' ranges")]
    UnregisteredTag {
        /// Which one.
        tag: ElementTag,
        /// Where its tag begins.
        offset: usize,
    },
}

impl Oddity {
    /// Returns whether a file with this oddity is refused; the others are worth knowing and do no harm.
    pub fn is_refused(&self) -> bool {
        match self {
            Oddity::HeaderStringUnterminated
            | Oddity::HeaderStringJunk
            | Oddity::FirstElementNotPayload { .. }
            | Oddity::UncheckedProtection { .. }
            | Oddity::UnregisteredTag { .. } => false,
            Oddity::NotAnOtaFile
            | Oddity::TooLarge { .. }
            | Oddity::BytesBeforeMagic { .. }
            | Oddity::HeaderCutShort { .. }
            | Oddity::UnknownHeaderVersion { .. }
            | Oddity::UnknownFieldControl { .. }
            | Oddity::HeaderLength { .. }
            | Oddity::HeaderBeyondEnd { .. }
            | Oddity::HardwareRangeInverted { .. }
            | Oddity::TotalSizeBeyondEnd { .. }
            | Oddity::Tail { .. }
            | Oddity::ElementBeyondEnd { .. }
            | Oddity::StrayBytes { .. }
            | Oddity::TooManyElements { .. }
            | Oddity::NoPayload
            | Oddity::EmptyPayload { .. }
            | Oddity::SeveralPayloads { .. } => true,
        }
    }
}

/// What the bytes before an OTA file look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Container {
    /// The container of IKEA's files, which begins with `NGIS`.
    #[error("an IKEA container")]
    Ikea,
    /// A length that counts what follows, as Legrand's files begin.
    #[error("a length prefix")]
    LengthPrefix,
    /// Nothing known.
    #[error("of an unknown kind")]
    Unknown,
}

impl Container {
    /// Recognises a container by its first bytes. A length may be written either way round and may or may
    /// not count itself (assumption: we have no description of that prefix).
    pub(crate) fn recognise(prefix: &[u8], total: usize) -> Container {
        if prefix.starts_with(b"NGIS") {
            return Container::Ikea;
        }
        let Ok(bytes) = <[u8; 4]>::try_from(prefix) else {
            return Container::Unknown;
        };
        let counts = |number: u32| usize::try_from(number).is_ok_and(|len| len == total || len + 4 == total);
        if counts(u32::from_le_bytes(bytes)) || counts(u32::from_be_bytes(bytes)) {
            Container::LengthPrefix
        } else {
            Container::Unknown
        }
    }
}
