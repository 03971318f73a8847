//! A bank: room for one image in flash, and for the marks that say which parts of it have arrived.
//!
//! A mark is one bit that programming clears, so noting a unit costs one small operation and no erase, and a power
//! cut can lose a mark but never invent one. Who owns which bank is left to the devices.
//!
//! ```text
//! data:   | unit 0 | unit 1 | ... | last unit, shorter | 0xFF ...
//! marks:  bit k of the region, first bit of a byte = most significant: 1 = missing, 0 = stored
//! ```

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use firmware_image::MAX_FILE_LEN;

use crate::flash::{Flash, FlashError, RegionId, SECTOR_LEN};
use crate::sector_pool::{ImageKey, SectorPool, SharedSector};

/// The index of a bank within its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BankId(pub(crate) u8);

/// Where a bank lies, and the unit in which its image arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bank {
    data: RegionId,
    marks: RegionId,
    unit: u32,
}

/// The bytes of a stored image, read back from flash.
#[derive(Clone, Debug)]
pub(crate) struct StoredImage {
    /// Known when every sector is shared; then equal keys mean equal bytes.
    pub(crate) key: Option<ImageKey>,
    pub(crate) bytes: Bytes,
}

impl Bank {
    /// Sectors that the data of the largest image needs.
    pub(crate) const DATA_SECTORS: usize = MAX_FILE_LEN.div_ceil(SECTOR_LEN);

    /// Returns the sectors that the marks of the largest image need when it arrives in units of `unit` bytes.
    pub(crate) fn mark_sectors(unit: u32) -> usize {
        let units = MAX_FILE_LEN.div_ceil(unit.max(1) as usize);
        units.div_ceil(8 * SECTOR_LEN)
    }

    /// Places a bank on two regions; `unit` must not be 0.
    pub(crate) fn new(data: RegionId, marks: RegionId, unit: u32) -> Bank {
        Bank { data, marks, unit: unit.max(1) }
    }

    /// Returns how many units an image of `size` bytes has.
    pub(crate) fn unit_count(&self, size: u32) -> u32 {
        size.div_ceil(self.unit)
    }

    /// Returns the bytes of unit `number` within an image of `size` bytes.
    pub(crate) fn unit_range(&self, number: u32, size: u32) -> Range<u32> {
        let start = number.saturating_mul(self.unit).min(size);
        start..start.saturating_add(self.unit).min(size)
    }

    /// Erases what an image of `size` bytes will need, marks first.
    pub(crate) fn erase(&self, flash: &mut Flash, size: u32) -> Result<(), FlashError> {
        let mark_bytes = self.unit_count(size).div_ceil(8) as usize;
        for sector in 0..mark_bytes.div_ceil(SECTOR_LEN) {
            flash.erase(self.marks, sector)?;
        }
        for sector in 0..data_sectors(size) {
            flash.erase(self.data, sector)?;
        }
        Ok(())
    }

    /// Stores bytes of the image; marking is a separate act, so that a torn write is never taken for a whole one.
    pub(crate) fn write(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), FlashError> {
        flash.program(pool, self.data, offset as usize, bytes)
    }

    /// Stores bytes that are probably those of a known image.
    pub(crate) fn write_as(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        offset: u32,
        bytes: &[u8],
        known: &[SharedSector],
    ) -> Result<(), FlashError> {
        flash.program_as(pool, self.data, offset as usize, bytes, known)
    }

    /// Stores a range of the image that lies in a bank of another device, as if it came in pieces of `piece` bytes.
    pub(crate) fn take_over(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        range: Range<u32>,
        piece: u32,
        (source, bank): (&Flash, Bank),
    ) -> Result<(), FlashError> {
        let range = range.start as usize..range.end as usize;
        flash.take_over(pool, self.data, range, piece as usize, (source, bank.data))
    }

    /// Notes that a run of units is stored.
    pub(crate) fn mark_run(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        units: Range<u32>,
    ) -> Result<(), FlashError> {
        flash.clear_bits(pool, self.marks, units.start as usize..units.end as usize)
    }

    /// Notes that unit `number` is stored.
    pub(crate) fn mark(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        number: u32,
    ) -> Result<(), FlashError> {
        let (at, bit) = mark_place(number);
        let mut byte = [0];
        flash.read(self.marks, at, &mut byte);
        flash.program(pool, self.marks, at, &[byte[0] & !bit])
    }

