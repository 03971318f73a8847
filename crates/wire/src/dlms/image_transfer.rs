//! Parameters and attributes of the image transfer (IEC 62056-6-2, class 18, version 0).
//!
//! ```text
//! method 1 initiate    02 02 | 09 len identification | 06 size
//! method 2 block       02 02 | 06 number | 09 len bytes
//! methods 3, 4         0f 00
//! attribute 6 status   16 number
//! attribute 7 images   01 count | { 02 03 | 06 size | 09 len identification | 09 len signature } ...
//! ```
//!
//! The order in which these are called is for others to know.

use super::data::{emit_string, tag};
use super::services::{ACTION_HEAD_LEN, emit_action_head};
use super::typed::{emit_unsigned, list_count, octets, structure_of, unsigned};
use super::wrapper::{WRAPPER_LEN, emit_header};
use crate::reader::{Reader, length_len, put_length};
use crate::{ClassId, Data, InvokeId, MethodRef, Obis, WPort, WireError};

/// The parameter of method 2: one block of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageBlock<'a> {
    /// Which block, from 0.
    pub number: u32,
    /// Its bytes; the last block may be shorter than the others.
    pub bytes: &'a [u8],
}

/// Bytes of the parameter before the length of the block.
const BLOCK_PARAMETER_HEAD_LEN: usize = 2 + 5 + 1;

impl<'a> ImageBlock<'a> {
    /// Parses the parameter, which must be the whole input. Does not allocate.
    pub fn parse_parameter(parameter: &'a [u8]) -> Result<ImageBlock<'a>, WireError> {
        let mut reader = Reader::new(parameter);
        structure_of(&mut reader, 2, "image block", "02 02 (a structure of two)")?;
        let number = unsigned(&mut reader, "block number")?;
        let bytes = octets(&mut reader, "block")?;
        reader.finish("image block")?;
        Ok(ImageBlock { number, bytes })
    }

    /// Appends the parameter.
    pub fn emit_parameter(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::STRUCTURE, 2]);
        emit_unsigned(self.number, out);
        emit_string(tag::OCTETS, self.bytes, out);
    }
}

/// Appends the frame that carries a block: wrapper, ACTION.request, method 2. Does not allocate beyond the
/// growth of `out`, which takes [`block_frame_len`] bytes.
///
/// # Panics
///
/// Panics if the APDU would be longer than [`crate::MAX_APDU_LEN`].
pub fn emit_block_frame(
    source: WPort,
    destination: WPort,
    invoke: InvokeId,
    instance: Obis,
    block: &ImageBlock<'_>,
    out: &mut Vec<u8>,
) {
    let frame_len = block_frame_len(block.bytes.len());
    out.reserve(frame_len);
    emit_header(source, destination, frame_len - WRAPPER_LEN, out);
    let method = MethodRef { class: ClassId::IMAGE_TRANSFER, instance, index: 2 };
    emit_action_head(invoke, method, true, out);
    block.emit_parameter(out);
}

/// Returns the length of the frame that [`emit_block_frame`] makes for a block of so many bytes.
pub const fn block_frame_len(block_len: usize) -> usize {
    WRAPPER_LEN + ACTION_HEAD_LEN + BLOCK_PARAMETER_HEAD_LEN + length_len(block_len) + block_len
}

/// The parameter of method 1: an image is about to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageInitiate<'a> {
    /// What names it; the standard leaves the content to the user. We use the file's SHA-256 (ours).
    pub identification: &'a [u8],
    /// How long it is, in bytes.
    pub size: u32,
}

impl<'a> ImageInitiate<'a> {
    /// Parses the parameter, which must be the whole input. Does not allocate.
    pub fn parse_parameter(parameter: &'a [u8]) -> Result<ImageInitiate<'a>, WireError> {
        let mut reader = Reader::new(parameter);
        structure_of(&mut reader, 2, "image initiate", "02 02 (a structure of two)")?;
        let identification = octets(&mut reader, "image identification")?;
        let size = unsigned(&mut reader, "image size")?;
        reader.finish("image initiate")?;
        Ok(ImageInitiate { identification, size })
    }

    /// Appends the parameter.
    pub fn emit_parameter(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::STRUCTURE, 2]);
        emit_string(tag::OCTETS, self.identification, out);
        emit_unsigned(self.size, out);
    }
}

