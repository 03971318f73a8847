//! The keys of a head-end, and what is different between two sets of them. Who changes them, and what becomes of
//! associations then, is for `links`.

use std::collections::BTreeMap;
use std::fmt;

use campaign::HubName;
use wire::{LinkKeys, SystemTitle};

use crate::counters::KeyName;

/// The keys of one hub, or of all hubs.
#[derive(Clone, Debug)]
pub struct HubKeys {
    /// What they are called in the file of counters.
    pub name: KeyName,
    /// The keys.
    pub keys: LinkKeys,
}

impl HubKeys {
    /// Says whether both halves are the same: the name is that of the encryption key alone.
    fn is_same_as(&self, other: &HubKeys) -> bool {
        self.name == other.name && self.keys.is_same_as(&other.keys)
    }
}

/// All keys of a head-end.
#[derive(Clone)]
pub struct Keyring {
    /// The name of the head-end in every nonce.
    pub title: SystemTitle,
    /// The keys of all hubs, for blocks that are sealed once.
    pub shared: Option<HubKeys>,
    /// Each hub's own.
    pub hubs: BTreeMap<HubName, HubKeys>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("title", &self.title)
            .field("hubs", &self.hubs.len())
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Returns the hubs that had keys and have others now, or none. Associations are bound to our title: under another
    /// one, no hub's keys count as the same.
    pub(crate) fn changed_hubs(&self, now: &Keyring) -> Vec<HubName> {
        let is_same = |hub, keys: &HubKeys| {
            self.title == now.title && now.hubs.get(hub).is_some_and(|new| new.is_same_as(keys))
        };
        let changed = self.hubs.iter().filter(|(hub, keys)| !is_same(*hub, keys));
        changed.map(|(hub, _)| *hub).collect()
    }

    /// Says whether what is sealed for all hubs is sealed otherwise now, or for the first time, or no more.
    pub(crate) fn seals_otherwise(&self, now: &Keyring) -> bool {
        match (&self.shared, &now.shared) {
            (None, None) => false,
            (Some(before), Some(after)) => self.title != now.title || !after.is_same_as(before),
            _ => true,
        }
    }
}

/// What taking other keys has changed.
#[derive(Debug)]
pub struct Rekeying {
    /// How many hubs had keys and have others now, or none.
    pub hubs: usize,
    /// Whether the key of all hubs is another one, has come or has gone.
    pub shared: bool,
    /// The keys before. Wiping those of a million hubs takes a while, for which the engine has no time.
    pub before: Keyring,
}
