//! What the signer promises of an image and SUIT has no word for, as deterministic CBOR in an element of its own.
//! The manifest binds it by digest; what a device makes of it is left to `acceptance`.
//!
//! ```text
//! [ 1, minimum root version, payload format, predecessors, SHA-256 of the block digests ]
//!
//! predecessors = null / [ +[lowest, highest] ]      file versions, rising, apart from one another
//! ```
//!
//! Ours. That a model may need its releases in a set order is a fact (SEC modification MP231); that the signer
//! says so in the image is our choice.

use alloc::vec::Vec;
use core::fmt;

use minicbor::Decoder;

use crate::cbor::{EncodingError, encode, read_bytes, read_list};
use crate::identity::FileVersion;
use crate::mcuboot::PayloadFormat;

/// What a signed image says of itself beside what its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The trust root a device must have reached before it takes the image.
    pub minimum_root: RootVersion,
    /// What kind of bytes the payload is.
    pub format: PayloadFormat,
    /// What must run before.
    pub predecessors: Predecessors,
    pub(crate) block_list: [u8; 32],
}

impl Promise {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(|encoder| {
            encoder.array(5)?.u8(PROMISE_FORMAT)?.u64(self.minimum_root.0)?.u8(self.format as u8)?;
            match &self.predecessors {
                Predecessors::Any => {
                    encoder.null()?;
                }
                Predecessors::Only(ranges) => {
                    encoder.array(ranges.len() as u64)?;
                    for range in ranges {
                        encoder.array(2)?.u32(range.min.0)?.u32(range.max.0)?;
                    }
                }
            }
            encoder.bytes(&self.block_list)?;
            Ok(())
        })
    }

    /// Reads a promise and refuses any other encoding of it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Promise, EncodingError> {
        let mut decoder = Decoder::new(bytes);
        decoder.array()?;
        if decoder.u8()? != PROMISE_FORMAT {
            return Err(EncodingError::new("the promise has another format than 1"));
        }
        let minimum_root = RootVersion(decoder.u64()?);
        let format = match decoder.u8()? {
            0 => PayloadFormat::Raw,
            1 => PayloadFormat::Mcuboot,
            _ => return Err(EncodingError::new("the payload format is neither 0 (raw) nor 1 (MCUboot)")),
        };
        let predecessors = if decoder.datatype()? == minicbor::data::Type::Null {
            decoder.null()?;
            Predecessors::Any
        } else {
            Predecessors::only(read_list(&mut decoder, MAX_PREDECESSORS, read_range)?)?
        };
        let block_list = read_bytes(&mut decoder, "digest of the block digests")?;
        let promise = Promise { minimum_root, format, predecessors, block_list };
        if promise.encode() == bytes { Ok(promise) } else { Err(EncodingError::not_ours()) }
    }
}

fn read_range(decoder: &mut Decoder<'_>) -> Result<VersionRange, EncodingError> {
    decoder.array()?;
    Ok(VersionRange { min: FileVersion(decoder.u32()?), max: FileVersion(decoder.u32()?) })
}

/// Which trust root: 1 for the first, one more with each rotation; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootVersion(pub u64);

impl fmt::Display for RootVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The versions an image may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predecessors {
    /// Whatever runs.
    Any,
    /// Only these, rising and apart from one another; never none.
    Only(Vec<VersionRange>),
}

impl Predecessors {
    /// Takes ranges of versions if they are in order.
    pub fn only(ranges: Vec<VersionRange>) -> Result<Predecessors, EncodingError> {
        let ordered = ranges.is_sorted_by(|one, next| one.max < next.min);
        if ranges.is_empty() || ranges.len() > MAX_PREDECESSORS || !ordered {
            let reason = alloc::format!(
                "predecessors: expected 1 to {MAX_PREDECESSORS} ranges, rising and apart from one another"
            );
            return Err(EncodingError::new(reason));
        }
        if ranges.iter().any(|range| range.min > range.max) {
            return Err(EncodingError::new("predecessors: a range has its ends the wrong way round"));
        }
        Ok(Predecessors::Only(ranges))
    }

    /// Returns whether the image may follow this version.
    pub fn allow(&self, running: FileVersion) -> bool {
        match self {
            Predecessors::Any => true,
            Predecessors::Only(ranges) => {
                ranges.iter().any(|range| range.min <= running && running <= range.max)
            }
        }
    }
}

impl fmt::Display for Predecessors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Predecessors::Only(ranges) = self else {
            return formatter.write_str("any");
        };
        for (position, range) in ranges.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(formatter, "{separator}{range}")?;
        }
        Ok(())
    }
}

/// File versions from the lowest to the highest, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest.
    pub min: FileVersion,
    /// The highest.
    pub max: FileVersion,
}

impl fmt::Display for VersionRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            return self.min.fmt(formatter);
        }
        write!(formatter, "{}..{}", self.min, self.max)
    }
}

impl core::str::FromStr for VersionRange {
    type Err = crate::notation::NotationError;

    /// Reads one version, or two with `..` between.
    fn from_str(text: &str) -> Result<VersionRange, Self::Err> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let range = VersionRange { min: min.parse()?, max: max.parse()? };
        if range.min > range.max {
            let expected = "lowest and highest version such as 0x01000000..0x01FFFFFF";
            return Err(crate::notation::NotationError::new("version range", expected, text));
        }
        Ok(range)
    }
}

/// The first item of a promise; a later format gets another number.
const PROMISE_FORMAT: u8 = 1;
/// The most ranges of predecessors; a model with more is better served by a step in between.
const MAX_PREDECESSORS: usize = 16;
/// The longest promise, in bytes: every range at its longest, and the rest.
pub(crate) const MAX_PROMISE_LEN: usize = 16 * 11 + 64;
