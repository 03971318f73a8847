//! The server's side: associations of one server, all of which send under one title and take from one lease.
//!
//! ```text
//! AARQ, authentic and new ──► Challenged ──right answer──► Open ──► requests, and blocks for all hubs
//! ```
//!
//! Whoever may not open an association may not change anything either: a forged, repeated or weaker APDU leaves
//! everything as it was. After a restart associations are gone, and with them the counters of clients: what was
//! recorded before cannot be repeated, for an association opens only with the answer to a new challenge.
//!
//! | under the key of all hubs | |
//! |---|---|
//! | image_block_transfer, unconfirmed, on an open association | taken, whenever its sealing is not outdated |
//! | GET, SET, other methods, confirmed ACTIONs | refused: they are not the same when repeated |

use super::association::{self, SecuredFields};
use super::client::{open_unicast, seal_apdu};
use super::control::KeySet;
use super::control::SecurityControl;
use super::counters::{BroadcastWindow, CounterLease, ReplayGuard};
use super::envelope::{Envelope, is_ciphered, seal_tail};
use super::error::{LinkError, SealError};
use super::hls::{Challenge, REPLY_TO_HLS, check_proof, prove};
use super::keys::{LinkKeys, Nonce, SystemTitle};
use crate::dlms::association::{LN_CIPHERING, emit_initiate_response, parse_initiate_request};
use crate::reader::Reader;
use crate::{
    AccessResult, ActionRequest, ActionResponse, Apdu, ClassId, Conformance, Data, ImageBlock, Obis, WPort,
};

/// How many clients are known at once; one more pushes the oldest out. Only who holds the keys gets in.
const MAX_ASSOCIATIONS: usize = 8;

/// A server and its associations.
#[derive(Debug)]
pub struct SecureServer {
    keys: LinkKeys,
    broadcast: Option<LinkKeys>,
    title: SystemTitle,
    lease: CounterLease,
    associations: Vec<Association>,
    windows: Vec<SlotWindow>,
}

/// What is known of one client, by its title. It outlives the association, so that counters go on rising.
#[derive(Debug)]
struct Association {
    port: WPort,
    title: SystemTitle,
    guard: ReplayGuard,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Challenged(Challenges),
    /// The challenges are kept: if our answer was lost, the client answers them again.
    Open(Challenges),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Challenges {
    client: Challenge,
    server: Challenge,
}

/// Which sealing a slot's blocks may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotWindow {
    /// Who sealed them.
    pub sender: SystemTitle,
    /// Whose blocks they are: an image transfer.
    pub instance: Obis,
    /// The rule.
    pub window: BroadcastWindow,
}

/// What a server is ready for.
#[derive(Clone, Copy, Debug)]
pub struct ServerOffer {
    /// Its services.
    pub conformance: Conformance,
    /// The longest APDU it takes.
    pub max_pdu: u16,
}

/// What a server hears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ServerHeard<'p> {
    /// Part of the handshake: the answer is ready to be sent.
    Answered,
    /// A request of an associated client. The answer goes through [`SecureServer::seal`].
    Request(Apdu<'p>),
    /// An unconfirmed block for all hubs; it is not answered.
    Block {
        /// The ACTION that carries it.
        request: ActionRequest<'p>,
        /// Whether [`SecureServer::windows`] changed: to be made durable before the block is stored.
        is_new_sealing: bool,
    },
}

impl SecureServer {
    /// The most counters that one APDU takes: the second pass, and its answer.
    pub const COUNTERS_PER_APDU: u32 = 2;

    /// How many slots of how many head-ends are watched for outdated blocks; one more pushes the oldest out.
    pub const MAX_WINDOWS: usize = 128;

    /// Makes a server without associations. The lease is that of these keys under this title; it never seals
    /// under the key of all hubs. `windows` are those that were made durable, in their order.
    pub fn new(
        keys: LinkKeys,
        broadcast: Option<LinkKeys>,
        title: SystemTitle,
        lease: CounterLease,
        windows: Vec<SlotWindow>,
    ) -> SecureServer {
        SecureServer { keys, broadcast, title, lease, associations: Vec::new(), windows }
    }

