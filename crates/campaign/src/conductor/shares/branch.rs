//! A link with others behind it: the head-end with its carriers, a carrier with its cells. It knows who may be next in each
//! of them, and who of these may be next in itself.

use std::collections::{BTreeMap, BTreeSet};

use transfer_engine::ByteRate;

use super::{Link, Party, Path};

/// A link, and what waits behind it.
#[derive(Debug)]
pub(in crate::conductor) struct Branch<K> {
    pub(in crate::conductor) link: Link,
    /// Those behind it that have a slot, by who may be next in them.
    ready: BTreeMap<Party, BTreeSet<(Path, K)>>,
    next_in: BTreeMap<K, Vec<(Party, Path)>>,
}

impl<K: Copy + Ord> Branch<K> {
    pub(super) fn new(rate: ByteRate, line: ByteRate) -> Branch<K> {
        Branch { link: Link::new(rate, line), ready: BTreeMap::new(), next_in: BTreeMap::new() }
    }

    /// Notes who may be next in one that is behind it.
    pub(super) fn note(&mut self, behind: K, next: Vec<(Party, Path)>) {
        for (party, path) in self.next_in.remove(&behind).unwrap_or_default() {
            if let Some(places) = self.ready.get_mut(&party) {
                places.remove(&(path, behind));
                if places.is_empty() {
                    self.ready.remove(&party);
                }
            }
        }
        for (party, path) in &next {
            self.ready.entry(party.clone()).or_default().insert((*path, behind));
        }
        if !next.is_empty() {
            self.next_in.insert(behind, next);
        }
    }

    /// Returns who may be next in it, and with which path.
    pub(super) fn next(&self) -> Vec<(Party, Path)> {
        let firsts = self.ready.iter().filter_map(|(party, places)| Some((party.clone(), places.first()?.0)));
        self.link.may_be_next(firsts)
    }

    /// Returns whose turn it is.
    pub(super) fn turn(&self) -> Option<Party> {
        if !self.link.is_free() {
            return None;
        }
        let class = self.ready.keys().next()?.0;
        let parties = self.ready.keys().take_while(|(other, _)| *other == class);
        parties.min_by_key(|(_, campaign)| self.link.start(campaign)).cloned()
    }

    /// Returns behind what a party has its longest path.
    pub(super) fn place_of(&self, party: &Party) -> Option<K> {
        self.ready.get(party)?.first().map(|(_, place)| *place)
    }

    /// Forgets who waits.
    pub(super) fn clear(&mut self) {
        (self.ready, self.next_in) = (BTreeMap::new(), BTreeMap::new());
    }
}
