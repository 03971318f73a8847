//! The names of attacks: what somebody would have been trying with a document that is refused.
//!
//! The words are those of the field, so that an operator can look them up: the attacks of The Update Framework
//! and Uptane, the threats of SUIT (RFC 9124), and where they have none, ours. A mishap gives the same word as the
//! attack that looks like it.

use core::fmt;

/// What a refused document would have been used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attack {
    /// Bytes that are no document of their kind, or not in its one encoding.
    Malformed,
    /// More bytes than there can be (TUF and Uptane: endless data; SUIT: IMG.EXTRA).
    EndlessData,
    /// Software that nobody vouches for (TUF: arbitrary software; SUIT: IMG.NON_AUTH).
    ArbitrarySoftware,
    /// A signature of somebody who may not sign this (SUIT: UPD.UNAPPROVED).
    UntrustedKey,
    /// Fewer signers than the document needs (TUF: key compromise below the threshold).
    TooFewSigners,
    /// Something was changed after it was signed (SUIT: MFST.MODIFICATION, IMG.LOCATION).
    Tampering,
    /// Something older than what is there (TUF, Uptane: rollback; SUIT: IMG.EXPIRED).
    Rollback,
    /// Old papers kept up as the newest (TUF, Uptane: freeze; SUIT: IMG.EXPIRED.OFFLINE).
    Freeze,
    /// A message that was obeyed before (Uptane: replay).
    Replay,
    /// A number so high that nothing could follow it (TUF: fast-forward).
    FastForward,
    /// Good parts that do not belong together (TUF, Uptane: mix-and-match, mixed bundles).
    MixAndMatch,
    /// An image or an order for another device (SUIT: IMG.INCOMPATIBLE).
    WrongDevice,
    /// An image for other hardware of the same device (SUIT: IMG.INCOMPATIBLE).
    WrongHardware,
    /// An image that must not follow the one that runs (SUIT: UPD.WRONG_PRECURSOR).
    WrongPredecessor,
    /// A payload of another kind than was promised (SUIT: IMG.FORMAT).
    WrongFormat,
    /// A step left out, or a chain that forks (TUF: root rotation).
    BrokenChain,
    /// A key that was taken out of service comes back.
    RevokedKey,
}

impl Attack {
    /// All of them.
    pub const ALL: [Attack; 17] = [
        Attack::Malformed,
        Attack::EndlessData,
        Attack::ArbitrarySoftware,
        Attack::UntrustedKey,
        Attack::TooFewSigners,
        Attack::Tampering,
        Attack::Rollback,
        Attack::Freeze,
        Attack::Replay,
        Attack::FastForward,
        Attack::MixAndMatch,
        Attack::WrongDevice,
        Attack::WrongHardware,
        Attack::WrongPredecessor,
        Attack::WrongFormat,
        Attack::BrokenChain,
        Attack::RevokedKey,
    ];

    /// Returns the word for logs, reports and programs.
    pub const fn word(self) -> &'static str {
        match self {
            Attack::Malformed => "malformed",
            Attack::EndlessData => "endless-data",
            Attack::ArbitrarySoftware => "arbitrary-software",
            Attack::UntrustedKey => "untrusted-key",
            Attack::TooFewSigners => "too-few-signers",
            Attack::Tampering => "tampering",
            Attack::Rollback => "rollback",
            Attack::Freeze => "freeze",
            Attack::Replay => "replay",
            Attack::FastForward => "fast-forward",
            Attack::MixAndMatch => "mix-and-match",
            Attack::WrongDevice => "wrong-device",
            Attack::WrongHardware => "wrong-hardware",
            Attack::WrongPredecessor => "wrong-predecessor",
            Attack::WrongFormat => "wrong-format",
            Attack::BrokenChain => "broken-chain",
            Attack::RevokedKey => "revoked-key",
        }
    }
}

impl fmt::Display for Attack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}
