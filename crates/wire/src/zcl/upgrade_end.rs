//! The end of a download, and when to activate (ZCL 11.13.9).
//!
//! ```text
//! 06 request   status u8 | key
//! 07 response  key | current time u32 | upgrade time u32
//! ```

use super::ImageKey;
use crate::reader::Reader;
use crate::{WireError, ZclStatus};

/// The upgrade time that means "wait until you are told".
pub const UPGRADE_WHEN_TOLD: u32 = 0xFFFF_FFFF;

/// A client says how its download ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpgradeEndRequest {
    /// [`ZclStatus::Success`], or what was wrong.
    pub status: ZclStatus,
    /// Of which image.
    pub key: ImageKey,
}

impl UpgradeEndRequest {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<UpgradeEndRequest, WireError> {
        let status = ZclStatus::from_byte(reader.u8("status")?);
        Ok(UpgradeEndRequest { status, key: ImageKey::parse(reader)? })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.status.to_byte());
        self.key.emit(out);
    }
}

/// The server says when to activate. Unasked, it starts the activation of an image that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpgradeEndResponse {
    /// Which image; may be wildcards, see [`ImageKey`].
    pub key: ImageKey,
    /// What the server's clock says, seconds since 2000-01-01T00:00:00Z; 0 makes the other relative.
    pub current_time: u32,
    /// When; [`UPGRADE_WHEN_TOLD`] = not until another response says so.
    pub upgrade_time: u32,
}

impl UpgradeEndResponse {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<UpgradeEndResponse, WireError> {
        Ok(UpgradeEndResponse {
            key: ImageKey::parse(reader)?,
            current_time: reader.u32_le("current time")?,
            upgrade_time: reader.u32_le("upgrade time")?,
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        self.key.emit(out);
        out.extend_from_slice(&self.current_time.to_le_bytes());
        out.extend_from_slice(&self.upgrade_time.to_le_bytes());
    }
}
