//! Fetching an image: block and page requests and the blocks (ZCL 11.13.6 to 11.13.8).
//!
//! ```text
//! 03 block request   field control u8 | key | offset u32 | maximum u8 | [EUI-64] | [period u16]
//! 04 page request    field control u8 | key | offset u32 | maximum u8 | page u16 | spacing u16 | [EUI-64]
//! 05 block response  00 | key | offset u32 | size u8 | data
//!                    97 | current time u32 | request time u32 | [period u16]
//!                    95, or any other status
//! field control: bit 0 = EUI-64 present, bit 1 = minimum block period present
//! ```
//!
//! A HAN carries one of these every 100 ms at best, but a simulator of a million meters carries them by the
//! ten million: nothing here allocates.

use super::ImageKey;
use crate::reader::{Reader, put_eui64};
use crate::{WireError, ZclStatus};

const REQUESTER_PRESENT: u8 = 1;
const PERIOD_PRESENT: u8 = 2;

/// A client asks for one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageBlockRequest {
    /// Of which image.
    pub key: ImageKey,
    /// From which byte of the file.
    pub offset: u32,
    /// How many bytes at the most; a server may send fewer.
    pub maximum_data_size: u8,
    /// The client's EUI-64, if it says so.
    pub requester: Option<[u8; 8]>,
    /// The pace it keeps, if it says so: no two requests closer than this. A server that wants another answers
    /// with [`ImageBlockResponse::WaitForData`].
    pub minimum_block_period_ms: Option<u16>,
}

impl ImageBlockRequest {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<ImageBlockRequest, WireError> {
        let field_control = reader.u8("field control")?;
        let key = ImageKey::parse(reader)?;
        let offset = reader.u32_le("file offset")?;
        let maximum_data_size = reader.u8("maximum data size")?;
        let requester = parse_requester(reader, field_control)?;
        let minimum_block_period_ms = match field_control & PERIOD_PRESENT {
            0 => None,
            _ => Some(reader.u16_le("minimum block period")?),
        };
        Ok(ImageBlockRequest { key, offset, maximum_data_size, requester, minimum_block_period_ms })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let mut field_control = 0;
        if self.requester.is_some() {
            field_control |= REQUESTER_PRESENT;
        }
        if self.minimum_block_period_ms.is_some() {
            field_control |= PERIOD_PRESENT;
        }
        out.push(field_control);
        self.key.emit(out);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.push(self.maximum_data_size);
        if let Some(requester) = self.requester {
            put_eui64(requester, out);
        }
        if let Some(period_ms) = self.minimum_block_period_ms {
            out.extend_from_slice(&period_ms.to_le_bytes());
        }
    }
}

/// A client asks for many blocks at once. They are known by their offsets, not by the transaction number:
/// some servers repeat the request's, some count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImagePageRequest {
    /// Of which image.
    pub key: ImageKey,
    /// From which byte of the file.
    pub offset: u32,
    /// How many bytes a block at the most.
    pub maximum_data_size: u8,
    /// How many bytes in all.
    pub page_size: u16,
    /// How long the server waits between two blocks.
    pub response_spacing_ms: u16,
    /// The client's EUI-64, if it says so.
    pub requester: Option<[u8; 8]>,
}

impl ImagePageRequest {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<ImagePageRequest, WireError> {
        let field_control = reader.u8("field control")?;
        Ok(ImagePageRequest {
            key: ImageKey::parse(reader)?,
            offset: reader.u32_le("file offset")?,
            maximum_data_size: reader.u8("maximum data size")?,
            page_size: reader.u16_le("page size")?,
            response_spacing_ms: reader.u16_le("response spacing")?,
            requester: parse_requester(reader, field_control)?,
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.requester.map_or(0, |_| REQUESTER_PRESENT));
        self.key.emit(out);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.push(self.maximum_data_size);
        out.extend_from_slice(&self.page_size.to_le_bytes());
        out.extend_from_slice(&self.response_spacing_ms.to_le_bytes());
        if let Some(requester) = self.requester {
            put_eui64(requester, out);
        }
    }
}

/// The server answers with a block, or not yet, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageBlockResponse<'a> {
    /// Here it is.
    Success {
        /// Of which image.
        key: ImageKey,
        /// From which byte of the file.
        offset: u32,
        /// The bytes, at most 255.
        data: &'a [u8],
    },
    /// Not yet. Times are seconds since 2000-01-01T00:00:00Z; 0 as current time makes the other relative.
    WaitForData {
        /// What the server's clock says.
        current_time: u32,
        /// When to ask again.
        request_time: u32,
        /// The pace to keep from then on; 0 where the server leaves it out, as those of older revisions do.
        minimum_block_period_ms: u16,
    },
    /// Never: stop fetching.
    Abort,
    /// Any other status.
    Other(ZclStatus),
}

impl<'a> ImageBlockResponse<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>) -> Result<ImageBlockResponse<'a>, WireError> {
        Ok(match ZclStatus::from_byte(reader.u8("status")?) {
            ZclStatus::Success => {
                let key = ImageKey::parse(reader)?;
                let offset = reader.u32_le("file offset")?;
                let size = reader.u8("data size")?;
                let data = reader.take(size.into(), "image data")?;
                ImageBlockResponse::Success { key, offset, data }
            }
            ZclStatus::WaitForData => ImageBlockResponse::WaitForData {
                current_time: reader.u32_le("current time")?,
                request_time: reader.u32_le("request time")?,
                minimum_block_period_ms: match reader.remaining() {
                    0 => 0,
                    _ => reader.u16_le("minimum block period")?,
                },
            },
            ZclStatus::Abort => ImageBlockResponse::Abort,
            status => ImageBlockResponse::Other(status),
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            ImageBlockResponse::Success { key, offset, data } => {
                out.push(ZclStatus::Success.to_byte());
                key.emit(out);
                out.extend_from_slice(&offset.to_le_bytes());
                out.push(u8::try_from(data.len()).expect("a block is at most 255 bytes long"));
                out.extend_from_slice(data);
            }
            ImageBlockResponse::WaitForData { current_time, request_time, minimum_block_period_ms } => {
                out.push(ZclStatus::WaitForData.to_byte());
                out.extend_from_slice(&current_time.to_le_bytes());
                out.extend_from_slice(&request_time.to_le_bytes());
                out.extend_from_slice(&minimum_block_period_ms.to_le_bytes());
            }
            ImageBlockResponse::Abort => out.push(ZclStatus::Abort.to_byte()),
            ImageBlockResponse::Other(status) => out.push(status.to_byte()),
        }
    }
}

fn parse_requester(reader: &mut Reader<'_>, field_control: u8) -> Result<Option<[u8; 8]>, WireError> {
    match field_control & REQUESTER_PRESENT {
        0 => Ok(None),
        _ => reader.eui64("requester EUI-64").map(Some),
    }
}
