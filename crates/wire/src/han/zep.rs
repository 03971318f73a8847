//! The Zigbee Encapsulation Protocol, version 2: 802.15.4 frames in UDP datagrams, port 17754.
//!
//! | offset | size | field |
//! |--:|--:|---|
//! | 0 | 2 | "EX" |
//! | 2 | 1 | version, 2 |
//! | 3 | 1 | type, 1 = data (2 = acknowledgement) |
//! | 4 | 1 | radio channel |
//! | 5 | 2 | device id; here the sender's network address (ours) |
//! | 7 | 1 | LQI mode, 1 = the frame ends in its FCS |
//! | 8 | 1 | link quality |
//! | 9 | 8 | time, NTP |
//! | 17 | 4 | sequence |
//! | 21 | 10 | reserved |
//! | 31 | 1 | length of what follows |
//!
//! All big-endian. There is no standard; Wireshark's decoder is what everybody agrees with.

use super::HanFrame;
use crate::WireError;
use crate::reader::Reader;

const VERSION: u8 = 2;
const DATA: u8 = 1;
const FCS_PRESENT: u8 = 1;
/// The link is a simulated one, and loses frames whole.
const BEST_LINK_QUALITY: u8 = 0xFF;

/// What ZEP alone knows of a frame.
pub(crate) struct Radio {
    pub(crate) channel: u8,
    pub(crate) sequence: u32,
}

/// Parses the header; the reader is left at the MAC frame, which is all that is left.
pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Radio, WireError> {
    reader.exactly(b'E', "ZEP preamble", "45 58 (EX)")?;
    reader.exactly(b'X', "ZEP preamble", "45 58 (EX)")?;
    reader.exactly(VERSION, "ZEP version", "2")?;
    let offset = reader.offset();
    match reader.u8("ZEP type")? {
        DATA => {}
        found => return Err(WireError::Unsupported { what: "ZEP type", offset, found: found.into() }),
    }
    let channel = reader.u8("radio channel")?;
    reader.u16_be("device id")?;
    reader.exactly(FCS_PRESENT, "LQI mode", "1 (FCS present)")?;
    reader.u8("link quality")?;
    reader.u64_be("NTP time")?;
    let sequence = reader.u32_be("ZEP sequence")?;
    reader.take(10, "reserved bytes")?;
    let len = reader.u8("length of the MAC frame")?.into();
    reader.clone().part(len, "MAC frame")?;
    match reader.remaining() - len {
        0 => Ok(Radio { channel, sequence }),
        count => {
            let offset = reader.offset() + len;
            Err(WireError::Trailing { what: "ZEP datagram", offset, count })
        }
    }
}

pub(crate) fn emit(frame: &HanFrame<'_>, ntp_time: u64, mac_len: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'E', b'X', VERSION, DATA, frame.radio_channel]);
    out.extend_from_slice(&frame.source.to_be_bytes());
    out.extend_from_slice(&[FCS_PRESENT, BEST_LINK_QUALITY]);
    out.extend_from_slice(&ntp_time.to_be_bytes());
    out.extend_from_slice(&frame.sequence.to_be_bytes());
    out.extend_from_slice(&[0; 10]);
    out.push(mac_len);
}
