//! One entry: what it holds, how large it may be, and how it is chained to the one before.
//! Keeping entries is left to the stores, handing out indices to the ledger.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// An entry as the caller offers it: no place in the chain yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// When it was decided or observed, in microseconds since the Unix epoch, by the caller's clock.
    pub recorded_at_us: u64,
    /// What the body is: 1 to [`MAX_KIND_LEN`] printable ASCII characters without spaces.
    pub kind: String,
    /// Whom it is about, usually a campaign: at most [`MAX_SUBJECT_LEN`] bytes, no control characters.
    pub subject: String,
    /// Opaque to the ledger: at most [`MAX_BODY_LEN`] bytes.
    pub body: Vec<u8>,
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place: entries are numbered from zero without gaps.
    pub index: EntryIndex,
    /// When it was decided or observed, in microseconds since the Unix epoch.
    pub recorded_at_us: u64,
    /// What the body is.
    pub kind: String,
    /// Whom it is about.
    pub subject: String,
    /// Opaque to the ledger.
    pub body: Vec<u8>,
    /// The hash of everything above and of the previous entry's hash.
    pub hash: EntryHash,
}

/// Longest kind, in bytes; a kind is a word, and it stands in every listing.
pub const MAX_KIND_LEN: usize = 32;
/// Longest subject, in bytes; a campaign id is a UUID (36), twice that is not an id any more.
pub const MAX_SUBJECT_LEN: usize = 64;
/// Longest body, in bytes; verification holds a batch of them in memory.
pub const MAX_BODY_LEN: usize = 64 * 1024;
/// Latest time: SQLite integers are signed, and both stores must refuse the same entries.
const MAX_RECORDED_AT_US: u64 = i64::MAX as u64;

/// Separates our hashes from any other use of SHA-256; a new layout gets a new tag.
const HASH_TAG: &[u8] = b"lamplighter/ledger/v1\0";

impl NewEntry {
    /// Refuses what no store may keep. Nothing is ever cut to fit: half a record is a false record.
    pub(crate) fn check(&self) -> Result<(), EntryError> {
        if self.kind.is_empty() || !self.kind.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(EntryError::KindNotAWord);
        }
        if self.kind.len() > MAX_KIND_LEN {
            return Err(EntryError::KindTooLong { len: self.kind.len() });
        }
        if self.subject.len() > MAX_SUBJECT_LEN {
            return Err(EntryError::SubjectTooLong { len: self.subject.len() });
        }
        if self.subject.chars().any(char::is_control) {
            return Err(EntryError::SubjectNotPrintable);
        }
        if self.body.len() > MAX_BODY_LEN {
            return Err(EntryError::BodyTooLong { len: self.body.len() });
        }
        if self.recorded_at_us > MAX_RECORDED_AT_US {
            return Err(EntryError::TimeOutOfRange { recorded_at_us: self.recorded_at_us });
        }
        Ok(())
    }

    /// Gives the entry its place after `previous`.
    pub(crate) fn chain(self, index: EntryIndex, previous: EntryHash) -> Entry {
        let NewEntry { recorded_at_us, kind, subject, body } = self;
        let mut entry = Entry { index, recorded_at_us, kind, subject, body, hash: EntryHash::GENESIS };
        entry.hash = entry.hash_after(previous);
        entry
    }
}

impl Entry {
    /// Returns the hash this entry must carry when it follows an entry hashed `previous`.
    ///
    /// ```text
    /// SHA-256( "lamplighter/ledger/v1\0" ‖ previous 32 B ‖ index u64 ‖ recorded_at_us u64
    ///          ‖ len(kind) u32 ‖ kind ‖ len(subject) u32 ‖ subject ‖ len(body) u32 ‖ body )
    /// ```
    ///
    /// All numbers are big-endian. The lengths keep a byte from moving between two fields unseen.
    pub fn hash_after(&self, previous: EntryHash) -> EntryHash {
        let mut hasher = Sha256::new();
        hasher.update(HASH_TAG);
        hasher.update(previous.0);
        hasher.update(self.index.0.to_be_bytes());
        hasher.update(self.recorded_at_us.to_be_bytes());
        for field in [self.kind.as_bytes(), self.subject.as_bytes(), &self.body] {
            let len = u32::try_from(field.len()).expect("a field is bounded far below 4 GiB");
            hasher.update(len.to_be_bytes());
            hasher.update(field);
        }
        EntryHash(hasher.finalize().into())
    }
}

/// Why an entry was not taken; the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The kind is empty or holds something other than printable ASCII without spaces.
    #[error("the kind is not a word of printable ascii")]
    KindNotAWord,
    /// The kind is longer than [`MAX_KIND_LEN`].
    #[error("the kind is {len} bytes, at most {MAX_KIND_LEN} are kept")]
    KindTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The subject is longer than [`MAX_SUBJECT_LEN`].
    #[error("the subject is {len} bytes, at most {MAX_SUBJECT_LEN} are kept")]
    SubjectTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The subject holds a control character, which would reach terminals.
    #[error("the subject holds a control character")]
    SubjectNotPrintable,
    /// The body is longer than [`MAX_BODY_LEN`].
    #[error("the body is {len} bytes, at most {MAX_BODY_LEN} are kept")]
    BodyTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The time does not fit a signed 64-bit count of microseconds.
    #[error("the time {recorded_at_us} µs is beyond what a store can keep")]
    TimeOutOfRange {
        /// The time offered, in microseconds since the Unix epoch.
        recorded_at_us: u64,
    },
}

