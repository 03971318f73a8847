//! Append-only entries under a hash chain, and the stores that keep them.
//!
//! ```text
//!   NewEntry ──Ledger::append──▶ Entry ──Store::append──▶ durable
//!                  │               │
//!                  │ checks bounds │ hash = SHA-256(tag ‖ previous hash ‖ content)
//!                  ▼               ▼
//!             AppendError     Head { count, hash }: whoever keeps a head can later prove
//!                             that nothing before it was changed, removed or reordered
//! ```
//!
//! The ledger knows nothing of campaigns: a body is opaque bytes, `campaign` defines them.
//! It has no clock: the time of an entry comes from the caller.
//!
//! In reading order: [`Ledger`] is the only writer, `entry` says what one entry is and how it
//! is hashed, `verify` what a broken chain looks like, `store` what a store must promise, and
//! `memory` and `sqlite` are the two stores.

mod entry;
mod ledger;
mod memory;
mod sqlite;
mod store;
mod verify;

pub use entry::{
    Entry, EntryError, EntryHash, EntryIndex, Head, HeadParseError, MAX_BODY_LEN, MAX_KIND_LEN,
    MAX_SUBJECT_LEN, NewEntry,
};
pub use ledger::{AppendError, Entries, Ledger, MAX_ENTRIES_PER_APPEND, OpenError};
pub use memory::MemoryStore;
pub use sqlite::{OpenStoreError, SCHEMA_VERSION, SqliteStore};
pub use store::{Store, StoreError};
pub use verify::{Difference, VerifyError};
