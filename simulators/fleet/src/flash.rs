//! Flash memory as a device has it: sectors that are erased whole and programmed bit by bit.
//!
//! What the bytes mean is left to [`crate::bank`] and [`crate::record`]; sharing of equal sectors to
//! [`crate::sector_pool`].
//!
//! ```text
//! region 0   region 1   ...          each region is a run of 4 KiB sectors with a fixed capacity
//! [ | | | ]  [ | | | ]
//!   erase a sector  -> every bit 1   (one operation)
//!   program a range -> bits may only go from 1 to 0, within one sector   (one operation)
//! ```
//!
//! Sketch: a sector costs 16 bytes of host memory while it is erased, its programmed prefix while it fills, and
//! one reference once it is full and equal to a sector some other device holds.

mod bulk; // many operations at once

use crate::sector_pool::{SectorPool, SharedSector};

/// The size of a flash sector in bytes; the erase unit of the serial NOR parts that meters use (assumption).
pub const SECTOR_LEN: usize = 4096;

/// Why a flash operation did not happen as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlashError {
    /// The supply failed; nothing works until power returns.
    #[error("power lost during a flash operation")]
    PowerLost,
    /// Programming can only clear bits, and the new content needs a cleared bit set.
    #[error("programming would have to set a cleared bit")]
    NotErased,
    /// The address lies outside its region.
    #[error("address lies outside the flash region")]
    OutOfRange,
}

/// When, relative to the chosen operation, the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutMode {
    /// The operation does not happen.
    Before,
    /// The operation stops half way.
    Torn,
    /// The operation happens, and nothing after it.
    After,
}

/// A planned power cut at one flash operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlashFault {
    /// The operation that is hit, counted from 0 since the device was made.
    pub at_operation: u64,
    /// How it is hit.
    pub mode: CutMode,
}

/// A run of sectors with its own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionId(pub(crate) u8);

/// The flash of one device.
#[derive(Debug)]
pub(crate) struct Flash {
    regions: Vec<Region>,
    operations: u64,
    fault: Option<FlashFault>,
    powered: bool,
}

/// Sectors past the end of `sectors` are erased; so a large region costs nothing until it is used.
#[derive(Debug)]
struct Region {
    capacity: usize,
    sectors: Vec<Sector>,
}

#[derive(Debug)]
enum Sector {
    Erased,
    Filling(Box<Filling>),
    /// The beginning of a sector that others hold whole.
    Begun(SharedSector, u16),
    Full(SharedSector),
}

/// A sector being programmed; bytes past the end of `bytes` are erased.
#[derive(Debug, Default)]
struct Filling {
    bytes: Vec<u8>,
    /// Bytes programmed since the erase; at a sector's length it is worth looking for an equal sector.
    programmed: usize,
}

impl Flash {
    /// Makes an erased flash with one region per capacity, given in sectors.
    pub(crate) fn new(capacities: impl IntoIterator<Item = usize>, fault: Option<FlashFault>) -> Flash {
        let regions =
            capacities.into_iter().map(|capacity| Region { capacity, sectors: Vec::new() }).collect();
        Flash { regions, operations: 0, fault, powered: true }
    }

    /// Returns how many erase and program operations were begun.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Returns the size of a region in bytes.
    pub(crate) fn region_len(&self, region: RegionId) -> usize {
        self.region(region).capacity * SECTOR_LEN
    }

    /// Restores the supply after [`FlashError::PowerLost`].
    pub(crate) fn power_on(&mut self) {
        self.powered = true;
    }

    /// Erases one sector.
    pub(crate) fn erase(&mut self, region: RegionId, sector: usize) -> Result<(), FlashError> {
        let cut = self.begin_operation()?;
        let region = self.region_mut(region);
        if sector >= region.capacity {
            return Err(FlashError::OutOfRange);
        }
        if let Some(slot) = region.sectors.get_mut(sector) {
            match cut {
                None | Some(CutMode::After) => *slot = Sector::Erased,
                Some(CutMode::Before) => {}
                Some(CutMode::Torn) => {
                    if let Some(filling) = slot.unshare() {
                        let half = filling.bytes.len().min(SECTOR_LEN / 2);
                        filling.bytes[..half].fill(0xFF);
                    }
                }
            }
        }
        self.end_operation(cut)
    }

