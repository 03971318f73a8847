//! The register: product list, combinations and evidence, cross-checked, with look-ups by id and by combination.
//!
//! It answers what is known; what follows from it is the gate's.

use std::collections::BTreeMap;
use std::io::Read;

use jiff::civil::Date;

use crate::combination::{Combination, EpclEntry, PLACES, PpclEntry};
use crate::cpl::{CplEntry, Predecessors};
use crate::evidence::{Evidence, EvidenceKind, EvidenceState};
use crate::table::{Fault, Faults, FileKind, Lined, LoadError, number_lines, read_lines};
use crate::text::{CplEntryId, DmcId};

/// Everything known about models, combinations and evidence. Replaced as a whole when a file changes.
#[derive(Debug, Clone)]
pub struct Register {
    entries: BTreeMap<CplEntryId, CplEntry>,
    dmcs: BTreeMap<DmcId, Dmc>,
    by_combination: BTreeMap<Combination, DmcId>,
}

/// The four files of a register, as bytes or anything that gives bytes.
#[derive(Debug)]
pub struct RegisterFiles<R> {
    /// `cpl.csv`.
    pub cpl: R,
    /// `epcl.csv`.
    pub epcl: R,
    /// `ppcl.csv`.
    pub ppcl: R,
    /// `evidence.csv`.
    pub evidence: R,
}

/// The rows of a register, for who makes them instead of reading them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisterRows {
    /// The product list.
    pub cpl: Vec<CplEntry>,
    /// The eligible combinations.
    pub epcl: Vec<EpclEntry>,
    /// The proposed combinations.
    pub ppcl: Vec<PpclEntry>,
    /// Tests and reports.
    pub evidence: Vec<Evidence>,
}

/// What is known about one combination.
#[derive(Debug, Clone)]
pub(crate) struct Dmc {
    pub id: DmcId,
    pub combination: Combination,
    pub date_added: Option<Date>,
    pub proposal: Option<Proposal>,
    evidence: BTreeMap<EvidenceKind, Evidence>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Proposal {
    pub date: Date,
    pub uneconomic: bool,
}

impl Register {
    /// Reads and cross-checks the four files: all of them are good, or nothing is taken.
    pub fn load<R: Read>(files: RegisterFiles<R>) -> Result<Self, LoadError> {
        let mut faults = Faults::default();
        let cpl = read_lines(files.cpl, &mut faults);
        let epcl = read_lines(files.epcl, &mut faults);
        let ppcl = read_lines(files.ppcl, &mut faults);
        let evidence = read_lines(files.evidence, &mut faults);
        if faults.is_empty() {
            Self::join(cpl, epcl, ppcl, evidence, faults)
        } else {
            // A row that is missing because of its own fault would only make more faults elsewhere.
            Err(faults.into_error())
        }
    }

    /// Cross-checks rows that were made, not read. A fault names the line the row would be written on.
    pub fn from_rows(rows: RegisterRows) -> Result<Self, LoadError> {
        Self::join(
            number_lines(rows.cpl),
            number_lines(rows.epcl),
            number_lines(rows.ppcl),
            number_lines(rows.evidence),
            Faults::default(),
        )
    }

    fn join(
        cpl: Vec<Lined<CplEntry>>,
        epcl: Vec<Lined<EpclEntry>>,
        ppcl: Vec<Lined<PpclEntry>>,
        evidence: Vec<Lined<Evidence>>,
        mut faults: Faults,
    ) -> Result<Self, LoadError> {
        let entries = join_entries(cpl, &mut faults);
        let mut combinations = Combinations::default();
        for Lined { line, row } in epcl {
            let at = Place { file: FileKind::Epcl, line };
            check_places(&row.combination, &entries, at, &mut faults);
            if let Some(dmc) = combinations.take(row.id, row.combination, at, &mut faults) {
                dmc.date_added = Some(row.date_added);
            }
        }
        for Lined { line, row } in ppcl {
            let at = Place { file: FileKind::Ppcl, line };
            check_places(&row.combination, &entries, at, &mut faults);
            if let Some(dmc) = combinations.take(row.id, row.combination, at, &mut faults) {
                dmc.proposal = Some(Proposal { date: row.date_proposed, uneconomic: row.uneconomic });
            }
        }
        join_evidence(evidence, &mut combinations, &mut faults);
        let Combinations { dmcs, by_combination, .. } = combinations;
        faults.into_result(Self { entries, dmcs, by_combination })
    }

    /// Returns an entry of the product list.
    pub fn entry(&self, id: &CplEntryId) -> Option<&CplEntry> {
        self.entries.get(id)
    }

    /// Returns the product list, in the order of the ids.
    pub fn entries(&self) -> impl Iterator<Item = &CplEntry> {
        self.entries.values()
    }

    /// Returns the combination behind an id, whether listed or proposed.
    pub fn combination(&self, id: &DmcId) -> Option<&Combination> {
        self.dmcs.get(id).map(|dmc| &dmc.combination)
    }

    /// Returns the id of a combination, when it is listed or proposed.
    pub fn dmc_of(&self, combination: &Combination) -> Option<&DmcId> {
        self.by_combination.get(combination)
    }

    pub(crate) fn dmc(&self, id: &DmcId) -> Option<&Dmc> {
        self.dmcs.get(id)
    }
}

impl Dmc {
    /// Returns the evidence of a kind that is not withdrawn, whatever else its state.
    pub(crate) fn evidence(&self, kind: EvidenceKind) -> Option<&Evidence> {
        self.evidence.get(&kind)
    }