    /// Returns the counters in hand.
    pub fn lease(&self) -> &CounterLease {
        &self.lease
    }

    /// Returns the counters in hand, so that more can be granted.
    pub fn lease_mut(&mut self) -> &mut CounterLease {
        &mut self.lease
    }

    /// Returns what to make durable when a block says that its sealing is new.
    pub fn windows(&self) -> &[SlotWindow] {
        &self.windows
    }

    /// Says whether a client is associated.
    pub fn is_open(&self, client: WPort) -> bool {
        self.position(client).is_some_and(|at| matches!(self.associations[at].phase, Phase::Open(_)))
    }

    /// Forgets all associations, as a restart does; counters of the lease and windows stay.
    pub fn forget_associations(&mut self) {
        self.associations.clear();
    }

    /// Takes an APDU of a client; what was ciphered is deciphered into `plain`, which is emptied first.
    ///
    /// `reply` is to be sent if something was appended to it, even after an error: a refusal, or the exception
    /// that tells a client that its association is gone. `challenge` makes a challenge of a number that it is
    /// never given twice, so that a keyed hash will do; who has randomness may pass the number over.
    ///
    /// # Errors
    ///
    /// An error says why nothing was done. [`SealError::NoCounters`] in it means that fewer than
    /// [`SecureServer::COUNTERS_PER_APDU`] were in hand.
    pub fn hear<'p>(
        &mut self,
        client: WPort,
        apdu: &[u8],
        offer: ServerOffer,
        challenge: impl FnOnce(u32) -> Challenge,
        plain: &'p mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<ServerHeard<'p>, LinkError> {
        plain.clear();
        if association::is_request(apdu) {
            return match self.associate(client, apdu, offer, challenge, plain, reply) {
                Ok(()) => Ok(ServerHeard::Answered),
                Err((diagnostic, error)) => {
                    association::emit_refusal(diagnostic, reply);
                    Err(error)
                }
            };
        }
        if apdu.first().is_none_or(|tag| !is_ciphered(*tag)) {
            return Err(refuse_unsecured(apdu, reply));
        }
        let envelope = Envelope::parse(apdu)?;
        let known = self.position(client).filter(|at| self.associations[*at].phase != Phase::Closed);
        match (known, envelope.control.accepted()) {
            (Some(at), Some(KeySet::Broadcast)) => self.hear_block(at, &envelope, plain),
            // Blocks for all hubs are not answered; a client learns that it is forgotten from its next request.
            (None, Some(KeySet::Broadcast)) => Err(LinkError::OutOfOrder),
            (Some(at), _) => self.hear_request(at, &envelope, plain, reply),
            (None, _) => {
                NOT_ALLOWED.emit(reply);
                Err(LinkError::OutOfOrder)
            }
        }
    }

    /// Appends the ciphered form of an answer.
    pub fn seal(&mut self, client: WPort, answer: &Apdu<'_>, out: &mut Vec<u8>) -> Result<(), SealError> {
        if !self.is_open(client) {
            return Err(SealError::NotAssociated);
        }
        let nonce = Nonce { title: self.title, counter: self.lease.take()? };
        seal_apdu(&self.keys.expand(), nonce, answer, out)
    }

    fn position(&self, client: WPort) -> Option<usize> {
        self.associations.iter().position(|known| known.port == client && known.phase != Phase::Closed)
    }

