//! The SUIT manifest (draft-ietf-suit-manifest): what the signer promises of a file, as deterministic CBOR.
//! The envelope around it is left to `envelope`, comparing it with a file to `trust`.
//!
//! ```text
//! { 1: 1, 2: sequence number,
//!   3: << { 2: [['payload'], ['header'], ['promise'], ['elements']],
//!           4: << [ 12, true, 20, {1: vendor id, 2: class id}, 1, 15, 2, 15,
//!                   12, 0, 20, {3: << [-16, SHA-256] >>, 14: size},
//!                   12, 1, 20, {3: ..., 14: size}, ... ] >> } >>,
//!   7: << [ 12, 0, 3, 15, 12, 1, 3, 15, ... ] >> }
//! ```
//!
//! The draft's vocabulary, in a profile that is ours: always these items in this order, and a manifest that
//! holds anything else is refused, unknown commands with it. The components are strings of bytes:
//!
//! * `payload`: the value of element 0x0000, what a device runs;
//! * `header`: the bytes of the OTA header, so that a good payload cannot travel under another name;
//! * `promise`: the value of element 0xF0C4, which in turn names the list of block digests;
//! * `elements`, only when the file that was signed had others than the payload: for every element of it its tag
//!   and length, and unless it is the payload its value. Binds their order too.

use alloc::format;
use alloc::vec::Vec;

use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::cbor::{EncodingError, Written, encode};
use crate::digest::sha256;
use crate::element::{Element, ElementTag};
use crate::identity::{ImageIdentity, ImageType, ManufacturerCode};
use crate::signed_image::SequenceNumber;

/// What the signer promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub sequence: SequenceNumber,
    pub vendor: Uuid,
    pub class: Uuid,
    pub payload: Measure,
    pub header: Measure,
    pub promise: Measure,
    pub elements: Option<Measure>,
}

/// Digest and length of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    pub digest: [u8; 32],
    pub size: u64,
}

impl Measure {
    pub fn of(bytes: &[u8]) -> Measure {
        Measure { digest: sha256(bytes), size: bytes.len() as u64 }
    }

    /// Measures what `elements` describes, the signer's own elements aside; `None` when the payload is alone.
    pub fn of_elements<'a>(elements: impl Iterator<Item = Element<'a>>) -> Option<Measure> {
        let mut hash = Sha256::new();
        let mut size = 0;
        let mut others = 0;
        let mut absorb = |bytes: &[u8]| {
            hash.update(bytes);
            size += bytes.len() as u64;
        };
        for element in elements.filter(|element| !element.tag.is_of_signer()) {
            absorb(&element.tag.0.to_le_bytes());
            absorb(
                &u32::try_from(element.value.len()).expect("an element's length has 32 bits").to_le_bytes(),
            );
            if element.tag != ElementTag::UPGRADE_IMAGE {
                absorb(element.value);
                others += 1;
            }
        }
        (others > 0).then(|| Measure { digest: hash.finalize().into(), size })
    }
}

impl Manifest {
    /// Encodes the manifest, without the byte string around it.
    pub fn encode(&self) -> Vec<u8> {
        let common = encode(|encoder| self.write_common(encoder));
        let validate = encode(|encoder| self.write_validate(encoder));
        encode(|encoder| {
            encoder.map(4)?.u8(MANIFEST_VERSION)?.u8(1)?;
            encoder.u8(SEQUENCE_NUMBER)?.u64(self.sequence.0)?;
            encoder.u8(COMMON)?.bytes(&common)?.u8(VALIDATE)?.bytes(&validate)?;
            Ok(())
        })
    }

    /// Reads a manifest and refuses any other encoding of it.
    ///
    /// Only what varies is read; that everything else is as it must be follows from encoding it again.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, EncodingError> {
        let mut outer = Decoder::new(bytes);
        outer.map()?;
        skip(&mut outer, 3)?;
        let sequence = SequenceNumber(outer.u64()?);
        skip(&mut outer, 1)?;
        let mut common = Decoder::new(outer.bytes()?);
        common.map()?;
        skip(&mut common, 1)?;
        let components = common.array()?.unwrap_or(0);
        if !(3..=4).contains(&components) {
            return Err(EncodingError::new("it has neither three nor four components"));
        }
        skip(&mut common, components as usize + 1)?;
        let mut shared = Decoder::new(common.bytes()?);
        shared.array()?;
        skip(&mut shared, 3)?;
        shared.map()?;
        let vendor = read_uuid(&mut shared)?;
        let class = read_uuid(&mut shared)?;
        skip(&mut shared, 4)?;
        let payload = read_measure(&mut shared)?;
        let header = read_measure(&mut shared)?;
        let promise = read_measure(&mut shared)?;
        let elements = (components == 4).then(|| read_measure(&mut shared)).transpose()?;
        let manifest = Manifest { sequence, vendor, class, payload, header, promise, elements };
        if manifest.encode() == bytes { Ok(manifest) } else { Err(EncodingError::not_ours()) }
    }

    fn components(&self) -> impl Iterator<Item = (&'static [u8], &Measure)> {
        let elements = self.elements.iter().map(|measure| (&b"elements"[..], measure));
        let always =
            [(&b"payload"[..], &self.payload), (b"header", &self.header), (b"promise", &self.promise)];
        always.into_iter().chain(elements)
    }

    fn write_common(&self, encoder: &mut Encoder<Vec<u8>>) -> Written {
        let shared = encode(|encoder| self.write_shared(encoder));
        let count = self.components().count() as u64;
        encoder.map(2)?.u8(COMPONENTS)?.array(count)?;
        for (name, _) in self.components() {
            encoder.array(1)?.bytes(name)?;
        }
        encoder.u8(SHARED_SEQUENCE)?.bytes(&shared)?;
        Ok(())
    }

    fn write_shared(&self, encoder: &mut Encoder<Vec<u8>>) -> Written {
        let count = self.components().count() as u64;
        encoder.array(8 + 4 * count)?;
        encoder.u8(SET_COMPONENT_INDEX)?.bool(true)?.u8(OVERRIDE_PARAMETERS)?.map(2)?;
        encoder.u8(VENDOR_ID)?.bytes(self.vendor.as_bytes())?;
        encoder.u8(CLASS_ID)?.bytes(self.class.as_bytes())?;
        encoder.u8(CHECK_VENDOR)?.u8(REPORT_ALL)?.u8(CHECK_CLASS)?.u8(REPORT_ALL)?;
        for (index, (_, measure)) in (0..).zip(self.components()) {
            let digest = encode_digest(&measure.digest);
            encoder.u8(SET_COMPONENT_INDEX)?.u8(index)?.u8(OVERRIDE_PARAMETERS)?.map(2)?;
            encoder.u8(IMAGE_DIGEST)?.bytes(&digest)?.u8(IMAGE_SIZE)?.u64(measure.size)?;
        }
        Ok(())
    }

    fn write_validate(&self, encoder: &mut Encoder<Vec<u8>>) -> Written {
        let count = self.components().count() as u64;
        encoder.array(4 * count)?;
        for (index, _) in (0..).zip(self.components()) {
            encoder.u8(SET_COMPONENT_INDEX)?.u8(index)?.u8(CHECK_IMAGE)?.u8(REPORT_ALL)?;
        }
        Ok(())
    }
}

