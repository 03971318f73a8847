//! Where each frame of a TCP connection stands: the sequence numbers of a capture (RFC 9293, section 3.4).
//!
//! A capture at a device's door sees frames, not segments; the numbers are ours, count from zero, and are right in that
//! every byte has its place and everything heard is acknowledged. Handshake and farewell are not shown.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::packet::SegmentPlace;

/// Connections that are kept apart at once; past them all begin again at zero, which costs a reader a remark.
const MOST_CONNECTIONS: usize = 4_096;

/// How many bytes went each way between each two sockets.
#[derive(Default)]
pub(super) struct Streams(BTreeMap<(SocketAddr, SocketAddr), u32>);

impl Streams {
    /// Returns the place of so many bytes that go from one socket to another, and counts them.
    pub(super) fn pass(&mut self, from: SocketAddr, to: SocketAddr, len: usize) -> SegmentPlace {
        let acknowledged = self.0.get(&(to, from)).copied().unwrap_or(0);
        if self.0.len() >= 2 * MOST_CONNECTIONS {
            self.0.clear();
        }
        let next = self.0.entry((from, to)).or_default();
        let place = SegmentPlace { sequence: *next, acknowledged };
        *next = next.wrapping_add(len as u32);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_counts_its_own_bytes_and_acknowledges_the_others() {
        let [one, other] = ["127.0.0.1:49152", "127.16.0.1:4059"].map(|text| text.parse().expect("a socket"));
        let mut streams = Streams::default();
        let place = |sequence, acknowledged| SegmentPlace { sequence, acknowledged };
        assert_eq!(streams.pass(one, other, 30), place(0, 0));
        assert_eq!(streams.pass(other, one, 50), place(0, 30));
        assert_eq!(streams.pass(one, other, 5), place(30, 50));
        assert_eq!(streams.pass(one, other, 1), place(35, 50));
    }
}
