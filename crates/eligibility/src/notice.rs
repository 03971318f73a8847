//! What a supplier was told about a planned update: a row of `notices.csv`.
//!
//! ```text
//! supplier_id, mpxn (13 digits or fewer), device_id, dmc_id (or empty), from_fw, to_fw (8 hex), window_start,
//! window_end, issued_at (dates)
//! ```
//!
//! `[S2]` A template "SMETS1 Dormant Meter FW Upgrade Schedule Notification" exists. Its columns and the lead time were
//! not found: the columns are ours, the lead time is configuration ([`NoticePolicy`](crate::NoticePolicy)).

use firmware_image::{Eui64, FileVersion};
use jiff::civil::Date;

use crate::table::{FileKind, RowReader, RowWriter, Table, cell_from_text};
use crate::text::{DmcId, Mpxn, SupplierId};

/// One notice about one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who was told.
    pub supplier: SupplierId,
    /// The supply point. It is the supplier's word for the meter, and the gate does not ask for it.
    pub mpxn: Mpxn,
    /// The device.
    pub device: Eui64,
    /// The combination the home is to end in, when the notice names one.
    pub dmc: Option<DmcId>,
    /// What the device is said to run.
    pub from: FileVersion,
    /// What it is to run.
    pub to: FileVersion,
    /// The first day of the update.
    pub window_start: Date,
    /// The last.
    pub window_end: Date,
    /// When the supplier was told.
    pub issued_at: Date,
}

cell_from_text!(Mpxn);

impl Table for Notice {
    const FILE: FileKind = FileKind::Notices;
    const COLUMNS: &'static [&'static str] = &[
        "supplier_id",
        "mpxn",
        "device_id",
        "dmc_id",
        "from_fw",
        "to_fw",
        "window_start",
        "window_end",
        "issued_at",
    ];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let supplier = row.cell("supplier_id");
        let mpxn = row.cell("mpxn");
        let device = row.cell("device_id");
        let dmc = row.cell("dmc_id");
        let from = row.cell("from_fw");
        let to = row.cell("to_fw");
        let window_start = row.cell("window_start");
        let window_end = row.cell("window_end");
        let issued_at = row.cell("issued_at");
        let (start, end): (Date, Date) = (window_start?, window_end?);
        if end < start {
            row.refuse("window_end", "a day not before window_start", &end.to_string());
            return None;
        }
        Some(Self {
            supplier: supplier?,
            mpxn: mpxn?,
            device: device?,
            dmc: dmc?,
            from: from?,
            to: to?,
            window_start: start,
            window_end: end,
            issued_at: issued_at?,
        })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("supplier_id", &self.supplier);
        row.cell("mpxn", &self.mpxn);
        row.cell("device_id", &self.device);
        row.cell("dmc_id", &self.dmc);
        row.cell("from_fw", &self.from);
        row.cell("to_fw", &self.to);
        row.cell("window_start", &self.window_start);
        row.cell("window_end", &self.window_end);
        row.cell("issued_at", &self.issued_at);
    }
}
