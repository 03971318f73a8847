//! What a world file gets that cannot be read: line, column, key, and what was expected there, with its range and unit.

use super::places::{Places, without_numbers};
use super::spec::WorldSpec;
use super::words::in_words;
use std::fmt;
use std::ops::Range;

/// A world file that says something impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The dotted key whose value is at fault, or that is missing; empty where the file is no text.
    pub key: String,
    /// What is wrong and what was expected, in one line.
    pub expected: String,
}

impl std::error::Error for WorldError {}

impl fmt::Display for WorldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, ", key `{}`", self.key)?;
        }
        write!(f, ": {}", self.expected)
    }
}

impl WorldError {
    /// Says where the reader of TOML stopped and why.
    pub(super) fn locate(text: &str, error: &toml::de::Error) -> WorldError {
        let span = error.span().unwrap_or(0..0);
        // A message of several lines is a drawing for terminals; its lines say the same in words.
        let lines: Vec<&str> =
            error.message().lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let message = lines.join("; ");
        let places = Places::of(text);
        if let Some(missing) = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next())
        {
            let table = places.table_of(&span);
            let key = table.map_or_else(|| missing.to_owned(), |table| format!("{table}.{missing}"));
            return WorldError::at(text, span.start, in_words(&message, &key), key);
        }
        if toml::de::DeTable::parse(text).is_err() {
            return WorldError::of_broken_text(text, &span, &message);
        }
        let key = places.key_at(span.start).unwrap_or_default();
        WorldError::at(text, span.start, in_words(&message, &key), key)
    }

    /// Names a key whose value does not go with another's or is out of bounds; a table stands for a key that it lacks.
    pub(super) fn of_key(text: &str, path: &str, expected: &str) -> WorldError {
        let key = without_numbers(path);
        WorldError::at(text, Places::of(text).value_of(path), in_words(expected, &key), key)
    }

    /// Says that the file is no text from this byte on.
    pub(super) fn of_bytes(bytes: &[u8], valid: usize) -> WorldError {
        let text = String::from_utf8_lossy(&bytes[..valid]);
        let found = bytes.get(valid).copied().unwrap_or_default();
        let expected = format!("expected a world file, TOML in UTF-8, found the byte 0x{found:02X}");
        let key = key_on(&text, last_line(&text));
        WorldError::at(&text, text.len(), expected, key)
    }

    /// Says of a text that is no TOML what the key on its line expects, as far as that can be found out.
    fn of_broken_text(text: &str, span: &Range<usize>, message: &str) -> WorldError {
        let (start, line) = line_at(text, span.start);
        let key = key_on(&text[..start], line);
        let is_in_value = line.find('=').is_some_and(|equals| span.start > start + equals);
        let probed = is_in_value.then(|| probe(text, start, line)).flatten();
        let found = line.split_once('=').map_or("", |(_, value)| value);
        let found = found.split('#').next().unwrap_or_default().trim();
        let message = match probed {
            Some(expected) if found.len() <= LONGEST_QUOTE && !found.is_empty() => {
                format!("{}, found `{found}`", in_words(&expected, &key))
            }
            _ => in_words(message, &key),
        };
        WorldError::at(text, span.start, message, key)
    }

    fn at(text: &str, offset: usize, expected: String, key: String) -> WorldError {
        let before = text.get(..offset).unwrap_or(text);
        WorldError {
            line: before.matches('\n').count() + 1,
            column: last_line(before).chars().count() + 1,
            expected,
            key,
        }
    }
}

/// The longest value that is quoted in an answer.
const LONGEST_QUOTE: usize = 40;

fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

/// Returns the line around an offset and where it begins.
fn line_at(text: &str, offset: usize) -> (usize, &str) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.len() - last_line(before).len();
    (start, text[start..].lines().next().unwrap_or_default())
}

/// Finds out what a key expects whose value is no TOML: the file is read with a value that no key takes.
fn probe(text: &str, start: usize, line: &str) -> Option<String> {
    let (key, _) = line.split_once('=')?;
    let probe = format!("{}{key}= {{}}{}", &text[..start], &text[start + line.len()..]);
    let error = toml::from_str::<WorldSpec>(&probe).err()?;
    let (probed, _) = line_at(&probe, error.span()?.start);
    let (_, expected) = error.message().split_once("expected ")?;
    (probed == start).then(|| format!("expected {expected}"))
}

/// Names the key on a line of a text that is no TOML: the nearest header above, then what stands before the equals sign.
fn key_on(above: &str, line: &str) -> String {
    if let Some(table) = header_on(line) {
        return table;
    }
    let table = above.lines().rev().find_map(header_on).unwrap_or_default();
    let key = line.split_once('=').map_or(line, |(key, _)| key);
    let key = if line.contains('=') { key.trim() } else { key.split_whitespace().next().unwrap_or_default() };
    let key = key.trim_matches(['"', '\'']);
    match (table.as_str(), key) {
        ("", key) => key.to_owned(),
        (_, "") => table,
        (table, key) => format!("{table}.{key}"),
    }
}

fn header_on(line: &str) -> Option<String> {
    let inner = line.trim().strip_prefix('[')?.trim_start_matches('[');
    let (table, _) = inner.split_once(']')?;
    // A line of a nested array also opens with a bracket, but no header holds a comma.
    let table =
        table.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".");
    (!table.is_empty() && !table.contains(',')).then_some(table)
}
