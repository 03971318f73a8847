//! What was told about the devices of an inventory: notices to suppliers, and the list of exclusions.
//!
//! Sketch: a notice is 40 B, and the table that finds those of a device 16 B.

use std::collections::BTreeMap;

use firmware_image::{Eui64, FileVersion};
use jiff::civil::Date;

use super::{Excluded, Inventory, NONE};
use crate::catalogue::Pool;
use crate::exclusion::ExclusionEntry;
use crate::notice::Notice;
use crate::places::Places;
use crate::table::{Fault, Faults, FileKind, Lined, Row, RowSource, read_rows};
use crate::text::{DmcId, SupplierId};

/// The notices about all devices.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices {
    /// By device, then by the day of issue.
    rows: Vec<NoticeRow>,
    /// The first notice of each device.
    places: Places,
    suppliers: Pool<SupplierId>,
    dmcs: Pool<DmcId>,
}

#[derive(Debug, Clone, Copy)]
struct NoticeRow {
    device: Eui64,
    supplier: u32,
    dmc: u32,
    from: FileVersion,
    to: FileVersion,
    window_start: Date,
    window_end: Date,
    issued_at: Date,
    line: u32,
}

/// One notice about one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeView<'a> {
    /// Who was told.
    pub supplier: &'a SupplierId,
    /// The combination the home is to end in, when the notice names one.
    pub dmc: Option<&'a DmcId>,
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

impl Notices {
    pub(super) fn of(&self, device: Eui64) -> impl Iterator<Item = NoticeView<'_>> {
        let first = self.places.find(device, &self.rows, |row| row.device);
        let rows = first.and_then(|first| self.rows.get(first as usize..)).unwrap_or_default();
        rows.iter().take_while(move |row| row.device == device).map(|row| self.view(row))
    }

    fn view(&self, row: &NoticeRow) -> NoticeView<'_> {
        let NoticeRow { from, to, window_start, window_end, issued_at, .. } = *row;
        let dmc = (row.dmc != NONE).then(|| self.dmcs.get(row.dmc));
        let supplier = self.suppliers.get(row.supplier);
        NoticeView { supplier, dmc, from, to, window_start, window_end, issued_at }
    }
}

/// The rows of `notices.csv` that were read so far.
#[derive(Debug, Default)]
pub(crate) struct NoticeLines(Notices);

impl NoticeLines {
    /// Reads a whole file. A notice that is left out only makes a device wait.
    pub(crate) fn read(&mut self, source: &mut dyn RowSource, faults: &mut Faults) {
        read_rows(source, faults, |row, faults| match row {
            Row::Good(row) => self.take(&row),
            Row::Bad(_) => faults.leave_out_row(),
        });
    }

    pub(crate) fn take(&mut self, Lined { line, row }: &Lined<Notice>) {
        let Notices { rows, suppliers, dmcs, .. } = &mut self.0;
        rows.push(NoticeRow {
            device: row.device,
            supplier: suppliers.number(&row.supplier),
            dmc: row.dmc.as_ref().map_or(NONE, |dmc| dmcs.number(dmc)),
            from: row.from,
            to: row.to,
            window_start: row.window_start,
            window_end: row.window_end,
            issued_at: row.issued_at,
            line: u32::try_from(*line).unwrap_or(u32::MAX),
        });
    }
}

/// The rows of `exclusions.csv` that were read so far.
#[derive(Debug, Default)]
pub(crate) struct ExclusionLines(Vec<Lined<ExclusionEntry>>);

impl ExclusionLines {
    pub(crate) fn of(rows: Vec<Lined<ExclusionEntry>>) -> Self {
        Self(rows)
    }

    /// Reads a whole file. Nothing of it can be left out: it would open what the row closes.
    pub(crate) fn read(&mut self, source: &mut dyn RowSource, faults: &mut Faults) {
        read_rows(source, faults, |row: Row<'_, ExclusionEntry>, faults| match row {
            Row::Good(row) => self.0.push(row),
            Row::Bad(row) => {
                let expected = "a list that can be read whole, as a row left out would open what it closes";
                faults.spoil(|| Fault::new(FileKind::Exclusions, row.line, None, expected, "a bad row"));
            }
        });
    }
}

impl Inventory {
    /// Takes notices; a device that the inventory does not have is named.
    pub(crate) fn take_notices(&mut self, NoticeLines(mut notices): NoticeLines, faults: &mut Faults) {
        let expected = "a device of inventory.csv";
        notices.rows.retain(|row| {
            let known = self.place_of(row.device).is_some();
            if !known {
                let (line, found) = (u64::from(row.line), row.device.to_string());
                faults.add(Fault::new(FileKind::Notices, line, Some("device_id"), expected, &found));
                faults.leave_out_row();
            }
            known
        });
        notices.rows.sort_by_key(|row| (row.device, row.issued_at));
        let rows = &notices.rows;
        let mut before = None;
        for (place, row) in (0..).zip(rows) {
            if before.replace(row.device) != Some(row.device) {
                notices.places.insert(row.device, place, rows, |row| row.device);
            }
        }
        self.notices = notices;
    }

    /// Takes exclusions. A device is excluded in one place, so that nobody has to choose between two reasons.
    pub(crate) fn take_exclusions(&mut self, ExclusionLines(rows): ExclusionLines, faults: &mut Faults) {
        let mut lines: BTreeMap<Eui64, u64> = BTreeMap::new();
        for Lined { line, row } in rows {
            let ExclusionEntry { device, reason, since, doc_ref } = row;
            let fault = |expected: &str| {
                Fault::new(FileKind::Exclusions, line, Some("device_id"), expected, &device.to_string())
            };
            let place = self.place_of(device).map(|place| place as usize);
            let Some(known) = place.and_then(|place| self.devices.get_mut(place)) else {
                faults.add(fault("a device of inventory.csv"));
                faults.leave_out_row();
                continue;
            };
            if let Some(first_line) = lines.insert(device, line) {
                let expected = format!("a value that no other line has (line {first_line} has it)");
                faults.add_fatal(fault(&expected));
            } else if known.exclusion != NONE {
                faults.add_fatal(fault("a device that inventory.csv does not exclude as well"));
            }
            let excluded = Excluded { reason, since: Some(since), doc_ref };
            known.exclusion = self.names.exclusions.number(&excluded);
        }
    }
}
