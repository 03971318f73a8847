//! Status codes of ZCL that the OTA cluster uses (ZCL 2.6.3 and 11.x; 1 byte).

use std::fmt;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZclStatus {
    /// 0x00
    Success,
    /// 0x01
    Failure,
    /// 0x7e: the server will not upgrade this client; the client will not activate.
    NotAuthorized,
    /// 0x80
    MalformedCommand,
    /// 0x81: for instance a page request that the server does not know; the client goes on with blocks.
    UnsupClusterCommand,
    /// 0x82
    UnsupGeneralCommand,
    /// 0x83
    UnsupManufacturerClusterCommand,
    /// 0x84
    UnsupManufacturerGeneralCommand,
    /// 0x85
    InvalidField,
    /// 0x86
    UnsupportedAttribute,
    /// 0x87
    InvalidValue,
    /// 0x89: the client cannot hold the image.
    InsufficientSpace,
    /// 0x94
    Timeout,
    /// 0x95: the server stops serving, or the client stops fetching.
    Abort,
    /// 0x96: verification failed, the image is discarded.
    InvalidImage,
    /// 0x97: the server does not have these bytes yet, or throttles.
    WaitForData,
    /// 0x98
    NoImageAvailable,
    /// 0x99: this file is good, another is needed as well.
    RequireMoreImage,
    /// Any other code.
    Other(u8),
}

/// Codes and words, in one place for both directions.
const STATUSES: [(u8, ZclStatus, &str); 18] = [
    (0x00, ZclStatus::Success, "success"),
    (0x01, ZclStatus::Failure, "failure"),
    (0x7E, ZclStatus::NotAuthorized, "not authorized"),
    (0x80, ZclStatus::MalformedCommand, "malformed command"),
    (0x81, ZclStatus::UnsupClusterCommand, "unsupported cluster command"),
    (0x82, ZclStatus::UnsupGeneralCommand, "unsupported general command"),
    (0x83, ZclStatus::UnsupManufacturerClusterCommand, "unsupported manufacturer cluster command"),
    (0x84, ZclStatus::UnsupManufacturerGeneralCommand, "unsupported manufacturer general command"),
    (0x85, ZclStatus::InvalidField, "invalid field"),
    (0x86, ZclStatus::UnsupportedAttribute, "unsupported attribute"),
    (0x87, ZclStatus::InvalidValue, "invalid value"),
    (0x89, ZclStatus::InsufficientSpace, "insufficient space"),
    (0x94, ZclStatus::Timeout, "timeout"),
    (0x95, ZclStatus::Abort, "abort"),
    (0x96, ZclStatus::InvalidImage, "invalid image"),
    (0x97, ZclStatus::WaitForData, "wait for data"),
    (0x98, ZclStatus::NoImageAvailable, "no image available"),
    (0x99, ZclStatus::RequireMoreImage, "require more image"),
];

impl ZclStatus {
    /// Reads the code on the wire.
    pub fn from_byte(byte: u8) -> ZclStatus {
        let known = STATUSES.iter().find(|(code, _, _)| *code == byte);
        known.map_or(ZclStatus::Other(byte), |(_, status, _)| *status)
    }

    /// Returns the code on the wire.
    pub fn to_byte(self) -> u8 {
        if let ZclStatus::Other(byte) = self {
            return byte;
        }
        let known = STATUSES.iter().find(|(_, status, _)| *status == self);
        known.map(|(code, _, _)| *code).expect("every status but Other is in the table")
    }
}

impl fmt::Display for ZclStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match STATUSES.iter().find(|(_, status, _)| status == self) {
            Some((_, _, words)) => f.write_str(words),
            None => write!(f, "status {:#04x}", self.to_byte()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_both_ways() {
        for byte in 0..=255 {
            assert_eq!(ZclStatus::from_byte(byte).to_byte(), byte);
        }
        assert_eq!(ZclStatus::from_byte(0x97).to_string(), "wait for data");
        assert_eq!(ZclStatus::from_byte(0xC3).to_string(), "status 0xc3");
    }
}
