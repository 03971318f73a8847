//! The list of block digests: which piece of a file arrived wrong, told by the signer's word and not by a guess.
//!
//! ```text
//! ┌────────┬──────────────────┬─────────────────────────┬────────────────┬─────────────────┐
//! │ header │ payload, others  │ 0xF0C6 block digests    │ 0xF0C4 promise │ 0xF0C5 envelope │
//! └────────┴──────────────────┴─────────────────────────┴────────────────┴─────────────────┘
//!  └─ 1 KiB ─┴─ 1 KiB ─┴─ ... ┘ └ 16 bytes for each ┘
//!                                └── SHA-256 ──────────► promise ── SHA-256 ──► manifest ── Ed25519
//! ```
//!
//! A digest is the first 16 bytes of the SHA-256 of its block: 1.6 % of the file. 128 bits are enough, because
//! whoever verifies the image afterwards hashes all of it; a block that passes here by chance costs a repeat.
//!
//! The list stands at the end, where it can be found and believed while everything before it is still in doubt:
//! each of the three elements ends where the next begins, and the envelope ends with the file.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::digest::sha256;
use crate::element::{ELEMENT_HEADER_LEN, ElementTag};
use crate::envelope::{Envelope, MAX_ENVELOPE_LEN};
use crate::manifest::{Manifest, Measure};
use crate::ota_file::{MAX_FILE_LEN, element_header};
use crate::promise::{MAX_PROMISE_LEN, Promise};
use crate::trust::TrustStore;

/// Computes the list over the bytes that come before it.
pub(crate) fn list_of(covered: &[u8]) -> Vec<u8> {
    covered.chunks(BLOCK_LEN).flat_map(digest_of).collect()
}

/// Returns how long the list over so many bytes is.
pub(crate) fn list_len(covered: usize) -> usize {
    covered.div_ceil(BLOCK_LEN) * DIGEST_LEN
}

fn digest_of(block: &[u8]) -> [u8; DIGEST_LEN] {
    let digest: [u8; 32] = Sha256::digest(block).into();
    *digest.first_chunk().expect("a SHA-256 has 32 bytes")
}

/// A list that a trusted signer vouches for, found at the end of a file of which nothing else is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDigests {
    covered: usize,
    list: Vec<u8>,
}

impl BlockDigests {
    /// Finds the list in a file as it arrived; `None` when the end of the file is itself not as it was signed.
    pub fn find(file: &[u8], trust: &TrustStore) -> Option<BlockDigests> {
        if file.len() > MAX_FILE_LEN {
            return None;
        }
        let (rest, envelope) = split_last(file, ElementTag::ENVELOPE, MAX_ENVELOPE_LEN)?;
        let (rest, promise_bytes) = split_last(rest, ElementTag::PROMISE, MAX_PROMISE_LEN)?;
        let (covered, list) = split_last(rest, ElementTag::BLOCK_DIGESTS, list_len(MAX_FILE_LEN))?;
        let manifest = trusted_manifest(envelope, trust)?;
        let promise = Promise::decode(promise_bytes).ok()?;
        let genuine = Measure::of(promise_bytes) == manifest.promise
            && sha256(list) == promise.block_list
            && list.len() == list_len(covered.len());
        genuine.then(|| BlockDigests { covered: covered.len(), list: list.to_vec() })
    }

    /// Returns the ranges of bytes that are not as they were signed, in rising order.
    ///
    /// Bytes behind the covered ones, the list itself among them, were right when the list was found.
    pub fn wrong_ranges(&self, file: &[u8]) -> impl Iterator<Item = core::ops::Range<usize>> {
        let covered = &file[..self.covered.min(file.len())];
        let blocks = covered.chunks(BLOCK_LEN).zip(self.list.chunks_exact(DIGEST_LEN)).enumerate();
        blocks.filter(|(_, (block, digest))| digest_of(block) != **digest).map(|(number, (block, _))| {
            let start = number * BLOCK_LEN;
            start..start + block.len()
        })
    }

    /// Returns where the part of a file begins that holds list, promise and envelope, at the earliest.
    ///
    /// What a receiver asks for again when it cannot find the list. Computed from the length alone.
    pub fn earliest_start(file_len: usize) -> usize {
        let tail = list_len(file_len) + MAX_PROMISE_LEN + MAX_ENVELOPE_LEN + 3 * ELEMENT_HEADER_LEN;
        file_len.saturating_sub(tail)
    }
}

fn trusted_manifest(envelope: &[u8], trust: &TrustStore) -> Option<Manifest> {
    let envelope = Envelope::parse(envelope).ok()?;
    trust.authenticate(&envelope).ok().map(|(manifest, _)| manifest)
}

/// Splits off the element of this tag that ends where the bytes end.
fn split_last(bytes: &[u8], tag: ElementTag, longest: usize) -> Option<(&[u8], &[u8])> {
    let longest = longest.min(bytes.len().checked_sub(ELEMENT_HEADER_LEN)?);
    (0..=longest).find_map(|len| {
        let start = bytes.len() - len - ELEMENT_HEADER_LEN;
        let header = element_header(&bytes[start..]);
        (header == Some((tag, u32::try_from(len).ok()?)))
            .then(|| (&bytes[..start], &bytes[start + ELEMENT_HEADER_LEN..]))
    })
}

/// The bytes of a block: the usual block of the WAN, and no power of a device's own block size is a bad fit.
pub(crate) const BLOCK_LEN: usize = 1_024;
/// The bytes kept of each digest.
pub(crate) const DIGEST_LEN: usize = 16;
