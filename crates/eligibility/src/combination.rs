//! Device Model Combinations: listed as eligible (`epcl.csv`) or proposed (`ppcl.csv`).
//!
//! ```text
//! epcl.csv  dmc_id, group, smso, comms_provider, esme_entry, gsme_entry, ch_entry, ppmid_entry, ihd_entry, date_added,
//!           date_removed (may be left out)
//! ppcl.csv  the same up to ihd_entry, date_proposed, uneconomic (true or false)
//! ```
//!
//! `[S12]` The Eligible Product Combinations List names models and communication services provider with the date each
//! entry was first added, and a list of pending combinations stands beside it. Ours: the columns, that an entry which
//! was removed stays with the day of its removal, that a combination also belongs to an SMSO and a group, and that
//! `uneconomic` (`[S6]`, the DCC's exclusion category for a combination that would cost too much to test) stands with
//! the proposal. An empty cell means that the home has no such device.

use std::fmt;

use jiff::civil::Date;

use crate::device::DeviceType;
use crate::table::{FileKind, RowReader, RowWriter, Table, cell_from_text};
use crate::text::{CommsProviderId, CplEntryId, DmcId, GroupId, SmsoId};

/// The models of one home with what connects them: what testing and reports speak of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Combination {
    /// The group of the SMSO's solution.
    pub group: GroupId,
    /// The SMSO.
    pub smso: SmsoId,
    /// The communication services provider.
    pub comms_provider: CommsProviderId,
    /// The electricity meter.
    pub esme: Option<CplEntryId>,
    /// The gas meter.
    pub gsme: Option<CplEntryId>,
    /// The communications hub.
    pub hub: Option<CplEntryId>,
    /// The prepayment interface.
    pub ppmid: Option<CplEntryId>,
    /// The in-home display.
    pub ihd: Option<CplEntryId>,
}

impl Combination {
    /// Returns the place for a type of device.
    pub fn place(&self, device_type: DeviceType) -> Option<&CplEntryId> {
        match device_type {
            DeviceType::Esme => self.esme.as_ref(),
            DeviceType::Gsme => self.gsme.as_ref(),
            DeviceType::Chf => self.hub.as_ref(),
            DeviceType::Ppmid => self.ppmid.as_ref(),
            DeviceType::Ihd => self.ihd.as_ref(),
        }
    }

    pub(crate) fn view(&self) -> CombinationView<'_> {
        CombinationView {
            group: &self.group,
            smso: &self.smso,
            comms_provider: &self.comms_provider,
            places: DeviceType::IN_ORDER.map(|device_type| self.place(device_type)),
        }
    }
}

/// The same by reference, so that a combination can be looked for without being written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CombinationView<'a> {
    pub(crate) group: &'a GroupId,
    pub(crate) smso: &'a SmsoId,
    pub(crate) comms_provider: &'a CommsProviderId,
    /// In the order of [`DeviceType::IN_ORDER`].
    pub(crate) places: [Option<&'a CplEntryId>; DeviceType::IN_ORDER.len()],
}

/// As people write it: `ESME E2 + CHF C1 (SMSO SMSO-1, group GROUP-1, CSP-1)`.
impl fmt::Display for CombinationView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = DeviceType::IN_ORDER.iter().zip(self.places);
        let mut separator = "";
        for (device_type, entry) in present {
            if let Some(entry) = entry {
                write!(f, "{separator}{device_type} {entry}")?;
                separator = " + ";
            }
        }
        write!(f, " (SMSO {}, group {}, {})", self.smso, self.group, self.comms_provider)
    }
}

/// A combination on the Eligible Product Combinations List.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpclEntry {
    /// The id of the combination.
    pub id: DmcId,
    /// The combination.
    pub combination: Combination,
    /// When it was first added.
    pub date_added: Date,
    /// From which day on it is not there any more.
    pub date_removed: Option<Date>,
}

/// A combination proposed for that list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PpclEntry {
    /// The id of the combination.
    pub id: DmcId,
    /// The combination.
    pub combination: Combination,
    /// When it was proposed.
    pub date_proposed: Date,
    /// Whether the DCC declared it uneconomic to test.
    pub uneconomic: bool,
}

