//! Where the row of a device stands, by its EUI-64: a table of places beside the rows themselves.
//!
//! Open addressing with linear probing, at most half full. A slot holds a place and 32 bits of the hash, so that a look-up
//! in a million homes waits for memory twice: for one line of slots and for the row.

use firmware_image::Eui64;

/// An empty slot. Its place is beyond every row.
const EMPTY: Slot = Slot { tag: 0, place: u32::MAX };

/// The fewest slots of a table that is not empty.
const SLOTS_MIN: usize = 16;

/// The factor of the hash: odd, with bits all over (2^64 divided by the golden ratio).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Places of rows, by device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    slots: Vec<Slot>,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    tag: u32,
    place: u32,
}

/// Mixes all bits of an address into the upper and the lower half. Addresses of one maker differ in a few bits only.
fn hash(device: Eui64) -> u64 {
    let number = u64::from_be_bytes(device.to_bytes());
    let once = (number ^ (number >> 32)).wrapping_mul(SPREAD);
    (once ^ (once >> 29)).wrapping_mul(SPREAD)
}

impl Places {
    /// Returns the place of a device's row.
    pub(crate) fn find<T>(&self, device: Eui64, rows: &[T], id: impl Fn(&T) -> Eui64) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let hash = hash(device);
        let (tag, mut at) = (hash as u32, (hash >> 32) as usize & mask);
        loop {
            let slot = self.slots.get(at)?;
            if *slot == EMPTY {
                return None;
            }
            if slot.tag == tag && rows.get(slot.place as usize).is_some_and(|row| id(row) == device) {
                return Some(slot.place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Enters the place of a device that is not there yet; `rows` hold all that are.
    pub(crate) fn insert<T>(&mut self, device: Eui64, place: u32, rows: &[T], id: impl Fn(&T) -> Eui64) {
        if (self.count + 1) * 2 > self.slots.len() {
            self.grow(rows, &id);
        }
        self.put(device, place);
        self.count += 1;
    }

    /// Enters all rows of a slice, each with its place.
    pub(crate) fn of<T>(rows: &[T], id: impl Fn(&T) -> Eui64) -> Self {
        let mut places = Self { slots: vec![EMPTY; slots_for(rows.len())], count: rows.len() };
        for (place, row) in (0..).zip(rows) {
            places.put(id(row), place);
        }
        places
    }

    fn grow<T>(&mut self, rows: &[T], id: &impl Fn(&T) -> Eui64) {
        let before = std::mem::replace(&mut self.slots, vec![EMPTY; slots_for(self.count * 2)]);
        for slot in before.into_iter().filter(|slot| *slot != EMPTY) {
            if let Some(row) = rows.get(slot.place as usize) {
                self.put(id(row), slot.place);
            }
        }
    }

    fn put(&mut self, device: Eui64, place: u32) {
        let Some(mask) = self.slots.len().checked_sub(1) else { return };
        let hash = hash(device);
        let mut at = (hash >> 32) as usize & mask;
        // There is an empty slot, as no more than half of them are taken.
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == EMPTY {
                *slot = Slot { tag: hash as u32, place };
                return;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Returns a power of two that leaves half of the slots empty.
fn slots_for(count: usize) -> usize {
    (count.max(SLOTS_MIN / 2) * 2).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u64) -> Eui64 {
        Eui64::from_bytes(number.to_be_bytes())
    }

    #[test]
    fn every_row_is_found_and_nothing_else_whatever_way_it_came() {
        for stride in [1, 2, 256, 1 << 32, SPREAD] {
            let rows: Vec<Eui64> = (0..5_000u64).map(|number| device(number.wrapping_mul(stride))).collect();
            let mut grown = Places::default();
            for (place, row) in (0..).zip(&rows) {
                assert_eq!(grown.find(*row, &rows, |row| *row), None);
                grown.insert(*row, place, &rows, |row| *row);
            }
            let made = Places::of(&rows, |row| *row);
            for places in [&grown, &made] {
                for (place, row) in (0..).zip(&rows) {
                    assert_eq!(places.find(*row, &rows, |row| *row), Some(place));
                }
                assert_eq!(places.find(device(u64::MAX), &rows, |row| *row), None);
            }
        }
    }

    #[test]
    fn addresses_that_differ_in_few_bits_do_not_crowd() {
        let rows: Vec<Eui64> =
            (0..100_000u64).map(|number| device(0x000D_6F00_0000_0000 + number * 16)).collect();
        let places = Places::of(&rows, |row| *row);
        let mask = places.slots.len() - 1;
        let far = |row: &&Eui64| {
            let at = (hash(**row) >> 32) as usize & mask;
            (0..8).all(|step| {
                places.slots[(at + step) & mask].place as usize >= rows.len()
                    || rows[places.slots[(at + step) & mask].place as usize] != **row
            })
        };
        let crowded = rows.iter().filter(far).count();
        assert!(
            crowded < 1_000,
            "{crowded} of 100000 stand eight slots from where they are looked for first"
        );
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        assert_eq!(Places::default().find(device(1), &[], |row: &Eui64| *row), None);
        assert_eq!(Places::of(&[], |row: &Eui64| *row).find(device(1), &[], |row| *row), None);
    }
}
