//! Invocation counters on disk: no counter is used before it is durable here that it may be, so that none is used twice
//! under a key, whenever the power fails.
//!
//! ```text
//! file     | head: records up to the line | floor | key | key ... | line | appended | appended ...
//! record   | key's name 16 | end u32 | CRC-32 of both |      24 B, side by side; the highest end of a name counts
//! write    one record per key that needs counters, one append, one fsync; then they are used
//! open     read; what was renamed into place holds or is refused, behind it count what is torn; write all anew
//! ```
//!
//! A span lasts for 65,536 frames, so that a hub writes 24 B per 260 images, and a crash loses one span of a key of
//! 4.29 billion counters. A record that does not hold hides at most one span of one unknown key, so every key goes on
//! that much further: what is skipped is lost, what is repeated would give the key away.

use std::collections::BTreeMap;
use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc};
use thiserror::Error;
use wire::{CounterLease, SealError};

use crate::counter_disk::Disk;

/// Counters that are reserved at a time. See above.
pub(crate) const SPAN: u32 = 1 << 16;

/// Keys in one append: what a turn of the driver needs, and the most that one power cut can tear.
pub(crate) const KEYS_PER_APPEND: usize = 128;

const RECORD_LEN: usize = 24;

/// The first record: how many were renamed into place together, this one included.
const HEAD: KeyName = KeyName(*b"lamplighter ends");

/// Under no key's name: where keys begin that are not known.
const FLOOR: KeyName = KeyName([0; 16]);

const CHECK: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a key is called in the file of counters: a digest of it, so that a key that moves to another hub keeps its
/// counters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(pub [u8; 16]);

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyName(..)")
    }
}

/// Why counters cannot be had.
#[derive(Debug, Error)]
pub enum CounterError {
    /// The disk. It is not known what it holds, so nothing is retried.
    #[error("the invocation counters cannot be made durable")]
    Disk(#[from] std::io::Error),
    /// What was durable is gone.
    #[error("record {record} of the invocation counters does not hold, which no power cut explains")]
    Damaged {
        /// Which, from 0.
        record: usize,
    },
    /// A key has had all of its counters.
    #[error("a link key is used up and must be replaced")]
    UsedUp(#[source] SealError),
}

/// The durable ends of all keys' counters.
pub struct Counters {
    disk: Box<dyn Disk>,
    ends: BTreeMap<KeyName, u32>,
    floor: u32,
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("keys", &self.ends.len()).finish_non_exhaustive()
    }
}

impl Counters {
    /// Takes up what is on the disk.
    pub fn open(mut disk: Box<dyn Disk>) -> Result<Counters, CounterError> {
        let bytes = disk.read()?;
        let (mut ends, lost) = parse(&bytes)?;
        let skipped = u32::try_from(lost).unwrap_or(u32::MAX).saturating_mul(SPAN);
        let floor = ends.remove(&FLOOR).unwrap_or(0).saturating_add(skipped);
        for end in ends.values_mut() {
            *end = end.saturating_add(skipped);
        }
        let mut counters = Counters { disk, ends, floor };
        if lost > 0 {
            tracing::warn!(
                records = lost,
                "invocation counters were torn by a power cut; every key skips some"
            );
        }
        counters.rewrite()?;
        Ok(counters)
    }

    /// Returns a lease with nothing in hand that begins where nothing of the key has been used.
    pub(crate) fn lease(&self, key: KeyName) -> CounterLease {
        CounterLease::after(self.ends.get(&key).copied().unwrap_or(self.floor))
    }

    /// Makes a span more durable for each of these leases, at most [`KEYS_PER_APPEND`] of different keys, and grants it. A
    /// lease behind which another holder of its key was granted some begins anew behind those, and loses what it had.
    pub(crate) fn reserve<'l>(
        &mut self,
        leases: impl IntoIterator<Item = (KeyName, &'l mut CounterLease)>,
    ) -> Result<(), CounterError> {
        let mut wanted = Vec::new();
        let mut records = Vec::new();
        for (key, lease) in leases {
            let end = self.ends.get(&key).copied().unwrap_or(self.floor);
            if lease.end() < end {
                *lease = CounterLease::after(end);
            }
            let request = lease.request(SPAN).map_err(CounterError::UsedUp)?;
            put_record(key, request.end(), &mut records);
            wanted.push((key, lease, request));
        }
        debug_assert!(wanted.len() <= KEYS_PER_APPEND, "what can be torn is bounded");
        if records.is_empty() {
            return Ok(());
        }
        self.disk.append(&records)?;
        for (key, lease, request) in wanted {
            self.ends.insert(key, request.end());
            lease.grant(request);
        }
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), CounterError> {
        let count = self.ends.len() + 2;
        let mut records = Vec::with_capacity(count * RECORD_LEN);
        put_record(HEAD, u32::try_from(count).unwrap_or(u32::MAX), &mut records);
        put_record(FLOOR, self.floor, &mut records);
        for (key, end) in &self.ends {
            put_record(*key, *end, &mut records);
        }
        Ok(self.disk.replace(&records)?)
    }
}

fn put_record(key: KeyName, end: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&key.0);
    out.extend_from_slice(&end.to_be_bytes());
    let check = CHECK.checksum(&out[start..]);
    out.extend_from_slice(&check.to_be_bytes());
}

