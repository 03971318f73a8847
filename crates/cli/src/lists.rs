//! The lists that the gate judges by, out of files that people name: CSV, or the only sheet with rows of an XLSX workbook.
//!
//! What a file is, its first bytes say. CSV is streamed; of a workbook see `sheet`. Faults are told with the file as it
//! was named, the line, the column, what was expected and what was found; every one of them as far as
//! [`eligibility::FAULTS_KEPT`] goes, and then their number. `--faults` writes all of them into a file.

mod fault_file; // all of them
mod sheet; // workbooks

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use calamine::{Reader, Xlsx};
use clap::Args;
use eligibility::{Completeness, CsvRows, Fault, FileKind, LeftOut, ListReader, Lists, LoadError};
use rustix::fs::OFlags;
use serde::Serialize;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{self, Destination, Overwrite};
use crate::output::{Format, Output};
use fault_file::FaultFile;
use sheet::SheetRows;

/// The largest workbook in bytes: a million rows of an inventory are about 100 MB, and its texts are held in memory.
const WORKBOOK_MAX: u64 = 256 << 20;

/// What a ZIP archive, and so a workbook, begins with.
const ZIP: [u8; 4] = *b"PK\x03\x04";

/// What an older workbook (.xls) begins with: the OLE container it is kept in.
const OLE: [u8; 4] = [0xD0, 0xCF, 0x11, 0xE0];

/// The lists without which the gate has nothing to go by.
const REQUIRED: [FileKind; 4] = [FileKind::Cpl, FileKind::Epcl, FileKind::Evidence, FileKind::Inventory];

/// Where the lists are.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArguments {
    /// Folder of the lists under their usual names: cpl.csv or cpl.xlsx, and epcl, ppcl, evidence, inventory, notices,
    /// exclusions.
    #[arg(long, value_name = "DIR", help_heading = LISTS)]
    lists: Option<PathBuf>,
    /// The product list: device models with their firmware.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    cpl: Option<PathBuf>,
    /// The eligible combinations.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    epcl: Option<PathBuf>,
    /// The proposed combinations; none by default.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    ppcl: Option<PathBuf>,
    /// Tests and reports.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    evidence: Option<PathBuf>,
    /// The devices.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    inventory: Option<PathBuf>,
    /// What suppliers were told; nothing by default.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    notices: Option<PathBuf>,
    /// Devices with which nothing is to be done; none by default.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    exclusions: Option<PathBuf>,
    /// Take the rows that are good and tell the others, instead of taking nothing when a row is bad.
    #[arg(long, help_heading = LISTS)]
    allow_partial: bool,
    /// Write every fault into this file, as CSV with file, line, column, what was expected and what was found; it must not
    /// exist. On the screen are the first hundred.
    #[arg(long, value_name = "FILE", help_heading = LISTS)]
    faults: Option<PathBuf>,
}

/// Keeps the lists apart from the options of a command.
const LISTS: &str = "Lists";

/// What is wrong in a file, for programs.
#[derive(Clone, Debug, Serialize)]
struct FaultLine {
    file: String,
    line: u64,
    column: Option<String>,
    expected: String,
    found: String,
}

/// Faults and what they cost, for programs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FaultList {
    /// How many there are; those beyond the first hundred are not listed.
    count: usize,
    /// Rows that were left out for them; all of them when nothing was taken.
    rows_left_out: Option<u64>,
    faults: Vec<FaultLine>,
    /// Where all of them are.
    file: Option<PathBuf>,
    /// Whether one of them keeps the good rows from being taken, too.
    #[serde(skip)]
    spoils_all: bool,
}

