//! The register: product list, combinations and evidence, cross-checked, with look-ups by id and by combination.
//!
//! It answers what is known; what follows from it is the gate's.

mod filed;
mod join;

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::io::Read;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use jiff::civil::Date;

use crate::catalogue::Catalogue;
use crate::combination::{Combination, CombinationView, EpclEntry, PpclEntry};
use crate::cpl::{CplEntry, Predecessors};
use crate::evidence::{Evidence, EvidenceKind};
use crate::table::{CsvRows, Faults, LoadError, number_lines, read_lines};
use crate::text::{CplEntryId, DmcId};

use filed::Filed;
pub(crate) use join::{RegisterLines, join};

/// Everything known about models, combinations and evidence. Replaced as a whole when a file changes.
#[derive(Debug, Clone)]
pub struct Register {
    entries: Catalogue<CplEntryId, CplEntry>,
    dmcs: Catalogue<DmcId, Dmc>,
    by_combination: HashTable<u32>,
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
    pub listing: Option<Listing>,
    pub proposal: Option<Proposal>,
    /// The documents of each kind.
    filed: [Filed; EvidenceKind::ALL.len()],
}

/// When a combination was on the EPCL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listing {
    pub added: Date,
    pub removed: Option<Date>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub date: Date,
    pub uneconomic: bool,
}

impl Register {
    /// Reads and cross-checks the four files: all of them are good, or nothing is taken.
    pub fn load<R: Read>(files: RegisterFiles<R>) -> Result<Self, LoadError> {
        let mut faults = Faults::default();
        let lines = RegisterLines {
            cpl: read_lines(&mut CsvRows::new(files.cpl), &mut faults),
            epcl: read_lines(&mut CsvRows::new(files.epcl), &mut faults),
            ppcl: read_lines(&mut CsvRows::new(files.ppcl), &mut faults),
            evidence: read_lines(&mut CsvRows::new(files.evidence), &mut faults),
            ..RegisterLines::default()
        };
        if !faults.is_empty() {
            // A row that is missing because of its own fault would only make more faults elsewhere.
            return Err(faults.into_error());
        }
        let register = join(lines, &mut faults);
        faults.into_result(register)
    }

    /// Cross-checks rows that were made, not read. A fault names the line the row would be written on.
    pub fn from_rows(rows: RegisterRows) -> Result<Self, LoadError> {
        let mut faults = Faults::default();
        let lines = RegisterLines {
            cpl: number_lines(rows.cpl),
            epcl: number_lines(rows.epcl),
            ppcl: number_lines(rows.ppcl),
            evidence: number_lines(rows.evidence),
            ..RegisterLines::default()
        };
        let register = join(lines, &mut faults);
        faults.into_result(register)
    }

    fn new(entries: BTreeMap<CplEntryId, CplEntry>, dmcs: BTreeMap<DmcId, Dmc>) -> Self {
        let dmcs = Catalogue::new(dmcs);
        let mut by_combination = HashTable::new();
        for (place, dmc) in (0..).zip(dmcs.iter()) {
            let rehash = |place: &u32| dmcs.at(*place).map_or(0, |dmc: &Dmc| hash(&dmc.combination.view()));
            by_combination.insert_unique(hash(&dmc.combination.view()), place, rehash);
        }
        Self { entries: Catalogue::new(entries), dmcs, by_combination }
    }

    /// Returns an entry of the product list.
    pub fn entry(&self, id: &CplEntryId) -> Option<&CplEntry> {
        self.entries.get(id)
    }

    /// Returns the product list, in the order of the ids.
    pub fn entries(&self) -> impl Iterator<Item = &CplEntry> {
        self.entries.iter()
    }

    /// Says whether a target is for the model that a device runs: the same type, manufacturer and model.
    pub fn is_for_model(&self, running: &CplEntryId, target: &CplEntryId) -> bool {
        let (Some(running), Some(target)) = (self.entry(running), self.entry(target)) else { return false };
        (running.device_type, &running.manufacturer, &running.model)
            == (target.device_type, &target.manufacturer, &target.model)
    }

