//! From rows of four files to one register: what they say about one another is checked.
//!
//! A row that contradicts another is named. Whoever loads lists in part must not have us choose between the two, so
//! that neither of them is taken then, and nothing that rests on them; what is left out can only make the gate refuse.

use std::collections::{BTreeMap, BTreeSet};

use super::filed::{DoubtfulEvidence, join_evidence};
use super::{Dmc, Listing, Proposal, Register};
use crate::combination::{Combination, EpclEntry, PLACES, PpclEntry};
use crate::cpl::CplEntry;
use crate::evidence::Evidence;
use crate::table::{Fault, Faults, FileKind, Lined};
use crate::text::{CplEntryId, DmcId};

/// The rows of the four files with their lines.
#[derive(Debug, Default)]
pub(crate) struct RegisterLines {
    pub cpl: Vec<Lined<CplEntry>>,
    pub epcl: Vec<Lined<EpclEntry>>,
    pub ppcl: Vec<Lined<PpclEntry>>,
    pub evidence: Vec<Lined<Evidence>>,
    /// Combinations about which a row of the EPCL could not be read. It may have said that they were removed.
    pub doubtful: BTreeSet<DmcId>,
    /// The same of the evidence. It may have said that a document was withdrawn.
    pub doubtful_evidence: DoubtfulEvidence,
}

/// Joins what is sound. With no faults that is everything.
pub(crate) fn join(lines: RegisterLines, faults: &mut Faults) -> Register {
    let entries = join_entries(lines.cpl, faults);
    let mut combinations = Combinations { contested: lines.doubtful, ..Combinations::default() };
    for Lined { line, row } in lines.epcl {
        let at = Place { file: FileKind::Epcl, line };
        let sound = check_places(&row.combination, &entries, at, faults);
        if let Some(dmc) = combinations.take(row.id, row.combination, at, sound, faults) {
            dmc.listing = Some(Listing { added: row.date_added, removed: row.date_removed });
        }
    }
    for Lined { line, row } in lines.ppcl {
        let at = Place { file: FileKind::Ppcl, line };
        let sound = check_places(&row.combination, &entries, at, faults);
        if let Some(dmc) = combinations.take(row.id, row.combination, at, sound, faults) {
            dmc.proposal = Some(Proposal { date: row.date_proposed, uneconomic: row.uneconomic });
        }
    }
    let mut dmcs = combinations.settle(faults);
    join_evidence(lines.evidence, lines.doubtful_evidence, &mut dmcs, faults);
    Register::new(entries, dmcs)
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
    taken: Vec<(Place, DmcId)>,
    /// Ids about which rows contradict one another.
    contested: BTreeSet<DmcId>,
}

impl Combinations {
    /// Takes a combination under its id. It may stand in both files, as the same; in one file it stands once.
    fn take(
        &mut self,
        id: DmcId,
        combination: Combination,
        at: Place,
        sound: bool,
        faults: &mut Faults,
    ) -> Option<&mut Dmc> {
        if let Some(first_line) = self.lines.get(&(at.file, id.clone())) {
            faults.add_twice(at.file, at.line, "dmc_id", id.as_str(), *first_line);
            return self.contest(id, faults);
        }
        self.lines.insert((at.file, id.clone()), at.line);
        if !sound {
            return self.contest(id, faults);
        }
        if let Some(known) = self.by_combination.get(&combination).filter(|known| **known != id) {
            let place = FileKind::COMBINATIONS.iter().find_map(|file| {
                self.lines.get(&(*file, known.clone())).map(|line| format!("{file} line {line}"))
            });
            let place = place.unwrap_or_default();
            let expected = format!("the id {known}, under which {place} has the same combination");
            faults.add(at.fault("dmc_id", &expected, id.as_str()));
            self.contested.insert(known.clone());
            return self.contest(id, faults);
        }
        if let Some(known) = self.dmcs.get(&id).filter(|known| known.combination != combination) {
            let expected = format!("the combination it has in epcl.csv: {}", known.combination.view());
            faults.add(at.fault("dmc_id", &expected, &combination.view().to_string()));
            return self.contest(id, faults);
        }
        self.by_combination.insert(combination.clone(), id.clone());
        self.taken.push((at, id.clone()));
        Some(self.dmcs.entry(id.clone()).or_insert_with(|| Dmc::new(id, combination)))
    }

