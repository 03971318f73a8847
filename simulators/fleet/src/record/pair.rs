//! One record in two copies, each in a region of its own.
//!
//! ```text
//! store:  copy 0, then copy 1, both under one number
//! open:   the copy with the higher number; a copy that lags is brought up
//! ```
//!
//! A copy that is torn, rotten or worn costs nothing, for the other one says the same, or the state before; never an
//! older one. Counters that may not fall stand in such a record.

use super::RecordLog;
use crate::flash::{Flash, FlashError, RegionId};
use crate::sector_pool::SectorPool;

/// How many copies there are.
const COPIES: usize = 2;

/// A record in two copies.
#[derive(Clone, Debug)]
pub(crate) struct RecordPair {
    copies: [RecordLog; COPIES],
    /// The newest reason why a copy could not be written, until somebody asks.
    worn: Option<FlashError>,
}

impl RecordPair {
    /// Opens two regions and returns the newest whole record, if there is one.
    pub(crate) fn open(
        flash: &Flash,
        regions: [RegionId; COPIES],
        place_len: usize,
    ) -> (RecordPair, Option<Vec<u8>>) {
        let [first, second] = regions.map(|region| RecordLog::open_wide(flash, region, place_len));
        let newest = if second.0.sequence > first.0.sequence { second.1 } else { first.1 };
        (RecordPair { copies: [first.0, second.0], worn: None }, newest)
    }

    /// Writes a new record. When this returns, it survives, in two copies unless one is worn.
    pub(crate) fn store(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        payload: &[u8],
    ) -> Result<(), FlashError> {
        let sequence = self.newest().wrapping_add(1);
        self.bring_up(flash, pool, sequence, payload)
    }

    /// Writes the newest record again into a copy that lags.
    pub(crate) fn heal(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        payload: &[u8],
    ) -> Result<(), FlashError> {
        self.bring_up(flash, pool, self.newest(), payload)
    }

    /// Returns, once, why a copy could not be written.
    pub(crate) fn take_worn(&mut self) -> Option<FlashError> {
        self.worn.take()
    }

    fn newest(&self) -> u32 {
        self.copies.iter().map(|copy| copy.sequence).max().unwrap_or(0)
    }

    fn bring_up(
        &mut self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        sequence: u32,
        payload: &[u8],
    ) -> Result<(), FlashError> {
        let mut outcome = Ok(());
        let mut held = 0;
        for copy in &mut self.copies {
            if copy.sequence < sequence {
                match copy.store_as(flash, pool, sequence, payload) {
                    Ok(()) => {}
                    Err(error @ FlashError::Worn { .. }) => {
                        self.worn = Some(error);
                        outcome = Err(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            held += 1;
        }
        if held > 0 { Ok(()) } else { outcome }
    }
}
