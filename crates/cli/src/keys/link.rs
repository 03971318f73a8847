//! The file of link keys: who speaks ciphered under which keys. `serve`, `send`, `hub` and `fleet` read the same one.
//!
//! ```text
//! holder,system_title,encryption_key,authentication_key
//! head-end,4c4d500000000001,,
//! all-hubs,,<16 bytes>,<16 bytes>                                  for blocks that are sealed once; may be left out
//! 00-0D-6F-00-0A-90-69-E7,4c4d50000a9069e7,<16 bytes>,<16 bytes>   one line for each hub
//! ```
//!
//! Read in place and line by line, so that no copy of a secret is left behind; faults name line and column, and never
//! what was found there. HLS 5 proves with these two keys: there is no secret beside them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use firmware_image::{Eui64, FileDigest};
use fleet::HubSecurity;
use head_end::{CounterFile, Counters, HubKeys, KeyName, Keyring};
use wire::{LinkKeys, SystemTitle};
use zeroize::Zeroizing;

use super::guarded;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::Destination;

const HEADER: &str = "holder,system_title,encryption_key,authentication_key";
const HEAD_END: &str = "head-end";
const ALL_HUBS: &str = "all-hubs";

/// Largest file in bytes: a million hubs at 106 each.
const MAX_LEN: usize = 128 * 1024 * 1024;

/// All link keys there are.
#[derive(Default)]
pub(crate) struct LinkKeyFile {
    head_end: Option<SystemTitle>,
    shared: Option<HubKeys>,
    hubs: BTreeMap<Eui64, HubRow>,
    /// Which line every key was first seen in: one key has one holder.
    seen: BTreeMap<KeyName, usize>,
}

struct HubRow {
    title: SystemTitle,
    keys: HubKeys,
}

impl LinkKeyFile {
    /// Reads the file, which nobody but its owner may be able to read.
    pub(crate) fn read(path: &Path) -> Result<LinkKeyFile, Failure> {
        let bytes = guarded::read(path, "the file of link keys", MAX_LEN)?;
        LinkKeyFile::parse(&bytes)
            .map_err(|fault| Failure::message(ExitCode::BadInput, format_args!("{} {fault}", path.display())))
    }

    fn parse(bytes: &[u8]) -> Result<LinkKeyFile, String> {
        let mut file = LinkKeyFile::default();
        let mut has_header = false;
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let line = str::from_utf8(line.trim_ascii())
                .map_err(|_| format!("line {number}: expected text in UTF-8"))?;
            match line {
                "" => {}
                comment if comment.starts_with('#') => {}
                HEADER if !has_header => has_header = true,
                _ if !has_header => return Err(format!("line {number}: expected the header {HEADER}")),
                row => file.take_row(number, row).map_err(|fault| format!("line {number}{fault}"))?,
            }
        }
        if has_header { Ok(file) } else { Err(format!("line 1: expected the header {HEADER}")) }
    }

    fn take_row(&mut self, line: usize, row: &str) -> Result<(), String> {
        let mut cells = row.split(',').map(str::trim);
        let (Some(holder), Some(title), Some(encryption), Some(authentication), None) =
            (cells.next(), cells.next(), cells.next(), cells.next(), cells.next())
        else {
            return Err(": expected four cells".to_owned());
        };
        let twice = || format!(", column holder: {holder} has a line already");
        if holder == HEAD_END {
            empty("encryption_key", encryption)?;
            empty("authentication_key", authentication)?;
            let title = parse_title(title)?;
            return if self.head_end.replace(title).is_some() { Err(twice()) } else { Ok(()) };
        }
        if holder == ALL_HUBS {
            empty("system_title", title)?;
            let keys = self.take_keys(line, encryption, authentication)?;
            return if self.shared.replace(keys).is_some() { Err(twice()) } else { Ok(()) };
        }
        let hub: Eui64 = holder.parse().map_err(|_| {
            format!(
                ", column holder: expected {HEAD_END}, {ALL_HUBS} or the EUI-64 of a hub, found {holder:?}"
            )
        })?;
        let (title, keys) = (parse_title(title)?, self.take_keys(line, encryption, authentication)?);
        let known = self.hubs.insert(hub, HubRow { title, keys });
        if known.is_some() { Err(twice()) } else { Ok(()) }
    }

    fn take_keys(&mut self, line: usize, encryption: &str, authentication: &str) -> Result<HubKeys, String> {
        let encryption = parse_key("encryption_key", encryption)?;
        let authentication = parse_key("authentication_key", authentication)?;
        let name = name_of(&encryption);
        // Two holders would count under one key each for itself, and use counters twice.
        if let Some(first) = self.seen.insert(name, line) {
            return Err(format!(
                ", column encryption_key: expected a key of its own, found that of line {first}"
            ));
        }
        Ok(HubKeys { name, keys: LinkKeys::new(*encryption, *authentication) })
    }

    /// Returns whether a hub has keys.
    pub(crate) fn has(&self, hub: Eui64) -> bool {
        self.hubs.contains_key(&hub)
    }

    /// Returns what a simulated hub needs; `None` when there are no keys of it.
    pub(crate) fn hub_security(&self, hub: Eui64) -> Result<Option<HubSecurity>, Failure> {
        let Some(row) = self.hubs.get(&hub) else { return Ok(None) };
        let (challenge_seed, first) = (random::<32>()?, random::<4>()?);
        Ok(Some(HubSecurity {
            title: row.title,
            keys: row.keys.keys.clone(),
            broadcast: self.shared.as_ref().map(|shared| shared.keys.clone()),
            challenge_seed: *challenge_seed,
            // Half of all counters are behind it, however it falls.
            first_counter: u32::from_be_bytes(*first) / 2,
        }))
    }

    /// Returns the keys as a head-end holds them.
    pub(crate) fn keyring(self, path: &Path) -> Result<Keyring, Failure> {
        let missing = || {
            let message = format!(
                "{}: expected a line {HEAD_END} with the system title of the head-end",
                path.display()
            );
            Failure::message(ExitCode::BadInput, message)
        };
        let title = self.head_end.ok_or_else(missing)?;
        if let Some((hub, _)) = self.hubs.iter().find(|(_, row)| row.title == title) {
            let message = format!(
                "{}: hub {hub} has the system title of the head-end, expected its own",
                path.display()
            );
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        let hubs = self.hubs.into_iter().map(|(hub, row)| (hub.to_bytes(), row.keys));
        Ok(Keyring { title, shared: self.shared, hubs: hubs.collect() })
    }
}