    /// Returns the shortest way from one version to another over permitted predecessors, without the first and with
    /// the last; `None` when there is none. Each step is an order of its own, with evidence of its own.
    pub fn way<'a>(&'a self, from: &'a CplEntryId, to: &'a CplEntryId) -> Option<Vec<&'a CplEntryId>> {
        // Backwards from the target; each entry is met once, so that the search ends.
        let mut after: BTreeMap<&CplEntryId, &CplEntryId> = BTreeMap::new();
        let mut waiting = VecDeque::from([to]);
        while let Some(here) = waiting.pop_front() {
            if here == from {
                let steps = std::iter::successors(after.get(from).copied(), |step| after.get(step).copied());
                return Some(steps.collect());
            }
            let predecessors = &self.entry(here)?.predecessors;
            // "N/A" permits any version, but people are sent through named ones only, and never backwards.
            let is_later = self.entry(from)?.firmware < self.entry(here)?.firmware;
            let any = *predecessors == Predecessors::Any && is_later && self.is_for_model(from, here);
            let any = any.then_some(from);
            for predecessor in predecessors.named().chain(any) {
                if predecessor != to && !after.contains_key(predecessor) {
                    after.insert(predecessor, here);
                    waiting.push_back(predecessor);
                }
            }
        }
        None
    }

    /// Returns the combination behind an id, whether listed or proposed.
    pub fn combination(&self, id: &DmcId) -> Option<&Combination> {
        self.dmc(id).map(|dmc| &dmc.combination)
    }

    /// Returns the id of a combination, when it is listed or proposed.
    pub fn dmc_of(&self, combination: &Combination) -> Option<&DmcId> {
        self.find(&combination.view()).map(|dmc| &dmc.id)
    }

    pub(crate) fn dmc(&self, id: &DmcId) -> Option<&Dmc> {
        self.dmcs.get(id)
    }

    pub(crate) fn find(&self, combination: &CombinationView<'_>) -> Option<&Dmc> {
        let is_it =
            |place: &u32| self.dmcs.at(*place).is_some_and(|dmc| dmc.combination.view() == *combination);
        self.by_combination.find(hash(combination), is_it).and_then(|place| self.dmcs.at(*place))
    }
}

fn hash(combination: &CombinationView<'_>) -> u64 {
    FixedState::default().hash_one(combination)
}

impl Dmc {
    fn new(id: DmcId, combination: Combination) -> Self {
        Self { id, combination, listing: None, proposal: None, filed: Default::default() }
    }

    /// Returns since when the combination is on the EPCL, if it is on a day.
    pub(crate) fn listed_on(&self, today: Date) -> Option<Date> {
        let listing = self.listing.filter(|listing| listing.added <= today)?;
        listing.removed.is_none_or(|removed| removed > today).then_some(listing.added)
    }

    /// Returns when the combination was removed from the EPCL, if that was by a day.
    pub(crate) fn removed_by(&self, today: Date) -> Option<Date> {
        self.listing.and_then(|listing| listing.removed).filter(|removed| *removed <= today)
    }

    /// Returns the proposal when it stands on a day. After a removal from the EPCL only a later one does.
    pub(crate) fn proposal_on(&self, today: Date) -> Option<Proposal> {
        self.proposal.filter(|proposal| proposal.date <= today && self.is_fresh(proposal.date, today))
    }

    /// Returns the evidence of a kind that is not withdrawn by a day, whatever else its state.
    pub(crate) fn evidence(&self, kind: EvidenceKind, today: Date) -> Option<&Evidence> {
        self.filed.get(kind.index())?.in_force(today)
    }

    /// Returns the evidence of a kind that was withdrawn last.
    pub(crate) fn withdrawn(&self, kind: EvidenceKind, today: Date) -> Option<&Evidence> {
        self.filed.get(kind.index())?.withdrawn(today)
    }

    /// Returns the evidence of a kind when it counts on a day.
    pub(crate) fn counting(&self, kind: EvidenceKind, today: Date) -> Option<&Evidence> {
        self.evidence(kind, today)
            .filter(|evidence| evidence.counts_on(today) && self.is_fresh(evidence.date, today))
    }

    /// `[I]` What was written before a combination was removed from the EPCL did not keep it there, so it counts no
    /// longer.
    fn is_fresh(&self, date: Date, today: Date) -> bool {
        self.removed_by(today).is_none_or(|removed| date > removed)
    }
}
