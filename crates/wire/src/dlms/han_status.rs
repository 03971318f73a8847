//! What stands behind a hub: attribute 2 of the Data object 0.0.128.1.0.255. Ours, entirely.
//!
//! ```text
//! 01 count | { 02 06 | 11 channel | 09 08 EUI-64 | 16 state | 06 offset | 06 running | 06 staged } ...
//! ```
//!
//! 31 bytes a device, so that a home of five is one small answer on a slow line. The EUI-64 is in the order in
//! which it is written down.

use super::data::{emit_string, tag};
use super::typed::{emit_unsigned, list_count, octets, structure_of, unsigned};
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
}

impl HanState {
    /// All states, by their number.
    pub const ALL: [HanState; 10] = [
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
}

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
        out.push(tag::ARRAY);
        put_length(devices.len(), out);
        for device in devices {
            out.extend_from_slice(&[tag::STRUCTURE, 6, tag::UNSIGNED8, device.channel]);
            emit_string(tag::OCTETS, &device.device, out);
            out.extend_from_slice(&[tag::ENUM, device.state as u8]);
            emit_unsigned(device.offset, out);
            emit_unsigned(device.running_version, out);
            emit_unsigned(device.staged_version, out);
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<HanDeviceStatus, WireError> {
        structure_of(reader, 6, "HAN device", "02 06 (a structure of six)")?;
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
            WireError::Unexpected { what: "state", offset, found: number.into(), expected: "0 to 9" };
        Ok(HanDeviceStatus {
            channel,
            device,
            state: HanState::ALL.get(usize::from(number)).copied().ok_or(unknown)?,
            offset: unsigned(reader, "offset")?,
            running_version: unsigned(reader, "running version")?,
            staged_version: unsigned(reader, "staged version")?,
        })
    }
}
