//! What a hub is about to say on the HAN: small values, encoded only when the radio takes them.
//!
//! Blocks are read from flash at that moment, so a waiting block costs nothing but its address.

use wire::{
    AttributeId, AttributeList, DocumentFragment, DocumentKind, ImageBlockResponse, ImageKey, ImageNotify,
    NotifyScope, OtaCommand, QueryNextImageResponse, UpgradeEndResponse, ZclFrame, ZclStatus,
};

use super::Hub;
use crate::bank::BankId;

/// To every device on the HAN that listens.
pub(crate) const BROADCAST: u16 = 0xFFFF;

/// The largest block a hub sends, whatever is asked (fact: what fits an 802.15.4 frame).
pub(crate) const MAX_BLOCK_LEN: usize = 64;

/// How much of a document one frame carries; fits a frame with the security of Smart Energy.
pub(crate) const FRAGMENT_LEN: usize = 48;

/// A frame that waits for the radio.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(super) to: u16,
    pub(super) transaction: u8,
    pub(super) message: Message,
}

/// What it says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message {
    Notify(ImageKey),
    Query(QueryNextImageResponse),
    DeviceSpecific(QueryNextImageResponse),
    Block { key: ImageKey, bank: BankId, offset: u32, len: u8 },
    Wait { current_time: u32, request_time: u32, minimum_block_period_ms: u16 },
    Abort,
    End(UpgradeEndResponse),
    Fragment { kind: DocumentKind, slot: usize, offset: u16 },
    Default { command: u8, status: ZclStatus },
    ReadVersion,
    AskChallenge,
}

impl Message {
    /// Returns the ZCL status that it carries.
    pub(super) fn status(&self) -> Option<ZclStatus> {
        match self {
            Message::Block { .. } => Some(ZclStatus::Success),
            Message::Wait { .. } => Some(ZclStatus::WaitForData),
            Message::Abort => Some(ZclStatus::Abort),
            Message::Default { status, .. } => Some(*status),
            Message::Query(response) | Message::DeviceSpecific(response) => Some(match response {
                QueryNextImageResponse::Success { .. } => ZclStatus::Success,
                QueryNextImageResponse::Other(status) => *status,
            }),
            Message::Notify(_)
            | Message::End(_)
            | Message::Fragment { .. }
            | Message::ReadVersion
            | Message::AskChallenge => None,
        }
    }
}

impl Hub {
    /// Appends a frame.
    pub(super) fn emit(&self, outgoing: Outgoing, out: &mut Vec<u8>) {
        let mut block = [0; MAX_BLOCK_LEN];
        let mut wants_default_response = false;
        let command = match outgoing.message {
            Message::Notify(key) => {
                OtaCommand::ImageNotify(ImageNotify { query_jitter: 100, scope: NotifyScope::Image(key) })
            }
            Message::Query(response) => OtaCommand::QueryNextImageResponse(response),
            Message::DeviceSpecific(response) => OtaCommand::QueryDeviceSpecificFileResponse(response),
            Message::Block { key, bank, offset, len } => {
                let data = &mut block[..usize::from(len).min(MAX_BLOCK_LEN)];
                self.board.bank(bank).read(&self.board.flash, offset, data);
                OtaCommand::ImageBlockResponse(ImageBlockResponse::Success { key, offset, data })
            }
            Message::Wait { current_time, request_time, minimum_block_period_ms } => {
                OtaCommand::ImageBlockResponse(ImageBlockResponse::WaitForData {
                    current_time,
                    request_time,
                    minimum_block_period_ms,
                })
            }
            Message::Abort => OtaCommand::ImageBlockResponse(ImageBlockResponse::Abort),
            Message::End(response) => {
                // The answer says whether the order was obeyed.
                wants_default_response = true;
                OtaCommand::UpgradeEndResponse(response)
            }
            Message::Fragment { kind, slot, offset } => {
                let document = match kind {
                    DocumentKind::Order => &self.slots[slot].record.order,
                    DocumentKind::Root => self.slots[slot].peer.roots.front(),
                };
                let start = usize::from(offset).min(document.len());
                let end = (start + FRAGMENT_LEN).min(document.len());
                let total_len = u16::try_from(document.len()).unwrap_or(0);
                let bytes = &document[start..end];
                OtaCommand::DocumentFragment(DocumentFragment {
                    kind,
                    total_len,
                    offset: start as u16,
                    bytes,
                })
            }
            Message::AskChallenge => OtaCommand::ChallengeRequest,
            Message::Default { command, status } => OtaCommand::DefaultResponse { command, status },
            Message::ReadVersion => {
                let list = AttributeList::new(&[AttributeId::CURRENT_FILE_VERSION]);
                OtaCommand::ReadAttributes(list.expect("one attribute is no long list"))
            }
        };
        ZclFrame {
            transaction: outgoing.transaction,
            from_server: true,
            disable_default_response: !wants_default_response,
            command,
        }
        .emit(out);
    }
}
