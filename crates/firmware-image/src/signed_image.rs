//! A file that ends in block digests, promise and SUIT envelope: signing it, and recognising one.
//! Whether the envelope holds is left to `trust`.

use alloc::vec::Vec;
use core::fmt;

use coset::iana::Algorithm;

use crate::block_digests::{DIGEST_LEN, list_len, list_of};
use crate::digest::sha256;
use crate::element::{ELEMENT_HEADER_LEN, ElementTag};
use crate::envelope::{as_byte_string, emit};
use crate::header::OtaHeader;
use crate::manifest::{Manifest, Measure, class_of, manifest_digest};
use crate::mcuboot::{McubootImage, McubootParseError, PayloadFormat};
use crate::ota_file::{BuildError, MAX_FILE_LEN, OtaFile};
use crate::promise::{Predecessors, Promise, RootVersion};
use crate::seal::seal_detached;
use crate::signer::{Signer, SignerError};
use crate::verify_error::VerifyError;

/// A file that carries an envelope; nothing is known yet about who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedImage {
    file: OtaFile,
}

/// What the signer says of an image besides what is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The rollback counter.
    pub sequence: SequenceNumber,
    /// The trust root a device must have reached; 0 for none.
    pub minimum_root: RootVersion,
    /// What must run before.
    pub predecessors: Predecessors,
}

impl From<SequenceNumber> for Terms {
    /// Makes the plainest terms: any root, any predecessor.
    fn from(sequence: SequenceNumber) -> Terms {
        Terms { sequence, minimum_root: RootVersion(0), predecessors: Predecessors::Any }
    }
}

impl SignedImage {
    /// Appends an envelope that binds payload, header and all other elements of the file.
    pub fn sign(file: &OtaFile, terms: impl Into<Terms>, key: &dyn Signer) -> Result<SignedImage, SignError> {
        SignedImage::sign_jointly(file, &terms.into(), &[key])
    }

    /// Does the same with a signature of each of several keys, for manufacturers that need two.
    ///
    /// All sign at once: the header states the size of the whole file, so a signature added later would break the
    /// ones before it.
    pub fn sign_jointly(
        file: &OtaFile,
        terms: &Terms,
        keys: &[&dyn Signer],
    ) -> Result<SignedImage, SignError> {
        SignedImage::seal(file, terms, |manifest| make_envelope(manifest, Algorithm::Ed25519, keys))
    }

    /// Seals in two passes: the header states the size of the whole file, so the envelope that binds the
    /// header must know its own length before it is written. Every part of it has a length known in advance.
    pub(crate) fn seal(
        file: &OtaFile,
        terms: &Terms,
        envelope_of: impl Fn(&Manifest) -> Result<Vec<u8>, SignerError>,
    ) -> Result<SignedImage, SignError> {
        if file.elements().any(|element| element.tag.is_of_signer()) {
            return Err(SignError::AlreadySigned);
        }
        let format = PayloadFormat::of(file.payload());
        if format == PayloadFormat::Mcuboot {
            McubootImage::parse(file.payload())?;
        }
        let covered_len = file.bytes().len();
        let mut promise = Promise {
            minimum_root: terms.minimum_root,
            format,
            predecessors: terms.predecessors.clone(),
            block_list: [0; 32],
        };
        let (vendor, class) = class_of(&file.identity());
        let mut manifest = Manifest {
            sequence: terms.sequence,
            vendor,
            class,
            payload: Measure::of(file.payload()),
            header: Measure { digest: [0; 32], size: file.header_bytes().len() as u64 },
            promise: Measure::of(&promise.encode()),
            elements: Measure::of_elements(file.elements()),
        };
        let envelope_len = envelope_of(&manifest)?.len();
        let own_len = list_len(covered_len) + promise.encode().len() + envelope_len + 3 * ELEMENT_HEADER_LEN;
        let total = covered_len + own_len;
        if total > MAX_FILE_LEN {
            return Err(BuildError::TooLarge { found: total }.into());
        }
        let header = header_with_size(file.header(), total);
        let covered = [&header[..], &file.bytes()[header.len()..]].concat();
        let list = list_of(&covered);
        promise.block_list = sha256(&list);
        let promise = promise.encode();
        manifest.header = Measure::of(&header);
        manifest.promise = Measure::of(&promise);
        let envelope = envelope_of(&manifest)?;
        assert_eq!(envelope.len(), envelope_len, "an envelope's length does not depend on its digests");
        let mut elements: Vec<_> = file.elements().map(|element| (element.tag, element.value)).collect();
        elements.push((ElementTag::BLOCK_DIGESTS, &list));
        elements.push((ElementTag::PROMISE, &promise));
        elements.push((ElementTag::ENVELOPE, &envelope));
        Ok(SignedImage { file: OtaFile::assemble(*file.header(), &elements)? })
    }

    /// Recognises a signed file: the three elements of a signer, each once, at the end.
    pub fn from_file(file: OtaFile) -> Result<SignedImage, VerifyError> {
        let envelopes = file.elements().filter(|element| element.tag == ElementTag::ENVELOPE).count();
        let last = file.elements().next_back().map(|element| element.tag);
        match envelopes {
            0 => return Err(VerifyError::Unsigned),
            1 if last == Some(ElementTag::ENVELOPE) => {}
            1 => return Err(VerifyError::ElementAfterEnvelope),
            _ => return Err(VerifyError::SeveralEnvelopes),
        }
        let own = [ElementTag::ENVELOPE, ElementTag::PROMISE, ElementTag::BLOCK_DIGESTS];
        let stands_last = file.elements().rev().map(|element| element.tag).take(own.len()).eq(own);
        let count = file.elements().filter(|element| element.tag.is_of_signer()).count();
        if stands_last && count == own.len() {
            Ok(SignedImage { file })
        } else {
            Err(VerifyError::SignerElementsMissing)
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
        self.own_element(0)
    }

    /// Reads what is promised without believing it: for showing it to people.
    pub fn claimed_promise(&self) -> Result<Promise, VerifyError> {
        Promise::decode(self.promise()).map_err(VerifyError::PromiseMalformed)
    }

    pub(crate) fn promise(&self) -> &[u8] {
        self.own_element(1)
    }

    /// Returns how many blocks the list at its end claims to have digests of.
    pub fn block_count(&self) -> usize {
        self.block_digests().len() / DIGEST_LEN
    }

    pub(crate) fn block_digests(&self) -> &[u8] {
        self.own_element(2)
    }

    fn own_element(&self, place: usize) -> &[u8] {
        self.file.elements().rev().nth(place).expect("a signed file ends in its signer's elements").value
    }
}

/// Makes the envelope of a manifest, under one of the two names of the algorithm.
pub(crate) fn make_envelope(
    manifest: &Manifest,
    algorithm: Algorithm,
    keys: &[&dyn Signer],
) -> Result<Vec<u8>, SignerError> {
    let manifest = manifest.encode();
    let digest = manifest_digest(&as_byte_string(&manifest));
    let seals =
        keys.iter().map(|key| seal_detached(algorithm, &digest, *key)).collect::<Result<Vec<_>, _>>()?;
    Ok(emit(&digest, &seals, &manifest))
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
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// It has an envelope; a second one would say something else about the same bytes.
    #[error("the file is signed already")]
    AlreadySigned,
    /// The signed file would not be a sound file.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The payload begins as an MCUboot image and is none that a boot loader would take.
    #[error("the payload is no sound MCUboot image: {0}")]
    Payload(#[from] McubootParseError),
    /// The key's keeper does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}
