//! The envelope of the simulated radio, byte by byte.

use wire::{HanFrame, MAX_HAN_PAYLOAD, OTA_CLUSTER, SE_PROFILE, WireError};

use crate::{emitted, hex};

/// An abort (ZCL `19 08 05 95`) from hub to meter, as it stands on the wire.
const ZEP: &str = "4558 02 01 0f 0000 01 ff 0102030405060708 00000107 00000000000000000000 1f";
const MAC: &str = "6188 07 341a cdab 0000";
const NWK: &str = "4800 cdab 0000 1e 07";
const APS: &str = "40 01 1900 0901 0b 07";
const PAYLOAD: [u8; 4] = [0x19, 0x08, 0x05, 0x95];
const NTP_TIME: u64 = 0x0102_0304_0506_0708;

const FRAME: HanFrame<'static> = HanFrame {
    radio_channel: 15,
    pan: 0x1A34,
    source: 0x0000,
    destination: 0xABCD,
    sequence: 0x107,
    source_endpoint: 11,
    destination_endpoint: 1,
    cluster: OTA_CLUSTER,
    profile: SE_PROFILE,
    ack_request: true,
    payload: &PAYLOAD,
};

/// The FCS bit by bit: reflected polynomial 0x8408, from 0.
pub(crate) fn fcs(bytes: &[u8]) -> [u8; 2] {
    let step = |crc: u16| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 };
    let fcs = bytes.iter().fold(0u16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), |crc, _| step(crc)));
    fcs.to_le_bytes()
}

/// Puts a datagram together of a MAC frame without its FCS.
fn datagram(mac_frame: &[u8]) -> Vec<u8> {
    let mut datagram = hex(ZEP);
    *datagram.last_mut().expect("the length") = mac_frame.len() as u8 + 2;
    datagram.extend_from_slice(mac_frame);
    datagram.extend_from_slice(&fcs(mac_frame));
    datagram
}

fn mac_frame(mac: &str, nwk: &str, aps: &str) -> Vec<u8> {
    [&hex(mac)[..], &hex(nwk), &hex(aps), &PAYLOAD].concat()
}

#[test]
fn a_unicast_is_its_bytes() {
    let bytes = datagram(&mac_frame(MAC, NWK, APS));
    assert_eq!(bytes[31], 0x1F, "9 + 8 + 8 + 4 + 2");
    assert_eq!(emitted(|out| FRAME.emit_zep(NTP_TIME, out)), bytes);
    assert_eq!(HanFrame::parse_zep(&bytes), Ok(FRAME));
}

#[test]
fn a_broadcast_wants_no_acknowledgement() {
    let frame = HanFrame { destination: 0xFFFD, destination_endpoint: 0xFF, ack_request: false, ..FRAME };
    let bytes =
        datagram(&mac_frame("4188 07 341a ffff 0000", "4800 fdff 0000 1e 07", "08 ff 1900 0901 0b 07"));
    assert_eq!(emitted(|out| frame.emit_zep(NTP_TIME, out)), bytes);
    assert_eq!(HanFrame::parse_zep(&bytes), Ok(frame));
}

#[test]
fn headers_of_other_stacks_are_read_over() {
    let variants = [
        ("4188 07 341a cdab 0000", NWK, APS),
        // The PAN id of the source.
        ("2188 07 341a cdab 341a 0000", NWK, APS),
        // Both EUI-64s, a source route of one relay, the initiator's bit.
        (MAC, "483c cdab 0000 1e 07 0102030405060708 1112131415161718 01 00 3412", APS),
        (MAC, "0801 cdab 0000 01 ff 01", APS),
        // An extended header without fragmentation.
        (MAC, NWK, "c0 01 1900 0901 0b 07 00"),
    ];
    for (mac, nwk, aps) in variants {
        assert_eq!(HanFrame::parse_zep(&datagram(&mac_frame(mac, nwk, aps))), Ok(FRAME), "{mac} {nwk} {aps}");
    }
    let no_request = datagram(&mac_frame(MAC, NWK, "00 01 1900 0901 0b 07"));
    assert_eq!(HanFrame::parse_zep(&no_request), Ok(HanFrame { ack_request: false, ..FRAME }));
}

#[test]
fn what_is_no_plain_data_is_passed_over() {
    let variants = [
        // A MAC acknowledgement, MAC security, 64-bit addresses.
        ("6288 07 341a cdab 0000", NWK, APS),
        ("6988 07 341a cdab 0000", NWK, APS),
        ("61cc 07 341a cdab 0000", NWK, APS),
        // A NWK command, NWK security.
        (MAC, "4900 cdab 0000 1e 07", APS),
        (MAC, "4802 cdab 0000 1e 07", APS),
        // An APS acknowledgement, APS security, a group, a fragment.
        (MAC, NWK, "42 01 1900 0901 0b 07"),
        (MAC, NWK, "60 01 1900 0901 0b 07"),
        (MAC, NWK, "0c 01 1900 0901 0b 07"),
        (MAC, NWK, "c0 01 1900 0901 0b 07 01"),
    ];
    for (mac, nwk, aps) in variants {
        let bytes = datagram(&mac_frame(mac, nwk, aps));
        let result = HanFrame::parse_zep(&bytes);
        assert!(matches!(result, Err(WireError::Unsupported { .. })), "{mac} {nwk} {aps}: {result:?}");
    }
}

#[test]
fn any_flipped_bit_of_the_radio_frame_is_noticed() {
    let bytes = datagram(&mac_frame(MAC, NWK, APS));
    for bit in 32 * 8..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(HanFrame::parse_zep(&damaged), Err(WireError::CheckSequence { .. })));
    }
}

#[test]
fn a_datagram_cut_short_or_drawn_out_is_refused() {
    let bytes = datagram(&mac_frame(MAC, NWK, APS));
    for end in 0..bytes.len() {
        assert!(matches!(HanFrame::parse_zep(&bytes[..end]), Err(WireError::Truncated { .. })));
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(HanFrame::parse_zep(&longer), Err(WireError::Trailing { count: 1, .. })));
}

#[test]
fn the_longest_payload_fills_a_radio_frame() {
    let payload = [7; MAX_HAN_PAYLOAD];
    let frame = HanFrame { payload: &payload, ..FRAME };
    let bytes = emitted(|out| frame.emit_zep(NTP_TIME, out));
    assert_eq!((bytes.len(), bytes[31]), (32 + 127, 127));
    assert_eq!(HanFrame::parse_zep(&bytes), Ok(frame));
}
