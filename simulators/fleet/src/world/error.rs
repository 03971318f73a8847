//! What a world file gets that cannot be read: line, column, key, and what was expected there, with its range and unit.

use std::ops::Range;

/// A world file that says something impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}, key `{key}`: {expected}")]
pub struct WorldError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The dotted key whose value is at fault, or the table that lacks one; empty at the top of the file.
    pub key: String,
    /// What is wrong and what was expected, in one line.
    pub expected: String,
}

impl WorldError {
    pub(super) fn locate(text: &str, error: &toml::de::Error) -> WorldError {
        WorldError::at(text, error.span().unwrap_or(0..0), error.message())
    }

    /// Names a key at the top of the file whose value does not go with another's; its line is the first if it is not
    /// there.
    pub(super) fn of_key(text: &str, key: &str, expected: String) -> WorldError {
        let is_it = |line: &str| line.split_once('=').is_some_and(|(before, _)| before.trim() == key);
        let found = text.lines().enumerate().find(|(_, line)| is_it(line));
        let (line, column) = found.map_or((1, 1), |(number, line)| {
            let value = line.split_once('=').map_or("", |(_, value)| value).trim_start();
            (number + 1, line.chars().count() - value.chars().count() + 1)
        });
        WorldError { line, column, key: key.to_owned(), expected }
    }

    fn at(text: &str, span: Range<usize>, message: &str) -> WorldError {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_text = text[line_start..].lines().next().unwrap_or_default();
        // A message of several lines is a drawing for terminals; its lines say the same in words.
        let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let key = key_at(&text[..line_start], line_text);
        WorldError {
            line: before.matches('\n').count() + 1,
            column: text[line_start..before.len()].chars().count() + 1,
            expected: in_words(&lines.join("; "), &key),
            key,
        }
    }
}

/// How the reader of numbers calls what it expects, and how we do.
const NUMBERS: &[(&str, &str)] = &[
    ("expected a nonzero u8", "expected a whole number from 1 to 255"),
    ("expected a nonzero u32", "expected a whole number from 1 to 4294967295"),
    ("expected a nonzero u64", "expected a whole number from 1 to 9223372036854775807"),
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected u32", "expected a whole number from 0 to 4294967295"),
    ("expected f64", "expected a number"),
];

/// What the last words of a key say of its unit; the first that fits counts.
const UNITS: &[(&str, &str)] = &[
    ("_bits_per_s", "bits per second"),
    ("_bytes_per_s", "bytes per second"),
    ("_bytes", "bytes"),
    ("_ms", "milliseconds"),
    ("_mah", "milliampere-hours"),
    ("_nah", "nanoampere-hours"),
    ("_s", "seconds"),
    ("_per_day", "times a day, 0 to 1440"),
    ("_per_datagram", "a share between 0 and 1 of all datagrams"),
    ("_per_corrupted", "a share between 0 and 1 of the corrupted datagrams"),
    ("_per_answer", "a share between 0 and 1 of the answers"),
    ("_shares", "a list of shares between 0 and 1"),
    ("_threshold", "a share between 0 and 1"),
    ("share", "a share between 0 and 1"),
    ("loss", "a share between 0 and 1 of what is sent"),
    ("duplicates", "a share between 0 and 1 of all datagrams"),
    ("burst_enter", "a share between 0 and 1: a probability per datagram"),
    ("burst_leave", "a share between 0 and 1: a probability per datagram"),
    ("_version", "a file version, such as 0x01020304"),
    ("hardware", "a hardware version, such as 0x0102"),
    ("manufacturer", "a Zigbee manufacturer code, such as 0x10E5"),
    ("image_type", "a Zigbee image type, such as 0x0011"),
    ("blocks_per_wake", "blocks of block_bytes"),
    ("installations", "homes"),
    ("cells", "WAN cells"),
    ("regions", "campaigns"),
    ("_factor", "times"),
];

/// Says in a reader's words what was expected, with the unit of the key that is meant.
fn in_words(message: &str, key: &str) -> String {
    let mut words = message.to_owned();
    if let Some((theirs, ours)) = NUMBERS.iter().find(|(theirs, _)| message.ends_with(theirs)) {
        words = words.replace(theirs, ours);
    }
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let last = missing.unwrap_or_else(|| key.rsplit('.').next().unwrap_or_default());
    let is_about_value = missing.is_some() || !message.starts_with("unknown field");
    match UNITS.iter().find(|(ending, _)| last.ends_with(ending)).filter(|_| is_about_value) {
        Some((_, unit)) => format!("{words} (`{last}`: {unit})"),
        None => words,
    }
}

/// Names the key on a line: the nearest table header above, then the part before the equals sign.
fn key_at(above: &str, line: &str) -> String {
    if let Some(table) = header_on(line) {
        return table.to_string();
    }
    let table = above.lines().rev().find_map(header_on).unwrap_or_default();
    let key = line.split_once('=').map_or("", |(key, _)| key.trim());
    match (table, key) {
        ("", key) => key.to_string(),
        (table, "") => table.to_string(),
        (table, key) => format!("{table}.{key}"),
    }
}

fn header_on(line: &str) -> Option<&str> {
    let line = line.trim();
    let inner = line.strip_prefix('[')?.trim_start_matches('[');
    let (table, _) = inner.split_once(']')?;
    // A line of a nested array also opens with a bracket, but no header holds a comma or a quote.
    (!table.is_empty() && !table.contains([',', '"'])).then_some(table.trim())
}
