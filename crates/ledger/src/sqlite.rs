//! A store in one SQLite file: what `serve` keeps and an auditor reads.
//!
//! | matter | choice | why |
//! |---|---|---|
//! | journal | write-ahead log, `synchronous=FULL` | each append is one sync, and readers never wait |
//! | writers | one: an advisory lock on `FILE.lock` | SQLite's own exclusive mode would shut readers out |
//! | readers | any number, while the writer works | `ledger verify` beside `serve` |
//! | creation | beside the file, then renamed | a half-made ledger is never found under its name |
//! | whose file | `application_id` and `user_version` | a foreign or newer file is refused, untouched |
//!
//! A reader needs to write the shared-memory file beside the database: copy a ledger out of a
//! read-only folder before reading it.
//!
//! Syncing stops at what SQLite can see: if the disk loses the end of the write-ahead log, the
//! entries in it are gone without a trace in the file. Keep heads elsewhere to notice.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, TransactionBehavior, params};

use crate::entry::{Entry, EntryHash, EntryIndex, MAX_BODY_LEN, MAX_KIND_LEN, MAX_SUBJECT_LEN};
use crate::store::{Store, StoreError, check_continues};

/// Keeps entries in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    /// Held as long as the store lives; a reader has none. Declared after the connection, so that
    /// the database is closed before another writer may come.
    lock: Option<WriterLock>,
}

/// Version of the table below; a file that says more was written by a newer program.
pub const SCHEMA_VERSION: i32 = 1;

/// Says in the file's header that it is a ledger of ours: "LLdg".
const APPLICATION_ID: i32 = 0x4c4c_6467;

/// `STRICT` keeps SQLite from storing a value under another type than we wrote.
const SCHEMA: &str = "
    CREATE TABLE entry (
        entry_index    INTEGER PRIMARY KEY CHECK (entry_index >= 0),
        recorded_at_us INTEGER NOT NULL,
        kind           TEXT NOT NULL,
        subject        TEXT NOT NULL,
        body           BLOB NOT NULL,
        hash           BLOB NOT NULL
    ) STRICT;";

const COLUMNS: &str = "entry_index, recorded_at_us, kind, subject, body, hash";

/// What may be done with the connection; names are file paths, never URIs.
const READ_ONLY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
const READ_WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

impl SqliteStore {
    /// Opens the ledger file at `path` for writing, and creates it if there is none.
    ///
    /// Refused while another process (or another store of this one) has it open for writing.
    pub fn open(path: &Path) -> Result<SqliteStore, OpenStoreError> {
        let path = resolve(path)?;
        let lock = lock(&path)?;
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            create(&path)?;
        }
        check_identity(&path)?;
        let connection = Connection::open_with_flags(&path, READ_WRITE).map_err(OpenStoreError::Database)?;
        set_durable(&connection).map_err(OpenStoreError::Database)?;
        Ok(SqliteStore { connection, lock: Some(lock) })
    }

    /// Opens the ledger file at `path` for reading; a writer may be at work at the same time.
    pub fn open_read_only(path: &Path) -> Result<SqliteStore, OpenStoreError> {
        let connection = check_identity(&resolve(path)?)?;
        Ok(SqliteStore { connection, lock: None })
    }
}

impl Store for SqliteStore {
    fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        if self.lock.is_none() {
            return Err(StoreError::ReadOnly);
        }
        let failed = |source| database_error("append entries", source);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let next: i64 = transaction
            .query_row("SELECT coalesce(max(entry_index) + 1, 0) FROM entry", [], |row| row.get(0))
            .map_err(failed)?;
        check_continues(EntryIndex(next.cast_unsigned()), entries)?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
                .map_err(failed)?;
            for entry in entries {
                let row = params![
                    entry.index.0.cast_signed(),
                    entry.recorded_at_us.cast_signed(),
                    entry.kind,
                    entry.subject,
                    entry.body,
                    entry.hash.as_bytes().as_slice(),
                ];
                insert.execute(row).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    fn read(&self, from: EntryIndex, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let Ok(from) = i64::try_from(from.0) else { return Ok(Vec::new()) };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query =
            format!("SELECT {COLUMNS} FROM entry WHERE entry_index >= ?1 ORDER BY entry_index LIMIT ?2");
        self.select(&query, params![from, limit])
    }

    fn last(&self) -> Result<Option<Entry>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM entry ORDER BY entry_index DESC LIMIT 1");
        Ok(self.select(&query, params![])?.pop())
    }
}

