//! Whom a device believes: which images it accepts, and which activation orders.
//!
//! Every judgement is made by `firmware-image`; here stands which keys a device asks it with, and what it keeps of
//! the answer. A device was given keys one by one ("pinned": no root, epoch 0, no papers asked for), or a trust root
//! from which its keys follow and which leads it to the next ("rooted").

use std::sync::Arc;

use bytes::Bytes;
use firmware_image::{
    Attack, CounterEpoch, DeviceModel, DeviceState, Eui64, Expected, FileDigest, GateRefusal,
    HardwareVersion, ImageDigest, ImageIdentity, ImageRefusal, IntakeError, Nonce, OrderError, OrderMemory,
    OrderRefusal, OtaFile, PublicKey, RootVersion, SequenceNumber, SignedOrder, TrustAnchor, TrustStore,
    VerifiedImage, inspect,
};

use crate::bank::StoredImage;
use crate::sector_pool::SectorPool;

/// Whom a device believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTrust {
    images: TrustStore,
    orders: Vec<PublicKey>,
    anchor: Option<TrustAnchor>,
    accept_unsigned: bool,
    /// What remembered verdicts depend on, computed once.
    mark: TrustMark,
}

/// What a verdict on an image depends on besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TrustMark {
    images: firmware_image::TrustMark,
    accept_unsigned: bool,
}

impl DeviceTrust {
    /// Believes these keys of images and those of orders, and no others ever.
    pub fn pinned(images: TrustStore, orders: Vec<PublicKey>) -> DeviceTrust {
        DeviceTrust::of(images, orders, None)
    }

    /// Believes whom a trust root names, and whom the roots that follow it name.
    pub fn rooted(anchor: TrustAnchor) -> DeviceTrust {
        let root = anchor.root();
        DeviceTrust::of(root.images(), root.order.keys(), Some(anchor))
    }

    fn of(images: TrustStore, orders: Vec<PublicKey>, anchor: Option<TrustAnchor>) -> DeviceTrust {
        let mark = TrustMark { images: images.mark(), accept_unsigned: false };
        DeviceTrust { images, orders, anchor, accept_unsigned: false, mark }
    }

    /// Accepts images and activations that nobody signed, too; for runs against other people's software only.
    pub fn accepting_unsigned(mut self) -> DeviceTrust {
        self.accept_unsigned = true;
        self.mark.accept_unsigned = true;
        self
    }

    /// Returns who is believed of images.
    pub fn images(&self) -> &TrustStore {
        &self.images
    }

    /// Returns the trust root, unless the keys were given one by one.
    pub fn anchor(&self) -> Option<&TrustAnchor> {
        self.anchor.as_ref()
    }

    /// Returns whether unsigned images and activations are accepted.
    pub fn accepts_unsigned(&self) -> bool {
        self.accept_unsigned
    }

    /// Returns the version of the trust root; 0 for keys given one by one.
    pub(crate) fn root_version(&self) -> RootVersion {
        self.images.root_version()
    }

    /// Returns the epoch in which orders count.
    pub(crate) fn epoch(&self) -> CounterEpoch {
        self.anchor.as_ref().map_or(CounterEpoch(0), |anchor| anchor.root().epoch)
    }

    /// Believes another root from now on. What else holds of the device stays.
    pub(crate) fn under(&self, anchor: TrustAnchor) -> DeviceTrust {
        let trust = DeviceTrust::rooted(anchor);
        if self.accept_unsigned { trust.accepting_unsigned() } else { trust }
    }

