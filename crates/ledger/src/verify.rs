//! Walks a chain and says where it breaks first, and how.

use crate::entry::{Entry, EntryHash, EntryIndex, Head};
use crate::store::StoreError;

/// The first entry that does not hold.
#[derive(Debug, thiserror::Error)]
#[error("entry {index} does not hold")]
pub struct VerifyError {
    /// Where.
    pub index: EntryIndex,
    /// What differs from what was written.
    #[source]
    pub what: Difference,
}

/// What differs from what was written.
#[derive(Debug, thiserror::Error)]
pub enum Difference {
    /// The entry or its predecessor was changed.
    #[error("its hash is {found}, its content and predecessor give {expected}")]
    Hash {
        /// What content and predecessor give.
        expected: EntryHash,
        /// What the entry carries.
        found: EntryHash,
    },
    /// Entries are missing here.
    #[error("it is missing, the next one is entry {found}")]
    Gap {
        /// The entry found in its place.
        found: EntryIndex,
    },
    /// The store returned an entry a second time or out of order.
    #[error("entry {found} stands in its place")]
    Order {
        /// The entry found in its place.
        found: EntryIndex,
    },
    /// The ledger ends before the head that is known.
    #[error("it is missing, the known head counts {known} entries: the tail was cut")]
    Cut {
        /// Entries the known head counts.
        known: u64,
    },
    /// The chain is sound in itself and is not the one the known head belongs to.
    #[error("its hash is {found}, the known head says {known}: this is another history")]
    OtherHistory {
        /// The hash of the known head.
        known: EntryHash,
        /// The hash the chain has there.
        found: EntryHash,
    },
    /// The store could not return it.
    #[error(transparent)]
    Unreadable(#[from] StoreError),
}

/// The state of a walk: what was seen so far, and what must come next.
pub(crate) struct Walk {
    seen: Head,
    known: Head,
}

impl Walk {
    /// Begins at the first entry; `known` is a head that must lie on the way.
    pub(crate) fn new(known: Head) -> Walk {
        Walk { seen: Head::EMPTY, known }
    }

    /// Returns the index that must come next.
    pub(crate) fn expected(&self) -> EntryIndex {
        EntryIndex(self.seen.count)
    }

    /// Takes the next entry the store returned.
    pub(crate) fn step(&mut self, entry: &Entry) -> Result<(), VerifyError> {
        self.seen = step(self.seen, entry)?;
        if self.seen.count == self.known.count && self.seen.hash != self.known.hash {
            let what = Difference::OtherHistory { known: self.known.hash, found: self.seen.hash };
            return Err(VerifyError { index: entry.index, what });
        }
        Ok(())
    }

    /// Ends the walk where the store ends.
    pub(crate) fn finish(self) -> Result<Head, VerifyError> {
        if self.seen.count < self.known.count {
            return Err(VerifyError {
                index: self.expected(),
                what: Difference::Cut { known: self.known.count },
            });
        }
        Ok(self.seen)
    }
}

/// Returns the head after `entry`, if `entry` is the one that follows `seen`.
pub(crate) fn step(seen: Head, entry: &Entry) -> Result<Head, VerifyError> {
    let index = EntryIndex(seen.count);
    let found = entry.index;
    if found > index {
        return Err(VerifyError { index, what: Difference::Gap { found } });
    }
    if found < index {
        return Err(VerifyError { index, what: Difference::Order { found } });
    }
    let expected = entry.hash_after(seen.hash);
    if entry.hash != expected {
        return Err(VerifyError { index, what: Difference::Hash { expected, found: entry.hash } });
    }
    Ok(Head { count: index.0 + 1, hash: entry.hash })
}
