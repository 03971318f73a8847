//! Images and product list entries as they are shown.

use eligibility::CplEntry;
use firmware_image::{FileDigest, HardwareVersion, ImageDigest, VerifiedImage};
use serde::{Deserialize, Serialize};

/// An image at the desk. Every field of it is vouched for by the signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageView {
    /// SHA-256 of the file: how orders name it.
    pub file_digest: FileDigest,
    /// SHA-256 of the payload: how product lists and activation orders name it.
    pub image_digest: ImageDigest,
    /// Length of the file.
    pub size_bytes: usize,
    /// Zigbee manufacturer code, as `0x10E5`.
    pub manufacturer_code: String,
    /// Zigbee image type, as `0x0011`.
    pub image_type: String,
    /// File version, as `01020304`.
    pub file_version: String,
    /// The hardware it is for; none when it does not say.
    pub hardware: Option<HardwareView>,
    /// The rollback counter.
    pub sequence: u64,
    /// Fingerprint of the key that signed it.
    pub signers: Vec<String>,
}

/// A range of hardware versions, both included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareView {
    /// The lowest, as `0x0100`.
    pub min: String,
    /// The highest.
    pub max: String,
}

/// The images at the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageList {
    /// By file digest.
    pub images: Vec<ImageView>,
}

/// A product list entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// Its id.
    pub entry: String,
    /// What kind of device.
    pub device_type: String,
    /// Who makes it.
    pub manufacturer: String,
    /// The model.
    pub model: String,
    /// The firmware version.
    pub firmware_version: String,
    /// Whether the entry is in force.
    pub status: String,
}

/// Product list entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryList {
    /// In the order of their ids.
    pub entries: Vec<EntryView>,
}

impl From<&VerifiedImage> for ImageView {
    fn from(image: &VerifiedImage) -> ImageView {
        let identity = image.identity();
        let word = |version: HardwareVersion| format!("0x{:04X}", version.0);
        ImageView {
            file_digest: image.file_digest(),
            image_digest: image.image_digest(),
            size_bytes: image.bytes().len(),
            manufacturer_code: format!("0x{:04X}", identity.manufacturer.0),
            image_type: format!("0x{:04X}", identity.image_type.0),
            file_version: identity.file_version.to_string(),
            hardware: identity
                .hardware
                .map(|range| HardwareView { min: word(range.min), max: word(range.max) }),
            sequence: image.sequence().0,
            signers: image.signers().iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&CplEntry> for EntryView {
    fn from(entry: &CplEntry) -> EntryView {
        EntryView {
            entry: entry.id.to_string(),
            device_type: entry.device_type.to_string(),
            manufacturer: entry.manufacturer.to_string(),
            model: entry.model.to_string(),
            firmware_version: entry.firmware.to_string(),
            status: entry.status.to_string(),
        }
    }
}
