//! The product list (CPL): device models with their firmware, one row of `cpl.csv` each.
//!
//! ```text
//! entry_id, device_type, manufacturer, model, hardware_version (4 hex), firmware_version (8 hex), image_sha256,
//! image_size (bytes), smets_version, status, predecessors (entry ids with `;` between them, N/A, or empty)
//! ```
//!
//! `[S14]` `[S22]` `[S23]` That a product list exists, with the four states and with predecessors (SEC modification
//! MP231); the columns and their spelling are ours. `image_sha256` and `image_size` are those of the payload, and may both be
//! empty for a version whose image nobody holds any more: it can be updated from, never to.

use std::collections::BTreeSet;

use firmware_image::{FileVersion, HardwareVersion, ImageDigest};

use crate::device::DeviceType;
use crate::table::{Cell, FileKind, RowReader, RowWriter, Table, cell_from_text, cell_from_words};
use crate::text::{CplEntryId, ManufacturerName, ModelName, SharedTexts, SmetsVersion};

/// One device model with one firmware version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CplEntry {
    /// The id of the entry.
    pub id: CplEntryId,
    /// What kind of device it is.
    pub device_type: DeviceType,
    /// Who makes it.
    pub manufacturer: ManufacturerName,
    /// The model's name.
    pub model: ModelName,
    /// The hardware the firmware runs on.
    pub hardware: HardwareVersion,
    /// The firmware version.
    pub firmware: FileVersion,
    /// The image that brings this version, when it is held.
    pub image: Option<RegisteredImage>,
    /// The SMETS version the model follows.
    pub smets_version: SmetsVersion,
    /// Whether the entry is in force.
    pub status: CplStatus,
    /// The versions this one may be installed over.
    pub predecessors: Predecessors,
}

/// The image of an entry as it was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisteredImage {
    /// The SHA-256 of the payload.
    pub digest: ImageDigest,
    /// The length of the payload.
    pub size: ImageSize,
}

/// The length of an image's payload in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageSize(pub u32);

impl ImageSize {
    /// Returns the length of a payload.
    pub fn of(payload: &[u8]) -> ImageSize {
        // No payload is near that long; one that were would match no registered size.
        ImageSize(u32::try_from(payload.len()).unwrap_or(u32::MAX))
    }
}

/// The state of a product list entry (DUIS `CPLStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CplStatus {
    /// In force.
    Active,
    /// Cancelled.
    Cancelled,
    /// Past its date.
    Expired,
    /// Taken back.
    Withdrawn,
}

cell_from_words!(CplStatus {
    Active = "Active",
    Cancelled = "Cancelled",
    Expired = "Expired",
    Withdrawn = "Withdrawn",
});

/// Which versions a version may be installed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predecessors {
    /// `N/A`: the list names none, so every version of the model is permitted. This reading is our inference.
    Any,
    /// Only these. None at all, an empty cell, is a version that nothing may be updated to.
    These(BTreeSet<CplEntryId>),
}

impl Predecessors {
    /// Says whether a device that runs `current` may get this version.
    pub fn permit(&self, current: &CplEntryId) -> bool {
        match self {
            Predecessors::Any => true,
            Predecessors::These(entries) => entries.contains(current),
        }
    }

    /// Returns the versions that are named.
    pub(crate) fn named(&self) -> impl Iterator<Item = &CplEntryId> {
        let named = match self {
            Predecessors::Any => None,
            Predecessors::These(entries) => Some(entries),
        };
        named.into_iter().flatten()
    }
}

impl Cell for Predecessors {
    fn expected() -> String {
        "entry ids with ; between them, each once, or N/A".to_string()
    }

    fn parse(text: &str, shared: &mut SharedTexts) -> Option<Self> {
        if text == "N/A" {
            return Some(Predecessors::Any);
        }
        let mut entries = BTreeSet::new();
        for part in text.split(';').filter(|_| !text.is_empty()) {
            if !entries.insert(CplEntryId::shared(part, shared).ok()?) {
                return None;
            }
        }
        Some(Predecessors::These(entries))
    }

    fn print(&self) -> String {
        match self {
            Predecessors::Any => "N/A".to_string(),
            Predecessors::These(entries) => {
                entries.iter().map(CplEntryId::as_str).collect::<Vec<_>>().join(";")
            }
        }
    }
}

impl Cell for ImageSize {
    fn expected() -> String {
        "a size in bytes, 1 or more".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|size| digits && *size > 0).map(ImageSize)
    }

    fn print(&self) -> String {
        self.0.to_string()
    }
}

cell_from_text!(CplEntryId, ManufacturerName, ModelName, SmetsVersion);

impl Table for CplEntry {
    const FILE: FileKind = FileKind::Cpl;
    const COLUMNS: &'static [&'static str] = &[
        "entry_id",
        "device_type",
        "manufacturer",
        "model",
        "hardware_version",
        "firmware_version",
        "image_sha256",
        "image_size",
        "smets_version",
        "status",
        "predecessors",
    ];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let id = row.cell("entry_id");
        let device_type = row.cell("device_type");
        let manufacturer = row.cell("manufacturer");
        let model = row.cell("model");
        let hardware = row.cell("hardware_version");
        let firmware = row.cell("firmware_version");
        let digest: Option<Option<ImageDigest>> = row.cell("image_sha256");
        let size: Option<Option<ImageSize>> = row.cell("image_size");
        let smets_version = row.cell("smets_version");
        let status = row.cell("status");
        let predecessors = row.cell("predecessors");
        let image = match (digest?, size?) {
            (Some(digest), Some(size)) => Some(RegisteredImage { digest, size }),
            (None, None) => None,
            (Some(_), None) => {
                row.refuse("image_size", "the size of the image whose SHA-256 is given", "");
                return None;
            }
            (None, Some(size)) => {
                row.refuse("image_size", "nothing, as no image_sha256 is given", &size.print());
                return None;
            }
        };
        Some(Self {
            id: id?,
            device_type: device_type?,
            manufacturer: manufacturer?,
            model: model?,
            hardware: hardware?,
            firmware: firmware?,
            image,
            smets_version: smets_version?,
            status: status?,
            predecessors: predecessors?,
        })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("entry_id", &self.id);
        row.cell("device_type", &self.device_type);
        row.cell("manufacturer", &self.manufacturer);
        row.cell("model", &self.model);
        row.cell("hardware_version", &self.hardware);
        row.cell("firmware_version", &self.firmware);
        row.cell("image_sha256", &self.image.map(|image| image.digest));
        row.cell("image_size", &self.image.map(|image| image.size));
        row.cell("smets_version", &self.smets_version);
        row.cell("status", &self.status);
        row.cell("predecessors", &self.predecessors);
    }
}
