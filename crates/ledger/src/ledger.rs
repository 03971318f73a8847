//! The ledger: the only maker of chained entries, over any store.

use std::ops::Range;

use crate::entry::{Entry, EntryError, EntryIndex, Head, NewEntry};
use crate::store::{Store, StoreError};
use crate::verify::{self, Difference, VerifyError, Walk};

/// Append-only entries under a hash chain.
///
/// Invariants: entries are numbered from zero without gaps; each hash covers the one before; the
/// head only moves when the store has said that the entries are durable; an entry is never changed
/// or removed.
#[derive(Debug)]
pub struct Ledger<S: Store> {
    store: S,
    head: Head,
    /// Set by the first failed append, never cleared: what the disk holds is then unknown until
    /// the store is opened anew.
    poisoned: bool,
}

/// Most entries in one append, so that a transaction stays a fraction of a second of writing.
pub const MAX_ENTRIES_PER_APPEND: usize = 65_536;

/// Entries in one step of a walk: 256 bodies of 64 KiB are 16 MiB at the very most.
const BATCH: usize = 256;

impl<S: Store> Ledger<S> {
    /// Takes up the ledger in `store` after checking its last entry against the one before.
    ///
    /// That finds a torn tail at once and costs two reads; [`Ledger::verify`] checks everything.
    pub fn open(store: S) -> Result<Ledger<S>, OpenError> {
        let head = match store.last()? {
            None => Head::EMPTY,
            Some(tip) => check_tip(&store, &tip)?,
        };
        Ok(Ledger { store, head, poisoned: false })
    }

    /// Returns how far the ledger has come.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Appends all of `entries` or none, and returns their indices once they are durable.
    ///
    /// When the store fails the ledger is poisoned: the entries may or may not have reached the
    /// disk, so every later append is refused until the ledger is opened anew and looks.
    pub fn append(&mut self, entries: Vec<NewEntry>) -> Result<Range<EntryIndex>, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if entries.len() > MAX_ENTRIES_PER_APPEND {
            return Err(AppendError::TooMany { count: entries.len() });
        }
        for (position, entry) in entries.iter().enumerate() {
            entry.check().map_err(|source| AppendError::Entry { position, source })?;
        }
        let start = EntryIndex(self.head.count);
        let mut head = self.head;
        let mut chained = Vec::with_capacity(entries.len());
        for entry in entries {
            let entry = entry.chain(EntryIndex(head.count), head.hash);
            head = Head { count: head.count + 1, hash: entry.hash };
            chained.push(entry);
        }
        if !chained.is_empty() {
            self.store.append(&chained).inspect_err(|_| self.poisoned = true)?;
        }
        self.head = head;
        Ok(start..EntryIndex(head.count))
    }

    /// Returns at most `limit` entries from `from` on, as stored, without checking their hashes.
    pub fn read(&self, from: EntryIndex, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.read(from, limit)
    }

    /// Returns all entries from `from` on, read in bounded batches, without checking their hashes.
    pub fn entries(&self, from: EntryIndex) -> Entries<'_, S> {
        Entries { store: &self.store, next: Some(from), batch: Vec::new().into_iter() }
    }

    /// Walks every entry and returns the head it arrives at.
    ///
    /// What another process has appended since this ledger was opened is walked as well.
    pub fn verify(&self) -> Result<Head, VerifyError> {
        self.verify_against(self.head)
    }

    /// Walks every entry and requires that `known`, a head kept elsewhere, lies on the way.
    ///
    /// Only this finds a cut tail or a history rewritten from some entry to the end: both leave a
    /// chain that is sound in itself.
    pub fn verify_against(&self, known: Head) -> Result<Head, VerifyError> {
        let mut walk = Walk::new(known);
        for entry in self.entries(EntryIndex(0)) {
            let entry = entry.map_err(|error| VerifyError {
                index: walk.expected(),
                what: Difference::Unreadable(error),
            })?;
            walk.step(&entry)?;
        }
        walk.finish()
    }

    /// Gives the store back, to close it or to look at it.
    pub fn into_store(self) -> S {
        self.store
    }
}

/// Returns the head that `tip` stands for, if it follows from the entry before it.
fn check_tip<S: Store>(store: &S, tip: &Entry) -> Result<Head, OpenError> {
    let before = match tip.index.0.checked_sub(1) {
        None => Head::EMPTY,
        Some(previous) => {
            let entries = store.read(EntryIndex(previous), 1)?;
            let found = entries.first().ok_or_else(|| gap(previous, tip.index))?;
            if found.index.0 != previous {
                return Err(gap(previous, found.index));
            }
            Head { count: tip.index.0, hash: found.hash }
        }
    };
    Ok(verify::step(before, tip)?)
}

fn gap(missing: u64, found: EntryIndex) -> OpenError {
    OpenError::Verify(VerifyError { index: EntryIndex(missing), what: Difference::Gap { found } })
}

/// Entries in order, read from the store in bounded batches; ends after the first error.
#[derive(Debug)]
pub struct Entries<'a, S: Store> {
    store: &'a S,
    /// Where the next batch starts; none once the store is exhausted.
    next: Option<EntryIndex>,
    batch: std::vec::IntoIter<Entry>,
}

impl<S: Store> Iterator for Entries<'_, S> {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.batch.next() {
            return Some(Ok(entry));
        }
        match self.store.read(self.next.take()?, BATCH) {
            Ok(batch) => {
                self.next = batch.last().and_then(|entry| entry.index.0.checked_add(1)).map(EntryIndex);
                self.batch = batch.into_iter();
                self.batch.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Why a ledger could not be taken up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error("could not read the last entry")]
    Store(#[from] StoreError),
    /// The last entry does not follow from the one before it.
    #[error("the end of the ledger is damaged")]
    Verify(#[from] VerifyError),
}

/// Why entries were not appended. None of them was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// One of the entries may not be kept; the ledger is unharmed.
    #[error("the entry at position {position} cannot be kept")]
    Entry {
        /// Its place among the entries offered.
        position: usize,
        /// Why.
        source: EntryError,
    },
    /// More than [`MAX_ENTRIES_PER_APPEND`] at once; the ledger is unharmed.
    #[error("{count} entries at once, at most {MAX_ENTRIES_PER_APPEND} are taken")]
    TooMany {
        /// Entries offered.
        count: usize,
    },
    /// An earlier append failed; the ledger must be opened anew.
    #[error("the ledger is poisoned: an earlier append failed, open it anew")]
    Poisoned,
    /// The store failed; the ledger is poisoned from now on.
    #[error("the store failed, the ledger takes no more entries")]
    Store(#[from] StoreError),
}
