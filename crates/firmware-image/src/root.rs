//! The trust root: which keys have which duty. How one root follows another is left to `anchor`.
//!
//! ```text
//! [ 1, version, issued, expires,
//!   root quorum, [ *maker ], operator quorum, status quorum, order quorum, [ *revoked key ], counter epoch ]
//!
//! quorum = [ threshold, [ +[ -19, public key, holder ] ] ]      maker = [ manufacturer, [ *image type ], quorum ]
//! ```
//!
//! Ours, after the roles of The Update Framework and Uptane: the manufacturers are the image repository, the
//! operator (SMSO) is the director. What each role may do, and so what its stolen keys could do:
//!
//! | role | signs | its keys alone could |
//! |---|---|---|
//! | root, 2 or more | roots | everything: they make the other keys |
//! | maker, 1 or 2 | images of a family | make images that nobody releases or activates |
//! | operator, 2 people | releases | release what a maker has signed; hold up releases until the next root |
//! | status, 1 | that no newer root exists | hide a newer root from hubs; hold up releases until the next root |
//! | order, 1 | orders to activate | activate what a device holds and has verified |
//!
//! Releases are held up with a paper that is dated far ahead or has a serial that nobody can follow. The next root ends
//! both; only the name of a campaign, if its serial was run up, is spent, and another is taken.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::cbor::{EncodingError, encode, read_list};
use crate::key::PublicKey;
use crate::promise::RootVersion;
use crate::roles::{Maker, Quorum, read_key};
use crate::time::{DAY, UtcSeconds, Validity};
use crate::trust::{Authority, Scope, TrustStore};

/// Which keys have which duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    /// 1 for the first, one more with each rotation.
    pub version: RootVersion,
    /// Head-end and hubs use a root for a year at the most; a meter has no clock and ignores this.
    pub validity: Validity,
    /// Who signs roots.
    pub root: Quorum,
    /// Who signs images of which devices.
    pub makers: Vec<Maker>,
    /// Who releases images: two different people.
    pub operator: Quorum,
    /// Who says that a root is the newest.
    pub status: Quorum,
    /// Who orders activations.
    pub order: Quorum,
    /// Keys that never have a duty again, rising.
    pub revoked: Vec<PublicKey>,
    /// Which count of activation orders is meant; a new one begins at 1 on every device.
    pub epoch: CounterEpoch,
}

/// A count of activation orders that starts afresh: the way out when the old count was lost or run up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterEpoch(pub u32);

impl core::fmt::Display for CounterEpoch {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl TrustRoot {
    /// Checks everything that must hold of a root by itself.
    ///
    /// No key may have two duties: what each stolen key could do would no longer be what the table says.
    pub fn check(&self) -> Result<(), EncodingError> {
        let fail = |reason: &str| Err(EncodingError::new(reason));
        if self.version.0 == 0 {
            return fail("version: expected 1 or more, found 0");
        }
        if !self.validity.is_within(LONGEST_VALIDITY) {
            return fail("validity: expected issued before expires, and at most 366 days between");
        }
        if self.root.threshold() < 2 || self.root.records().len() <= self.root.threshold() {
            return fail("root role: expected two or more signatures, and a key to spare");
        }
        if self.operator.threshold() < 2
            || self.operator.holders(&self.operator.keys()).len() < self.operator.threshold()
        {
            return fail("operator role: expected signatures of two or more different people");
        }
        if self.status.threshold() != 1 || self.order.threshold() != 1 {
            return fail("status and order role: expected one signature");
        }
        if self.makers.is_empty() || self.makers.len() > MAX_MAKERS {
            return fail("makers: expected 1 to 16");
        }
        if self.makers.iter().any(|maker| maker.quorum.threshold() > 2) {
            return fail("makers: expected one or two signatures");
        }
        let family = |maker: &Maker| (maker.manufacturer, maker.image_types.clone());
        if !self.makers.is_sorted_by(|one, next| family(one) < family(next)) {
            return fail("makers: expected in order, none twice");
        }
        for (position, maker) in self.makers.iter().enumerate() {
            if self.makers[..position].iter().any(|other| other.overlaps(maker)) {
                return fail("makers: two would vouch for the same image type");
            }
        }
        if self.revoked.len() > MAX_REVOKED
            || !self.revoked.is_sorted_by(|one, next| one.to_bytes() < next.to_bytes())
        {
            return fail("revoked keys: expected at most 64, in order, none twice");
        }
        let mut keys: Vec<[u8; 32]> = self.keys().map(|key| key.to_bytes()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return fail("a key has two duties");
        }
        if self.revoked.iter().any(|revoked| keys.binary_search(&revoked.to_bytes()).is_ok()) {
            return fail("a revoked key has a duty");
        }
        Ok(())
    }

