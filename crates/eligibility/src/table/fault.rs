//! What is wrong with a file, in words that lead a person to the cell.

use std::fmt;

use thiserror::Error;

use super::Table;

/// How many faults are kept and shown; the rest is only counted. A file with the wrong separator has a fault in every
/// line, and nobody reads more than a screenful.
pub const FAULTS_KEPT: usize = 100;

/// The longest piece of a file that a fault repeats, in characters.
const FOUND_MAX: usize = 60;

/// One of our seven files.
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
    /// What suppliers were told about planned updates.
    Notices,
    /// Devices with which nothing is to be done.
    Exclusions,
}

impl FileKind {
    /// All of them, in the order in which they are read.
    pub const ALL: [FileKind; 7] = [
        FileKind::Cpl,
        FileKind::Epcl,
        FileKind::Ppcl,
        FileKind::Evidence,
        FileKind::Inventory,
        FileKind::Notices,
        FileKind::Exclusions,
    ];

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
            FileKind::Notices => "notices.csv",
            FileKind::Exclusions => "exclusions.csv",
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
        write!(f, "{} ", self.file)?;
        self.write_place(f)
    }
}

impl Fault {
    /// Says what is wrong without the usual name of the file, for who knows its real one.
    pub fn in_file(&self) -> impl fmt::Display {
        fmt::from_fn(|f| self.write_place(f))
    }

    fn write_place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
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
    fatal: bool,
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

    /// Says whether one of the faults that were found keeps the good rows from being taken by themselves, too.
    pub fn spoils_all(&self) -> bool {
        self.fatal
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

/// What was left out of lists that were loaded in part: every fault, and how many rows it cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    faults: Vec<Fault>,
    count: usize,
    rows: u64,
}

impl LeftOut {
    /// Returns the first faults, at most [`FAULTS_KEPT`], in the order of the files and lines.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Returns how many faults there are in all.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns how many rows were not taken.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Who is told each fault when it is found, for those who want to keep more of them than we do.
pub type FaultListener = Box<dyn FnMut(&Fault) + Send>;

/// Collects faults while files are read.
#[derive(Default)]
pub(crate) struct Faults {
    kept: Vec<Fault>,
    listener: Option<FaultListener>,
    count: usize,
    in_part: bool,
    fatal: bool,
    rows: u64,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("kept", &self.kept).field("count", &self.count).finish_non_exhaustive()
    }
}

impl Faults {
    /// Collects for who takes what is good, and must be told of everything that is left out.
    pub(crate) fn in_part() -> Self {
        Self { in_part: true, ..Self::default() }
    }

    /// Tells somebody each fault from now on, also those that are not kept.
    pub(crate) fn tell(&mut self, listener: FaultListener) {
        self.listener = Some(listener);
    }

    pub(crate) fn is_in_part(&self) -> bool {
        self.in_part
    }

    /// Leaves out a row for the sake of another that is bad. When nothing is taken at all, that is no news.
    pub(crate) fn leave_out(&mut self, consequence: impl FnOnce() -> Fault) {
        if self.in_part {
            self.rows += 1;
            self.add(consequence());
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.count += 1;
        if let Some(listener) = &mut self.listener {
            listener(&fault);
        }
        if self.kept.len() < FAULTS_KEPT {
            self.kept.push(fault);
        }
    }

    /// Adds a fault that loading in part cannot excuse: without what it spoils, what is left would say something else.
    pub(crate) fn add_fatal(&mut self, fault: Fault) {
        self.fatal = true;
        // Kept in any case: it is the reason why nothing is taken.
        if self.kept.len() >= FAULTS_KEPT {
            self.kept.pop();
        }
        self.add(fault);
    }

    /// Says why nothing can be taken in part after a bad row. When nothing is to be taken in part, that is no news.
    pub(crate) fn spoil(&mut self, reason: impl FnOnce() -> Fault) {
        self.fatal = true;
        if self.in_part {
            self.add_fatal(reason());
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

    /// Counts a row that is not taken for a fault of its own.
    pub(crate) fn leave_out_row(&mut self) {
        self.rows += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Says whether what is good may be taken.
    pub(crate) fn permit_taking(&self) -> bool {
        self.is_empty() || self.in_part && !self.fatal
    }

    pub(crate) fn into_error(mut self) -> LoadError {
        self.sort();
        LoadError { faults: self.kept, count: self.count, fatal: self.fatal }
    }

    pub(crate) fn into_left_out(mut self) -> LeftOut {
        self.sort();
        LeftOut { faults: self.kept, count: self.count, rows: self.rows }
    }

    pub(crate) fn into_result<T>(self, value: T) -> Result<T, LoadError> {
        if self.is_empty() { Ok(value) } else { Err(self.into_error()) }
    }

    /// Rows are looked at one by one first and together afterwards, so that faults come up in two passes.
    fn sort(&mut self) {
        // Nobody is told twice, and what the listener has may be needed now.
        self.listener = None;
        self.kept.sort_by_key(|fault| (fault.file, fault.line));
    }
}
