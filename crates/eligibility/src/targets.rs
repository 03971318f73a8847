//! What each device of an order is to run: found by hash, because the gate looks for every device of a home.
//!
//! Sketch: 50,000 devices, the most an order names, are 0.9 MB and fit the cache of a core. Half of what is looked for is
//! not there, as most orders leave hubs and displays alone; that costs a look at one of 64 KiB.

use std::collections::HashMap;

use firmware_image::Eui64;
use foldhash::fast::FixedState;

use crate::catalogue::Pool;
use crate::text::CplEntryId;

/// The entry that each device of an order is to be brought to.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// By the address as a number; never walked, so that its order is nobody's business.
    entries_of: HashMap<u64, u32, FixedState>,
    entries: Pool<CplEntryId>,
}

impl Targets {
    /// Names the entry of a device, also when it had another one before.
    pub fn insert(&mut self, device: Eui64, target: &CplEntryId) {
        self.entries_of.insert(key(device), self.entries.number(target));
    }

    /// Leaves a device as it is.
    pub fn remove(&mut self, device: Eui64) {
        self.entries_of.remove(&key(device));
    }

    /// Returns the entry of a device, when the order names it.
    pub fn get(&self, device: Eui64) -> Option<&CplEntryId> {
        self.entries_of.get(&key(device)).map(|entry| self.entries.get(*entry))
    }

    /// Returns how many devices are named.
    pub fn len(&self) -> usize {
        self.entries_of.len()
    }

    /// Says whether no device is named.
    pub fn is_empty(&self) -> bool {
        self.entries_of.is_empty()
    }
}

fn key(device: Eui64) -> u64 {
    u64::from_be_bytes(device.to_bytes())
}

impl FromIterator<(Eui64, CplEntryId)> for Targets {
    fn from_iter<I: IntoIterator<Item = (Eui64, CplEntryId)>>(rows: I) -> Self {
        let mut targets = Self::default();
        rows.into_iter().for_each(|(device, target)| targets.insert(device, &target));
        targets
    }
}
