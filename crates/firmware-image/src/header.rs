//! The header of a Zigbee OTA file: its layout, read strictly and written.
//! What follows the header is left to `ota_file`.
//!
//! ```text
//! 0  file identifier 0x0BEEF11E   10  manufacturer code   20  header string, 32 bytes
//! 4  header version 0x0100        12  image type          52  total image size
//! 6  header length                14  file version        56  [security credential version, 1]
//! 8  field control                18  stack version           [file destination, 8] [hardware min, max, 2 + 2]
//! ```
//!
//! All numbers are little-endian. Source: ZCL OTA Upgrade cluster, 11.4.2 (fact).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::identity::{
    Eui64, FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode,
};
use crate::ota_file::ParseError;
use crate::reader::Reader;

/// The header of a Zigbee OTA file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtaHeader {
    /// The version of the header's own format.
    pub header_version: u16,
    /// Whose device.
    pub manufacturer: ManufacturerCode,
    /// Which of the manufacturer's products.
    pub image_type: ImageType,
    /// Which release.
    pub file_version: FileVersion,
    /// The Zigbee stack the image brings: 0 2006, 1 2007, 2 PRO, 3 IP.
    pub stack_version: u16,
    /// Free text; need not end in NUL and need not be text.
    pub header_string: [u8; 32],
    /// The bytes of the file: header and every element.
    pub total_image_size: u32,
    /// The security credentials the image needs: 0 SE 1.0, 1 SE 1.1, 2 SE 2.0, 3 SE 1.2.
    pub credential_version: Option<u8>,
    /// The one device the file is for.
    pub destination: Option<Eui64>,
    /// The hardware the image runs on.
    pub hardware: Option<HardwareRange>,
}

impl OtaHeader {
    /// Returns what a device compares to decide whether the image is for it.
    pub fn identity(&self) -> ImageIdentity {
        ImageIdentity {
            manufacturer: self.manufacturer,
            image_type: self.image_type,
            file_version: self.file_version,
            hardware: self.hardware,
        }
    }

    /// Returns the header string up to its first NUL, with everything unprintable escaped.
    pub fn text(&self) -> String {
        let end = self.header_string.iter().position(|byte| *byte == 0).unwrap_or(HEADER_STRING_LEN);
        self.header_string[..end].escape_ascii().to_string()
    }

    /// Returns the length the header has with the optional fields it carries.
    pub(crate) fn encoded_len(&self) -> usize {
        expected_len(self.field_control())
    }

    /// Reads a header and refuses whatever this crate would not write itself.
    pub(crate) fn parse(bytes: &[u8]) -> Result<OtaHeader, ParseError> {
        let (header, frame) = OtaHeader::read(bytes)?;
        if frame.header_version != HEADER_VERSION {
            return Err(ParseError::Unexpected {
                field: "header version",
                offset: 4,
                expected: format!("0x{HEADER_VERSION:04X}"),
                found: format!("0x{:04X}", frame.header_version),
            });
        }
        if frame.field_control & !KNOWN_FIELDS != 0 {
            return Err(ParseError::Unexpected {
                field: "field control",
                offset: 8,
                expected: "no bit above bit 2".into(),
                found: format!("0x{:04X}", frame.field_control),
            });
        }
        let expected = expected_len(frame.field_control);
        if usize::from(frame.header_len) != expected {
            return Err(ParseError::Unexpected {
                field: "header length",
                offset: 6,
                expected: format!("{expected} for field control 0x{:04X}", frame.field_control),
                found: frame.header_len.to_string(),
            });
        }
        if let Some(range) = header.hardware.filter(HardwareRange::is_inverted) {
            return Err(ParseError::Unexpected {
                field: "hardware versions",
                offset: expected - 4,
                expected: "minimum not above maximum".into(),
                found: range.to_string(),
            });
        }
        Ok(header)
    }