/// Encodes a SUIT_Digest: `[-16, SHA-256]`.
pub(crate) fn encode_digest(digest: &[u8; 32]) -> Vec<u8> {
    encode(|encoder| {
        encoder.array(2)?.i8(SHA_256)?.bytes(digest)?;
        Ok(())
    })
}

/// Computes the digest a SUIT envelope signs: over the manifest *with* the header of its byte string.
pub(crate) fn manifest_digest(manifest_with_bstr_header: &[u8]) -> Vec<u8> {
    encode_digest(&sha256(manifest_with_bstr_header))
}

/// Derives the vendor id: UUIDv5 of the DNS namespace and `10e5.zigbee-manufacturer.invalid`.
///
/// Ours. The draft derives it from the vendor's domain name; a manufacturer code tells none, and `.invalid`
/// (RFC 2606) claims none.
pub(crate) fn vendor_id(manufacturer: ManufacturerCode) -> Uuid {
    let name = format!("{:04x}.zigbee-manufacturer.invalid", manufacturer.0);
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, name.as_bytes())
}

/// Derives the class id: UUIDv5 of the vendor id and the image type, two bytes, big-endian. Ours.
pub(crate) fn class_id(manufacturer: ManufacturerCode, image_type: ImageType) -> Uuid {
    Uuid::new_v5(&vendor_id(manufacturer), &image_type.0.to_be_bytes())
}

/// Returns vendor id and class id of an image.
pub(crate) fn class_of(identity: &ImageIdentity) -> (Uuid, Uuid) {
    (vendor_id(identity.manufacturer), class_id(identity.manufacturer, identity.image_type))
}

fn skip(decoder: &mut Decoder<'_>, items: usize) -> Result<(), EncodingError> {
    (0..items).try_for_each(|_| decoder.skip()).map_err(EncodingError::from)
}

fn read_uuid(decoder: &mut Decoder<'_>) -> Result<Uuid, EncodingError> {
    skip(decoder, 1)?;
    Uuid::from_slice(decoder.bytes()?)
        .map_err(|_| EncodingError::new("a vendor or class id has not 16 bytes"))
}

/// Reads `12, index, 20, {3: << [-16, digest] >>, 14: size}`.
fn read_measure(decoder: &mut Decoder<'_>) -> Result<Measure, EncodingError> {
    skip(decoder, 3)?;
    decoder.map()?;
    skip(decoder, 1)?;
    let mut inner = Decoder::new(decoder.bytes()?);
    inner.array()?;
    skip(&mut inner, 1)?;
    let digest = inner.bytes()?.try_into().map_err(|_| EncodingError::new("a digest has not 32 bytes"))?;
    skip(decoder, 1)?;
    Ok(Measure { digest, size: decoder.u64()? })
}

// Numbers of draft-ietf-suit-manifest, as IANA has registered them.
const MANIFEST_VERSION: u8 = 1;
const SEQUENCE_NUMBER: u8 = 2;
const COMMON: u8 = 3;
const VALIDATE: u8 = 7;
const COMPONENTS: u8 = 2;
const SHARED_SEQUENCE: u8 = 4;
const CHECK_VENDOR: u8 = 1;
const CHECK_CLASS: u8 = 2;
const CHECK_IMAGE: u8 = 3;
const SET_COMPONENT_INDEX: u8 = 12;
const OVERRIDE_PARAMETERS: u8 = 20;
const VENDOR_ID: u8 = 1;
const CLASS_ID: u8 = 2;
const IMAGE_DIGEST: u8 = 3;
const IMAGE_SIZE: u8 = 14;
/// The reporting policy "always report", the draft's own in its examples.
const REPORT_ALL: u8 = 15;
/// COSE algorithm SHA-256.
const SHA_256: i8 = -16;
