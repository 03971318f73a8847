//! Small non-volatile records: the newest whole one survives any power cut.
//!
//! What a record says is left to its owner. Two halves take turns, so that the newest record is never in the sector
//! that is being erased:
//!
//! ```text
//! half 0: | record 1 | record 2 | record 3 | 0xFF ...        append while there is room
//! half 1: | 0xFF ...                                         else erase the other half and begin there
//!
//! record: | length u16 | sequence u32 | payload | first 8 bytes of SHA-256 over what precedes |   little-endian
//! ```
//!
//! A half is one sector for the small records, more for a record that holds signed papers. It is erased from its
//! beginning on, so that nothing of an old half is ever read behind a new one's beginning.

use sha2::{Digest, Sha256};

use crate::flash::{Flash, FlashError, RegionId, SECTOR_LEN};
use crate::sector_pool::SectorPool;

/// How many sectors the region of a small record needs: one for each half.
pub(crate) const RECORD_SECTORS: usize = HALVES;

/// How many halves a region has.
const HALVES: usize = 2;

const HEADER_LEN: usize = 6;
const SUM_LEN: usize = 8;

/// The longest small record, for those who must prove that theirs fits.
#[cfg(test)]
pub(crate) const MAX_RECORD_LEN: usize = SECTOR_LEN - HEADER_LEN - SUM_LEN;

/// One region of flash that holds the history of one record.
#[derive(Debug)]
pub(crate) struct RecordLog {
    region: RegionId,
    /// The sectors of a half.
    sectors: usize,
    half: usize,
    /// Where the next record goes within the half; the half is full when it does not fit.
    next: usize,
    sequence: u32,
}

impl RecordLog {
    /// Opens a region and returns its newest whole record, if there is one.
    pub(crate) fn open(flash: &Flash, region: RegionId) -> (RecordLog, Option<Vec<u8>>) {
        RecordLog::open_wide(flash, region, 1)
    }

    /// Opens a region whose halves have this many sectors each.
    pub(crate) fn open_wide(flash: &Flash, region: RegionId, sectors: usize) -> (RecordLog, Option<Vec<u8>>) {
        let half_len = sectors * SECTOR_LEN;
        let mut log = RecordLog { region, sectors, half: 0, next: 0, sequence: 0 };
        let mut newest = None;
        let mut bytes = vec![0; half_len];
        for half in 0..HALVES {
            flash.read(region, half * half_len, &mut bytes);
            let mut at = 0;
            while let Some((sequence, payload, end)) = whole_record(&bytes, at) {
                if newest.is_none() || sequence > log.sequence {
                    newest = Some(payload.to_vec());
                    log.sequence = sequence;
                    log.half = half;
                }
                at = end;
            }
            if newest.is_some() && log.half == half {
                // Rests of a torn record cannot be programmed over: such a half counts as full.
                let clean = bytes[at..].iter().all(|byte| *byte == 0xFF);
                log.next = if clean { at } else { half_len };
            }
        }
        if newest.is_none() {
            // Nothing is known of either half, so the first record erases before it writes.
            log.half = HALVES - 1;
            log.next = half_len;
        }
        (log, newest)
    }

    /// Writes a new record; when this returns, the record survives.
    pub(crate) fn store(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        payload: &[u8],
    ) -> Result<(), FlashError> {
        let half_len = self.sectors * SECTOR_LEN;
        let len = HEADER_LEN + payload.len() + SUM_LEN;
        if len > half_len {
            return Err(FlashError::OutOfRange);
        }
        let sequence = self.sequence.wrapping_add(1);
        if self.next + len > half_len {
            let half = (self.half + 1) % HALVES;
            for sector in 0..self.sectors {
                flash.erase(self.region, half * self.sectors + sector)?;
            }
            self.half = half;
            self.next = 0;
        }
        let mut record = Vec::with_capacity(len);
        let payload_len = u16::try_from(payload.len()).expect("a half is shorter than 64 KiB");
        record.extend_from_slice(&payload_len.to_le_bytes());
        record.extend_from_slice(&sequence.to_le_bytes());
        record.extend_from_slice(payload);
        let sum = checksum(&record);
        record.extend_from_slice(&sum);
        flash.program(pool, self.region, self.half * half_len + self.next, &record)?;
        self.next += len;
        self.sequence = sequence;
        Ok(())
    }
}

/// Reads the record at `at`, if a whole one is there: its sequence, payload and end.
fn whole_record(half: &[u8], at: usize) -> Option<(u32, &[u8], usize)> {
    let header = half.get(at..at + HEADER_LEN)?;
    let len = usize::from(u16::from_le_bytes([header[0], header[1]]));
    let sequence = u32::from_le_bytes([header[2], header[3], header[4], header[5]]);
    let sum_at = at + HEADER_LEN + len;
    let payload = half.get(at + HEADER_LEN..sum_at)?;
    let sum = half.get(sum_at..sum_at + SUM_LEN)?;
    (sum == checksum(&half[at..sum_at])).then_some((sequence, payload, sum_at + SUM_LEN))
}

