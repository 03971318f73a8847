//! Tables of text: rows from CSV bytes and back, every fault named with its line and column.
//!
//! The column names and cell formats of all five files are **ours**: the column names of the public formats of the
//! CPL and EPCL were not found. Columns may stand in any order; each must stand there exactly once, and no other.

mod cell;
mod fault;

use std::io::Read;

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
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(source);
    let mut record = csv::ByteRecord::new();
    let mut rows = Vec::new();
    match reader.read_byte_record(&mut record) {
        Ok(true) => {}
        Ok(false) => {
            faults.add(Fault::of_line::<T>(1, "a header with the column names", "an empty file"));
            return rows;
        }
        Err(error) => {
            faults.add(Fault::of_line::<T>(1, "a readable file", &error.to_string()));
            return rows;
        }
    }
    let Some(positions) = read_header::<T>(&record, faults) else { return rows };
    let mut shared = SharedTexts::default();
    loop {
        let line = match reader.read_byte_record(&mut record) {
            Ok(true) => record.position().map_or(0, csv::Position::line),
            Ok(false) => return rows,
            Err(error) => {
                let line = reader.position().line();
                faults.add(Fault::of_line::<T>(line, "a readable file", &error.to_string()));
                return rows;
            }
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
            positions: &positions,
            record: &record,
            faults: &mut *faults,
            shared: &mut shared,
        };
        if let Some(row) = T::read(&mut row) {
            rows.push(Lined { line, row });
        }
    }
}

/// Returns where each of our columns stands, or names every column that is missing, unknown or there twice.
fn read_header<T: Table>(record: &csv::ByteRecord, faults: &mut Faults) -> Option<Vec<usize>> {
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
        faults.add(Fault::new(T::FILE, 1, Some(&name), expected, &name));
    }
    for (column, position) in T::COLUMNS.iter().zip(&positions) {
        if position.is_none() {
            sound = false;
            faults.add(Fault::new(T::FILE, 1, Some(column), "a column of this name", "no such column"));
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
