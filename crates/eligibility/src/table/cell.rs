//! How each kind of value stands in a cell.

use firmware_image::{Eui64, FileVersion, HardwareVersion, ImageDigest};
use jiff::civil::Date;

use crate::text::SharedTexts;

/// A value that stands in one cell: `parse(print(value)) == value`.
pub(crate) trait Cell: Sized {
    /// Says what a good cell holds, as the end of "expected …".
    fn expected() -> String;
    fn parse(text: &str, shared: &mut SharedTexts) -> Option<Self>;
    fn print(&self) -> String;
}

/// An empty cell is `None`.
impl<T: Cell> Cell for Option<T> {
    fn expected() -> String {
        format!("nothing, or {}", T::expected())
    }

    fn parse(text: &str, shared: &mut SharedTexts) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::parse(text, shared).map(Some) }
    }

    fn print(&self) -> String {
        self.as_ref().map(T::print).unwrap_or_default()
    }
}

impl Cell for Date {
    fn expected() -> String {
        "a date written YYYY-MM-DD".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        // The date library reads many spellings, also of dates with a time; we take the one that we write.
        text.parse::<Date>().ok().filter(|date| date.to_string() == text)
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Cell for bool {
    fn expected() -> String {
        "true or false".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        text.parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Cell for Eui64 {
    fn expected() -> String {
        "an EUI-64 such as 00-0D-6F-00-0B-0A-0C-0D".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        text.parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Cell for FileVersion {
    fn expected() -> String {
        "a firmware version of 8 hex digits".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        hex_digits(text, 8).map(FileVersion)
    }

    fn print(&self) -> String {
        format!("{:08X}", self.0)
    }
}

impl Cell for HardwareVersion {
    fn expected() -> String {
        "a hardware version of 4 hex digits".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        hex_digits(text, 4).and_then(|value| u16::try_from(value).ok()).map(HardwareVersion)
    }

    fn print(&self) -> String {
        format!("{:04X}", self.0)
    }
}

/// Reads exactly `count` hex digits; the number parser alone would take a sign and any length.
fn hex_digits(text: &str, count: usize) -> Option<u32> {
    let digits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits { u32::from_str_radix(text, 16).ok() } else { None }
}

impl Cell for ImageDigest {
    fn expected() -> String {
        "a SHA-256 of 64 hex digits".to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        text.parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

/// Implements [`Cell`] for the texts of `text.rs`.
macro_rules! cell_from_text {
    ($($name:ident),+) => {$(
        impl $crate::table::Cell for $crate::text::$name {
            fn expected() -> String {
                Self::EXPECTED.to_string()
            }

            fn parse(text: &str, shared: &mut $crate::text::SharedTexts) -> Option<Self> {
                Self::shared(text, shared).ok()
            }

            fn print(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
pub(crate) use cell_from_text;

/// Gives an enum its words, `as_str` and [`Cell`]: one list, so that reading and writing cannot differ.
macro_rules! cell_from_words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// All values, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$($name::$variant),+];

            /// Returns the word that stands in the files.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::table::Cell for $name {
            fn expected() -> String {
                format!("one of {}", [$($word),+].join(", "))
            }

            fn parse(text: &str, _: &mut $crate::text::SharedTexts) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }

            fn print(&self) -> String {
                self.as_str().to_string()
            }
        }
    };
}
pub(crate) use cell_from_words;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Cell>(text: &str, good: bool) {
        let value = T::parse(text, &mut SharedTexts::default());
        assert_eq!(
            value.map(|value| value.print().to_uppercase()),
            good.then(|| text.to_uppercase()),
            "{text:?}"
        );
    }

    #[test]
    fn a_date_has_one_spelling() {
        check::<Date>("2020-09-11", true);
        for text in
            ["", "20200911", "2020-9-11", "2020-09-11T00:00", "2020-02-30", "11/09/2020", " 2020-09-11"]
        {
            check::<Date>(text, false);
        }
    }

    #[test]
    fn versions_have_all_their_digits() {
        check::<FileVersion>("0102030A", true);
        check::<FileVersion>("0102030a", true);
        check::<HardwareVersion>("1211", true);
        for text in ["", "1", "+1020304", "0x010203", "010203040", "0102030g"] {
            check::<FileVersion>(text, false);
            check::<HardwareVersion>(text, false);
        }
    }

    #[test]
    fn an_empty_cell_is_nothing_only_where_nothing_may_stand() {
        check::<Option<bool>>("", true);
        check::<Option<bool>>("true", true);
        check::<Option<bool>>("yes", false);
        check::<bool>("", false);
    }
}