/// The place of an entry, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryIndex(pub u64);

impl fmt::Display for EntryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The hash of one entry, and through it of all entries before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryHash([u8; 32]);

impl EntryHash {
    /// What stands before the first entry.
    pub const GENESIS: EntryHash = EntryHash([0; 32]);

    /// Takes a hash as it was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> EntryHash {
        EntryHash(bytes)
    }

    /// Returns the 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryHash({self})")
    }
}

/// How far a ledger has come: one line to write down, and enough to find any later tampering
/// with what stood before it, a cut tail included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub count: u64,
    /// Hash of the last one; [`EntryHash::GENESIS`] when there is none.
    pub hash: EntryHash,
}

impl Head {
    /// The head of a ledger without entries.
    pub const EMPTY: Head = Head { count: 0, hash: EntryHash::GENESIS };
}

/// Written `COUNT:HASH`, as `200:9f86…`.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, self.hash)
    }
}

impl FromStr for Head {
    type Err = HeadParseError;

    fn from_str(text: &str) -> Result<Head, HeadParseError> {
        let (count, hex) = text.split_once(':').ok_or(HeadParseError)?;
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(HeadParseError);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| HeadParseError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| HeadParseError)?;
        }
        let head = Head { count: count.parse().map_err(|_| HeadParseError)?, hash: EntryHash(hash) };
        if head.count == 0 && head.hash != EntryHash::GENESIS {
            return Err(HeadParseError);
        }
        Ok(head)
    }
}

/// The text is not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a ledger head, expected COUNT:HASH with 64 hexadecimal digits")]
pub struct HeadParseError;

#[cfg(test)]
mod tests {
    use super::*;

    fn golden() -> NewEntry {
        NewEntry {
            recorded_at_us: 1_795_392_000_000_000,
            kind: "instruction".to_owned(),
            subject: "c-0001".to_owned(),
            body: vec![0x01, 0x02, 0xff],
        }
    }

    /// Computed with an independent SHA-256 over the layout written at [`Entry::hash_after`].
    #[test]
    fn hash_follows_the_documented_layout() {
        let first = golden().chain(EntryIndex(0), EntryHash::GENESIS);
        assert_eq!(
            first.hash.to_string(),
            "52d598427f7acec9950cf5d0bbece0d0f00ed05dea2ff1ea262bdc8ef081a187"
        );
        let second = golden().chain(EntryIndex(1), first.hash);
        assert_eq!(
            second.hash.to_string(),
            "784ce5809f705a35a3be175e3c99737194066e9edbb692d7174bcbbdd5ac8acd"
        );
    }

    #[test]
    fn a_byte_cannot_move_between_fields_unseen() {
        let one = NewEntry { kind: "ab".into(), subject: "c".into(), ..golden() };
        let other = NewEntry { kind: "a".into(), subject: "bc".into(), ..golden() };
        let hash = |entry: NewEntry| entry.chain(EntryIndex(0), EntryHash::GENESIS).hash;
        assert_ne!(hash(one), hash(other));
    }

    #[test]
    fn bounds_are_errors_and_the_bound_itself_is_allowed() {
        let check = |change: fn(&mut NewEntry)| {
            let mut entry = golden();
            change(&mut entry);
            entry.check()
        };
        assert_eq!(check(|e| e.kind = "k".repeat(32)), Ok(()));
        assert_eq!(check(|e| e.kind = "k".repeat(33)), Err(EntryError::KindTooLong { len: 33 }));
        assert_eq!(check(|e| e.kind = String::new()), Err(EntryError::KindNotAWord));
        assert_eq!(check(|e| e.kind = "two words".into()), Err(EntryError::KindNotAWord));
        assert_eq!(check(|e| e.kind = "éclair".into()), Err(EntryError::KindNotAWord));
        assert_eq!(check(|e| e.subject = "s".repeat(64)), Ok(()));
        assert_eq!(check(|e| e.subject = String::new()), Ok(()));
        assert_eq!(check(|e| e.subject = "s".repeat(65)), Err(EntryError::SubjectTooLong { len: 65 }));
        assert_eq!(check(|e| e.subject = "a\u{1b}[2J".into()), Err(EntryError::SubjectNotPrintable));
        assert_eq!(check(|e| e.body = vec![0; 65_536]), Ok(()));
        assert_eq!(check(|e| e.body = vec![0; 65_537]), Err(EntryError::BodyTooLong { len: 65_537 }));
        let late = u64::MAX;
        assert_eq!(
            check(|e| e.recorded_at_us = u64::MAX),
            Err(EntryError::TimeOutOfRange { recorded_at_us: late })
        );
    }

    #[test]
    fn a_head_reads_back_as_written() {
        let head = Head { count: 7, hash: golden().chain(EntryIndex(6), EntryHash::GENESIS).hash };
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!(Head::EMPTY.to_string().parse(), Ok(Head::EMPTY));
        for wrong in
            ["", "7", "7:", "7:00", "-1:00", &format!("0:{}", head.hash), &format!("7:{}é", "0".repeat(62))]
        {
            assert_eq!(wrong.parse::<Head>(), Err(HeadParseError), "{wrong}");
        }
    }
}
