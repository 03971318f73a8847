//! What the fuzz targets share: the bound on memory, the key that everything here is signed with, and a
//! signature around any bytes, so that the fuzzer also reaches what stands behind the signature.
//!
//! ```text
//! chain    a trust root and the next
//! seeds    what the committed corpus holds          examples/seeds writes it
//! memory   the bound that every target asserts
//! talk     a hub that says anything to an engine
//! sealed   signs what no honest tool would sign
//! ```

pub mod chain;
mod memory;
mod sealed;
pub mod seeds;
pub mod talk;

pub use memory::{READING, SIGNING, TALKING, bounded};
pub use sealed::{envelope_around, file_around, manifest_in, order_around, root_around};

use std::sync::LazyLock;

use firmware_image::{
    FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode, OtaFile,
    SequenceNumber, SignedImage, SigningKey, TrustStore,
};

/// The secret of the only key that the targets trust. Public with this file.
pub(crate) const SEED: [u8; 32] = [1; 32];

/// Returns the key that everything here is signed with.
pub fn key() -> SigningKey {
    SigningKey::generate_from_seed(SEED)
}

/// Returns who is believed: the key, and one more, because a store of one is a special case.
pub fn trust() -> &'static TrustStore {
    static TRUST: LazyLock<TrustStore> = LazyLock::new(|| {
        TrustStore::new(vec![SigningKey::generate_from_seed([2; 32]).public(), key().public()])
    });
    &TRUST
}

/// Returns the image that files without a name are taken for.
pub fn identity() -> ImageIdentity {
    ImageIdentity {
        manufacturer: ManufacturerCode(0x10E5),
        image_type: ImageType(0x0011),
        file_version: FileVersion(0x0102_0304),
        hardware: Some(HardwareRange { min: HardwareVersion(0x0100), max: HardwareVersion(0x01FF) }),
    }
}

/// Returns a small sound file.
pub fn unsigned() -> OtaFile {
    OtaFile::build(&identity(), "fuzz", b"the firmware of a very small meter").expect("a small file is built")
}

/// Returns the same file, signed. Once, because the fuzzer's time is for what is new.
pub fn signed() -> &'static SignedImage {
    static SIGNED: LazyLock<SignedImage> = LazyLock::new(|| {
        SignedImage::sign(&unsigned(), SequenceNumber(7), &key()).expect("the file is not signed yet")
    });
    &SIGNED
}
