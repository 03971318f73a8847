//! Where rows come from: anything that hands out cells line by line. CSV is read here; a sheet of a workbook is read by
//! whoever may open files, and comes in through the same trait.

use std::io::{BufRead, BufReader, Read};

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

    /// Puts the cells of a line in place of what was there.
    fn fill(&mut self, line: &[u8]) -> Result<(), OpenQuote> {
        let mut record = std::mem::take(&mut self.text).into_byte_record();
        record.clear();
        self.bytes.clear();
        let split = split_line(line, &mut record);
        match StringRecord::from_byte_record(record) {
            Ok(text) => self.text = text,
            Err(error) => self.bytes = error.into_byte_record(),
        }
        split
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
    /// The place of the cell in its row, counted from zero, when it is one cell's fault.
    pub cell: Option<usize>,
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there, or what happened.
    pub found: String,
}

impl Unreadable {
    /// Says that reading failed.
    pub fn failed(line: u64, reason: impl ToString) -> Self {
        Self { line, cell: None, expected: "a readable file", found: reason.to_string() }
    }
}

/// The longest row of a CSV file in bytes. Ours have less than 2 KiB; a file without line ends is no list.
const ROW_MAX: usize = 1 << 20;

/// How much of a CSV file is read at once, bytes: few calls, and nothing beside the lists.
const READ_AT_ONCE: usize = 1 << 16;

/// What the first line of a file in UTF-8 may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads CSV (RFC 4180) line by line, with one restriction: a cell ends on the line it begins on.
///
/// No column of our lists has a text of two lines, and without that restriction a quote that somebody forgot to close makes
/// a cell of all rows up to the next quote. They would be gone, and nobody could say which they were.
#[derive(Debug)]
pub struct CsvRows<R> {
    source: BufReader<R>,
    line: Vec<u8>,
    /// The line that was read last, counted from one.
    number: u64,
}

impl<R: Read> CsvRows<R> {
    /// Begins to read.
    pub fn new(source: R) -> Self {
        Self { source: BufReader::with_capacity(READ_AT_ONCE, source), line: Vec::new(), number: 0 }
    }

    /// Reads the next line, without its end; says whether there was one.
    fn read_line(&mut self) -> Result<bool, Unreadable> {
        let number = self.number + 1;
        self.line.clear();
        let mut bounded = Read::by_ref(&mut self.source).take(ROW_MAX as u64);
        let read =
            bounded.read_until(b'\n', &mut self.line).map_err(|error| Unreadable::failed(number, error))?;
        self.number = number;
        if self.line.pop_if(|last| *last == b'\n').is_none() && read == ROW_MAX {
            return Err(Unreadable::failed(number, format!("a row longer than {ROW_MAX} bytes")));
        }
        self.line.pop_if(|last| *last == b'\r');
        if number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(read > 0)
    }
}

impl<R: Read> RowSource for CsvRows<R> {
    fn next_row(&mut self, cells: &mut Cells) -> Result<Option<u64>, Unreadable> {
        while self.read_line()? {
            // Also what a spreadsheet leaves of a row that was emptied.
            if self.line.iter().all(|byte| *byte == b',') {
                continue;
            }
            let line = self.number;
            return match cells.fill(&self.line) {
                Ok(()) => Ok(Some(line)),
                Err(OpenQuote { cell, at }) => Err(Unreadable {
                    line,
                    cell: Some(cell),
                    expected: "a cell that ends on its line: a quote is opened and not closed",
                    found: String::from_utf8_lossy(self.line.get(at..).unwrap_or_default()).into_owned(),
                }),
            };
        }
        Ok(None)
    }
}

/// A cell whose quote is not closed: its place in the row, and where in the line it begins.
struct OpenQuote {
    cell: usize,
    at: usize,
}

/// Splits a line at its commas. A cell that begins with a quote ends with the next one that is not doubled; what else
/// stands before the comma belongs to it, too.
fn split_line(line: &[u8], record: &mut ByteRecord) -> Result<(), OpenQuote> {
    if !line.contains(&b'"') {
        line.split(|byte| *byte == b',').for_each(|cell| record.push_field(cell));
        return Ok(());
    }
    let mut rest = line;
    loop {
        let at = line.len() - rest.len();
        let mut cell = Vec::new();
        if let Some(mut quoted) = rest.strip_prefix(b"\"") {
            loop {
                let open = || OpenQuote { cell: record.len(), at };
                let end = quoted.iter().position(|byte| *byte == b'"').ok_or_else(open)?;
                let (text, after) = quoted.split_at(end);
                cell.extend_from_slice(text);
                rest = after.get(1..).unwrap_or_default();
                let Some(more) = rest.strip_prefix(b"\"") else { break };
                cell.push(b'"');
                quoted = more;
            }
        }
        let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        cell.extend_from_slice(text);
        record.push_field(&cell);
        let Some(next) = after.strip_prefix(b",") else { return Ok(()) };
        rest = next;
    }
}
