//! What a world file gets that cannot be read: line, column, key, and what was expected there.

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
        let span = error.span().unwrap_or(0..0);
        WorldError::at(text, span, error.message())
    }

    fn at(text: &str, span: Range<usize>, message: &str) -> WorldError {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_text = text[line_start..].lines().next().unwrap_or_default();
        // A message of several lines is a drawing for terminals; its lines say the same in words.
        let expected = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
        WorldError {
            line: before.matches('\n').count() + 1,
            column: text[line_start..before.len()].chars().count() + 1,
            key: key_at(&text[..line_start], line_text),
            expected: expected.join("; "),
        }
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
