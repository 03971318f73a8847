//! An activation order on its way in: pieces put together again.

use wire::OrderFragment;

/// The longest order; the cap of the signed form itself.
pub(crate) const MAX_ORDER_LEN: usize = 512;

/// The order received so far.
///
/// Pieces may come in any order and more than once, for the hub sends all of them again when one was lost. A piece
/// that contradicts what is there belongs to a newer order.
#[derive(Debug, Default)]
pub(crate) struct OrderAssembly {
    bytes: Vec<u8>,
    held: Vec<bool>,
}

impl OrderAssembly {
    /// Takes a piece.
    pub(crate) fn add(&mut self, piece: &OrderFragment<'_>) {
        let total_len = usize::from(piece.total_len);
        let range = usize::from(piece.offset)..usize::from(piece.offset) + piece.bytes.len();
        if total_len > MAX_ORDER_LEN || range.end > total_len {
            return;
        }
        let fits = self.bytes.len() == total_len;
        let differs = |(at, byte): (usize, &u8)| self.held[at] && self.bytes[at] != *byte;
        if !fits || range.clone().zip(piece.bytes).any(differs) {
            self.bytes = vec![0; total_len];
            self.held = vec![false; total_len];
        }
        self.bytes[range.clone()].copy_from_slice(piece.bytes);
        self.held[range].fill(true);
    }

    /// Returns the whole order.
    pub(crate) fn complete(&self) -> Option<&[u8]> {
        (!self.bytes.is_empty() && !self.is_partial()).then_some(&self.bytes)
    }

    /// Returns whether an order has begun to arrive and pieces are missing.
    pub(crate) fn is_partial(&self) -> bool {
        self.held.contains(&false)
    }

    pub(crate) fn clear(&mut self) {
        *self = OrderAssembly::default();
    }
}

#[cfg(test)]
mod tests {
    use super::OrderAssembly;
    use wire::OrderFragment;

    #[test]
    fn pieces_make_the_order_in_whatever_order_they_come() {
        let mut order = OrderAssembly::default();
        let piece = |offset, bytes| OrderFragment { total_len: 6, offset, bytes };
        assert_eq!((order.complete(), order.is_partial()), (None, false));
        for (offset, bytes) in [(4, b"EF"), (0, b"AB"), (4, b"EF")] {
            order.add(&piece(offset, bytes));
            assert_eq!((order.complete(), order.is_partial()), (None, true));
        }
        order.add(&piece(2, b"CD"));
        assert_eq!(order.complete(), Some(&b"ABCDEF"[..]));
        order.add(&OrderFragment { total_len: 60_000, offset: 0, bytes: b"AB" });
        assert_eq!(order.complete(), Some(&b"ABCDEF"[..]));
    }

    #[test]
    fn a_newer_order_replaces_the_older_one_and_never_mixes_with_it() {
        let mut order = OrderAssembly::default();
        order.add(&OrderFragment { total_len: 4, offset: 0, bytes: b"ABCD" });
        order.add(&OrderFragment { total_len: 4, offset: 2, bytes: b"XY" });
        assert_eq!(order.complete(), None);
        order.add(&OrderFragment { total_len: 4, offset: 0, bytes: b"VW" });
        assert_eq!(order.complete(), Some(&b"VWXY"[..]));
    }
}
