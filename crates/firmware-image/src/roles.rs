//! Who may sign what: records of keys, and how many of them it takes. How roles travel is left to `root`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use minicbor::{Decoder, Encoder};

use crate::cbor::{EncodingError, Written, read_bytes, read_list};
use crate::identity::{ImageType, ManufacturerCode};
use crate::key::PublicKey;

/// A key, what it signs with, and whose it is.
///
/// The algorithm stands here and nowhere else: what a signature says of itself is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// How the key signs.
    pub algorithm: SignatureAlgorithm,
    /// The key.
    pub key: PublicKey,
    /// The person or machine that holds it; two keys of one holder are one approver.
    pub holder: Holder,
}

/// How a key signs. One way today; the number leaves room for the next (P-256, ML-DSA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// Ed25519, COSE algorithm -19 (RFC 9864).
    Ed25519,
}

/// Who holds a key: 1 to 64 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder(String);

impl Holder {
    /// Takes a name.
    pub fn new(name: &str) -> Result<Holder, EncodingError> {
        if name.is_empty() || name.len() > MAX_HOLDER_LEN || name.chars().any(char::is_control) {
            let reason = alloc::format!("holder: expected 1 to {MAX_HOLDER_LEN} bytes of printable text");
            return Err(EncodingError::new(reason));
        }
        Ok(Holder(name.to_string()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Keys of which a number must sign together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    threshold: u8,
    keys: Vec<KeyRecord>,
}

impl Quorum {
    /// Takes keys in any order; the same key twice is refused, for it would count once and look like two.
    pub fn new(threshold: u8, mut keys: Vec<KeyRecord>) -> Result<Quorum, EncodingError> {
        keys.sort_by_key(|record| record.key.to_bytes());
        let quorum = Quorum { threshold, keys };
        quorum.check()?;
        Ok(quorum)
    }

    /// Returns how many must sign.
    pub fn threshold(&self) -> usize {
        usize::from(self.threshold)
    }

    /// Returns the records, ordered by key.
    pub fn records(&self) -> &[KeyRecord] {
        &self.keys
    }

    /// Returns the keys.
    pub fn keys(&self) -> Vec<PublicKey> {
        self.keys.iter().map(|record| record.key).collect()
    }

    /// Counts the different keys of this quorum among the signers.
    pub fn count(&self, signers: &[PublicKey]) -> usize {
        self.keys.iter().filter(|record| signers.contains(&record.key)).count()
    }

    /// Returns the different holders among the signers.
    pub fn holders<'a>(&'a self, signers: &[PublicKey]) -> Vec<&'a Holder> {
        let signed = self.keys.iter().filter(|record| signers.contains(&record.key));
        let mut holders: Vec<&Holder> = signed.map(|record| &record.holder).collect();
        holders.sort();
        holders.dedup();
        holders
    }

    fn check(&self) -> Result<(), EncodingError> {
        if self.keys.len() > MAX_KEYS || self.threshold == 0 || self.threshold() > self.keys.len() {
            let reason = alloc::format!(
                "a role needs {} signatures of {} keys: expected at least 1, and at most {MAX_KEYS} keys",
                self.threshold,
                self.keys.len()
            );
            return Err(EncodingError::new(reason));
        }
        if !self.keys.is_sorted_by(|one, next| one.key.to_bytes() < next.key.to_bytes()) {
            return Err(EncodingError::new("a role names a key twice, or its keys out of order"));
        }
        Ok(())
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder<Vec<u8>>) -> Written {
        encoder.array(2)?.u8(self.threshold)?.array(self.keys.len() as u64)?;
        for KeyRecord { algorithm, key, holder } in &self.keys {
            let SignatureAlgorithm::Ed25519 = algorithm;
            encoder.array(3)?.i8(ED25519)?.bytes(&key.to_bytes())?.str(&holder.0)?;
        }
        Ok(())
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Quorum, EncodingError> {
        decoder.array()?;
        let threshold = decoder.u8()?;
        let keys = read_list(decoder, MAX_KEYS, read_record)?;
        let quorum = Quorum { threshold, keys };
        quorum.check()?;
        Ok(quorum)
    }
}

fn read_record(decoder: &mut Decoder<'_>) -> Result<KeyRecord, EncodingError> {
    decoder.array()?;
    if decoder.i8()? != ED25519 {
        return Err(EncodingError::new("a key is for another algorithm than Ed25519 (-19)"));
    }
    let key = read_key(decoder)?;
    Ok(KeyRecord { algorithm: SignatureAlgorithm::Ed25519, key, holder: Holder::new(decoder.str()?)? })
}

/// Reads a public key and refuses a weak one, wherever it stands.
pub(crate) fn read_key(decoder: &mut Decoder<'_>) -> Result<PublicKey, EncodingError> {
    let bytes = read_bytes(decoder, "public key")?;
    PublicKey::from_bytes(&bytes).map_err(|error| EncodingError::new(alloc::format!("public key: {error}")))
}

/// A manufacturer's keys, and the family of devices they vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// Whose devices.
    pub manufacturer: ManufacturerCode,
    /// Which of them, rising; all when none is named.
    pub image_types: Vec<ImageType>,
    /// Who signs their images: one or two keys together.
    pub quorum: Quorum,
}

impl Maker {
    /// Returns whether two makers would both vouch for some image.
    pub(crate) fn overlaps(&self, other: &Maker) -> bool {
        let shared = |image_type| other.image_types.contains(image_type);
        self.manufacturer == other.manufacturer
            && (self.image_types.is_empty()
                || other.image_types.is_empty()
                || self.image_types.iter().any(shared))
    }

    pub(crate) fn encode(&self, encoder: &mut Encoder<Vec<u8>>) -> Written {
        encoder.array(3)?.u16(self.manufacturer.0)?.array(self.image_types.len() as u64)?;
        for image_type in &self.image_types {
            encoder.u16(image_type.0)?;
        }
        self.quorum.encode(encoder)
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Maker, EncodingError> {
        decoder.array()?;
        let manufacturer = ManufacturerCode(decoder.u16()?);
        let image_types = read_list(decoder, MAX_IMAGE_TYPES, |decoder| Ok(ImageType(decoder.u16()?)))?;
        if !image_types.is_sorted_by(|one, next| one < next) {
            return Err(EncodingError::new("a maker names an image type twice, or its types out of order"));
        }
        Ok(Maker { manufacturer, image_types, quorum: Quorum::decode(decoder)? })
    }
}

/// COSE's number for Ed25519 (RFC 9864).
const ED25519: i8 = -19;
/// The longest name of a holder, in bytes.
const MAX_HOLDER_LEN: usize = 64;
/// The most keys of one role: more people than ever share one duty.
const MAX_KEYS: usize = 8;
/// The most image types of one maker's family.
const MAX_IMAGE_TYPES: usize = 32;
