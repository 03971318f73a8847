//! The release of a campaign: two people of the operator say which images go out together, to which devices, under
//! which policy. An image that no release names is passed on by no hub.
//!
//! A COSE_Sign message around
//! `[ 1, serial, campaign, root version, issued, expires, [ +[file SHA-256, payload SHA-256] ],
//! [ count of targets, SHA-256 of the targets ], SHA-256 of the policy ]`. Ours. Approving is signing these bytes:
//! a release that was changed afterwards is approved by nobody.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;
use minicbor::Decoder;
use sha2::{Digest, Sha256};

use crate::cbor::{EncodingError, encode, read_bytes, read_list};
use crate::digest::{FileDigest, ImageDigest};
use crate::document_error::DocumentError;
use crate::identity::Eui64;
use crate::key::{KeyFingerprint, PublicKey};
use crate::promise::RootVersion;
use crate::root::TrustRoot;
use crate::seal::JointSeal;
use crate::signer::{Signer, SignerError};
use crate::time::{DAY, UtcSeconds, Validity};

/// What is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which release; of a campaign only the highest counts.
    pub serial: u64,
    /// Which campaign.
    pub campaign: CampaignName,
    /// The trust root a hub must have reached.
    pub root_version: RootVersion,
    /// Thirty days at the most.
    pub validity: Validity,
    /// The images that go out together, ordered.
    pub images: Vec<ReleasedImage>,
    /// Who gets them.
    pub targets: Targets,
    /// The SHA-256 of the policy, as the file it was written in.
    pub policy: [u8; 32],
}

/// An image of a release, by both its digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleasedImage {
    /// The whole file: what a hub is told before the first block.
    pub file: FileDigest,
    /// The payload: what an activation order names.
    pub image: ImageDigest,
}

/// The name of a campaign: 1 to 64 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CampaignName(String);

