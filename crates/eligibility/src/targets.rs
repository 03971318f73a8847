//! What each device of an order is to run: found by hash, because the gate looks for every device of a home.
//!
//! Sketch: 50,000 devices, the most an order names, are 0.8 MB and fit the cache of a core.

use firmware_image::Eui64;

use crate::catalogue::Pool;
use crate::places::Places;
use crate::text::CplEntryId;

/// The entry that each device of an order is to be brought to.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    rows: Vec<(Eui64, u32)>,
    places: Places,
    entries: Pool<CplEntryId>,
}

impl Targets {
    /// Names the entry of a device, also when it had another one before.
    pub fn insert(&mut self, device: Eui64, target: &CplEntryId) {
        let entry = self.entries.number(target);
        match self.place_of(device).and_then(|place| self.rows.get_mut(place as usize)) {
            Some(row) => row.1 = entry,
            None => {
                let place = self.rows.len() as u32;
                self.rows.push((device, entry));
                self.places.insert(device, place, &self.rows, |row| row.0);
            }
        }
    }

    /// Returns the entry of a device, when the order names it.
    pub fn get(&self, device: Eui64) -> Option<&CplEntryId> {
        let (_, entry) = self.rows.get(self.place_of(device)? as usize)?;
        Some(self.entries.get(*entry))
    }

    /// Returns how many devices are named.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Says whether no device is named.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn place_of(&self, device: Eui64) -> Option<u32> {
        self.places.find(device, &self.rows, |row| row.0)
    }
}

impl FromIterator<(Eui64, CplEntryId)> for Targets {
    fn from_iter<I: IntoIterator<Item = (Eui64, CplEntryId)>>(rows: I) -> Self {
        let mut targets = Self::default();
        rows.into_iter().for_each(|(device, target)| targets.insert(device, &target));
        targets
    }
}
