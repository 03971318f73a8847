//! Flash memory as a device has it: sectors that are erased whole and programmed piece by piece.
//!
//! What the bytes mean is left to [`crate::bank`] and [`crate::record`]; sharing of equal sectors to
//! [`crate::sector_pool`].
//!
//! ```text
//! region 0   region 1   ...          each region is a run of sectors with a fixed capacity
//! [ | | | ]  [ | | | ]
//!   erase a sector  -> every bit 1                                              (one operation)
//!   program a range -> bits only go from 1 to 0      (one operation for each page, or less, of it)
//!
//! a cut in the middle:  erase    | ones | neither | as it was          |
//!                       program  | new         |neither| as it was     |
//! ```
//!
//! A sector that is worn out does not say so. Every operation is therefore read back, and
//! [`FlashError::Worn`] names the sector that does not hold what it was given.

mod bulk; // many operations of a plain flash at once
mod faults; // planned cuts, worn sectors
mod layout; // what is erased at once, what is programmed at once
mod region; // the sectors of a region in host memory

pub use faults::{CutMode, FlashFault, FlashFaults, FlashPlace, Wear, WornSector};
pub use layout::{FlashLayout, LayoutError};

pub(crate) use faults::FaultPlan;

use crate::sector_pool::{SectorPool, SharedSector};
use faults::unreached_bits;
use region::{Region, is_erased};
use sha2::{Digest, Sha256};

/// Why a flash operation did not happen as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlashError {
    /// The supply failed; nothing works until power returns.
    #[error("power lost during a flash operation")]
    PowerLost,
    /// Programming can only clear bits, and the new content needs a cleared bit set.
    #[error("programming would have to set a cleared bit")]
    NotErased,
    /// The address lies outside its region, or not at the beginning of a program unit.
    #[error("address is not one that can be programmed or erased")]
    OutOfRange,
    /// What was read back is not what was written.
    #[error("sector {sector} of region {region} does not hold what it was given")]
    Worn {
        /// The region, by its number.
        region: u8,
        /// The sector within the region.
        sector: u32,
    },
}

/// A run of sectors with its own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegionId(pub(crate) u8);

/// The flash of one device.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    layout: FlashLayout,
    regions: Vec<Region>,
    operations: u64,
    faults: FaultPlan,
    powered: bool,
    /// A stored or erased bit has flipped.
    has_decayed: bool,
}

impl Flash {
    /// Makes an erased flash with one region per capacity, given in sectors.
    pub(crate) fn new(
        layout: FlashLayout,
        capacities: impl IntoIterator<Item = usize>,
        faults: FaultPlan,
    ) -> Flash {
        let regions = capacities.into_iter().map(Region::new).collect();
        Flash { layout, regions, operations: 0, faults, powered: true, has_decayed: false }
    }

    /// Returns how the flash is laid out.
    pub(crate) fn layout(&self) -> &FlashLayout {
        &self.layout
    }

    /// Returns how many erase and program operations were begun.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Returns the size of a region in bytes.
    pub(crate) fn region_len(&self, region: RegionId) -> usize {
        self.region(region).capacity * self.layout.sector_len()
    }

    /// Plans one more power cut.
    pub(crate) fn plan_cut(&mut self, cut: FlashFault) {
        self.faults.add_cut(cut);
    }

    /// Restores the supply after [`FlashError::PowerLost`].
    pub(crate) fn power_on(&mut self) {
        self.powered = true;
    }

    /// Erases one sector and looks whether it is.
    pub(crate) fn erase(&mut self, region: RegionId, sector: usize) -> Result<(), FlashError> {
        if sector >= self.region(region).capacity {
            return Err(FlashError::OutOfRange);
        }
        let (operation, cut) = self.begin_operation()?;
        let worn = self.faults.wears_at_erase(region, sector);
        let sector_len = self.layout.sector_len();
        let sectors = self.region_mut(region);
        match cut {
            Some(CutMode::Before) => {}
            None | Some(CutMode::After) if worn => sectors.alter(sector, |bytes| {
                let half = bytes.len().min(sector_len / 2);
                bytes[..half].fill(0xFF);
            }),
            None | Some(CutMode::After) => sectors.erase(sector),
            Some(CutMode::Torn) => sectors.alter(sector, |bytes| half_erase(operation, sector_len, bytes)),
        }
        self.end_operation(cut)?;
        if self.region(region).is_blank(sector) { Ok(()) } else { Err(worn_out(region, sector)) }
    }