    /// Programs `bytes` at `offset`, one operation per sector touched.
    pub(crate) fn program(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), FlashError> {
        let end = offset.checked_add(bytes.len()).ok_or(FlashError::OutOfRange)?;
        if end > self.region_len(region) {
            return Err(FlashError::OutOfRange);
        }
        let mut offset = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = offset % SECTOR_LEN;
            let (now, later) = rest.split_at(rest.len().min(SECTOR_LEN - within));
            self.program_within(pool, region, offset / SECTOR_LEN, within, now)?;
            offset += now.len();
            rest = later;
        }
        Ok(())
    }

    fn program_within(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        sector: usize,
        within: usize,
        bytes: &[u8],
    ) -> Result<(), FlashError> {
        let cut = self.begin_operation()?;
        let written = match cut {
            None | Some(CutMode::After) => self.region_mut(region).write(pool, sector, within, bytes),
            Some(CutMode::Before) => Ok(()),
            Some(CutMode::Torn) => {
                let half = &bytes[..bytes.len() / 2];
                self.region_mut(region).write(pool, sector, within, half)
            }
        };
        written?;
        self.end_operation(cut)
    }

    /// Reads `out.len()` bytes at `offset`; what lies past the region reads as erased.
    pub(crate) fn read(&self, region: RegionId, offset: usize, out: &mut [u8]) {
        let region = self.region(region);
        let mut at = 0;
        while at < out.len() {
            let within = (offset + at) % SECTOR_LEN;
            let len = (out.len() - at).min(SECTOR_LEN - within);
            let target = &mut out[at..at + len];
            let stored = region.sectors.get((offset + at) / SECTOR_LEN).map_or(&[][..], Sector::bytes);
            let stored = stored.get(within..).unwrap_or(&[]);
            let known = stored.len().min(len);
            target[..known].copy_from_slice(&stored[..known]);
            target[known..].fill(0xFF);
            at += len;
        }
    }

    /// Shares the first `sectors` sectors of a region with equal ones elsewhere, when no more will be programmed.
    ///
    /// This is bookkeeping of the simulator, not an operation of the device.
    pub(crate) fn seal(&mut self, pool: &mut SectorPool, region: RegionId, sectors: usize) {
        let region = self.region_mut(region);
        let sectors = sectors.min(region.capacity);
        if region.sectors.len() < sectors {
            region.sectors.resize_with(sectors, || Sector::Erased);
        }
        for sector in &mut region.sectors[..sectors] {
            sector.share(pool);
        }
    }

    /// Returns the shared sectors of a region's beginning, or `None` when one of them is not shared.
    pub(crate) fn shared_sectors(&self, region: RegionId, sectors: usize) -> Option<Vec<SharedSector>> {
        let stored = self.region(region).sectors.get(..sectors)?;
        let mut shared = Vec::with_capacity(sectors);
        for sector in stored {
            match sector {
                Sector::Full(sector) => shared.push(sector.clone()),
                Sector::Erased | Sector::Filling(_) | Sector::Begun(..) => return None,
            }
        }
        Some(shared)
    }

    /// Flips one stored bit, as ageing or radiation would; never an operation of the device.
    pub(crate) fn decay(&mut self, region: RegionId, offset: usize, bit: u8) {
        let region = self.region_mut(region);
        if offset >= region.capacity * SECTOR_LEN {
            return;
        }
        let filling = region.filling(offset / SECTOR_LEN);
        let within = offset % SECTOR_LEN;
        if filling.bytes.len() <= within {
            filling.bytes.resize(within + 1, 0xFF);
        }
        filling.bytes[within] ^= 1 << (bit & 7);
    }

    fn begin_operation(&mut self) -> Result<Option<CutMode>, FlashError> {
        if !self.powered {
            return Err(FlashError::PowerLost);
        }
        let number = self.operations;
        self.operations += 1;
        Ok(self.fault.filter(|fault| fault.at_operation == number).map(|fault| fault.mode))
    }

    fn end_operation(&mut self, cut: Option<CutMode>) -> Result<(), FlashError> {
        if cut.is_none() {
            return Ok(());
        }
        self.powered = false;
        Err(FlashError::PowerLost)
    }

    fn region(&self, region: RegionId) -> &Region {
        &self.regions[usize::from(region.0)]
    }

    fn region_mut(&mut self, region: RegionId) -> &mut Region {
        &mut self.regions[usize::from(region.0)]
    }
}

impl Region {
    /// Clears bits within one sector.
    fn write(
        &mut self,
        pool: &mut SectorPool,
        sector: usize,
        within: usize,
        bytes: &[u8],
    ) -> Result<(), FlashError> {
        let filling = self.filling(sector);
        if within < filling.bytes.len() {
            let overlap = (filling.bytes.len() - within).min(bytes.len());
            let stored = &mut filling.bytes[within..within + overlap];
            if stored.iter().zip(bytes).any(|(stored, new)| stored & new != *new) {
                return Err(FlashError::NotErased);
            }
            stored.copy_from_slice(&bytes[..overlap]);
            filling.bytes.extend_from_slice(&bytes[overlap..]);
        } else {
            filling.bytes.resize(within, 0xFF);
            filling.bytes.extend_from_slice(bytes);
        }
        filling.programmed += bytes.len();
        if filling.programmed >= SECTOR_LEN {
            self.sectors[sector].share(pool);
        }
        Ok(())
    }

    /// Returns a sector that may be changed; the caller has checked the range.
    fn filling(&mut self, sector: usize) -> &mut Filling {
        if self.sectors.len() <= sector {
            self.sectors.resize_with(sector + 1, || Sector::Erased);
        }
        let slot = &mut self.sectors[sector];
        if let Sector::Erased = slot {
            *slot = Sector::Filling(Box::default());
        }
        slot.unshare().expect("the sector is not erased")
    }
}

