//! Tables of text: rows from cells and back, every fault named with its line and column.
//!
//! The column names and cell formats of all seven files are **ours**: the column names of the public formats of the
//! CPL and EPCL were not found. Columns may stand in any order; each must stand there exactly once, and no other. Those
//! that are marked as optional may be left out, which is as if all of their cells were empty. A cell ends on the line it
//! begins on: see [`CsvRows`].

mod cell;
mod fault;
mod rows;

use std::borrow::Cow;
use std::io::Read;

pub(crate) use cell::{Cell, cell_from_text, cell_from_words};
pub(crate) use fault::Faults;
pub use fault::{FAULTS_KEPT, Fault, FaultListener, FileKind, LeftOut, LoadError};
pub use rows::{Cells, CsvRows, RowSource, Unreadable};

use crate::text::SharedTexts;

/// A row of one of our files: [`CplEntry`](crate::CplEntry), [`EpclEntry`](crate::EpclEntry),
/// [`PpclEntry`](crate::PpclEntry), [`Evidence`](crate::Evidence), [`Device`](crate::Device),
/// [`Notice`](crate::Notice) or [`ExclusionEntry`](crate::ExclusionEntry).
///
/// Closed: the files are listed in [`FileKind`].
pub trait CsvRow: Table {}

impl<T: Table> CsvRow for T {}

/// Reads a whole file of rows, or says everything that is wrong with it.
///
/// Looks at each row by itself; [`Lists`](crate::Lists) looks across rows and files.
pub fn read_csv<T: CsvRow>(source: impl Read) -> Result<Vec<T>, LoadError> {
    let mut faults = Faults::default();
    let rows = read_lines(&mut CsvRows::new(source), &mut faults);
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
    /// Those of them that may be left out.
    const OPTIONAL: &'static [&'static str] = &[];
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
pub(crate) fn read_lines<T: Table>(source: &mut dyn RowSource, faults: &mut Faults) -> Vec<Lined<T>> {
    let mut rows = Vec::new();
    read_rows(source, faults, |row, faults| match row {
        Row::Good(row) => rows.push(row),
        Row::Bad(_) => faults.leave_out_row(),
    });
    rows
}

/// A row as it was read.
pub(crate) enum Row<'a, T> {
    Good(Lined<T>),
    /// What is wrong with it has been noted.
    Bad(BadRow<'a>),
}

/// A row with a fault, for who must know what it was about.
pub(crate) struct BadRow<'a> {
    pub line: u64,
    cells: &'a Cells,
    columns: &'static [&'static str],
    positions: &'a [Option<usize>],
}

impl BadRow<'_> {
    /// Returns a value of the row, when its cell is good.
    pub(crate) fn value<V: Cell>(&self, column: &str) -> Option<V> {
        let index = self.columns.iter().position(|known| *known == column)?;
        let cell = self.cells.get((*self.positions.get(index)?)?)?;
        V::parse(cell.ok()?, &mut SharedTexts::default())
    }

    /// Says whether it has as many cells as the header, so that its columns are what they seem.
    pub(crate) fn is_whole(&self) -> bool {
        let named = self.positions.iter().flatten().count();
        self.cells.len() == named
    }
}

/// Reads a file and hands on row by row, so that nothing of it is held but what the taker keeps.
pub(crate) fn read_rows<T: Table>(
    source: &mut dyn RowSource,
    faults: &mut Faults,
    mut take: impl FnMut(Row<'_, T>, &mut Faults),
) {
    let mut cells = Cells::default();
    let mut shared = SharedTexts::default();
    let mut header: Option<Vec<Option<usize>>> = None;
    loop {
        let line = match source.next_row(&mut cells) {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(Unreadable { line, cell, expected, found }) => {
                let column = cell.and_then(|cell| column_at::<T>(header.as_deref()?, cell));
                return faults.add_fatal(Fault::new(T::FILE, line, column, expected, &found));
            }
        };
        let Some(positions) = &header else {
            let Some(found) = read_header::<T>(&cells, line, faults) else { return };
            header = Some(found);
            continue;
        };
        let bad = BadRow { line, cells: &cells, columns: T::COLUMNS, positions };
        if !bad.is_whole() {
            let expected = format!("{} cells", positions.iter().flatten().count());
            faults.add(Fault::of_line::<T>(line, &expected, &format!("{} cells", cells.len())));
            take(Row::Bad(bad), faults);
            continue;
        }
        let (file, columns) = (T::FILE, T::COLUMNS);
        let mut row = RowReader {
            file,
            line,
            columns,
            positions,
            next: 0,
            cells: &cells,
            faults: &mut *faults,
            shared: &mut shared,
        };
        match T::read(&mut row) {
            Some(row) => take(Row::Good(Lined { line, row }), faults),
            None => take(Row::Bad(bad), faults),
        }
    }
    if header.is_none() {
        faults.add_fatal(Fault::of_line::<T>(1, "a header with the column names", "an empty file"));
    }
}

/// Returns the name of the column that stands at a place.
fn column_at<T: Table>(positions: &[Option<usize>], place: usize) -> Option<&'static str> {
    let index = positions.iter().position(|position| *position == Some(place))?;
    T::COLUMNS.get(index).copied()
}

/// Returns where each of our columns stands, or names every column that is missing, unknown or there twice.
fn read_header<T: Table>(cells: &Cells, line: u64, faults: &mut Faults) -> Option<Vec<Option<usize>>> {
    let mut positions: Vec<Option<usize>> = vec![None; T::COLUMNS.len()];
    let mut sound = true;
    for (position, name) in cells.iter().enumerate() {
        let name = name.map_or_else(String::from_utf8_lossy, Cow::Borrowed);
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
        faults.add_fatal(Fault::new(T::FILE, line, Some(&name), expected, &name));
    }
    for (column, position) in T::COLUMNS.iter().zip(&positions) {
        if position.is_none() && !T::OPTIONAL.contains(column) {
            sound = false;
            let (expected, found) = ("a column of this name", "no such column");
            faults.add_fatal(Fault::new(T::FILE, line, Some(column), expected, found));
        }
    }
    sound.then_some(positions)
}

/// The cells of one row, by column name.
#[derive(Debug)]
pub struct RowReader<'a> {
    file: FileKind,
    line: u64,
    columns: &'static [&'static str],
    positions: &'a [Option<usize>],
    /// The column after the one that was read last: rows are read in the order of their columns.
    next: usize,
    cells: &'a Cells,
    faults: &'a mut Faults,
    shared: &'a mut SharedTexts,
}

impl RowReader<'_> {
    /// Reads one cell, or names it as a fault.
    pub(crate) fn cell<T: Cell>(&mut self, column: &'static str) -> Option<T> {
        let index = match self.columns.get(self.next) {
            Some(known) if *known == column => self.next,
            _ => self.columns.iter().position(|known| *known == column).expect("the column is of this file"),
        };
        self.next = index + 1;
        // The header was checked, and the row is as long as the header. A column that was left out is empty.
        let position = self.positions.get(index).copied().flatten();
        let text = match position.and_then(|position| self.cells.get(position)).unwrap_or(Ok("")) {
            Ok(text) => text,
            Err(bytes) => {
                self.refuse(column, "text in UTF-8", &String::from_utf8_lossy(bytes));
                return None;
            }
        };
        self.shared.enter(index);
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
