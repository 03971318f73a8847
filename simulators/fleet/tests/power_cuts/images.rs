//! Keys, images of an exact size, and activation orders.

use std::collections::BTreeMap;

use bytes::Bytes;
use firmware_image::{
    ActivationOrder, CounterEpoch, Eui64, FileVersion, HardwareVersion, ImageDigest, ImageIdentity,
    ImageType, ManufacturerCode, Nonce, OrderCounter, OtaFile, SequenceNumber, SignedImage, SigningKey,
    TrustStore,
};
use fleet::{DeviceModel, DeviceTrust};
use wire::{DeviceChallenge, ImageKey};

pub const MANUFACTURER: ManufacturerCode = ManufacturerCode(0x10E5);
pub const TYPE: ImageType = ImageType(0x0011);
pub const EUI: Eui64 = Eui64::from_bytes([0, 0x0D, 0x6F, 0, 0, 0, 1, 1]);

/// What the factory put there, what ran before the update that is cut, and what that update brings.
pub const FACTORY: FileVersion = FileVersion(1);
pub const OLD: FileVersion = FileVersion(2);
pub const NEW: FileVersion = FileVersion(3);

/// The security counters that these versions carry.
pub fn counter_of(version: FileVersion) -> u64 {
    u64::from(version.0) * 10
}

pub fn model() -> DeviceModel {
    DeviceModel { manufacturer: MANUFACTURER, image_type: TYPE, hardware: HardwareVersion(0x0101) }
}

fn image_key() -> SigningKey {
    SigningKey::generate_from_seed([1; 32])
}

fn order_key() -> SigningKey {
    SigningKey::generate_from_seed([2; 32])
}

pub fn trust() -> DeviceTrust {
    DeviceTrust::pinned(TrustStore::new(vec![image_key().public()]), vec![order_key().public()])
}

/// A signed image, and what is said of it.
#[derive(Clone)]
pub struct Image {
    pub version: FileVersion,
    pub bytes: Bytes,
    pub digest: ImageDigest,
}

impl Image {
    /// Signs an image whose file is exactly `len` bytes long.
    pub fn of_len(version: FileVersion, len: usize) -> Image {
        // What is not payload depends a little on the length: the block digests.
        let mut payload_len = len.saturating_sub(700);
        for _ in 0..4 {
            let file = signed(version, payload_len);
            if file.bytes().len() == len {
                return Image { version, bytes: file.bytes().clone(), digest: file.image_digest() };
            }
            payload_len = (payload_len + len).saturating_sub(file.bytes().len());
        }
        panic!("no file has {len} bytes");
    }

    pub fn key(&self) -> ImageKey {
        ImageKey { manufacturer: MANUFACTURER.0, image_type: TYPE.0, file_version: self.version.0 }
    }
}

fn signed(version: FileVersion, payload_len: usize) -> OtaFile {
    let identity =
        ImageIdentity { manufacturer: MANUFACTURER, image_type: TYPE, file_version: version, hardware: None };
    let salt = version.0 as usize;
    let payload: Vec<u8> = (0..payload_len).map(|at| (at * 31 + at / 256 * salt + salt) as u8).collect();
    let file = OtaFile::build(&identity, "image", &payload).unwrap();
    SignedImage::sign(&file, SequenceNumber(counter_of(version)), &image_key()).unwrap().file().clone()
}

/// Signs orders, each once: a million histories ask for the same few.
#[derive(Default)]
pub struct OrderDesk(BTreeMap<([u8; 8], u64, u32), Vec<u8>>);

impl OrderDesk {
    /// Returns the order that answers a challenge.
    pub fn order(&mut self, image: &Image, challenge: DeviceChallenge) -> &[u8] {
        let counter = challenge.last_counter + 1;
        self.0.entry((challenge.nonce, counter, image.version.0)).or_insert_with(|| {
            let order = ActivationOrder {
                device: EUI,
                image: image.digest,
                epoch: CounterEpoch(0),
                counter: OrderCounter(counter),
                nonce: Nonce::from_bytes(challenge.nonce),
            };
            order.sign(&order_key()).unwrap().bytes().to_vec()
        })
    }
}
