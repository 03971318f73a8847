//! What is wrong with a file, in words that lead a person to the cell.

use std::fmt;

use thiserror::Error;

use super::Table;

/// How many faults are kept and shown; the rest is only counted. A file with the wrong separator has a fault in every
/// line, and nobody reads more than a screenful.
pub const FAULTS_KEPT: usize = 100;

/// The longest piece of a file that a fault repeats, in characters.
const FOUND_MAX: usize = 60;

/// One of our five files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// The product list: device models with their firmware.
    Cpl,
    /// The eligible combinations.
    Epcl,
    /// The proposed (pending) combinations.
    Ppcl,
    /// Tests and reports.
    Evidence,
    /// The devices.
    Inventory,
}

impl FileKind {
    /// The files that name combinations.
    pub(crate) const COMBINATIONS: [FileKind; 2] = [FileKind::Epcl, FileKind::Ppcl];

    /// Returns the file's usual name.
    pub fn as_str(self) -> &'static str {
        match self {
            FileKind::Cpl => "cpl.csv",
            FileKind::Epcl => "epcl.csv",
            FileKind::Ppcl => "ppcl.csv",
            FileKind::Evidence => "evidence.csv",
            FileKind::Inventory => "inventory.csv",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: FileKind,
    /// The line the row begins on, counted from one.
    pub line: u64,
    /// The column, when the fault is in one cell.
    pub column: Option<String>,
    /// What should stand there.
    pub expected: String,
    /// What stands there, cut to a readable length.
    pub found: String,
}

impl Fault {
    pub(crate) fn new(file: FileKind, line: u64, column: Option<&str>, expected: &str, found: &str) -> Self {
        Self {
            file,
            line,
            column: column.map(shorten),
            expected: expected.to_string(),
            found: shorten(found),
        }
    }

    pub(crate) fn of_line<T: Table>(line: u64, expected: &str, found: &str) -> Self {
        Self::new(T::FILE, line, None, expected, found)
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(FOUND_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_string(),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {}", column.escape_debug())?;
        }
        write!(f, ": expected {}, found {:?}", self.expected, self.found)
    }
}

/// Everything that is wrong with the files handed in; nothing of them was taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct LoadError {
    faults: Vec<Fault>,
    count: usize,
}

impl LoadError {
    /// Returns the first faults, at most [`FAULTS_KEPT`], in the order of the files and lines.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Returns how many faults there are in all.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.faults.first()) {
            (1, Some(fault)) => write!(f, "{fault}"),
            (count, Some(fault)) => write!(f, "{count} faults; the first: {fault}"),
            (count, None) => write!(f, "{count} faults"),
        }
    }
}

/// Collects faults while files are read.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    kept: Vec<Fault>,
    count: usize,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.count += 1;
        if self.kept.len() < FAULTS_KEPT {
            self.kept.push(fault);
        }
    }

    /// Names something that should stand in the file once and stands there again.
    pub(crate) fn add_twice(
        &mut self,
        file: FileKind,
        line: u64,
        column: &str,
        found: &str,
        first_line: u64,
    ) {
        let expected = format!("a value that no other line has (line {first_line} has it)");
        self.add(Fault::new(file, line, Some(column), &expected, found));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn into_error(self) -> LoadError {
        LoadError { faults: self.kept, count: self.count }
    }

    pub(crate) fn into_result<T>(self, value: T) -> Result<T, LoadError> {
        if self.is_empty() { Ok(value) } else { Err(self.into_error()) }
    }
}