    /// Reads the fields where they stand and judges none of them, apart from the file identifier.
    pub(crate) fn read(bytes: &[u8]) -> Result<(OtaHeader, HeaderFrame), ParseError> {
        let mut reader = Reader::new(bytes);
        let magic = reader.array::<4>("file identifier")?;
        if magic != MAGIC {
            return Err(ParseError::Unexpected {
                field: "file identifier",
                offset: 0,
                expected: "1e f1 ee 0b (a Zigbee OTA file)".into(),
                found: format!("{:02x} {:02x} {:02x} {:02x}", magic[0], magic[1], magic[2], magic[3]),
            });
        }
        let header_version = reader.u16("header version")?;
        let header_len = reader.u16("header length")?;
        let field_control = reader.u16("field control")?;
        let mut header = OtaHeader {
            header_version,
            manufacturer: ManufacturerCode(reader.u16("manufacturer code")?),
            image_type: ImageType(reader.u16("image type")?),
            file_version: FileVersion(reader.u32("file version")?),
            stack_version: reader.u16("stack version")?,
            header_string: reader.array("header string")?,
            total_image_size: reader.u32("total image size")?,
            credential_version: None,
            destination: None,
            hardware: None,
        };
        if field_control & HAS_CREDENTIAL_VERSION != 0 {
            header.credential_version = Some(reader.u8("security credential version")?);
        }
        if field_control & HAS_DESTINATION != 0 {
            let mut address = reader.array::<8>("upgrade file destination")?;
            address.reverse();
            header.destination = Some(Eui64::from_bytes(address));
        }
        if field_control & HAS_HARDWARE != 0 {
            let min = HardwareVersion(reader.u16("minimum hardware version")?);
            let max = HardwareVersion(reader.u16("maximum hardware version")?);
            header.hardware = Some(HardwareRange { min, max });
        }
        Ok((header, HeaderFrame { header_version, header_len, field_control }))
    }

    /// Appends the header's bytes.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let header_len = u16::try_from(self.encoded_len()).expect("a header is at most 69 bytes");
        out.extend_from_slice(&MAGIC);
        for number in [self.header_version, header_len, self.field_control()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.manufacturer.0.to_le_bytes());
        out.extend_from_slice(&self.image_type.0.to_le_bytes());
        out.extend_from_slice(&self.file_version.0.to_le_bytes());
        out.extend_from_slice(&self.stack_version.to_le_bytes());
        out.extend_from_slice(&self.header_string);
        out.extend_from_slice(&self.total_image_size.to_le_bytes());
        out.extend(self.credential_version);
        if let Some(destination) = self.destination {
            out.extend(destination.to_bytes().iter().rev());
        }
        if let Some(range) = self.hardware {
            out.extend_from_slice(&range.min.0.to_le_bytes());
            out.extend_from_slice(&range.max.0.to_le_bytes());
        }
    }

    fn field_control(&self) -> u16 {
        let bit = |present: bool, bit: u16| if present { bit } else { 0 };
        bit(self.credential_version.is_some(), HAS_CREDENTIAL_VERSION)
            | bit(self.destination.is_some(), HAS_DESTINATION)
            | bit(self.hardware.is_some(), HAS_HARDWARE)
    }
}

/// What a header says of its own shape.
pub(crate) struct HeaderFrame {
    pub header_version: u16,
    pub header_len: u16,
    pub field_control: u16,
}

/// Returns the header length that goes with a field control.
pub(crate) fn expected_len(field_control: u16) -> usize {
    let part = |bit: u16, len: usize| if field_control & bit != 0 { len } else { 0 };
    FIXED_HEADER_LEN + part(HAS_CREDENTIAL_VERSION, 1) + part(HAS_DESTINATION, 8) + part(HAS_HARDWARE, 4)
}

/// The file identifier 0x0BEEF11E as it stands in the file.
pub(crate) const MAGIC: [u8; 4] = [0x1e, 0xf1, 0xee, 0x0b];
/// The only header version there is.
pub(crate) const HEADER_VERSION: u16 = 0x0100;
/// Zigbee PRO, what every SEP 1.x device speaks.
pub(crate) const ZIGBEE_PRO: u16 = 2;
/// The header without optional fields.
pub(crate) const FIXED_HEADER_LEN: usize = 56;
/// The bytes of the header string.
pub(crate) const HEADER_STRING_LEN: usize = 32;
const HAS_CREDENTIAL_VERSION: u16 = 1 << 0;
const HAS_DESTINATION: u16 = 1 << 1;
const HAS_HARDWARE: u16 = 1 << 2;
/// The field control bits the cluster defines.
pub(crate) const KNOWN_FIELDS: u16 = HAS_CREDENTIAL_VERSION | HAS_DESTINATION | HAS_HARDWARE;