fn checksum(bytes: &[u8]) -> [u8; SUM_LEN] {
    let digest = Sha256::digest(bytes);
    let mut sum = [0; SUM_LEN];
    sum.copy_from_slice(&digest[..SUM_LEN]);
    sum
}

/// Writes the fields of a record, in order.
#[derive(Debug, Default)]
pub(crate) struct FieldWriter(Vec<u8>);

impl FieldWriter {
    pub(crate) fn u8(&mut self, value: u8) -> &mut FieldWriter {
        self.0.push(value);
        self
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut FieldWriter {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut FieldWriter {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut FieldWriter {
        self.bytes(&value.to_le_bytes())
    }

    /// Writes bytes whose count the reader knows.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut FieldWriter {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Writes bytes with their count in front.
    pub(crate) fn counted(&mut self, bytes: &[u8]) -> &mut FieldWriter {
        self.u16(u16::try_from(bytes.len()).expect("a record's field is short")).bytes(bytes)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads the fields of a record, in order; `None` when the record is not one of ours.
#[derive(Debug)]
pub(crate) struct FieldReader<'a>(pub(crate) &'a [u8]);

impl<'a> FieldReader<'a> {
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(len)?;
        self.0 = later;
        Some(now)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn counted(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.bytes(usize::from(len))
    }
}

#[cfg(test)]
mod tests {
    use super::{RECORD_SECTORS, RecordLog};
    use crate::flash::{CutMode, Flash, FlashFault, RegionId};
    use crate::sector_pool::SectorPool;

    const REGION: RegionId = RegionId(0);

    /// Stores records 1, 2, 3, ... until the power goes; returns what the last whole store wrote.
    fn store_until_cut(flash: &mut Flash, pool: &mut SectorPool) -> Option<u8> {
        let (mut log, _) = RecordLog::open(flash, REGION);
        let mut stored = None;
        for value in 1..=60 {
            if log.store(flash, pool, &[value; 200]).is_err() {
                return stored;
            }
            stored = Some(value);
        }
        stored
    }

    #[test]
    fn a_power_cut_at_any_operation_leaves_the_last_or_the_new_record() {
        for mode in [CutMode::Before, CutMode::Torn, CutMode::After] {
            for at_operation in 0..64 {
                let pool = &mut SectorPool::new();
                let mut flash = Flash::new([RECORD_SECTORS], Some(FlashFault { at_operation, mode }));
                let stored = store_until_cut(&mut flash, pool).unwrap_or(0);
                flash.power_on();
                let (mut log, newest) = RecordLog::open(&flash, REGION);
                let found = newest.map_or(0, |record| record[0]);
                assert!(found == stored || found == stored + 1, "{mode:?} {at_operation}: {found} {stored}");
                log.store(&mut flash, pool, &[99]).expect("power is back");
                assert_eq!(RecordLog::open(&flash, REGION).1, Some(vec![99]));
            }
        }
    }

    #[test]
    fn a_cut_at_any_operation_leaves_a_whole_record_in_wide_halves_too() {
        const SECTORS: usize = 3;
        let store = |flash: &mut Flash, pool: &mut SectorPool| {
            let (mut log, _) = RecordLog::open_wide(flash, REGION, SECTORS);
            let whole = |value: &u8| log.store(flash, pool, &vec![*value; 5_000]).is_ok();
            (1..=12u8).take_while(whole).last()
        };
        for mode in [CutMode::Before, CutMode::Torn, CutMode::After] {
            for at_operation in 0..42 {
                let pool = &mut SectorPool::new();
                let mut flash = Flash::new([2 * SECTORS], Some(FlashFault { at_operation, mode }));
                let stored = store(&mut flash, pool).unwrap_or(0);
                flash.power_on();
                let (mut log, newest) = RecordLog::open_wide(&flash, REGION, SECTORS);
                if let Some(record) = &newest {
                    assert!(record.len() == 5_000 && record.iter().all(|byte| *byte == record[0]));
                }
                let found = newest.map_or(0, |record| record[0]);
                assert!(found == stored || found == stored + 1, "{mode:?} {at_operation}: {found} {stored}");
                log.store(&mut flash, pool, &[99; 9_000]).expect("power is back");
                assert_eq!(RecordLog::open_wide(&flash, REGION, SECTORS).1, Some(vec![99; 9_000]));
            }
        }
    }

    #[test]
    fn an_oversized_record_is_refused() {
        let mut flash = Flash::new([RECORD_SECTORS], None);
        let (mut log, none) = RecordLog::open(&flash, REGION);
        assert_eq!(none, None);
        assert!(log.store(&mut flash, &mut SectorPool::new(), &[0; 5000]).is_err());
    }
}
