//! The sectors of a region, as host memory holds them.
//!
//! Sketch: a sector costs 16 bytes of host memory while it is erased, its programmed prefix while it fills, and
//! one reference once it is full and equal to a sector some other device holds.

use std::sync::Arc;

use crate::sector_pool::{SectorPool, SharedSector};

/// A run of sectors. Those past the end of `sectors` are erased; so a large region costs nothing until it is used.
#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) capacity: usize,
    sectors: Vec<Sector>,
}

#[derive(Clone, Debug)]
pub(super) enum Sector {
    Erased,
    /// Behind a reference, so that a device can be copied for a few references; a copy that changes becomes its own.
    Filling(Arc<Filling>),
    /// The beginning of a sector that others hold whole.
    Begun(SharedSector, u32),
    Full(SharedSector),
}

/// A sector being programmed; bytes past the end of `bytes` are erased.
#[derive(Clone, Debug, Default)]
pub(super) struct Filling {
    bytes: Vec<u8>,
    /// Bytes programmed since the erase; at a sector's length it is worth looking for an equal sector.
    programmed: usize,
}

impl Region {
    pub(super) fn new(capacity: usize) -> Region {
        Region { capacity, sectors: Vec::new() }
    }

    /// Returns what is stored of a sector; what follows is erased.
    pub(super) fn stored(&self, sector: usize) -> &[u8] {
        self.sectors.get(sector).map_or(&[], Sector::bytes)
    }

    /// Returns what is stored from `within` a sector on, at most `len` bytes; what follows is erased.
    pub(super) fn stored_from(&self, sector: usize, within: usize, len: usize) -> &[u8] {
        let stored = self.stored(sector).get(within..).unwrap_or(&[]);
        &stored[..stored.len().min(len)]
    }

    /// Returns whether these bytes are what lies there.
    pub(super) fn holds(&self, sector: usize, within: usize, bytes: &[u8]) -> bool {
        let stored = self.stored_from(sector, within, bytes.len());
        stored == &bytes[..stored.len()] && is_erased(&bytes[stored.len()..])
    }

    /// Returns whether every bit of a sector is 1.
    pub(super) fn is_blank(&self, sector: usize) -> bool {
        is_erased(self.stored(sector))
    }

    /// Sets every bit of a sector.
    pub(super) fn erase(&mut self, sector: usize) {
        if let Some(slot) = self.sectors.get_mut(sector) {
            *slot = Sector::Erased;
        }
    }

    /// Changes the stored bytes of a sector as `change` says; an erased one has none.
    pub(super) fn alter(&mut self, sector: usize, change: impl FnOnce(&mut [u8])) {
        if let Some(filling) = self.sectors.get_mut(sector).and_then(Sector::unshare) {
            change(&mut filling.bytes);
        }
    }

    /// Clears the bits within one sector that are 0 in `bytes`.
    pub(super) fn clear_bits(
        &mut self,
        pool: &mut SectorPool,
        sector_len: usize,
        sector: usize,
        within: usize,
        bytes: &[u8],
    ) {
        let filling = self.filling(sector);
        let overlap = filling.bytes.len().saturating_sub(within).min(bytes.len());
        if overlap == 0 {
            filling.bytes.resize(within, 0xFF);
        }
        for (stored, new) in filling.bytes[within..].iter_mut().zip(&bytes[..overlap]) {
            *stored &= new;
        }
        filling.bytes.extend_from_slice(&bytes[overlap..]);
        filling.programmed += bytes.len();
        if filling.programmed >= sector_len {
            self.sectors[sector].share(pool, sector_len);
        }
    }

    /// Goes on with a sector that is, as far as it has come, the beginning of a shared one; returns false where it is
    /// not, and changes nothing.
    pub(super) fn go_on(&mut self, sector: usize, from: usize, len: usize, shared: &SharedSector) -> bool {
        if self.sectors.len() <= sector {
            self.sectors.resize_with(sector + 1, || Sector::Erased);
        }
        let end = from + len;
        let whole = end == shared.bytes().len();
        let begins = match &mut self.sectors[sector] {
            Sector::Erased => from == 0,
            Sector::Begun(known, begun) if known.is(shared) && *begun as usize == from && !whole => {
                *begun = end as u32;
                return true;
            }
            Sector::Begun(known, begun) => known.is(shared) && *begun as usize == from,
            Sector::Filling(filling) => shared.bytes().get(..from) == Some(&filling.bytes[..]),
            Sector::Full(_) => false,
        };
        if begins {
            self.sectors[sector] =
                if whole { Sector::Full(shared.clone()) } else { Sector::Begun(shared.clone(), end as u32) };
        }
        begins
    }