    /// Makes units missing and writable again, and leaves all others stored.
    ///
    /// A sector is erased as a whole, so what else lies in it is read first and programmed again. The marks go
    /// first and come back last: a power cut on the way leaves units missing that were stored, never the reverse.
    pub(crate) fn clear_units(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        size: u32,
        wrong: &BTreeSet<u32>,
    ) -> Result<(), FlashError> {
        let sectors: BTreeSet<usize> = wrong.iter().flat_map(|unit| self.sectors_of(*unit, size)).collect();
        let mut marked = BTreeSet::new();
        self.each_marked(flash, size, |unit| {
            marked.insert(unit);
        });
        let touched = marked
            .iter()
            .filter(|unit| self.sectors_of(**unit, size).any(|sector| sectors.contains(&sector)));
        let mut neighbours: Vec<(u32, Vec<u8>)> = Vec::new();
        for unit in touched.filter(|unit| !wrong.contains(unit)) {
            let range = self.unit_range(*unit, size);
            let mut bytes = vec![0; range.len()];
            self.read(flash, range.start, &mut bytes);
            neighbours.push((*unit, bytes));
        }
        let moved: BTreeSet<u32> = neighbours.iter().map(|(unit, _)| *unit).collect();
        marked.retain(|unit| !wrong.contains(unit) && !moved.contains(unit));
        self.rewrite_marks(flash, pool, size, &marked)?;
        for sector in sectors {
            flash.erase(self.data, sector)?;
        }
        for (unit, bytes) in neighbours {
            self.write(flash, pool, self.unit_range(unit, size).start, &bytes)?;
            self.mark(flash, pool, unit)?;
        }
        Ok(())
    }

    fn sectors_of(&self, unit: u32, size: u32) -> Range<usize> {
        let range = self.unit_range(unit, size);
        range.start as usize / SECTOR_LEN..(range.end as usize).div_ceil(SECTOR_LEN)
    }

    fn rewrite_marks(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        size: u32,
        marked: &BTreeSet<u32>,
    ) -> Result<(), FlashError> {
        let mut bytes = vec![0xFF; self.unit_count(size).div_ceil(8) as usize];
        for unit in marked {
            let (at, bit) = mark_place(*unit);
            bytes[at] &= !bit;
        }
        for sector in 0..bytes.len().div_ceil(SECTOR_LEN) {
            flash.erase(self.marks, sector)?;
        }
        flash.program(pool, self.marks, 0, &bytes)
    }

    /// Calls `found` for each unit of an image of `size` bytes that is marked as stored.
    pub(crate) fn each_marked(&self, flash: &Flash, size: u32, mut found: impl FnMut(u32)) {
        for number in 0..self.unit_count(size) {
            let (at, bit) = mark_place(number);
            let mut byte = [0];
            flash.read(self.marks, at, &mut byte);
            if byte[0] & bit == 0 {
                found(number);
            }
        }
    }

    /// Reads bytes of the image.
    pub(crate) fn read(&self, flash: &Flash, offset: u32, out: &mut [u8]) {
        flash.read(self.data, offset as usize, out);
    }

    /// Reads the whole image back from flash.
    pub(crate) fn image(&self, flash: &Flash, pool: &mut SectorPool, size: u32) -> StoredImage {
        let size_bytes = size as usize;
        if let Some(sectors) = flash.shared_sectors(self.data, data_sectors(size)) {
            let (key, bytes) = pool.image(&sectors, size_bytes);
            return StoredImage { key: Some(key), bytes };
        }
        let mut bytes = vec![0; size_bytes.min(flash.region_len(self.data))];
        flash.read(self.data, 0, &mut bytes);
        StoredImage { key: None, bytes: Bytes::from(bytes) }
    }

    /// Shares the sectors of a complete image with equal ones; bookkeeping of the simulator.
    pub(crate) fn seal(&self, flash: &mut Flash, pool: &mut SectorPool, size: u32) {
        flash.seal(pool, self.data, data_sectors(size));
    }

    /// Seals an image and remembers it under the name that it came by.
    pub(crate) fn seal_named(&self, flash: &mut Flash, pool: &mut SectorPool, size: u32, name: &[u8]) {
        self.seal(flash, pool, size);
        if let Some(sectors) = flash.shared_sectors(self.data, data_sectors(size)) {
            pool.name(name, sectors);
        }
    }

    /// Flips one stored bit of the image.
    pub(crate) fn decay(&self, flash: &mut Flash, offset: u32, bit: u8) {
        flash.decay(self.data, offset as usize, bit);
    }
}

fn data_sectors(size: u32) -> usize {
    (size as usize).div_ceil(SECTOR_LEN)
}

fn mark_place(number: u32) -> (usize, u8) {
    (number as usize / 8, 0x80 >> (number % 8))
}
