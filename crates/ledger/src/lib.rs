//! Append-only entries under a hash chain, and the stores that keep them.
