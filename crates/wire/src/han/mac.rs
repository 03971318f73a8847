//! The MAC header and its check sequence (IEEE 802.15.4, 7.2 and 7.3.2; 6.3 for the length of a PHY frame).
//!
//! | size | field |
//! |--:|---|
//! | 2 | frame control: bits 0-2 type (1 data), 3 secured, 5 acknowledge, 6 one PAN id for both, 10-11 and 14-15 length of destination and source address (2 = 16 bits) |
//! | 1 | sequence |
//! | 2 | destination PAN |
//! | 2 | destination; 0xffff = all |
//! | [2] | source PAN, unless bit 6 |
//! | 2 | source |
//! | ... | NWK frame |
//! | 2 | FCS: CRC-16 with the polynomial 0x1021, reflected, from 0 ("KERMIT") |
//!
//! All little-endian.

use crc::{CRC_16_KERMIT, Crc};

use super::HanFrame;
use crate::WireError;
use crate::reader::Reader;

/// The longest frame a radio of 802.15.4 sends, FCS included.
pub(crate) const MAX_PHY_LEN: usize = 127;
/// The header as we send it.
pub(crate) const HEADER_LEN: usize = 9;
pub(crate) const FCS_LEN: usize = 2;

/// Data, one PAN id, two 16-bit addresses.
const FRAME_CONTROL: u16 = 0x8841;
const TYPE: u16 = 0x0007;
const DATA: u16 = 1;
const SECURED: u16 = 0x0008;
const ACKNOWLEDGE: u16 = 0x0020;
const ONE_PAN: u16 = 0x0040;
const ADDRESS_MODES: u16 = 0xCC00;
const SHORT_ADDRESSES: u16 = 0x8800;

const BROADCAST: u16 = 0xFFFF;

const FCS: Crc<u16> = Crc::<u16>::new(&CRC_16_KERMIT);

/// Checks the FCS at the end of a datagram whose MAC frame begins at `start`.
pub(crate) fn check_sequence(datagram: &[u8], start: usize) -> Result<(), WireError> {
    let frame = &datagram[start..];
    let Some((covered, fcs)) = frame.split_last_chunk::<FCS_LEN>() else {
        let (what, available) = ("frame check sequence", frame.len());
        return Err(WireError::Truncated { what, offset: start, needed: FCS_LEN, available });
    };
    let (found, expected) = (u16::from_le_bytes(*fcs), FCS.checksum(covered));
    match found == expected {
        true => Ok(()),
        false => Err(WireError::CheckSequence { offset: start + covered.len(), found, expected }),
    }
}

/// Parses the header of a frame whose check sequence is good; gives the PAN and what stands between.
pub(crate) fn parse<'a>(mut reader: Reader<'a>) -> Result<(u16, Reader<'a>), WireError> {
    let covered = reader.remaining().saturating_sub(FCS_LEN);
    let mut reader = reader.part(covered, "MAC frame")?;
    let offset = reader.offset();
    let frame_control = reader.u16_le("MAC frame control")?;
    let unsupported = |what| Err(WireError::Unsupported { what, offset, found: frame_control.into() });
    if frame_control & TYPE != DATA {
        return unsupported("MAC frame type in frame control");
    }
    if frame_control & SECURED != 0 {
        return unsupported("MAC security in frame control");
    }
    if frame_control & ADDRESS_MODES != SHORT_ADDRESSES {
        return unsupported("MAC addresses in frame control");
    }
    reader.u8("MAC sequence")?;
    let pan = reader.u16_le("PAN id")?;
    reader.u16_le("MAC destination")?;
    if frame_control & ONE_PAN == 0 {
        reader.u16_le("source PAN id")?;
    }
    reader.u16_le("MAC source")?;
    Ok((pan, reader))
}

pub(crate) fn emit(frame: &HanFrame<'_>, out: &mut Vec<u8>) {
    let (frame_control, destination) = match frame.is_broadcast() {
        true => (FRAME_CONTROL, BROADCAST),
        false => (FRAME_CONTROL | ACKNOWLEDGE, frame.destination),
    };
    out.extend_from_slice(&frame_control.to_le_bytes());
    out.push(frame.counter());
    out.extend_from_slice(&frame.pan.to_le_bytes());
    out.extend_from_slice(&destination.to_le_bytes());
    out.extend_from_slice(&frame.source.to_le_bytes());
}

/// Appends the FCS over everything from `start` on.
pub(crate) fn emit_check_sequence(start: usize, out: &mut Vec<u8>) {
    let fcs = FCS.checksum(&out[start..]);
    out.extend_from_slice(&fcs.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_sequence_is_the_one_of_the_catalogue() {
        assert_eq!(FCS.checksum(b"123456789"), 0x2189);
    }
}
