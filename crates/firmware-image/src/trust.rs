//! Whom to believe of images, and the only way to a `VerifiedImage`. What a device makes of a verified image (is it
//! for me, may it follow what I run) is left to `acceptance`.
//!
//! The order of the checks: seals over the received digest, digest of the received manifest, and only then is
//! the manifest read and the file compared with it. Errors name what an attacker would have done.

use alloc::vec::Vec;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::digest::{FileDigest, ImageDigest};
use crate::envelope::Envelope;
use crate::identity::{ImageIdentity, ImageType, ManufacturerCode};
use crate::key::{KeyFingerprint, PublicKey};
use crate::manifest::{Manifest, Measure, class_of, manifest_digest};
use crate::ota_file::OtaFile;
use crate::promise::{Promise, RootVersion};
use crate::seal::Seal;
use crate::signed_image::{SequenceNumber, SignedImage};
use crate::verify_error::{IntakeError, VerifyError};

/// Who may sign images for which devices. An empty store believes nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustStore {
    authorities: Vec<Authority>,
    root_version: RootVersion,
}

/// Keys that vouch together for images of some devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub scope: Scope,
    /// How many different keys must have signed.
    pub threshold: usize,
    pub keys: Vec<PublicKey>,
}

/// Which images an authority may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All: keys that were given to a device or a command one by one.
    Everything,
    /// One manufacturer's; all of its image types when none is named.
    Family { manufacturer: ManufacturerCode, image_types: Vec<ImageType> },
}

impl Scope {
    fn covers(&self, identity: &ImageIdentity) -> bool {
        match self {
            Scope::Everything => true,
            Scope::Family { manufacturer, image_types } => {
                *manufacturer == identity.manufacturer
                    && (image_types.is_empty() || image_types.contains(&identity.image_type))
            }
        }
    }
}

impl TrustStore {
    /// Makes a store of keys each of which may sign any image; a key given twice counts once.
    pub fn new(keys: Vec<PublicKey>) -> TrustStore {
        let mut distinct: Vec<PublicKey> = Vec::with_capacity(keys.len());
        for key in keys {
            if !distinct.contains(&key) {
                distinct.push(key);
            }
        }
        let pinned = Authority { scope: Scope::Everything, threshold: 1, keys: distinct };
        TrustStore::of_authorities(alloc::vec![pinned], RootVersion(0))
    }

    pub(crate) fn of_authorities(authorities: Vec<Authority>, root_version: RootVersion) -> TrustStore {
        TrustStore { authorities, root_version }
    }

    /// Returns the keys, in the order they were given.
    pub fn keys(&self) -> Vec<PublicKey> {
        self.authorities.iter().flat_map(|authority| authority.keys.iter().copied()).collect()
    }