impl CampaignName {
    /// Takes a name.
    pub fn new(name: &str) -> Result<CampaignName, EncodingError> {
        if name.is_empty() || name.len() > MAX_NAME_LEN || name.chars().any(char::is_control) {
            let reason = alloc::format!("campaign: expected 1 to {MAX_NAME_LEN} bytes of printable text");
            return Err(EncodingError::new(reason));
        }
        Ok(CampaignName(name.to_string()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The devices of a campaign: how many, and a digest over who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// How many.
    pub count: u32,
    /// The SHA-256 over their EUI-64s, rising, 8 bytes each.
    pub digest: [u8; 32],
}

impl Targets {
    /// Digests a set of devices; the order they come in does not matter, and none counts twice.
    pub fn of(devices: impl IntoIterator<Item = Eui64>) -> Targets {
        let mut devices: Vec<Eui64> = devices.into_iter().collect();
        devices.sort_unstable();
        devices.dedup();
        let mut hash = Sha256::new();
        devices.iter().for_each(|device| hash.update(device.to_bytes()));
        Targets { count: u32::try_from(devices.len()).unwrap_or(u32::MAX), digest: hash.finalize().into() }
    }
}

impl Release {
    fn check(&self) -> Result<(), EncodingError> {
        if !self.validity.is_within(LONGEST_VALIDITY) {
            return Err(EncodingError::new(
                "validity: expected issued before expires, and at most 30 days between",
            ));
        }
        let count = self.images.len();
        if !(1..=MAX_IMAGES).contains(&count) || !self.images.is_sorted_by(|one, next| one < next) {
            return Err(EncodingError::new("images: expected 1 to 16, in order, none twice"));
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        encode(|encoder| {
            encoder.array(9)?.u8(RELEASE_FORMAT)?.u64(self.serial)?.str(&self.campaign.0)?;
            encoder.u64(self.root_version.0)?;
            encoder.u64(self.validity.issued.0)?.u64(self.validity.expires.0)?;
            encoder.array(self.images.len() as u64)?;
            for ReleasedImage { file, image } in &self.images {
                encoder.array(2)?.bytes(file.as_bytes())?.bytes(image.as_bytes())?;
            }
            encoder.array(2)?.u32(self.targets.count)?.bytes(&self.targets.digest)?;
            encoder.bytes(&self.policy)?;
            Ok(())
        })
    }

    fn decode(bytes: &[u8]) -> Result<Release, EncodingError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array()?;
        if decoder.u8()? != RELEASE_FORMAT {
            return Err(EncodingError::new("the release has another format than 1"));
        }
        let serial = decoder.u64()?;
        let campaign = CampaignName::new(decoder.str()?)?;
        let root_version = RootVersion(decoder.u64()?);
        let validity = Validity { issued: UtcSeconds(decoder.u64()?), expires: UtcSeconds(decoder.u64()?) };
        let images = read_list(&mut decoder, MAX_IMAGES, |decoder| {
            decoder.array()?;
            let file = FileDigest::from_bytes(read_bytes(decoder, "file digest")?);
            Ok(ReleasedImage { file, image: ImageDigest::from_bytes(read_bytes(decoder, "image digest")?) })
        })?;
        decoder.array()?;
        let targets =
            Targets { count: decoder.u32()?, digest: read_bytes(&mut decoder, "digest of targets")? };
        let policy = read_bytes(&mut decoder, "digest of the policy")?;
        let release = Release { serial, campaign, root_version, validity, images, targets, policy };
        if release.encode() != bytes {
            return Err(EncodingError::not_ours());
        }
        release.check()?;
        Ok(release)
    }
}

/// A release as it travels; nothing is known yet about who approved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRelease(Bytes);

impl SignedRelease {
    /// Makes a release that nobody has approved yet.
    pub fn draft(release: &Release) -> Result<SignedRelease, EncodingError> {
        release.check()?;
        Ok(SignedRelease(JointSeal::unsigned(release.encode()).to_bytes().into()))
    }

    /// Copies a release that was received, if it is not longer than a release can be.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<SignedRelease, DocumentError> {
        let bytes = bytes.as_ref();
        if bytes.len() > MAX_RELEASE_LEN {
            return Err(DocumentError::TooLong { found: bytes.len(), limit: MAX_RELEASE_LEN });
        }
        Ok(SignedRelease(Bytes::copy_from_slice(bytes)))
    }

    /// Returns the release as it travels.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Adds an approval.
    pub fn approve(&self, key: &dyn Signer) -> Result<SignedRelease, ApproveError> {
        let mut seal = JointSeal::parse(&self.0).map_err(ApproveError::Malformed)?;
        seal.sign(RELEASE_DOMAIN, key)?;
        Ok(SignedRelease(seal.to_bytes().into()))
    }

    /// Reads what it says without believing it: for showing it to people before they approve.
    pub fn claims(&self) -> Result<Release, DocumentError> {
        let seal = JointSeal::parse(&self.0).map_err(DocumentError::Malformed)?;
        Release::decode(seal.payload()).map_err(DocumentError::Malformed)
    }

    /// Returns who is said to have approved.
    pub fn claimed_approvers(&self) -> Result<Vec<KeyFingerprint>, DocumentError> {
        let seal = JointSeal::parse(&self.0).map_err(DocumentError::Malformed)?;
        Ok(seal.claimed_signers().collect())
    }

    /// Returns which operators have approved so far, be they enough or not.
    pub fn approvers(&self, root: &TrustRoot) -> Result<Vec<PublicKey>, DocumentError> {
        let seal = JointSeal::parse(&self.0).map_err(DocumentError::Malformed)?;
        let keys = root.operator.keys();
        seal.require_known(&keys)?;
        Ok(seal.signers(RELEASE_DOMAIN, &keys)?)
    }

    /// Verifies the bytes that came, then reads them. Whether it is still good is left to `hub_gate`.
    pub fn verify(&self, root: &TrustRoot) -> Result<Release, DocumentError> {
        let seal = JointSeal::parse(&self.0).map_err(DocumentError::Malformed)?;
        let signers = self.approvers(root)?;
        let (have, need) = (root.operator.holders(&signers).len(), root.operator.threshold());
        if have < need {
            return Err(DocumentError::TooFewApprovers { have, need });
        }
        Release::decode(seal.payload()).map_err(DocumentError::Malformed)
    }
}

/// Why a release could not be approved.
#[derive(Debug, thiserror::Error)]
pub enum ApproveError {
    /// It is no release.
    #[error("the release is malformed: {0}")]
    Malformed(EncodingError),
    /// The key's keeper does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// The external_aad of releases.
const RELEASE_DOMAIN: &[u8] = b"smets1-ota/v1/release\0";
/// The first item of a release; a later format gets another number.
const RELEASE_FORMAT: u8 = 1;
/// How long a release is good, in seconds: thirty days; a longer campaign is approved again.
const LONGEST_VALIDITY: u64 = 30 * DAY;
/// The most images of one release: hub, meters and display of four models.
const MAX_IMAGES: usize = 16;
/// The longest name of a campaign, in bytes.
const MAX_NAME_LEN: usize = 64;
/// The longest release taken, in bytes. With all images and signatures it has about 2,800.
pub const MAX_RELEASE_LEN: usize = 4_096;
