//! What the signing desk says of an image, in one form for all its commands.

use std::fmt;

use firmware_image::{FileDigest, ImageIdentity, KeyRecord};
use serde::Serialize;

/// Who an image is for, each number written as the options of `image build` take it.
#[derive(Debug, Serialize)]
pub(super) struct IdentityFacts {
    manufacturer_code: String,
    image_type: String,
    file_version: String,
    hardware: Option<String>,
}

impl From<ImageIdentity> for IdentityFacts {
    fn from(identity: ImageIdentity) -> IdentityFacts {
        IdentityFacts {
            manufacturer_code: identity.manufacturer.to_string(),
            image_type: identity.image_type.to_string(),
            file_version: format!("0x{}", identity.file_version),
            hardware: identity.hardware.map(|range| range.to_string()),
        }
    }
}

impl fmt::Display for IdentityFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "manufacturer  {}", self.manufacturer_code)?;
        writeln!(formatter, "image type    {}", self.image_type)?;
        writeln!(formatter, "file version  {}", self.file_version)?;
        writeln!(formatter, "hardware      {}", self.hardware.as_deref().unwrap_or("any"))
    }
}

/// A key and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct KeyFacts {
    holder: String,
    fingerprint: String,
}

impl From<&KeyRecord> for KeyFacts {
    fn from(record: &KeyRecord) -> KeyFacts {
        KeyFacts { holder: record.holder.to_string(), fingerprint: record.key.fingerprint().to_string() }
    }
}

impl fmt::Display for KeyFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.holder, self.fingerprint)
    }
}

/// Returns the SHA-256 of a document's bytes as text.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    FileDigest::of(bytes).to_string()
}