    /// Returns whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.authorities.iter().all(|authority| authority.keys.is_empty())
    }

    /// Returns the trust root this store was drawn from; 0 when its keys were given one by one.
    pub fn root_version(&self) -> RootVersion {
        self.root_version
    }

    /// Returns what a remembered verdict depends on: the root's version and every key, threshold and scope.
    ///
    /// A verdict must never be kept without it: what was good under one root may not be under the next.
    pub fn mark(&self) -> TrustMark {
        let mut hash = Sha256::new();
        hash.update(self.root_version.0.to_be_bytes());
        for Authority { scope, threshold, keys } in &self.authorities {
            hash.update((*threshold as u64).to_be_bytes());
            if let Scope::Family { manufacturer, image_types } = scope {
                hash.update(manufacturer.0.to_be_bytes());
                image_types.iter().for_each(|image_type| hash.update(image_type.0.to_be_bytes()));
            }
            hash.update((keys.len() as u64).to_be_bytes());
            keys.iter().for_each(|key| hash.update(key.to_bytes()));
        }
        TrustMark(hash.finalize().into())
    }

    /// Checks who signed an envelope, and reads its manifest. Nothing of the file is looked at.
    pub(crate) fn authenticate(
        &self,
        envelope: &Envelope<'_>,
    ) -> Result<(Manifest, Vec<PublicKey>), VerifyError> {
        let keys = self.keys();
        let mut signers: Vec<PublicKey> = Vec::new();
        for seal in &envelope.seals {
            let seal = Seal::parse_of_image(seal).map_err(VerifyError::EnvelopeMalformed)?;
            if seal.payload().is_some() {
                return Err(VerifyError::envelope("its signature brings a payload of its own"));
            }
            let signer = seal.check_detached(envelope.digest, &keys)?;
            if signers.contains(&signer) {
                return Err(VerifyError::envelope("it carries two signatures of one key"));
            }
            signers.push(signer);
        }
        if manifest_digest(envelope.manifest_with_bstr_header) != envelope.digest {
            return Err(VerifyError::ManifestAltered);
        }
        let manifest = Manifest::decode(envelope.manifest).map_err(VerifyError::ManifestMalformed)?;
        Ok((manifest, signers))
    }

    /// Verifies a signed file.
    pub fn verify(&self, image: SignedImage) -> Result<VerifiedImage, VerifyError> {
        let envelope = Envelope::parse(image.envelope()).map_err(VerifyError::EnvelopeMalformed)?;
        let (manifest, signers) = self.authenticate(&envelope)?;
        let file = image.file();
        if Measure::of(file.header_bytes()) != manifest.header {
            return Err(VerifyError::HeaderAltered);
        }
        if Measure::of(image.promise()) != manifest.promise {
            return Err(VerifyError::PromiseAltered);
        }
        let promise = Promise::decode(image.promise()).map_err(VerifyError::PromiseMalformed)?;
        if Measure::of_elements(file.elements()) != manifest.elements {
            return Err(VerifyError::ElementsAltered);
        }
        if crate::digest::sha256(image.block_digests()) != promise.block_list {
            return Err(VerifyError::BlockDigestsAltered);
        }
        if Measure::of(file.payload()) != manifest.payload {
            return Err(VerifyError::PayloadAltered);
        }
        if class_of(&file.identity()) != (manifest.vendor, manifest.class) {
            return Err(VerifyError::ClassMismatch);
        }
        self.require_authority(&file.identity(), &signers)?;
        if !promise.format.holds(file.payload()) {
            return Err(VerifyError::WrongFormat { promised: promise.format });
        }
        if promise.minimum_root > self.root_version {
            return Err(VerifyError::RootTooOld { needed: promise.minimum_root, held: self.root_version });
        }
        Ok(VerifiedImage {
            sequence: manifest.sequence,
            signers: signers.iter().map(PublicKey::fingerprint).collect(),
            image_digest: ImageDigest::from_bytes(manifest.payload.digest),
            promise,
            file: image.into_file(),
        })
    }

    /// Demands enough of the keys that may sign for this family, each counted once.
    fn require_authority(&self, identity: &ImageIdentity, signers: &[PublicKey]) -> Result<(), VerifyError> {
        let Some(authority) = self.authorities.iter().find(|authority| authority.scope.covers(identity))
        else {
            return Err(VerifyError::NoAuthority {
                manufacturer: identity.manufacturer,
                image_type: identity.image_type,
            });
        };
        let have = signers.iter().filter(|signer| authority.keys.contains(signer)).count();
        match (have, signers.first()) {
            (0, Some(signer)) => Err(VerifyError::ForeignAuthority { signer: signer.fingerprint() }),
            _ if have < authority.threshold => {
                Err(VerifyError::TooFewSigners { have, need: authority.threshold })
            }
            _ => Ok(()),
        }
    }

    /// Reads and verifies a file.
    pub fn verify_bytes(&self, bytes: Bytes) -> Result<VerifiedImage, IntakeError> {
        let file = OtaFile::parse(bytes)?;
        Ok(self.verify(SignedImage::from_file(file)?)?)
    }
}

/// A digest over everything a verdict depends on besides the file. See [`TrustStore::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustMark([u8; 32]);

/// An image of which every byte is vouched for by trusted keys. Only a [`TrustStore`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedImage {
    file: OtaFile,
    sequence: SequenceNumber,
    signers: Vec<KeyFingerprint>,
    image_digest: ImageDigest,
    promise: Promise,
}

impl VerifiedImage {
    /// Returns the file.
    pub fn file(&self) -> &OtaFile {
        &self.file
    }

    /// Returns the whole file as it travels.
    pub fn bytes(&self) -> &Bytes {
        self.file.bytes()
    }

    /// Returns who the image is for and which one it is.
    pub fn identity(&self) -> ImageIdentity {
        self.file.identity()
    }

    /// Returns the digest of the payload, computed when it was verified.
    pub fn image_digest(&self) -> ImageDigest {
        self.image_digest
    }

    /// Computes the digest of the whole file; one more pass over it.
    pub fn file_digest(&self) -> FileDigest {
        self.file.file_digest()
    }

    /// Returns the rollback counter that was signed.
    pub fn sequence(&self) -> SequenceNumber {
        self.sequence
    }

    /// Returns what was promised beside the header.
    pub fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Returns which of the trusted keys signed.
    pub fn signers(&self) -> &[KeyFingerprint] {
        &self.signers
    }
}
