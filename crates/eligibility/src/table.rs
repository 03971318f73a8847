//! Tables of text: rows from CSV bytes and back, every fault named with its line and column.
//!
//! The column names and cell formats of all five files are **ours**: the column names of the public formats of the
//! CPL and EPCL were not found. Columns may stand in any order; each must stand there exactly once, and no other.

mod cell;
mod fault;

use std::io::{self, Read};

pub(crate) use cell::{Cell, cell_from_text, cell_from_words};
pub(crate) use fault::Faults;
pub use fault::{FAULTS_KEPT, Fault, FileKind, LoadError};

use crate::text::SharedTexts;

/// A row of one of our files: [`CplEntry`](crate::CplEntry), [`EpclEntry`](crate::EpclEntry),
/// [`PpclEntry`](crate::PpclEntry), [`Evidence`](crate::Evidence) or [`Device`](crate::Device).
///
/// Closed: the files are listed in [`FileKind`].
pub trait CsvRow: Table {}

impl<T: Table> CsvRow for T {}

/// Reads a whole file of rows, or says everything that is wrong with it.
///
/// Looks at each row by itself; [`Register`](crate::Register) and [`Inventory`](crate::Inventory) look across rows.
pub fn read_csv<T: CsvRow>(source: impl Read) -> Result<Vec<T>, LoadError> {
    let mut faults = Faults::default();
    let rows = read_lines(source, &mut faults);
    faults.into_result(rows.into_iter().map(|line| line.row).collect())
}

/// Writes rows as a file that [`read_csv`] reads back as the same rows.
pub fn write_csv<T: CsvRow>(rows: &[T]) -> Vec<u8> {
    let mut out = csv::WriterBuilder::new().from_writer(Vec::new());
    let never = "writing to memory does not fail, and every row has as many cells as the header";
    out.write_record(T::COLUMNS).expect(never);
    let mut writer = RowWriter { columns: T::COLUMNS, cells: Vec::with_capacity(T::COLUMNS.len()) };
    for row in rows {
        writer.cells.clear();
        row.write(&mut writer);
        out.write_record(&writer.cells).expect(never);
    }
    out.into_inner().expect(never)
}

/// What a row type says about its file. Public only for [`CsvRow`]'s sake; not nameable outside.
pub trait Table: Sized {
    /// The file these rows stand in.
    const FILE: FileKind;
    /// The columns, in the order we write them.
    const COLUMNS: &'static [&'static str];
    /// Reads a row; every cell is looked at, so that every bad one is named.
    fn read(row: &mut RowReader<'_>) -> Option<Self>;
    /// Writes the cells in the order of `COLUMNS`.
    fn write(&self, row: &mut RowWriter);
}

/// A row with the line it begins on.
#[derive(Debug, Clone)]
pub(crate) struct Lined<T> {
    pub line: u64,
    pub row: T,
}

/// Gives rows the lines they would have in a file written by [`write_csv`], so that faults can name them.
pub(crate) fn number_lines<T>(rows: Vec<T>) -> Vec<Lined<T>> {
    rows.into_iter().zip(2..).map(|(row, line)| Lined { line, row }).collect()
}

/// Reads all good rows; what is not good goes to `faults`.
pub(crate) fn read_lines<T: Table>(source: impl Read, faults: &mut Faults) -> Vec<Lined<T>> {
    let mut lines = LineReader::new(source);
    let mut record = csv::ByteRecord::new();
    let mut shared = SharedTexts::default();
    let mut rows = Vec::new();
    let mut positions = None;
    loop {
        let line = match lines.read(&mut record) {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err((line, error)) => {
                faults.add(Fault::of_line::<T>(line, "a readable file", &error.to_string()));
                return rows;
            }
        };
        let Some(positions) = &positions else {
            let Some(found) = read_header::<T>(&record, line, faults) else { return rows };
            positions = Some(found);
            continue;
        };
        if record.len() != T::COLUMNS.len() {
            let (expected, found) =
                (format!("{} cells", T::COLUMNS.len()), format!("{} cells", record.len()));
            faults.add(Fault::of_line::<T>(line, &expected, &found));
            continue;
        }
        let mut row = RowReader {
            file: T::FILE,
            line,
            columns: T::COLUMNS,
            positions,
            record: &record,
            faults: &mut *faults,
            shared: &mut shared,
        };
        if let Some(row) = T::read(&mut row) {
            rows.push(Lined { line, row });
        }
    }
    if positions.is_none() {
        faults.add(Fault::of_line::<T>(1, "a header with the column names", "an empty file"));
    }
    rows
}

