//! The first sheet of an XLSX workbook as rows of text, a row at a time.
//!
//! The sheet itself is streamed; the workbook's shared texts are held in memory as long as it is read, and so the size of
//! the file is bounded. Numbers, dates and truth values are written as the lists spell them, and a formula that failed as
//! the sheet shows it, which no list takes for a value. Rows on further sheets, hidden ones too, are a fault: nobody can
//! tell whether they belong to the list, and left out in silence they may be what closes the gate.

use std::fs::File;
use std::io::BufReader;

use calamine::{Cell, DataRef, ExcelDateTime, Reader, SheetType, Xlsx, XlsxCellReader, XlsxError};
use eligibility::{Cells, RowSource, Unreadable};

/// Columns of a sheet that are looked at; a list has 16 at most. Something far to the right is no part of a list.
const COLUMNS_MAX: usize = 64;

/// Whole numbers that a cell holds exactly, as a sheet's numbers are binary fractions of 53 bits.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The rows of a sheet.
pub(super) struct SheetRows<'a> {
    cells: XlsxCellReader<'a, BufReader<File>>,
    /// The first cell of the next row: it showed that the row before was over.
    ahead: Option<TextCell>,
    /// How many columns the first row has; a sheet leaves out empty cells, also at the end of a row.
    width: usize,
    /// The row that was read last, counted from one.
    line: u64,
    /// Whether the sheet has ended; behind its end the reader would go on into other parts of the file.
    is_over: bool,
    /// The first row that stands on a further sheet, until it is told.
    elsewhere: Option<Elsewhere>,
}

/// A row on a sheet that is not read.
struct Elsewhere {
    sheet: String,
    line: u64,
}

/// A cell that is not empty, as text.
struct TextCell {
    line: u64,
    column: usize,
    text: String,
}

impl<'a> SheetRows<'a> {
    /// Begins to read the first sheet.
    pub(super) fn new(workbook: &'a mut Xlsx<BufReader<File>>) -> Result<SheetRows<'a>, XlsxError> {
        let is_of_cells = |sheet: &&calamine::Sheet| sheet.typ == SheetType::WorkSheet;
        let sheets = workbook.sheets_metadata().iter().filter(is_of_cells);
        let names: Vec<String> = sheets.map(|sheet| sheet.name.clone()).collect();
        let mut names = names.into_iter();
        let first = names.next().ok_or_else(|| XlsxError::WorksheetNotFound("the first one".to_owned()))?;
        let mut elsewhere = None;
        for sheet in names {
            let line = SheetRows::of(workbook, &sheet)?
                .next_cell()
                .map_or_else(|unreadable| Some(unreadable.line), |cell| cell.map(|cell| cell.line));
            if let Some(line) = line {
                elsewhere = Some(Elsewhere { sheet, line });
                break;
            }
        }
        Ok(SheetRows { elsewhere, ..SheetRows::of(workbook, &first)? })
    }

    fn of(workbook: &'a mut Xlsx<BufReader<File>>, sheet: &str) -> Result<SheetRows<'a>, XlsxError> {
        let cells = workbook.worksheet_cells_reader(sheet)?;
        Ok(SheetRows { cells, ahead: None, width: 0, line: 0, is_over: false, elsewhere: None })
    }

    /// Returns the next cell that holds something.
    fn next_cell(&mut self) -> Result<Option<TextCell>, Unreadable> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        while !self.is_over {
            let next = self.cells.next_cell();
            let next = next.map_err(|error| Unreadable::failed(self.line + 1, error))?;
            let Some(cell) = next else {
                self.is_over = true;
                break;
            };
            let (row, column) = cell.get_position();
            let (line, column) = (u64::from(row) + 1, column as usize);
            let text = text_of(&cell);
            if !text.is_empty() {
                return Ok(Some(TextCell { line, column, text }));
            }
        }
        Ok(None)
    }
}

impl RowSource for SheetRows<'_> {
    fn next_row(&mut self, cells: &mut Cells) -> Result<Option<u64>, Unreadable> {
        cells.clear();
        let Some(mut cell) = self.next_cell()? else { return self.end() };
        let line = cell.line;
        if line <= self.line {
            return Err(Unreadable::failed(line, "a row that stands after a later one"));
        }
        self.line = line;
        let mut filled = 0;
        loop {
            if cell.column >= COLUMNS_MAX || cell.column < filled {
                let reason = format!("a cell in column {}, which is out of place", cell.column + 1);
                return Err(Unreadable::failed(line, reason));
            }
            (filled..cell.column).for_each(|_| cells.push(""));
            cells.push(&cell.text);
            filled = cell.column + 1;
            match self.next_cell()? {
                Some(next) if next.line == line => cell = next,
                next => {
                    self.ahead = next;
                    break;
                }
            }
        }
        if self.width == 0 {
            self.width = filled;
        }
        (filled..self.width).for_each(|_| cells.push(""));
        Ok(Some(line))
    }
}

impl SheetRows<'_> {
    /// Ends the list, unless it goes on elsewhere: told last, so that the faults of the first sheet are told as well.
    fn end(&mut self) -> Result<Option<u64>, Unreadable> {
        let Some(Elsewhere { sheet, line }) = self.elsewhere.take() else { return Ok(None) };
        Err(Unreadable {
            line,
            cell: None,
            expected: "rows on the first sheet alone (move them there, or take the sheet out)",
            found: format!("a row on sheet {sheet}"),
        })
    }
}

/// Writes a cell as the lists spell it.
fn text_of(cell: &Cell<DataRef<'_>>) -> String {
    match cell.get_value() {
        DataRef::Empty => String::new(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::String(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::DateTimeIso(text) => text.strip_suffix("T00:00:00").unwrap_or(text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::Bool(truth) => truth.to_string(),
        DataRef::DateTime(moment) => date_text(moment),
        DataRef::Error(error) => error.to_string(),
    }
}

fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < EXACT_MAX {
        format!("{}", number as i64)
    } else {
        number.to_string()
    }
}

/// A moment that is no whole day keeps its time, and is no date then.
fn date_text(moment: &ExcelDateTime) -> String {
    if moment.is_duration() {
        return number_text(moment.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) {
        date
    } else {
        format!("{date}T{hour:02}:{minute:02}:{second:02}")
    }
}