impl ListArguments {
    /// Reads all lists and cross-checks them.
    pub(crate) fn read(&self, output: &Output) -> Result<(Lists, FaultList), Failure> {
        let mut paths = BTreeMap::new();
        for kind in FileKind::ALL {
            if let Some(path) = self.path_of(kind)? {
                paths.insert(kind, path);
            } else if REQUIRED.contains(&kind) {
                return Err(missing(kind, self.lists.as_deref()));
            }
        }
        let completeness = if self.allow_partial { Completeness::Part } else { Completeness::Whole };
        let mut reader = ListReader::new(completeness);
        let file = self.fault_file(&paths)?;
        if let Some(file) = &file {
            reader.tell_faults(file.listener(paths.clone()));
        }
        for (kind, path) in &paths {
            read_list(*kind, path, &mut reader)?;
        }
        let read = reader.finish();
        if let Some(file) = &file {
            file.keep()?;
        }
        let all_in = |told| FaultList { file: self.faults.clone(), ..told };
        match read {
            Ok(lists) => {
                let told = all_in(FaultList::of(lists.left_out.faults(), &lists.left_out, &paths));
                if told.count > 0 {
                    told.talk(output);
                    let rows = lists.left_out.rows();
                    output.talk(format_args!("left out: {rows} rows, for {} faults", told.count));
                }
                Ok((lists, told))
            }
            Err(error) => Err(all_in(FaultList::of_error(&error, &paths)).fail(completeness, output)),
        }
    }

    /// Begins the file that every fault is to be in.
    fn fault_file(&self, paths: &BTreeMap<FileKind, PathBuf>) -> Result<Option<FaultFile>, Failure> {
        let Some(path) = &self.faults else { return Ok(None) };
        let inputs: Vec<&Path> = paths.values().map(PathBuf::as_path).collect();
        FaultFile::begin(Destination::new(path, Overwrite::Refuse, &inputs)?).map(Some)
    }

    fn path_of(&self, kind: FileKind) -> Result<Option<PathBuf>, Failure> {
        let named = match kind {
            FileKind::Cpl => &self.cpl,
            FileKind::Epcl => &self.epcl,
            FileKind::Ppcl => &self.ppcl,
            FileKind::Evidence => &self.evidence,
            FileKind::Inventory => &self.inventory,
            FileKind::Notices => &self.notices,
            FileKind::Exclusions => &self.exclusions,
        };
        if named.is_some() {
            return Ok(named.clone());
        }
        let Some(folder) = &self.lists else { return Ok(None) };
        let [text, workbook] = [folder.join(kind.as_str()), folder.join(workbook_name(kind))];
        match (text.exists(), workbook.exists()) {
            (true, true) => {
                let (text, workbook) = (text.display(), workbook.display());
                let message = format!("{text}: expected one such list, found {workbook} beside it");
                let hint = format!("name one of them with --{}", word(kind));
                Err(Failure::message(ExitCode::BadInput, message).hint(hint))
            }
            (true, false) => Ok(Some(text)),
            (false, true) => Ok(Some(workbook)),
            (false, false) => Ok(None),
        }
    }
}

/// Reads lists that must be good as a whole; the error names the first fault.
pub(crate) fn read_whole(paths: &BTreeMap<FileKind, PathBuf>) -> Result<Lists, Failure> {
    let mut reader = ListReader::new(Completeness::Whole);
    for (kind, path) in paths {
        read_list(*kind, path, &mut reader)?;
    }
    reader.finish().map_err(|error| FaultList::of_error(&error, paths).failure())
}

/// The word for a list, as options have it.
fn word(kind: FileKind) -> &'static str {
    kind.as_str().trim_end_matches(".csv")
}

fn workbook_name(kind: FileKind) -> String {
    format!("{}.xlsx", word(kind))
}

fn missing(kind: FileKind, folder: Option<&Path>) -> Failure {
    let option = word(kind);
    let message = match folder {
        Some(folder) => format!(
            "{}: expected {} or {} in this folder, found neither",
            folder.display(),
            kind.as_str(),
            workbook_name(kind)
        ),
        None => format!("expected a list {}, found none", kind.as_str()),
    };
    let hint = format!("name it with --{option} FILE, or a folder of all lists with --lists DIR");
    Failure::message(ExitCode::BadInput, message).hint(hint)
}

