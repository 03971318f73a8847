//! The HAN side of single devices: ZCL frames in ZEPv2 datagrams, to neighbours that are learnt as they speak.
//!
//! A real network has a join procedure; here whoever sends a sound frame has joined, within a bound. A neighbour is
//! answered with the channel, network and endpoints that it used itself, so that other people's stacks need no
//! configuration of ours.

use crate::udp::UdpPort;
use crate::watch::{Door, SocketFrame, Watch};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use transfer_engine::Moment;
use wire::{FIRST_BROADCAST, HanFrame, MAX_HAN_PAYLOAD, OTA_CLUSTER, SE_PROFILE};

/// Neighbours that are remembered; a HAN has a handful, and strangers must not fill our memory.
const MOST_NEIGHBOURS: usize = 64;
/// Batches that one turn takes.
const BATCHES_PER_TURN: usize = 32;
/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;

/// How to speak to one neighbour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbour {
    pub(crate) socket: SocketAddr,
    pub(crate) radio_channel: u8,
    pub(crate) pan: u16,
    pub(crate) profile: u16,
    /// Our endpoint, as the neighbour calls it, and the neighbour's own.
    pub(crate) endpoints: (u8, u8),
}

impl Neighbour {
    /// How we speak to a neighbour that has not spoken yet (ours).
    pub(crate) fn unheard(socket: SocketAddr) -> Neighbour {
        Neighbour { socket, radio_channel: 11, pan: 0x1A62, profile: SE_PROFILE, endpoints: (1, 1) }
    }
}

/// A device's radio on a UDP socket.
pub(crate) struct HanDoor {
    udp: UdpPort,
    own_address: u16,
    neighbours: BTreeMap<u16, Neighbour>,
    sequence: u32,
    ignored: u64,
    datagram: Vec<u8>,
}

/// A frame for the OTA cluster of this device.
pub(crate) struct Heard<'a> {
    pub(crate) from: u16,
    pub(crate) is_broadcast: bool,
    pub(crate) zcl: &'a [u8],
}

impl HanDoor {
    pub(crate) fn new(udp: UdpPort, own_address: u16) -> HanDoor {
        HanDoor {
            udp,
            own_address,
            neighbours: BTreeMap::new(),
            sequence: 0,
            ignored: 0,
            datagram: Vec::new(),
        }
    }

    /// Makes a neighbour known before it has spoken.
    pub(crate) fn introduce(&mut self, address: u16, neighbour: Neighbour) {
        self.neighbours.insert(address, neighbour);
    }

    /// Returns how many datagrams were of no use.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored
    }

    pub(crate) async fn ready(&self) {
        self.udp.readable().await;
    }

    /// Receives what is there, within the bound of a turn. Returns whether more may be waiting.
    pub(crate) fn receive(
        &mut self,
        moment: Moment,
        watch: &mut Watch,
        mut each: impl FnMut(Heard<'_>),
    ) -> bool {
        let HanDoor { udp, own_address, neighbours, ignored, .. } = self;
        let port = udp.local_address().port();
        for _ in 0..BATCHES_PER_TURN {
            let count = udp.receive(|local, socket, datagram| {
                let own = SocketAddr::new(local, port);
                let door = Door::Han;
                watch.see(&SocketFrame {
                    moment,
                    door,
                    is_inbound: true,
                    own,
                    peer: socket,
                    bytes: datagram,
                });
                let Some(frame) = useful(datagram, *own_address) else {
                    *ignored += 1;
                    return;
                };
                if neighbours.len() >= MOST_NEIGHBOURS && !neighbours.contains_key(&frame.source) {
                    *ignored += 1;
                    return;
                }
                let neighbour = Neighbour {
                    socket,
                    radio_channel: frame.radio_channel,
                    pan: frame.pan,
                    profile: frame.profile,
                    endpoints: (answering_endpoint(&frame), frame.source_endpoint),
                };
                neighbours.insert(frame.source, neighbour);
                let is_broadcast = frame.is_broadcast();
                each(Heard { from: frame.source, is_broadcast, zcl: frame.payload });
            });
            if count == 0 {
                return false;
            }
        }
        true
    }

    /// Sends a frame to one neighbour, or to all when the address is a broadcast; an unknown one hears nothing.
    pub(crate) async fn send(&mut self, moment: Moment, watch: &mut Watch, to: u16, zcl: &[u8]) {
        if zcl.len() > MAX_HAN_PAYLOAD {
            tracing::debug!(len = zcl.len(), "a frame is too long for the radio");
            return;
        }
        let everybody = to >= FIRST_BROADCAST;
        let receivers: Vec<Neighbour> = match everybody {
            true => self.neighbours.values().copied().collect(),
            false => self.neighbours.get(&to).copied().into_iter().collect(),
        };
        for neighbour in receivers {
            self.sequence = self.sequence.wrapping_add(1);
            let frame = HanFrame {
                radio_channel: neighbour.radio_channel,
                pan: neighbour.pan,
                source: self.own_address,
                destination: to,
                sequence: self.sequence,
                source_endpoint: neighbour.endpoints.0,
                destination_endpoint: neighbour.endpoints.1,
                cluster: OTA_CLUSTER,
                profile: neighbour.profile,
                ack_request: false,
                payload: zcl,
            };
            self.datagram.clear();
            frame.emit_zep(ntp_time(moment.as_micros()), &mut self.datagram);
            let (own, peer) = (self.udp.local_address(), neighbour.socket);
            let (door, bytes) = (Door::Han, self.datagram.as_slice());
            watch.see(&SocketFrame { moment, door, is_inbound: false, own, peer, bytes });
            self.udp.send(own.ip(), peer, bytes).await;
        }
    }
}

/// Parses a datagram; `None` unless it is a frame for our OTA cluster.
fn useful(datagram: &[u8], own_address: u16) -> Option<HanFrame<'_>> {
    let frame = match HanFrame::parse_zep(datagram) {
        Ok(frame) => frame,
        Err(error) => {
            tracing::debug!(%error, "a datagram on the HAN side is no frame");
            return None;
        }
    };
    let for_us = frame.destination == own_address || frame.is_broadcast();
    (for_us && frame.cluster == OTA_CLUSTER && frame.source != own_address).then_some(frame)
}

/// The endpoint from which we answer: the one that was asked, unless everybody's was.
fn answering_endpoint(frame: &HanFrame<'_>) -> u8 {
    if frame.destination_endpoint == 0xFF { 1 } else { frame.destination_endpoint }
}

/// Returns a time in NTP's format, as ZEP wants it: seconds since 1900 above, fractions of a second below.
pub fn ntp_time(unix_micros: u64) -> u64 {
    let (seconds, micros) = (unix_micros / 1_000_000, unix_micros % 1_000_000);
    ((seconds + NTP_TO_UNIX_S) << 32) | ((micros << 32) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_as_ntp_does() {
        assert_eq!(ntp_time(0), NTP_TO_UNIX_S << 32);
        assert_eq!(ntp_time(500_000) & 0xFFFF_FFFF, 1 << 31);
    }
}
