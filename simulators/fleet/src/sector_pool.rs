//! One copy of each distinct flash sector, and one verification of each distinct image.
//!
//! A thousand meters that hold the same image hold the same sectors; the pool keeps one copy of each. What a
//! device computes from its flash is a pure function of those sectors, so the pool also remembers whole images and
//! the verdicts on them: every device still asks for each verification, but equal questions are answered once. So that
//! this is never taken on trust, every [`SAMPLED`]th answer from memory is worked out again from the bytes in flash,
//! and must be the same.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use firmware_image::{ActivationOrder, FileDigest, OrderError, PublicKey, SignedOrder};
use foldhash::fast::FixedState;

use crate::bank::StoredImage;
use crate::device_trust::{AcceptedImage, RefusedImage, TrustMark};

/// How many images the pool remembers. A world has a handful; past the bound it forgets and recomputes.
const REMEMBERED_IMAGES: usize = 256;

/// How many orders the pool remembers, so that those under way in the ten thousand homes of a region are verified once.
const REMEMBERED_ORDERS: usize = 1 << 16;

/// One in so many remembered answers is worked out again: at 241 kB an image that costs a device about a microsecond
/// each, and a campaign of a thousand devices is sampled a dozen times.
pub(crate) const SAMPLED: u64 = 256;

/// The interner of full flash sectors, owned by the caller and shared by all its devices.
#[derive(Debug, Default)]
pub struct SectorPool {
    sectors: HashMap<Arc<[u8]>, u64, FixedState>,
    next_id: u64,
    images: HashMap<ImageKey, Bytes, FixedState>,
    digests: HashMap<ImageKey, FileDigest, FixedState>,
    verdicts: HashMap<(ImageKey, TrustMark), Result<AcceptedImage, RefusedImage>, FixedState>,
    /// Images that somebody holds whole, by the name that head-ends give them: what comes under it is probably that.
    named: HashMap<Box<[u8]>, Arc<[SharedSector]>, FixedState>,
    /// Orders whose signatures were found good, by digest: a hub passes on what its device will look at again.
    orders: HashMap<FileDigest, (PublicKey, ActivationOrder), FixedState>,
    /// Answers given from memory, and how many of them were worked out again.
    remembered: u64,
    sampled: u64,
}

/// A full sector that devices share; equal content means equal identity.
#[derive(Clone, Debug)]
pub(crate) struct SharedSector {
    id: u64,
    bytes: Arc<[u8]>,
}

/// The identity of an image in flash: its sectors in order, and how much of them it fills.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ImageKey {
    sectors: Box<[u64]>,
    len: usize,
}

/// Returns the name by which devices on a HAN know an image: what it is offered as.
pub(crate) fn offered_name(key: &wire::ImageKey, size: u32) -> [u8; 12] {
    let mut name = [0; 12];
    name[..2].copy_from_slice(&key.manufacturer.to_be_bytes());
    name[2..4].copy_from_slice(&key.image_type.to_be_bytes());
    name[4..8].copy_from_slice(&key.file_version.to_be_bytes());
    name[8..].copy_from_slice(&size.to_be_bytes());
    name
}

impl SectorPool {
    /// Makes an empty pool.
    pub fn new() -> SectorPool {
        SectorPool::default()
    }

    /// Returns how many distinct sectors are held.
    pub fn sector_count(&self) -> usize {
        self.sectors.len()
    }

    /// Forgets sectors and images that no device holds any more.
    pub fn forget_unused(&mut self) {
        self.images.clear();
        self.digests.clear();
        self.verdicts.clear();
        self.named.clear();
        self.orders.clear();
        self.sectors.retain(|sector, _| Arc::strong_count(sector) > 1);
    }

    /// Returns how many answers were given from memory, and how many of them were worked out again and agreed.
    pub fn sampled_answers(&self) -> (u64, u64) {
        (self.remembered, self.sampled)
    }

    /// Counts an answer from memory and returns whether it is to be worked out again.
    fn is_sampled(&mut self) -> bool {
        self.remembered += 1;
        let sampled = self.remembered.is_multiple_of(SAMPLED);
        self.sampled += u64::from(sampled);
        sampled
    }

    pub(crate) fn intern(&mut self, bytes: &[u8]) -> SharedSector {
        if let Some((bytes, id)) = self.sectors.get_key_value(bytes) {
            return SharedSector { id: *id, bytes: Arc::clone(bytes) };
        }
        let id = self.next_id;
        self.next_id += 1;
        let bytes: Arc<[u8]> = Arc::from(bytes);
        self.sectors.insert(Arc::clone(&bytes), id);
        SharedSector { id, bytes }
    }

    /// Returns the first `len` bytes of the sectors as one run of bytes.
    pub(crate) fn image(&mut self, sectors: &[SharedSector], len: usize) -> (ImageKey, Bytes) {
        let key = ImageKey { sectors: sectors.iter().map(|sector| sector.id).collect(), len };
        if let Some(bytes) = self.images.get(&key) {
            return (key, bytes.clone());
        }
        let mut joined = BytesMut::with_capacity(sectors.iter().map(|sector| sector.bytes.len()).sum());
        for sector in sectors {
            joined.extend_from_slice(&sector.bytes);
        }
        joined.truncate(len);
        let bytes = joined.freeze();
        if self.images.len() >= REMEMBERED_IMAGES {
            self.images.clear();
        }
        self.images.insert(key.clone(), bytes.clone());
        (key, bytes)
    }

