//! A store that fails: nothing is tried twice, and the ledger says what it does not know.

use ledger::{AppendError, Entry, EntryIndex, Ledger, MemoryStore, Store, StoreError};

use crate::{entry, fill};

/// Fails the append with the given number, counted from zero, and counts all of them.
struct FailingStore {
    inner: MemoryStore,
    appends: usize,
    failing: usize,
}

impl Store for FailingStore {
    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.appends += 1;
        if self.appends - 1 == self.failing {
            let source = std::io::Error::other("no space left on device").into();
            return Err(StoreError::Io { act: "append entries", source });
        }
        self.inner.append(entries)
    }

    fn read(&self, from: EntryIndex, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.inner.read(from, limit)
    }

    fn last(&self) -> Result<Option<Entry>, StoreError> {
        self.inner.last()
    }
}

#[test]
fn a_failed_append_leaves_nothing_and_poisons_the_ledger() {
    let store = FailingStore { inner: MemoryStore::new(), appends: 0, failing: 2 };
    let mut ledger = Ledger::open(store).unwrap();
    fill(&mut ledger, 20);
    let head = ledger.head();
    assert!(matches!(ledger.append(vec![entry(20)]), Err(AppendError::Store(StoreError::Io { .. }))));
    assert!(matches!(ledger.append(vec![entry(20)]), Err(AppendError::Poisoned)));
    assert_eq!(ledger.head(), head);
    assert_eq!(ledger.verify().unwrap(), head, "what is durable can still be read");
    let store = ledger.into_store();
    assert_eq!(store.appends, 3, "the refused append did not reach the store");
    let mut reopened = Ledger::open(store).unwrap();
    assert_eq!(reopened.append(vec![entry(20)]).unwrap(), EntryIndex(20)..EntryIndex(21));
}

#[test]
fn an_entry_out_of_bounds_refuses_the_whole_append_and_harms_nothing() {
    let mut ledger = Ledger::open(MemoryStore::new()).unwrap();
    fill(&mut ledger, 10);
    let mut long = entry(11);
    long.body = vec![0; 65_537];
    let refused = ledger.append(vec![entry(10), long]);
    assert!(matches!(refused, Err(AppendError::Entry { position: 1, .. })), "{refused:?}");
    let many = (0..65_537).map(entry).collect();
    assert!(matches!(ledger.append(many), Err(AppendError::TooMany { count: 65_537 })));
    assert_eq!(ledger.append(Vec::new()).unwrap(), EntryIndex(10)..EntryIndex(10));
    assert_eq!(ledger.append(vec![entry(10)]).unwrap(), EntryIndex(10)..EntryIndex(11));
}

#[test]
fn a_store_that_someone_else_has_written_to_is_noticed() {
    let mut store = MemoryStore::new();
    let mut ledger = Ledger::open(store.clone()).unwrap();
    ledger.append(vec![entry(0), entry(1)]).unwrap();
    let entries = ledger.read(EntryIndex(0), 2).unwrap();
    let error = store.append(&entries[1..]).unwrap_err();
    assert!(matches!(error, StoreError::Discontinuous { expected: EntryIndex(0), found: EntryIndex(1) }));
    store.append(&entries).unwrap();
    let error = store.append(&entries).unwrap_err();
    assert!(matches!(error, StoreError::Discontinuous { expected: EntryIndex(2), found: EntryIndex(0) }));
}
