//! What carriers have carried today, on disk: a restart grants nobody a second cap.
//!
//! ```text
//! file     | lamplighter day counts 1
//!          | day,bytes,carrier              one line for each carrier with a cap; the day is counted from 1970
//!          | crc-32 of all before
//! written  ahead: what was carried, and what the carrier's rate lets through before the file is written again
//! ```
//!
//! The file is exchanged as a whole, so that a power cut leaves the one or the other. What is written ahead is lost by
//! a crash, half a minute of a carrier's rate or a sixty-fourth of its cap; whoever stops in good order writes what was
//! carried. What comes in within that time is counted at its end, as nobody can hold it back.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::time::Duration;

use campaign::{BudgetBook, CarrierTraffic};
use crc::{CRC_32_ISO_HDLC, Crc};
use thiserror::Error;
use transfer_engine::{ByteRate, DayCount, Moment};

use crate::counter_disk::Disk;

/// How far ahead is written at most: 3,000 writes a day, and a crash costs a three-thousandth of what a rate brings.
const AHEAD_MOST: Duration = Duration::from_secs(30);

/// How far ahead is written at least: a write a second while something is carried.
const AHEAD_LEAST: Duration = Duration::from_secs(1);

/// The share of a cap that a crash may cost, where the rate would reach the cap within the hour: a sixty-fourth.
const AHEAD_SHARE: u64 = 64;

/// What a carrier may burst on top of its rate, bytes: 50 ms of it, or two largest blocks and a request for small rates.
const LEAST_BURST: u64 = 20_000;

const HEADER: &str = "lamplighter day counts 1";

const CHECK: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Why there are no counts to go on from.
#[derive(Debug, Error)]
pub enum DayCountError {
    /// The disk.
    #[error("the day counts cannot be read")]
    Disk(#[from] io::Error),
    /// What was durable is gone.
    #[error("line {line} of the day counts does not hold, which no power cut explains")]
    Damaged {
        /// Which, from 1.
        line: usize,
    },
}

/// The counts, and what is known of their carriers.
pub struct DayCounts {
    disk: Box<dyn Disk>,
    /// As they were at the start.
    before: BTreeMap<String, DayCount>,
    /// Carriers with a cap, by name.
    rates: BTreeMap<String, ByteRate>,
    ahead: Duration,
    /// What was carried when it was written last, and on which day.
    written: (u64, Vec<u64>),
    /// Until when the file holds, whatever is sent.
    holds_until: Moment,
}

impl fmt::Debug for DayCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DayCounts").field("carriers", &self.rates.len()).finish_non_exhaustive()
    }
}

impl DayCounts {
    /// Reads what is on the disk.
    pub fn open(mut disk: Box<dyn Disk>) -> Result<DayCounts, DayCountError> {
        let before = parse(&disk.read()?)?;
        let (rates, written) = (BTreeMap::new(), (0, Vec::new()));
        Ok(DayCounts { disk, before, rates, ahead: AHEAD_MOST, written, holds_until: Moment::default() })
    }

    /// Has the carriers of a book go on from where they were.
    pub fn take_up(&mut self, book: &mut BudgetBook) {
        for (name, plan) in &mut book.carriers {
            let (cap, rate) = (plan.cap.in_bytes(), plan.budget.rate);
            if cap == u64::MAX {
                continue;
            }
            plan.before = self.before.get(name).copied().unwrap_or_default();
            let share = Duration::from_millis((cap / AHEAD_SHARE).saturating_mul(1_000) / rate.0.max(1));
            self.ahead = self.ahead.min(share).max(AHEAD_LEAST);
            self.rates.insert(name.clone(), rate);
        }
    }

    /// Says whether [`DayCounts::keep`] must be called before anything is sent at this moment.
    pub fn is_due(&self, now: Moment) -> bool {
        now >= self.holds_until && !self.rates.is_empty()
    }

    /// Makes durable what carriers have carried today and may carry until this is due again; returns when it is.
    pub fn keep(&mut self, now: Moment, carriers: &[CarrierTraffic]) -> io::Result<()> {
        let (day, counts) = self.count(now, carriers);
        let until = (now + self.ahead).min(DayCount::end_of(day));
        // What was written ahead of these very counts still lies ahead of them.
        if self.written != (day, counts.clone()) {
            let ahead = counts.iter().zip(self.rates.values()).map(|(bytes, rate)| {
                bytes
                    .saturating_add((u128::from(rate.0) * self.ahead.as_millis() / 1_000) as u64)
                    .saturating_add(burst(*rate))
            });
            let ahead: Vec<u64> = ahead.collect();
            self.write(day, &ahead)?;
            self.written = (day, counts);
        }
        self.holds_until = until;
        Ok(())
    }

    /// Makes durable what was carried and nothing more: nothing will be sent any more.
    pub fn close(mut self, now: Moment, carriers: &[CarrierTraffic]) -> io::Result<()> {
        let (day, counts) = self.count(now, carriers);
        if self.rates.is_empty() { Ok(()) } else { self.write(day, &counts) }
    }

    /// Returns the day, and what each carrier has carried on it. One that nobody has talked through since the start
    /// stands where it stood.
    fn count(&self, now: Moment, carriers: &[CarrierTraffic]) -> (u64, Vec<u64>) {
        let day = DayCount::day_of(now);
        if self.written.0 != 0 && self.written.0 != day {
            // Nothing is sent on a day before this has been called on it, and who counts may not have noticed yet that it
            // has begun.
            return (day, vec![0; self.rates.len()]);
        }
        let counted: BTreeMap<&str, u64> =
            carriers.iter().map(|carrier| (carrier.name.as_str(), carrier.bytes_today)).collect();
        let counts = self.rates.keys().map(|name| {
            let before = self.before.get(name).map_or(0, |count| count.on(day));
            counted.get(name.as_str()).copied().unwrap_or(0).max(before)
        });
        (day, counts.collect())
    }

