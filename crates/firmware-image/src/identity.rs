//! Who an image is for and which one it is: manufacturer, image type, file version, hardware range.
//! Each number has its own type, so that a file version is never compared with an image type.

use core::fmt;
use core::str::FromStr;

use crate::notation::{NotationError, parse_hex_bytes, parse_hex_number, serde_as_text};

/// What a Zigbee OTA client compares to decide that an image is for it, and newer than what it runs.
///
/// Source: ZCL OTA Upgrade cluster, Query Next Image (fact). A missing hardware range means any hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageIdentity {
    /// Whose device.
    pub manufacturer: ManufacturerCode,
    /// Which of the manufacturer's products.
    pub image_type: ImageType,
    /// Which release.
    pub file_version: FileVersion,
    /// Which hardware revisions; `None` for all.
    pub hardware: Option<HardwareRange>,
}

impl fmt::Display for ImageIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "manufacturer {}, image type {}, file version {}, ",
            self.manufacturer, self.image_type, self.file_version
        )?;
        match self.hardware {
            Some(range) => write!(formatter, "hardware {range}"),
            None => formatter.write_str("any hardware"),
        }
    }
}

/// Gives a 16-bit number its name, its text form `0x10E5` and the way back.
macro_rules! short_number {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "0x{:04X}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotationError;

            fn from_str(text: &str) -> Result<Self, NotationError> {
                parse_hex_number(text, 4)
                    .and_then(|number| u16::try_from(number).ok())
                    .map($name)
                    .ok_or_else(|| {
                        NotationError::new($what, "up to four hexadecimal digits such as 0x10E5", text)
                    })
            }
        }
    };
}

short_number!(
    /// A manufacturer code as the Zigbee alliance assigns it; 0xFFFF stands for any.
    ManufacturerCode,
    "manufacturer code"
);
short_number!(
    /// A manufacturer's own number for a kind of image; 0xFFC0 and above are the cluster's.
    ImageType,
    "image type"
);
short_number!(
    /// A hardware version: version in the high byte, revision in the low.
    HardwareVersion,
    "hardware version"
);

/// A release of an image: application release and build, stack release and build, one byte each.
///
/// Compared as one number (ZCL OTA Upgrade cluster, 11.4.2.5). Written as eight hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileVersion(pub u32);

impl fmt::Display for FileVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08X}", self.0)
    }
}

impl FromStr for FileVersion {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let expected = "up to eight hexadecimal digits such as 0x01020304";
        parse_hex_number(text, 8)
            .map(FileVersion)
            .ok_or_else(|| NotationError::new("file version", expected, text))
    }
}

/// The hardware versions an image runs on, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareRange {
    /// The oldest hardware.
    pub min: HardwareVersion,
    /// The newest hardware.
    pub max: HardwareVersion,
}

impl HardwareRange {
    /// Returns whether the image runs on this hardware.
    pub fn contains(&self, version: HardwareVersion) -> bool {
        self.min <= version && version <= self.max
    }

    /// Returns whether the range names no hardware at all, because its ends are the wrong way round.
    pub fn is_inverted(&self) -> bool {
        self.min > self.max
    }
}

impl fmt::Display for HardwareRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..{}", self.min, self.max)
    }
}

impl FromStr for HardwareRange {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let expected = "lowest and highest version such as 0x0100..0x01FF";
        let error = || NotationError::new("hardware range", expected, text);
        let (min, max) = text.split_once("..").ok_or_else(error)?;
        let range =
            HardwareRange { min: min.parse().map_err(|_| error())?, max: max.parse().map_err(|_| error())? };
        if range.is_inverted() { Err(error()) } else { Ok(range) }
    }
}

/// The 64-bit address of a device, kept in the order it is written: `00-0D-6F-00-0B-0A-0C-0D`.
///
/// On the HAN and in OTA files it travels the other way round (little-endian).
/// It is kept as the number whose most significant byte is written first: a campaign's maps compare addresses by the
/// million, and numbers have the same order in one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Eui64(u64);

impl Eui64 {
    /// Makes an address from its bytes in display order.
    pub const fn from_bytes(bytes: [u8; 8]) -> Eui64 {
        Eui64(u64::from_be_bytes(bytes))
    }

    /// Returns the bytes in display order.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Eui64 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.to_bytes().iter().enumerate() {
            let separator = if position == 0 { "" } else { "-" };
            write!(formatter, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl FromStr for Eui64 {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let error = || NotationError::new("EUI-64", "eight bytes such as 00-0D-6F-00-0B-0A-0C-0D", text);
        // Inventories hold two of these a row, by the million: places are counted and nothing is searched.
        let mut bytes = [0; 8];
        let mut separators = text.as_bytes().iter().skip(2).step_by(3);
        if text.len() != 3 * bytes.len() - 1 || separators.any(|byte| *byte != b'-') {
            return Err(error());
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            let pair = text.get(3 * place..3 * place + 2).ok_or_else(error)?;
            [*byte] = parse_hex_bytes(pair).ok_or_else(error)?;
        }
        Ok(Eui64::from_bytes(bytes))
    }
}

serde_as_text!(Eui64);
