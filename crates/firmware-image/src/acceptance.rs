//! What a device makes of an image that verifies: is it for me, may it follow what I run, is it old?
//! And what it makes of an order that verifies. The same for a hub, a meter and the signing desk.
//!
//! The rollback counter is compared here and raised elsewhere: by the boot loader, when the new image has confirmed
//! itself, and not before.

use crate::activation_order::{ActivationOrder, Nonce, OrderCounter};
use crate::attack::Attack;
use crate::digest::ImageDigest;
use crate::identity::{Eui64, FileVersion, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode};
use crate::promise::Promise;
use crate::root::CounterEpoch;
use crate::signed_image::SequenceNumber;
use crate::trust::VerifiedImage;

/// What kind of device it is, as images name it.
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

    /// Refuses an image for another device.
    pub fn require_fit(&self, image: &ImageIdentity) -> Result<(), ImageRefusal> {
        if !self.is_named_by(image) {
            return Err(ImageRefusal::WrongDevice {
                manufacturer: image.manufacturer,
                image_type: image.image_type,
            });
        }
        match image.hardware {
            Some(range) if !range.contains(self.hardware) => {
                Err(ImageRefusal::WrongHardware { hardware: self.hardware })
            }
            _ => Ok(()),
        }
    }
}

/// The counter that forbids going back: the sequence number of the newest confirmed image, and which image that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityCounter {
    /// The number.
    pub sequence: SequenceNumber,
    /// The image; unknown for the one the factory put there.
    pub image: Option<ImageDigest>,
}

impl SecurityCounter {
    /// Refuses an image that may not follow: only a higher number may, or the same number for the same image.
    pub fn require_newer(&self, sequence: SequenceNumber, image: &ImageDigest) -> Result<(), ImageRefusal> {
        let same = self.image.is_none_or(|known| known == *image);
        if sequence > self.sequence || (sequence == self.sequence && same) {
            Ok(())
        } else {
            Err(ImageRefusal::Rollback { confirmed: self.sequence, found: sequence })
        }
    }
}

/// What a device knows of itself when it judges an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceState {
    /// What it is.
    pub model: DeviceModel,
    /// What it runs.
    pub running: FileVersion,
    /// What it has confirmed.
    pub counter: SecurityCounter,
}

impl DeviceState {
    /// Judges a verified image.
    pub fn require_acceptable(&self, image: &VerifiedImage) -> Result<(), ImageRefusal> {
        self.model.require_fit(&image.identity())?;
        if let Some(destination) = image.file().header().destination {
            // A file for one device travels by other ways than a campaign; nobody here can tell which device.
            return Err(ImageRefusal::OneDeviceOnly { destination });
        }
        self.counter.require_newer(image.sequence(), &image.image_digest())?;
        require_predecessor(image.promise(), &image.identity(), self.running)
    }
}

/// Refuses an image that must not follow what runs. The image that runs already may be put there again.
fn require_predecessor(
    promise: &Promise,
    image: &ImageIdentity,
    running: FileVersion,
) -> Result<(), ImageRefusal> {
    if running == image.file_version || promise.predecessors.allow(running) {
        Ok(())
    } else {
        Err(ImageRefusal::WrongPredecessor { running })
    }
}

/// Why a device does not take an image that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefusal {
    /// It is for another manufacturer's device, or another of its products.
    #[error("the image is for manufacturer {manufacturer}, image type {image_type}")]
    WrongDevice {
        /// Whose devices.
        manufacturer: ManufacturerCode,
        /// Which of them.
        image_type: ImageType,
    },
    /// It is for other hardware.
    #[error("the image does not run on hardware {hardware}")]
    WrongHardware {
        /// The device's hardware.
        hardware: HardwareVersion,
    },
    /// It is for one device by name.
    #[error("the file is for device {destination} only")]
    OneDeviceOnly {
        /// The device.
        destination: Eui64,
    },
    /// It is older than one that was confirmed, or another one of the same number.
    #[error("the image's counter {found} does not follow {confirmed}, which is confirmed")]
    Rollback {
        /// The counter of the newest confirmed image.
        confirmed: SequenceNumber,
        /// The image's counter.
        found: SequenceNumber,
    },
    /// Another version must run before.
    #[error("the image must not follow version {running}, which runs")]
    WrongPredecessor {
        /// The version that runs.
        running: FileVersion,
    },
}

