//! The wrapper in which APDUs cross TCP and UDP (IEC 62056-4-7).
//!
//! | offset | size | field |
//! |--:|--:|---|
//! | 0 | 2 | version, 1 |
//! | 2 | 2 | source wPort |
//! | 4 | 2 | destination wPort |
//! | 6 | 2 | length of the APDU |
//! | 8 | | APDU |
//!
//! All big-endian. A UDP datagram holds exactly one; in a TCP stream they follow one another.

use crate::reader::Reader;
use crate::{Apdu, WPort, WireError};

/// Bytes before the APDU.
pub const WRAPPER_LEN: usize = 8;

/// The longest APDU: its length is a `u16`.
pub const MAX_APDU_LEN: usize = 65_535;

const VERSION: u16 = 1;

/// One wrapped APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WanFrame<'a> {
    /// Who speaks.
    pub source: WPort,
    /// Who is spoken to.
    pub destination: WPort,
    /// What is said; see [`Apdu::parse`].
    pub apdu: &'a [u8],
}

impl<'a> WanFrame<'a> {
    /// Parses a UDP datagram, which must be one frame and nothing else.
    pub fn parse_datagram(datagram: &'a [u8]) -> Result<WanFrame<'a>, WireError> {
        let mut reader = Reader::new(datagram);
        let (source, destination, len) = parse_header(&mut reader)?;
        let apdu = reader.take(len, "APDU")?;
        reader.finish("wrapped frame")?;
        Ok(WanFrame { source, destination, apdu })
    }

    /// Parses the first frame of a TCP stream and says how many bytes it took; `None` while it is incomplete.
    ///
    /// An error means that the stream has lost its framing for good: close the connection.
    pub fn parse_stream(stream: &'a [u8]) -> Result<Option<(WanFrame<'a>, usize)>, WireError> {
        if stream.len() < WRAPPER_LEN {
            return Ok(None);
        }
        let mut reader = Reader::new(stream);
        let (source, destination, len) = parse_header(&mut reader)?;
        if reader.remaining() < len {
            return Ok(None);
        }
        let apdu = reader.take(len, "APDU")?;
        Ok(Some((WanFrame { source, destination, apdu }, reader.offset())))
    }

    /// Appends the frame.
    ///
    /// # Panics
    ///
    /// Panics if the APDU is longer than [`MAX_APDU_LEN`].
    pub fn emit(&self, out: &mut Vec<u8>) {
        emit_header(self.source, self.destination, self.apdu.len(), out);
        out.extend_from_slice(self.apdu);
    }
}

/// Appends wrapper and APDU.
///
/// # Panics
///
/// Panics if the APDU is longer than [`MAX_APDU_LEN`]; values that do not fit are for the caller to refuse.
pub fn emit_wan(source: WPort, destination: WPort, apdu: &Apdu<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    emit_header(source, destination, 0, out);
    apdu.emit(out);
    let len = apdu_len(out.len() - start - WRAPPER_LEN);
    out[start + 6..start + WRAPPER_LEN].copy_from_slice(&len.to_be_bytes());
}

fn parse_header(reader: &mut Reader<'_>) -> Result<(WPort, WPort, usize), WireError> {
    let offset = reader.offset();
    match reader.u16_be("wrapper version")? {
        VERSION => {}
        found => {
            let (what, expected) = ("wrapper version", "1");
            return Err(WireError::Unexpected { what, offset, found: found.into(), expected });
        }
    }
    let source = WPort(reader.u16_be("source wPort")?);
    let destination = WPort(reader.u16_be("destination wPort")?);
    Ok((source, destination, reader.u16_be("APDU length")?.into()))
}

pub(crate) fn emit_header(source: WPort, destination: WPort, len: usize, out: &mut Vec<u8>) {
    for field in [VERSION, source.0, destination.0, apdu_len(len)] {
        out.extend_from_slice(&field.to_be_bytes());
    }
}

fn apdu_len(len: usize) -> u16 {
    u16::try_from(len).expect("an APDU is at most 65,535 bytes long")
}
