//! What an engine may spend of a level without asking: the only part of a level that a decision touches.
//!
//! ```text
//!   bytes  0          8          16        24
//!          | all      | blocks   | most    |      + 8 B carrier: a cell takes half a cache line
//! ```
//!
//! Ten thousand cells take 320 kB and stay near the processor, while their limits, plans and profiles (ten times as
//! much) are looked at once per lease.

use super::Use;

/// Stands for the blocks' part of a level that reserves nothing: 4.6 EB, which nobody spends in the life of an engine.
pub(super) const UNRESERVED: u64 = 1 << 62;

/// Bytes that are leased and not spent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    /// For whatever purpose.
    pub(super) all: u64,
    /// For blocks, which leave the reserve; what they spend is spent of both.
    pub(super) blocks: u64,
    /// The largest charge for blocks that the level can grant at once.
    pub(super) most: u64,
}

impl Lease {
    /// Says whether a charge can be spent. Without branches, as its three answers go together.
    #[inline]
    pub(super) fn covers(&self, bytes: u64, purpose: Use) -> bool {
        (self.all >= bytes) & (self.blocks >= blocks_of(bytes, purpose))
    }

    /// Spends a charge that is covered.
    #[inline]
    pub(super) fn spend(&mut self, bytes: u64, purpose: Use) {
        debug_assert!(self.covers(bytes, purpose), "spent more than was leased");
        self.all = self.all.saturating_sub(bytes);
        self.blocks = self.blocks.saturating_sub(blocks_of(bytes, purpose));
    }

    /// Takes back what was spent and is not needed.
    pub(super) fn give_back(&mut self, bytes: u64, purpose: Use) {
        self.all += bytes;
        self.blocks += blocks_of(bytes, purpose);
    }
}

/// Returns what a charge takes of the blocks' part.
fn blocks_of(bytes: u64, purpose: Use) -> u64 {
    match purpose {
        Use::Requests => 0,
        Use::Blocks => bytes,
    }
}
