//! The commands of the OTA cluster, and the general ones that are used with it.
//!
//! | id | kind | direction | command |
//! |--:|---|---|---|
//! | 00 | cluster | to client | image notify |
//! | 01 / 02 | cluster | to server / client | query next image and its response |
//! | 03, 04 / 05 | cluster | to server / client | block request, page request and the block |
//! | 06 / 07 | cluster | to server / client | upgrade end and its response |
//! | 08 / 09 | cluster | to server / client | query for a device specific file and its response |
//! | c0, c1 | cluster, manufacturer 10e5 | to client | piece of an activation order, of a trust root; ours |
//! | c2 | cluster, manufacturer 10e5 | either | what does the next order have to carry, and the answer; ours |
//! | 00 / 01 | general | either | read attributes and its response |
//! | 0b | general | either | default response |

use super::attributes::{emit_records, parse_records};
use super::document::{CHALLENGE_COMMAND, ORDER_COMMAND, ORDER_MANUFACTURER, ROOT_COMMAND};
use super::{
    AttributeList, AttributeRecord, DeviceChallenge, DocumentFragment, DocumentKind, ImageBlockRequest,
    ImageBlockResponse, ImageNotify, ImagePageRequest, QueryDeviceSpecificFileRequest, QueryNextImageRequest,
    QueryNextImageResponse, UpgradeEndRequest, UpgradeEndResponse, ZclStatus,
};
use crate::WireError;
use crate::reader::Reader;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtaCommand<'a> {
    /// There may be a new image.
    ImageNotify(ImageNotify),
    /// Is there?
    QueryNextImageRequest(QueryNextImageRequest),
    /// There is, or not.
    QueryNextImageResponse(QueryNextImageResponse),
    /// One block, please.
    ImageBlockRequest(ImageBlockRequest),
    /// Many blocks, please.
    ImagePageRequest(ImagePageRequest),
    /// A block.
    ImageBlockResponse(ImageBlockResponse<'a>),
    /// I have it all.
    UpgradeEndRequest(UpgradeEndRequest),
    /// Activate it then.
    UpgradeEndResponse(UpgradeEndResponse),
    /// Is there a file made for me?
    QueryDeviceSpecificFileRequest(QueryDeviceSpecificFileRequest),
    /// There is, or not.
    QueryDeviceSpecificFileResponse(QueryNextImageResponse),
    /// How a command without an answer of its own ended.
    DefaultResponse {
        /// Which command.
        command: u8,
        /// How.
        status: ZclStatus,
    },
    /// What are these attributes?
    ReadAttributes(AttributeList),
    /// These; at most [`super::MAX_ATTRIBUTES`].
    ReadAttributesResponse(Vec<AttributeRecord>),
    /// A piece of an activation order or of a trust root.
    DocumentFragment(DocumentFragment<'a>),
    /// What must the next order carry?
    ChallengeRequest,
    /// This.
    Challenge(DeviceChallenge),
    /// A command that is none of the above. It is to be answered by a default response, see
    /// [`OtaCommand::unsupported_status`].
    Unknown {
        /// Its id.
        command: u8,
        /// Whether it is a general command, not one of the cluster.
        general: bool,
        /// Whose command it is, if not ZCL's.
        manufacturer: Option<u16>,
        /// What it carries.
        payload: &'a [u8],
    },
}

/// What the header of a frame says of the command.
#[derive(Clone, Copy)]
pub(crate) struct CommandId {
    pub(crate) command: u8,
    pub(crate) general: bool,
    pub(crate) manufacturer: Option<u16>,
}

impl CommandId {
    const fn cluster(command: u8) -> CommandId {
        CommandId { command, general: false, manufacturer: None }
    }

    const fn ours(command: u8) -> CommandId {
        CommandId { command, general: false, manufacturer: Some(ORDER_MANUFACTURER) }
    }

    const fn general(command: u8) -> CommandId {
        CommandId { command, general: true, manufacturer: None }
    }
}

const DEFAULT_RESPONSE: u8 = 0x0B;

impl<'a> OtaCommand<'a> {
    /// Returns the id of the command.
    pub fn id(&self) -> u8 {
        self.command_id().command
    }

    /// Returns the status with which a device answers this command if it does not know it (ZCL 2.6.3).
    pub fn unsupported_status(&self) -> ZclStatus {
        let CommandId { general, manufacturer, .. } = self.command_id();
        match (general, manufacturer) {
            (false, None) => ZclStatus::UnsupClusterCommand,
            (true, None) => ZclStatus::UnsupGeneralCommand,
            (false, Some(_)) => ZclStatus::UnsupManufacturerClusterCommand,
            (true, Some(_)) => ZclStatus::UnsupManufacturerGeneralCommand,
        }
    }

    pub(crate) fn command_id(&self) -> CommandId {
        match self {
            OtaCommand::ImageNotify(_) => CommandId::cluster(0x00),
            OtaCommand::QueryNextImageRequest(_) => CommandId::cluster(0x01),
            OtaCommand::QueryNextImageResponse(_) => CommandId::cluster(0x02),
            OtaCommand::ImageBlockRequest(_) => CommandId::cluster(0x03),
            OtaCommand::ImagePageRequest(_) => CommandId::cluster(0x04),
            OtaCommand::ImageBlockResponse(_) => CommandId::cluster(0x05),
            OtaCommand::UpgradeEndRequest(_) => CommandId::cluster(0x06),
            OtaCommand::UpgradeEndResponse(_) => CommandId::cluster(0x07),
            OtaCommand::QueryDeviceSpecificFileRequest(_) => CommandId::cluster(0x08),
            OtaCommand::QueryDeviceSpecificFileResponse(_) => CommandId::cluster(0x09),
            OtaCommand::ReadAttributes(_) => CommandId::general(0x00),
            OtaCommand::ReadAttributesResponse(_) => CommandId::general(0x01),
            OtaCommand::DefaultResponse { .. } => CommandId::general(DEFAULT_RESPONSE),
            OtaCommand::DocumentFragment(fragment) => CommandId::ours(fragment.kind.command()),
            OtaCommand::ChallengeRequest | OtaCommand::Challenge(_) => CommandId::ours(CHALLENGE_COMMAND),
            OtaCommand::Unknown { command, general, manufacturer, .. } => {
                CommandId { command: *command, general: *general, manufacturer: *manufacturer }
            }
        }
    }

    /// Parses the payload. What follows the fields we know is ignored: later revisions append fields.
    pub(crate) fn parse(id: CommandId, reader: &mut Reader<'a>) -> Result<OtaCommand<'a>, WireError> {
        let CommandId { command, general, manufacturer } = id;
        Ok(match (general, manufacturer, command) {
            (false, None, 0x00) => OtaCommand::ImageNotify(ImageNotify::parse(reader)?),
            (false, None, 0x01) => OtaCommand::QueryNextImageRequest(QueryNextImageRequest::parse(reader)?),
            (false, None, 0x02) => OtaCommand::QueryNextImageResponse(QueryNextImageResponse::parse(reader)?),
            (false, None, 0x03) => OtaCommand::ImageBlockRequest(ImageBlockRequest::parse(reader)?),
            (false, None, 0x04) => OtaCommand::ImagePageRequest(ImagePageRequest::parse(reader)?),
            (false, None, 0x05) => OtaCommand::ImageBlockResponse(ImageBlockResponse::parse(reader)?),
            (false, None, 0x06) => OtaCommand::UpgradeEndRequest(UpgradeEndRequest::parse(reader)?),
            (false, None, 0x07) => OtaCommand::UpgradeEndResponse(UpgradeEndResponse::parse(reader)?),
            (false, None, 0x08) => {
                OtaCommand::QueryDeviceSpecificFileRequest(QueryDeviceSpecificFileRequest::parse(reader)?)
            }
            (false, None, 0x09) => {
                OtaCommand::QueryDeviceSpecificFileResponse(QueryNextImageResponse::parse(reader)?)
            }
            (false, Some(ORDER_MANUFACTURER), ORDER_COMMAND) => {
                OtaCommand::DocumentFragment(DocumentFragment::parse(DocumentKind::Order, reader)?)
            }
            (false, Some(ORDER_MANUFACTURER), ROOT_COMMAND) => {
                OtaCommand::DocumentFragment(DocumentFragment::parse(DocumentKind::Root, reader)?)
            }
            (false, Some(ORDER_MANUFACTURER), CHALLENGE_COMMAND) if reader.is_empty() => {
                OtaCommand::ChallengeRequest
            }
            (false, Some(ORDER_MANUFACTURER), CHALLENGE_COMMAND) => {
                OtaCommand::Challenge(DeviceChallenge::parse(reader)?)
            }
            (true, None, 0x00) => OtaCommand::ReadAttributes(AttributeList::parse(reader)?),
            (true, None, 0x01) => OtaCommand::ReadAttributesResponse(parse_records(reader)?),
            // The answer to a manufacturer's command carries the manufacturer as well (ZCL 2.5.12).
            (true, _, DEFAULT_RESPONSE) => OtaCommand::DefaultResponse {
                command: reader.u8("answered command")?,
                status: ZclStatus::from_byte(reader.u8("status")?),
            },
            _ => OtaCommand::Unknown { command, general, manufacturer, payload: reader.rest() },
        })
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        match self {
            OtaCommand::ImageNotify(command) => command.emit(out),
            OtaCommand::QueryNextImageRequest(command) => command.emit(out),
            OtaCommand::QueryNextImageResponse(command) => command.emit(out),
            OtaCommand::ImageBlockRequest(command) => command.emit(out),
            OtaCommand::ImagePageRequest(command) => command.emit(out),
            OtaCommand::ImageBlockResponse(command) => command.emit(out),
            OtaCommand::UpgradeEndRequest(command) => command.emit(out),
            OtaCommand::UpgradeEndResponse(command) => command.emit(out),
            OtaCommand::QueryDeviceSpecificFileRequest(command) => command.emit(out),
            OtaCommand::QueryDeviceSpecificFileResponse(command) => command.emit(out),
            OtaCommand::ReadAttributes(attributes) => attributes.emit(out),
            OtaCommand::ReadAttributesResponse(records) => emit_records(records, out),
            OtaCommand::DefaultResponse { command, status } => {
                out.extend_from_slice(&[*command, status.to_byte()]);
            }
            OtaCommand::DocumentFragment(fragment) => fragment.emit(out),
            OtaCommand::ChallengeRequest => {}
            OtaCommand::Challenge(challenge) => challenge.emit(out),
            OtaCommand::Unknown { payload, .. } => out.extend_from_slice(payload),
        }
    }
}
