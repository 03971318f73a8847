//! What an engine has in hand of a level: the only part of it that a decision about blocks touches.
//!
//! ```text
//!   in hand of a level   ┌ lease: granted for everything and for blocks, so that a block spends one number
//!                        └ spare: granted for everything alone, or for blocks alone (looked at once per lease)
//!   a cell, 16 B         | lease 8 | largest charge 4 | carrier 2 | |
//! ```
//!
//! Ten thousand cells take 160 kB and stay near the processor, while their limits, plans and profiles (ten times as
//! much) are looked at once per lease.

/// Bytes that may be spent for blocks without asking.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lease(pub(super) u64);

/// What else is in hand of a level.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spare {
    /// For whatever purpose, but not granted for blocks.
    pub(super) all: u64,
    /// For blocks, of which the part of everything is spent.
    pub(super) blocks: u64,
}

impl Lease {
    /// Says whether a charge can be spent.
    #[inline]
    pub(super) fn covers(self, bytes: u64) -> bool {
        self.0 >= bytes
    }

    /// Spends a charge that is covered.
    #[inline]
    pub(super) fn spend(&mut self, bytes: u64) {
        debug_assert!(self.covers(bytes), "spent more than was leased");
        self.0 = self.0.wrapping_sub(bytes);
    }
}
