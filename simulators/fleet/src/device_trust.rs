//! Whom a device believes: which images it accepts, and which activation orders.
//!
//! Signatures are checked by `firmware-image`; here stands what a device makes of the answer.

use std::sync::Arc;

use bytes::Bytes;
use firmware_image::{
    ActivationOrder, Eui64, FileDigest, HardwareVersion, ImageDigest, ImageIdentity, ImageType,
    ManufacturerCode, OtaFile, SequenceNumber, SignedOrder, TrustStore, VerifiedImage, inspect,
};

use crate::bank::StoredImage;
use crate::sector_pool::SectorPool;

/// The keys that a device was made with.
#[derive(Clone, Debug)]
pub struct DeviceTrust {
    /// Keys that may sign images.
    pub images: TrustStore,
    /// Keys that may sign activation orders.
    pub orders: TrustStore,
    /// Accepts images and activations that nobody signed; for runs against other people's software only.
    pub accept_unsigned: bool,
}

/// What kind of device this is, as images name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceModel {
    /// Who makes it.
    pub manufacturer: ManufacturerCode,
    /// Which of the maker's products it is.
    pub image_type: ImageType,
    /// Its hardware.
    pub hardware: HardwareVersion,
}

impl DeviceModel {
    /// Returns whether an image is for this manufacturer and type, whatever the hardware.
    pub fn is_named_by(&self, image: &ImageIdentity) -> bool {
        self.manufacturer == image.manufacturer && self.image_type == image.image_type
    }

    /// Returns whether an image may run on this device.
    pub fn fits(&self, image: &ImageIdentity) -> bool {
        self.is_named_by(image) && image.hardware.is_none_or(|range| range.contains(self.hardware))
    }
}

/// An image that a device read back from its flash and accepted; only [`DeviceTrust::examine`] makes one.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedImage {
    /// `None` for raw bytes without an OTA header.
    identity: Option<ImageIdentity>,
    image_digest: ImageDigest,
    file_digest: FileDigest,
    proof: Proof,
}

#[derive(Clone, Debug)]
enum Proof {
    Signed(Arc<VerifiedImage>),
    /// Complete, and otherwise unknown; possible only with `accept_unsigned`.
    Complete,
}

impl AcceptedImage {
    pub(crate) fn identity(&self) -> Option<&ImageIdentity> {
        self.identity.as_ref()
    }

    pub(crate) fn image_digest(&self) -> ImageDigest {
        self.image_digest
    }

    pub(crate) fn file_digest(&self) -> FileDigest {
        self.file_digest
    }

    pub(crate) fn sequence(&self) -> Option<u64> {
        match &self.proof {
            Proof::Signed(image) => {
                let SequenceNumber(sequence) = image.sequence();
                Some(sequence)
            }
            Proof::Complete => None,
        }
    }
}

/// Why a device does not take an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedImage {
    #[error("no trusted signature covers these bytes")]
    NotGenuine,
    #[error("the image is for another model or hardware")]
    WrongModel,
    #[error("the image is older than one that was confirmed")]
    Rollback,
}

/// Why a device does not obey an activation order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedOrder {
    #[error("no order was given")]
    Missing,
    #[error("no trusted signature covers the order")]
    NotGenuine,
    #[error("the order is for another device")]
    WrongDevice,
    #[error("the order is for another image")]
    WrongImage,
    #[error("the order's counter was seen before")]
    Replayed,
}

/// The leave to activate one image; only [`DeviceTrust::permit`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    image: ImageDigest,
    counter: Option<u64>,
}

impl Permit {
    pub(crate) fn image(&self) -> ImageDigest {
        self.image
    }

    /// Returns the order's counter, to be stored with the act that it permits.
    pub(crate) fn counter(&self) -> Option<u64> {
        self.counter
    }
}

/// What a verdict on an image depends on besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TrustMark {
    images: firmware_image::TrustMark,
    accept_unsigned: bool,
}

impl DeviceTrust {
    /// Checks an image as it was read back from flash.
    pub(crate) fn examine(
        &self,
        pool: &mut SectorPool,
        stored: StoredImage,
    ) -> Result<AcceptedImage, RefusedImage> {
        match stored.key {
            Some(key) => pool.verdict(key, self.mark(), || self.examine_bytes(stored.bytes)),
            None => self.examine_bytes(stored.bytes),
        }
    }

    fn examine_bytes(&self, bytes: Bytes) -> Result<AcceptedImage, RefusedImage> {
        match self.images.verify_bytes(bytes.clone()) {
            Ok(image) => Ok(AcceptedImage {
                identity: Some(image.identity()),
                image_digest: image.image_digest(),
                file_digest: image.file_digest(),
                proof: Proof::Signed(Arc::new(image)),
            }),
            Err(_) if self.accept_unsigned => Ok(complete(bytes)),
            Err(error) => {
                tracing::debug!(%error, "image refused");
                Err(RefusedImage::NotGenuine)
            }
        }
    }

    /// Checks an activation order against this device, this image and the counter already spent.
    pub(crate) fn permit(
        &self,
        order: Option<&[u8]>,
        device: Eui64,
        image: ImageDigest,
        last_counter: u64,
    ) -> Result<Permit, RefusedOrder> {
        if self.accept_unsigned {
            return Ok(Permit { image, counter: None });
        }
        let order = order.ok_or(RefusedOrder::Missing)?;
        let order = self.genuine_order(order).ok_or(RefusedOrder::NotGenuine)?;
        if order.device != device {
            return Err(RefusedOrder::WrongDevice);
        }
        if order.image != image {
            return Err(RefusedOrder::WrongImage);
        }
        if order.counter.0 <= last_counter {
            return Err(RefusedOrder::Replayed);
        }
        Ok(Permit { image, counter: Some(order.counter.0) })
    }

    fn genuine_order(&self, order: &[u8]) -> Option<ActivationOrder> {
        let signed = SignedOrder::from_bytes(order).ok()?;
        signed.verify(&self.orders.keys()).ok()
    }

    fn mark(&self) -> TrustMark {
        TrustMark { images: self.images.mark(), accept_unsigned: self.accept_unsigned }
    }
}

/// Takes bytes as they are: a sound OTA file, an odd one, or a raw binary.
fn complete(bytes: Bytes) -> AcceptedImage {
    let file_digest = FileDigest::of(&bytes);
    let (identity, image_digest) = match OtaFile::parse(bytes.clone()) {
        Ok(file) => (Some(file.identity()), file.image_digest()),
        Err(_) => (inspect(&bytes).identity, ImageDigest::of(&bytes)),
    };
    AcceptedImage { identity, image_digest, file_digest, proof: Proof::Complete }
}
