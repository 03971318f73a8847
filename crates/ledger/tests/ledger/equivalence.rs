//! Memory and SQLite answer alike to whatever is asked of them.

use ledger::{EntryIndex, Ledger, MemoryStore, NewEntry};
use proptest::prelude::*;

use crate::open;

/// Some of these are within the bounds and some beyond.
fn any_entry() -> impl Strategy<Value = NewEntry> {
    let time = prop_oneof![9 => any::<u32>().prop_map(u64::from), 1 => any::<u64>()];
    let kind = prop_oneof![9 => "[a-z-]{1,32}", 1 => "\\PC{0,40}"];
    let subject = prop_oneof![9 => "\\PC{0,16}", 1 => any::<String>()];
    let body = prop_oneof![
        9 => prop::collection::vec(any::<u8>(), 0..100),
        1 => (65_530_usize..65_540).prop_map(|len| vec![0xa5; len]),
    ];
    (time, kind, subject, body).prop_map(|(recorded_at_us, kind, subject, body)| NewEntry {
        recorded_at_us,
        kind,
        subject,
        body,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_take_refuse_and_return_the_same(
        appends in prop::collection::vec(prop::collection::vec(any_entry(), 0..4), 0..12),
        reopen_after in 0_usize..12,
        from in 0_u64..30,
        limit in 0_usize..30,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Ledger::open(MemoryStore::new()).unwrap();
        let mut sqlite = open(&folder, "ledger.sqlite");
        for (turn, entries) in appends.into_iter().enumerate() {
            let say = |result: Result<_, ledger::AppendError>| result.map_err(|error| format!("{error:?}"));
            prop_assert_eq!(say(memory.append(entries.clone())), say(sqlite.append(entries)));
            prop_assert_eq!(memory.head(), sqlite.head());
            if turn == reopen_after {
                drop(sqlite);
                sqlite = open(&folder, "ledger.sqlite");
            }
        }
        let read = memory.read(EntryIndex(from), limit).unwrap();
        prop_assert_eq!(read, sqlite.read(EntryIndex(from), limit).unwrap());
        prop_assert_eq!(memory.verify().unwrap(), sqlite.verify().unwrap());
    }
}

#[test]
fn a_walk_crosses_its_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder, "ledger.sqlite");
    let range = ledger.append((0..600).map(crate::entry).collect()).unwrap();
    assert_eq!(range, EntryIndex(0)..EntryIndex(600));
    let walked: Vec<u64> = ledger.entries(EntryIndex(5)).map(|entry| entry.unwrap().index.0).collect();
    assert_eq!(walked, (5..600).collect::<Vec<_>>());
    assert_eq!(ledger.verify().unwrap().count, 600);
    assert_eq!(ledger.entries(EntryIndex(u64::MAX)).count(), 0);
}
