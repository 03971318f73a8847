//! The status: which trust root is the newest, said anew every day, so that a hub notices when it is kept behind.
//!
//! A COSE_Sign1 message around
//! `[ 1, serial, issued, expires, newest root version, [ *[manufacturer, image type, lowest sequence] ] ]`. Ours.

use alloc::vec::Vec;

use bytes::Bytes;
use minicbor::Decoder;

use crate::cbor::{EncodingError, encode, read_list};
use crate::document_error::DocumentError;
use crate::identity::{ImageType, ManufacturerCode};
use crate::key::KeyFingerprint;
use crate::promise::RootVersion;
use crate::root::TrustRoot;
use crate::seal::{Seal, seal_attached};
use crate::signed_image::SequenceNumber;
use crate::signer::{Signer, SignerError};
use crate::time::{DAY, UtcSeconds, Validity};

/// What is new today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which status; a hub takes none below the last.
    pub serial: u64,
    /// A day at the most.
    pub validity: Validity,
    /// The newest trust root there is.
    pub newest_root: RootVersion,
    /// Images that are no longer passed on, ordered by family.
    pub floors: Vec<Floor>,
}

/// The lowest rollback counter of a family that is still passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Whose devices.
    pub manufacturer: ManufacturerCode,
    /// Which of them.
    pub image_type: ImageType,
    /// The lowest counter.
    pub lowest: SequenceNumber,
}

impl Status {
    /// Signs the status.
    pub fn sign(&self, key: &dyn Signer) -> Result<SignedStatus, SignStatusError> {
        self.check().map_err(SignStatusError::Unsound)?;
        let bytes = seal_attached(self.encode(), STATUS_DOMAIN, key)?;
        Ok(SignedStatus(bytes.into()))
    }

    /// Returns the lowest rollback counter of a family.
    pub fn floor(&self, manufacturer: ManufacturerCode, image_type: ImageType) -> SequenceNumber {
        let of_family = |floor: &&Floor| floor.manufacturer == manufacturer && floor.image_type == image_type;
        self.floors.iter().find(of_family).map_or(SequenceNumber(0), |floor| floor.lowest)
    }

    fn check(&self) -> Result<(), EncodingError> {
        if !self.validity.is_within(LONGEST_VALIDITY) {
            return Err(EncodingError::new(
                "validity: expected issued before expires, and at most 24 h between",
            ));
        }
        let family = |floor: &Floor| (floor.manufacturer, floor.image_type);
        let ordered = self.floors.is_sorted_by(|one, next| family(one) < family(next));
        if self.floors.len() > MAX_FLOORS || !ordered {
            return Err(EncodingError::new("floors: expected at most 64, in order, none twice"));
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        encode(|encoder| {
            encoder.array(6)?.u8(STATUS_FORMAT)?.u64(self.serial)?;
            encoder.u64(self.validity.issued.0)?.u64(self.validity.expires.0)?.u64(self.newest_root.0)?;
            encoder.array(self.floors.len() as u64)?;
            for Floor { manufacturer, image_type, lowest } in &self.floors {
                encoder.array(3)?.u16(manufacturer.0)?.u16(image_type.0)?.u64(lowest.0)?;
            }
            Ok(())
        })
    }

    fn decode(bytes: &[u8]) -> Result<Status, EncodingError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array()?;
        if decoder.u8()? != STATUS_FORMAT {
            return Err(EncodingError::new("the status has another format than 1"));
        }
        let serial = decoder.u64()?;
        let validity = Validity { issued: UtcSeconds(decoder.u64()?), expires: UtcSeconds(decoder.u64()?) };
        let newest_root = RootVersion(decoder.u64()?);
        let floors = read_list(&mut decoder, MAX_FLOORS, |decoder| {
            decoder.array()?;
            Ok(Floor {
                manufacturer: ManufacturerCode(decoder.u16()?),
                image_type: ImageType(decoder.u16()?),
                lowest: SequenceNumber(decoder.u64()?),
            })
        })?;
        let status = Status { serial, validity, newest_root, floors };
        if status.encode() != bytes {
            return Err(EncodingError::not_ours());
        }
        status.check()?;
        Ok(status)
    }
}

/// A status as it travels; nothing is known yet about who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatus(Bytes);

impl SignedStatus {
    /// Copies a status that was received, if it is not longer than a status can be.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<SignedStatus, DocumentError> {
        let bytes = bytes.as_ref();
        if bytes.len() > MAX_STATUS_LEN {
            return Err(DocumentError::TooLong { found: bytes.len(), limit: MAX_STATUS_LEN });
        }
        Ok(SignedStatus(Bytes::copy_from_slice(bytes)))
    }

    /// Returns the status as it travels.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Reads what it says without believing it: for showing it to people.
    pub fn claims(&self) -> Result<Status, DocumentError> {
        let seal = Seal::parse(&self.0).map_err(DocumentError::Malformed)?;
        Status::decode(seal.payload().unwrap_or_default()).map_err(DocumentError::Malformed)
    }

    /// Returns who is said to have signed; `None` when the message does not say.
    pub fn claimed_signer(&self) -> Result<Option<KeyFingerprint>, DocumentError> {
        Ok(Seal::parse(&self.0).map_err(DocumentError::Malformed)?.claimed_signer())
    }

    /// Verifies the bytes that came, then reads them. Whether it is still good is left to `hub_gate`.
    pub fn verify(&self, root: &TrustRoot) -> Result<Status, DocumentError> {
        let seal = Seal::parse(&self.0).map_err(DocumentError::Malformed)?;
        let Some(status) = seal.payload() else {
            return Err(DocumentError::Malformed(EncodingError::new("its signature brings no status")));
        };
        seal.check_attached(STATUS_DOMAIN, &root.status.keys())?;
        Status::decode(status).map_err(DocumentError::Malformed)
    }
}

/// Why a status could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignStatusError {
    /// It does not hold together.
    #[error("the status: {0}")]
    Unsound(EncodingError),
    /// The key's keeper does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// The external_aad of statuses.
const STATUS_DOMAIN: &[u8] = b"smets1-ota/v1/status\0";
/// The first item of a status; a later format gets another number.
const STATUS_FORMAT: u8 = 1;
/// How long a status is good, in seconds: a day. What a stolen status key can hide, it can hide for that long
/// without a fresh signature.
const LONGEST_VALIDITY: u64 = DAY;
/// The most families with a floor.
const MAX_FLOORS: usize = 64;
/// The longest status taken, in bytes.
pub const MAX_STATUS_LEN: usize = 2_048;
