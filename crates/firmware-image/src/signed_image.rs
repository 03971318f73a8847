//! A file with a SUIT envelope as its last element: signing it, and recognising one.
//! Whether the envelope holds is left to `trust`.

use std::fmt;

use coset::iana::Algorithm;

use crate::element::{ELEMENT_HEADER_LEN, ElementTag};
use crate::envelope::{as_byte_string, emit};
use crate::header::OtaHeader;
use crate::manifest::{Manifest, Measure, class_of, manifest_digest};
use crate::ota_file::{BuildError, MAX_FILE_LEN, OtaFile};
use crate::seal::seal_detached;
use crate::signing_key::SigningKey;
use crate::trust::VerifyError;

/// A file that carries an envelope; nothing is known yet about who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedImage {
    file: OtaFile,
}

impl SignedImage {
    /// Appends an envelope that binds payload, header and all other elements of the file.
    pub fn sign(
        file: &OtaFile,
        sequence: SequenceNumber,
        key: &SigningKey,
    ) -> Result<SignedImage, SignError> {
        SignedImage::seal(file, sequence, |manifest| make_envelope(manifest, Algorithm::Ed25519, key))
    }

    /// Seals in two passes: the header states the size of the whole file, so the envelope that binds the
    /// header must know its own length before it is written. Every part of it has a length known in advance.
    pub(crate) fn seal(
        file: &OtaFile,
        sequence: SequenceNumber,
        envelope_of: impl Fn(&Manifest) -> Vec<u8>,
    ) -> Result<SignedImage, SignError> {
        if file.elements().any(|element| element.tag == ElementTag::ENVELOPE) {
            return Err(SignError::AlreadySigned);
        }
        let (vendor, class) = class_of(&file.identity());
        let mut manifest = Manifest {
            sequence,
            vendor,
            class,
            payload: Measure::of(file.payload()),
            header: Measure { digest: [0; 32], size: file.header_bytes().len() as u64 },
            elements: Measure::of_elements(file.elements()),
        };
        let envelope_len = envelope_of(&manifest).len();
        let total = file.bytes().len() + ELEMENT_HEADER_LEN + envelope_len;
        if total > MAX_FILE_LEN {
            return Err(BuildError::TooLarge { found: total }.into());
        }
        manifest.header = Measure::of(&header_with_size(file.header(), total));
        let envelope = envelope_of(&manifest);
        assert_eq!(envelope.len(), envelope_len, "an envelope's length does not depend on its digests");
        let mut elements: Vec<_> = file.elements().map(|element| (element.tag, element.value)).collect();
        elements.push((ElementTag::ENVELOPE, &envelope));
        Ok(SignedImage { file: OtaFile::assemble(*file.header(), &elements)? })
    }

    /// Recognises a signed file: exactly one envelope, and nothing after it.
    pub fn from_file(file: OtaFile) -> Result<SignedImage, VerifyError> {
        let envelopes = file.elements().filter(|element| element.tag == ElementTag::ENVELOPE).count();
        let last = file.elements().next_back().map(|element| element.tag);
        match envelopes {
            0 => Err(VerifyError::Unsigned),
            1 if last == Some(ElementTag::ENVELOPE) => Ok(SignedImage { file }),
            1 => Err(VerifyError::ElementAfterEnvelope),
            _ => Err(VerifyError::SeveralEnvelopes),
        }
    }

    /// Returns the file.
    pub fn file(&self) -> &OtaFile {
        &self.file
    }

    pub(crate) fn into_file(self) -> OtaFile {
        self.file
    }

    /// Returns the envelope's bytes.
    pub fn envelope(&self) -> &[u8] {
        self.file.elements().next_back().expect("a signed file ends in its envelope").value
    }
}

/// Makes the envelope of a manifest, under one of the two names of the algorithm.
pub(crate) fn make_envelope(manifest: &Manifest, algorithm: Algorithm, key: &SigningKey) -> Vec<u8> {
    let manifest = manifest.encode();
    let digest = manifest_digest(&as_byte_string(&manifest));
    let seal = seal_detached(algorithm, &digest, key);
    emit(&digest, &seal, &manifest)
}

fn header_with_size(header: &OtaHeader, total: usize) -> Vec<u8> {
    let total_image_size = u32::try_from(total).expect("the largest file fits 32 bits");
    let mut bytes = Vec::new();
    OtaHeader { total_image_size, ..*header }.emit(&mut bytes);
    bytes
}

/// The rollback counter of an image: a device takes none below what it has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub u64);

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Why a file could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// It has an envelope; a second one would say something else about the same bytes.
    #[error("the file is signed already")]
    AlreadySigned,
    /// The signed file would not be a sound file.
    #[error(transparent)]
    Build(#[from] BuildError),
}
