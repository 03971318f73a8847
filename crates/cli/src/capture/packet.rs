//! From a frame to the IP packet that carries it: IPv4 (RFC 791) or IPv6 (RFC 8200), UDP (RFC 768) or TCP (RFC 9293).
//!
//! Checksums are right, so that whoever reads the packet may check them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The longest payload of a UDP datagram over IPv4.
pub(super) const MAX_DATAGRAM: usize = 65_535 - IPV4_LEN - UDP_LEN;

/// The longest payload of a TCP segment over IPv4.
pub(super) const MAX_SEGMENT: usize = 65_535 - IPV4_LEN - TCP_LEN;

const IPV4_LEN: usize = 20;
const UDP_LEN: usize = 8;
/// Without options.
const TCP_LEN: usize = 20;
const UDP: u8 = 17;
const TCP: u8 = 6;
const TIME_TO_LIVE: u8 = 64;

/// Flags of a segment with data in an established connection: PSH and ACK.
const PUSHED: u8 = 0x18;

/// Where a TCP segment stands in its two streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentPlace {
    /// The number of its first byte.
    pub(super) sequence: u32,
    /// The number of the byte that is expected next from the other end.
    pub(super) acknowledged: u32,
}

/// Appends the packet that carries `payload` from one socket to another as a datagram.
///
/// # Panics
///
/// Panics if the payload is longer than [`MAX_DATAGRAM`].
pub(super) fn emit_udp(from: SocketAddr, to: SocketAddr, payload: &[u8], out: &mut Vec<u8>) {
    assert!(payload.len() <= MAX_DATAGRAM, "a datagram carries at most {MAX_DATAGRAM} bytes");
    let udp_len = (UDP_LEN + payload.len()) as u16;
    let mut sum = emit_ip(from.ip(), to.ip(), UDP, udp_len, out);
    let start = out.len();
    for field in [from.port(), to.port(), udp_len, 0] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(payload);
    sum.add(&out[start..]);
    // Zero would say that there is no checksum.
    let checksum = match sum.checksum() {
        0 => 0xFFFF,
        checksum => checksum,
    };
    out[start + 6..start + 8].copy_from_slice(&checksum.to_be_bytes());
}

