//! All lists together: read one after another, cross-checked, and taken as a whole or in part.
//!
//! As a whole, every row of every list is good or nothing is taken. In part, what is good is taken and everything else
//! is told: the first [`FAULTS_KEPT`](crate::FAULTS_KEPT) faults with line and column, then their number, and how many
//! rows they cost. What is left out can only make the gate refuse or wait; where it could open something, nothing is
//! taken either: see `register::join`, `register::filed`, `inventory::join` and `inventory::notices`.

use crate::inventory::{ExclusionLines, Gathering, Inventory, NoticeLines};
use crate::register::{Register, RegisterLines, join};
use crate::table::{
    Fault, FaultListener, Faults, FileKind, LeftOut, LoadError, Row, RowSource, read_lines, read_rows,
};

/// What the gate judges by, out of files.
#[derive(Debug)]
pub struct Lists {
    /// Product list, combinations, evidence.
    pub register: Register,
    /// Installations and devices, with notices and exclusions.
    pub inventory: Inventory,
    /// What was not taken; nothing, when the lists were taken as a whole.
    pub left_out: LeftOut,
}

/// How much of the lists must be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// All of it, or nothing is taken.
    Whole,
    /// What is good is taken, and what is not is told.
    Part,
}

/// Reads lists, in any order. One that is not read is empty.
#[derive(Debug)]
pub struct ListReader {
    faults: Faults,
    lines: RegisterLines,
    devices: Gathering,
    notices: NoticeLines,
    exclusions: ExclusionLines,
}

impl ListReader {
    /// Begins with nothing.
    pub fn new(completeness: Completeness) -> Self {
        let faults = match completeness {
            Completeness::Whole => Faults::default(),
            Completeness::Part => Faults::in_part(),
        };
        Self {
            faults,
            lines: RegisterLines::default(),
            devices: Gathering::default(),
            notices: NoticeLines::default(),
            exclusions: ExclusionLines::default(),
        }
    }

    /// Tells somebody each fault that is found from now on, in the order in which they are found: of each file those of
    /// single rows, then what rows say together. Beyond the first [`FAULTS_KEPT`](crate::FAULTS_KEPT) nobody else has them.
    pub fn tell_faults(&mut self, listener: FaultListener) {
        self.faults.tell(listener);
    }

    /// Reads a list to its end, a row at a time.
    pub fn read(&mut self, kind: FileKind, rows: &mut dyn RowSource) {
        let Self { faults, lines, .. } = self;
        match kind {
            FileKind::Cpl => lines.cpl = read_lines(rows, faults),
            FileKind::Epcl => self.read_epcl(rows),
            FileKind::Ppcl => lines.ppcl = read_lines(rows, faults),
            FileKind::Evidence => self.read_evidence(rows),
            FileKind::Inventory => self.devices.read(rows, faults),
            FileKind::Notices => self.notices.read(rows, faults),
            FileKind::Exclusions => self.exclusions.read(rows, faults),
        }
    }

    /// A bad row of this list may be one that says that a combination was removed: then old evidence would count again.
    fn read_epcl(&mut self, rows: &mut dyn RowSource) {
        let RegisterLines { epcl, doubtful, .. } = &mut self.lines;
        read_rows(rows, &mut self.faults, |row, faults| match row {
            Row::Good(row) => epcl.push(row),
            Row::Bad(row) => {
                faults.leave_out_row();
                match row.value("dmc_id").filter(|_| row.is_whole()) {
                    Some(id) => {
                        doubtful.insert(id);
                    }
                    None => faults.spoil(|| {
                        let expected = "a dmc_id that can be read, as its combination is left out";
                        Fault::new(FileKind::Epcl, row.line, Some("dmc_id"), expected, "none")
                    }),
                }
            }
        });
    }

    /// A bad row of this list may be one that withdraws a document: left out, the document would count on.
    fn read_evidence(&mut self, rows: &mut dyn RowSource) {
        let RegisterLines { evidence, doubtful_evidence, .. } = &mut self.lines;
        read_rows(rows, &mut self.faults, |row, faults| match row {
            Row::Good(row) => evidence.push(row),
            Row::Bad(row) => {
                faults.leave_out_row();
                match row.value("dmc_id").filter(|_| row.is_whole()) {
                    Some(id) => {
                        doubtful_evidence.insert((id, row.value("kind")));
                    }
                    None => faults.spoil(|| {
                        let expected =
                            "a dmc_id that can be read, as the documents of its combination are left out";
                        Fault::new(FileKind::Evidence, row.line, Some("dmc_id"), expected, "none")
                    }),
                }
            }
        });
    }

    /// Cross-checks everything that was read.
    pub fn finish(self) -> Result<Lists, LoadError> {
        let Self { mut faults, lines, devices, notices, exclusions } = self;
        if !faults.permit_taking() {
            // A row that is missing because of its own fault would only make more faults elsewhere.
            return Err(faults.into_error());
        }
        let register = join(lines, &mut faults);
        let mut inventory = devices.finish(&mut faults);
        if faults.permit_taking() {
            inventory.take_notices(notices, &mut faults);
            inventory.take_exclusions(exclusions, &mut faults);
        }
        match faults.permit_taking() {
            true => Ok(Lists { register, inventory, left_out: faults.into_left_out() }),
            false => Err(faults.into_error()),
        }
    }
}
