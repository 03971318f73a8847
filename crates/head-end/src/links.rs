//! Ciphered links between a conductor that speaks plain frames and hubs that do not: keys, challenges and durable
//! counters come together here. Ciphering itself is `transfer_engine::LinkSecurity`'s.
//!
//! ```text
//! conductor ── train ──► counters reserved? ──► LinkSecurity of the hub ── ciphered train ──► wires
//! conductor ◄─ frame ─── LinkSecurity of the hub ◄─ within its allowance? ◄── frame ── wires
//!                             └ second pass ──► replies ──► wires
//! ```
//!
//! A hub takes some 250 B here from its first train on. What cannot be sent is dropped, as a line would: its session
//! repeats it, and knows why when it gives up. Keys may be replaced while all of this goes on: a link lives as long as the
//! keys that it was made with.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use campaign::{Conductor, HubName, LinkDoubt};
use tokio::task::spawn_blocking;
use transfer_engine::{HubId, LinkSecurity, Moment, Transmit, Transport};
use wire::{BroadcastSealer, Challenge, CounterLease, SealError, SecureClient, WanFrame};

use crate::counters::{CounterError, Counters, KEYS_PER_APPEND, KeyName, SPAN};
use crate::keyring::{HubKeys, Keyring, Rekeying};
use crate::wires::{Incoming, Wires};

/// What a train may take beyond one counter per frame: an association takes three.
pub(crate) const SPARE: u32 = 16;

/// Counters of the key of all hubs that are kept in hand: three images of the largest size in blocks of 1 KiB. One that
/// needs more goes to each hub under its own key.
const SHARED_IN_HAND: u32 = 1 << 15;

/// Bytes of a challenge; 8 to 64 are allowed, 16 are as many as a key has.
const CHALLENGE_LEN: usize = 16;

#[derive(Debug)]
struct Link {
    name: KeyName,
    /// Where its hub was sent something last.
    address: SocketAddr,
    security: LinkSecurity,
}

/// The ciphered links of a head-end.
#[derive(Debug)]
pub struct SecuredLinks {
    keyring: Keyring,
    /// Away while it writes.
    counters: Option<Counters>,
    links: BTreeMap<HubId, Link>,
    /// Second passes that wait for the end of a turn.
    replies: Vec<Transmit>,
    plain: Vec<u8>,
}