/// Returns the highest end of each name, and how many records do not hold: those that the last append may have torn.
fn parse(bytes: &[u8]) -> Result<(BTreeMap<KeyName, u32>, usize), CounterError> {
    let mut ends = BTreeMap::new();
    let mut lost = 0;
    let count = bytes.len().div_ceil(RECORD_LEN);
    let mut in_place = 0;
    for (at, record) in bytes.chunks(RECORD_LEN).enumerate() {
        let Some((key, end)) = parse_record(record) else {
            if at <= in_place || at + KEYS_PER_APPEND < count {
                return Err(CounterError::Damaged { record: at });
            }
            lost += 1;
            continue;
        };
        if at == 0 {
            if key != HEAD {
                return Err(CounterError::Damaged { record: 0 });
            }
            in_place = (end as usize).saturating_sub(1);
            continue;
        }
        let known: &mut u32 = ends.entry(key).or_default();
        *known = end.max(*known);
    }
    Ok((ends, lost))
}

fn parse_record(record: &[u8]) -> Option<(KeyName, u32)> {
    let (content, check) = record.split_at_checked(RECORD_LEN - 4)?;
    if CHECK.checksum(content).to_be_bytes() != check {
        return None;
    }
    let (key, end) = content.split_at(16);
    Some((KeyName(key.try_into().ok()?), u32::from_be_bytes(end.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A disk whose power fails at the n-th write, of which it keeps so many bytes.
    #[derive(Clone, Default)]
    struct Frail {
        held: Arc<Mutex<Vec<u8>>>,
        writes_left: Arc<Mutex<Option<usize>>>,
        kept: usize,
        /// What was not kept was allotted and never written, as file systems do.
        zeroed: bool,
    }

    impl Frail {
        fn with_power_for(&self, writes: usize, kept: usize, zeroed: bool) -> Frail {
            let writes_left = Arc::new(Mutex::new(Some(writes)));
            Frail { held: self.held.clone(), writes_left, kept, zeroed }
        }

        fn fails_now(&self) -> bool {
            let mut left = self.writes_left.lock().expect("no panic");
            match &mut *left {
                Some(0) => true,
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            }
        }
    }

    impl Disk for Frail {
        fn read(&mut self) -> io::Result<Vec<u8>> {
            Ok(self.held.lock().expect("no panic").clone())
        }

        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            let fails = self.fails_now();
            let kept = if fails { self.kept.min(bytes.len()) } else { bytes.len() };
            let mut held = self.held.lock().expect("no panic");
            held.extend_from_slice(&bytes[..kept]);
            if fails && self.zeroed {
                held.extend(std::iter::repeat_n(0, bytes.len() - kept));
            }
            if fails { Err(io::Error::other("the power failed")) } else { Ok(()) }
        }

        fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
            if self.fails_now() {
                // Renaming happens or does not.
                if self.kept > 0 {
                    *self.held.lock().expect("no panic") = bytes.to_vec();
                }
                return Err(io::Error::other("the power failed"));
            }
            *self.held.lock().expect("no panic") = bytes.to_vec();
            Ok(())
        }
    }

    const KEYS: [KeyName; 3] = [KeyName([1; 16]), KeyName([2; 16]), KeyName([3; 16])];

    /// Every granted counter is noted as used, by ranges; a second use fails.
    #[derive(Default)]
    struct Used(BTreeSet<(KeyName, u32)>);

    impl Used {
        /// Uses a whole lease, a span in all: spans begin at multiples of one another's ends.
        fn use_up(&mut self, key: KeyName, lease: &CounterLease) {
            let first = lease.end() - lease.remaining();
            for counter in (first..lease.end()).step_by(SPAN as usize / 4) {
                assert!(self.0.insert((key, counter)), "counter {counter} is used twice");
            }
        }
    }

    /// One life of a head-end: opens, and reserves for all keys again and again until the power fails.
    fn live(disk: Frail, used: &mut Used) -> Result<(), CounterError> {
        let mut counters = Counters::open(Box::new(disk))?;
        for round in 0..3 {
            let mut leases: Vec<_> = KEYS.iter().map(|key| (*key, counters.lease(*key))).collect();
            let some = leases.iter_mut().skip(round % 2).map(|(key, lease)| (*key, lease));
            counters.reserve(some)?;
            for (key, lease) in &leases {
                used.use_up(*key, lease);
            }
        }
        Ok(())
    }

    #[test]
    fn no_counter_is_used_twice_wherever_the_power_fails_and_whatever_it_tears() {
        let mut cases = 0;
        for first in 0..6 {
            for second in 0..6 {
                for kept in [0, 1, 23, 24, 25, 47, 48, 60, 71, 72] {
                    for zeroed in [false, true] {
                        let (disk, mut used) = (Frail::default(), Used::default());
                        live(disk.with_power_for(first, kept, zeroed), &mut used).ok();
                        live(disk.with_power_for(second, kept, !zeroed), &mut used).ok();
                        live(disk.clone(), &mut used).expect("the power is back, and the file is taken up");
                        cases += 1;
                    }
                }
            }
        }
        assert_eq!(cases, 720);
    }

    /// Both had counters from the same end on, and each would have gone on as if the other was not there.
    #[test]
    fn two_holders_of_one_key_are_never_granted_the_same_counters() {
        let mut counters = Counters::open(Box::new(Frail::default())).expect("empty");
        let mut used = Used::default();
        let mut holders = [counters.lease(KEYS[0]), counters.lease(KEYS[0])];
        for round in 0..6 {
            let lease = &mut holders[round % 2];
            counters.reserve([(KEYS[0], &mut *lease)]).expect("room");
            used.use_up(KEYS[0], lease);
        }
    }

    #[test]
    fn nothing_is_granted_when_the_disk_fails() {
        let mut counters =
            Counters::open(Box::new(Frail::default().with_power_for(1, 72, false))).expect("empty");
        let mut lease = counters.lease(KEYS[0]);
        assert!(matches!(counters.reserve([(KEYS[0], &mut lease)]), Err(CounterError::Disk(_))));
        assert_eq!(lease.remaining(), 0);
    }

    #[test]
    fn damage_that_no_power_cut_explains_is_not_passed_over() {
        let disk = Frail::default();
        {
            let mut counters = Counters::open(Box::new(disk.clone())).expect("empty");
            let mut lease = counters.lease(KEYS[0]);
            for _ in 0..200 {
                counters.reserve([(KEYS[0], &mut lease)]).expect("room");
            }
        }
        disk.held.lock().expect("no panic")[24 * 9] ^= 1;
        assert!(matches!(Counters::open(Box::new(disk)), Err(CounterError::Damaged { record: 9 })));
    }

    #[test]
    fn every_single_flipped_bit_in_what_was_written_last_still_repeats_no_counter() {
        let disk = Frail::default();
        let mut used = Used::default();
        live(disk.clone(), &mut used).expect("no fault");
        let whole = disk.held.lock().expect("no panic").clone();
        let ends = Counters::open(Box::new(disk)).expect("sound").ends;
        let mut refused = 0;
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let disk = Frail { held: Arc::new(Mutex::new(bytes)), ..Frail::default() };
            let Ok(counters) = Counters::open(Box::new(disk)) else {
                refused += 1;
                continue;
            };
            for key in KEYS {
                assert!(counters.lease(key).end() >= ends[&key], "bit {bit}");
            }
        }
        assert_eq!(refused, 2 * RECORD_LEN * 8, "what was renamed into place: head and floor");
    }

    #[test]
    fn a_key_ends_with_its_last_counter() {
        let disk = Frail::default();
        let mut records = Vec::new();
        put_record(HEAD, 2, &mut records);
        put_record(KEYS[0], u32::MAX - 5, &mut records);
        *disk.held.lock().expect("no panic") = records;
        let mut counters = Counters::open(Box::new(disk)).expect("sound");
        let mut lease = counters.lease(KEYS[0]);
        assert!(matches!(counters.reserve([(KEYS[0], &mut lease)]), Err(CounterError::UsedUp(_))));
    }
}
