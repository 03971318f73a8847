//! What stands behind a hub: attribute 2 of the Data object 0.0.128.1.0.255. Ours, entirely.
//!
//! ```text
//! 01 count | { 02 09 | 11 channel | 09 08 EUI-64 | 16 state | 06 offset | 06 running | 06 staged
//!              | 09 00, or 09 10 nonce 8, last counter u64 | 06 root version | 00, or 06 seconds } ...
//! ```
//!
//! 54 bytes a device at the most, so that a home of five is one small answer on a slow line. The EUI-64 is in the
//! order in which it is written down. The row of channel 0 is the hub itself, which is a device like the others.

use super::data::{emit_string, tag};
use super::typed::{emit_unsigned, list_count, octets, optional_unsigned, structure_of, unsigned};
use crate::WireError;
use crate::reader::{Reader, put_length};

/// How far a HAN device is with the image in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HanState {
    /// There is no image for it.
    Idle = 0,
    /// There is an image; the device has not asked for it yet.
    Waiting = 1,
    /// It is fetching the image.
    Downloading = 2,
    /// It has the whole image and found it good.
    Verified = 3,
    /// It has the whole image and refused it.
    Rejected = 4,
    /// It was told to activate.
    Activating = 5,
    /// It runs the image.
    Activated = 6,
    /// It went back to its old image.
    ActivationFailed = 7,
    /// It refused the order to activate.
    OrderRefused = 8,
    /// It has not been heard of for long.
    Silent = 9,
    /// It stopped fetching the image, or never began, and said so: it has no room, or no charge to spare.
    Declined = 10,
}

impl HanState {
    /// All states, by their number.
    pub const ALL: [HanState; 11] = [
        HanState::Idle,
        HanState::Waiting,
        HanState::Downloading,
        HanState::Verified,
        HanState::Rejected,
        HanState::Activating,
        HanState::Activated,
        HanState::ActivationFailed,
        HanState::OrderRefused,
        HanState::Silent,
        HanState::Declined,
    ];
}

/// One HAN device as its hub sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HanDeviceStatus {
    /// Its slot is 0.channel.44.0.0.255.
    pub channel: u8,
    /// Its EUI-64.
    pub device: [u8; 8],
    /// How far it is.
    pub state: HanState,
    /// How many bytes of the image it has fetched.
    pub offset: u32,
    /// The file version it runs.
    pub running_version: u32,
    /// The file version in its slot; 0 = none.
    pub staged_version: u32,
    /// What its next activation order must carry; `None` when it has not said.
    pub challenge: Option<OrderChallenge>,
    /// The trust root it holds; 0 for keys given one by one, and when it has not said.
    pub root_version: u32,
    /// How long ago the hub last heard it, whole seconds; `None` when it has not since the hub came up.
    pub heard_s_ago: Option<u32>,
}

/// What a device's next activation order must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderChallenge {
    /// What the device drew.
    pub nonce: [u8; 8],
    /// The counter of the last order it obeyed, in the epoch of its trust root.
    pub last_counter: u64,
}

impl OrderChallenge {
    fn to_bytes(self) -> [u8; CHALLENGE_LEN] {
        let mut bytes = [0; CHALLENGE_LEN];
        bytes[..8].copy_from_slice(&self.nonce);
        bytes[8..].copy_from_slice(&self.last_counter.to_be_bytes());
        bytes
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Option<OrderChallenge>, WireError> {
        let offset = reader.offset();
        let bytes = octets(reader, "challenge")?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let (found, expected) = (bytes.len() as u64, "0 or 16");
        let wrong = WireError::Unexpected { what: "length of the challenge", offset, found, expected };
        let bytes: [u8; CHALLENGE_LEN] = bytes.try_into().map_err(|_| wrong)?;
        let mut nonce = [0; 8];
        nonce.copy_from_slice(&bytes[..8]);
        let mut counter = [0; 8];
        counter.copy_from_slice(&bytes[8..]);
        Ok(Some(OrderChallenge { nonce, last_counter: u64::from_be_bytes(counter) }))
    }
}

/// The bytes of a challenge: nonce and counter, eight each.
const CHALLENGE_LEN: usize = 16;

/// The longest row: tags and lengths 14, device 8, channel and state 2, five numbers of 4, challenge 16.
const MAX_ROW_LEN: usize = 64;

/// Tag and length of the list at their longest.
const LIST_HEADER_LEN: usize = 6;

/// As many as there are channels.
const MAX_DEVICES: usize = 255;

impl HanDeviceStatus {
    /// Parses a list of devices, which must be the whole input; null is taken for an empty list.
    pub fn parse_list(data: &[u8]) -> Result<Vec<HanDeviceStatus>, WireError> {
        let mut reader = Reader::new(data);
        let count = list_count(&mut reader, MAX_DEVICES, "HAN devices")?;
        let mut devices = Vec::new();
        for _ in 0..count {
            devices.push(HanDeviceStatus::parse(&mut reader)?);
        }
        reader.finish("HAN devices")?;
        Ok(devices)
    }

    /// Appends a list of devices.
    ///
    /// # Panics
    ///
    /// Panics above 255 devices: there are no more channels.
    pub fn emit_list(devices: &[HanDeviceStatus], out: &mut Vec<u8>) {
        assert!(devices.len() <= MAX_DEVICES, "a hub has at most {MAX_DEVICES} channels");
        out.reserve(LIST_HEADER_LEN + devices.len() * MAX_ROW_LEN);
        out.push(tag::ARRAY);
        put_length(devices.len(), out);
        for device in devices {
            out.extend_from_slice(&[tag::STRUCTURE, 9, tag::UNSIGNED8, device.channel]);
            emit_string(tag::OCTETS, &device.device, out);
            out.extend_from_slice(&[tag::ENUM, device.state as u8]);
            emit_unsigned(device.offset, out);
            emit_unsigned(device.running_version, out);
            emit_unsigned(device.staged_version, out);
            match device.challenge {
                Some(challenge) => emit_string(tag::OCTETS, &challenge.to_bytes(), out),
                None => emit_string(tag::OCTETS, &[], out),
            }
            emit_unsigned(device.root_version, out);
            match device.heard_s_ago {
                Some(seconds) => emit_unsigned(seconds, out),
                None => out.push(tag::NULL),
            }
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<HanDeviceStatus, WireError> {
        structure_of(reader, 9, "HAN device", "02 09 (a structure of nine)")?;
        reader.exactly(tag::UNSIGNED8, "channel", "11 (an unsigned)")?;
        let channel = reader.u8("channel")?;
        let offset = reader.offset();
        let eui64 = octets(reader, "device")?;
        let device = eui64.try_into().map_err(|_| WireError::Unexpected {
            what: "length of the device's EUI-64",
            offset,
            found: eui64.len() as u64,
            expected: "8",
        })?;
        reader.exactly(tag::ENUM, "state", "16 (an enum)")?;
        let offset = reader.offset();
        let number = reader.u8("state")?;
        let unknown =
            WireError::Unexpected { what: "state", offset, found: number.into(), expected: "0 to 10" };
        Ok(HanDeviceStatus {
            channel,
            device,
            state: HanState::ALL.get(usize::from(number)).copied().ok_or(unknown)?,
            offset: unsigned(reader, "offset")?,
            running_version: unsigned(reader, "running version")?,
            staged_version: unsigned(reader, "staged version")?,
            challenge: OrderChallenge::parse(reader)?,
            root_version: unsigned(reader, "version of the trust root")?,
            heard_s_ago: optional_unsigned(reader, "seconds since it was heard")?,
        })
    }
}