cell_from_text!(DmcId, GroupId, SmsoId, CommsProviderId);

/// The column of each place, in the order of the files.
pub(crate) const PLACES: [(DeviceType, &str); 5] = [
    (DeviceType::Esme, "esme_entry"),
    (DeviceType::Gsme, "gsme_entry"),
    (DeviceType::Chf, "ch_entry"),
    (DeviceType::Ppmid, "ppmid_entry"),
    (DeviceType::Ihd, "ihd_entry"),
];

fn read_combination(row: &mut RowReader<'_>) -> Option<Combination> {
    let group = row.cell("group");
    let smso = row.cell("smso");
    let comms_provider = row.cell("comms_provider");
    let esme = row.cell::<Option<CplEntryId>>("esme_entry");
    let gsme = row.cell::<Option<CplEntryId>>("gsme_entry");
    let hub = row.cell("ch_entry");
    let ppmid = row.cell("ppmid_entry");
    let ihd = row.cell("ihd_entry");
    if let (Some(None), Some(None)) = (&esme, &gsme) {
        row.refuse("esme_entry", "at least one meter in a combination", "");
        return None;
    }
    let hub: CplEntryId = hub?;
    Some(Combination {
        group: group?,
        smso: smso?,
        comms_provider: comms_provider?,
        esme: esme?,
        gsme: gsme?,
        hub: Some(hub),
        ppmid: ppmid?,
        ihd: ihd?,
    })
}

fn write_combination(combination: &Combination, row: &mut RowWriter) {
    row.cell("group", &combination.group);
    row.cell("smso", &combination.smso);
    row.cell("comms_provider", &combination.comms_provider);
    for (device_type, column) in PLACES {
        row.cell(column, &combination.place(device_type).cloned());
    }
}

impl Table for EpclEntry {
    const FILE: FileKind = FileKind::Epcl;
    const COLUMNS: &'static [&'static str] = &[
        "dmc_id",
        "group",
        "smso",
        "comms_provider",
        "esme_entry",
        "gsme_entry",
        "ch_entry",
        "ppmid_entry",
        "ihd_entry",
        "date_added",
        "date_removed",
    ];
    const OPTIONAL: &'static [&'static str] = &["date_removed"];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let id = row.cell("dmc_id");
        let combination = read_combination(row);
        let date_added = row.cell("date_added");
        let date_removed = row.cell("date_removed");
        let (date_added, date_removed): (Date, Option<Date>) = (date_added?, date_removed?);
        if let Some(removed) = date_removed.filter(|removed| *removed < date_added) {
            row.refuse("date_removed", "nothing, or a day not before date_added", &removed.to_string());
            return None;
        }
        Some(Self { id: id?, combination: combination?, date_added, date_removed })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("dmc_id", &self.id);
        write_combination(&self.combination, row);
        row.cell("date_added", &self.date_added);
        row.cell("date_removed", &self.date_removed);
    }
}

impl Table for PpclEntry {
    const FILE: FileKind = FileKind::Ppcl;
    const COLUMNS: &'static [&'static str] = &[
        "dmc_id",
        "group",
        "smso",
        "comms_provider",
        "esme_entry",
        "gsme_entry",
        "ch_entry",
        "ppmid_entry",
        "ihd_entry",
        "date_proposed",
        "uneconomic",
    ];

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        let id = row.cell("dmc_id");
        let combination = read_combination(row);
        let date_proposed = row.cell("date_proposed");
        let uneconomic = row.cell("uneconomic");
        Some(Self {
            id: id?,
            combination: combination?,
            date_proposed: date_proposed?,
            uneconomic: uneconomic?,
        })
    }

    fn write(&self, row: &mut RowWriter) {
        row.cell("dmc_id", &self.id);
        write_combination(&self.combination, row);
        row.cell("date_proposed", &self.date_proposed);
        row.cell("uneconomic", &self.uneconomic);
    }
}
