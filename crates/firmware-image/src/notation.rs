//! Text notation of numbers and digests: hexadecimal in, hexadecimal out.
//! What the numbers mean is left to the types that use it.

use alloc::string::String;
use core::fmt;

/// A name, number or digest that is not written as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected}, found `{found}`")]
pub struct NotationError {
    /// What was to be read.
    pub what: &'static str,
    /// How it is written.
    pub expected: &'static str,
    /// What stood there instead, cut to a readable length.
    pub found: String,
}

impl NotationError {
    pub(crate) fn new(what: &'static str, expected: &'static str, found: &str) -> NotationError {
        // 80 characters show any honest mistake; a whole file pasted by accident is not echoed.
        NotationError { what, expected, found: found.chars().take(80).collect() }
    }
}

/// Reads 1 to `digits` hexadecimal digits, with or without `0x`; nothing else (no sign, no underscore).
pub(crate) fn parse_hex_number(text: &str, digits: usize) -> Option<u32> {
    let bare = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let all_hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    if bare.is_empty() || bare.len() > digits || !all_hex {
        return None;
    }
    u32::from_str_radix(bare, 16).ok()
}

/// Reads exactly `N` bytes written as `2 N` hexadecimal digits.
pub(crate) fn parse_hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).expect("two hexadecimal digits fit a byte");
    }
    Some(bytes)
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn write_hex(bytes: &[u8], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

/// Gives a type the text form of its `Display` and `FromStr` in serde.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <alloc::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
