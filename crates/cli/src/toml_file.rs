//! TOML files that people write: read whole, every fault named with its line and column.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files;

/// Reads a TOML file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    read_up_to(path, MAX_TOML_LEN)
}

/// Reads a TOML file of at most `bound` bytes, for those that hold lists.
pub(crate) fn read_up_to<T: DeserializeOwned>(path: &Path, bound: usize) -> Result<T, Failure> {
    let bytes = files::read(path, bound)?;
    let text = std::str::from_utf8(&bytes)
        .or_bad_input(format_args!("{}: expected a text file in UTF-8", path.display()))?;
    parse(text)
        .map_err(|fault| Failure::message(ExitCode::BadInput, format_args!("{}{fault}", path.display())))
}

/// Parses TOML; the error is made to stand behind a file's name.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| place(text, &span)).unwrap_or_default();
        format!("{place}: {}", error.message())
    })
}

/// Returns line and column of a fault, counted from one, and the key on that line.
fn place(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let key = text.lines().nth(line - 1).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    match key.filter(|key| !key.is_empty() && !key.starts_with('#')) {
        Some(key) => format!(" line {line}, column {column}, key {key}"),
        None => format!(" line {line}, column {column}"),
    }
}

/// Largest file of this kind in bytes; a long configuration has a few hundred lines.
const MAX_TOML_LEN: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_line_column_and_key() {
        let read = |text| parse::<toml::Table>(text).expect_err("a fault");
        assert_eq!(&read("a = 1\nb = = 2\n")[..25], " line 2, column 5, key b:");
        assert!(read("a = 1\na = 2\n").starts_with(" line 2, column 1, key a:"));
    }
}