    /// Remembers the sectors of an image under the name that it came by.
    pub(crate) fn name(&mut self, name: &[u8], sectors: Vec<SharedSector>) {
        if self.named.contains_key(name) {
            return;
        }
        if self.named.len() >= REMEMBERED_IMAGES {
            self.named.clear();
        }
        self.named.insert(name.into(), sectors.into());
    }

    /// Returns the sectors of the image that came by this name before, if any did. Names prove nothing.
    pub(crate) fn named(&self, name: &[u8]) -> Option<Arc<[SharedSector]>> {
        self.named.get(name).cloned()
    }

    /// Returns the digest of an image as it lies in flash; whoever boots asks for it each time.
    pub(crate) fn file_digest(&mut self, stored: &StoredImage) -> FileDigest {
        let Some(key) = &stored.key else { return FileDigest::of(&stored.bytes) };
        if let Some(digest) = self.digests.get(key).copied() {
            if self.is_sampled() {
                assert_eq!(FileDigest::of(&stored.in_flash()), digest, "equal sectors are equal bytes");
            }
            return digest;
        }
        if self.digests.len() >= REMEMBERED_IMAGES {
            self.digests.clear();
        }
        let digest = FileDigest::of(&stored.bytes);
        self.digests.insert(key.clone(), digest);
        digest
    }

    /// Returns what an order says if one of these keys signed it; the same bytes under the same key are verified once.
    pub(crate) fn order(
        &mut self,
        signed: &SignedOrder,
        keys: &[PublicKey],
    ) -> Result<ActivationOrder, OrderError> {
        let [key] = keys else { return signed.verify(keys) };
        let digest = FileDigest::of(signed.bytes());
        let known = self.orders.get(&digest).filter(|(signer, _)| signer == key).map(|(_, order)| *order);
        if let Some(order) = known {
            if self.is_sampled() {
                assert_eq!(signed.verify(keys), Ok(order), "equal orders have equal verdicts");
            }
            return Ok(order);
        }
        let order = signed.verify(keys)?;
        if self.orders.len() >= REMEMBERED_ORDERS {
            self.orders.clear();
        }
        self.orders.insert(digest, (*key, order));
        Ok(order)
    }

    /// Returns the remembered verdict on an image, or asks for it and remembers it.
    pub(crate) fn verdict(
        &mut self,
        stored: &StoredImage,
        trust: TrustMark,
        examine: impl FnOnce(Bytes) -> Result<AcceptedImage, RefusedImage>,
    ) -> Result<AcceptedImage, RefusedImage> {
        let Some(key) = &stored.key else { return examine(stored.bytes.clone()) };
        let question = (key.clone(), trust);
        if let Some(verdict) = self.verdicts.get(&question).cloned() {
            if self.is_sampled() {
                let again = examine(stored.in_flash());
                let file = |verdict: &Result<AcceptedImage, _>| {
                    verdict.as_ref().ok().map(AcceptedImage::file_digest)
                };
                assert_eq!(file(&again), file(&verdict), "equal sectors have equal verdicts");
            }
            return verdict;
        }
        if self.verdicts.len() >= REMEMBERED_IMAGES {
            self.verdicts.clear();
        }
        let verdict = examine(stored.bytes.clone());
        self.verdicts.insert(question, verdict.clone());
        verdict
    }
}

impl SharedSector {
    /// Returns whether this is the same sector.
    pub(crate) fn is(&self, other: &SharedSector) -> bool {
        self.id == other.id
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{SAMPLED, SectorPool, SharedSector};
    use crate::bank::StoredImage;
    use std::sync::Arc;

    fn stored(pool: &mut SectorPool, sectors: &[SharedSector], len: usize) -> StoredImage {
        let (key, bytes) = pool.image(sectors, len);
        StoredImage { key: Some(key), bytes, sectors: sectors.to_vec() }
    }

    #[test]
    fn every_so_many_answers_from_memory_are_worked_out_again() {
        let mut pool = SectorPool::new();
        let sectors = [pool.intern(&[1; 256]), pool.intern(&[2; 256])];
        let image = stored(&mut pool, &sectors, 300);
        for asked in 0..=3 * SAMPLED {
            assert_eq!(pool.sampled_answers(), (asked.saturating_sub(1), asked.saturating_sub(1) / SAMPLED));
            pool.file_digest(&image);
        }
        assert_eq!(pool.sampled_answers(), (3 * SAMPLED, 3));
    }

    #[test]
    #[should_panic(expected = "equal sectors are equal bytes")]
    fn an_answer_from_memory_that_is_not_what_flash_says_is_found() {
        let mut pool = SectorPool::new();
        let sound = [pool.intern(&[1; 256])];
        let mut image = stored(&mut pool, &sound, 256);
        // A sector that goes by the identity of another, as a fault of the pool's own would have it.
        image.sectors = vec![SharedSector { id: sound[0].id, bytes: Arc::from([3; 256]) }];
        for _ in 0..=SAMPLED {
            pool.file_digest(&image);
        }
    }
}
