//! What the engine knows of link security: how each hub is protected, who seals for all of them, and with which
//! counters. Keys, challenges and durable counters are its driver's.

use wire::{BroadcastSealer, CounterLease};

use super::Engine;
use crate::session::Protection;
use crate::{HubId, Moment};

impl Engine {
    /// Says how frames to a hub are protected. A staging under way goes on as it began.
    pub fn set_protection(&mut self, hub: HubId, protection: Protection) {
        self.sessions[hub.0 as usize].protection = protection;
    }

    /// Takes the sealer of unconfirmed blocks for all hubs with [`Protection::Shared`], or none. An image that it has not
    /// enough counters for goes to each hub under its own key. What the sealer before made is not sent any more: stagings
    /// under way that send it go on, in another encoding, from what their hubs hold.
    pub fn set_sealer(&mut self, now: Moment, sealer: Option<BroadcastSealer>) {
        self.releases.set_sealer(sealer);
        for index in 0..self.sessions.len() {
            if self.sessions[index].drop_sealed(now) {
                self.refresh(now, HubId(index as u32));
            }
        }
    }

    /// Takes the news that a hub's association is gone, because its keys are others now: it is asked for anew, and what
    /// is under way goes on from what the hub holds.
    pub fn forget_association(&mut self, now: Moment, hub: HubId) {
        self.sessions[hub.0 as usize].forget_association(now);
        self.refresh(now, hub);
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