/// Reads records with the lines they really begin on.
///
/// The csv library says where it stood *before* it skipped empty lines, and after a record that ends in CR LF it still
/// stands before the LF. So we have it end records at LF only, drop the CR ourselves, and count back from where a
/// record ends.
struct LineReader<R>(csv::Reader<R>);

impl<R: Read> LineReader<io::Chain<R, &'static [u8]>> {
    fn new(source: R) -> Self {
        let mut options = csv::ReaderBuilder::new();
        options.has_headers(false).flexible(true).terminator(csv::Terminator::Any(b'\n'));
        // With a last line end of our own, every record ends in one; an empty line too many is skipped.
        Self(options.from_reader(source.chain(&b"\n"[..])))
    }

    /// Reads the next record and returns its first line, or `None` at the end.
    fn read(&mut self, record: &mut csv::ByteRecord) -> Result<Option<u64>, (u64, csv::Error)> {
        loop {
            let earliest = self.0.position().line();
            if !self.0.read_byte_record(record).map_err(|error| (earliest, error))? {
                return Ok(None);
            }
            let inside = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            // In a file that ends inside of a quoted cell our last line end is a part of the cell.
            let line = self.0.position().line().saturating_sub(1 + inside).max(earliest);
            if let Some(text) = record.as_slice().strip_suffix(b"\r") {
                if text.is_empty() && record.len() == 1 {
                    continue;
                }
                let last = record.len() - 1;
                let shortened = record.iter().enumerate().map(|(index, cell)| match index == last {
                    true => cell.strip_suffix(b"\r").unwrap_or(cell),
                    false => cell,
                });
                *record = shortened.collect();
            }
            return Ok(Some(line));
        }
    }
}

/// Returns where each of our columns stands, or names every column that is missing, unknown or there twice.
fn read_header<T: Table>(record: &csv::ByteRecord, line: u64, faults: &mut Faults) -> Option<Vec<usize>> {
    let mut positions: Vec<Option<usize>> = vec![None; T::COLUMNS.len()];
    let mut sound = true;
    for (position, name) in record.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let known = T::COLUMNS.iter().position(|column| *column == name);
        let slot = known.and_then(|index| positions.get_mut(index));
        let expected = match slot {
            Some(slot @ None) => {
                *slot = Some(position);
                continue;
            }
            Some(Some(_)) => "each column once",
            None => "only the columns of this file",
        };
        sound = false;
        faults.add(Fault::new(T::FILE, line, Some(&name), expected, &name));
    }
    for (column, position) in T::COLUMNS.iter().zip(&positions) {
        if position.is_none() {
            sound = false;
            faults.add(Fault::new(T::FILE, line, Some(column), "a column of this name", "no such column"));
        }
    }
    if sound { positions.into_iter().collect() } else { None }
}

/// The cells of one row, by column name.
#[derive(Debug)]
pub struct RowReader<'a> {
    file: FileKind,
    line: u64,
    columns: &'static [&'static str],
    positions: &'a [usize],
    record: &'a csv::ByteRecord,
    faults: &'a mut Faults,
    shared: &'a mut SharedTexts,
}

impl RowReader<'_> {
    /// Reads one cell, or names it as a fault.
    pub(crate) fn cell<T: Cell>(&mut self, column: &'static str) -> Option<T> {
        let index =
            self.columns.iter().position(|known| *known == column).expect("the column is of this file");
        // The header was checked, and the row is as long as the header.
        let bytes =
            self.positions.get(index).and_then(|position| self.record.get(*position)).unwrap_or_default();
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.refuse(column, "text in UTF-8", &String::from_utf8_lossy(bytes));
            return None;
        };
        let value = T::parse(text, self.shared);
        if value.is_none() {
            self.refuse(column, &T::expected(), text);
        }
        value
    }

    /// Names a cell whose value does not fit its row.
    pub(crate) fn refuse(&mut self, column: &'static str, expected: &str, found: &str) {
        self.faults.add(Fault::new(self.file, self.line, Some(column), expected, found));
    }
}

/// The cells of one row as they are written.
#[derive(Debug)]
pub struct RowWriter {
    columns: &'static [&'static str],
    cells: Vec<String>,
}

impl RowWriter {
    /// Writes the next cell, which must be the next column.
    pub(crate) fn cell<T: Cell>(&mut self, column: &'static str, value: &T) {
        debug_assert_eq!(
            self.columns.get(self.cells.len()),
            Some(&column),
            "cells are written in column order"
        );
        self.cells.push(value.print());
    }
}
