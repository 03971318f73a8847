//! Many operations of a plain flash at once, by reference where the bytes already lie in another one.
//!
//! What stands in flash afterwards, and how many operations are counted, is what one operation per block would have
//! left. Only a flash with nothing planned to go wrong is treated so: see [`Flash::is_plain`].

use super::{Flash, FlashError, RegionId};
use crate::sector_pool::{SectorPool, SharedSector};
use std::ops::Range;

impl Flash {
    /// Returns whether every operation will succeed as asked, and clears single bits. Where a bit has flipped, what is taken
    /// for erased may not be, so that each operation has to look.
    pub(crate) fn is_plain(&self) -> bool {
        self.powered && !self.has_decayed && self.faults.is_none() && self.layout.program_unit() == 1
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
        self.operations += operations_of(&range, piece, self.layout.page_len());
        let sector_len = self.layout.sector_len();
        let mut at = range.start;
        while at < range.end {
            let (sector, within) = (at / sector_len, at % sector_len);
            let len = (sector_len - within).min(range.end - at);
            let shared = source.0.region(source.1).full(sector).filter(|it| it.bytes().len() == sector_len);
            if !shared.is_some_and(|shared| self.region_mut(region).go_on(sector, within, len, shared)) {
                let mut bytes = vec![0; len];
                source.0.read(source.1, at, &mut bytes);
                self.region_mut(region).clear_bits(pool, sector_len, sector, within, &bytes);
            }
            at += len;
        }
        Ok(())
    }

    /// Programs bytes that are probably those of a known image, like [`Flash::program`]; where they are, nothing is
    /// copied.
    pub(crate) fn program_as(
        &mut self,
        pool: &mut SectorPool,
        region: RegionId,
        offset: usize,
        bytes: &[u8],
        known: &[SharedSector],
    ) -> Result<(), FlashError> {
        let sector_len = self.layout.sector_len();
        let (sector, within) = (offset / sector_len, offset % sector_len);
        let end = within + bytes.len();
        if self.is_plain()
            && offset + bytes.len() <= self.region_len(region)
            && let Some(shared) = known.get(sector)
            && shared.bytes().get(within..end) == Some(bytes)
            && self.region_mut(region).go_on(sector, within, bytes.len(), shared)
        {
            self.operations +=
                operations_of(&(offset..offset + bytes.len()), bytes.len(), self.layout.page_len());
            return Ok(());
        }
        if end > sector_len {
            let (here, beyond) = bytes.split_at(sector_len - within);
            self.program_as(pool, region, offset, here, known)?;
            return self.program_as(pool, region, offset + here.len(), beyond, known);
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
        let sector_len = self.layout.sector_len();
        while at < end {
            let len = (sector_len - at % sector_len).min(end - at).min(CLEARED_AT_ONCE);
            let mut bytes = [0; CLEARED_AT_ONCE];
            self.read(region, at, &mut bytes[..len]);
            for (byte, first) in bytes[..len].iter_mut().zip((at * 8..).step_by(8)) {
                let from = bits.start.saturating_sub(first).min(8);
                let to = (bits.end - first).min(8);
                let cleared = (0xFF00_u16 >> to) as u8 & (0xFF_u16 >> from) as u8;
                *byte &= !cleared;
            }
            let (sector, within) = (at / sector_len, at % sector_len);
            self.region_mut(region).clear_bits(pool, sector_len, sector, within, &bytes[..len]);
            at += len;
        }
        Ok(())
    }
}

/// Bytes of marks that are read and written together; a run rarely completes more than these units.
const CLEARED_AT_ONCE: usize = 64;

/// Returns how many operations it takes to program a range in pieces: one each, and one more for each edge of a page
/// within a piece.
fn operations_of(range: &Range<usize>, piece: usize, page_len: usize) -> u64 {
    let pieces = range.len().div_ceil(piece.max(1));
    let first_edge = range.start / page_len * page_len + page_len;
    if range.end <= first_edge {
        return pieces as u64;
    }
    let edges = (first_edge..range.end).step_by(page_len);
    let straddled = edges.filter(|edge| !(edge - range.start).is_multiple_of(piece.max(1))).count();
    (pieces + straddled) as u64
}

#[cfg(test)]
mod tests {
    use super::{Flash, RegionId, SectorPool, SharedSector};
    use crate::flash::{FaultPlan, FlashLayout};
    use proptest::prelude::*;

    const SECTOR_LEN: usize = 4096;

    fn flash(sectors: usize) -> Flash {
        Flash::new(FlashLayout::SERIAL_NOR, [sectors], FaultPlan::default())
    }

    const REGION: RegionId = RegionId(0);
    const LEN: usize = 3 * SECTOR_LEN;

    fn source(pool: &mut SectorPool, whole: usize) -> Flash {
        let mut source = flash(3);
        let bytes: Vec<u8> = (0..LEN).map(|at| ((at * 31) >> 3) as u8).collect();
        source.program(pool, REGION, 0, &bytes).expect("erased");
        // Some sectors are shared, the others private.
        for sector in whole..3 {
            source.decay(REGION, sector * SECTOR_LEN + 5, 1);
        }
        source
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
            let [mut singly, mut at_once] = [flash(3), flash(3)];
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
        fn programming_what_is_known_leaves_what_programming_leaves(
            pieces in proptest::collection::vec((1usize..600, any::<bool>()), 1..60), shared in 0usize..4,
        ) {
            let pool = &mut SectorPool::new();
            let source = source(pool, shared);
            let other = pool.intern(&[0x55; SECTOR_LEN]);
            let shared = |sector| source.region(REGION).full(sector).unwrap_or(&other).clone();
            let known: Vec<SharedSector> = (0..3).map(shared).collect();
            let [mut plainly, mut as_known] = [flash(3), flash(3)];
            let mut at = 0;
            for (len, differs) in pieces {
                let end = (at + len).min(LEN);
                let mut bytes = content(&source)[at..end].to_vec();
                if let (true, Some(first)) = (differs, bytes.first_mut()) {
                    *first ^= 1;
                }
                plainly.program(pool, REGION, at, &bytes).expect("erased");
                as_known.program_as(pool, REGION, at, &bytes, &known).expect("erased");
                at = end;
            }
            prop_assert_eq!(content(&plainly), content(&as_known));
            prop_assert_eq!(plainly.operations(), as_known.operations());
        }

        #[test]
        fn clearing_a_run_of_bits_is_clearing_each(start in 0usize..600, len in 0usize..900, before in 0usize..700) {
            let pool = &mut SectorPool::new();
            let [mut singly, mut at_once] = [flash(1), flash(1)];
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
