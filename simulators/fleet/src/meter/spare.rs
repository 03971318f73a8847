//! What a meter remembers of the image in its spare bank.

use wire::ImageKey;

use crate::bank::BankId;
use crate::record::{FieldReader, FieldWriter};

/// The image in the spare bank, as the non-volatile record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpareImage {
    pub(crate) bank: BankId,
    pub(crate) key: ImageKey,
    pub(crate) size: u32,
    pub(crate) verified: bool,
}

impl SpareImage {
    /// Encodes the record; an empty spare bank is an empty record.
    pub(crate) fn to_bytes(image: Option<&SpareImage>) -> Vec<u8> {
        let mut fields = FieldWriter::default();
        if let Some(image) = image {
            let ImageKey { manufacturer, image_type, file_version } = image.key;
            fields.u8(image.bank.0).u16(manufacturer).u16(image_type).u32(file_version);
            fields.u32(image.size).u8(u8::from(image.verified));
        }
        fields.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<SpareImage> {
        let mut fields = FieldReader(bytes);
        let bank = BankId(fields.u8()?);
        let manufacturer = fields.u16()?;
        let image_type = fields.u16()?;
        let file_version = fields.u32()?;
        let key = ImageKey { manufacturer, image_type, file_version };
        Some(SpareImage { bank, key, size: fields.u32()?, verified: fields.u8()? == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::SpareImage;
    use crate::bank::BankId;
    use wire::ImageKey;

    #[test]
    fn the_record_survives_its_bytes() {
        let key = ImageKey { manufacturer: 1, image_type: 2, file_version: 3 };
        let image = SpareImage { bank: BankId(1), key, size: 99, verified: true };
        assert_eq!(SpareImage::from_bytes(&SpareImage::to_bytes(Some(&image))), Some(image));
        assert_eq!(SpareImage::from_bytes(&SpareImage::to_bytes(None)), None);
    }
}