impl Sector {
    fn bytes(&self) -> &[u8] {
        match self {
            Sector::Erased => &[],
            Sector::Filling(filling) => &filling.bytes,
            Sector::Begun(sector, len) => &sector.bytes()[..usize::from(*len)],
            Sector::Full(sector) => sector.bytes(),
        }
    }

    /// Replaces the sector by the pool's copy of the same bytes.
    fn share(&mut self, pool: &mut SectorPool) {
        *self = match self {
            Sector::Erased => Sector::Full(pool.intern(&[0xFF; SECTOR_LEN])),
            Sector::Filling(filling) => {
                filling.bytes.resize(SECTOR_LEN, 0xFF);
                Sector::Full(pool.intern(&filling.bytes))
            }
            Sector::Begun(sector, len) => {
                let len = usize::from(*len);
                match sector.bytes()[len..].iter().all(|byte| *byte == 0xFF) {
                    true => Sector::Full(sector.clone()),
                    false => {
                        let mut bytes = sector.bytes()[..len].to_vec();
                        bytes.resize(SECTOR_LEN, 0xFF);
                        Sector::Full(pool.intern(&bytes))
                    }
                }
            }
            Sector::Full(_) => return,
        };
    }

    /// Makes the sector this device's own again, because it is about to differ.
    fn unshare(&mut self) -> Option<&mut Filling> {
        let (sector, len, programmed) = match self {
            Sector::Filling(filling) => return Some(filling),
            Sector::Erased => return None,
            Sector::Begun(sector, len) => (sector, usize::from(*len), usize::from(*len)),
            Sector::Full(sector) => (sector, SECTOR_LEN, 0),
        };
        let bytes = sector.bytes()[..len].to_vec();
        *self = Sector::Filling(Box::new(Filling { bytes, programmed }));
        match self {
            Sector::Filling(filling) => Some(filling),
            Sector::Erased | Sector::Begun(..) | Sector::Full(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CutMode, Flash, FlashError, FlashFault, RegionId, SECTOR_LEN};
    use crate::sector_pool::SectorPool;

    const REGION: RegionId = RegionId(0);

    fn read(flash: &Flash, offset: usize, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        flash.read(REGION, offset, &mut out);
        out
    }

    #[test]
    fn programming_clears_bits_and_never_sets_one() {
        let pool = &mut SectorPool::new();
        let mut flash = Flash::new([2], None);
        flash.program(pool, REGION, 4090, &[0xF0; 12]).expect("erased");
        assert_eq!(read(&flash, 4089, 14), [&[0xFF][..], &[0xF0; 12], &[0xFF]].concat());
        flash.program(pool, REGION, 4090, &[0x30]).expect("only clears");
        assert_eq!(flash.program(pool, REGION, 4090, &[0xF0]), Err(FlashError::NotErased));
        flash.erase(REGION, 0).expect("erases");
        flash.program(pool, REGION, 4090, &[0xF0]).expect("erased again");
    }

    #[test]
    fn nothing_is_programmed_or_erased_outside_a_region() {
        let pool = &mut SectorPool::new();
        let mut flash = Flash::new([1], None);
        assert_eq!(flash.program(pool, REGION, SECTOR_LEN - 1, &[0, 0]), Err(FlashError::OutOfRange));
        assert_eq!(flash.program(pool, REGION, usize::MAX, &[0, 0]), Err(FlashError::OutOfRange));
        assert_eq!(flash.erase(REGION, 1), Err(FlashError::OutOfRange));
    }

    #[test]
    fn a_full_sector_is_shared_and_becomes_private_when_it_changes() {
        let pool = &mut SectorPool::new();
        let mut flashes = [Flash::new([1], None), Flash::new([1], None)];
        for flash in &mut flashes {
            for at in (0..SECTOR_LEN).step_by(64) {
                flash.program(pool, REGION, at, &[0x55; 64]).expect("erased");
            }
        }
        assert_eq!(pool.sector_count(), 1);
        assert!(flashes.iter().all(|flash| flash.shared_sectors(REGION, 1).is_some()));
        flashes[0].decay(REGION, 7, 1);
        assert_eq!(read(&flashes[0], 7, 1), [0x57]);
        assert_eq!(read(&flashes[1], 7, 1), [0x55]);
        drop(flashes);
        pool.forget_unused();
        assert_eq!(pool.sector_count(), 0);
    }

    #[test]
    fn a_power_cut_hits_before_during_or_after_the_operation() {
        let expected = [(CutMode::Before, [0xFF; 4]), (CutMode::After, [0; 4])];
        for (mode, content) in expected.into_iter().chain([(CutMode::Torn, [0, 0, 0xFF, 0xFF])]) {
            let pool = &mut SectorPool::new();
            let mut flash = Flash::new([1], Some(FlashFault { at_operation: 1, mode }));
            flash.erase(REGION, 0).expect("before the cut");
            assert_eq!(flash.program(pool, REGION, 0, &[0; 4]), Err(FlashError::PowerLost));
            assert_eq!(flash.erase(REGION, 0), Err(FlashError::PowerLost), "the power is away");
            flash.power_on();
            assert_eq!(read(&flash, 0, 4), content, "{mode:?}");
        }
    }
}
