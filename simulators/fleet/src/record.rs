//! Small non-volatile records: the newest whole one survives any power cut, and one worn sector.
//!
//! What a record says is left to its owner; two copies of one record to [`pair`]. Three places take turns, so that the
//! newest record is never in a sector that is being erased, and so that two are left when one is worn out:
//!
//! ```text
//! place 0: | record 1 | record 2 | record 3 | 0xFF ...       append while there is room
//! place 1: | 0xFF ...                                        else erase the next place and begin there
//! place 2: | 0xFF ...
//!
//! record: | length u16 | sequence u32 | payload | first 8 bytes of SHA-256 over what precedes |   little-endian
//! ```
//!
//! A place is one sector for the small records, more for a record that holds signed papers or where sectors are small.
//! It is erased from its beginning on, so that nothing of an old place is ever read behind a new one's beginning.

mod fields; // the fields of a record, in order
mod pair; // one record in two copies

pub(crate) use fields::{FieldReader, FieldWriter};
pub(crate) use pair::RecordPair;

use sha2::{Digest, Sha256};

use crate::flash::{Flash, FlashError, FlashLayout, RegionId};
use crate::sector_pool::SectorPool;

/// The bytes that a place of a small record holds at least: more than the longest record of a hub's slot.
pub(crate) const PLACE_LEN: usize = 4096;

/// How many places a region has: two would do, and one more for when a sector is worn out.
const PLACES: usize = 3;

const HEADER_LEN: usize = 6;
const SUM_LEN: usize = 8;

/// The longest small record, for those who must prove that theirs fits.
#[cfg(test)]
pub(crate) const MAX_RECORD_LEN: usize = PLACE_LEN - HEADER_LEN - SUM_LEN;

/// One region of flash that holds the history of one record.
#[derive(Clone, Debug)]
pub(crate) struct RecordLog {
    region: RegionId,
    /// The sectors of a place.
    sectors: usize,
    place: usize,
    /// Where the next record goes within the place; the place is full when it does not fit.
    next: usize,
    /// The number of the newest record; 0 for none.
    sequence: u32,
    /// Places that did not hold what they were given since the device came up.
    worn: [bool; PLACES],
}

impl RecordLog {
    /// Returns the sectors of a region whose places hold this many bytes each.
    pub(crate) fn region_sectors(layout: &FlashLayout, place_len: usize) -> usize {
        PLACES * layout.sectors_for(place_len)
    }

    /// Opens a region and returns its newest whole record, if there is one.
    pub(crate) fn open(flash: &Flash, region: RegionId) -> (RecordLog, Option<Vec<u8>>) {
        RecordLog::open_wide(flash, region, PLACE_LEN)
    }

    /// Opens a region whose places hold this many bytes each.
    pub(crate) fn open_wide(
        flash: &Flash,
        region: RegionId,
        place_len: usize,
    ) -> (RecordLog, Option<Vec<u8>>) {
        let layout = flash.layout();
        let sectors = layout.sectors_for(place_len);
        let place_len = sectors * layout.sector_len();
        let mut log = RecordLog { region, sectors, place: 0, next: 0, sequence: 0, worn: [false; PLACES] };
        let mut newest = None;
        let mut bytes = Vec::new();
        for place in 0..PLACES {
            let first_sector = place * sectors;
            if flash.is_blank(region, first_sector..first_sector + 1) {
                continue;
            }
            // What follows is erased, and is not looked at unless a record says that it reaches so far.
            bytes.resize(flash.written_len(region, first_sector..first_sector + sectors), 0);
            flash.read(region, place * place_len, &mut bytes);
            let mut at = 0;
            loop {
                reach_as_claimed(&mut bytes, at, place_len);
                let Some((sequence, payload, len)) = whole_record(&bytes, at) else { break };
                if newest.is_none() || sequence > log.sequence {
                    newest = Some(at + HEADER_LEN..at + HEADER_LEN + payload.len());
                    log.sequence = sequence;
                    log.place = place;
                }
                at += layout.padded(len);
            }
            if newest.is_some() && log.place == place {
                // Rests of a torn record cannot be programmed over: such a place counts as full.
                let clean = bytes.iter().skip(at).all(|byte| *byte == 0xFF);
                log.next = if clean { at } else { place_len };
            }
        }
        if newest.is_none() {
            // Nothing is known of any place, so the first record erases before it writes.
            log.place = PLACES - 1;
            log.next = place_len;
        }
        let payload = newest.map(|range| {
            let mut payload = vec![0; range.len()];
            flash.read(region, log.place * place_len + range.start, &mut payload);
            payload
        });
        (log, payload)
    }