fn read_list(kind: FileKind, path: &Path, reader: &mut ListReader) -> Result<(), Failure> {
    let place = path.display();
    let unread = || format!("{place}: cannot be read");
    let mut file = files::open(path, OFlags::empty())?;
    let length = files::regular(path, &file)?.len();
    let mut start = Vec::with_capacity(ZIP.len());
    Read::by_ref(&mut file).take(ZIP.len() as u64).read_to_end(&mut start).or_bad_input(unread())?;
    file.rewind().or_bad_input(unread())?;
    if start == OLE {
        let message = format!("{place}: is an older workbook (.xls), expected CSV or an XLSX workbook");
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    if start != ZIP {
        reader.read(kind, &mut CsvRows::new(file));
        return Ok(());
    }
    if length > WORKBOOK_MAX {
        let message = format!("{place}: is {length} bytes, expected a workbook of at most {WORKBOOK_MAX}");
        return Err(Failure::message(ExitCode::BadInput, message).hint("a larger list can be read as CSV"));
    }
    let expected = || format!("{place}: expected an XLSX workbook");
    let mut workbook: Xlsx<BufReader<File>> = Xlsx::new(BufReader::new(file)).or_bad_input(expected())?;
    let mut rows = SheetRows::new(&mut workbook).or_bad_input(expected())?;
    reader.read(kind, &mut rows);
    Ok(())
}

impl FaultLine {
    fn of(fault: &Fault, paths: &BTreeMap<FileKind, PathBuf>) -> FaultLine {
        let file = paths.get(&fault.file).map_or(fault.file.to_string(), |path| path.display().to_string());
        let Fault { line, column, expected, found, .. } = fault.clone();
        FaultLine { file, line, column, expected, found }
    }

    fn sentence(&self) -> String {
        let FaultLine { file, line, column, expected, found } = self;
        let mut text = format!("{file} line {line}");
        if let Some(column) = column {
            let _ = write!(text, ", column {}", column.escape_debug());
        }
        let _ = write!(text, ": expected {expected}, found {found:?}");
        text
    }
}

impl FaultList {
    fn of(faults: &[Fault], left_out: &LeftOut, paths: &BTreeMap<FileKind, PathBuf>) -> FaultList {
        let faults = faults.iter().map(|fault| FaultLine::of(fault, paths)).collect();
        let (count, rows) = (left_out.count(), left_out.rows());
        FaultList { count, rows_left_out: Some(rows), faults, file: None, spoils_all: false }
    }

    fn of_error(error: &LoadError, paths: &BTreeMap<FileKind, PathBuf>) -> FaultList {
        let faults = error.faults().iter().map(|fault| FaultLine::of(fault, paths)).collect();
        let (count, spoils_all) = (error.count(), error.spoils_all());
        FaultList { count, rows_left_out: None, faults, file: None, spoils_all }
    }

    /// Tells each, and how many are not told.
    fn talk(&self, output: &Output) {
        for fault in &self.faults {
            output.talk(fault.sentence());
        }
        if let Some(more @ 1..) = self.count.checked_sub(self.faults.len()) {
            let place = match &self.file {
                Some(file) => format!("all of them are in {}", file.display()),
                None => "--faults FILE writes all of them into a file".to_owned(),
            };
            output.talk(format_args!("and {more} faults more: {place}"));
        }
    }

    /// Says that nothing was taken: the first fault in the one line of the error, all of them before it or as a document.
    fn fail(&self, asked: Completeness, output: &Output) -> Failure {
        if output.format() == Format::Json {
            let document = serde_json::to_string_pretty(self).map_err(anyhow::Error::new);
            if let Err(failure) = document.map_err(Failure::from).and_then(|text| output.text(&text)) {
                return failure;
            }
        } else if self.count > 1 {
            self.talk(output);
        }
        let failure = self.failure();
        match asked {
            Completeness::Whole if !self.spoils_all => {
                failure.hint("--allow-partial takes the rows that are good")
            }
            Completeness::Whole | Completeness::Part => {
                failure.hint("what is wrong there would change what the rest says")
            }
        }
    }

    /// Says how many there are, and the first.
    fn failure(&self) -> Failure {
        let first = self.faults.first().map(FaultLine::sentence).unwrap_or_default();
        match self.count {
            1 => Failure::message(ExitCode::BadInput, first),
            count => {
                let message = format_args!("{count} faults in the lists, the first: {first}");
                Failure::message(ExitCode::BadInput, message)
            }
        }
    }
}