    /// Returns the evidence of a kind when it counts on a day.
    pub(crate) fn counting(&self, kind: EvidenceKind, today: Date) -> Option<&Evidence> {
        self.evidence(kind).filter(|evidence| evidence.counts_on(today))
    }
}

/// A line of a file.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: FileKind,
    line: u64,
}

impl Place {
    fn fault(self, column: &str, expected: &str, found: &str) -> Fault {
        Fault::new(self.file, self.line, Some(column), expected, found)
    }
}

/// The combinations while they are gathered from two files, with where each stands.
#[derive(Debug, Default)]
struct Combinations {
    dmcs: BTreeMap<DmcId, Dmc>,
    by_combination: BTreeMap<Combination, DmcId>,
    lines: BTreeMap<(FileKind, DmcId), u64>,
}

impl Combinations {
    /// Takes a combination under its id. It may stand in both files, as the same; in one file it stands once.
    fn take(
        &mut self,
        id: DmcId,
        combination: Combination,
        at: Place,
        faults: &mut Faults,
    ) -> Option<&mut Dmc> {
        if let Some(first_line) = self.lines.get(&(at.file, id.clone())) {
            faults.add_twice(at.file, at.line, "dmc_id", id.as_str(), *first_line);
            return None;
        }
        self.lines.insert((at.file, id.clone()), at.line);
        if let Some(known) = self.by_combination.get(&combination).filter(|known| **known != id) {
            let place = FileKind::COMBINATIONS.iter().find_map(|file| {
                self.lines.get(&(*file, known.clone())).map(|line| format!("{file} line {line}"))
            });
            let place = place.unwrap_or_default();
            let expected = format!("the id {known}, under which {place} has the same combination");
            faults.add(at.fault("dmc_id", &expected, id.as_str()));
            return None;
        }
        let dmc = self.dmcs.entry(id.clone()).or_insert_with(|| Dmc {
            id: id.clone(),
            combination: combination.clone(),
            date_added: None,
            proposal: None,
            evidence: BTreeMap::new(),
        });
        if dmc.combination != combination {
            let expected = format!("the combination it has in epcl.csv: {}", dmc.combination.in_words());
            faults.add(at.fault("dmc_id", &expected, &combination.in_words()));
            return None;
        }
        self.by_combination.insert(combination, id);
        Some(dmc)
    }
}

/// Gathers the product list and checks what its rows say about one another.
fn join_entries(rows: Vec<Lined<CplEntry>>, faults: &mut Faults) -> BTreeMap<CplEntryId, CplEntry> {
    let mut lines: BTreeMap<CplEntryId, u64> = BTreeMap::new();
    let mut entries: BTreeMap<CplEntryId, CplEntry> = BTreeMap::new();
    for Lined { line, row } in rows {
        if let Some(first_line) = lines.get(&row.id) {
            faults.add_twice(FileKind::Cpl, line, "entry_id", row.id.as_str(), *first_line);
            continue;
        }
        lines.insert(row.id.clone(), line);
        entries.insert(row.id.clone(), row);
    }
    for entry in entries.values() {
        let Predecessors::These(predecessors) = &entry.predecessors else { continue };
        for predecessor in predecessors {
            let sound = entries.get(predecessor).is_some_and(|known| {
                known.id != entry.id && known.device_type == entry.device_type && known.model == entry.model
            });
            if !sound {
                let line = lines.get(&entry.id).copied().unwrap_or_default();
                let expected = "other entries of this file for the same device type and model";
                let at = Place { file: FileKind::Cpl, line };
                faults.add(at.fault("predecessors", expected, predecessor.as_str()));
            }
        }
    }
    entries
}

/// Checks that each place of a combination holds a known entry of the right type.
fn check_places(
    combination: &Combination,
    entries: &BTreeMap<CplEntryId, CplEntry>,
    at: Place,
    faults: &mut Faults,
) {
    for (device_type, column) in PLACES {
        let Some(id) = combination.place(device_type) else { continue };
        if entries.get(id).is_none_or(|entry| entry.device_type != device_type) {
            let expected = format!("an entry of cpl.csv for a device of type {device_type}");
            faults.add(at.fault(column, &expected, id.as_str()));
        }
    }
}

/// Puts the evidence beside its combinations.
fn join_evidence(rows: Vec<Lined<Evidence>>, combinations: &mut Combinations, faults: &mut Faults) {
    let mut lines: BTreeMap<(DmcId, EvidenceKind), u64> = BTreeMap::new();
    for Lined { line, row } in rows {
        let at = Place { file: FileKind::Evidence, line };
        let known = "a combination of epcl.csv or ppcl.csv";
        if let Some(reference) = &row.equivalent_to {
            if *reference == row.dmc {
                faults.add(at.fault("equivalent_to", "another combination than dmc_id", reference.as_str()));
            } else if !combinations.dmcs.contains_key(reference) {
                faults.add(at.fault("equivalent_to", known, reference.as_str()));
            }
        }
        let Some(dmc) = combinations.dmcs.get_mut(&row.dmc) else {
            faults.add(at.fault("dmc_id", known, row.dmc.as_str()));
            continue;
        };
        if row.state == EvidenceState::Withdrawn {
            continue;
        }
        let key = (row.dmc.clone(), row.kind);
        if let Some(first_line) = lines.get(&key) {
            let found = format!("{} {}", row.dmc, row.kind);
            let expected = format!("one row in force for a combination and kind (line {first_line} is one)");
            faults.add(at.fault("kind", &expected, &found));
            continue;
        }
        lines.insert(key, line);
        dmc.evidence.insert(row.kind, row);
    }
}
