//! A signed document on its way in: pieces put together again.

use wire::DocumentFragment;

/// The longest order; the cap of the signed form itself.
pub(super) const MAX_ORDER_LEN: usize = 512;

/// The document received so far.
///
/// Pieces may come in any order and more than once, for the hub sends all of them again when one was lost. A piece
/// that contradicts what is there belongs to a newer document.
#[derive(Clone, Debug)]
pub(crate) struct DocumentAssembly {
    /// No longer document is begun, whatever a piece claims.
    limit: usize,
    bytes: Vec<u8>,
    held: Vec<bool>,
}

impl DocumentAssembly {
    pub(crate) const fn new(limit: usize) -> DocumentAssembly {
        DocumentAssembly { limit, bytes: Vec::new(), held: Vec::new() }
    }

    /// Takes a piece. Returns false for one of a document that is longer than any may be, or that it lies outside of.
    pub(crate) fn add(&mut self, piece: &DocumentFragment<'_>) -> bool {
        let total_len = usize::from(piece.total_len);
        let range = usize::from(piece.offset)..usize::from(piece.offset) + piece.bytes.len();
        if total_len > self.limit || range.end > total_len {
            return false;
        }
        let fits = self.bytes.len() == total_len;
        let differs = |(at, byte): (usize, &u8)| self.held[at] && self.bytes[at] != *byte;
        if !fits || range.clone().zip(piece.bytes).any(differs) {
            self.bytes = vec![0; total_len];
            self.held = vec![false; total_len];
        }
        self.bytes[range.clone()].copy_from_slice(piece.bytes);
        self.held[range].fill(true);
        true
    }

    /// Returns the whole document.
    pub(crate) fn complete(&self) -> Option<&[u8]> {
        (!self.bytes.is_empty() && !self.is_partial()).then_some(&self.bytes)
    }

    /// Returns whether a document has begun to arrive and pieces are missing.
    pub(crate) fn is_partial(&self) -> bool {
        self.held.contains(&false)
    }

    pub(crate) fn clear(&mut self) {
        *self = DocumentAssembly::new(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::{DocumentAssembly, MAX_ORDER_LEN};
    use wire::{DocumentFragment, DocumentKind};

    fn piece(total_len: u16, offset: u16, bytes: &[u8]) -> DocumentFragment<'_> {
        DocumentFragment { kind: DocumentKind::Order, total_len, offset, bytes }
    }

    #[test]
    fn pieces_make_the_order_in_whatever_order_they_come() {
        let mut order = DocumentAssembly::new(MAX_ORDER_LEN);
        assert_eq!((order.complete(), order.is_partial()), (None, false));
        for (offset, bytes) in [(4, b"EF"), (0, b"AB"), (4, b"EF")] {
            assert!(order.add(&piece(6, offset, bytes)));
            assert_eq!((order.complete(), order.is_partial()), (None, true));
        }
        order.add(&piece(6, 2, b"CD"));
        assert_eq!(order.complete(), Some(&b"ABCDEF"[..]));
        assert!(!order.add(&piece(60_000, 0, b"AB")), "too long");
        assert!(!order.add(&piece(6, 5, b"AB")), "past its own end");
        assert_eq!(order.complete(), Some(&b"ABCDEF"[..]));
    }

    #[test]
    fn a_newer_order_replaces_the_older_one_and_never_mixes_with_it() {
        let mut order = DocumentAssembly::new(MAX_ORDER_LEN);
        order.add(&piece(4, 0, b"ABCD"));
        order.add(&piece(4, 2, b"XY"));
        assert_eq!(order.complete(), None);
        order.add(&piece(4, 0, b"VW"));
        assert_eq!(order.complete(), Some(&b"VWXY"[..]));
    }
}