/// Opens the file of invocation counters, or makes an empty one: one process at a time has it.
pub(crate) fn open_counters(path: &Path) -> Result<Counters, Failure> {
    let place = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).or_bad_input(format_args!("{place}: its folder cannot be made"))?;
    }
    let file = CounterFile::open(path).or_bad_input(format_args!("{place}: cannot be opened"))?;
    Counters::open(Box::new(file))
        .or_fail(ExitCode::Refused, format_args!("{place}: expected invocation counters"))
}

/// Makes keys for hubs, writes them into a new file that nobody else can read, and returns them.
pub(crate) fn make_link_keys(path: &Path, hubs: impl Iterator<Item = Eui64>) -> Result<LinkKeyFile, Failure> {
    let destination = Destination::private(path)?;
    let hubs: Vec<Eui64> = hubs.collect();
    // Room for all of it at once: a growing text would leave copies of secrets behind.
    let mut text = Zeroizing::new(String::with_capacity((hubs.len() + 3) * 128));
    let _ = writeln!(text, "{HEADER}\n{HEAD_END},4c4d500000000001,,");
    let mut put_line = |holder: &str, title: &str| -> Result<(), Failure> {
        let (encryption, authentication) = (random::<16>()?, random::<16>()?);
        let _ = write!(text, "{holder},{title},");
        put_hex(&*encryption, &mut text);
        text.push(',');
        put_hex(&*authentication, &mut text);
        text.push('\n');
        Ok(())
    };
    put_line(ALL_HUBS, "")?;
    for hub in &hubs {
        let title: String = hub.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        put_line(&hub.to_string(), &title)?;
    }
    destination.write(text.as_bytes())?;
    LinkKeyFile::parse(text.as_bytes()).map_err(|fault| Failure::message(ExitCode::Failed, fault))
}

fn put_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

fn empty(column: &str, cell: &str) -> Result<(), String> {
    if cell.is_empty() { Ok(()) } else { Err(format!(", column {column}: expected nothing in this line")) }
}

fn parse_title(cell: &str) -> Result<SystemTitle, String> {
    let title = parse_hex::<8>("system_title", cell)?;
    Ok(SystemTitle(*title))
}