    /// Writes a new record; when this returns, the record survives.
    pub(crate) fn store(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        payload: &[u8],
    ) -> Result<(), FlashError> {
        self.store_as(flash, pool, self.sequence.wrapping_add(1), payload)
    }

    /// Writes a new record under a number that is higher than that of the newest.
    fn store_as(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        sequence: u32,
        payload: &[u8],
    ) -> Result<(), FlashError> {
        let place_len = self.sectors * flash.layout().sector_len();
        let record = encode(sequence, payload);
        if record.len() > place_len {
            return Err(FlashError::OutOfRange);
        }
        let mut worn = FlashError::Worn { region: self.region.0, sector: 0 };
        if self.next + record.len() <= place_len {
            match self.append(flash, pool, sequence, &record) {
                Err(error @ FlashError::Worn { .. }) => worn = self.retire(self.place, error),
                stored => return stored,
            }
        }
        // The place of the newest record comes last in turn, and so is never erased.
        for step in 1..PLACES {
            let place = (self.place + step) % PLACES;
            if self.worn[place] {
                continue;
            }
            match self.begin_place(flash, pool, place, &record) {
                Ok(()) => {
                    self.place = place;
                    self.next = flash.layout().padded(record.len());
                    self.sequence = sequence;
                    return Ok(());
                }
                Err(error @ FlashError::Worn { .. }) => worn = self.retire(place, error),
                Err(error) => return Err(error),
            }
        }
        Err(worn)
    }

    fn append(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        sequence: u32,
        record: &[u8],
    ) -> Result<(), FlashError> {
        let place_len = self.sectors * flash.layout().sector_len();
        flash.program(pool, self.region, self.place * place_len + self.next, record)?;
        self.next += flash.layout().padded(record.len());
        self.sequence = sequence;
        Ok(())
    }

    fn begin_place(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        place: usize,
        record: &[u8],
    ) -> Result<(), FlashError> {
        for sector in 0..self.sectors {
            flash.erase(self.region, place * self.sectors + sector)?;
        }
        flash.program(pool, self.region, place * self.sectors * flash.layout().sector_len(), record)
    }

    /// Begins nothing in a place any more; what can be read there stays.
    fn retire(&mut self, place: usize, error: FlashError) -> FlashError {
        self.worn[place] = true;
        if place == self.place {
            self.next = usize::MAX / 2;
        }
        error
    }
}

fn encode(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_LEN + payload.len() + SUM_LEN);
    // A payload that is longer does not fit any place, which is what its owner is told.
    let payload_len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    record.extend_from_slice(&payload_len.to_le_bytes());
    record.extend_from_slice(&sequence.to_le_bytes());
    record.extend_from_slice(payload);
    let sum = checksum(&record);
    record.extend_from_slice(&sum);
    record
}

/// Makes the end of the record at `at` readable that its header claims, within the place: bytes of an erased flash.
fn reach_as_claimed(place: &mut Vec<u8>, at: usize, place_len: usize) {
    let Some(&[low, high]) = place.get(at..at + 2) else { return };
    let end = at + HEADER_LEN + usize::from(u16::from_le_bytes([low, high])) + SUM_LEN;
    if (place.len()..=place_len).contains(&end) {
        place.resize(end, 0xFF);
    }
}

/// Reads the record at `at`, if a whole one is there: its sequence, payload and length.
fn whole_record(place: &[u8], at: usize) -> Option<(u32, &[u8], usize)> {
    let header = place.get(at..at + HEADER_LEN)?;
    let len = usize::from(u16::from_le_bytes([header[0], header[1]]));
    let sequence = u32::from_le_bytes([header[2], header[3], header[4], header[5]]);
    let sum_at = at + HEADER_LEN + len;
    let payload = place.get(at + HEADER_LEN..sum_at)?;
    let sum = place.get(sum_at..sum_at + SUM_LEN)?;
    (sum == checksum(&place[at..sum_at])).then_some((sequence, payload, HEADER_LEN + len + SUM_LEN))
}

fn checksum(bytes: &[u8]) -> [u8; SUM_LEN] {
    let digest = Sha256::digest(bytes);
    let mut sum = [0; SUM_LEN];
    sum.copy_from_slice(&digest[..SUM_LEN]);
    sum
}

#[cfg(test)]
mod tests;
