//! The network and application support headers (Zigbee specification 05-3474, 3.3.1 and 2.2.5).
//!
//! | NWK | field |
//! |--:|---|
//! | 2 | frame control: bits 0-1 type (0 data), 2-5 version (2), 6-7 route discovery, 8 multicast, 9 secured, 10 source route, 11 / 12 EUI-64 of destination / source |
//! | 2, 2 | destination, source |
//! | 1, 1 | radius, sequence |
//! | [8], [8] | EUI-64s |
//! | [1] | multicast control |
//! | [2 + 2n] | n relays, index, the relays' addresses |
//!
//! | APS | field |
//! |--:|---|
//! | 1 | frame control: bits 0-1 type (0 data), 2-3 delivery (0 unicast, 2 broadcast, 3 group), 5 secured, 6 acknowledge, 7 extended header |
//! | 1 | destination endpoint (two bytes of group instead for a group) |
//! | 2, 2 | cluster, profile |
//! | 1, 1 | source endpoint, counter |
//! | [1..] | extended header: bits 0-1 fragmentation |
//!
//! All little-endian. What is in brackets is read over in frames of others, and never sent.

use super::HanFrame;
use crate::WireError;
use crate::reader::Reader;

/// The NWK header as we send it.
pub(crate) const NWK_LEN: usize = 8;
/// The APS header as we send it.
pub(crate) const APS_LEN: usize = 8;

/// Data, version 2 (Zigbee PRO), discover a route if need be.
const NWK_FRAME_CONTROL: u16 = 0x0048;
const NWK_TYPE: u16 = 0x0003;
const NWK_MULTICAST: u16 = 0x0100;
const NWK_SECURED: u16 = 0x0200;
const NWK_SOURCE_ROUTE: u16 = 0x0400;
const NWK_DESTINATION_EUI64: u16 = 0x0800;
const NWK_SOURCE_EUI64: u16 = 0x1000;

/// How far a frame may travel: twice the depth of a network of Zigbee PRO, 15.
const RADIUS: u8 = 30;

const APS_TYPE: u8 = 0x03;
const APS_DELIVERY: u8 = 0x0C;
const APS_UNICAST: u8 = 0x00;
const APS_BROADCAST: u8 = 0x08;
const APS_SECURED: u8 = 0x20;
const APS_ACKNOWLEDGE: u8 = 0x40;
const APS_EXTENDED: u8 = 0x80;

/// Network addresses.
pub(crate) struct Network {
    pub(crate) source: u16,
    pub(crate) destination: u16,
}

pub(crate) fn parse_nwk(reader: &mut Reader<'_>) -> Result<Network, WireError> {
    let offset = reader.offset();
    let frame_control = reader.u16_le("NWK frame control")?;
    let unsupported = |what| Err(WireError::Unsupported { what, offset, found: frame_control.into() });
    if frame_control & NWK_TYPE != 0 {
        return unsupported("NWK frame type in frame control");
    }
    if frame_control & NWK_SECURED != 0 {
        return unsupported("NWK security in frame control");
    }
    let destination = reader.u16_le("NWK destination")?;
    let source = reader.u16_le("NWK source")?;
    reader.u8("NWK radius")?;
    reader.u8("NWK sequence")?;
    for (bit, what) in
        [(NWK_DESTINATION_EUI64, "EUI-64 of the destination"), (NWK_SOURCE_EUI64, "EUI-64 of the source")]
    {
        if frame_control & bit != 0 {
            reader.take(8, what)?;
        }
    }
    if frame_control & NWK_MULTICAST != 0 {
        reader.u8("multicast control")?;
    }
    if frame_control & NWK_SOURCE_ROUTE != 0 {
        let relays = reader.u8("number of relays")?;
        reader.u8("relay index")?;
        reader.take(usize::from(relays) * 2, "relays")?;
    }
    Ok(Network { source, destination })
}

pub(crate) fn emit_nwk(frame: &HanFrame<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&NWK_FRAME_CONTROL.to_le_bytes());
    out.extend_from_slice(&frame.destination.to_le_bytes());
    out.extend_from_slice(&frame.source.to_le_bytes());
    out.extend_from_slice(&[RADIUS, frame.counter()]);
}

/// Endpoints and what they speak.
pub(crate) struct Application {
    pub(crate) source_endpoint: u8,
    pub(crate) destination_endpoint: u8,
    pub(crate) cluster: u16,
    pub(crate) profile: u16,
    pub(crate) ack_request: bool,
}

pub(crate) fn parse_aps(reader: &mut Reader<'_>) -> Result<Application, WireError> {
    let offset = reader.offset();
    let frame_control = reader.u8("APS frame control")?;
    let unsupported =
        |what, offset, found: u8| Err(WireError::Unsupported { what, offset, found: found.into() });
    if frame_control & APS_TYPE != 0 {
        return unsupported("APS frame type in frame control", offset, frame_control);
    }
    if frame_control & APS_SECURED != 0 {
        return unsupported("APS security in frame control", offset, frame_control);
    }
    if ![APS_UNICAST, APS_BROADCAST].contains(&(frame_control & APS_DELIVERY)) {
        return unsupported("APS delivery in frame control", offset, frame_control);
    }
    let application = Application {
        destination_endpoint: reader.u8("destination endpoint")?,
        cluster: reader.u16_le("cluster")?,
        profile: reader.u16_le("profile")?,
        source_endpoint: reader.u8("source endpoint")?,
        ack_request: frame_control & APS_ACKNOWLEDGE != 0,
    };
    reader.u8("APS counter")?;
    if frame_control & APS_EXTENDED != 0 {
        let offset = reader.offset();
        let extended = reader.u8("extended frame control")?;
        if extended & 0x03 != 0 {
            return unsupported("APS fragmentation in extended frame control", offset, extended);
        }
    }
    Ok(application)
}

pub(crate) fn emit_aps(frame: &HanFrame<'_>, out: &mut Vec<u8>) {
    out.push(match (frame.is_broadcast(), frame.ack_request) {
        (true, _) => APS_BROADCAST,
        (false, true) => APS_UNICAST | APS_ACKNOWLEDGE,
        (false, false) => APS_UNICAST,
    });
    out.push(frame.destination_endpoint);
    out.extend_from_slice(&frame.cluster.to_le_bytes());
    out.extend_from_slice(&frame.profile.to_le_bytes());
    out.extend_from_slice(&[frame.source_endpoint, frame.counter()]);
}
