//! Which blocks have arrived: image_transferred_blocks_status (IEC 62056-6-2, class 18, attribute 3).
//!
//! `04 | number of bits | bytes`; the first bit, the most significant of the first byte, is block 0.
//!
//! Sketch: an image of 100 kB in 1,024 B blocks has 98 bits, the largest image (10 MB) in 40 B blocks 256,000
//! = 32 kB. A search steps over 64 blocks at a time.

use std::ops::Range;

use super::data::{parse_bits, tag};
use crate::WireError;
use crate::reader::{Reader, put_length};

/// The most blocks of one image: 10 MB in blocks of 10 B. Bounds the memory that one number can ask for to 128 KiB.
pub const MAX_BLOCKS: u32 = 1 << 20;

const WORD_BITS: u32 = u64::BITS;

/// One bit for each block of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockBitmap {
    /// Block k is bit 63 - k % 64 of word k / 64, so that words are the wire's bytes, big-endian. Bits past
    /// `len` are 0.
    words: Vec<u64>,
    len: u32,
    set: u32,
}

impl BlockBitmap {
    /// Makes a bitmap of so many blocks, none of which has arrived.
    ///
    /// # Panics
    ///
    /// Panics above [`MAX_BLOCKS`]: whoever computes a number of blocks from what a peer says checks it.
    pub fn new(len: u32) -> BlockBitmap {
        assert!(len <= MAX_BLOCKS, "an image has at most {MAX_BLOCKS} blocks, not {len}");
        BlockBitmap { words: vec![0; len.div_ceil(WORD_BITS) as usize], len, set: 0 }
    }

    /// Parses the value of attribute 3, which must be the whole input.
    pub fn from_data(data: &[u8]) -> Result<BlockBitmap, WireError> {
        let mut reader = Reader::new(data);
        reader.exactly(tag::BIT_STRING, "blocks status", "04 (a bit-string)")?;
        let offset = reader.offset();
        let (bytes, len) = parse_bits(&mut reader)?;
        reader.finish("blocks status")?;
        if len > MAX_BLOCKS {
            let (found, limit) = (len.into(), MAX_BLOCKS.into());
            return Err(WireError::TooLarge { what: "number of blocks", offset, found, limit });
        }
        let mut bitmap = BlockBitmap::new(len);
        for (word, bytes) in bitmap.words.iter_mut().zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_be_bytes(padded);
        }
        if let Some(last) = bitmap.words.last_mut() {
            // What pads the last byte says nothing, whatever it is.
            *last &= used_bits(len);
        }
        bitmap.set = bitmap.words.iter().map(|word| word.count_ones()).sum();
        Ok(bitmap)
    }

    /// Appends the value of attribute 3.
    pub fn emit_data(&self, out: &mut Vec<u8>) {
        out.push(tag::BIT_STRING);
        put_length(self.len as usize, out);
        let end = out.len() + self.len.div_ceil(8) as usize;
        for word in &self.words {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.truncate(end);
    }

    /// Returns the number of blocks.
    #[allow(clippy::len_without_is_empty, reason = "an image without blocks is nothing to ask about")]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Says whether a block has arrived; one past the end has not.
    pub fn is_set(&self, block: u32) -> bool {
        block < self.len && self.words[(block / WORD_BITS) as usize] & bit(block) != 0
    }

    /// Notes that a block has arrived and says whether that is news; one past the end is none.
    pub fn set(&mut self, block: u32) -> bool {
        if block >= self.len || self.is_set(block) {
            return false;
        }
        self.words[(block / WORD_BITS) as usize] |= bit(block);
        self.set += 1;
        true
    }

    /// Returns how many blocks have arrived.
    pub fn count_set(&self) -> u32 {
        self.set
    }

    /// Returns the first block that has not arrived; `None` when all have.
    pub fn first_missing(&self) -> Option<u32> {
        self.next(0, false)
    }

    /// Returns the runs of blocks that have not arrived, in order, as long as they can be.
    pub fn missing_runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = self.next(from, false)?;
            let end = self.next(start, true).unwrap_or(self.len);
            from = end;
            Some(start..end)
        })
    }

    /// Returns the first block at or after `from` that has, or has not, arrived.
    fn next(&self, from: u32, arrived: bool) -> Option<u32> {
        let first_word = (from / WORD_BITS) as usize;
        // Of the first word, only the bits at and after `from`.
        let mut mask = u64::MAX >> (from % WORD_BITS);
        for (index, word) in self.words.iter().enumerate().skip(first_word) {
            let candidates = if arrived { *word } else { !*word } & mask;
            if candidates != 0 {
                let block = index as u32 * WORD_BITS + candidates.leading_zeros();
                return (block < self.len).then_some(block);
            }
            mask = u64::MAX;
        }
        None
    }
}

fn bit(block: u32) -> u64 {
    1 << (WORD_BITS - 1 - block % WORD_BITS)
}

/// Returns the bits of the last word that stand for blocks.
fn used_bits(len: u32) -> u64 {
    match len % WORD_BITS {
        0 => u64::MAX,
        used => !(u64::MAX >> used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn the_first_bit_is_block_zero() {
        let mut bitmap = BlockBitmap::new(10);
        assert!(bitmap.set(0) && bitmap.set(9) && !bitmap.set(9) && !bitmap.set(10));
        let mut data = Vec::new();
        bitmap.emit_data(&mut data);
        assert_eq!(data, [4, 10, 0x80, 0x40]);
        assert_eq!(bitmap.count_set(), 2);
        bitmap.set(4);
        assert_eq!(bitmap.missing_runs().collect::<Vec<_>>(), [1..4, 5..9]);
    }

    #[test]
    fn padding_bits_count_for_nothing() {
        let bitmap = BlockBitmap::from_data(&[4, 9, 0xFF, 0xFF]).expect("a bitmap");
        assert_eq!((bitmap.count_set(), bitmap.first_missing()), (9, None));
        assert_eq!(bitmap.missing_runs().count(), 0);
    }

    #[test]
    fn an_enormous_bitmap_is_refused_before_it_is_made() {
        let error = BlockBitmap::from_data(&[4, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert!(matches!(error, Err(WireError::Truncated { .. })));
        let mut data = vec![4, 0x83, 0x10, 0x00, 0x01];
        data.resize(5 + (1 << 17) + 1, 0);
        assert!(matches!(BlockBitmap::from_data(&data), Err(WireError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_booleans(blocks in proptest::collection::vec(any::<bool>(), 0..300)) {
            let mut bitmap = BlockBitmap::new(blocks.len() as u32);
            for (block, _) in blocks.iter().enumerate().filter(|(_, arrived)| **arrived) {
                assert!(bitmap.set(block as u32));
            }
            let missing: Vec<u32> = (0..bitmap.len()).filter(|block| !blocks[*block as usize]).collect();
            assert_eq!(bitmap.first_missing(), missing.first().copied());
            let runs: Vec<_> = bitmap.missing_runs().collect();
            assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), missing);
            assert_eq!(bitmap.count_set() as usize, blocks.len() - missing.len());
            let mut data = Vec::new();
            bitmap.emit_data(&mut data);
            assert_eq!(BlockBitmap::from_data(&data), Ok(bitmap));
        }
    }
}
