//! The ids and short texts of the trade, each its own type.
//!
//! Two shapes: a *word* (ids: visible ASCII, nothing that a list or a table would split on) and a *line* (names and
//! references: any visible text on one line). Both are checked once, here, so that a row can always be written back.
//! Cloning is cheap: the text itself is shared. In serde's formats they are plain strings, checked again when read.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest id, in bytes: generous for every id seen in public samples, and a bound for what a row can cost.
const WORD_MAX: usize = 64;

/// Why a text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// There is nothing in it.
    #[error("the text is empty")]
    Empty,
    /// It is longer than its kind may be.
    #[error("the text is longer than {limit} characters")]
    TooLong {
        /// The longest text of this kind, in characters.
        limit: usize,
    },
    /// It contains, or begins or ends with, a character it may not.
    #[error("the character {found:?} may not stand at position {position}")]
    Character {
        /// The character.
        found: char,
        /// Its place in characters, counted from zero.
        position: usize,
    },
    /// It stops before it is what it should be.
    #[error("the text ends too soon: {0} is expected")]
    Unfinished(&'static str),
    /// It is a word that means something else in these files.
    #[error("the text {0:?} is reserved")]
    Reserved(&'static str),
    /// It is no IP address of one host with a port.
    #[error("the text is no IP address of one host with a port")]
    NoAddress,
}

/// Checks a word: begins with a letter or digit, goes on with visible ASCII except `,` `;` and `"`.
fn check_word(text: &str, limit: usize) -> Result<(), TextError> {
    // Nearly all ids, and nearly all cells of an inventory: one pass over the bytes.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && text.len() <= limit && text.bytes().all(plain) {
        return Ok(());
    }
    let good = |(position, found): (usize, char)| match position {
        0 => found.is_ascii_alphanumeric(),
        _ => found.is_ascii_graphic() && !matches!(found, ',' | ';' | '"'),
    };
    check(text, limit, good)?;
    // The predecessor column says "N/A" for "no list", so no id may look like it.
    if text == "N/A" { Err(TextError::Reserved("N/A")) } else { Ok(()) }
}

/// What a spreadsheet leaves in a cell whose formula failed, and in the CSV that it writes of it.
const FAILED_FORMULAS: [&str; 14] = [
    "#N/A",
    "#DIV/0!",
    "#NAME?",
    "#NULL!",
    "#NUM!",
    "#REF!",
    "#VALUE!",
    "#GETTING_DATA",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
];

/// Checks a line: no control characters, no white space at either end, nothing that a failed formula leaves.
fn check_line(text: &str, limit: usize) -> Result<(), TextError> {
    if text.starts_with('#')
        && let Some(failed) = FAILED_FORMULAS.iter().find(|failed| **failed == text)
    {
        return Err(TextError::Reserved(failed));
    }
    let last = text.chars().count().saturating_sub(1);
    let good = |(position, found): (usize, char)| {
        let at_an_end = position == 0 || position == last;
        !(found.is_control() || at_an_end && found.is_whitespace())
    };
    check(text, limit, good)
}

/// Checks a number of which every digit counts, the leading zeros too.
fn check_digits(text: &str, limit: usize) -> Result<(), TextError> {
    check(text, limit, |(_, found)| found.is_ascii_digit())
}

/// Checks the outward code of a British postcode: one or two capital letters, a digit, and perhaps one more of either.
fn check_outward(text: &str, limit: usize) -> Result<(), TextError> {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count().min(2);
    check(text, limit, |(position, found)| match position {
        _ if position < letters.max(1) => found.is_ascii_uppercase(),
        _ if position == letters => found.is_ascii_digit(),
        _ => position == letters + 1 && (found.is_ascii_digit() || found.is_ascii_uppercase()),
    })?;
    if text.len() > letters { Ok(()) } else { Err(TextError::Unfinished("a digit")) }
}

