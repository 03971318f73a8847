//! What a store must promise. The ledger does the chaining; a store only keeps and returns.

use std::error::Error;

use crate::entry::{Entry, EntryIndex};

/// Keeps entries; knows indices, not hashes.
pub trait Store {
    /// Keeps `entries`, all or none; when it returns `Ok` they are durable.
    ///
    /// They must carry on where the store ends, without a gap: otherwise someone else has written,
    /// and the answer is [`StoreError::Discontinuous`]. An I/O error is reported once and never
    /// tried again, because after a failed sync nobody knows what the disk holds.
    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError>;

    /// Returns at most `limit` entries with an index of `from` or more, in ascending order.
    ///
    /// Fewer than `limit` do not mean the end, only none do: a damaged entry ends the answer before
    /// it, and is an error when it is the first, so that whoever walks learns exactly where.
    fn read(&self, from: EntryIndex, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Returns the entry with the highest index.
    fn last(&self) -> Result<Option<Entry>, StoreError>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        (**self).append(entries)
    }

    fn read(&self, from: EntryIndex, limit: usize) -> Result<Vec<Entry>, StoreError> {
        (**self).read(from, limit)
    }

    fn last(&self) -> Result<Option<Entry>, StoreError> {
        (**self).last()
    }
}

/// Why a store could not keep or return entries.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the database underneath failed.
    #[error("could not {act}")]
    Io {
        /// What was tried, as "append entries".
        act: &'static str,
        /// What the layer below said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store was opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The entries do not carry on where the store ends: someone else has written to it.
    #[error("the store continues at entry {expected}, not at {found}: someone else has written to it")]
    Discontinuous {
        /// The index the store would take next.
        expected: EntryIndex,
        /// The index that was offered.
        found: EntryIndex,
    },
    /// A kept entry is not of a form that was ever written.
    #[error("{what} of entry {index} is not of a form that was ever written")]
    Malformed {
        /// The entry, as far as it can be told.
        index: EntryIndex,
        /// The part that is wrong, as "the hash".
        what: &'static str,
    },
}

/// Returns an error unless `entries` are numbered on from `next`, the first index a store does not hold.
pub(crate) fn check_continues(next: EntryIndex, entries: &[Entry]) -> Result<(), StoreError> {
    for (expected, entry) in (next.0..).map(EntryIndex).zip(entries) {
        if entry.index != expected {
            return Err(StoreError::Discontinuous { expected, found: entry.index });
        }
    }
    Ok(())
}
