//! One copy of each distinct flash sector, and one verification of each distinct image.
//!
//! A thousand meters that hold the same image hold the same sectors; the pool keeps one copy of each. What a
//! device computes from its flash is a pure function of those sectors, so the pool also remembers whole images and
//! the verdicts on them: every device still asks for each verification, but equal questions are answered once.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use firmware_image::FileDigest;

use crate::bank::StoredImage;
use crate::device_trust::{AcceptedImage, RefusedImage, TrustMark};

/// How many images the pool remembers. A world has a handful; past the bound it forgets and recomputes.
const REMEMBERED_IMAGES: usize = 256;

/// The interner of full flash sectors, owned by the caller and shared by all its devices.
#[derive(Debug, Default)]
pub struct SectorPool {
    sectors: HashMap<Arc<[u8]>, u64>,
    next_id: u64,
    images: HashMap<ImageKey, Bytes>,
    digests: HashMap<ImageKey, FileDigest>,
    verdicts: HashMap<(ImageKey, TrustMark), Result<AcceptedImage, RefusedImage>>,
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
        self.sectors.retain(|sector, _| Arc::strong_count(sector) > 1);
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

    /// Returns the digest of an image as it lies in flash; whoever boots asks for it each time.
    pub(crate) fn file_digest(&mut self, stored: &StoredImage) -> FileDigest {
        let Some(key) = &stored.key else { return FileDigest::of(&stored.bytes) };
        if self.digests.len() >= REMEMBERED_IMAGES {
            self.digests.clear();
        }
        *self.digests.entry(key.clone()).or_insert_with(|| FileDigest::of(&stored.bytes))
    }

    /// Returns the remembered verdict on an image, or asks for it and remembers it.
    pub(crate) fn verdict(
        &mut self,
        key: ImageKey,
        trust: TrustMark,
        examine: impl FnOnce() -> Result<AcceptedImage, RefusedImage>,
    ) -> Result<AcceptedImage, RefusedImage> {
        if self.verdicts.len() >= REMEMBERED_IMAGES {
            self.verdicts.clear();
        }
        self.verdicts.entry((key, trust)).or_insert_with(examine).clone()
    }
}

impl SharedSector {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
