//! One frame on the simulated HAN, all layers below ZCL taken together.
//!
//! ```text
//! | ZEPv2 32 | MAC 9 | NWK 8 | APS 8 | payload, a ZCL frame | FCS 2 |
//! ```
//!
//! The envelope is unsecured: a real Smart Energy network ciphers NWK and APS. Nothing of ours rests on that,
//! and unciphered frames can be watched with Wireshark. Source and destination are those of the network layer,
//! from end to end; the MAC addresses are the same, since every meter is one hop from its hub.

use super::{mac, network, zep};
use crate::WireError;
use crate::reader::Reader;

/// The OTA Upgrade cluster (ZCL 11).
pub const OTA_CLUSTER: u16 = 0x0019;

/// The Smart Energy profile.
pub const SE_PROFILE: u16 = 0x0109;

/// The longest payload: 127 B of PHY less the headers above and the FCS. A real, ciphered frame holds less,
/// which is why blocks are 40 B by default.
pub const MAX_HAN_PAYLOAD: usize =
    mac::MAX_PHY_LEN - mac::HEADER_LEN - mac::FCS_LEN - network::NWK_LEN - network::APS_LEN;

/// From this network address on, a frame is a broadcast: 0xffff all, 0xfffd all that listen, 0xfffc routers.
pub const FIRST_BROADCAST: u16 = 0xFFF8;

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HanFrame<'a> {
    /// The channel, 11 to 26 at 2.4 GHz.
    pub radio_channel: u8,
    /// The network.
    pub pan: u16,
    /// Network address of the sender.
    pub source: u16,
    /// Network address of the receiver, or a broadcast.
    pub destination: u16,
    /// The frame's number. On the wire it is ZEP's; the counters of MAC, NWK and APS are its lowest byte, and
    /// are not looked at in frames of others.
    pub sequence: u32,
    /// Endpoint of the sender.
    pub source_endpoint: u8,
    /// Endpoint of the receiver, 0xff = all.
    pub destination_endpoint: u8,
    /// The cluster, see [`OTA_CLUSTER`].
    pub cluster: u16,
    /// The profile, see [`SE_PROFILE`].
    pub profile: u16,
    /// Whether APS is to acknowledge the frame. Broadcasts are never acknowledged, whatever this says.
    pub ack_request: bool,
    /// What is carried.
    pub payload: &'a [u8],
}

impl<'a> HanFrame<'a> {
    /// Parses a ZEP datagram and checks its frame check sequence.
    ///
    /// Acknowledgements, commands and ciphered frames are [`WireError::Unsupported`]: pass them over.
    pub fn parse_zep(datagram: &'a [u8]) -> Result<HanFrame<'a>, WireError> {
        let mut reader = Reader::new(datagram);
        let radio = zep::parse(&mut reader)?;
        mac::check_sequence(datagram, reader.offset())?;
        let (pan, mut reader) = mac::parse(reader)?;
        let network = network::parse_nwk(&mut reader)?;
        let application = network::parse_aps(&mut reader)?;
        Ok(HanFrame {
            radio_channel: radio.channel,
            pan,
            source: network.source,
            destination: network.destination,
            sequence: radio.sequence,
            source_endpoint: application.source_endpoint,
            destination_endpoint: application.destination_endpoint,
            cluster: application.cluster,
            profile: application.profile,
            ack_request: application.ack_request,
            payload: reader.rest(),
        })
    }

    /// Appends a ZEP datagram sent at the given time (NTP: seconds since 1900 in the upper half, fractions of
    /// a second in the lower one).
    ///
    /// # Panics
    ///
    /// Panics if the payload is longer than [`MAX_HAN_PAYLOAD`].
    pub fn emit_zep(&self, ntp_time: u64, out: &mut Vec<u8>) {
        assert!(self.payload.len() <= MAX_HAN_PAYLOAD, "a payload is at most {MAX_HAN_PAYLOAD} bytes long");
        let mac_len = mac::MAX_PHY_LEN - MAX_HAN_PAYLOAD + self.payload.len();
        zep::emit(self, ntp_time, mac_len as u8, out);
        let mac_start = out.len();
        mac::emit(self, out);
        network::emit_nwk(self, out);
        network::emit_aps(self, out);
        out.extend_from_slice(self.payload);
        mac::emit_check_sequence(mac_start, out);
    }

    /// Says whether everybody is meant.
    pub const fn is_broadcast(&self) -> bool {
        self.destination >= FIRST_BROADCAST
    }

    /// Returns the number that MAC, NWK and APS count in one byte.
    pub(crate) const fn counter(&self) -> u8 {
        self.sequence as u8
    }
}
