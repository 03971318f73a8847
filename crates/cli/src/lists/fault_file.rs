//! Every fault of lists in a file of its own, for who has more of them than anybody reads on a screen. They are written as
//! they are found, so that a million bad rows take no memory, beside the file's place, and the file is there when all are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use eligibility::{Fault, FaultListener, FileKind};
use tempfile::NamedTempFile;

use super::FaultLine;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::Destination;

/// The file. Clones write the same one.
#[derive(Clone)]
pub(super) struct FaultFile {
    destination: Arc<Destination>,
    sheet: Arc<Mutex<Sheet>>,
}

struct Sheet {
    /// Gone when it was kept.
    rows: Option<csv::Writer<NamedTempFile>>,
    /// Why no more can be written; the first time is told.
    failed: Option<csv::Error>,
}

impl FaultFile {
    /// Begins with the columns.
    pub(super) fn begin(destination: Destination) -> Result<FaultFile, Failure> {
        let mut rows = csv::Writer::from_writer(destination.begin()?);
        let columns = ["file", "line", "column", "expected", "found"];
        let failed = rows.write_record(columns).err();
        let sheet = Arc::new(Mutex::new(Sheet { rows: Some(rows), failed }));
        Ok(FaultFile { destination: Arc::new(destination), sheet })
    }

    /// Returns who takes each fault as it is found.
    pub(super) fn listener(&self, paths: BTreeMap<FileKind, PathBuf>) -> FaultListener {
        let sheet = Arc::clone(&self.sheet);
        Box::new(move |fault| {
            sheet.lock().unwrap_or_else(PoisonError::into_inner).write(fault, &paths);
        })
    }

    /// Puts the file in its place.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        let mut sheet = self.sheet.lock().unwrap_or_else(PoisonError::into_inner);
        let context = "the file of faults cannot be written";
        if let Some(error) = sheet.failed.take() {
            return Err(error).or_fail(ExitCode::Failed, context);
        }
        let Some(rows) = sheet.rows.take() else { return Ok(()) };
        let file = rows.into_inner().map_err(|error| error.into_error());
        self.destination.keep(file.or_fail(ExitCode::Failed, context)?)
    }
}

impl Sheet {
    fn write(&mut self, fault: &Fault, paths: &BTreeMap<FileKind, PathBuf>) {
        if let (Some(rows), None) = (&mut self.rows, &self.failed) {
            let FaultLine { file, line, column, expected, found } = FaultLine::of(fault, paths);
            let cells = [file, line.to_string(), column.unwrap_or_default(), expected, found];
            self.failed = rows.write_record(cells).err();
        }
    }
}