    /// Returns every key that has a duty.
    pub fn keys(&self) -> impl Iterator<Item = PublicKey> {
        let makers = self.makers.iter().map(|maker| &maker.quorum);
        let roles = [&self.root, &self.operator, &self.status, &self.order].into_iter().chain(makers);
        roles.flat_map(|quorum| quorum.records().iter().map(|record| record.key))
    }

    /// Returns who is believed of images.
    pub fn images(&self) -> TrustStore {
        let authorities = self.makers.iter().map(|maker| Authority {
            scope: Scope::Family { manufacturer: maker.manufacturer, image_types: maker.image_types.clone() },
            threshold: maker.quorum.threshold(),
            keys: maker.quorum.keys(),
        });
        TrustStore::of_authorities(authorities.collect(), self.version)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(|encoder| {
            encoder.array(11)?.u8(ROOT_FORMAT)?.u64(self.version.0)?;
            encoder.u64(self.validity.issued.0)?.u64(self.validity.expires.0)?;
            self.root.encode(encoder)?;
            encoder.array(self.makers.len() as u64)?;
            self.makers.iter().try_for_each(|maker| maker.encode(encoder))?;
            self.operator.encode(encoder)?;
            self.status.encode(encoder)?;
            self.order.encode(encoder)?;
            encoder.array(self.revoked.len() as u64)?;
            for key in &self.revoked {
                encoder.bytes(&key.to_bytes())?;
            }
            encoder.u32(self.epoch.0)?;
            Ok(())
        })
    }

    /// Reads a root and refuses any other encoding of it, and one that does not hold together.
    pub(crate) fn decode(bytes: &[u8]) -> Result<TrustRoot, EncodingError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array()?;
        if decoder.u8()? != ROOT_FORMAT {
            return Err(EncodingError::new("the root has another format than 1"));
        }
        let version = RootVersion(decoder.u64()?);
        let validity = Validity { issued: UtcSeconds(decoder.u64()?), expires: UtcSeconds(decoder.u64()?) };
        let root = TrustRoot {
            version,
            validity,
            root: Quorum::decode(&mut decoder)?,
            makers: read_list(&mut decoder, MAX_MAKERS, Maker::decode)?,
            operator: Quorum::decode(&mut decoder)?,
            status: Quorum::decode(&mut decoder)?,
            order: Quorum::decode(&mut decoder)?,
            revoked: read_list(&mut decoder, MAX_REVOKED, read_key)?,
            epoch: CounterEpoch(decoder.u32()?),
        };
        if root.encode() != bytes {
            return Err(EncodingError::not_ours());
        }
        root.check()?;
        Ok(root)
    }
}

/// The first item of a root; a later format gets another number.
const ROOT_FORMAT: u8 = 1;
/// How long head-end and hubs use a root, in seconds: a year. The design's choice; TUF roots are of that order.
const LONGEST_VALIDITY: u64 = 366 * DAY;
/// The most families of devices one root speaks of.
const MAX_MAKERS: usize = 16;
/// The most keys a root remembers as revoked.
const MAX_REVOKED: usize = 64;