    fn contest(&mut self, id: DmcId, faults: &mut Faults) -> Option<&mut Dmc> {
        faults.leave_out_row();
        self.contested.insert(id);
        None
    }

    /// Returns the combinations about which nothing is contradictory.
    fn settle(mut self, faults: &mut Faults) -> BTreeMap<DmcId, Dmc> {
        for (at, id) in self.taken.iter().filter(|(_, id)| self.contested.contains(id)) {
            let expected = "a combination of which every row of epcl.csv and ppcl.csv is sound";
            faults.leave_out(|| at.fault("dmc_id", expected, id.as_str()));
        }
        if faults.is_in_part() {
            self.dmcs.retain(|id, _| !self.contested.contains(id));
        }
        self.dmcs
    }
}

/// Gathers the product list and checks what its rows say about one another.
fn join_entries(rows: Vec<Lined<CplEntry>>, faults: &mut Faults) -> BTreeMap<CplEntryId, CplEntry> {
    let mut lines: BTreeMap<CplEntryId, u64> = BTreeMap::new();
    let mut entries: BTreeMap<CplEntryId, CplEntry> = BTreeMap::new();
    let mut unsound: BTreeSet<CplEntryId> = BTreeSet::new();
    let at = |line: Option<&u64>| Place { file: FileKind::Cpl, line: line.copied().unwrap_or_default() };
    for Lined { line, row } in rows {
        if let Some(first_line) = lines.get(&row.id) {
            faults.add_twice(FileKind::Cpl, line, "entry_id", row.id.as_str(), *first_line);
            faults.leave_out_row();
            unsound.insert(row.id);
            continue;
        }
        lines.insert(row.id.clone(), line);
        entries.insert(row.id.clone(), row);
    }
    for id in &unsound {
        let expected = "an entry that stands there once";
        faults.leave_out(|| at(lines.get(id)).fault("entry_id", expected, id.as_str()));
    }
    let known = |predecessor: &CplEntryId, entry: &CplEntry| {
        entries.get(predecessor).is_some_and(|known| {
            known.id != entry.id && known.device_type == entry.device_type && known.model == entry.model
        })
    };
    for entry in entries.values() {
        for predecessor in entry.predecessors.named().filter(|predecessor| !known(predecessor, entry)) {
            let expected = "other entries of this file for the same device type and model";
            faults.add(at(lines.get(&entry.id)).fault("predecessors", expected, predecessor.as_str()));
            if unsound.insert(entry.id.clone()) {
                faults.leave_out_row();
            }
        }
    }
    // An entry that is left out is no predecessor for others either: until nothing more goes.
    while !unsound.is_empty() {
        entries.retain(|id, _| !unsound.contains(id));
        let lost = |entry: &&CplEntry| entry.predecessors.named().any(|id| unsound.contains(id));
        let next: BTreeSet<CplEntryId> =
            entries.values().filter(lost).map(|entry| entry.id.clone()).collect();
        for id in &next {
            let expected = "predecessors of which each is sound";
            faults.leave_out(|| at(lines.get(id)).fault("predecessors", expected, id.as_str()));
        }
        unsound = next;
    }
    entries
}

/// Checks that each place of a combination holds a known entry of the right type.
fn check_places(
    combination: &Combination,
    entries: &BTreeMap<CplEntryId, CplEntry>,
    at: Place,
    faults: &mut Faults,
) -> bool {
    let mut sound = true;
    for (device_type, column) in PLACES {
        let Some(id) = combination.place(device_type) else { continue };
        if entries.get(id).is_none_or(|entry| entry.device_type != device_type) {
            let expected = format!("an entry of cpl.csv for a device of type {device_type}");
            faults.add(at.fault(column, &expected, id.as_str()));
            sound = false;
        }
    }
    sound
}