impl SqliteStore {
    fn select(&self, query: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Entry>, StoreError> {
        let failed = |source| database_error("read entries", source);
        let mut statement = self.connection.prepare_cached(query).map_err(failed)?;
        let mut rows = statement.query(params).map_err(failed)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            match entry(row) {
                Ok(entry) => entries.push(entry),
                // The sound ones first: the next read begins at the damaged one and names it.
                Err(StoreError::Malformed { .. }) if !entries.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }
}

/// Reads one row, believing nothing: the file may have been edited.
fn entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    let index: i64 = row.get(0).map_err(|source| database_error("read an index", source))?;
    let index = EntryIndex(index.cast_unsigned());
    let malformed = |what| StoreError::Malformed { index, what };
    let recorded_at_us: i64 = row.get(1).map_err(|_| malformed("the time"))?;
    Ok(Entry {
        index,
        recorded_at_us: u64::try_from(recorded_at_us).map_err(|_| malformed("the time"))?,
        kind: text(row, 2, MAX_KIND_LEN).ok_or_else(|| malformed("the kind"))?,
        subject: text(row, 3, MAX_SUBJECT_LEN).ok_or_else(|| malformed("the subject"))?,
        body: blob(row, 4, MAX_BODY_LEN).ok_or_else(|| malformed("the body"))?.to_vec(),
        hash: blob(row, 5, 32)
            .and_then(|bytes| bytes.try_into().ok())
            .map(EntryHash::from_bytes)
            .ok_or_else(|| malformed("the hash"))?,
    })
}

/// Returns a text no longer than it can have been written; longer ones are not copied.
fn text(row: &Row<'_>, column: usize, bound: usize) -> Option<String> {
    let text = row.get_ref(column).ok()?.as_str().ok()?;
    (text.len() <= bound).then(|| text.to_owned())
}

fn blob<'row>(row: &'row Row<'_>, column: usize, bound: usize) -> Option<&'row [u8]> {
    let bytes = row.get_ref(column).ok()?.as_blob().ok()?;
    (bytes.len() <= bound).then_some(bytes)
}

fn database_error(act: &'static str, source: rusqlite::Error) -> StoreError {
    StoreError::Io { act, source: Box::new(source) }
}

/// Returns one name for one file, whichever way it was reached: the lock depends on it.
fn resolve(path: &Path) -> Result<PathBuf, OpenStoreError> {
    let unusable = |source| OpenStoreError::Path { source };
    if path.symlink_metadata().is_ok() {
        return path.canonicalize().map_err(unusable);
    }
    let name = path.file_name().ok_or_else(|| unusable(io::ErrorKind::InvalidInput.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize().map_err(unusable)?.join(name))
}

/// The right to be the one writer, given back when dropped.
#[derive(Debug)]
struct WriterLock(File);

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Closing is not enough: a child process between fork and exec holds the same open file, and the
        // lock with it, for a moment longer. Should this fail, closing still gives the lock back.
        let _ = self.0.unlock();
    }
}

/// Takes the writer's lock. The file stays behind: removing it would let two writers lock two files.
///
/// It cannot be the database itself, because closing any handle of that file would drop the POSIX
/// locks SQLite holds on it in this process.
fn lock(path: &Path) -> Result<WriterLock, OpenStoreError> {
    let unusable = |source| OpenStoreError::Path { source };
    let name = with_suffix(path, ".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(name).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(WriterLock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenStoreError::InUse),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes an empty ledger beside `path` and renames it there when it is whole and synced.
fn create(path: &Path) -> Result<(), OpenStoreError> {
    let unusable = |source| OpenStoreError::Path { source };
    let new = with_suffix(path, ".new");
    // What a killed creation has left; the lock says that nobody else is creating now.
    for leftover in [&new, &with_suffix(&new, "-journal")] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    write_empty(&new).map_err(OpenStoreError::Database)?;
    fs::rename(&new, path).map_err(unusable)?;
    let folder = path.parent().expect("a resolved path has a folder");
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable)
}

/// Writes table and header. In rollback mode, so that all of it is in the one file when closed.
fn write_empty(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open_with_flags(path, READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)
}

fn set_durable(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")
}

/// Opens the file for reading and asks whose it is, so that a foreign one stays as it was.
fn check_identity(path: &Path) -> Result<Connection, OpenStoreError> {
    let len = fs::metadata(path).map_err(|source| OpenStoreError::Path { source })?.len();
    if len == 0 {
        // A ledger is never empty, and an empty file is what a lost one looks like.
        return Err(OpenStoreError::Foreign);
    }
    let refused = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenStoreError::Foreign,
        _ => OpenStoreError::Database(error),
    };
    let connection = Connection::open_with_flags(path, READ_ONLY).map_err(refused)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id").map_err(refused)? != APPLICATION_ID {
        return Err(OpenStoreError::Foreign);
    }
    match pragma("user_version").map_err(refused)? {
        SCHEMA_VERSION => Ok(connection),
        found => Err(OpenStoreError::OtherVersion { found }),
    }
}

/// Why a ledger file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The file or its folder is missing or not accessible.
    #[error("the ledger file is not accessible")]
    Path {
        /// What the system said.
        source: io::Error,
    },
    /// Another writer has it.
    #[error("another process is writing to this ledger")]
    InUse,
    /// It is not a ledger of ours; nothing was changed in it.
    #[error("the file is not a lamplighter ledger")]
    Foreign,
    /// It was written under another schema; nothing was changed in it.
    #[error("the ledger has schema version {found}, this program reads version {SCHEMA_VERSION}")]
    OtherVersion {
        /// The version the file says.
        found: i32,
    },
    /// The database underneath failed.
    #[error("the ledger file could not be opened as a database")]
    Database(#[source] rusqlite::Error),
}
