//! Small files, keys and edits that the other tests share.

use bytes::Bytes;
use firmware_image::{
    FileVersion, HardwareRange, HardwareVersion, ImageIdentity, ImageType, ManufacturerCode, OtaFile,
    SequenceNumber, SignedImage, SigningKey, TrustStore,
};

pub fn identity() -> ImageIdentity {
    ImageIdentity {
        manufacturer: ManufacturerCode(0x10E5),
        image_type: ImageType(0x0011),
        file_version: FileVersion(0x0102_0304),
        hardware: Some(HardwareRange { min: HardwareVersion(0x0100), max: HardwareVersion(0x01FF) }),
    }
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::generate_from_seed([seed; 32])
}

pub fn trusting(seeds: &[u8]) -> TrustStore {
    TrustStore::new(seeds.iter().map(|seed| key(*seed).public()).collect())
}

pub fn unsigned() -> OtaFile {
    OtaFile::build(&identity(), "test", b"the firmware of a very small meter").unwrap()
}

pub fn signed() -> SignedImage {
    SignedImage::sign(&unsigned(), SequenceNumber(7), &key(1)).unwrap()
}

/// The length of the header of the files above.
pub const HEADER_LEN: usize = 60;

/// A header for a file of this total size, then these bytes.
pub fn raw_file(total: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = unsigned().header_bytes().to_vec();
    bytes[52..56].copy_from_slice(&total.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A file whose stated size is right, whatever its body.
pub fn file_with_body(body: &[u8]) -> Vec<u8> {
    raw_file(u32::try_from(HEADER_LEN + body.len()).unwrap(), body)
}

pub fn element(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// The three elements that signing added to an image, as bytes.
pub fn tail_of(image: &SignedImage) -> Vec<u8> {
    let start = image.file().elements().nth_back(2).unwrap().offset;
    image.file().bytes()[start..].to_vec()
}

pub fn parse(bytes: &[u8]) -> Result<OtaFile, firmware_image::ParseError> {
    OtaFile::parse(Bytes::copy_from_slice(bytes))
}

/// Sets the stated size to the real one, as a careful forger would.
pub fn with_right_size(mut bytes: Vec<u8>) -> Vec<u8> {
    let total = u32::try_from(bytes.len()).unwrap();
    bytes[52..56].copy_from_slice(&total.to_le_bytes());
    bytes
}

/// Applies edits to a file: overwrite, cut, insert, each at a place given as a share of its length.
pub fn edited(file: &[u8], edits: &[(u8, u16, u8)]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for (kind, place, value) in edits {
        let place = usize::from(*place) * (bytes.len() + 1) / 65_536;
        match kind % 4 {
            0 if place < bytes.len() => bytes[place] = *value,
            1 => bytes.truncate(place),
            2 => bytes.insert(place, *value),
            _ if place < bytes.len() => bytes[place] ^= 1 << (value % 8),
            _ => {}
        }
    }
    bytes
}