fn check(text: &str, limit: usize, good: impl Fn((usize, char)) -> bool) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    for (position, found) in text.chars().enumerate() {
        if position >= limit {
            return Err(TextError::TooLong { limit });
        }
        if !good((position, found)) {
            return Err(TextError::Character { found, position });
        }
    }
    Ok(())
}

/// Texts met so far in a file, so that one that repeats is held once.
///
/// Rows of one home stand beside one another and most homes have the same operator, so the text of the row before is
/// looked at first, column by column: no look-up and no second check.
#[derive(Debug, Default)]
pub(crate) struct SharedTexts {
    known: HashSet<Arc<str>, FixedState>,
    column: usize,
    before: Vec<Option<Arc<str>>>,
}

/// Where a text that repeats is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// Anywhere in the file: names of operators, models, cells.
    Anywhere,
    /// In the next rows at most: what names one home or one document. To look for those costs more than it saves.
    Nearby,
}

impl SharedTexts {
    /// Says which column the next texts stand in; all texts of a column are of one kind.
    pub(crate) fn enter(&mut self, column: usize) {
        self.column = column;
        if self.before.len() <= column {
            self.before.resize(column + 1, None);
        }
    }

    /// Returns the text when the row before had the same in this column, which means that it was checked.
    fn as_before(&self, text: &str) -> Option<Arc<str>> {
        self.before.get(self.column)?.as_ref().filter(|before| ***before == *text).cloned()
    }

    fn share(&mut self, text: &str, repeats: Repeats) -> Arc<str> {
        let known = if repeats == Repeats::Anywhere { self.known.get(text) } else { None };
        let shared = known.cloned().unwrap_or_else(|| {
            let new: Arc<str> = Arc::from(text);
            if repeats == Repeats::Anywhere {
                self.known.insert(Arc::clone(&new));
            }
            new
        });
        if let Some(before) = self.before.get_mut(self.column) {
            *before = Some(Arc::clone(&shared));
        }
        shared
    }
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $check:ident, $limit:expr, $repeats:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        /// Texts of one file that are the same are one: mostly it is enough to look whether they are.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl $name {
            /// The longest text of this kind, in characters.
            pub const MAX_LEN: usize = $limit;
            pub(crate) const EXPECTED: &'static str = $expected;

            /// Checks a text and takes it.
            pub fn new(text: &str) -> Result<Self, TextError> {
                $check(text, Self::MAX_LEN)?;
                Ok(Self(Arc::from(text)))
            }

            /// Checks a text and takes it, sharing what was met before.
            pub(crate) fn shared(text: &str, shared: &mut SharedTexts) -> Result<Self, TextError> {
                if let Some(known) = shared.as_before(text) {
                    return Ok(Self(known));
                }
                $check(text, Self::MAX_LEN)?;
                Ok(Self(shared.share(text, Repeats::$repeats)))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(D::Error::custom)
            }
        }
    };
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $repeats:ident) => {
        text!($(#[$doc])* $name, check_word, WORD_MAX, $repeats,
            "an id of 1 to 64 visible ASCII characters, first a letter or digit, no comma, semicolon or quote");
    };
}

