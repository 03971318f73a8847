//! TOML files that people write: read whole, every fault named with its line and column.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files;

/// Reads a TOML file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    read_up_to(path, MAX_TOML_LEN)
}

/// Reads a TOML file of at most `bound` bytes, for those that hold lists.
pub(crate) fn read_up_to<T: DeserializeOwned>(path: &Path, bound: usize) -> Result<T, Failure> {
    read_with_source(path, bound).map(|(value, _)| value)
}

/// The same, keeping the file for faults that show later.
pub(crate) fn read_with_source<T: DeserializeOwned>(
    path: &Path,
    bound: usize,
) -> Result<(T, Source), Failure> {
    let text = String::from_utf8(files::read(path, bound)?)
        .or_bad_input(format_args!("{}: expected a text file in UTF-8", path.display()))?;
    let value = parse(&text)
        .map_err(|fault| Failure::message(ExitCode::BadInput, format_args!("{}{fault}", path.display())))?;
    Ok((value, Source { path: path.to_owned(), text }))
}

/// Parses TOML; the error is made to stand behind a file's name.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map(|span| place(text, &span)).unwrap_or_default();
        format!("{place}: {}", error.message())
    })
}

/// Returns line and column of a fault, counted from one, and the key.
fn place(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let key = match DeTable::parse(text) {
        Ok(table) => key_around(table.get_ref(), span),
        // What cannot be parsed has no keys yet: what stands on the line is told.
        Err(_) => key_on(text.lines().nth(line - 1).unwrap_or_default()),
    };
    match key {
        Some(key) => format!(" line {line}, column {column}, key {key}"),
        None => format!(" line {line}, column {column}"),
    }
}

fn key_on(line: &str) -> Option<String> {
    let (key, _) = line.split_once('=')?;
    Some(key.trim().to_owned()).filter(|key| !key.is_empty() && !key.starts_with('#'))
}

/// Returns the innermost key to which a place belongs, if it is not the whole file.
fn key_around(table: &DeTable<'_>, place: &Range<usize>) -> Option<String> {
    let holds = |span: Range<usize>| span.start <= place.start && place.end <= span.end;
    let of_entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        // First what is in it: the span of a table is its header alone.
        let inside = match value.get_ref() {
            DeValue::Table(inner) => key_around(inner, place),
            DeValue::Array(items) => {
                items.iter().filter_map(|item| key_around(item.get_ref().as_table()?, place)).next()
            }
            _ => None,
        };
        let own = || (holds(key.span()) || holds(value.span())).then(|| key.get_ref().to_string());
        let of_part = || match value.get_ref() {
            DeValue::Array(items) if items.iter().any(|item| holds(item.span())) => {
                Some(key.get_ref().to_string())
            }
            _ => None,
        };
        inside.or_else(own).or_else(of_part)
    };
    table.iter().find_map(of_entry)
}

/// A file that was read, for faults that are found later: in what its values say, or beside other files.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

/// A step on the way to a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    /// Of a table.
    Key(&'a str),
    /// Of a list, counted from zero.
    Place(usize),
}

impl Source {
    /// Returns where a value stands, as far as the file has the way to it.
    fn span(&self, way: &[At<'_>]) -> Option<Range<usize>> {
        let table = DeTable::parse(&self.text).ok()?;
        let (first, rest) = way.split_first()?;
        let At::Key(name) = first else { return None };
        let mut value = table.get_ref().get(*name)?;
        for step in rest {
            let next = match (step, value.get_ref()) {
                (At::Key(name), DeValue::Table(table)) => table.get(*name),
                (At::Place(place), DeValue::Array(items)) => items.get(*place),
                _ => None,
            };
            let Some(next) = next else { break };
            value = next;
        }
        Some(value.span())
    }

    /// Returns the line of a value, counted from one.
    pub(crate) fn line(&self, way: &[At<'_>]) -> Option<usize> {
        let start = self.span(way)?.start;
        Some(self.text.get(..start)?.matches('\n').count() + 1)
    }

    /// Says what is wrong with a value, where it stands.
    pub(crate) fn fault(&self, way: &[At<'_>], what: impl fmt::Display) -> Failure {
        let place = self.span(way).map(|span| place(&self.text, &span)).unwrap_or_default();
        Failure::message(ExitCode::BadInput, format_args!("{}{place}: {what}", self.path.display()))
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

    #[test]
    fn the_key_of_a_value_in_a_list_is_found_lines_before_it() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only its faults are of interest")]
        struct File {
            numbers: Vec<u8>,
            parts: Vec<Part>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only its faults are of interest")]
        struct Part {
            size: u8,
        }
        let read = |text| parse::<File>(text).expect_err("a fault");
        let fault = read("parts = []\nnumbers = [\n    1, # one = 1\n    'x',\n]\n");
        assert!(fault.starts_with(" line 4, column 5, key numbers:"), "{fault}");
        let fault = read("numbers = []\n[[parts]]\nsize = 1\n[[parts]]\nsize = 'x'\n");
        assert!(fault.starts_with(" line 5, column 8, key size:"), "{fault}");
        let fault = read("numbers = []\n[[parts]]\n");
        assert!(fault.starts_with(" line 2, column 1, key parts:"), "{fault}");
    }

    #[test]
    fn a_fault_that_shows_later_is_named_where_its_value_stands() {
        let text = "a = 1\nlist = [\n    1,\n    2,\n]\n[table]\nb = 2\n".to_owned();
        let source = Source { path: PathBuf::from("f.toml"), text };
        let said = |way: &[At<'_>]| source.fault(way, "expected more").reason();
        assert_eq!(
            said(&[At::Key("list"), At::Place(1)]),
            "f.toml line 4, column 5, key list: expected more"
        );
        assert_eq!(source.line(&[At::Key("list"), At::Place(1)]), Some(4));
        assert_eq!(said(&[At::Key("table"), At::Key("b")]), "f.toml line 7, column 5, key b: expected more");
        let left_out = said(&[At::Key("table"), At::Key("left out")]);
        assert!(left_out.starts_with("f.toml line 6, column 1, key table: "), "{left_out}");
        assert_eq!(said(&[At::Key("nowhere")]), "f.toml: expected more");
    }
}
