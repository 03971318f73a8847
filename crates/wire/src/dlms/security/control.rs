//! The security control byte: how an APDU is protected, and with which key (IEC 62056-5-3).

/// What was done to an APDU.
///
/// | bits | meaning |
/// |---|---|
/// | 0-3 | security suite; 0 = AES-128-GCM |
/// | 4 | authenticated |
/// | 5 | encrypted |
/// | 6 | key set: 0 = unicast, 1 = broadcast |
/// | 7 | compressed |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecurityControl(u8);

/// Which encryption key is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySet {
    /// The key that a hub shares with its head-end alone.
    Unicast,
    /// The key that all hubs share.
    Broadcast,
}

const SUITE: u8 = 0x0F;
const PROTECTION: u8 = 0x30;
const AUTHENTICATED: u8 = 0x10;
const BROADCAST: u8 = 0x40;

impl SecurityControl {
    /// Authenticated and encrypted under the hub's own key: what is sent, and accepted, in all but one case.
    pub const UNICAST: SecurityControl = SecurityControl(PROTECTION);
    /// Authenticated and encrypted under everybody's key: for image blocks.
    pub const BROADCAST: SecurityControl = SecurityControl(PROTECTION | BROADCAST);
    /// Authenticated: how a challenge is answered, where there is nothing to encrypt.
    pub const AUTHENTICATED: SecurityControl = SecurityControl(AUTHENTICATED);

    /// Reads the byte on the wire, whatever it says.
    pub const fn from_byte(byte: u8) -> SecurityControl {
        SecurityControl(byte)
    }

    /// Returns the byte on the wire.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// Returns which key set is named, if the protection is one that is accepted: suite 0, authenticated *and*
    /// encrypted, not compressed.
    ///
    /// Policy: encryption alone lets anybody flip bits, authentication alone shows orders to anybody, and who
    /// takes either takes the weaker one whenever it is offered.
    pub fn accepted(self) -> Option<KeySet> {
        match self {
            SecurityControl::UNICAST => Some(KeySet::Unicast),
            SecurityControl::BROADCAST => Some(KeySet::Broadcast),
            _ => None,
        }
    }

    /// Returns the security suite.
    pub const fn suite(self) -> u8 {
        self.0 & SUITE
    }

    /// Says whether the APDU is authenticated.
    pub const fn is_authenticated(self) -> bool {
        self.0 & AUTHENTICATED != 0
    }

    /// Says whether the APDU is encrypted.
    pub const fn is_encrypted(self) -> bool {
        self.0 & PROTECTION & !AUTHENTICATED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_bytes_two_are_accepted() {
        for byte in 0..=255 {
            let control = SecurityControl::from_byte(byte);
            assert_eq!(control.to_byte(), byte);
            let expected = match byte {
                0x30 => Some(KeySet::Unicast),
                0x70 => Some(KeySet::Broadcast),
                _ => None,
            };
            assert_eq!(control.accepted(), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn half_a_protection_is_told_from_the_whole() {
        let tag_only = SecurityControl::from_byte(0x10);
        let text_only = SecurityControl::from_byte(0x21);
        assert!(tag_only.is_authenticated() && !tag_only.is_encrypted());
        assert!(!text_only.is_authenticated() && text_only.is_encrypted());
        assert_eq!((tag_only.suite(), text_only.suite()), (0, 1));
    }
}
