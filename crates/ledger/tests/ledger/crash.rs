//! What a killed process leaves: the files as they are at some moment, with no close and no checkpoint.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use ledger::{EntryIndex, Ledger, OpenStoreError, SqliteStore, Store};
use rusqlite::Connection;

use crate::{entry, fill, open};

/// Copies database and write-ahead log as a kill would leave them, without the shared memory.
fn freeze(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    fs::copy(wal(from), wal(to)).unwrap();
}

fn wal(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[test]
fn everything_acknowledged_before_a_kill_is_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut living = open(&folder, "ledger.sqlite");
    for n in 0..12 {
        living.append(vec![entry(n)]).unwrap();
        let name = format!("killed-{n}.sqlite");
        freeze(&folder.path().join("ledger.sqlite"), &folder.path().join(&name));
        let mut reopened = open(&folder, &name);
        assert_eq!(reopened.head(), living.head());
        reopened.verify().unwrap();
        assert_eq!(reopened.append(vec![entry(n + 1)]).unwrap().start, EntryIndex(n + 1));
    }
}

#[test]
fn a_torn_append_leaves_none_of_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let mut living = open(&folder, "ledger.sqlite");
    let path = folder.path().join("ledger.sqlite");
    fill(&mut living, 10);
    let before = fs::metadata(wal(&path)).unwrap().len();
    living.append((10..40).map(entry).collect()).unwrap();
    let after = fs::metadata(wal(&path)).unwrap().len();
    assert!(after > before);
    for len in (before..after).step_by(509) {
        let torn = folder.path().join("torn.sqlite");
        freeze(&path, &torn);
        fs::OpenOptions::new().write(true).open(wal(&torn)).unwrap().set_len(len).unwrap();
        let reopened = open(&folder, "torn.sqlite");
        assert_eq!(reopened.verify().unwrap().count, 10, "{len} of {after} bytes");
        drop(reopened);
        let _ = fs::remove_file(wal(&torn));
    }
}

#[test]
fn a_failure_in_the_middle_of_an_append_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    fill(&mut open(&folder, "ledger.sqlite"), 10);
    let trigger = "CREATE TRIGGER fail BEFORE INSERT ON entry WHEN NEW.entry_index = 13
                   BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END";
    Connection::open(&path).unwrap().execute_batch(trigger).unwrap();
    let mut ledger = open(&folder, "ledger.sqlite");
    ledger.append((10..20).map(entry).collect()).unwrap_err();
    ledger.append(vec![entry(10)]).unwrap_err();
    drop(ledger);
    let reopened = open(&folder, "ledger.sqlite");
    assert_eq!(reopened.verify().unwrap().count, 10);
}

#[test]
fn a_killed_creation_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ledger.sqlite.new"), "half a database").unwrap();
    fs::write(folder.path().join("ledger.sqlite.new-journal"), "half a journal").unwrap();
    fill(&mut open(&folder, "ledger.sqlite"), 3);
    assert_eq!(open(&folder, "ledger.sqlite").verify().unwrap().count, 3);
    assert!(!folder.path().join("ledger.sqlite.new").exists());
}

#[test]
fn the_file_is_durable_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut ledger = open(&folder, "ledger.sqlite");
    fill(&mut ledger, 1);
    let mode: String =
        Connection::open(&path).unwrap().pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let store: SqliteStore = ledger.into_store();
    assert_eq!(store.last().unwrap().unwrap().index, EntryIndex(0));
    Ledger::open(store).unwrap();
}

/// Set in the environment of the process that is going to be killed: the ledger it writes.
const VICTIM: &str = "LEDGER_TEST_VICTIM";

/// The other half of the test below; by itself it does nothing.
#[test]
fn a_writer_that_is_going_to_be_killed() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let mut ledger = Ledger::open(SqliteStore::open(Path::new(&path)).unwrap()).unwrap();
    // Ends by itself should the killer die first.
    for n in 0..100_000 {
        let range = ledger.append((n * 7..n * 7 + 7).map(entry).collect()).unwrap();
        writeln!(std::io::stderr(), "durable {}", range.end).unwrap();
    }
}

#[test]
fn a_writer_killed_at_any_moment_loses_nothing_it_had_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    for (round, acknowledgements) in [1, 2, 5, 17, 40].into_iter().enumerate() {
        let path = folder.path().join(format!("round-{round}.sqlite"));
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::a_writer_that_is_going_to_be_killed", "--nocapture"])
            .env(VICTIM, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stderr.take().unwrap()).lines();
        let mut acknowledged = 0;
        for _ in 0..acknowledgements {
            let line = lines.next().unwrap().unwrap();
            acknowledged = line.strip_prefix("durable ").unwrap().parse().unwrap();
        }
        assert!(matches!(SqliteStore::open(&path), Err(OpenStoreError::InUse)), "another process has it");
        victim.kill().unwrap();
        victim.wait().unwrap();
        let mut reopened = Ledger::open(SqliteStore::open(&path).unwrap()).unwrap();
        let head = reopened.verify().unwrap();
        assert!(head.count >= acknowledged, "{head} after {acknowledged} were acknowledged");
        assert_eq!(head.count % 7, 0, "appends are whole");
        reopened.append(vec![entry(head.count)]).unwrap();
    }
}
