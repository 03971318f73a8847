//! Why a peer's bytes were not believed, and why ours could not be sent.

use super::control::SecurityControl;
use super::keys::Forged;
use crate::WireError;

/// Why a secured APDU was refused. All but [`LinkError::Unsecured`] and [`LinkError::OutOfOrder`] are signs of
/// another key, damage, or somebody who listens and repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The bytes are no secured APDU, or what was inside is none that we speak.
    #[error("the APDU is malformed")]
    Malformed(#[from] WireError),
    /// An APDU in the clear, where nothing but an association request may be said in the clear.
    #[error("APDU tag {found:#04x} is not protected, expected a ciphered APDU")]
    Unsecured {
        /// Its tag.
        found: u8,
    },
    /// The protection is weaker than, or other than, what is accepted.
    #[error("security control is {:#04x}, expected 0x30 or 0x70", found.to_byte())]
    Policy {
        /// What the peer chose.
        found: SecurityControl,
    },
    /// A key set that the receiver has no key of, or that this APDU may not be sent under.
    #[error("the APDU may not be sent under this key set")]
    KeySet,
    /// The counter has been used before.
    #[error("invocation counter is {found}, expected more than {last}")]
    Replayed {
        /// What the APDU says.
        found: u32,
        /// The highest that was accepted.
        last: u32,
    },
    /// Key, title, counter and bytes do not belong together.
    #[error("the tag does not authenticate the APDU")]
    Forged,
    /// The title is our own: somebody returns to us what we sent.
    #[error("the peer bears our own system title")]
    Reflected,
    /// What is inside is not what the tag outside says.
    #[error("APDU tag {inside:#04x} was ciphered as {outside:#04x}")]
    WrongService {
        /// The tag of the ciphered APDU.
        outside: u8,
        /// The tag of the plain one.
        inside: u8,
    },
    /// The peer is not associated, or the APDU does not belong here in the handshake.
    #[error("the APDU does not belong to this state of the association")]
    OutOfOrder,
    /// The server refused the association. Refusals are not protected: anybody may have said this.
    #[error("the association was refused: {}", diagnostic_words(*diagnostic))]
    Rejected {
        /// As in [`crate::AssociationResponse`].
        diagnostic: u8,
    },
    /// The answer could not be sealed: our own fault.
    #[error("the answer could not be sealed")]
    Answer(#[from] SealError),
}

/// Says what a diagnostic of an AARE means (IEC 62056-5-3, acse-service-user).
fn diagnostic_words(diagnostic: u8) -> String {
    let words = match diagnostic {
        1 => "no reason given",
        2 => "the application context is not supported, as by a hub that speaks in the clear",
        11 => "the authentication mechanism is not recognised",
        12 => "the authentication mechanism is required",
        13 => "authentication failure, as with other link keys than ours",
        14 => "authentication is required",
        other => return format!("diagnostic {other}"),
    };
    format!("{words} (diagnostic {diagnostic})")
}

impl From<Forged> for LinkError {
    fn from(_: Forged) -> LinkError {
        LinkError::Forged
    }
}

/// Why something could not be sealed: the caller's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The lease of counters is used up: grant another.
    #[error("{available} invocation counters are leased, expected at least {needed}")]
    NoCounters {
        /// How many are needed.
        needed: u32,
        /// How many are left.
        available: u32,
    },
    /// There is no association to seal under.
    #[error("there is no association to send under")]
    NotAssociated,
    /// The APDU is none that has a ciphered form.
    #[error("APDU tag {found:#04x} has no ciphered form")]
    NoCipheredForm {
        /// Its tag.
        found: u8,
    },
    /// The ciphered APDU would not fit its wrapper.
    #[error("APDU {found:#04x} takes {len} bytes ciphered, expected at most {}", crate::MAX_APDU_LEN)]
    TooLong {
        /// Its tag.
        found: u8,
        /// Its length.
        len: usize,
    },
    /// What was to be sealed is no wrapped APDU.
    #[error("frame {frame} is no wrapped APDU")]
    NoFrame {
        /// Which of those that lie side by side.
        frame: u32,
    },
    /// What was to be sealed for all hubs is not a train of unconfirmed image blocks, from block 0 on.
    #[error("frame {frame} is no unconfirmed block of that number")]
    NoBlock {
        /// Which frame of the train.
        frame: u32,
    },
}