/// Checks the parameter of methods 3 and 4 (verify, activate): integer 0 in the standard.
///
/// Clients differ in the type of the zero, and some send nothing, so any integer, null and no parameter at
/// all are accepted; the value says nothing.
pub fn check_trigger_parameter(parameter: Option<&[u8]>) -> Result<(), WireError> {
    let Some(parameter) = parameter else { return Ok(()) };
    match parameter.first() {
        // Looked at before it is parsed, so that nothing is made of an array.
        Some(&(tag::NULL | tag::BOOLEAN | tag::ENUM)) => {}
        Some(&(tag::INTEGER8 | tag::INTEGER16 | tag::INTEGER32 | tag::INTEGER64)) => {}
        Some(&(tag::UNSIGNED8 | tag::UNSIGNED16 | tag::UNSIGNED32 | tag::UNSIGNED64)) => {}
        found => {
            let (what, expected) = ("method parameter", "an integer");
            let found = found.copied().unwrap_or_default().into();
            return Err(WireError::Unexpected { what, offset: 0, found, expected });
        }
    }
    Data::parse(parameter).map(|_| ())
}

/// image_transfer_status, attribute 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageTransferStatus {
    /// No image is being received.
    NotInitiated = 0,
    /// Blocks are expected.
    Initiated = 1,
    /// The image is being verified.
    VerificationInitiated = 2,
    /// The image is complete and good.
    VerificationSuccessful = 3,
    /// The image is bad.
    VerificationFailed = 4,
    /// The image is being activated.
    ActivationInitiated = 5,
    /// The image runs.
    ActivationSuccessful = 6,
    /// The image could not be activated.
    ActivationFailed = 7,
}

impl ImageTransferStatus {
    /// All statuses, by their number.
    pub const ALL: [ImageTransferStatus; 8] = [
        ImageTransferStatus::NotInitiated,
        ImageTransferStatus::Initiated,
        ImageTransferStatus::VerificationInitiated,
        ImageTransferStatus::VerificationSuccessful,
        ImageTransferStatus::VerificationFailed,
        ImageTransferStatus::ActivationInitiated,
        ImageTransferStatus::ActivationSuccessful,
        ImageTransferStatus::ActivationFailed,
    ];

    /// Parses the value of attribute 6, which must be the whole input; an unsigned is taken for an enum.
    pub fn from_data(data: &[u8]) -> Result<ImageTransferStatus, WireError> {
        let mut reader = Reader::new(data);
        if reader.peek() == Some(tag::UNSIGNED8) {
            reader.u8("image transfer status")?;
        } else {
            reader.exactly(tag::ENUM, "image transfer status", "16 (an enum)")?;
        }
        let offset = reader.offset();
        let found = reader.u8("image transfer status")?;
        reader.finish("image transfer status")?;
        let status = ImageTransferStatus::ALL.get(usize::from(found)).copied();
        let (what, found, expected) = ("image transfer status", found.into(), "0 to 7");
        status.ok_or(WireError::Unexpected { what, offset, found, expected })
    }

    /// Returns the value of attribute 6, encoded.
    pub const fn to_data(self) -> [u8; 2] {
        [tag::ENUM, self as u8]
    }
}

/// One element of image_to_activate_info, attribute 7: what activation would install.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageToActivate {
    /// How long it is, in bytes.
    pub size: u32,
    /// What names it.
    pub identification: Vec<u8>,
    /// Its signature, of whatever kind; may be empty.
    pub signature: Vec<u8>,
}

/// Images that one attribute 7 may list. We show one; vendors show one or a handful.
const MAX_IMAGES: usize = 64;

impl ImageToActivate {
    /// Parses the value of attribute 7, which must be the whole input; null is taken for an empty list.
    pub fn parse_list(data: &[u8]) -> Result<Vec<ImageToActivate>, WireError> {
        let mut reader = Reader::new(data);
        let count = list_count(&mut reader, MAX_IMAGES, "images to activate")?;
        let mut images = Vec::new();
        for _ in 0..count {
            structure_of(&mut reader, 3, "image to activate", "02 03 (a structure of three)")?;
            images.push(ImageToActivate {
                size: unsigned(&mut reader, "image size")?,
                identification: octets(&mut reader, "image identification")?.to_vec(),
                signature: octets(&mut reader, "image signature")?.to_vec(),
            });
        }
        reader.finish("images to activate")?;
        Ok(images)
    }

    /// Appends the value of attribute 7.
    ///
    /// # Panics
    ///
    /// Panics above 64 images, which nobody would read.
    pub fn emit_list(images: &[ImageToActivate], out: &mut Vec<u8>) {
        assert!(images.len() <= MAX_IMAGES, "at most {MAX_IMAGES} images are listed");
        out.push(tag::ARRAY);
        put_length(images.len(), out);
        for image in images {
            out.extend_from_slice(&[tag::STRUCTURE, 3]);
            emit_unsigned(image.size, out);
            emit_string(tag::OCTETS, &image.identification, out);
            emit_string(tag::OCTETS, &image.signature, out);
        }
    }
}
