//! pcapng (draft-ietf-opsawg-pcapng): one section, two interfaces, packets with comments; what Wireshark reads.
//!
//! | block | type | content, all little-endian here |
//! |---|--:|---|
//! | section header | 0x0A0D0D0A | byte-order magic, version 1.0, length unknown (-1), options |
//! | interface | 1 | link type 101 (bare IPv4 or IPv6), no limit of length, its name; time in microseconds, the default |
//! | enhanced packet | 6 | interface, time (upper and lower half), length kept and real, bytes, options |
//!
//! A block is its type, its length, content and length again, all in multiples of four bytes; an option is a code, a
//! length and a value, padded alike, and code 0 ends a list of options. Knows nothing of what is in a packet.

/// The interfaces of a capture, numbered as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// Between head-end and hubs.
    Wan = 0,
    /// In the homes.
    Han = 1,
}

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// LINKTYPE_RAW: a packet begins with its IP header.
const RAW_IP: u16 = 101;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const USER_APPLICATION: u16 = 4;

/// Appends what stands before the first packet.
pub(super) fn emit_preamble(application: &str, out: &mut Vec<u8>) {
    emit_block(SECTION_HEADER, out, |out| {
        out.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(&(-1_i64).to_le_bytes());
        emit_option(USER_APPLICATION, application, out);
        emit_option(END_OF_OPTIONS, "", out);
    });
    for name in ["wan", "han"] {
        emit_block(INTERFACE, out, |out| {
            out.extend_from_slice(&RAW_IP.to_le_bytes());
            out.extend_from_slice(&[0; 6]);
            emit_option(INTERFACE_NAME, name, out);
            emit_option(END_OF_OPTIONS, "", out);
        });
    }
}

/// Appends a packet.
pub(super) fn emit_packet(
    interface: Interface,
    unix_micros: u64,
    packet: &[u8],
    comment: Option<&str>,
    out: &mut Vec<u8>,
) {
    let len = u32::try_from(packet.len()).expect("a packet is no longer than IP allows");
    emit_block(ENHANCED_PACKET, out, |out| {
        out.extend_from_slice(&(interface as u32).to_le_bytes());
        out.extend_from_slice(&((unix_micros >> 32) as u32).to_le_bytes());
        out.extend_from_slice(&(unix_micros as u32).to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(packet);
        pad(packet.len(), out);
        if let Some(comment) = comment {
            emit_option(COMMENT, comment, out);
            emit_option(END_OF_OPTIONS, "", out);
        }
    });
}

fn emit_block(block_type: u32, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&block_type.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    content(out);
    let len = u32::try_from(out.len() - start + 4).expect("a block holds one packet");
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
}

fn emit_option(code: u16, value: &str, out: &mut Vec<u8>) {
    let len = u16::try_from(value.len()).expect("our comments are short");
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(value.as_bytes());
    pad(value.len(), out);
}

fn pad(len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 3][..len.next_multiple_of(4) - len]);
}
