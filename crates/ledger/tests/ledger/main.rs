//! The ledger from outside: what tampering it finds, what its stores promise, what a crash leaves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod crash;
mod equivalence;
mod exclusive;
mod identity;
mod poison;
mod tamper;

use ledger::{Ledger, NewEntry, SqliteStore, Store};

/// Returns the `n`-th of a family of small, distinct entries.
fn entry(n: u64) -> NewEntry {
    NewEntry {
        recorded_at_us: 1_795_392_000_000_000 + n,
        kind: if n.is_multiple_of(3) { "instruction".to_owned() } else { "outcome".to_owned() },
        subject: format!("c-{:04}", n % 7),
        body: n.to_be_bytes().repeat(1 + usize::try_from(n % 5).expect("small")),
    }
}

/// Appends the first `count` entries of the family, ten at a time.
fn fill<S: Store>(ledger: &mut Ledger<S>, count: u64) {
    for start in (0..count).step_by(10) {
        ledger.append((start..count.min(start + 10)).map(entry).collect()).unwrap();
    }
}

/// Opens the ledger file `name` in `folder` for writing.
fn open(folder: &tempfile::TempDir, name: &str) -> Ledger<SqliteStore> {
    Ledger::open(SqliteStore::open(&folder.path().join(name)).unwrap()).unwrap()
}