    /// Takes an AARQ; a refusal comes with its diagnostic.
    fn associate(
        &mut self,
        client: WPort,
        apdu: &[u8],
        offer: ServerOffer,
        challenge: impl FnOnce(u32) -> Challenge,
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<(), (u8, LinkError)> {
        let failed = |error| (association::AUTHENTICATION_FAILED, error);
        let fields = SecuredFields::parse(apdu).map_err(|error| failed(error.into()))?;
        if fields.context != Some(LN_CIPHERING) {
            return Err((association::CONTEXT_NOT_SUPPORTED, LinkError::Unsecured { found: apdu[0] }));
        }
        if fields.mechanism != Some(association::HLS_GMAC) {
            return Err((association::MECHANISM_NOT_RECOGNISED, LinkError::Unsecured { found: apdu[0] }));
        }
        let (Some(title), Some(theirs), Some(initiate)) = (fields.title, fields.challenge, fields.initiate)
        else {
            return Err((association::AUTHENTICATION_REQUIRED, LinkError::Unsecured { found: apdu[0] }));
        };
        if title == self.title {
            return Err(failed(LinkError::Reflected));
        }
        let known = self.associations.iter().position(|known| known.title == title);
        let mut guard = known.map(|at| self.associations[at].guard).unwrap_or_default();
        let cipher = self.keys.expand();
        let envelope = Envelope::parse(initiate).map_err(failed)?;
        open_unicast(&cipher, &envelope, title, &mut guard, plain).map_err(failed)?;
        let mut reader = Reader::new(plain);
        let (proposed, _) = parse_initiate_request(&mut reader).map_err(|error| failed(error.into()))?;
        reader.finish("initiate-request").map_err(|error| failed(error.into()))?;

        let counter = self.lease.take().map_err(|error| failed(error.into()))?;
        let ours = challenge(counter);
        if ours == theirs {
            return Err(failed(LinkError::Reflected));
        }
        let mut granted = Vec::with_capacity(64);
        emit_initiate_response(offer.conformance.intersection(proposed), offer.max_pdu, &mut granted);
        let nonce = Nonce { title: self.title, counter };
        seal_tail(&cipher, nonce, SecurityControl::UNICAST, 0, &mut granted)
            .map_err(|error| failed(error.into()))?;
        association::emit_acceptance(self.title, &ours, &granted, reply);

        // One client to a port; who spoke there before is not heard there any more.
        for known in self.associations.iter_mut().filter(|known| known.port == client) {
            known.phase = Phase::Closed;
        }
        if let Some(at) = known {
            self.associations.remove(at);
        } else if self.associations.len() >= MAX_ASSOCIATIONS {
            self.associations.remove(0);
        }
        let phase = Phase::Challenged(Challenges { client: theirs, server: ours });
        self.associations.push(Association { port: client, title, guard, phase });
        Ok(())
    }

    fn hear_request<'p>(
        &mut self,
        at: usize,
        envelope: &Envelope<'_>,
        plain: &'p mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<ServerHeard<'p>, LinkError> {
        let known = &mut self.associations[at];
        open_unicast(&self.keys.expand(), envelope, known.title, &mut known.guard, plain)?;
        let phase = known.phase;
        let request = Apdu::parse(plain)?;
        match (phase, request) {
            (_, Apdu::ActionRequest(request)) if request.method == REPLY_TO_HLS => {
                self.hear_proof(at, &request, reply)
            }
            (Phase::Open(_), Apdu::GetRequest(_) | Apdu::SetRequest(_) | Apdu::ActionRequest(_)) => {
                Ok(ServerHeard::Request(request))
            }
            _ => {
                NOT_ALLOWED.emit(reply);
                Err(LinkError::OutOfOrder)
            }
        }
    }

    /// Takes the client's answer to our challenge, and answers the client's.
    fn hear_proof<'p>(
        &mut self,
        at: usize,
        request: &ActionRequest<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<ServerHeard<'p>, LinkError> {
        let known = &mut self.associations[at];
        let (Phase::Challenged(challenges) | Phase::Open(challenges)) = known.phase else {
            return Err(LinkError::OutOfOrder);
        };
        let counter = self.lease.take_run(2)?;
        let cipher = self.keys.expand();
        let (theirs, nonce) = (known.title, Nonce { title: self.title, counter: counter + 1 });
        let checked = match Data::parse(request.parameter.unwrap_or_default()) {
            Ok(Data::Octets(proof)) => check_proof(&cipher, theirs, &challenges.server, proof),
            Ok(_) => Err(LinkError::Forged),
            Err(error) => Err(error.into()),
        };
        let mut proof = Vec::with_capacity(32);
        if checked.is_ok() {
            known.phase = Phase::Open(challenges);
            let ours = prove(&cipher, Nonce { title: self.title, counter }, &challenges.client);
            Data::Octets(&ours).emit(&mut proof);
        } else {
            known.phase = Phase::Closed;
        }
        let (result, data) = match checked {
            Ok(()) => (AccessResult::Success, Some(&proof[..])),
            Err(_) => (AccessResult::OtherReason, None),
        };
        let answer = ActionResponse { invoke: request.invoke, result, data };
        seal_apdu(&cipher, nonce, &Apdu::ActionResponse(answer), reply)?;
        checked.map(|()| ServerHeard::Answered)
    }

