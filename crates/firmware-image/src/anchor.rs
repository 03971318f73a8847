//! The trust root that is held, and the only way to the next one: signed by the old keys and by the new, one step
//! at a time. Storing it is left to the device.
//!
//! ```text
//! root 1 ──signed by 2 of root 1──► root 2 ──signed by 2 of root 1 and 2 of root 2──► root 3 ...
//! ```
//!
//! A device that slept through many rotations is led through them one by one; whether the roots in between have
//! expired does not matter, or it could never come back. Expiry is asked of the newest root, and only by those who
//! have a clock.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::attack::Attack;
use crate::cbor::EncodingError;
use crate::digest::sha256;
use crate::key::{KeyFingerprint, PublicKey};
use crate::promise::RootVersion;
use crate::root::{CounterEpoch, TrustRoot};
use crate::seal::{JointSeal, SealFault};
use crate::signer::{Signer, SignerError};
use crate::time::UtcSeconds;

/// A trust root as it travels; nothing is known yet about who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRoot(Bytes);

impl SignedRoot {
    /// Makes a root that nobody has signed yet.
    pub fn draft(root: &TrustRoot) -> Result<SignedRoot, EncodingError> {
        root.check()?;
        SignedRoot::of(&JointSeal::unsigned(root.encode()))
    }

    fn of(seal: &JointSeal) -> Result<SignedRoot, EncodingError> {
        let bytes = seal.to_bytes();
        if bytes.len() > MAX_ROOT_LEN {
            let found = bytes.len();
            let reason = alloc::format!("trust root: expected at most {MAX_ROOT_LEN} bytes, found {found}");
            return Err(EncodingError::new(reason));
        }
        Ok(SignedRoot(bytes.into()))
    }

    /// Copies a root that was received, if it is not longer than a root can be.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<SignedRoot, RootError> {
        let bytes = bytes.as_ref();
        if bytes.len() > MAX_ROOT_LEN {
            return Err(RootError::TooLong { found: bytes.len() });
        }
        Ok(SignedRoot(Bytes::copy_from_slice(bytes)))
    }

    /// Returns the root as it travels.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Adds a signature.
    pub fn sign(&self, key: &dyn Signer) -> Result<SignedRoot, SignRootError> {
        let mut seal = JointSeal::parse(&self.0).map_err(SignRootError::Malformed)?;
        seal.sign(ROOT_DOMAIN, key)?;
        SignedRoot::of(&seal).map_err(SignRootError::Malformed)
    }

    /// Reads what it says without believing it: for showing it to people.
    pub fn claims(&self) -> Result<TrustRoot, RootError> {
        let seal = JointSeal::parse(&self.0).map_err(RootError::Malformed)?;
        TrustRoot::decode(seal.payload()).map_err(RootError::Malformed)
    }

    /// Returns who is said to have signed.
    pub fn claimed_signers(&self) -> Result<Vec<KeyFingerprint>, RootError> {
        let seal = JointSeal::parse(&self.0).map_err(RootError::Malformed)?;
        Ok(seal.claimed_signers().collect())
    }

    /// Returns which root keys of `root` have signed so far, be they enough or not: of the root before, of itself.
    pub fn signers(&self, root: &TrustRoot) -> Result<Vec<PublicKey>, RootError> {
        let seal = JointSeal::parse(&self.0).map_err(RootError::Malformed)?;
        Ok(seal.signers(ROOT_DOMAIN, &root.root.keys())?)
    }
}

/// Why a root could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignRootError {
    /// It is no root.
    #[error("the trust root is malformed: {0}")]
    Malformed(EncodingError),
    /// The key's keeper does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// The trust root that is held and believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    root: TrustRoot,
    signed: SignedRoot,
}

impl TrustAnchor {
    /// Takes the root that a device is made with, or that a person vouches for by giving it.
    ///
    /// Checked is that it is signed by its own keys; that they are the right ones, nothing in it can prove.
    pub fn adopt(signed: &SignedRoot) -> Result<TrustAnchor, RootError> {
        let seal = JointSeal::parse(&signed.0).map_err(RootError::Malformed)?;
        let root = TrustRoot::decode(seal.payload()).map_err(RootError::Malformed)?;
        require(&seal, &root, RootError::NewSigners)?;
        seal.require_known(&root.root.keys())?;
        Ok(TrustAnchor { root, signed: signed.clone() })
    }

    /// Takes the next root. The one that is held, given again, changes nothing.
    ///
    /// Verified over the bytes received under the old keys first; only then are they read.
    pub fn advance(&self, signed: &SignedRoot) -> Result<TrustAnchor, RootError> {
        if signed == &self.signed {
            return Ok(self.clone());
        }
        let seal = JointSeal::parse(&signed.0).map_err(RootError::Malformed)?;
        require(&seal, &self.root, RootError::OldSigners)?;
        let next = TrustRoot::decode(seal.payload()).map_err(RootError::Malformed)?;
        if next == self.root {
            return Ok(self.clone());
        }
        let (held, found) = (self.root.version, next.version);
        if found < held {
            return Err(RootError::Rollback { held, found });
        }
        if found == held {
            return Err(RootError::Fork { version: held });
        }
        if found.0 != held.0 + 1 {
            return Err(RootError::Gap { held, found });
        }
        require(&seal, &next, RootError::NewSigners)?;
        let known: Vec<PublicKey> = self.root.root.keys().into_iter().chain(next.root.keys()).collect();
        seal.require_known(&known)?;
        if let Some(key) = self.root.revoked.iter().find(|key| !next.revoked.contains(key)) {
            return Err(RootError::RevocationForgotten { key: key.fingerprint() });
        }
        if next.epoch < self.root.epoch {
            return Err(RootError::EpochFalls { held: self.root.epoch, found: next.epoch });
        }
        Ok(TrustAnchor { root: next, signed: signed.clone() })
    }

