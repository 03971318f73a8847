//! What every OTA command calls an image by.
//!
//! `manufacturer u16 | image type u16 | file version u32`, little-endian.

use crate::WireError;
use crate::reader::Reader;

/// Manufacturer, image type and file version (ZCL 11.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageKey {
    /// Manufacturer code; 0xffff = any.
    pub manufacturer: u16,
    /// Image type; 0xffff = any.
    pub image_type: u16,
    /// File version; 0xffff_ffff = any.
    pub file_version: u32,
}

impl ImageKey {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<ImageKey, WireError> {
        Ok(ImageKey {
            manufacturer: reader.u16_le("manufacturer code")?,
            image_type: reader.u16_le("image type")?,
            file_version: reader.u32_le("file version")?,
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.manufacturer.to_le_bytes());
        out.extend_from_slice(&self.image_type.to_le_bytes());
        out.extend_from_slice(&self.file_version.to_le_bytes());
    }
}