    /// Returns a sector that others hold, too.
    pub(super) fn full(&self, sector: usize) -> Option<&SharedSector> {
        match self.sectors.get(sector) {
            Some(Sector::Full(shared)) => Some(shared),
            _ => None,
        }
    }

    /// Flips one stored bit.
    pub(super) fn flip(&mut self, sector: usize, within: usize, bit: u8) {
        let filling = self.filling(sector);
        if filling.bytes.len() <= within {
            filling.bytes.resize(within + 1, 0xFF);
        }
        filling.bytes[within] ^= 1 << (bit & 7);
    }

    /// Shares the first `sectors` sectors with equal ones elsewhere.
    pub(super) fn share(&mut self, pool: &mut SectorPool, sector_len: usize, sectors: usize) {
        let sectors = sectors.min(self.capacity);
        if self.sectors.len() < sectors {
            self.sectors.resize_with(sectors, || Sector::Erased);
        }
        for sector in &mut self.sectors[..sectors] {
            sector.share(pool, sector_len);
        }
    }

    /// Returns the first `sectors` sectors, or `None` when one of them is not shared.
    pub(super) fn shared(&self, sectors: usize) -> Option<Vec<SharedSector>> {
        let stored = self.sectors.get(..sectors)?;
        let mut shared = Vec::with_capacity(sectors);
        for sector in stored {
            match sector {
                Sector::Full(sector) => shared.push(sector.clone()),
                Sector::Erased | Sector::Filling(_) | Sector::Begun(..) => return None,
            }
        }
        Some(shared)
    }

    /// Returns how many sectors may hold something.
    pub(super) fn used(&self) -> usize {
        self.sectors.len()
    }

    /// Returns a sector that may be changed; the caller has checked the range.
    fn filling(&mut self, sector: usize) -> &mut Filling {
        if self.sectors.len() <= sector {
            self.sectors.resize_with(sector + 1, || Sector::Erased);
        }
        let slot = &mut self.sectors[sector];
        if let Sector::Erased = slot {
            *slot = Sector::Filling(Arc::default());
        }
        slot.unshare().expect("the sector is not erased")
    }
}

/// Returns whether every bit is 1.
pub(super) fn is_erased(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0xFF)
}

impl Sector {
    fn bytes(&self) -> &[u8] {
        match self {
            Sector::Erased => &[],
            Sector::Filling(filling) => &filling.bytes,
            Sector::Begun(sector, len) => &sector.bytes()[..*len as usize],
            Sector::Full(sector) => sector.bytes(),
        }
    }

    /// Replaces the sector by the pool's copy of the same bytes.
    fn share(&mut self, pool: &mut SectorPool, sector_len: usize) {
        let mut whole;
        let bytes = match self {
            Sector::Erased => {
                whole = vec![0xFF; sector_len];
                &whole
            }
            Sector::Filling(filling) if filling.bytes.len() == sector_len => &filling.bytes,
            Sector::Filling(filling) => {
                whole = filling.bytes.clone();
                whole.resize(sector_len, 0xFF);
                &whole
            }
            Sector::Begun(sector, len) if is_erased(&sector.bytes()[*len as usize..]) => {
                *self = Sector::Full(sector.clone());
                return;
            }
            Sector::Begun(sector, len) => {
                whole = sector.bytes()[..*len as usize].to_vec();
                whole.resize(sector_len, 0xFF);
                &whole
            }
            Sector::Full(_) => return,
        };
        *self = Sector::Full(pool.intern(bytes));
    }

    /// Makes the sector this device's own again, because it is about to differ.
    fn unshare(&mut self) -> Option<&mut Filling> {
        let shared = match self {
            Sector::Begun(sector, len) => Some((sector.bytes()[..*len as usize].to_vec(), *len as usize)),
            Sector::Full(sector) => Some((sector.bytes().to_vec(), 0)),
            Sector::Erased | Sector::Filling(_) => None,
        };
        if let Some((bytes, programmed)) = shared {
            *self = Sector::Filling(Arc::new(Filling { bytes, programmed }));
        }
        match self {
            Sector::Filling(filling) => Some(Arc::make_mut(filling)),
            Sector::Erased | Sector::Begun(..) | Sector::Full(_) => None,
        }
    }
}
