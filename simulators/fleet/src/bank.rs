//! A bank: room for one image in flash, and for the marks that say which parts of it have arrived.
//!
//! A mark is one bit that programming clears, so noting a unit costs one small operation and no erase, and a power
//! cut can lose a mark but never invent one. Where flash is programmed once in larger pieces, a mark is one such piece,
//! all zeros. Who owns which bank is left to the devices.
//!
//! ```text
//! data:   | unit 0 | unit 1 | ... | last unit, shorter | 0xFF ...
//! marks:  bit k of the region, first bit of a byte = most significant: 1 = missing, 0 = stored
//!    or:  program unit k of the region: anything else = missing, zeros = stored
//! ```

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use firmware_image::MAX_FILE_LEN;

use crate::flash::{Flash, FlashError, FlashLayout, RegionId};
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
    /// Where the bytes come from, when every sector is shared.
    pub(crate) sectors: Vec<SharedSector>,
}

impl StoredImage {
    /// Reads the bytes once more from flash itself, past everything that is remembered of them.
    pub(crate) fn in_flash(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.sectors.iter().map(|sector| sector.bytes().len()).sum());
        self.sectors.iter().for_each(|sector| bytes.extend_from_slice(sector.bytes()));
        bytes.truncate(self.bytes.len());
        Bytes::from(bytes)
    }
}

impl Bank {
    /// Returns the sectors that the data of the largest image needs.
    pub(crate) fn data_sectors(layout: &FlashLayout) -> usize {
        layout.sectors_for(MAX_FILE_LEN)
    }

    /// Returns the sectors that the marks of the largest image need when it arrives in units of `unit` bytes.
    pub(crate) fn mark_sectors(layout: &FlashLayout, unit: u32) -> usize {
        layout.sectors_for(marks_len(layout, MAX_FILE_LEN.div_ceil(unit.max(1) as usize)))
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
        self.erase_marks(flash, size)?;
        for sector in 0..flash.layout().sectors_for(size as usize) {
            flash.erase(self.data, sector)?;
        }
        Ok(())
    }

    fn erase_marks(&self, flash: &mut Flash, size: u32) -> Result<(), FlashError> {
        let layout = flash.layout();
        let len = marks_len(layout, self.unit_count(size) as usize);
        for sector in 0..layout.sectors_for(len) {
            flash.erase(self.marks, sector)?;
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
        let unit = flash.layout().program_unit();
        if unit > 1 {
            return flash.program(pool, self.marks, number as usize * unit, &ZEROS[..unit]);
        }
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
        let sectors_of = |unit: &u32| self.sectors_of(flash.layout(), *unit, size);
        let sectors: BTreeSet<usize> = wrong.iter().flat_map(sectors_of).collect();
        let mut marked = BTreeSet::new();
        self.each_marked(flash, size, |unit| {
            marked.insert(unit);
        });
        let touched = marked.iter().filter(|unit| sectors_of(unit).any(|sector| sectors.contains(&sector)));
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

    fn sectors_of(&self, layout: &FlashLayout, unit: u32, size: u32) -> Range<usize> {
        let range = self.unit_range(unit, size);
        range.start as usize / layout.sector_len()..layout.sectors_for(range.end as usize)
    }

    fn rewrite_marks(
        &self,
        flash: &mut Flash,
        pool: &mut SectorPool,
        size: u32,
        marked: &BTreeSet<u32>,
    ) -> Result<(), FlashError> {
        self.erase_marks(flash, size)?;
        if flash.layout().program_unit() > 1 {
            return marked.iter().try_for_each(|unit| self.mark(flash, pool, *unit));
        }
        let mut bytes = vec![0xFF; self.unit_count(size).div_ceil(8) as usize];
        for unit in marked {
            let (at, bit) = mark_place(*unit);
            bytes[at] &= !bit;
        }
        flash.program(pool, self.marks, 0, &bytes)
    }

    /// Calls `found` for each unit of an image of `size` bytes that is marked as stored.
    pub(crate) fn each_marked(&self, flash: &Flash, size: u32, mut found: impl FnMut(u32)) {
        let unit = flash.layout().program_unit();
        let mut piece = [0; ZEROS.len()];
        for number in 0..self.unit_count(size) {
            let (at, bit) = mark_place(number);
            let stored = if unit > 1 {
                flash.read(self.marks, number as usize * unit, &mut piece[..unit]);
                piece[..unit] == ZEROS[..unit]
            } else {
                flash.read(self.marks, at, &mut piece[..1]);
                piece[0] & bit == 0
            };
            if stored {
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
        if let Some(sectors) = flash.shared_sectors(self.data, flash.layout().sectors_for(size_bytes)) {
            let (key, bytes) = pool.image(&sectors, size_bytes);
            return StoredImage { key: Some(key), bytes, sectors };
        }
        let mut bytes = vec![0; size_bytes.min(flash.region_len(self.data))];
        flash.read(self.data, 0, &mut bytes);
        StoredImage { key: None, bytes: Bytes::from(bytes), sectors: Vec::new() }
    }

    /// Shares the sectors of a complete image with equal ones; bookkeeping of the simulator.
    pub(crate) fn seal(&self, flash: &mut Flash, pool: &mut SectorPool, size: u32) {
        let sectors = flash.layout().sectors_for(size as usize);
        flash.seal(pool, self.data, sectors);
    }

    /// Seals an image and remembers it under the name that it came by.
    pub(crate) fn seal_named(&self, flash: &mut Flash, pool: &mut SectorPool, size: u32, name: &[u8]) {
        self.seal(flash, pool, size);
        self.name(flash, pool, size, name);
    }

    /// Remembers a sealed image under a name.
    pub(crate) fn name(&self, flash: &Flash, pool: &mut SectorPool, size: u32, name: &[u8]) {
        let sectors = flash.layout().sectors_for(size as usize);
        if let Some(sectors) = flash.shared_sectors(self.data, sectors) {
            pool.name(name, sectors);
        }
    }

    /// Flips one stored bit of the image.
    pub(crate) fn decay(&self, flash: &mut Flash, offset: u32, bit: u8) {
        flash.decay(self.data, offset as usize, bit);
    }
}

/// A whole program unit of zeros, of the longest length that there is.
const ZEROS: [u8; 32] = [0; 32];

/// Returns the bytes that so many marks take.
fn marks_len(layout: &FlashLayout, units: usize) -> usize {
    match layout.program_unit() {
        1 => units.div_ceil(8),
        unit => units * unit,
    }
}

fn mark_place(number: u32) -> (usize, u8) {
    (number as usize / 8, 0x80 >> (number % 8))
}
