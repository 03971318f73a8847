//! A table of the page: what the template needs to know of one, and nothing of HTML.

use serde::Serialize;

/// A table with a heading; cells are text, escaped by the template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Table {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    sum: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Column {
    name: &'static str,
    kind: Kind,
}

/// How the cells of a column are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Words.
    Text,
    /// To the right, digits of one width.
    Number,
    /// An id or a code, in one piece.
    Code,
}

impl Table {
    /// Makes a table without rows.
    pub(crate) fn new(caption: impl Into<String>, columns: &[(&'static str, Kind)]) -> Table {
        let columns = columns.iter().map(|(name, kind)| Column { name, kind: *kind }).collect();
        Table { caption: caption.into(), columns, rows: Vec::new(), sum: None }
    }

    /// Adds a row.
    pub(crate) fn push<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "a row of {:?}", self.caption);
        self.rows.push(cells.into());
    }

    /// Sets the row of sums.
    pub(crate) fn set_sum<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len(), "the sums of {:?}", self.caption);
        self.sum = Some(cells.into());
    }

    /// Says whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
