//! The ciphered link of a delivery: one hub, one engine, and the durable counters of one key. For a campaign's hubs see
//! `links`.

use std::fmt;

use transfer_engine::{Engine, HubId, LinkSecurity, Moment, Protection, Transmit};
use wire::{CounterLease, LinkError, SealError, SecureClient, SystemTitle};

use crate::counters::{CounterError, Counters, KeyName, SPAN};
use crate::keyring::HubKeys;
use crate::links::{SPARE, frames_of, sealed_form};

/// The ciphered link to the hub of a delivery.
pub struct OneLink {
    name: KeyName,
    counters: Counters,
    security: LinkSecurity,
    /// Frames that the engine heard.
    believed: u64,
    /// Why the last frame was not believed, or could not be sealed.
    doubt: Option<LinkError>,
    plain: Vec<u8>,
}

impl fmt::Debug for OneLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneLink").field("doubt", &self.doubt).finish_non_exhaustive()
    }
}

impl OneLink {
    /// Joins a hub's keys and the counters that everybody who uses them shares; `title` is our own name in every nonce.
    pub fn new(title: SystemTitle, HubKeys { name, keys }: HubKeys, counters: Counters) -> OneLink {
        let client = SecureClient::new(keys, title, counters.lease(name));
        let security = LinkSecurity::new(client);
        OneLink { name, counters, security, believed: 0, doubt: None, plain: Vec::new() }
    }

    /// Has an engine reckon with what ciphering costs on the line.
    pub(crate) fn protect(&self, engine: &mut Engine, hub: HubId) {
        engine.set_protection(hub, Protection::Own);
    }

    /// Returns a train as it goes out, after reserving the counters that it lacks; `None` when nothing is to be sent. What
    /// cannot be sealed is dropped, as a line would: the session repeats itself.
    pub(crate) fn outbound(&mut self, train: &Transmit) -> Result<Option<Transmit>, CounterError> {
        let needed = frames_of(train).saturating_add(SPARE);
        let lease = self.security.client_mut().lease_mut();
        if lease.remaining() < needed && lease.request(SPAN).is_ok() {
            let mut held = std::mem::replace(lease, CounterLease::after(u32::MAX));
            let reserved = self.counters.reserve([(self.name, &mut held)]);
            *self.security.client_mut().lease_mut() = held;
            reserved?;
        }
        match sealed_form(&mut self.security, train) {
            Ok(sealed) => Ok(sealed),
            // Of a session that has given up; the next task of its hub begins with an association.
            Err(SealError::NotAssociated) => Ok(None),
            Err(error) => {
                self.doubt = Some(error.into());
                Ok(None)
            }
        }
    }

    /// Takes a frame of the hub, has the engine hear what is believed of it, and returns what goes back at once.
    pub(crate) fn hear(
        &mut self,
        now: Moment,
        hub: HubId,
        frame: &[u8],
        engine: &mut Engine,
    ) -> Option<Vec<u8>> {
        if !engine.admit_frame(now, hub, frame.len()) {
            return None;
        }
        self.plain.clear();
        let mut reply = Vec::new();
        match self.security.inbound(frame, &mut self.plain, &mut reply) {
            Ok(()) if self.plain.is_empty() => {}
            Ok(()) => {
                self.doubt = None;
                self.believed += 1;
                engine.hear_frame(now, hub, &self.plain);
            }
            Err(doubt) => {
                engine.note_unbelieved();
                self.doubt = Some(doubt);
            }
        }
        (!reply.is_empty()).then_some(reply)
    }

    /// Returns how many frames of the hub the engine heard.
    pub(crate) fn believed(&self) -> u64 {
        self.believed
    }

    /// Returns why the hub was asked in vain, if there is a reason.
    pub(crate) fn doubt(&self) -> Option<LinkError> {
        self.doubt
    }
}