    /// Takes root after root, at most [`MAX_STEPS`] of them; more are for the next call, not for never.
    pub fn advance_through<'a>(
        &self,
        chain: impl IntoIterator<Item = &'a SignedRoot>,
    ) -> Result<TrustAnchor, RootError> {
        chain.into_iter().take(MAX_STEPS).try_fold(self.clone(), |anchor, next| anchor.advance(next))
    }

    /// Returns the root.
    pub fn root(&self) -> &TrustRoot {
        &self.root
    }

    /// Returns the root as it travels.
    pub fn signed(&self) -> &SignedRoot {
        &self.signed
    }

    /// Returns the SHA-256 of the root as it travels, by which people compare what they hold.
    pub fn digest(&self) -> [u8; 32] {
        sha256(&self.signed.0)
    }

    /// Returns whether the root may still be used, for those who have a clock.
    pub fn require_fresh(&self, now: UtcSeconds) -> Result<(), RootError> {
        let expires = self.root.validity.expires;
        if now < expires { Ok(()) } else { Err(RootError::Expired { expires, now }) }
    }
}

fn require(
    seal: &JointSeal,
    root: &TrustRoot,
    missing: fn(SignerCount) -> RootError,
) -> Result<(), RootError> {
    let signers = seal.signers(ROOT_DOMAIN, &root.root.keys())?;
    let count = SignerCount { have: root.root.count(&signers), need: root.root.threshold() };
    if count.have < count.need { Err(missing(count)) } else { Ok(()) }
}

/// How many signed, and how many should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerCount {
    /// How many different ones signed.
    pub have: usize,
    /// How many it takes.
    pub need: usize,
}

impl core::fmt::Display for SignerCount {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{} signed, expected {}", self.have, self.need)
    }
}

/// Why a trust root is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// No root is that long.
    #[error("trust root length: expected at most {MAX_ROOT_LEN} bytes, found {found}")]
    TooLong {
        /// How long it is.
        found: usize,
    },
    /// It is not in its one encoding, or does not hold together.
    #[error("the trust root is malformed: {0}")]
    Malformed(EncodingError),
    /// Too few of those who are trusted now signed it.
    #[error("the trust root is not signed by the keys held now: {0}")]
    OldSigners(SignerCount),
    /// Too few of those it names signed it.
    #[error("the trust root is not signed by its own keys: {0}")]
    NewSigners(SignerCount),
    /// It carries a signature of somebody who is in neither root.
    #[error("the trust root is signed with key {signer}, which is no root key")]
    UnknownSigner {
        /// The key that the signature names.
        signer: KeyFingerprint,
    },
    /// A signature in the name of a root key does not hold.
    #[error("a signature of the trust root is not valid")]
    BadSignature,
    /// It is older than the one that is held.
    #[error("trust root {found} is older than {held}, which is held")]
    Rollback {
        /// The version that is held.
        held: RootVersion,
        /// The version that was given.
        found: RootVersion,
    },
    /// Another root of the same version is held.
    #[error("another trust root {version} is held")]
    Fork {
        /// The version of both.
        version: RootVersion,
    },
    /// A version in between is missing.
    #[error("trust root {found} does not follow {held}, which is held: expected version {}", held.0 + 1)]
    Gap {
        /// The version that is held.
        held: RootVersion,
        /// The version that was given.
        found: RootVersion,
    },
    /// It no longer lists a key as revoked that was.
    #[error("the trust root forgets that key {key} is revoked")]
    RevocationForgotten {
        /// The key.
        key: KeyFingerprint,
    },
    /// It would count activation orders from an epoch that is over.
    #[error("the trust root goes back to counter epoch {found} from {held}")]
    EpochFalls {
        /// The epoch that is held.
        held: CounterEpoch,
        /// The epoch that was given.
        found: CounterEpoch,
    },
    /// It is too old to be used by somebody with a clock.
    #[error("the trust root expired at {expires}, it is {now}")]
    Expired {
        /// When it expired.
        expires: UtcSeconds,
        /// The time it was asked.
        now: UtcSeconds,
    },
}

impl RootError {
    /// Returns which attack the document would have been.
    pub fn attack(&self) -> Attack {
        match self {
            RootError::TooLong { .. } => Attack::EndlessData,
            RootError::Malformed(_) => Attack::Malformed,
            RootError::OldSigners(_) | RootError::NewSigners(_) => Attack::TooFewSigners,
            RootError::UnknownSigner { .. } => Attack::UntrustedKey,
            RootError::BadSignature => Attack::Tampering,
            RootError::Rollback { .. } | RootError::EpochFalls { .. } => Attack::Rollback,
            RootError::Fork { .. } | RootError::Gap { .. } => Attack::BrokenChain,
            RootError::RevocationForgotten { .. } => Attack::RevokedKey,
            RootError::Expired { .. } => Attack::Freeze,
        }
    }
}

impl From<SealFault> for RootError {
    fn from(fault: SealFault) -> RootError {
        match fault {
            SealFault::UntrustedKey { signer } => RootError::UnknownSigner { signer },
            SealFault::BadSignature => RootError::BadSignature,
        }
    }
}

/// The external_aad of trust roots.
const ROOT_DOMAIN: &[u8] = b"smets1-ota/v1/root\0";
/// The longest root taken, in bytes. Ours have about 900; a meter keeps one.
pub const MAX_ROOT_LEN: usize = 4_096;
/// The most roots taken in one go: two years of weekly rotations would take two.
pub const MAX_STEPS: usize = 64;
