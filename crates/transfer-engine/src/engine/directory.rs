//! Which hub listens at an address: an index into the sessions, 5 B a hub, no copy of the addresses.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use hashbrown::HashTable;

use crate::HubId;

/// Hubs by address. The addresses themselves are the caller's; it hands in how to look one up.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    hubs: HashTable<u32>,
    /// Keyed afresh in every process: whoever sends us datagrams cannot choose where they collide. Nothing depends
    /// on the order that comes of it.
    hasher: RandomState,
}

impl Directory {
    pub(crate) fn find(&self, address: SocketAddr, address_of: impl Fn(u32) -> SocketAddr) -> Option<HubId> {
        let hash = self.hasher.hash_one(address);
        self.hubs.find(hash, |hub| address_of(*hub) == address).copied().map(HubId)
    }

    /// Enters a hub; whoever had the address before loses it.
    pub(crate) fn insert(&mut self, hub: HubId, address: SocketAddr, address_of: impl Fn(u32) -> SocketAddr) {
        let Directory { hubs, hasher } = self;
        let hash = hasher.hash_one(address);
        if let Ok(entry) = hubs.find_entry(hash, |other| address_of(*other) == address) {
            entry.remove();
        }
        hubs.insert_unique(hash, hub.0, |other| hasher.hash_one(address_of(*other)));
    }

    /// Takes a hub out, if the address is still its own.
    pub(crate) fn remove(&mut self, hub: HubId, address: SocketAddr) {
        let hash = self.hasher.hash_one(address);
        if let Ok(entry) = self.hubs.find_entry(hash, |other| *other == hub.0) {
            entry.remove();
        }
    }
}
