//! The client's side of one secured association. When to send what, and when to give up, is for others to know.
//!
//! ```text
//! Closed ──associate()──► Asked ──AARE──► Challenged ──prove(), answer──► Open ──seal(), hear()──► Open
//!    ▲                      │                 │                             │
//!    └──────────────────────┴── associate() begins anew from anywhere ──────┘
//! ```
//!
//! What was lost is said again: each call takes a new counter, so nothing that is repeated looks replayed.

use super::association::{self, SecuredFields};
use super::control::{KeySet, SecurityControl};
use super::counters::{CounterLease, ReplayGuard};
use super::envelope::{Envelope, is_ciphered, seal_tail};
use super::error::{LinkError, SealError};
use super::hls::{Challenge, REPLY_TO_HLS, check_proof, prove};
use super::keys::{Cipher, LinkKeys, Nonce, SystemTitle};
use crate::dlms::association::{LN_CIPHERING, emit_initiate_request, parse_initiate_response};
use crate::dlms::wrapper::emit_header;
use crate::reader::Reader;
use crate::{
    AccessResult, ActionRequest, ActionResponse, Apdu, AssociationResponse, Conformance, Data, InvokeId,
    WRAPPER_LEN, WanFrame,
};

/// A client towards one server. At rest about 80 B, 150 B more during the handshake.
#[derive(Debug)]
pub struct SecureClient {
    keys: LinkKeys,
    title: SystemTitle,
    lease: CounterLease,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed,
    /// The AARQ is under way.
    Asked(Box<Challenge>),
    /// The AARE came.
    Challenged(Box<Handshake>),
    Open(Peer),
}

#[derive(Debug)]
struct Handshake {
    ours: Challenge,
    theirs: Challenge,
    peer: Peer,
    conformance: Conformance,
    max_pdu: u16,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    title: SystemTitle,
    guard: ReplayGuard,
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientHeard<'p> {
    /// The server asks for the second pass: [`SecureClient::prove`].
    Challenged,
    /// The server knows the keys too; the association is open.
    Associated(AssociationResponse),
    /// An answer. Exception responses come in the clear, so anybody may have sent one: it is a reason to ask
    /// again, or to associate anew, and to nothing else.
    Answer(Apdu<'p>),
}

impl SecureClient {
    /// Makes a client that has said nothing yet. The lease is that of these keys under this title.
    pub fn new(keys: LinkKeys, title: SystemTitle, lease: CounterLease) -> SecureClient {
        SecureClient { keys, title, lease, state: State::Closed }
    }

    /// Returns the counters in hand; every call that sends takes one, the second pass two.
    pub fn lease(&self) -> &CounterLease {
        &self.lease
    }

    /// Returns the counters in hand, so that more can be granted.
    pub fn lease_mut(&mut self) -> &mut CounterLease {
        &mut self.lease
    }

    /// Says whether the association is open.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Appends an AARQ and begins anew. The challenge must be one that nobody foresees, and never come again.
    pub fn associate(
        &mut self,
        challenge: Challenge,
        conformance: Conformance,
        max_pdu: u16,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let nonce = Nonce { title: self.title, counter: self.lease.take()? };
        let mut initiate = Vec::with_capacity(64);
        emit_initiate_request(conformance, max_pdu, &mut initiate);
        seal_tail(&self.keys.expand(), nonce, SecurityControl::UNICAST, 0, &mut initiate)?;
        association::emit_request(self.title, &challenge, &initiate, out);
        self.state = State::Asked(Box::new(challenge));
        Ok(())
    }

    /// Appends the second pass: a ciphered ACTION that answers the server's challenge.
    pub fn prove(&mut self, invoke: InvokeId, out: &mut Vec<u8>) -> Result<(), SealError> {
        let State::Challenged(handshake) = &self.state else { return Err(SealError::NotAssociated) };
        let cipher = self.keys.expand();
        // Two counters: one nonce under one key serves one purpose.
        let counter = self.lease.take_run(2)?;
        let proof = prove(&cipher, Nonce { title: self.title, counter }, &handshake.theirs);
        let mut parameter = Vec::with_capacity(32);
        Data::Octets(&proof).emit(&mut parameter);
        let request = ActionRequest { invoke, method: REPLY_TO_HLS, parameter: Some(&parameter) };
        let nonce = Nonce { title: self.title, counter: counter + 1 };
        seal_apdu(&cipher, nonce, &Apdu::ActionRequest(request), out)
    }

