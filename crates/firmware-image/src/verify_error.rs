//! Why a signed file is not believed, and which attack that would have been.

use crate::attack::Attack;
use crate::cbor::EncodingError;
use crate::identity::{ImageType, ManufacturerCode};
use crate::key::KeyFingerprint;
use crate::mcuboot::PayloadFormat;
use crate::ota_file::ParseError;
use crate::promise::RootVersion;
use crate::seal::SealFault;

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
    #[error("the file carries more than one envelope")]
    SeveralEnvelopes,
    /// The elements that signing makes are not there, each once and in their order.
    #[error("expected block digests and promise, once each, right before the signature")]
    SignerElementsMissing,
    /// The envelope or a signature block is not in its one encoding.
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
    /// The signers are trusted, but not for this family of devices.
    #[error("signed with key {signer}, which may not sign for this manufacturer and image type")]
    ForeignAuthority {
        /// The first of the keys.
        signer: KeyFingerprint,
    },
    /// The trust root names nobody who may sign for this family of devices.
    #[error("nobody is trusted to sign for manufacturer {manufacturer}, image type {image_type}")]
    NoAuthority {
        /// Whose devices.
        manufacturer: ManufacturerCode,
        /// Which of them.
        image_type: ImageType,
    },
    /// Not enough different keys signed.
    #[error("signed by {have} of the keys that may, expected {need} different ones")]
    TooFewSigners {
        /// How many signed.
        have: usize,
        /// How many are needed.
        need: usize,
    },
    /// The manifest is not the one that was signed.
    #[error("the manifest was altered after signing")]
    ManifestAltered,
    /// A trusted signer signed something this profile does not know.
    #[error("the manifest is malformed: {0}")]
    ManifestMalformed(EncodingError),
    /// Another name, version or hardware range than the signed one, or another length of the file.
    #[error("the header was altered after signing")]
    HeaderAltered,
    /// Other promises than the signed ones.
    #[error("the promise was altered after signing")]
    PromiseAltered,
    /// A trusted signer promised something this profile does not know.
    #[error("the promise is malformed: {0}")]
    PromiseMalformed(EncodingError),
    /// The list of block digests is not the one that was signed.
    #[error("the block digests were altered after signing")]
    BlockDigestsAltered,
    /// An element beside the payload was added, removed, moved or changed.
    #[error("the elements beside the payload were altered after signing")]
    ElementsAltered,
    /// Another payload than the signed one.
    #[error("the payload was altered after signing")]
    PayloadAltered,
    /// The signer signed the image for another manufacturer or image type than the header names.
    #[error("signed for another manufacturer or image type than the header names")]
    ClassMismatch,
    /// The payload is of another kind than was promised.
    #[error("the payload was promised to be {promised}, and is no sound one")]
    WrongFormat {
        /// What the signer says.
        promised: PayloadFormat,
    },
    /// The image asks for keys that are newer than the ones held here.
    #[error("the image asks for trust root {needed} or newer, held is {held}")]
    RootTooOld {
        /// What the image asks for.
        needed: RootVersion,
        /// What is held; 0 for keys given one by one.
        held: RootVersion,
    },
}

impl VerifyError {
    pub(crate) fn envelope(reason: &'static str) -> VerifyError {
        VerifyError::EnvelopeMalformed(EncodingError::new(reason))
    }

    /// Returns which attack the file would have been.
    pub fn attack(&self) -> Attack {
        match self {
            VerifyError::Unsigned | VerifyError::BadSignature => Attack::ArbitrarySoftware,
            VerifyError::ElementAfterEnvelope | VerifyError::SeveralEnvelopes => Attack::EndlessData,
            VerifyError::SignerElementsMissing
            | VerifyError::EnvelopeMalformed(_)
            | VerifyError::ManifestMalformed(_)
            | VerifyError::PromiseMalformed(_) => Attack::Malformed,
            VerifyError::UntrustedKey { .. }
            | VerifyError::ForeignAuthority { .. }
            | VerifyError::NoAuthority { .. } => Attack::UntrustedKey,
            VerifyError::TooFewSigners { .. } => Attack::TooFewSigners,
            VerifyError::ManifestAltered
            | VerifyError::HeaderAltered
            | VerifyError::PromiseAltered
            | VerifyError::BlockDigestsAltered
            | VerifyError::ElementsAltered
            | VerifyError::PayloadAltered => Attack::Tampering,
            VerifyError::ClassMismatch => Attack::WrongDevice,
            VerifyError::WrongFormat { .. } => Attack::WrongFormat,
            VerifyError::RootTooOld { .. } => Attack::Freeze,
        }
    }
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

impl IntakeError {
    /// Returns which attack the file would have been.
    pub fn attack(&self) -> Attack {
        match self {
            IntakeError::Parse(ParseError::TooLarge { .. } | ParseError::Tail { .. }) => Attack::EndlessData,
            IntakeError::Parse(_) => Attack::Malformed,
            IntakeError::Verify(error) => error.attack(),
        }
    }
}
