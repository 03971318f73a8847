//! A store that forgets: for simulations, where durability is not in question.

use crate::entry::{Entry, EntryIndex};
use crate::store::{Store, StoreError, check_continues};

/// Keeps entries in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    entries: Vec<Entry>,
}

impl MemoryStore {
    /// Returns an empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Takes entries as they are, for whoever wants to ask whether their chain holds.
    pub fn from_entries(entries: Vec<Entry>) -> MemoryStore {
        MemoryStore { entries }
    }
}

impl Store for MemoryStore {
    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let next = self.entries.last().map_or(EntryIndex(0), |entry| EntryIndex(entry.index.0 + 1));
        check_continues(next, entries)?;
        self.entries.extend_from_slice(entries);
        Ok(())
    }

    fn read(&self, from: EntryIndex, limit: usize) -> Result<Vec<Entry>, StoreError> {
        // Not a slice by index: entries taken as they are may have gaps.
        let start = self.entries.partition_point(|entry| entry.index < from);
        Ok(self.entries[start..].iter().take(limit).cloned().collect())
    }

    fn last(&self) -> Result<Option<Entry>, StoreError> {
        Ok(self.entries.last().cloned())
    }
}