    /// Appends the ciphered form of a request.
    pub fn seal(&mut self, apdu: &Apdu<'_>, out: &mut Vec<u8>) -> Result<(), SealError> {
        if !self.is_open() {
            return Err(SealError::NotAssociated);
        }
        let nonce = Nonce { title: self.title, counter: self.lease.take()? };
        seal_apdu(&self.keys.expand(), nonce, apdu, out)
    }

    /// Appends the ciphered forms of wrapped requests that lie side by side, such as a train of blocks; all or
    /// none. Does not allocate beyond the growth of `out`.
    pub fn seal_frames(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        if !self.is_open() {
            return Err(SealError::NotAssociated);
        }
        let count = count_frames(frames)?;
        let first = self.lease.take_run(count)?;
        let start = out.len();
        let sealed =
            seal_frames(&self.keys.expand(), self.title, first, SecurityControl::UNICAST, frames, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Takes an APDU of the server; what was ciphered is deciphered into `plain`, which is emptied first.
    ///
    /// After an error nothing has changed, except that a server that fails the second pass is dropped.
    pub fn hear<'p>(&mut self, apdu: &[u8], plain: &'p mut Vec<u8>) -> Result<ClientHeard<'p>, LinkError> {
        plain.clear();
        if association::is_response(apdu) {
            return self.hear_association(apdu, plain);
        }
        if apdu.first().is_none_or(|tag| !is_ciphered(*tag)) {
            return match Apdu::parse(apdu)? {
                Apdu::ExceptionResponse { state_error, service_error } => {
                    Ok(ClientHeard::Answer(Apdu::ExceptionResponse { state_error, service_error }))
                }
                _ => Err(LinkError::Unsecured { found: apdu[0] }),
            };
        }
        let peer = match &mut self.state {
            State::Challenged(handshake) => &mut handshake.peer,
            State::Open(peer) => peer,
            State::Closed | State::Asked(_) => return Err(LinkError::OutOfOrder),
        };
        let cipher = self.keys.expand();
        open_unicast(&cipher, &Envelope::parse(apdu)?, peer.title, &mut peer.guard, plain)?;
        let answer = Apdu::parse(plain)?;
        let State::Challenged(handshake) = &self.state else { return Ok(ClientHeard::Answer(answer)) };
        let result = check_second_pass(&cipher, handshake, &answer);
        let peer = handshake.peer;
        self.state = if result.is_ok() { State::Open(peer) } else { State::Closed };
        result.map(ClientHeard::Associated)
    }

    fn hear_association<'p>(
        &mut self,
        apdu: &[u8],
        plain: &mut Vec<u8>,
    ) -> Result<ClientHeard<'p>, LinkError> {
        let State::Asked(ours) = &self.state else { return Err(LinkError::OutOfOrder) };
        let fields = SecuredFields::parse(apdu)?;
        if fields.result != Some(0) {
            return Err(LinkError::Rejected { diagnostic: fields.diagnostic.unwrap_or_default() });
        }
        let diagnostic = association::AUTHENTICATION_FAILED;
        let (Some(title), Some(theirs), Some(initiate)) = (fields.title, fields.challenge, fields.initiate)
        else {
            return Err(LinkError::Rejected { diagnostic });
        };
        if (fields.context, fields.mechanism) != (Some(LN_CIPHERING), Some(association::HLS_GMAC)) {
            return Err(LinkError::Rejected { diagnostic: association::CONTEXT_NOT_SUPPORTED });
        }
        // Who returns our own title or challenge wants us to answer for it.
        if title == self.title || theirs == **ours {
            return Err(LinkError::Reflected);
        }
        let mut guard = ReplayGuard::default();
        open_unicast(&self.keys.expand(), &Envelope::parse(initiate)?, title, &mut guard, plain)?;
        let mut reader = Reader::new(plain);
        let (conformance, max_pdu) = parse_initiate_response(&mut reader)?;
        reader.finish("initiate-response")?;
        let peer = Peer { title, guard };
        let handshake = Handshake { ours: **ours, theirs, peer, conformance, max_pdu };
        self.state = State::Challenged(Box::new(handshake));
        Ok(ClientHeard::Challenged)
    }
}

