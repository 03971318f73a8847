//! The conformance block: which services a peer offers (IEC 62056-5-3, initiate).

use std::ops::BitOr;

/// A set of services: 24 bits, the most significant of which is the standard's bit 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conformance(pub u32);

impl Conformance {
    /// No service.
    pub const NONE: Conformance = Conformance(0);
    /// Bit 1.
    pub const GENERAL_PROTECTION: Conformance = Conformance::bit(1);
    /// Bit 2.
    pub const GENERAL_BLOCK_TRANSFER: Conformance = Conformance::bit(2);
    /// Bit 11.
    pub const BLOCK_TRANSFER_WITH_GET: Conformance = Conformance::bit(11);
    /// Bit 12.
    pub const BLOCK_TRANSFER_WITH_SET: Conformance = Conformance::bit(12);
    /// Bit 13.
    pub const BLOCK_TRANSFER_WITH_ACTION: Conformance = Conformance::bit(13);
    /// Bit 14.
    pub const MULTIPLE_REFERENCES: Conformance = Conformance::bit(14);
    /// Bit 17.
    pub const ACCESS: Conformance = Conformance::bit(17);
    /// Bit 19.
    pub const GET: Conformance = Conformance::bit(19);
    /// Bit 20.
    pub const SET: Conformance = Conformance::bit(20);
    /// Bit 21.
    pub const SELECTIVE_ACCESS: Conformance = Conformance::bit(21);
    /// Bit 22.
    pub const EVENT_NOTIFICATION: Conformance = Conformance::bit(22);
    /// Bit 23.
    pub const ACTION: Conformance = Conformance::bit(23);

    const fn bit(number: u32) -> Conformance {
        Conformance(1 << (23 - number))
    }

    /// Returns the services of both: what a server grants of what a client proposes.
    pub const fn intersection(self, other: Conformance) -> Conformance {
        Conformance(self.0 & other.0)
    }

    /// Says whether every service of `other` is among these.
    pub const fn contains(self, other: Conformance) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn from_bytes([high, middle, low]: [u8; 3]) -> Conformance {
        Conformance(u32::from_be_bytes([0, high, middle, low]))
    }

    pub(crate) fn to_bytes(self) -> [u8; 3] {
        let [_, high, middle, low] = self.0.to_be_bytes();
        [high, middle, low]
    }
}

impl BitOr for Conformance {
    type Output = Conformance;

    fn bitor(self, other: Conformance) -> Conformance {
        Conformance(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_and_action_are_the_bytes_00_00_11() {
        assert_eq!((Conformance::GET | Conformance::ACTION).to_bytes(), [0, 0, 0x11]);
        assert_eq!(Conformance::GENERAL_BLOCK_TRANSFER.to_bytes(), [0x20, 0, 0]);
    }

    #[test]
    fn a_server_grants_what_both_have() {
        let proposed = Conformance::GET | Conformance::SET;
        let granted = proposed.intersection(Conformance::GET | Conformance::ACTION);
        assert_eq!(granted, Conformance::GET);
        assert!(proposed.contains(granted) && !granted.contains(proposed));
    }
}