    /// Checks an image as it was read back from flash.
    pub(crate) fn examine(
        &self,
        pool: &mut SectorPool,
        stored: StoredImage,
    ) -> Result<AcceptedImage, RefusedImage> {
        pool.verdict(&stored, self.mark, |bytes| self.examine_bytes(bytes))
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
            Err(error) => Err(RefusedImage::NotGenuine(error)),
        }
    }

    /// Judges an activation order for an image that is not held: whether it is one that would have been obeyed.
    pub(crate) fn permit_absent(
        &self,
        order: Option<&[u8]>,
        memory: &OrderMemory,
        device: Eui64,
        nonce: Nonce,
    ) -> Result<Permit, RefusedOrder> {
        let order = SignedOrder::from_bytes(order.ok_or(RefusedOrder::Missing)?)?.verify(&self.orders)?;
        let expected = Expected { device, image: order.image, nonce };
        memory.require_acceptable(&order, self.epoch(), &expected)?;
        Ok(Permit { image: order.image, spends: Some(OrderMemory::after(&order)) })
    }

    /// Judges an activation order by what is remembered of earlier ones and by what it must name.
    pub(crate) fn permit(
        &self,
        pool: &mut SectorPool,
        order: Option<&[u8]>,
        memory: &OrderMemory,
        expected: &Expected,
    ) -> Result<Permit, RefusedOrder> {
        if self.accept_unsigned {
            return Ok(Permit { image: expected.image, spends: None });
        }
        let signed = SignedOrder::from_bytes(order.ok_or(RefusedOrder::Missing)?)?;
        let order = pool.order(&signed, &self.orders)?;
        memory.require_acceptable(&order, self.epoch(), expected)?;
        Ok(Permit { image: order.image, spends: Some(OrderMemory::after(&order)) })
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

    pub(crate) fn sequence(&self) -> Option<SequenceNumber> {
        self.verified().map(VerifiedImage::sequence)
    }

    /// Returns the image as it was verified; `None` for one that was merely complete.
    pub(crate) fn verified(&self) -> Option<&VerifiedImage> {
        match &self.proof {
            Proof::Signed(image) => Some(image),
            Proof::Complete => None,
        }
    }

    /// Judges whether the image may run on a device; one without a model takes any model's.
    pub(crate) fn require_acceptable(
        &self,
        model: Option<&DeviceModel>,
        state: impl FnOnce(DeviceModel) -> DeviceState,
    ) -> Result<(), ImageRefusal> {
        let Some(identity) = &self.identity else { return Ok(()) };
        let model = model.copied().unwrap_or_else(|| model_named_by(identity));
        match &self.proof {
            Proof::Signed(image) => state(model).require_acceptable(image),
            Proof::Complete => model.require_fit(identity),
        }
    }
}

fn model_named_by(identity: &ImageIdentity) -> DeviceModel {
    DeviceModel {
        manufacturer: identity.manufacturer,
        image_type: identity.image_type,
        hardware: identity.hardware.map_or(HardwareVersion(0), |range| range.min),
    }
}

/// Why a device does not take an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedImage {
    #[error("no trusted signature covers these bytes")]
    NotGenuine(#[source] IntakeError),
    #[error("the image is not for this device now")]
    Unfit(#[from] ImageRefusal),
    #[error("the image is not let in")]
    NotLetIn(#[from] GateRefusal),
    #[error("the image is not the one that was offered")]
    NotOffered,
}

impl RefusedImage {
    pub(crate) fn attack(&self) -> Attack {
        match self {
            RefusedImage::NotGenuine(error) => error.attack(),
            RefusedImage::Unfit(error) => error.attack(),
            RefusedImage::NotLetIn(error) => error.attack(),
            RefusedImage::NotOffered => Attack::MixAndMatch,
        }
    }
}

/// Why a device does not obey an activation order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedOrder {
    #[error("no order was given")]
    Missing,
    #[error("no trusted signature covers the order")]
    NotGenuine(#[from] OrderError),
    #[error("the order is not one to be obeyed here and now")]
    Refused(#[from] OrderRefusal),
}

impl RefusedOrder {
    /// Returns which attack the order would have been; none when there was no order.
    pub(crate) fn attack(&self) -> Option<Attack> {
        match self {
            RefusedOrder::Missing => None,
            RefusedOrder::NotGenuine(error) => Some(error.attack()),
            RefusedOrder::Refused(error) => Some(error.attack()),
        }
    }
}

/// The leave to activate one image; only [`DeviceTrust::permit`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    image: ImageDigest,
    spends: Option<OrderMemory>,
}

impl Permit {
    pub(crate) fn image(&self) -> ImageDigest {
        self.image
    }

    /// Returns what is to be remembered of the order, stored with the act that it permits.
    pub(crate) fn spends(&self) -> Option<OrderMemory> {
        self.spends
    }
}

/// Returns the digest of the manufacturer's image within a file, believed or not; of all of it where there is no telling.
pub(crate) fn calculated_digest(bytes: Bytes) -> ImageDigest {
    complete(bytes).image_digest
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