/// Appends the packet that carries `payload` from one socket to another as a segment of an established connection.
///
/// # Panics
///
/// Panics if the payload is longer than [`MAX_SEGMENT`].
pub(super) fn emit_tcp(
    from: SocketAddr,
    to: SocketAddr,
    place: SegmentPlace,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    assert!(payload.len() <= MAX_SEGMENT, "a segment carries at most {MAX_SEGMENT} bytes");
    let mut sum = emit_ip(from.ip(), to.ip(), TCP, (TCP_LEN + payload.len()) as u16, out);
    let start = out.len();
    out.extend_from_slice(&from.port().to_be_bytes());
    out.extend_from_slice(&to.port().to_be_bytes());
    out.extend_from_slice(&place.sequence.to_be_bytes());
    out.extend_from_slice(&place.acknowledged.to_be_bytes());
    // Five words of header, the flags, the widest window; then the checksum, and nothing urgent.
    out.extend_from_slice(&[0x50, PUSHED, 0xFF, 0xFF, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
    sum.add(&out[start..]);
    out[start + 16..start + 18].copy_from_slice(&sum.checksum().to_be_bytes());
}

/// Appends the header of a packet with so many bytes behind it, and returns the sum of the pseudo header that the
/// checksum of those bytes covers too; both versions of IP add up to the same.
fn emit_ip(from: IpAddr, to: IpAddr, protocol: u8, len: u16, out: &mut Vec<u8>) -> Sum {
    let mut sum = Sum(u64::from(protocol) + u64::from(len));
    match (from.to_canonical(), to.to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            emit_ipv4(from.octets(), to.octets(), protocol, len, out);
            sum.add(&from.octets());
            sum.add(&to.octets());
        }
        (from, to) => {
            let (from, to) = (as_v6(from).octets(), as_v6(to).octets());
            // Version 6, no traffic class, no flow label.
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(&[protocol, TIME_TO_LIVE]);
            out.extend_from_slice(&from);
            out.extend_from_slice(&to);
            sum.add(&from);
            sum.add(&to);
        }
    }
    sum
}

fn emit_ipv4(from: [u8; 4], to: [u8; 4], protocol: u8, len: u16, out: &mut Vec<u8>) {
    let start = out.len();
    // Version 4, five words of header; one packet, not to be fragmented.
    out.extend_from_slice(&[0x45, 0]);
    out.extend_from_slice(&(IPV4_LEN as u16 + len).to_be_bytes());
    out.extend_from_slice(&[0, 0, 0x40, 0, TIME_TO_LIVE, protocol, 0, 0]);
    out.extend_from_slice(&from);
    out.extend_from_slice(&to);
    let mut sum = Sum(0);
    sum.add(&out[start..]);
    out[start + 10..start + 12].copy_from_slice(&sum.checksum().to_be_bytes());
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The Internet checksum (RFC 1071), begun; everything but the last part has an even length.
struct Sum(u64);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (pairs, last) = bytes.as_chunks::<2>();
        self.0 += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        self.0 += last.iter().map(|byte| u64::from(*byte) << 8).sum::<u64>();
    }

    fn checksum(&self) -> u16 {
        let mut sum = self.0;
        while sum > 0xFFFF {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        !(sum as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_the_one_that_a_real_stack_sends() {
        // An association request of 8 + 2 bytes from 127.0.0.1:49152 to 127.16.0.1:4059; sums by hand.
        let mut packet = Vec::new();
        let payload = [0x00, 0x01, 0x00, 0x10, 0x00, 0x01, 0x00, 0x02, 0x60, 0x1d];
        let (from, to) = ("127.0.0.1:49152", "127.16.0.1:4059");
        emit_udp(from.parse().expect("a socket"), to.parse().expect("a socket"), &payload, &mut packet);
        assert_eq!(packet.len(), 38);
        // All words of a sound header, checksum included, add up to 0xffff.
        let mut header = Sum(0);
        header.add(&packet[..20]);
        assert_eq!(header.checksum(), 0);
        assert_eq!(&packet[..10], [0x45, 0, 0, 38, 0, 0, 0x40, 0, 64, 17]);
        let mut covered = Sum(17 + 18);
        covered.add(&packet[12..]);
        assert_eq!(covered.checksum(), 0);
        assert_eq!(&packet[20..26], [0xC0, 0x00, 0x0F, 0xDB, 0, 18]);
        assert_eq!(&packet[28..], payload);
    }

    #[test]
    fn a_segment_stands_at_its_place_and_its_sums_hold() {
        let mut packet = Vec::new();
        let place = SegmentPlace { sequence: 0x0102_0304, acknowledged: 0x0A0B_0C0D };
        let (from, to) = ("127.0.0.1:49152", "127.16.0.1:4059");
        emit_tcp(
            from.parse().expect("a socket"),
            to.parse().expect("a socket"),
            place,
            &[1, 2, 3],
            &mut packet,
        );
        assert_eq!((packet.len(), packet[9]), (43, 6));
        let mut header = Sum(0);
        header.add(&packet[..20]);
        assert_eq!(header.checksum(), 0);
        let mut covered = Sum(6 + 23);
        covered.add(&packet[12..20]);
        covered.add(&packet[20..]);
        assert_eq!(covered.checksum(), 0);
        assert_eq!(&packet[20..32], [0xC0, 0, 0x0F, 0xDB, 1, 2, 3, 4, 0x0A, 0x0B, 0x0C, 0x0D]);
        assert_eq!(&packet[32..34], [0x50, 0x18], "no options; PSH and ACK");
        assert_eq!(&packet[40..], [1, 2, 3]);
    }

    #[test]
    fn the_checksum_is_that_of_the_example_of_rfc_1071() {
        let mut sum = Sum(0);
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.checksum(), !0xddf2);
    }

    #[test]
    fn an_odd_payload_over_ipv6_is_sound_too() {
        let mut packet = Vec::new();
        let (from, to) = ("[::1]:17754", "[::1]:40000");
        emit_udp(from.parse().expect("a socket"), to.parse().expect("a socket"), &[7, 8, 9], &mut packet);
        assert_eq!((packet.len(), packet[0] >> 4, packet[6]), (51, 6, 17));
        let mut covered = Sum(17 + 11);
        covered.add(&packet[8..40]);
        covered.add(&packet[40..]);
        assert_eq!(covered.checksum(), 0);
    }
}
