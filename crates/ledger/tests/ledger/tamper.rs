//! Two hundred entries, each of them damaged in each way.

use ledger::{Difference, Entry, EntryHash, EntryIndex, Head, Ledger, MemoryStore, OpenError, VerifyError};
use rusqlite::{Connection, params};

use crate::{entry, fill, open};

const COUNT: u64 = 200;

fn written() -> (Vec<Entry>, Head) {
    let mut ledger = Ledger::open(MemoryStore::new()).unwrap();
    fill(&mut ledger, COUNT);
    (ledger.read(EntryIndex(0), usize::MAX).unwrap(), ledger.head())
}

/// Returns what is found, on opening or on walking, when `damage` was done to a sound log.
fn check(damage: impl FnOnce(&mut Vec<Entry>)) -> VerifyError {
    let (mut entries, head) = written();
    damage(&mut entries);
    match Ledger::open(MemoryStore::from_entries(entries)) {
        Err(OpenError::Verify(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(ledger) => ledger.verify_against(head).unwrap_err(),
    }
}

#[test]
fn a_sound_log_verifies_to_its_head() {
    let (entries, head) = written();
    let ledger = Ledger::open(MemoryStore::from_entries(entries)).unwrap();
    assert_eq!(ledger.head(), head);
    assert_eq!(ledger.verify().unwrap(), head);
    assert_eq!(ledger.verify_against(head).unwrap(), head);
}

#[test]
fn a_flipped_bit_in_any_field_of_any_entry_is_found_there() {
    let flips: [fn(&mut Entry); 5] = [
        |e| e.recorded_at_us ^= 1,
        |e| e.kind.push('s'),
        |e| e.subject = e.subject.to_uppercase(),
        |e| e.body[0] ^= 0x80,
        |e| {
            let mut hash = *e.hash.as_bytes();
            hash[31] ^= 1;
            e.hash = EntryHash::from_bytes(hash);
        },
    ];
    for index in 0..COUNT {
        for flip in flips {
            let error = check(|entries| flip(&mut entries[usize::try_from(index).unwrap()]));
            assert!(matches!(error.what, Difference::Hash { .. }), "{index}: {error:?}");
            // A changed hash of the last but one is already found on opening, at the last.
            assert!(
                error.index.0 == index || (index == COUNT - 2 && error.index.0 == COUNT - 1),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_deleted_entry_is_found_where_it_was() {
    for index in 0..COUNT - 1 {
        let error = check(|entries| drop(entries.remove(usize::try_from(index).unwrap())));
        assert_eq!(error.index.0, index);
        assert!(matches!(error.what, Difference::Gap { found } if found.0 == index + 1), "{error:?}");
    }
}

#[test]
fn two_entries_that_changed_places_are_found() {
    for index in 0..COUNT - 1 {
        let at = usize::try_from(index).unwrap();
        let content = check(|entries| {
            let (one, other) = (entries[at].body.clone(), entries[at + 1].body.clone());
            entries[at].body = other;
            entries[at + 1].body = one;
        });
        assert!(matches!(content.what, Difference::Hash { .. }), "{content:?}");
        let numbered = check(|entries| {
            entries.swap(at, at + 1);
            entries[at].index = EntryIndex(index);
            entries[at + 1].index = EntryIndex(index + 1);
        });
        assert!(matches!(numbered.what, Difference::Hash { .. }), "{numbered:?}");
    }
}

#[test]
fn an_entry_returned_twice_is_out_of_order() {
    let error = check(|entries| entries.insert(100, entries[99].clone()));
    assert_eq!(error.index.0, 100);
    assert!(matches!(error.what, Difference::Order { found: EntryIndex(99) }), "{error:?}");
}

#[test]
fn a_cut_tail_is_found_only_against_a_known_head() {
    let (entries, head) = written();
    for count in 0..COUNT {
        let kept = entries[..usize::try_from(count).unwrap()].to_vec();
        let ledger = Ledger::open(MemoryStore::from_entries(kept)).unwrap();
        assert_eq!(ledger.verify().unwrap().count, count, "sound in itself");
        let error = ledger.verify_against(head).unwrap_err();
        assert_eq!(error.index.0, count);
        assert!(matches!(error.what, Difference::Cut { known: COUNT }), "{error:?}");
    }
}

#[test]
fn a_history_rewritten_to_the_end_is_found_against_any_later_head() {
    let (_, head) = written();
    let mut other = Ledger::open(MemoryStore::new()).unwrap();
    let mut forged = entry(150);
    forged.body = b"approved".to_vec();
    let all = (0..COUNT + 20).map(|n| if n == 150 { forged.clone() } else { entry(n) }).collect();
    other.append(all).unwrap();
    other.verify().unwrap();
    let error = other.verify_against(head).unwrap_err();
    assert_eq!(error.index.0, COUNT - 1);
    assert!(matches!(error.what, Difference::OtherHistory { .. }), "{error:?}");
}

#[test]
fn a_log_that_has_grown_still_holds_its_old_heads() {
    let (_, head) = written();
    let mut ledger = Ledger::open(MemoryStore::new()).unwrap();
    fill(&mut ledger, COUNT);
    ledger.append(vec![entry(COUNT)]).unwrap();
    assert_eq!(ledger.verify_against(head).unwrap().count, COUNT + 1);
}

#[test]
fn damage_done_inside_the_file_is_found_and_named() {
    let cases: [(&str, i64, &str); 7] = [
        ("UPDATE entry SET body = x'00' WHERE entry_index = ?1", 57, "content and predecessor give"),
        ("UPDATE entry SET body = zeroblob(70000) WHERE entry_index = ?1", 58, "the body of entry 58"),
        ("UPDATE entry SET hash = x'0011' WHERE entry_index = ?1", 59, "the hash of entry 59"),
        ("UPDATE entry SET recorded_at_us = -1 WHERE entry_index = ?1", 60, "the time of entry 60"),
        ("UPDATE entry SET kind = CAST(x'ff' AS TEXT) WHERE entry_index = ?1", 61, "the kind of entry 61"),
        (
            "UPDATE entry SET subject = subject || ' ' WHERE entry_index = ?1",
            62,
            "content and predecessor give",
        ),
        ("DELETE FROM entry WHERE entry_index = ?1", 63, "the next one is entry 64"),
    ];
    for (statement, index, said) in cases {
        let folder = tempfile::tempdir().unwrap();
        fill(&mut open(&folder, "ledger.sqlite"), COUNT);
        let path = folder.path().join("ledger.sqlite");
        let changed = Connection::open(&path).unwrap().execute(statement, params![index]).unwrap();
        assert_eq!(changed, 1, "{statement}");
        let store = ledger::SqliteStore::open_read_only(&path).unwrap();
        let error = match Ledger::open(store) {
            Err(OpenError::Verify(error)) => error,
            Err(error) => panic!("{error:?}"),
            Ok(ledger) => ledger.verify().unwrap_err(),
        };
        assert_eq!(error.index.0, index.cast_unsigned(), "{statement}");
        assert!(error.what.to_string().contains(said), "{statement}: {}", error.what);
    }
}

#[test]
fn a_last_entry_moved_away_is_found_on_opening() {
    let error = check(|entries| entries.last_mut().unwrap().index = EntryIndex(5000));
    assert_eq!(error.index.0, 4999);
    assert!(matches!(error.what, Difference::Gap { found: EntryIndex(5000) }), "{error:?}");
}
