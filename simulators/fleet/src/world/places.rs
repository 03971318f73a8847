//! Where each key of a world file stands: read from the tree that the TOML reader makes, so that quoted keys, inline
//! tables and dotted keys are found as surely as plain ones.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A key of the file.
struct Place {
    /// The keys from the top, with the number of a table of an array: `link[2].outage_s`.
    path: String,
    /// Where its value is; of a table with a header of its own, the header.
    value: Range<usize>,
    /// Where the key itself is.
    key: Range<usize>,
    depth: usize,
}

/// All keys of a file.
pub(super) struct Places(Vec<Place>);

impl Places {
    /// Finds the keys of a text; of one that is no TOML, those that could be read.
    pub(super) fn of(text: &str) -> Places {
        let (table, _) = DeTable::parse_recoverable(text);
        let mut places = Vec::new();
        note_table(table.get_ref(), "", 0, &mut places);
        Places(places)
    }

    /// Returns the innermost key whose name or value the offset lies in, without numbers: `link.outage_s`.
    pub(super) fn key_at(&self, offset: usize) -> Option<String> {
        let is_in = |range: &Range<usize>| range.contains(&offset);
        let spans = self.0.iter().filter_map(|place| {
            [&place.key, &place.value].into_iter().find(|span| is_in(span)).map(|span| (place, span))
        });
        let (place, _) = spans.min_by_key(|(place, span)| (span.len(), usize::MAX - place.depth))?;
        Some(without_numbers(&place.path))
    }

    /// Returns the table whose place in the file is exactly this span; `None` is the file as a whole.
    pub(super) fn table_of(&self, span: &Range<usize>) -> Option<String> {
        let all = self.0.iter().filter(|place| place.value == *span);
        all.max_by_key(|place| place.depth).map(|place| without_numbers(&place.path))
    }

    /// Returns where the value of a key begins; of one that is not there, the innermost table that would have it.
    pub(super) fn value_of(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(place) = self.0.iter().find(|place| place.path == path) {
                return place.value.start;
            }
            let Some((table, _)) = path.rsplit_once('.') else { return 0 };
            path = table;
        }
    }
}

/// Takes the numbers of tables out of a path: what is said of a key names its line, and that tells them apart.
pub(super) fn without_numbers(path: &str) -> String {
    let mut parts = path.split('[');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once(']').map_or("", |(_, rest)| rest);
    }
    plain
}

/// A file nests four tables; what nests deeper is nobody's world.
const MOST_DEPTH: usize = 16;

fn note_table(table: &DeTable<'_>, path: &str, depth: usize, places: &mut Vec<Place>) {
    if depth > MOST_DEPTH {
        return;
    }
    for (key, value) in table.iter() {
        let path =
            if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        places.push(Place { path: path.clone(), value: value.span(), key: key.span(), depth });
        match value.get_ref() {
            DeValue::Table(table) => note_table(table, &path, depth + 1, places),
            DeValue::Array(array) => {
                for (number, element) in array.iter().enumerate() {
                    if let DeValue::Table(table) = element.get_ref() {
                        let path = format!("{path}[{number}]");
                        places.push(Place {
                            path: path.clone(),
                            value: element.span(),
                            key: element.span(),
                            depth,
                        });
                        note_table(table, &path, depth + 1, places);
                    }
                }
            }
            _ => {}
        }
    }
}
