//! Is there an image? Notify, query, and the query for a device specific file (ZCL 11.13.3 to 11.13.5, 11.13.10).
//!
//! ```text
//! 00 notify          type u8 | jitter u8 | [manufacturer u16] | [image type u16] | [file version u32]
//! 01 query           field control u8 | key | [hardware version u16]         key: the running file version
//! 02 query response  status u8 | only if 00: key | image size u32
//! 08 device specific EUI-64 | key | stack version u16
//! 09 its response    as 02
//! ```

use super::ImageKey;
use crate::reader::{Reader, put_eui64};
use crate::{WireError, ZclStatus};

/// The server says that there may be a new image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageNotify {
    /// 1 to 100: how likely a client that hears it by broadcast is to query. A client ignores values above.
    pub query_jitter: u8,
    /// Whom it concerns.
    pub scope: NotifyScope,
}

/// Whom an [`ImageNotify`] concerns: its payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotifyScope {
    /// Type 0: everybody.
    Everybody,
    /// Type 1.
    Manufacturer {
        /// Manufacturer code.
        manufacturer: u16,
    },
    /// Type 2.
    ImageType {
        /// Manufacturer code.
        manufacturer: u16,
        /// Image type.
        image_type: u16,
    },
    /// Type 3: with the version that is on offer.
    Image(ImageKey),
    /// A type of later days; clients ignore it.
    Reserved(u8),
}

impl ImageNotify {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<ImageNotify, WireError> {
        let payload_type = reader.u8("payload type")?;
        let query_jitter = reader.u8("query jitter")?;
        let scope = match payload_type {
            0 => NotifyScope::Everybody,
            1 => NotifyScope::Manufacturer { manufacturer: reader.u16_le("manufacturer code")? },
            2 => NotifyScope::ImageType {
                manufacturer: reader.u16_le("manufacturer code")?,
                image_type: reader.u16_le("image type")?,
            },
            3 => NotifyScope::Image(ImageKey::parse(reader)?),
            reserved => NotifyScope::Reserved(reserved),
        };
        Ok(ImageNotify { query_jitter, scope })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let payload_type = match self.scope {
            NotifyScope::Everybody => 0,
            NotifyScope::Manufacturer { .. } => 1,
            NotifyScope::ImageType { .. } => 2,
            NotifyScope::Image(_) => 3,
            NotifyScope::Reserved(payload_type) => payload_type,
        };
        out.extend_from_slice(&[payload_type, self.query_jitter]);
        match self.scope {
            NotifyScope::Everybody | NotifyScope::Reserved(_) => {}
            NotifyScope::Manufacturer { manufacturer } => out.extend_from_slice(&manufacturer.to_le_bytes()),
            NotifyScope::ImageType { manufacturer, image_type } => {
                out.extend_from_slice(&manufacturer.to_le_bytes());
                out.extend_from_slice(&image_type.to_le_bytes());
            }
            NotifyScope::Image(key) => key.emit(out),
        }
    }
}

/// A client asks for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryNextImageRequest {
    /// Its manufacturer and type; the file version is the one it runs.
    pub key: ImageKey,
    /// Its hardware version, if it says so.
    pub hardware_version: Option<u16>,
}

impl QueryNextImageRequest {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<QueryNextImageRequest, WireError> {
        let field_control = reader.u8("field control")?;
        let key = ImageKey::parse(reader)?;
        let hardware_version = match field_control & 1 {
            0 => None,
            _ => Some(reader.u16_le("hardware version")?),
        };
        Ok(QueryNextImageRequest { key, hardware_version })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.hardware_version.is_some().into());
        self.key.emit(out);
        if let Some(hardware_version) = self.hardware_version {
            out.extend_from_slice(&hardware_version.to_le_bytes());
        }
    }
}

/// The server answers either query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryNextImageResponse {
    /// There is one.
    Success {
        /// Which.
        key: ImageKey,
        /// How long it is: the file's total image size, in bytes.
        image_size: u32,
    },
    /// There is none, and why: [`ZclStatus::NoImageAvailable`] or [`ZclStatus::NotAuthorized`] as a rule,
    /// never success.
    Other(ZclStatus),
}

impl QueryNextImageResponse {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<QueryNextImageResponse, WireError> {
        Ok(match ZclStatus::from_byte(reader.u8("status")?) {
            ZclStatus::Success => QueryNextImageResponse::Success {
                key: ImageKey::parse(reader)?,
                image_size: reader.u32_le("image size")?,
            },
            status => QueryNextImageResponse::Other(status),
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            QueryNextImageResponse::Success { key, image_size } => {
                out.push(ZclStatus::Success.to_byte());
                key.emit(out);
                out.extend_from_slice(&image_size.to_le_bytes());
            }
            QueryNextImageResponse::Other(status) => out.push(status.to_byte()),
        }
    }
}

/// A client asks for a file made for it alone: credentials, configuration, logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryDeviceSpecificFileRequest {
    /// The client's EUI-64.
    pub requester: [u8; 8],
    /// Manufacturer, a type in 0xffc0..=0xfffe, version.
    pub key: ImageKey,
    /// The Zigbee stack it runs; 2 = PRO.
    pub stack_version: u16,
}

impl QueryDeviceSpecificFileRequest {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<QueryDeviceSpecificFileRequest, WireError> {
        Ok(QueryDeviceSpecificFileRequest {
            requester: reader.eui64("requester EUI-64")?,
            key: ImageKey::parse(reader)?,
            stack_version: reader.u16_le("stack version")?,
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        put_eui64(self.requester, out);
        self.key.emit(out);
        out.extend_from_slice(&self.stack_version.to_le_bytes());
    }
}
