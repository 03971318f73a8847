//! What the signing desk says of an image, in one form for all its commands.

use std::fmt;

use firmware_image::{FileDigest, ImageIdentity, KeyRecord, SignedImage, VerifyError};
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

/// What the signer says of an image beside its header.
#[derive(Debug, Serialize)]
pub(super) struct PromiseFacts {
    minimum_root: u64,
    payload_format: String,
    predecessors: String,
    block_digests: usize,
}

impl PromiseFacts {
    pub(super) fn of(image: &SignedImage) -> Result<PromiseFacts, VerifyError> {
        let promise = image.claimed_promise()?;
        Ok(PromiseFacts {
            minimum_root: promise.minimum_root.0,
            payload_format: promise.format.to_string(),
            predecessors: promise.predecessors.to_string(),
            block_digests: image.block_count(),
        })
    }
}

impl fmt::Display for PromiseFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minimum_root {
            0 => writeln!(formatter, "trust root    any")?,
            version => writeln!(formatter, "trust root    {version} or newer")?,
        }
        writeln!(formatter, "payload       {}", self.payload_format)?;
        writeln!(formatter, "may follow    {}", self.predecessors)?;
        writeln!(formatter, "block digests {}", self.block_digests)
    }
}
