//! Whom to believe, and the only way to a `VerifiedImage`. Rollback is left to the device: only it knows
//! the sequence number it has confirmed.
//!
//! The order of the checks: seal over the received digest, digest of the received manifest, and only then is
//! the manifest read and the file compared with it. Errors name what an attacker would have done.

use bytes::Bytes;

use crate::cbor::EncodingError;
use crate::digest::{FileDigest, ImageDigest};
use crate::envelope::Envelope;
use crate::identity::ImageIdentity;
use crate::key::{KeyFingerprint, PublicKey};
use crate::manifest::{Manifest, Measure, class_of, manifest_digest};
use crate::ota_file::{OtaFile, ParseError};
use crate::seal::{Seal, SealFault};
use crate::signed_image::{SequenceNumber, SignedImage};

/// The keys that are believed. An empty store believes nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustStore {
    keys: Vec<PublicKey>,
}

impl TrustStore {
    /// Makes a store; a key given twice counts once.
    pub fn new(keys: Vec<PublicKey>) -> TrustStore {
        let mut distinct: Vec<PublicKey> = Vec::with_capacity(keys.len());
        for key in keys {
            if !distinct.contains(&key) {
                distinct.push(key);
            }
        }
        TrustStore { keys: distinct }
    }

    /// Returns the keys, in the order they were given.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Returns whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies a signed file.
    pub fn verify(&self, image: SignedImage) -> Result<VerifiedImage, VerifyError> {
        let envelope = Envelope::parse(image.envelope()).map_err(VerifyError::EnvelopeMalformed)?;
        let seal = Seal::parse(envelope.seal).map_err(VerifyError::EnvelopeMalformed)?;
        if seal.payload().is_some() {
            let reason = "its signature brings a payload of its own";
            return Err(VerifyError::EnvelopeMalformed(EncodingError::new(reason)));
        }
        let signer = seal.check_detached(envelope.digest, self)?;
        if manifest_digest(envelope.manifest_with_bstr_header) != envelope.digest {
            return Err(VerifyError::ManifestAltered);
        }
        let manifest = Manifest::decode(envelope.manifest).map_err(VerifyError::ManifestMalformed)?;
        let file = image.file();
        if Measure::of(file.header_bytes()) != manifest.header {
            return Err(VerifyError::HeaderAltered);
        }
        if Measure::of_elements(file.elements()) != manifest.elements {
            return Err(VerifyError::ElementsAltered);
        }
        if Measure::of(file.payload()) != manifest.payload {
            return Err(VerifyError::PayloadAltered);
        }
        if class_of(&file.identity()) != (manifest.vendor, manifest.class) {
            return Err(VerifyError::ClassMismatch);
        }
        Ok(VerifiedImage {
            sequence: manifest.sequence,
            signer,
            image_digest: ImageDigest::from_bytes(manifest.payload.digest),
            file_digest: file.file_digest(),
            file: image.into_file(),
        })
    }

    /// Reads and verifies a file.
    pub fn verify_bytes(&self, bytes: Bytes) -> Result<VerifiedImage, IntakeError> {
        let file = OtaFile::parse(bytes)?;
        Ok(self.verify(SignedImage::from_file(file)?)?)
    }
}

/// An image of which every byte is vouched for by a trusted key. Only a [`TrustStore`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedImage {
    file: OtaFile,
    sequence: SequenceNumber,
    signer: KeyFingerprint,
    image_digest: ImageDigest,
    file_digest: FileDigest,
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

    /// Returns the digest of the whole file, computed when it was verified.
    pub fn file_digest(&self) -> FileDigest {
        self.file_digest
    }

    /// Returns the rollback counter that was signed.
    pub fn sequence(&self) -> SequenceNumber {
        self.sequence
    }

    /// Returns which of the trusted keys made the signature.
    pub fn signer(&self) -> KeyFingerprint {
        self.signer
    }
}

/// Why a signed file is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no envelope.
    #[error("the file is not signed")]
    Unsigned,
    /// Something was added behind the envelope, where no signature reaches.
    #[error("an element was added behind the signature")]
    ElementAfterEnvelope,
    /// Two signatures, and nothing says which one counts.
    #[error("the file carries more than one signature")]
    SeveralEnvelopes,
    /// The envelope or its signature block is not in its one encoding.
    #[error("the signature is malformed: {0}")]
    EnvelopeMalformed(EncodingError),
    /// The signer is not one of those who are believed.
    #[error("signed with key {signer}, which is not trusted")]
    UntrustedKey {
        /// The key that the signature names.
        signer: KeyFingerprint,
    },
    /// No trusted key made this signature over these bytes.
    #[error("the signature is not valid under the trusted key")]
    BadSignature,
    /// The manifest is not the one that was signed.
    #[error("the manifest was altered after signing")]
    ManifestAltered,
    /// A trusted signer signed something this profile does not know.
    #[error("the manifest is malformed: {0}")]
    ManifestMalformed(EncodingError),
    /// Another name, version or hardware range than the signed one, or another length of the file.
    #[error("the header was altered after signing")]
    HeaderAltered,
    /// An element beside the payload was added, removed, moved or changed.
    #[error("the elements beside the payload were altered after signing")]
    ElementsAltered,
    /// Another payload than the signed one.
    #[error("the payload was altered after signing")]
    PayloadAltered,
    /// The signer signed the image for another manufacturer or image type than the header names.
    #[error("signed for another manufacturer or image type than the header names")]
    ClassMismatch,
}

impl From<SealFault> for VerifyError {
    fn from(fault: SealFault) -> VerifyError {
        match fault {
            SealFault::UntrustedKey { signer } => VerifyError::UntrustedKey { signer },
            SealFault::BadSignature => VerifyError::BadSignature,
        }
    }
}

/// Why a file is not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// It is no sound file.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It is not believed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}
