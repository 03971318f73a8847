//! Which hub listens at an address, and at which address a hub does.
//!
//! Sketch: a hub takes 5 to 10 B here, as the table holds indices and no addresses. An IPv4 address lies with its
//! session in 8 B instead of the 32 B of a `SocketAddr`; an IPv6 address lies here, some 50 B for those that have one.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use hashbrown::HashTable;

use crate::HubId;

/// An address as a session keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Four(SocketAddrV4),
    /// The directory knows it.
    Six,
}

/// Hubs by address. The addresses themselves are the caller's as far as they fit; it hands in how to look one up.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    hubs: HashTable<u32>,
    sixes: BTreeMap<u32, SocketAddrV6>,
    /// Keyed afresh in every process: whoever sends us datagrams cannot choose where they collide. Nothing depends
    /// on the order that comes of it.
    hasher: RandomState,
}

impl Directory {
    /// Returns the address of a hub as its session keeps it. What the hub had before is forgotten.
    pub(crate) fn keep(&mut self, hub: HubId, address: SocketAddr) -> Address {
        match address {
            SocketAddr::V4(four) => {
                self.sixes.remove(&hub.0);
                Address::Four(four)
            }
            SocketAddr::V6(six) => {
                self.sixes.insert(hub.0, six);
                Address::Six
            }
        }
    }

    /// Returns the address that a session keeps.
    pub(crate) fn resolve(&self, hub: HubId, kept: Address) -> SocketAddr {
        resolve(&self.sixes, hub.0, kept)
    }

    pub(crate) fn find(&self, address: SocketAddr, address_of: impl Fn(u32) -> Address) -> Option<HubId> {
        let hash = self.hasher.hash_one(address);
        self.hubs
            .find(hash, |hub| resolve(&self.sixes, *hub, address_of(*hub)) == address)
            .copied()
            .map(HubId)
    }

    /// Enters a hub; whoever had the address before loses it.
    pub(crate) fn insert(&mut self, hub: HubId, address: SocketAddr, address_of: impl Fn(u32) -> Address) {
        let Directory { hubs, sixes, hasher } = self;
        let address_of = |hub| resolve(sixes, hub, address_of(hub));
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

fn resolve(sixes: &BTreeMap<u32, SocketAddrV6>, hub: u32, kept: Address) -> SocketAddr {
    match kept {
        Address::Four(four) => four.into(),
        Address::Six => (*sixes.get(&hub).expect("an address is kept with its hub")).into(),
    }
}
