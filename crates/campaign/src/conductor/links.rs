//! Secured links as the conductor sees them: how all hubs are protected, who a hub is to whoever keeps its keys, and
//! why a hub that answers is not believed. Keys and ciphering are the driver's.
//!
//! A refusal of keys is not protected, so anybody may have said it: it ends nothing. It only gives the reason when a hub
//! was asked in vain.

use std::net::SocketAddr;

use firmware_image::Eui64;
use thiserror::Error;
use transfer_engine::{Answer, Fault, HubId, Moment, Protection};
use wire::{BroadcastSealer, CounterLease, LinkError, SealError};

use super::Conductor;

/// A hub by its EUI-64, most significant byte first.
pub type HubName = [u8; 8];

/// Why a hub could not be talked to although it may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkDoubt {
    /// What came from its address was not believed.
    #[error("its answer was not believed: {0}")]
    Heard(LinkError),
    /// What was to be said could not be ciphered.
    #[error("nothing could be said to it: {0}")]
    Sealing(SealError),
    /// There are no keys of it.
    #[error("there are no link keys of this hub")]
    NoKeys,
}

impl Conductor {
    /// Has all hubs talked to ciphered, blocks sealed once for all of them if there is a sealer. Call it before the
    /// first hub is talked to, that is before [`Conductor::resume`]; and again when the key of all hubs is another one,
    /// has come or has gone: what was sealed before is not sent any more.
    pub fn secure_links(&mut self, now: Moment, sealer: Option<BroadcastSealer>) {
        self.protection = if sealer.is_some() { Protection::Shared } else { Protection::Own };
        for hub in self.hubs.values() {
            self.engine.set_protection(hub.id, self.protection);
        }
        self.engine.set_sealer(now, sealer);
    }

    /// Takes the news that a hub's own keys are others now, or gone: it is asked for its association anew, and what was
    /// doubted of it under those before is forgotten. Returns which hub it is, if it was ever talked to.
    pub fn change_keys(&mut self, now: Moment, hub: HubName) -> Option<HubId> {
        let entry = self.hubs.get_mut(&Eui64::from_bytes(hub))?;
        entry.doubt = None;
        let hub = entry.id;
        self.engine.forget_association(now, hub);
        Some(hub)
    }

    /// Takes the news that there is no association under which what was to be sent to a hub could be ciphered.
    pub fn forget_association(&mut self, now: Moment, hub: HubId) {
        self.engine.forget_association(now, hub);
    }

    /// Returns the counters of the key of all hubs, so that more can be granted.
    pub fn shared_lease_mut(&mut self) -> Option<&mut CounterLease> {
        self.engine.shared_lease_mut()
    }

    /// Returns who a hub of the engine is.
    pub fn hub_name(&self, hub: HubId) -> Option<HubName> {
        self.hub_names.get(hub.0 as usize).map(|eui| eui.to_bytes())
    }

    /// Returns the hub that listens at an address.
    pub fn hub_at(&self, address: SocketAddr) -> Option<HubId> {
        self.engine.hub_at(address)
    }

    /// Counts a frame of so many bytes from a hub, and says whether it may be deciphered: its allowance may be used up.
    pub fn admit_frame(&mut self, now: Moment, hub: HubId, len: usize) -> bool {
        self.engine.admit_frame(now, hub, len)
    }

    /// Takes the plain form of a frame that was admitted.
    pub fn hear_frame(&mut self, now: Moment, hub: HubId, frame: &[u8]) {
        self.engine.hear_frame(now, hub, frame);
        self.turn(now);
    }

    /// Notes why a hub is not believed, or not talked to.
    pub fn doubt_hub(&mut self, hub: HubId, doubt: LinkDoubt) {
        if matches!(doubt, LinkDoubt::Heard(_)) {
            self.engine.note_unbelieved();
        }
        let Some(entry) = self.hub_entry(hub) else { return };
        // A refusal of our keys says more than what comes after it.
        if !matches!(entry.doubt, Some(LinkDoubt::Heard(LinkError::Rejected { .. }))) {
            entry.doubt = Some(doubt);
        }
    }

    /// Notes whether a hub answers, and forgets what was doubted of one that does. What it refused or could
    /// not do says nothing of that.
    pub(super) fn note_heard(&mut self, hub: HubId, result: &Result<Answer, Fault>) {
        let Some(entry) = self.hub_entry(hub) else { return };
        match result {
            Ok(_) => (entry.answers, entry.doubt) = (Some(true), None),
            Err(Fault::Unreachable { .. }) => entry.answers = Some(false),
            Err(_) => {}
        }
    }

    /// Returns why a device's hub was not believed, if that is why it could not be reached. One whose blocks sealed for
    /// all hubs bring nothing is sent the next under its own key: it may have seen a newer sealing of another image.
    pub(super) fn doubt_of(&mut self, now: Moment, device: Eui64, fault: &Fault) -> Option<LinkDoubt> {
        if self.protection == Protection::Clear {
            return None;
        }
        let (hub, _) = self.hub_of(now, device)?;
        if matches!(fault, Fault::Stalled { .. }) {
            self.engine.set_protection(hub, Protection::Own);
        }
        let doubt = self.hub_entry(hub).and_then(|entry| entry.doubt);
        doubt.filter(|_| matches!(fault, Fault::Unreachable { .. }))
    }
}
