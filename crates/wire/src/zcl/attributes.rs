//! Reading the client's attributes (ZCL 2.5.1, 2.5.2, 11.10).
//!
//! ```text
//! 00 read      attribute u16 ...
//! 01 response  { attribute u16 | 00 | type u8 | value, or attribute u16 | status u8 } ...
//! ```
//!
//! | type | value |
//! |--:|---|
//! | 20 / 21 / 23 | u8 / u16 / u32, little-endian |
//! | 30 | enum8 |
//! | f0 | EUI-64, least significant byte first |

use crate::reader::{Reader, put_eui64};
use crate::{WireError, ZclStatus};

/// An attribute of the OTA cluster, client side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeId(pub u16);

impl AttributeId {
    /// EUI-64 of the server, all ones = none.
    pub const UPGRADE_SERVER_ID: AttributeId = AttributeId(0x0000);
    /// u32, where the download goes on.
    pub const FILE_OFFSET: AttributeId = AttributeId(0x0001);
    /// u32, the version that runs.
    pub const CURRENT_FILE_VERSION: AttributeId = AttributeId(0x0002);
    /// u16.
    pub const CURRENT_STACK_VERSION: AttributeId = AttributeId(0x0003);
    /// u32, the version that was fetched.
    pub const DOWNLOADED_FILE_VERSION: AttributeId = AttributeId(0x0004);
    /// u16.
    pub const DOWNLOADED_STACK_VERSION: AttributeId = AttributeId(0x0005);
    /// enum8: 0 normal, 1 download in progress, 2 download complete, 3 waiting to upgrade, 4 count down,
    /// 5 wait for more, 6 waiting to upgrade via external event.
    pub const IMAGE_UPGRADE_STATUS: AttributeId = AttributeId(0x0006);
    /// u16.
    pub const MANUFACTURER_ID: AttributeId = AttributeId(0x0007);
    /// u16.
    pub const IMAGE_TYPE_ID: AttributeId = AttributeId(0x0008);
    /// u16, milliseconds.
    pub const MINIMUM_BLOCK_PERIOD: AttributeId = AttributeId(0x0009);
    /// u32.
    pub const IMAGE_STAMP: AttributeId = AttributeId(0x000A);
    /// enum8: 0 the server may activate, 1 something else must.
    pub const UPGRADE_ACTIVATION_POLICY: AttributeId = AttributeId(0x000B);
    /// enum8: 0 activate if the server vanishes, 1 do not.
    pub const UPGRADE_TIMEOUT_POLICY: AttributeId = AttributeId(0x000C);
}

/// Attributes in one request or response. The cluster has 13; 16 fit a frame of the largest values but one.
pub const MAX_ATTRIBUTES: usize = 16;

/// Attributes that are asked for, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeList {
    ids: [AttributeId; MAX_ATTRIBUTES],
    len: usize,
}

impl AttributeList {
    /// Makes a list; `None` above [`MAX_ATTRIBUTES`].
    pub fn new(ids: &[AttributeId]) -> Option<AttributeList> {
        let mut list = AttributeList { ids: [AttributeId::default(); MAX_ATTRIBUTES], len: ids.len() };
        list.ids.get_mut(..ids.len())?.copy_from_slice(ids);
        Some(list)
    }

    /// Returns the attributes.
    pub fn as_slice(&self) -> &[AttributeId] {
        &self.ids[..self.len]
    }

    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<AttributeList, WireError> {
        let mut list = AttributeList { ids: [AttributeId::default(); MAX_ATTRIBUTES], len: 0 };
        while !reader.is_empty() {
            let slot = list.ids.get_mut(list.len).ok_or(too_many(reader))?;
            *slot = AttributeId(reader.u16_le("attribute id")?);
            list.len += 1;
        }
        Ok(list)
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        for id in self.as_slice() {
            out.extend_from_slice(&id.0.to_le_bytes());
        }
    }
}

/// One attribute in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeRecord {
    /// Which.
    pub id: AttributeId,
    /// Its value, or why there is none (never [`ZclStatus::Success`]).
    pub result: Result<AttributeValue, ZclStatus>,
}

/// A value with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeValue {
    /// 0x20
    Unsigned8(u8),
    /// 0x21
    Unsigned16(u16),
    /// 0x23
    Unsigned32(u32),
    /// 0x30
    Enum8(u8),
    /// 0xf0
    Eui64([u8; 8]),
}

impl AttributeValue {
    fn parse(reader: &mut Reader<'_>) -> Result<AttributeValue, WireError> {
        let offset = reader.offset();
        Ok(match reader.u8("attribute type")? {
            0x20 => AttributeValue::Unsigned8(reader.u8("attribute value")?),
            0x21 => AttributeValue::Unsigned16(reader.u16_le("attribute value")?),
            0x23 => AttributeValue::Unsigned32(reader.u32_le("attribute value")?),
            0x30 => AttributeValue::Enum8(reader.u8("attribute value")?),
            0xF0 => AttributeValue::Eui64(reader.eui64("attribute value")?),
            // Its length is unknown, and with it where the next record begins.
            found => {
                let what = "attribute type";
                return Err(WireError::Unsupported { what, offset, found: found.into() });
            }
        })
    }

    fn emit(self, out: &mut Vec<u8>) {
        match self {
            AttributeValue::Unsigned8(value) => out.extend_from_slice(&[0x20, value]),
            AttributeValue::Unsigned16(value) => {
                out.push(0x21);
                out.extend_from_slice(&value.to_le_bytes());
            }
            AttributeValue::Unsigned32(value) => {
                out.push(0x23);
                out.extend_from_slice(&value.to_le_bytes());
            }
            AttributeValue::Enum8(value) => out.extend_from_slice(&[0x30, value]),
            AttributeValue::Eui64(value) => {
                out.push(0xF0);
                put_eui64(value, out);
            }
        }
    }
}

/// Parses the records of a response, at most [`MAX_ATTRIBUTES`].
pub(crate) fn parse_records(reader: &mut Reader<'_>) -> Result<Vec<AttributeRecord>, WireError> {
    let mut records = Vec::new();
    while !reader.is_empty() {
        if records.len() == MAX_ATTRIBUTES {
            return Err(too_many(reader));
        }
        let id = AttributeId(reader.u16_le("attribute id")?);
        let result = match ZclStatus::from_byte(reader.u8("attribute status")?) {
            ZclStatus::Success => Ok(AttributeValue::parse(reader)?),
            status => Err(status),
        };
        records.push(AttributeRecord { id, result });
    }
    Ok(records)
}

pub(crate) fn emit_records(records: &[AttributeRecord], out: &mut Vec<u8>) {
    for record in records {
        out.extend_from_slice(&record.id.0.to_le_bytes());
        match record.result {
            Ok(value) => {
                out.push(ZclStatus::Success.to_byte());
                value.emit(out);
            }
            Err(status) => out.push(status.to_byte()),
        }
    }
}

fn too_many(reader: &Reader<'_>) -> WireError {
    let (found, limit) = (MAX_ATTRIBUTES as u64 + 1, MAX_ATTRIBUTES as u64);
    WireError::TooLarge { what: "number of attributes", offset: reader.offset(), found, limit }
}