    /// Programs `bytes` at `offset`, page by page, and looks whether they are there.
    ///
    /// Where a program unit is programmed once, units that hold these bytes already are left alone, a whole unit of
    /// zeros is programmed over anything, and the last unit is filled up with ones.
    pub(crate) fn program(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), FlashError> {
        let end = offset.checked_add(bytes.len()).ok_or(FlashError::OutOfRange)?;
        if end > self.region_len(region) || !offset.is_multiple_of(self.layout.program_unit()) {
            return Err(FlashError::OutOfRange);
        }
        let page_len = self.layout.page_len();
        let mut offset = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(page_len - offset % page_len));
            self.program_page(pool, region, offset, now)?;
            offset += now.len();
            rest = later;
        }
        Ok(())
    }

    fn program_page(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), FlashError> {
        let sector_len = self.layout.sector_len();
        let (sector, mut within) = (offset / sector_len, offset % sector_len);
        let held = self.held_prefix(region, sector, within, bytes)?;
        let bytes = &bytes[held..];
        if bytes.is_empty() {
            return Ok(());
        }
        within += held;
        let (operation, cut) = self.begin_operation()?;
        let torn;
        let reached = match cut {
            Some(CutMode::Before) => &[][..],
            Some(CutMode::Torn) => {
                torn = half_program(operation, self.layout.program_unit(), bytes);
                &torn
            }
            None | Some(CutMode::After) if self.faults.wears_at_program(region, sector) => {
                &bytes[..bytes.len() / 2]
            }
            None | Some(CutMode::After) => bytes,
        };
        if !reached.is_empty() {
            self.region_mut(region).clear_bits(pool, sector_len, sector, within, reached);
        }
        self.end_operation(cut)?;
        let holds = self.region(region).holds(sector, within, bytes);
        if holds { Ok(()) } else { Err(worn_out(region, sector)) }
    }

    /// Returns how much of `bytes` need not be programmed, or says that the rest cannot be.
    fn held_prefix(
        &self,
        region: RegionId,
        sector: usize,
        within: usize,
        bytes: &[u8],
    ) -> Result<usize, FlashError> {
        if !self.powered {
            return Err(FlashError::PowerLost);
        }
        let unit = self.layout.program_unit();
        let region = self.region(region);
        if unit == 1 {
            let stored = region.stored_from(sector, within, bytes.len());
            let sets_bits = stored.iter().zip(bytes).any(|(stored, new)| stored & new != *new);
            return if sets_bits { Err(FlashError::NotErased) } else { Ok(0) };
        }
        let mut held = 0;
        for (index, piece) in bytes.chunks(unit).enumerate() {
            let at = within + index * unit;
            if region.holds(sector, at, piece) {
                if held == index * unit {
                    held += piece.len();
                }
                continue;
            }
            let zeros = piece.len() == unit && piece.iter().all(|byte| *byte == 0);
            if !zeros && !is_erased(region.stored_from(sector, at, unit)) {
                return Err(FlashError::NotErased);
            }
        }
        Ok(held)
    }

    /// Reads `out.len()` bytes at `offset`; what lies past the region reads as erased.
    pub(crate) fn read(&self, region: RegionId, offset: usize, out: &mut [u8]) {
        let sector_len = self.layout.sector_len();
        let region = self.region(region);
        let mut at = 0;
        while at < out.len() {
            let within = (offset + at) % sector_len;
            let len = (out.len() - at).min(sector_len - within);
            let target = &mut out[at..at + len];
            let stored = region.stored_from((offset + at) / sector_len, within, len);
            target[..stored.len()].copy_from_slice(stored);
            target[stored.len()..].fill(0xFF);
            at += len;
        }
    }

    /// Returns whether every bit of these sectors is 1.
    pub(crate) fn is_blank(&self, region: RegionId, mut sectors: std::ops::Range<usize>) -> bool {
        sectors.all(|sector| self.region(region).is_blank(sector))
    }

    /// Returns how many bytes of these sectors there are up to the last one that may not be erased.
    pub(crate) fn written_len(&self, region: RegionId, sectors: std::ops::Range<usize>) -> usize {
        let first = sectors.start;
        let last = sectors.rev().find(|sector| !self.region(region).is_blank(*sector));
        last.map_or(0, |last| {
            (last - first) * self.layout.sector_len() + self.region(region).stored(last).len()
        })
    }

    /// Shares the first `sectors` sectors of a region with equal ones elsewhere, when no more will be programmed.
    ///
    /// This is bookkeeping of the simulator, not an operation of the device.
    pub(crate) fn seal(&mut self, pool: &mut SectorPool, region: RegionId, sectors: usize) {
        let sector_len = self.layout.sector_len();
        self.region_mut(region).share(pool, sector_len, sectors);
    }

    /// Returns the shared sectors of a region's beginning, or `None` when one of them is not shared.
    pub(crate) fn shared_sectors(&self, region: RegionId, sectors: usize) -> Option<Vec<SharedSector>> {
        self.region(region).shared(sectors)
    }

    /// Flips one stored bit, as ageing or radiation would; never an operation of the device.
    pub(crate) fn decay(&mut self, region: RegionId, offset: usize, bit: u8) {
        let sector_len = self.layout.sector_len();
        if offset < self.region_len(region) {
            self.has_decayed = true;
            self.region_mut(region).flip(offset / sector_len, offset % sector_len, bit);
        }
    }

    /// Returns a digest of every bit, which is all that a power cut leaves of a device.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (number, region) in (0u64..).zip(&self.regions) {
            for sector in 0..region.used() {
                let bytes = region.stored(sector);
                let len = bytes.iter().rposition(|byte| *byte != 0xFF).map_or(0, |last| last + 1);
                if len > 0 {
                    let head = [number, sector as u64, len as u64];
                    head.iter().for_each(|field| hash.update(field.to_be_bytes()));
                    hash.update(&bytes[..len]);
                }
            }
        }
        hash.finalize().into()
    }

    fn begin_operation(&mut self) -> Result<(u64, Option<CutMode>), FlashError> {
        if !self.powered {
            return Err(FlashError::PowerLost);
        }
        let number = self.operations;
        self.operations += 1;
        Ok((number, self.faults.cut_at(number)))
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

fn worn_out(region: RegionId, sector: usize) -> FlashError {
    FlashError::Worn { region: region.0, sector: u32::try_from(sector).unwrap_or(u32::MAX) }
}

/// Leaves of a sector what an erase leaves that stops: ones, then bits of which some are set already, then what was.
fn half_erase(operation: u64, sector_len: usize, bytes: &mut [u8]) {
    let (erased, weak) = (sector_len / 4, sector_len / 2);
    let reached = bytes.len().min(weak);
    for (at, byte) in bytes[..reached].iter_mut().enumerate() {
        *byte |= if at < erased { 0xFF } else { !unreached_bits(operation, at) };
    }
}

/// Returns what a programming reaches that stops: the first half, and one unit of which some bits are cleared.
fn half_program(operation: u64, unit: usize, bytes: &[u8]) -> Vec<u8> {
    let half = (bytes.len() / 2 / unit) * unit;
    let mut torn = bytes[..bytes.len().min(half + unit)].to_vec();
    for (at, byte) in torn.iter_mut().enumerate().skip(half) {
        *byte |= unreached_bits(operation, at);
    }
    torn
}

#[cfg(test)]
mod tests;
