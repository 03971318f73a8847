//! The ZCL header (ZCL 2.4.1).
//!
//! | size | field |
//! |--:|---|
//! | 1 | frame control: bits 0-1 kind (0 general, 1 cluster), 2 manufacturer specific, 3 from the server, 4 no default response |
//! | [2] | manufacturer code, little-endian |
//! | 1 | transaction; an answer repeats the request's |
//! | 1 | command |

use super::OtaCommand;
use super::command::CommandId;
use crate::WireError;
use crate::reader::Reader;

const KIND: u8 = 0x03;
const CLUSTER_KIND: u8 = 0x01;
const MANUFACTURER_SPECIFIC: u8 = 0x04;
const FROM_SERVER: u8 = 0x08;
const DISABLE_DEFAULT_RESPONSE: u8 = 0x10;

/// One ZCL frame on the OTA cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZclFrame<'a> {
    /// Which request this is or answers.
    pub transaction: u8,
    /// Whether the server, here the hub, speaks. That it fits the command is for its receiver to judge.
    pub from_server: bool,
    /// Whether a default response that says nothing but success is unwanted.
    pub disable_default_response: bool,
    /// What is said.
    pub command: OtaCommand<'a>,
}

impl<'a> ZclFrame<'a> {
    /// Parses a frame. Of block requests and responses it does so without allocating.
    pub fn parse(frame: &'a [u8]) -> Result<ZclFrame<'a>, WireError> {
        let mut reader = Reader::new(frame);
        let frame_control = reader.u8("frame control")?;
        let kind = frame_control & KIND;
        if kind > CLUSTER_KIND {
            let (what, expected) = ("frame kind", "0 (general) or 1 (cluster)");
            return Err(WireError::Unexpected { what, offset: 0, found: kind.into(), expected });
        }
        let manufacturer = match frame_control & MANUFACTURER_SPECIFIC {
            0 => None,
            _ => Some(reader.u16_le("manufacturer code")?),
        };
        let transaction = reader.u8("transaction")?;
        let id = CommandId { command: reader.u8("command")?, general: kind != CLUSTER_KIND, manufacturer };
        Ok(ZclFrame {
            transaction,
            from_server: frame_control & FROM_SERVER != 0,
            disable_default_response: frame_control & DISABLE_DEFAULT_RESPONSE != 0,
            command: OtaCommand::parse(id, &mut reader)?,
        })
    }

    /// Appends the frame.
    ///
    /// # Panics
    ///
    /// Panics if a block is longer than 255 bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let CommandId { command, general, manufacturer } = self.command.command_id();
        let when = |bit: u8, set: bool| if set { bit } else { 0 };
        out.push(
            when(CLUSTER_KIND, !general)
                | when(MANUFACTURER_SPECIFIC, manufacturer.is_some())
                | when(FROM_SERVER, self.from_server)
                | when(DISABLE_DEFAULT_RESPONSE, self.disable_default_response),
        );
        if let Some(manufacturer) = manufacturer {
            out.extend_from_slice(&manufacturer.to_le_bytes());
        }
        out.extend_from_slice(&[self.transaction, command]);
        self.command.emit(out);
    }
}