    fn write(&mut self, day: u64, counts: &[u64]) -> io::Result<()> {
        let mut text = format!("{HEADER}\n");
        for (name, bytes) in self.rates.keys().zip(counts) {
            writeln!(text, "{day},{bytes},{name}").map_err(io::Error::other)?;
        }
        let check = CHECK.checksum(text.as_bytes());
        writeln!(text, "{check:08x}").map_err(io::Error::other)?;
        self.disk.replace(text.as_bytes())
    }
}

fn burst(rate: ByteRate) -> u64 {
    (rate.0 / 20).max(LEAST_BURST)
}

/// Reads the file; an empty one is new.
fn parse(bytes: &[u8]) -> Result<BTreeMap<String, DayCount>, DayCountError> {
    let damaged = |line| DayCountError::Damaged { line };
    if bytes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let text = str::from_utf8(bytes).map_err(|_| damaged(1))?;
    let lines: Vec<&str> = text.lines().collect();
    let [HEADER, rows @ .., check] = lines.as_slice() else { return Err(damaged(1)) };
    let covered = text.len() - check.len() - 1;
    let sum = u32::from_str_radix(check, 16).ok();
    if sum != Some(CHECK.checksum(&bytes[..covered])) {
        return Err(damaged(lines.len()));
    }
    let row = |(line, row): (usize, &&str)| {
        let mut cells = row.splitn(3, ',');
        let mut number = || cells.next()?.parse().ok();
        let count = number().zip(number()).map(|(day, bytes)| DayCount { day, bytes });
        let name = cells.next();
        name.zip(count).map(|(name, count)| (name.to_owned(), count)).ok_or(damaged(line + 2))
    };
    rows.iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use transfer_engine::{CarrierPlan, DayCap};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Disk for Memory {
        fn read(&mut self) -> io::Result<Vec<u8>> {
            Ok(self.0.lock().expect("no panic").clone())
        }

        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::Error::other("day counts are never appended to"))
        }

        fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
            *self.0.lock().expect("no panic") = bytes.to_vec();
            Ok(())
        }
    }

    const NAME: &str = "a carrier, with a comma";
    const DAY: Moment = Moment::from_micros(20_000 * 86_400_000_000);

    fn opened(disk: &Memory) -> (DayCounts, DayCount) {
        let cap = DayCap { bytes: Some(6_400_000), ..DayCap::default() };
        let plan = CarrierPlan { budget: ByteRate(10_000).into(), cap, before: DayCount::default() };
        let free = CarrierPlan { cap: DayCap::default(), ..plan };
        let carriers = [(NAME.to_owned(), plan), ("free".to_owned(), free)];
        let mut book = BudgetBook { carriers: carriers.into(), cells: BTreeMap::new() };
        let mut days = DayCounts::open(Box::new(disk.clone())).expect("it is whole");
        days.take_up(&mut book);
        assert_eq!(
            book.carriers["free"].before,
            DayCount::default(),
            "without a cap there is nothing to count"
        );
        (days, book.carriers[NAME].before)
    }

    fn carried(bytes_today: u64) -> Vec<CarrierTraffic> {
        vec![CarrierTraffic { name: NAME.to_owned(), bytes_today, cap_bytes: None }]
    }

    #[test]
    fn a_crash_costs_what_was_written_ahead_and_an_orderly_end_nothing() {
        let disk = Memory::default();
        let (mut days, before) = opened(&disk);
        assert_eq!(before, DayCount::default());
        days.keep(DAY, &carried(0)).expect("room");
        // A sixty-fourth of the cap takes ten seconds at the rate.
        assert!(
            !days.is_due(DAY + Duration::from_millis(9_999)) && days.is_due(DAY + Duration::from_secs(10))
        );
        drop(days);
        let (mut days, before) = opened(&disk);
        assert_eq!(before, DayCount { day: 20_000, bytes: 100_000 + LEAST_BURST });
        let now = DAY + Duration::from_secs(60);
        days.keep(now, &carried(0)).expect("room");
        days.close(now, &carried(300_000)).expect("room");
        assert_eq!(opened(&disk).1, DayCount { day: 20_000, bytes: 300_000 });
    }

    #[test]
    fn a_day_begins_with_nothing_even_where_nobody_has_noticed_it() {
        let disk = Memory::default();
        let (mut days, _) = opened(&disk);
        let late = DAY + Duration::from_secs(86_400 - 5);
        days.keep(late, &carried(500_000)).expect("room");
        let midnight = DAY + Duration::from_secs(86_400);
        assert!(!days.is_due(late + Duration::from_secs(4)) && days.is_due(midnight));
        days.close(midnight, &carried(500_000)).expect("room");
        assert_eq!(opened(&disk).1, DayCount { day: 20_001, bytes: 0 });
    }

    #[test]
    fn a_file_that_was_changed_is_not_believed() {
        let disk = Memory::default();
        let (days, _) = opened(&disk);
        days.close(DAY, &carried(7)).expect("room");
        let whole = disk.0.lock().expect("no panic").clone();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            *disk.0.lock().expect("no panic") = bytes;
            let last = at + 1 == whole.len();
            assert!(last || DayCounts::open(Box::new(disk.clone())).is_err(), "byte {at} was changed");
        }
    }
}
