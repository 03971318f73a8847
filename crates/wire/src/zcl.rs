//! The HAN's application: the ZCL OTA Upgrade cluster 0x0019 (ZCL chapter 11, first published as 095264).
//!
//! Numbers are little-endian on the wire. EUI-64s are in the order in which they are written down in this
//! interface and reversed on the wire. In reading order: `frame` around `command`, which is one of `query`,
//! `download`, `upgrade_end`, `attributes` and `document`; `key` and `status` are what most of them carry.
//!
//! Section numbers are those of ZCL revision 8 and cited after implementations that cite them (inference).

mod attributes;
mod command;
mod document;
mod download;
mod frame;
mod key;
mod query;
mod status;
mod upgrade_end;

pub use attributes::{AttributeId, AttributeList, AttributeRecord, AttributeValue, MAX_ATTRIBUTES};
pub use command::OtaCommand;
pub use document::{
    CHALLENGE_COMMAND, DeviceChallenge, DocumentFragment, DocumentKind, ORDER_COMMAND, ORDER_MANUFACTURER,
    ROOT_COMMAND,
};
pub use download::{ImageBlockRequest, ImageBlockResponse, ImagePageRequest};
pub use frame::ZclFrame;
pub use key::ImageKey;
pub use query::{
    ImageNotify, NotifyScope, QueryDeviceSpecificFileRequest, QueryNextImageRequest, QueryNextImageResponse,
};
pub use status::ZclStatus;
pub use upgrade_end::{UPGRADE_WHEN_TOLD, UpgradeEndRequest, UpgradeEndResponse};
