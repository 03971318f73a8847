//! Rows under a text key: found by hash, walked in the order of the keys.
//!
//! The hash has a fixed seed, so that nothing of a run depends on chance; the files are the operator's own, and the
//! worst that a key made to collide could do is to make its own look-ups slow.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use foldhash::fast::FixedState;

/// Rows that no longer change, by key.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue<K, V> {
    rows: Vec<V>,
    places: HashMap<K, u32, FixedState>,
}

impl<K: Hash + Eq + Ord, V> Catalogue<K, V> {
    pub(crate) fn new(rows: BTreeMap<K, V>) -> Self {
        let mut catalogue = Self {
            rows: Vec::with_capacity(rows.len()),
            places: HashMap::with_hasher(FixedState::default()),
        };
        for (place, (key, row)) in (0..).zip(rows) {
            catalogue.places.insert(key, place);
            catalogue.rows.push(row);
        }
        catalogue
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.places.get(key).and_then(|place| self.at(*place))
    }

    pub(crate) fn at(&self, place: u32) -> Option<&V> {
        self.rows.get(place as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.rows.iter()
    }
}

/// Texts and other small values that many rows share, each held once under a number.
#[derive(Debug, Clone)]
pub(crate) struct Pool<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32, FixedState>,
    /// Rows of one home stand beside one another: the last number is often the next.
    last: u32,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashMap::with_hasher(FixedState::default()), last: 0 }
    }
}

impl<T: Hash + Eq + Clone> Pool<T> {
    /// Returns the number of a value, a new one for one that is new.
    pub(crate) fn number(&mut self, value: &T) -> u32 {
        if self.values.get(self.last as usize) == Some(value) {
            return self.last;
        }
        let next = self.values.len() as u32;
        let number = match self.numbers.get(value) {
            Some(number) => *number,
            None => {
                self.values.push(value.clone());
                self.numbers.insert(value.clone(), next);
                next
            }
        };
        self.last = number;
        number
    }

    /// Returns the value of a number that this pool gave.
    pub(crate) fn get(&self, number: u32) -> &T {
        self.values.get(number as usize).expect("the number is of this pool")
    }
}
