//! Whose file it is: foreign and newer files are refused and stay as they were.

use std::fs;
use std::path::Path;

use ledger::{OpenStoreError, SqliteStore};
use rusqlite::Connection;

use crate::{fill, open};

/// Both ways of opening refuse the file, and not a byte of it changes.
fn check(path: &Path, expected: fn(&OpenStoreError) -> bool) {
    let before = fs::read(path).unwrap();
    for result in [SqliteStore::open(path), SqliteStore::open_read_only(path)] {
        let error = result.unwrap_err();
        assert!(expected(&error), "{error:?}");
    }
    assert_eq!(fs::read(path).unwrap(), before);
}

fn is_foreign(error: &OpenStoreError) -> bool {
    matches!(error, OpenStoreError::Foreign)
}

#[test]
fn another_programs_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.sqlite");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE entry (x); PRAGMA user_version = 1")
        .unwrap();
    check(&path, is_foreign);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "not a database, but long enough to hold a header ".repeat(40)).unwrap();
    check(&path, is_foreign);
}

#[test]
fn an_empty_file_is_not_taken_for_a_new_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    fs::write(&path, "").unwrap();
    check(&path, is_foreign);
}

#[test]
fn a_newer_schema_is_refused_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    drop(open(&folder, "ledger.sqlite"));
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA user_version = 2; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    check(&path, |error| matches!(error, OpenStoreError::OtherVersion { found: 2 }));
}

#[test]
fn a_damaged_header_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    fill(&mut open(&folder, "ledger.sqlite"), 5);
    let mut bytes = fs::read(&path).unwrap();
    bytes[..16].fill(0);
    fs::write(&path, bytes).unwrap();
    check(&path, is_foreign);
}
