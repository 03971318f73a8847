//! Names of COSEM things: objects, classes, attributes, methods, ports, invocations.

use std::fmt;

use crate::WireError;
use crate::reader::Reader;

/// The logical name of a COSEM object: six value groups A to F (IEC 62056-6-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Obis(pub [u8; 6]);

impl Obis {
    /// Returns the ImageTransfer object of a channel: 0.b.44.0.0.255 (IEC 62056-6-2, class 18).
    ///
    /// Channel 0 is the hub's own slot, channel b the slot of the HAN device on channel b (ours: the
    /// standard gives value group B to channels and leaves their meaning open).
    pub const fn image_transfer(channel: u8) -> Obis {
        Obis([0, channel, 44, 0, 0, 255])
    }

    /// Returns the active firmware identifier of a channel: 1.b.0.2.0.255, class 1 (IEC 62056-6-2,
    /// "active firmware identifier"). Four octets of file version as content are ours.
    pub const fn active_firmware(channel: u8) -> Obis {
        Obis([1, channel, 0, 2, 0, 255])
    }

    /// Returns the object that takes the signed activation order of a channel: 0.b.128.0.0.255, class 1.
    ///
    /// Ours: value group C 128 and above is manufacturer specific (IEC 62056-6-1).
    pub const fn activation_order(channel: u8) -> Obis {
        Obis([0, channel, 128, 0, 0, 255])
    }

    /// Returns the object that lists the hub's HAN devices: 0.0.128.1.0.255, class 1. Ours, as above.
    pub const fn han_status() -> Obis {
        Obis([0, 0, 128, 1, 0, 255])
    }

    /// Returns the object that takes the signed papers of a channel one after another: 0.b.128.2.0.255, class 1.
    /// Trust roots, status and releases for the hub itself, trust roots for a HAN device. Ours, as above.
    pub const fn papers(channel: u8) -> Obis {
        Obis([0, channel, 128, 2, 0, 255])
    }

    /// Returns the association in which it is asked for: 0.0.40.0.0.255, class 15 (IEC 62056-6-2, association LN).
    pub const fn current_association() -> Obis {
        Obis([0, 0, 40, 0, 0, 255])
    }

    /// Returns value group B, the channel.
    pub const fn channel(self) -> u8 {
        self.0[1]
    }
}

impl fmt::Display for Obis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        write!(f, "{a}.{b}.{c}.{d}.{e}.{last}")
    }
}

/// A COSEM interface class (IEC 62056-6-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

impl ClassId {
    /// Data: one value in attribute 2.
    pub const DATA: ClassId = ClassId(1);
    /// Association LN: method 1 is the second pass of high-level security.
    pub const ASSOCIATION: ClassId = ClassId(15);
    /// Image transfer.
    pub const IMAGE_TRANSFER: ClassId = ClassId(18);
}

/// One attribute of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeRef {
    /// The object's class.
    pub class: ClassId,
    /// The object's name.
    pub instance: Obis,
    /// The attribute; 1 is the logical name. An `Integer8` on the wire, never negative for standard ones.
    pub index: u8,
}

/// One method of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MethodRef {
    /// The object's class.
    pub class: ClassId,
    /// The object's name.
    pub instance: Obis,
    /// The method, from 1.
    pub index: u8,
}

/// Reads `class u16 | instance 6 | index u8`, the Cosem-Attribute- or -Method-Descriptor.
pub(crate) fn parse_descriptor(reader: &mut Reader<'_>) -> Result<(ClassId, Obis, u8), WireError> {
    let class = ClassId(reader.u16_be("class id")?);
    let instance = Obis(reader.array("instance id")?);
    Ok((class, instance, reader.u8("attribute or method id")?))
}

pub(crate) fn emit_descriptor(class: ClassId, instance: Obis, index: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&class.0.to_be_bytes());
    out.extend_from_slice(&instance.0);
    out.push(index);
}

/// Invoke-id-and-priority (IEC 62056-5-3): which request this is, or answers.
///
/// | bits | meaning |
/// |---|---|
/// | 0-3 | invoke-id |
/// | 4-5 | reserved, sent as 0, ignored |
/// | 6 | service class: 1 = confirmed |
/// | 7 | priority: 1 = high |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvokeId {
    /// The number, 0 to 15.
    pub number: u8,
    /// Whether an answer is wanted.
    pub confirmed: bool,
    /// Whether the request goes before others.
    pub high_priority: bool,
}

impl InvokeId {
    /// Returns the byte on the wire. Of the number only the lower four bits travel.
    pub const fn to_byte(self) -> u8 {
        (self.number & 0x0F) | (self.confirmed as u8) << 6 | (self.high_priority as u8) << 7
    }

    /// Reads the byte on the wire.
    pub const fn from_byte(byte: u8) -> InvokeId {
        InvokeId { number: byte & 0x0F, confirmed: byte & 0x40 != 0, high_priority: byte & 0x80 != 0 }
    }
}

/// A wrapper port: which application process speaks or is spoken to (IEC 62056-4-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WPort(pub u16);

impl WPort {
    /// Nobody.
    pub const NO_STATION: WPort = WPort(0);
    /// The management logical device of a server.
    pub const MANAGEMENT: WPort = WPort(1);
    /// A client without secrets.
    pub const PUBLIC_CLIENT: WPort = WPort(0x10);
    /// Every logical device of a server; for UDP broadcasts only.
    pub const ALL_STATIONS: WPort = WPort(0x7F);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_print_as_engineers_write_them() {
        assert_eq!(Obis::image_transfer(3).to_string(), "0.3.44.0.0.255");
        assert_eq!(Obis::active_firmware(2).to_string(), "1.2.0.2.0.255");
        assert_eq!(Obis::activation_order(1).channel(), 1);
        assert_eq!(Obis::han_status().to_string(), "0.0.128.1.0.255");
        assert_eq!(Obis::papers(4).to_string(), "0.4.128.2.0.255");
    }

    #[test]
    fn an_invoke_byte_survives_both_ways_but_for_its_reserved_bits() {
        for byte in 0..=255 {
            assert_eq!(InvokeId::from_byte(byte).to_byte(), byte & 0xCF);
        }
    }
}
