//! Many operations of a plain flash at once, by reference where the bytes already lie in another one.
//!
//! What stands in flash afterwards, and how many operations are counted, is what one operation per block would have
//! left. Only a flash with nothing planned to go wrong is treated so: see [`Flash::is_plain`].

use super::{Flash, FlashError, Region, RegionId, SECTOR_LEN, Sector};
use crate::sector_pool::{SectorPool, SharedSector};
use std::ops::Range;

impl Flash {
    /// Returns whether every operation will succeed as asked.
    pub(crate) fn is_plain(&self) -> bool {
        self.powered && self.fault.is_none()
    }

    /// Programs a range with what lies at the same offsets of a region of another flash, as if it came in pieces of
    /// `piece` bytes.
    pub(crate) fn take_over(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        range: Range<usize>,
        piece: usize,
        source: (&Flash, RegionId),
    ) -> Result<(), FlashError> {
        if !self.is_plain() || range.end > self.region_len(region) {
            return Err(FlashError::OutOfRange);
        }
        self.operations += operations_of(&range, piece);
        let mut at = range.start;
        while at < range.end {
            let (sector, within) = (at / SECTOR_LEN, at % SECTOR_LEN);
            let len = (SECTOR_LEN - within).min(range.end - at);
            let shared = match source.0.region(source.1).sectors.get(sector) {
                Some(Sector::Full(shared)) => Some(shared),
                _ => None,
            };
            if !shared.is_some_and(|shared| self.region_mut(region).go_on(sector, within, len, shared)) {
                let mut bytes = [0; SECTOR_LEN];
                source.0.read(source.1, at, &mut bytes[..len]);
                self.region_mut(region).write(pool, sector, within, &bytes[..len])?;
            }
            at += len;
        }
        Ok(())
    }

    /// Programs bytes that are probably those of a known image, in one operation for each sector, like
    /// [`Flash::program`]; where they are, nothing is copied.
    pub(crate) fn program_as(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        offset: usize,
        bytes: &[u8],
        known: &[SharedSector],
    ) -> Result<(), FlashError> {
        let (sector, within) = (offset / SECTOR_LEN, offset % SECTOR_LEN);
        let end = within + bytes.len();
        if self.is_plain()
            && end <= SECTOR_LEN
            && offset + bytes.len() <= self.region_len(region)
            && let Some(shared) = known.get(sector)
            && shared.bytes()[within..end] == *bytes
            && self.region_mut(region).go_on(sector, within, bytes.len(), shared)
        {
            self.operations += 1;
            return Ok(());
        }
        self.program(pool, region, offset, bytes)
    }

    /// Clears a run of bits, the first of a byte being its most significant one, as if one after another.
    pub(crate) fn clear_bits(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        bits: Range<usize>,
    ) -> Result<(), FlashError> {
        if bits.is_empty() {
            return Ok(());
        }
        if !self.is_plain() || bits.end.div_ceil(8) > self.region_len(region) {
            return Err(FlashError::OutOfRange);
        }
        self.operations += bits.len() as u64;
        let (mut at, end) = (bits.start / 8, bits.end.div_ceil(8));
        while at < end {
            let len = (SECTOR_LEN - at % SECTOR_LEN).min(end - at).min(CLEARED_AT_ONCE);
            let mut bytes = [0; CLEARED_AT_ONCE];
            self.read(region, at, &mut bytes[..len]);
            for (byte, first) in bytes[..len].iter_mut().zip((at * 8..).step_by(8)) {
                let from = bits.start.saturating_sub(first).min(8);
                let to = (bits.end - first).min(8);
                let cleared = (0xFF00_u16 >> to) as u8 & (0xFF_u16 >> from) as u8;
                *byte &= !cleared;
            }
            self.region_mut(region).write(pool, at / SECTOR_LEN, at % SECTOR_LEN, &bytes[..len])?;
            at += len;
        }
        Ok(())
    }
}