word!(
    /// A Device Model Combination (DMC): which models stand together in one home.
    DmcId, Anywhere
);
word!(
    /// An entry of the product list: one device model with one firmware version.
    CplEntryId, Anywhere
);
word!(
    /// A SMETS1 Smart Meter System Operator, who runs the head-end of an installation.
    SmsoId, Anywhere
);
word!(
    /// The energy supplier responsible for a meter.
    SupplierId, Anywhere
);
word!(
    /// The group of an SMSO's solution. The list of names is not public, so it is an opaque key.
    GroupId, Anywhere
);
word!(
    /// The communication services provider of an installation; part of its combination.
    CommsProviderId, Anywhere
);
word!(
    /// A SMETS1 Installation: the devices on one hub in one home.
    InstallationId, Nearby
);
word!(
    /// The WAN cell a hub is on, as far as budgets care. Opaque.
    CellId, Anywhere
);
text!(
    /// The postcode district of a home: the outward code of its postcode, such as `CF10`. A whole postcode would tell more
    /// of who lives there than a campaign needs.
    PostcodeDistrict, check_outward, 4, Anywhere, "a postcode district such as CF10, in capitals"
);
text!(
    /// A supply point as suppliers name it: an MPAN or MPRN.
    Mpxn, check_digits, 13, Nearby, "a supply point of 1 to 13 digits"
);
text!(
    /// The document that a piece of evidence stands in.
    DocRef, check_line, 200, Nearby, "a document reference of 1 to 200 characters"
);
text!(
    /// The manufacturer as the product list writes it (at most 30 characters in the DUIS inventory record).
    ManufacturerName, check_line, 30, Anywhere, "a manufacturer's name of 1 to 30 characters"
);
text!(
    /// The model as the product list writes it (at most 30 characters in the DUIS inventory record).
    ModelName, check_line, 30, Anywhere, "a model of 1 to 30 characters"
);
text!(
    /// The SMETS version of a model (1 to 20 characters in the DUIS inventory record).
    SmetsVersion, check_line, 20, Anywhere, "a SMETS version of 1 to 20 characters"
);
text!(
    /// Why an installation is excluded, when it is for none of the published categories.
    ExclusionReason, check_line, 200, Anywhere, "a reason of 1 to 200 characters"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_word_that_no_table_or_list_would_split() {
        for good in ["A", "DMC-17", "9", "a.b/c:d_e", &"x".repeat(64)] {
            assert_eq!(DmcId::new(good).map(|id| id.to_string()), Ok(good.to_string()));
        }
        for bad in ["", " A", "A B", "a;b", "a,b", "a\"b", "=1+1", "-x", "é", "N/A", &"x".repeat(65)] {
            assert!(DmcId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_line_may_hold_spaces_inside_but_no_control_characters() {
        assert!(DocRef::new("MT report, issue 2 (\"final\")").is_ok());
        assert_eq!(DocRef::new("x\n").err(), Some(TextError::Character { found: '\n', position: 1 }));
        assert_eq!(DocRef::new(" x").err(), Some(TextError::Character { found: ' ', position: 0 }));
        assert_eq!(DocRef::new("x ").err(), Some(TextError::Character { found: ' ', position: 1 }));
        assert_eq!(ModelName::new(&"m".repeat(31)).err(), Some(TextError::TooLong { limit: 30 }));
        assert_eq!(ModelName::new("#N/A").err(), Some(TextError::Reserved("#N/A")));
        assert!(DocRef::new("#17").is_ok());
    }

    #[test]
    fn a_postcode_district_is_an_outward_code_and_no_more() {
        for good in ["M1", "M60", "CR2", "DN55", "W1A", "EC1A", "CF10"] {
            assert_eq!(PostcodeDistrict::new(good).map(|id| id.to_string()), Ok(good.to_string()));
        }
        let bad =
            ["", "C", "CF", "CFX", "CFX1", "cf10", "1CF", "10", "CF10 1AA", "CF101", "C1AA", "C123", "ÉF10"];
        for bad in bad {
            assert!(PostcodeDistrict::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(PostcodeDistrict::new("CF").err(), Some(TextError::Unfinished("a digit")));
        let found = PostcodeDistrict::new("CF10 1AA").err();
        assert_eq!(found, Some(TextError::TooLong { limit: 4 }));
    }

    #[test]
    fn a_text_met_twice_in_a_file_is_held_once() {
        let mut shared = SharedTexts::default();
        let first = SmsoId::shared("SECURE", &mut shared).expect("good");
        let second = SmsoId::shared("SECURE", &mut shared).expect("good");
        assert!(Arc::ptr_eq(&first.0, &second.0));
    }
}
