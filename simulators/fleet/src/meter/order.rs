//! An activation order on its way in: pieces put together again.

use wire::OrderFragment;

/// The longest order; the cap of the signed form itself.
pub(crate) const MAX_ORDER_LEN: usize = 512;

/// The order received so far.
#[derive(Debug, Default)]
pub(crate) struct OrderAssembly {
    total_len: usize,
    bytes: Vec<u8>,
}

impl OrderAssembly {
    /// Takes a piece. A piece at 0 begins anew; a piece that does not follow is ignored, for the hub sends all again.
    pub(crate) fn add(&mut self, piece: &OrderFragment<'_>) {
        let total_len = usize::from(piece.total_len);
        if total_len > MAX_ORDER_LEN {
            return;
        }
        if piece.offset == 0 {
            self.bytes.clear();
            self.total_len = total_len;
        }
        let follows = usize::from(piece.offset) == self.bytes.len();
        if follows && total_len == self.total_len && self.bytes.len() + piece.bytes.len() <= total_len {
            self.bytes.extend_from_slice(piece.bytes);
        }
    }

    /// Returns the whole order.
    pub(crate) fn complete(&self) -> Option<&[u8]> {
        (self.total_len > 0 && self.bytes.len() == self.total_len).then_some(&self.bytes)
    }

    /// Returns whether an order has begun to arrive and pieces are missing.
    pub(crate) fn is_partial(&self) -> bool {
        self.bytes.len() < self.total_len
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
    fn pieces_make_the_order_only_without_gaps() {
        let mut order = OrderAssembly::default();
        let piece = |offset, bytes| OrderFragment { total_len: 6, offset, bytes };
        order.add(&piece(4, b"EF"));
        assert_eq!((order.complete(), order.is_partial()), (None, false));
        order.add(&piece(0, b"AB"));
        order.add(&piece(4, b"EF"));
        assert_eq!((order.complete(), order.is_partial()), (None, true));
        order.add(&piece(2, b"CD"));
        order.add(&piece(2, b"CD"));
        order.add(&piece(4, b"EF"));
        assert_eq!(order.complete(), Some(&b"ABCDEF"[..]));
        order.add(&OrderFragment { total_len: 60_000, offset: 0, bytes: b"AB" });
        assert_eq!(order.complete(), Some(&b"ABCDEF"[..]));
    }
}