impl ImageRefusal {
    /// Returns which attack the image would have been.
    pub fn attack(&self) -> Attack {
        match self {
            ImageRefusal::WrongDevice { .. } | ImageRefusal::OneDeviceOnly { .. } => Attack::WrongDevice,
            ImageRefusal::WrongHardware { .. } => Attack::WrongHardware,
            ImageRefusal::Rollback { .. } => Attack::Rollback,
            ImageRefusal::WrongPredecessor { .. } => Attack::WrongPredecessor,
        }
    }
}

/// What a device remembers of the orders it obeyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderMemory {
    /// The epoch of the last one.
    pub epoch: CounterEpoch,
    /// Its counter.
    pub counter: OrderCounter,
}

impl OrderMemory {
    /// Judges an order that was verified, in the epoch of the trust root that is held.
    pub fn require_acceptable(
        &self,
        order: &ActivationOrder,
        epoch: CounterEpoch,
        expected: &Expected,
    ) -> Result<(), OrderRefusal> {
        if order.device != expected.device {
            return Err(OrderRefusal::WrongDevice { device: order.device });
        }
        if order.image != expected.image {
            return Err(OrderRefusal::WrongImage { image: order.image });
        }
        if order.epoch != epoch {
            return Err(OrderRefusal::WrongEpoch { found: order.epoch, held: epoch });
        }
        let last = if self.epoch == epoch { self.counter } else { OrderCounter(0) };
        if order.counter <= last {
            return Err(OrderRefusal::Replayed { found: order.counter, last });
        }
        if order.counter.0 - last.0 > MAX_COUNTER_JUMP {
            return Err(OrderRefusal::Jumps { found: order.counter, last });
        }
        if order.nonce != expected.nonce {
            return Err(OrderRefusal::WrongNonce);
        }
        Ok(())
    }

    /// Returns what is remembered after an order was obeyed.
    pub fn after(order: &ActivationOrder) -> OrderMemory {
        OrderMemory { epoch: order.epoch, counter: order.counter }
    }
}

/// What an order must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The device itself.
    pub device: Eui64,
    /// The image it holds and has verified.
    pub image: ImageDigest,
    /// What it drew.
    pub nonce: Nonce,
}

/// Why a device does not obey an order that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// It is for another device.
    #[error("the order is for device {device}")]
    WrongDevice {
        /// The device it names.
        device: Eui64,
    },
    /// It is for another image.
    #[error("the order is for image {image}")]
    WrongImage {
        /// The image it names.
        image: ImageDigest,
    },
    /// It counts in another epoch.
    #[error("the order counts in epoch {found}, the trust root held is in epoch {held}")]
    WrongEpoch {
        /// The order's epoch.
        found: CounterEpoch,
        /// The epoch of the root that is held.
        held: CounterEpoch,
    },
    /// It was obeyed before, or one after it was.
    #[error("the order's counter {found} is not above {last}, which was obeyed")]
    Replayed {
        /// The order's counter.
        found: OrderCounter,
        /// The last one obeyed.
        last: OrderCounter,
    },
    /// It would leave no numbers for those to come.
    #[error("the order's counter {found} is more than {MAX_COUNTER_JUMP} above {last}, which was obeyed")]
    Jumps {
        /// The order's counter.
        found: OrderCounter,
        /// The last one obeyed.
        last: OrderCounter,
    },
    /// It was made without asking the device.
    #[error("the order does not carry the nonce the device drew")]
    WrongNonce,
}

impl OrderRefusal {
    /// Returns which attack the order would have been.
    pub fn attack(&self) -> Attack {
        match self {
            OrderRefusal::WrongDevice { .. } => Attack::WrongDevice,
            OrderRefusal::WrongImage { .. } => Attack::MixAndMatch,
            OrderRefusal::WrongEpoch { .. } => Attack::Freeze,
            OrderRefusal::Replayed { .. } | OrderRefusal::WrongNonce => Attack::Replay,
            OrderRefusal::Jumps { .. } => Attack::FastForward,
        }
    }
}

/// How far an order's counter may be ahead of the last one obeyed: orders get lost, but not many in a row.
/// Without a bound one stolen order key could use up all numbers at once.
pub const MAX_COUNTER_JUMP: u64 = 16;
