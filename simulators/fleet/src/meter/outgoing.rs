//! What a meter is about to say: small values, encoded only when the radio takes them.

use wire::{
    AttributeList, DeviceChallenge, ImageBlockRequest, ImageKey, ImagePageRequest, OtaCommand,
    QueryNextImageRequest, UpgradeEndRequest, ZclFrame, ZclStatus,
};

/// A frame that waits for the radio.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) transaction: u8,
    pub(crate) message: Message,
}

/// What it says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message {
    Query(QueryNextImageRequest),
    Block(ImageBlockRequest),
    Page(ImagePageRequest),
    End { status: ZclStatus, key: ImageKey },
    Default { command: u8, status: ZclStatus },
    Attributes(AttributeList),
    Challenge(DeviceChallenge),
}

impl Outgoing {
    /// Appends the frame; attributes are read at that moment.
    pub(crate) fn emit(
        self,
        attributes: impl Fn(&AttributeList) -> Vec<wire::AttributeRecord>,
        out: &mut Vec<u8>,
    ) {
        let command = match self.message {
            Message::Query(request) => OtaCommand::QueryNextImageRequest(request),
            Message::Block(request) => OtaCommand::ImageBlockRequest(request),
            Message::Page(request) => OtaCommand::ImagePageRequest(request),
            Message::End { status, key } => OtaCommand::UpgradeEndRequest(UpgradeEndRequest { status, key }),
            Message::Default { command, status } => OtaCommand::DefaultResponse { command, status },
            Message::Challenge(challenge) => OtaCommand::Challenge(challenge),
            Message::Attributes(list) => OtaCommand::ReadAttributesResponse(attributes(&list)),
        };
        // Only a failed Upgrade End has no answer of its own, and wants the default one.
        let has_own_answer =
            !matches!(self.message, Message::End { status, .. } if status != ZclStatus::Success);
        ZclFrame {
            transaction: self.transaction,
            from_server: false,
            disable_default_response: has_own_answer,
            command,
        }
        .emit(out);
    }
}
