//! What a hub makes of an image that is complete and does not verify: it names the blocks that arrived wrong, so that
//! they and no others are sent again. Nothing of such an image goes on to the home.
//!
//! ```text
//! list of block digests found, some ranges wrong ──► their blocks are missing again
//! list not found                                 ──► the end of the file, where it stands, is missing again, once
//! still not found, and the end came differently  ──► everything is missing again, once
//! still not found, or found and nothing is wrong ──► the image is as it was sent: it stays refused
//! ```
//!
//! Flash can only be erased by the sector. Blocks that share a sector with a wrong one are read, and programmed
//! again behind the erase, so that attributes 3 and 4 name exactly the wrong ones.

use std::collections::BTreeSet;
use std::ops::Range;

use firmware_image::{BlockDigests, FileDigest};

use super::Hub;
use super::slot::{Repair, SlotImage};
use crate::flash::FlashError;
use crate::sector_pool::SectorPool;

impl Hub {
    /// Makes the wrong blocks of a slot's image missing again, if they can be told; the image was refused.
    pub(super) fn name_wrong_blocks(&mut self, pool: &mut SectorPool, slot: usize) -> Result<(), FlashError> {
        let Some(image) = self.slots[slot].record.image.clone() else { return Ok(()) };
        let shared =
            |other: &super::Slot| other.record.image.as_ref().is_some_and(|other| other.bank == image.bank);
        if self.slots.iter().filter(|other| shared(other)).count() > 1 {
            // Another slot serves these very bytes; only a new beginning in another bank helps.
            return Ok(());
        }
        let bytes = self.board.bank(image.bank).image(&self.board.flash, pool, image.size).bytes;
        let repair = self.slots[slot].record.repair;
        let found = BlockDigests::find(&bytes, self.board.trust().images());
        let earliest = BlockDigests::earliest_start(bytes.len());
        let tail =
            *FileDigest::of(&bytes[earliest..]).as_bytes().first_chunk().expect("a SHA-256 has 32 bytes");
        let (ranges, next): (Vec<Range<usize>>, Repair) = match (found, repair) {
            (Some(_), Repair::Blocks { rounds: MAX_ROUNDS.. }) => return Ok(()),
            (Some(digests), _) => {
                let rounds = match repair {
                    Repair::Blocks { rounds } => rounds + 1,
                    _ => 1,
                };
                (digests.wrong_ranges(&bytes).collect(), Repair::Blocks { rounds })
            }
            (None, Repair::None | Repair::Blocks { .. }) => {
                (std::iter::once(earliest..bytes.len()).collect(), Repair::Tail { was: tail })
            }
            (None, Repair::Tail { was }) if was != tail => {
                (std::iter::once(0..bytes.len()).collect(), Repair::Everything)
            }
            (None, Repair::Tail { .. } | Repair::Everything) => return Ok(()),
        };
        if ranges.is_empty() {
            return Ok(());
        }
        self.slots[slot].record.repair = next;
        let wrong = ranges.iter().flat_map(|range| self.blocks_of(range)).collect();
        self.clear_blocks(pool, slot, &image, &wrong)
    }

    fn blocks_of(&self, range: &Range<usize>) -> Range<u32> {
        let block = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        block(range.start) / self.block_size..block(range.end).div_ceil(self.block_size)
    }

    /// Makes blocks missing and writable again.
    pub(super) fn clear_blocks(
        &mut self,
        pool: &mut SectorPool,
        slot: usize,
        image: &SlotImage,
        wrong: &BTreeSet<u32>,
    ) -> Result<(), FlashError> {
        self.board.clear_units(pool, image.bank, image.size, wrong)?;
        self.restore_bitmap(slot);
        self.counters.blocks_cleared += wrong.len() as u64;
        Ok(())
    }
}

/// How often blocks of one image are named as wrong: each time they may be damaged anew, but not for ever.
const MAX_ROUNDS: u8 = 16;
