//! What the engine knows of link security: how each hub is protected, who seals for all of them, and with which
//! counters. Keys, challenges and durable counters are its driver's.

use wire::{BroadcastSealer, CounterLease};

use super::Engine;
use crate::HubId;
use crate::session::Protection;

impl Engine {
    /// Says how frames to a hub are protected. A staging under way goes on as it began.
    pub fn set_protection(&mut self, hub: HubId, protection: Protection) {
        self.sessions[hub.0 as usize].protection = protection;
    }

    /// Takes the sealer of unconfirmed blocks for all hubs with [`Protection::Shared`]. An image that it has not enough
    /// counters for goes to each hub under its own key.
    pub fn set_sealer(&mut self, sealer: BroadcastSealer) {
        self.releases.sealer = Some(sealer);
    }

    /// Returns the counters of the key of all hubs, so that more can be granted.
    pub fn shared_lease_mut(&mut self) -> Option<&mut CounterLease> {
        self.releases.sealer.as_mut().map(BroadcastSealer::lease_mut)
    }

    /// Counts a frame that was admitted and not believed.
    pub fn note_unbelieved(&mut self) {
        self.counters.unbelieved += 1;
    }
}