impl SecuredLinks {
    /// Joins keys and counters.
    pub fn new(keyring: Keyring, counters: Counters) -> SecuredLinks {
        SecuredLinks {
            keyring,
            counters: Some(counters),
            links: BTreeMap::new(),
            replies: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// Takes other keys in the place of all those before. The links of hubs whose own are others now, or gone, are dropped
    /// with the counters they had in hand, and their sessions ask for associations under the new ones; all other links go
    /// on. What was sealed for all hubs under another key than now is not sent any more.
    pub(crate) fn take_keys(&mut self, now: Moment, keyring: Keyring, conductor: &mut Conductor) -> Rekeying {
        let rekeying = self.replace_keys(keyring, |hub| conductor.change_keys(now, hub));
        if rekeying.shared {
            conductor.secure_links(now, self.sealer());
        }
        rekeying
    }

    /// Replaces all keys and drops the links of those that are others now; `told` says which hub it is that was told so.
    fn replace_keys(&mut self, keyring: Keyring, told: impl FnMut(HubName) -> Option<HubId>) -> Rekeying {
        let before = std::mem::replace(&mut self.keyring, keyring);
        let changed = before.changed_hubs(&self.keyring);
        let hubs = changed.len();
        for hub in changed.into_iter().filter_map(told) {
            self.links.remove(&hub);
        }
        let shared = before.seals_otherwise(&self.keyring);
        Rekeying { hubs, shared, before }
    }

    /// Makes the sealer of images for all hubs, for [`Conductor::secure_links`]; it has no counters yet.
    pub fn sealer(&self) -> Option<BroadcastSealer> {
        let shared = self.keyring.shared.as_ref()?;
        let lease = self.counters.as_ref()?.lease(shared.name);
        Some(BroadcastSealer::new(shared.keys.clone(), self.keyring.title, lease))
    }

    /// Reserves counters of the key of all hubs when there is work to do with them.
    pub(crate) async fn keep_shared(&mut self, conductor: &mut Conductor) -> Result<(), CounterError> {
        let Some(name) = self.keyring.shared.as_ref().map(|shared| shared.name) else { return Ok(()) };
        if conductor.busy_hubs() == 0 {
            return Ok(());
        }
        let Some(lease) = conductor.shared_lease_mut().filter(|lease| lease.remaining() < SHARED_IN_HAND)
        else {
            return Ok(());
        };
        let held = std::mem::replace(lease, CounterLease::after(u32::MAX));
        let (mut reserved, result) = self.reserve(vec![(name, held)]).await;
        if let (Some(lease), Some((_, held))) = (conductor.shared_lease_mut(), reserved.pop()) {
            *lease = held;
        }
        match result {
            // Images go to each hub under its own key from now on.
            Err(CounterError::UsedUp(error)) => {
                tracing::debug!(%error, "the key of all hubs is used up");
                Ok(())
            }
            result => result,
        }
    }

    /// Ciphers and sends trains, after reserving the counters that they lack with one write.
    pub(crate) async fn send(
        &mut self,
        now: Moment,
        trains: &mut Vec<Transmit>,
        conductor: &mut Conductor,
        wires: &mut Wires,
    ) -> Result<(), CounterError> {
        for lot in trains.chunks(KEYS_PER_APPEND) {
            self.prepare(lot, |hub| conductor.hub_name(hub)).await?;
            for train in lot {
                if let Some(ciphered) = self.cipher(now, train, conductor) {
                    wires.send(&ciphered).await;
                }
            }
        }
        trains.clear();
        Ok(())
    }

    /// Sees that every hub of a lot has a link with counters in hand.
    async fn prepare(
        &mut self,
        lot: &[Transmit],
        name_of: impl Fn(HubId) -> Option<HubName>,
    ) -> Result<(), CounterError> {
        let mut short = BTreeMap::new();
        for train in lot {
            let Some(link) = self.link(train, &name_of) else { continue };
            let needed = frames_of(train).saturating_add(SPARE);
            let lease = link.security.client_mut().lease_mut();
            // A key that is used up is left alone: its hub is doubted for want of counters.
            if lease.remaining() < needed && lease.request(SPAN).is_ok() {
                let name = link.name;
                let held = std::mem::replace(lease, CounterLease::after(u32::MAX));
                short.insert(train.hub, (name, held));
            }
        }
        if short.is_empty() {
            return Ok(());
        }
        let (hubs, leases): (Vec<HubId>, Vec<_>) = short.into_iter().unzip();
        let (leases, result) = self.reserve(leases).await;
        for (hub, (_, held)) in hubs.into_iter().zip(leases) {
            if let Some(link) = self.links.get_mut(&hub) {
                *link.security.client_mut().lease_mut() = held;
            }
        }
        result
    }

    /// Reserves a span for each lease, away from the threads that carry everything else.
    async fn reserve(
        &mut self,
        mut leases: Vec<(KeyName, CounterLease)>,
    ) -> (Vec<(KeyName, CounterLease)>, Result<(), CounterError>) {
        let mut counters = self.counters.take().expect("counters are back after every write");
        let written = spawn_blocking(move || {
            let result = counters.reserve(leases.iter_mut().map(|(name, lease)| (*name, lease)));
            (counters, leases, result)
        });
        let (counters, leases, result) = written.await.expect("writing counters does not panic");
        self.counters = Some(counters);
        (leases, result)
    }

    fn link(&mut self, train: &Transmit, name_of: impl Fn(HubId) -> Option<HubName>) -> Option<&mut Link> {
        let (hub, address) = (train.hub, train.address);
        if !self.links.contains_key(&hub) {
            let HubKeys { name, keys } = self.keyring.hubs.get(&name_of(hub)?)?;
            let lease = self.counters.as_ref().expect("counters are back after every write").lease(*name);
            let client = SecureClient::new(keys.clone(), self.keyring.title, lease);
            self.links.insert(hub, Link { name: *name, address, security: LinkSecurity::new(client) });
        }
        let link = self.links.get_mut(&hub)?;
        link.address = address;
        Some(link)
    }

    fn cipher(&mut self, now: Moment, train: &Transmit, conductor: &mut Conductor) -> Option<Transmit> {
        let Some(link) = self.link(train, |hub| conductor.hub_name(hub)) else {
            conductor.doubt_hub(train.hub, LinkDoubt::NoKeys);
            return None;
        };
        match sealed_form(&mut link.security, train) {
            Ok(sealed) => sealed,
            // Asked for in vain by an earlier task: the session has to ask again before anything else.
            Err(SealError::NotAssociated) => {
                conductor.forget_association(now, train.hub);
                None
            }
            Err(error) => {
                conductor.doubt_hub(train.hub, LinkDoubt::Sealing(error));
                None
            }
        }
    }

    /// Takes in what came, and has the conductor hear what is believed of it.
    pub(crate) fn hear(&mut self, now: Moment, incoming: Incoming<'_>, conductor: &mut Conductor) {
        match incoming {
            Incoming::Datagram(from, datagram) => match conductor.hub_at(from) {
                Some(hub) => self.hear_frame(now, hub, Transport::Datagram, datagram, conductor),
                // Counted as a stranger's.
                None => conductor.handle_datagram(now, from, datagram),
            },
            Incoming::Frames(hub, mut frames) => {
                while let Ok(Some((_, len))) = WanFrame::parse_stream(frames) {
                    let (frame, later) = frames.split_at(len);
                    self.hear_frame(now, hub, Transport::Stream { window: 1 }, frame, conductor);
                    frames = later;
                }
            }
            Incoming::Disconnected(hub) => conductor.handle_disconnect(now, hub),
        }
    }

    fn hear_frame(
        &mut self,
        now: Moment,
        hub: HubId,
        transport: Transport,
        frame: &[u8],
        conductor: &mut Conductor,
    ) {
        let Some(link) = self.links.get_mut(&hub).filter(|_| conductor.admit_frame(now, hub, frame.len()))
        else {
            return;
        };
        self.plain.clear();
        let mut reply = Vec::new();
        match link.security.inbound(frame, &mut self.plain, &mut reply) {
            Ok(()) => {
                if !reply.is_empty() {
                    let (address, segment, contents) = (link.address, reply.len(), Bytes::from(reply));
                    self.replies.push(Transmit { hub, address, transport, contents, segment, blocks: 0 });
                }
                if !self.plain.is_empty() {
                    conductor.hear_frame(now, hub, &self.plain);
                }
            }
            Err(error) => conductor.doubt_hub(hub, LinkDoubt::Heard(error)),
        }
    }

    /// Sends the second passes of a turn. Each answers a frame that was taken in, so there are no more of them.
    pub(crate) async fn send_replies(&mut self, wires: &mut Wires) {
        for reply in self.replies.drain(..) {
            wires.send(&reply).await;
        }
    }
}

/// Returns a train as it goes out to a hub; `None` when nothing is to be sent.
pub(crate) fn sealed_form(
    security: &mut LinkSecurity,
    train: &Transmit,
) -> Result<Option<Transmit>, SealError> {
    let mut out = Vec::with_capacity(train.contents.len() + 128);
    security.outbound(&train.contents, fresh_challenge, &mut out)?;
    if out.is_empty() {
        return Ok(None);
    }
    if out == train.contents {
        return Ok(Some(train.clone()));
    }
    let segment = WanFrame::parse_stream(&out).ok().flatten().map_or(out.len(), |(_, len)| len);
    Ok(Some(Transmit { contents: Bytes::from(out), segment, ..train.clone() }))
}

pub(crate) fn frames_of(train: &Transmit) -> u32 {
    u32::try_from(train.contents.len().div_ceil(train.segment.max(1))).unwrap_or(u32::MAX)
}

/// Draws a challenge from the system's randomness.
fn fresh_challenge() -> Challenge {
    let mut bytes = [0; CHALLENGE_LEN];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    Challenge::new(&bytes).expect("16 bytes are a challenge")
}

#[cfg(test)]
mod tests;
