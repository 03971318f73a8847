//! Where rows come from: anything that hands out cells line by line. CSV is read here; a sheet of a workbook is read by
//! whoever may open files, and comes in through the same trait.

use std::io::{self, Read};

use csv::{ByteRecord, StringRecord};

/// The cells of one row, in the order in which they stand in the file. Made to be filled again and again.
#[derive(Debug, Default)]
pub struct Cells {
    /// The row, when all of it is text: nearly always, so that it is checked once and not cell by cell.
    text: StringRecord,
    /// The row, when it is not; empty otherwise.
    bytes: ByteRecord,
}

impl Cells {
    /// Forgets all cells.
    pub fn clear(&mut self) {
        self.text.clear();
        self.bytes.clear();
    }

    /// Adds the next cell.
    pub fn push(&mut self, text: &str) {
        self.text.push_field(text);
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len().max(self.bytes.len())
    }

    /// Returns a cell, or what it holds instead of text.
    pub(crate) fn get(&self, position: usize) -> Option<Result<&str, &[u8]>> {
        match self.text.get(position) {
            Some(text) => Some(Ok(text)),
            None => self.bytes.get(position).map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<&str, &[u8]>> {
        (0..self.len()).filter_map(|position| self.get(position))
    }

    /// Takes a row as it was read, in place of what was there.
    fn fill(&mut self, read: impl FnOnce(&mut ByteRecord) -> csv::Result<bool>) -> csv::Result<bool> {
        let mut record = std::mem::take(&mut self.text).into_byte_record();
        self.bytes.clear();
        let more = read(&mut record)?;
        match StringRecord::from_byte_record(record) {
            Ok(text) => self.text = text,
            Err(error) => self.bytes = error.into_byte_record(),
        }
        Ok(more)
    }

    fn as_slice(&self) -> &[u8] {
        if self.bytes.is_empty() { self.text.as_byte_record().as_slice() } else { self.bytes.as_slice() }
    }

    /// Drops the CR of a row that ends in CR LF.
    fn drop_carriage_return(&mut self) {
        let last = self.len().saturating_sub(1);
        let shorter: ByteRecord = (0..self.len())
            .filter_map(|position| self.get(position))
            .map(|cell| cell.map_or_else(|bytes| bytes, str::as_bytes))
            .enumerate()
            .map(|(index, cell)| match index == last {
                true => cell.strip_suffix(b"\r").unwrap_or(cell),
                false => cell,
            })
            .collect();
        self.fill(|record| {
            *record = shorter;
            Ok(true)
        })
        .expect("nothing is read that could fail");
    }
}

/// A file of rows, read from its beginning to its end, a row at a time.
pub trait RowSource {
    /// Puts the next row that is not empty into `cells` and returns the line it begins on, counted from one; `None` at
    /// the end.
    fn next_row(&mut self, cells: &mut Cells) -> Result<Option<u64>, Unreadable>;
}

/// Why a file cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The line where it happened.
    pub line: u64,
    /// What happened.
    pub reason: String,
}

/// The longest row of a CSV file in bytes. Ours have less than 2 KiB; a quote that is never closed would otherwise make
/// a cell of the rest of the file.
const ROW_MAX: usize = 1 << 20;

/// How much of a CSV file is read at once, bytes: few calls, and nothing beside the lists.
const READ_AT_ONCE: usize = 1 << 16;

/// Reads CSV records with the lines they really begin on.
///
/// The csv library says where it stood *before* it skipped empty lines, and after a record that ends in CR LF it still
/// stands before the LF. So we have it end records at LF only, drop the CR ourselves, and count back from where a
/// record ends.
#[derive(Debug)]
pub struct CsvRows<R>(csv::Reader<io::Chain<Bounded<R>, &'static [u8]>>);

/// A source that ends in an error where a row is too long.
#[derive(Debug)]
struct Bounded<R> {
    source: R,
    /// What may still be read of this row.
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            io::Error::other(format!("a row longer than {ROW_MAX} bytes; is a quote not closed?"))
        })?;
        Ok(read)
    }
}

impl<R: Read> CsvRows<R> {
    /// Begins to read.
    pub fn new(source: R) -> Self {
        let mut options = csv::ReaderBuilder::new();
        options.has_headers(false).flexible(true).terminator(csv::Terminator::Any(b'\n'));
        options.buffer_capacity(READ_AT_ONCE);
        // With a last line end of our own, every record ends in one; an empty line too many is skipped.
        Self(options.from_reader(Bounded { source, left: ROW_MAX }.chain(&b"\n"[..])))
    }
}

impl<R: Read> RowSource for CsvRows<R> {
    fn next_row(&mut self, cells: &mut Cells) -> Result<Option<u64>, Unreadable> {
        loop {
            self.0.get_mut().get_mut().0.left = ROW_MAX;
            let earliest = self.0.position().line();
            let read = cells.fill(|record| self.0.read_byte_record(record));
            if !read.map_err(|error| Unreadable { line: earliest, reason: error.to_string() })? {
                return Ok(None);
            }
            let inside = cells.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
            // In a file that ends inside of a quoted cell our last line end is a part of the cell.
            let line = self.0.position().line().saturating_sub(1 + inside).max(earliest);
            if let Some(text) = cells.as_slice().strip_suffix(b"\r") {
                if text.is_empty() && cells.len() == 1 {
                    continue;
                }
                cells.drop_carriage_return();
            }
            return Ok(Some(line));
        }
    }
}