/// Checks the server's answer to our challenge.
fn check_second_pass(
    cipher: &Cipher,
    handshake: &Handshake,
    answer: &Apdu<'_>,
) -> Result<AssociationResponse, LinkError> {
    let &Apdu::ActionResponse(ActionResponse { result, data, .. }) = answer else {
        return Err(LinkError::OutOfOrder);
    };
    let (AccessResult::Success, Some(data)) = (result, data) else {
        return Err(LinkError::Rejected { diagnostic: association::AUTHENTICATION_FAILED });
    };
    let Data::Octets(proof) = Data::parse(data)? else {
        return Err(LinkError::Rejected { diagnostic: association::AUTHENTICATION_FAILED });
    };
    check_proof(cipher, handshake.peer.title, &handshake.ours, proof)?;
    let Handshake { conformance, max_pdu, .. } = *handshake;
    Ok(AssociationResponse { accepted: true, diagnostic: 0, conformance, max_pdu })
}

/// Appends the ciphered form of an APDU under a hub's own key.
pub(super) fn seal_apdu(
    cipher: &Cipher,
    nonce: Nonce,
    apdu: &Apdu<'_>,
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    let start = out.len();
    apdu.emit(out);
    let sealed = seal_tail(cipher, nonce, SecurityControl::UNICAST, start, out);
    if sealed.is_err() {
        out.truncate(start);
    }
    sealed
}

/// Deciphers what was sealed under a hub's own key, if its counter is new.
pub(super) fn open_unicast(
    cipher: &Cipher,
    envelope: &Envelope<'_>,
    title: SystemTitle,
    guard: &mut ReplayGuard,
    plain: &mut Vec<u8>,
) -> Result<(), LinkError> {
    if envelope.control.accepted() != Some(KeySet::Unicast) {
        return Err(LinkError::KeySet);
    }
    guard.judge(envelope.counter).map_err(|last| LinkError::Replayed { found: envelope.counter, last })?;
    envelope.open(cipher, title, plain)?;
    guard.accept(envelope.counter);
    Ok(())
}

/// Counts the wrapped APDUs that lie side by side.
pub(super) fn count_frames(mut frames: &[u8]) -> Result<u32, SealError> {
    let mut count = 0;
    while !frames.is_empty() {
        let Ok(Some((_, taken))) = WanFrame::parse_stream(frames) else {
            return Err(SealError::NoFrame { frame: count });
        };
        frames = &frames[taken..];
        count += 1;
    }
    Ok(count)
}

/// Appends the ciphered forms of wrapped APDUs, of which there are as many as counters were taken.
pub(super) fn seal_frames(
    cipher: &Cipher,
    title: SystemTitle,
    mut counter: u32,
    control: SecurityControl,
    mut frames: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    while let Ok(Some((frame, taken))) = WanFrame::parse_stream(frames) {
        let Some(&found) = frame.apdu.first() else { return Err(SealError::NoCipheredForm { found: 0 }) };
        let len = super::envelope::sealed_len(frame.apdu.len());
        if len > crate::MAX_APDU_LEN {
            return Err(SealError::TooLong { found, len });
        }
        out.reserve(WRAPPER_LEN + len);
        emit_header(frame.source, frame.destination, len, out);
        let start = out.len();
        out.extend_from_slice(frame.apdu);
        seal_tail(cipher, Nonce { title, counter }, control, start, out)?;
        frames = &frames[taken..];
        counter = counter.saturating_add(1);
    }
    Ok(())
}