impl Region {
    /// Goes on with a sector that is, as far as it has come, the beginning of a shared one; returns false where it is
    /// not, and changes nothing.
    fn go_on(&mut self, sector: usize, from: usize, len: usize, shared: &SharedSector) -> bool {
        if self.sectors.len() <= sector {
            self.sectors.resize_with(sector + 1, || Sector::Erased);
        }
        let begins = match &self.sectors[sector] {
            Sector::Erased => from == 0,
            Sector::Begun(known, begun) => known.is(shared) && usize::from(*begun) == from,
            Sector::Filling(filling) => filling.bytes[..] == shared.bytes()[..from],
            Sector::Full(_) => false,
        };
        if begins {
            self.sectors[sector] = match from + len {
                SECTOR_LEN => Sector::Full(shared.clone()),
                begun => Sector::Begun(shared.clone(), begun as u16),
            };
        }
        begins
    }
}

/// Bytes of marks that are read and written together; a run rarely completes more than these units.
const CLEARED_AT_ONCE: usize = 64;

/// Returns how many operations it takes to program a range in pieces: one each, and one more where a piece lies in two
/// sectors.
fn operations_of(range: &Range<usize>, piece: usize) -> u64 {
    let pieces = range.len().div_ceil(piece.max(1));
    let first_edge = range.start / SECTOR_LEN * SECTOR_LEN + SECTOR_LEN;
    let edges = (first_edge..range.end).step_by(SECTOR_LEN);
    let straddled = edges.filter(|edge| (edge - range.start) % piece.max(1) != 0).count();
    (pieces + straddled) as u64
}

#[cfg(test)]
mod tests {
    use super::{Flash, RegionId, SECTOR_LEN, SectorPool};
    use proptest::prelude::*;

    const REGION: RegionId = RegionId(0);
    const LEN: usize = 3 * SECTOR_LEN;

    fn source(pool: &mut SectorPool, whole: usize) -> Flash {
        let mut flash = Flash::new([3], None);
        let bytes: Vec<u8> = (0..LEN).map(|at| (at * 31 >> 3) as u8).collect();
        flash.program(pool, REGION, 0, &bytes).expect("erased");
        // Some sectors are shared, the others private.
        for sector in whole..3 {
            flash.decay(REGION, sector * SECTOR_LEN + 5, 1);
        }
        flash
    }

    fn content(flash: &Flash) -> Vec<u8> {
        let mut out = vec![0; LEN];
        flash.read(REGION, 0, &mut out);
        out
    }

    proptest! {
        #[test]
        fn taking_over_leaves_what_programming_piece_by_piece_leaves(
            piece in 1usize..65, first in 0usize..150, runs in proptest::collection::vec(1usize..80, 1..6),
            shared in 0usize..4,
        ) {
            let pool = &mut SectorPool::new();
            let source = source(pool, shared);
            let [mut singly, mut at_once] = [Flash::new([3], None), Flash::new([3], None)];
            let mut at = 0;
            for (number, pieces) in std::iter::once(&first).chain(&runs).enumerate() {
                let end = (at + pieces * piece).min(LEN);
                for from in (at..end).step_by(piece) {
                    let bytes = &content(&source)[from..(from + piece).min(end)];
                    singly.program(pool, REGION, from, bytes).expect("erased");
                    if number == 0 {
                        at_once.program(pool, REGION, from, bytes).expect("erased");
                    }
                }
                if number > 0 {
                    at_once.take_over(pool, REGION, at..end, piece, (&source, REGION)).expect("plain");
                }
                at = end;
            }
            prop_assert_eq!(content(&singly), content(&at_once));
            prop_assert_eq!(singly.operations(), at_once.operations());
        }

        #[test]
        fn clearing_a_run_of_bits_is_clearing_each(start in 0usize..600, len in 0usize..900, before in 0usize..700) {
            let pool = &mut SectorPool::new();
            let [mut singly, mut at_once] = [Flash::new([1], None), Flash::new([1], None)];
            for flash in [&mut singly, &mut at_once] {
                flash.program(pool, REGION, before / 8, &[0x5F]).expect("erased");
            }
            for bit in start..start + len {
                let mut byte = [0];
                singly.read(REGION, bit / 8, &mut byte);
                singly.program(pool, REGION, bit / 8, &[byte[0] & !(0x80 >> (bit % 8))]).expect("only clears");
            }
            at_once.clear_bits(pool, REGION, start..start + len).expect("plain");
            let bytes = |flash: &Flash| { let mut out = vec![0; SECTOR_LEN]; flash.read(REGION, 0, &mut out); out };
            prop_assert_eq!(bytes(&singly), bytes(&at_once));
            prop_assert_eq!(singly.operations(), at_once.operations());
        }
    }
}