    /// Takes a block that was sealed for all hubs.
    fn hear_block<'p>(
        &mut self,
        at: usize,
        envelope: &Envelope<'_>,
        plain: &'p mut Vec<u8>,
    ) -> Result<ServerHeard<'p>, LinkError> {
        let (sender, phase) = (self.associations[at].title, self.associations[at].phase);
        if !matches!(phase, Phase::Open(_)) {
            return Err(LinkError::OutOfOrder);
        }
        let keys = self.broadcast.as_ref().ok_or(LinkError::KeySet)?;
        envelope.open(&keys.expand(), sender, plain)?;
        let Some((request, number)) = unconfirmed_block(plain) else { return Err(LinkError::KeySet) };
        let instance = request.method.instance;
        let known = self.windows.iter_mut().find(|slot| (slot.sender, slot.instance) == (sender, instance));
        let mut fresh = BroadcastWindow::default();
        let window = known.map_or(&mut fresh, |slot| &mut slot.window);
        let is_new_sealing = window
            .admit(envelope.counter, number)
            .map_err(|outdated| LinkError::Replayed { found: envelope.counter, last: outdated.base })?;
        if fresh != BroadcastWindow::default() {
            if self.windows.len() >= SecureServer::MAX_WINDOWS {
                self.windows.remove(0);
            }
            self.windows.push(SlotWindow { sender, instance, window: fresh });
        }
        Ok(ServerHeard::Block { request, is_new_sealing })
    }
}

/// What clients hear that are not associated.
const NOT_ALLOWED: Apdu<'static> = Apdu::ExceptionResponse { state_error: 1, service_error: 1 };

/// Refuses what was said in the clear; who waits for an answer hears that it is not allowed.
fn refuse_unsecured(apdu: &[u8], reply: &mut Vec<u8>) -> LinkError {
    let waits = match Apdu::parse(apdu) {
        Ok(Apdu::GetRequest(request)) => request.invoke.confirmed,
        Ok(Apdu::SetRequest(request)) => request.invoke.confirmed,
        Ok(Apdu::ActionRequest(request)) => request.invoke.confirmed,
        Ok(_) => false,
        Err(error) => return error.into(),
    };
    if waits {
        NOT_ALLOWED.emit(reply);
    }
    LinkError::Unsecured { found: apdu[0] }
}

/// Reads an APDU as an unconfirmed block of an image and its number; `None` if it is anything else.
pub(super) fn unconfirmed_block(apdu: &[u8]) -> Option<(ActionRequest<'_>, u32)> {
    let Ok(Apdu::ActionRequest(request)) = Apdu::parse(apdu) else { return None };
    let method = request.method;
    let is_block = method.class == ClassId::IMAGE_TRANSFER && method.index == 2;
    if request.invoke.confirmed || !is_block {
        return None;
    }
    let block = ImageBlock::parse_parameter(request.parameter?).ok()?;
    Some((request, block.number))
}