fn parse_key(column: &str, cell: &str) -> Result<Zeroizing<[u8; 16]>, String> {
    parse_hex::<16>(column, cell)
}

fn parse_hex<const N: usize>(column: &str, cell: &str) -> Result<Zeroizing<[u8; N]>, String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new([0; N]);
    let sound = cell.len() == 2 * N
        && bytes.iter_mut().zip(cell.as_bytes().chunks_exact(2)).all(|(byte, pair)| {
            let value = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low);
            *byte = value.unwrap_or_default();
            value.is_some()
        });
    if sound {
        return Ok(bytes);
    }
    let found = cell.chars().count();
    Err(format!(
        ", column {column}: expected {} hexadecimal digits ({N} bytes), found {found} characters{}",
        2 * N,
        if cell.len() == 2 * N { ", not all of them digits" } else { "" }
    ))
}

/// Names a key by a digest, from which nobody gets it.
fn name_of(encryption: &[u8; 16]) -> KeyName {
    let mut text = Zeroizing::new(Vec::with_capacity(64));
    text.extend_from_slice(b"lamplighter: counters of the link key ");
    text.extend_from_slice(encryption);
    let digest = FileDigest::of(&text);
    KeyName(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).or_fail(ExitCode::Failed, "the system gives no random numbers")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f";
    const OTHER: &str = "100102030405060708090a0b0c0d0e0f";

    fn fault(rows: &str) -> String {
        LinkKeyFile::parse(format!("{HEADER}\n{rows}").as_bytes()).err().expect("a fault")
    }

    #[test]
    fn every_fault_names_line_column_and_what_is_expected_and_never_a_key() {
        let hub = "00-0D-6F-00-0B-0A-0C-0D";
        let table = [
            (format!("{hub},4c4d500000000001,{KEY}"), "line 2: expected four cells"),
            (
                format!("{hub},4c4d,{KEY},{KEY}"),
                "line 2, column system_title: expected 16 hexadecimal digits (8 bytes), found 4",
            ),
            (
                format!("{hub},4c4d500000000001,{},{KEY}", &KEY[1..]),
                "line 2, column encryption_key: expected 32 hexadecimal digits (16 bytes), found 31 characters",
            ),
            (
                format!("{hub},4c4d500000000001,{KEY},{}", KEY.replace('f', "g")),
                "column authentication_key: expected 32 hexadecimal digits (16 bytes), found 32 characters, not all of them digits",
            ),
            (
                format!("\n# one\n{hub},4c4d500000000001,{KEY},{KEY}\nall-hubs,,{KEY},{KEY}"),
                "line 5, column encryption_key: expected a key of its own, found that of line 4",
            ),
            (
                format!("{hub},4c4d500000000001,{KEY},{KEY}\n{hub},4c4d500000000002,{OTHER},{KEY}"),
                "line 3, column holder: 00-0D-6F-00-0B-0A-0C-0D has a line already",
            ),
            (
                "hub-1,,,".to_owned(),
                "line 2, column holder: expected head-end, all-hubs or the EUI-64 of a hub, found \"hub-1\"",
            ),
            (
                format!("head-end,4c4d500000000001,{KEY},"),
                "line 2, column encryption_key: expected nothing in this line",
            ),
        ];
        for (rows, expected) in table {
            let found = fault(&rows);
            assert!(found.contains(expected), "{rows}: {found}");
            assert!(!found.contains(&KEY[2..20]), "{found}");
        }
        let found = LinkKeyFile::parse(b"head-end,,,\n").err().expect("no header");
        assert!(found.starts_with("line 1: expected the header holder,system_title"), "{found}");
    }

    #[test]
    fn fresh_keys_are_those_that_are_read_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("link.keys");
        let hubs = [Eui64::from_bytes([1; 8]), Eui64::from_bytes([2; 8])];
        let made = make_link_keys(&path, hubs.into_iter()).map_err(|failure| failure.reason()).expect("made");
        let read = LinkKeyFile::read(&path).map_err(|failure| failure.reason()).expect("sound");
        assert_eq!((made.hubs.len(), read.hubs.len()), (2, 2));
        let names = |file: &LinkKeyFile| file.hubs.values().map(|row| row.keys.name).collect::<Vec<_>>();
        assert_eq!(names(&made), names(&read));
        assert!(made.shared.is_some() && read.head_end.is_some());
        assert!(make_link_keys(&path, hubs.into_iter()).is_err(), "keys are never overwritten");
    }
}
