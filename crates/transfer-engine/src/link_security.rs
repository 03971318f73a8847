//! A secured link around a session that knows nothing of it: plain frames on the session's side, ciphered ones on
//! the hub's. When to send, repeat and give up stays with the session.
//!
//! ```text
//! session            LinkSecurity                 hub
//! AARQ        ────►  AARQ with security     ────►
//!                    second pass, by itself ◄───► AARE, answer
//! AARE        ◄────  once the hub has proved itself
//! GET, ...    ────►  ciphered               ────►
//! blocks that are sealed for all hubs  ────────►  as they are
//! answers     ◄────  deciphered             ◄────
//! ```
//!
//! Whatever is lost is repeated by the session, which asks for its association again until it has one: each time
//! under new counters, so nothing looks replayed. Whoever puts another link in the place of one has to tell the session,
//! which believes to be associated: [`Engine::forget_association`](crate::Engine::forget_association). Sketch: about 130 B per hub at rest; 20 B more on each request.

use bytes::Bytes;
use wire::{
    Apdu, BroadcastSealer, Challenge, ClientHeard, InvokeId, LinkError, SealError, SecureClient, WRAPPER_LEN,
    WanFrame, emit_wan, sealed_block_frame_len,
};

/// The secured side of one hub's session.
#[derive(Debug)]
pub struct LinkSecurity {
    client: SecureClient,
    /// Where APDUs are put together and deciphered; grows to the largest answer.
    scratch: Vec<u8>,
}

/// Ciphered image blocks begin with this tag; the session's own requests are plain.
const CIPHERED_ACTION: u8 = 0xCB;

const ASSOCIATION_REQUEST: u8 = 0x60;
const RELEASE_REQUEST: u8 = 0x62;

/// The second pass goes before whatever else the hub is asked.
const SECOND_PASS: InvokeId = InvokeId { number: 0, confirmed: true, high_priority: true };

impl LinkSecurity {
    /// Puts a client between a session and its hub.
    pub fn new(client: SecureClient) -> LinkSecurity {
        LinkSecurity { client, scratch: Vec::new() }
    }

    /// Returns the client, for its counters: what is sent takes one per frame, an association three.
    pub fn client_mut(&mut self) -> &mut SecureClient {
        &mut self.client
    }

    /// Appends what goes to the hub in the place of a session's frames, which lie side by side and are of one
    /// kind. `challenge` is asked for at each association request: 8 to 64 bytes that nobody foresees.
    ///
    /// # Errors
    ///
    /// Nothing is appended, and the session will repeat itself: later, when counters were granted
    /// ([`SealError::NoCounters`]), or with an association request ([`SealError::NotAssociated`]).
    pub fn outbound(
        &mut self,
        frames: &[u8],
        challenge: impl FnOnce() -> Challenge,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        match frames.get(WRAPPER_LEN) {
            Some(&ASSOCIATION_REQUEST) => self.associate(frames, challenge(), out),
            // Said in the clear it would not be believed; an association that is not used any more costs nothing.
            Some(&RELEASE_REQUEST) => Ok(()),
            Some(&CIPHERED_ACTION) => {
                out.extend_from_slice(frames);
                Ok(())
            }
            _ => self.client.seal_frames(frames, out),
        }
    }

    fn associate(&mut self, frame: &[u8], challenge: Challenge, out: &mut Vec<u8>) -> Result<(), SealError> {
        let no_frame = SealError::NoFrame { frame: 0 };
        let frame = WanFrame::parse_datagram(frame).map_err(|_| no_frame)?;
        let Ok(Apdu::AssociationRequest(request)) = Apdu::parse(frame.apdu) else { return Err(no_frame) };
        self.scratch.clear();
        self.client.associate(challenge, request.conformance, request.max_pdu, &mut self.scratch)?;
        WanFrame { apdu: &self.scratch, ..frame }.emit(out);
        Ok(())
    }

    /// Takes a frame of the hub. Appends to `deliver` the plain frame that the session is to hear, and to `send`
    /// the frame that goes back to the hub at once; one of them or neither.
    ///
    /// # Errors
    ///
    /// The frame is not believed and there is nothing to do: neither to deliver nor to send. Whether to count or
    /// to alarm is the caller's decision.
    pub fn inbound(
        &mut self,
        frame: &[u8],
        deliver: &mut Vec<u8>,
        send: &mut Vec<u8>,
    ) -> Result<(), LinkError> {
        let frame = WanFrame::parse_datagram(frame)?;
        let apdu = match self.client.hear(frame.apdu, &mut self.scratch)? {
            ClientHeard::Challenged => {
                self.scratch.clear();
                self.client.prove(SECOND_PASS, &mut self.scratch)?;
                let (source, destination) = (frame.destination, frame.source);
                WanFrame { source, destination, apdu: &self.scratch }.emit(send);
                return Ok(());
            }
            ClientHeard::Associated(granted) => Apdu::AssociationResponse(granted),
            ClientHeard::Answer(answer) => answer,
        };
        emit_wan(frame.source, frame.destination, &apdu, deliver);
        Ok(())
    }
}

/// The frames of an image, sealed once for all hubs: what every session sends slices of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCiphertext {
    /// All frames, side by side.
    pub frames: Bytes,
    /// The length of a frame that is not the last.
    pub stride: usize,
}

/// Seals the plain frames of an image, unconfirmed blocks of `block_size` bytes from 0 on.
pub fn seal_for_all(
    sealer: &mut BroadcastSealer,
    plain: &[u8],
    block_size: u32,
) -> Result<SharedCiphertext, SealError> {
    let (plain_stride, stride) =
        (wire::block_frame_len(block_size as usize), sealed_block_frame_len(block_size as usize));
    let mut frames = Vec::with_capacity(plain.len().div_ceil(plain_stride) * stride);
    sealer.seal_image(plain, &mut frames)?;
    Ok(SharedCiphertext { frames: frames.into(), stride })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{
        ApplicationContext, AssociationRequest, AttributeRef, ClassId, Conformance, CounterLease, GetRequest,
        LinkKeys, Obis, SecureServer, ServerHeard, ServerOffer, SystemTitle, WPort,
    };

    const SERVICES: Conformance = Conformance::GET;

    fn lease() -> CounterLease {
        let mut lease = CounterLease::after(0);
        let request = lease.request(100).expect("room");
        lease.grant(request);
        lease
    }

    fn ends() -> (LinkSecurity, SecureServer) {
        let keys = LinkKeys::new([1; 16], [2; 16]);
        let client = SecureClient::new(keys.clone(), SystemTitle([1; 8]), lease());
        let server = SecureServer::new(keys, None, SystemTitle([2; 8]), lease(), Vec::new());
        (LinkSecurity::new(client), server)
    }

    fn plain(apdu: &Apdu<'_>) -> Vec<u8> {
        let mut frame = Vec::new();
        emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, apdu, &mut frame);
        frame
    }

    fn outbound(link: &mut LinkSecurity, apdu: &Apdu<'_>) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::new();
        let challenge = || Challenge::new(b"of a client").expect("eleven bytes");
        link.outbound(&plain(apdu), challenge, &mut out).map(|()| out)
    }

    /// Has the hub answer a frame; `None` where it keeps silent.
    fn hub(server: &mut SecureServer, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = WanFrame::parse_datagram(frame).expect("a sound frame");
        let (mut text, mut reply, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        let offer = ServerOffer { conformance: SERVICES, max_pdu: 1400 };
        let challenge = |_| Challenge::new(b"of a server").expect("eleven bytes");
        let heard = server.hear(frame.source, frame.apdu, offer, challenge, &mut text, &mut reply);
        if let Ok(ServerHeard::Request(Apdu::GetRequest(request))) = heard {
            let result = Ok(&[0x03, 1][..]);
            let response = Apdu::GetResponse(wire::GetResponse { invoke: request.invoke, result });
            server.seal(frame.source, &response, &mut reply).expect("counters are leased");
        }
        if reply.is_empty() {
            return None;
        }
        WanFrame { source: frame.destination, destination: frame.source, apdu: &reply }.emit(&mut answer);
        Some(answer)
    }

    fn association_request() -> Apdu<'static> {
        Apdu::AssociationRequest(AssociationRequest {
            context: ApplicationContext::LnNoCiphering,
            conformance: SERVICES,
            max_pdu: 0,
            wants_authentication: false,
        })
    }

    fn get() -> Apdu<'static> {
        let invoke = InvokeId { number: 3, confirmed: true, high_priority: true };
        let (class, instance) = (ClassId::IMAGE_TRANSFER, Obis::image_transfer(0));
        Apdu::GetRequest(GetRequest { invoke, attribute: AttributeRef { class, instance, index: 5 } })
    }

    fn associate(link: &mut LinkSecurity, server: &mut SecureServer) -> Vec<u8> {
        let request = outbound(link, &association_request()).expect("counters are leased");
        let (mut deliver, mut send) = (Vec::new(), Vec::new());
        let answer = hub(server, &request).expect("an AARE");
        link.inbound(&answer, &mut deliver, &mut send).expect("challenged");
        assert!(deliver.is_empty(), "the session waits until the hub has proved itself");
        let answer = hub(server, &send).expect("an answer");
        send.clear();
        link.inbound(&answer, &mut deliver, &mut send).expect("associated");
        assert!(send.is_empty());
        deliver
    }

    #[test]
    fn a_session_sees_the_association_and_the_answers_it_would_see_in_the_clear() {
        let (mut link, mut server) = ends();
        let heard = associate(&mut link, &mut server);
        let frame = WanFrame::parse_datagram(&heard).expect("a sound frame");
        let Ok(Apdu::AssociationResponse(granted)) = Apdu::parse(frame.apdu) else { panic!("no AARE") };
        assert_eq!((granted.accepted, granted.conformance, granted.max_pdu), (true, SERVICES, 1400));
        let request = outbound(&mut link, &get()).expect("associated");
        assert_ne!(request, plain(&get()));
        let (mut deliver, mut send) = (Vec::new(), Vec::new());
        let answer = hub(&mut server, &request).expect("an answer");
        link.inbound(&answer, &mut deliver, &mut send).expect("authentic");
        let frame = WanFrame::parse_datagram(&deliver).expect("a sound frame");
        assert_eq!(frame.apdu, [0xC4, 1, 0xC3, 0, 0x03, 1]);
        deliver.clear();
        assert!(link.inbound(&answer, &mut deliver, &mut send).is_err(), "an answer is heard once");
        assert!(deliver.is_empty() && send.is_empty());
    }

    #[test]
    fn a_hub_that_restarted_sends_the_session_back_to_its_association() {
        let (mut link, mut server) = ends();
        assert_eq!(outbound(&mut link, &get()), Err(SealError::NotAssociated));
        associate(&mut link, &mut server);
        server.forget_associations();
        let request = outbound(&mut link, &get()).expect("as far as it knows");
        let (mut deliver, mut send) = (Vec::new(), Vec::new());
        let answer = hub(&mut server, &request).expect("an exception");
        link.inbound(&answer, &mut deliver, &mut send).expect("exceptions come in the clear");
        assert_eq!(deliver, answer);
        associate(&mut link, &mut server);
        assert!(hub(&mut server, &outbound(&mut link, &get()).expect("associated")).is_some());
    }

    #[test]
    fn releases_are_not_said_and_shared_blocks_pass_as_they_are() {
        let (mut link, _) = ends();
        assert_eq!(outbound(&mut link, &Apdu::ReleaseRequest), Ok(Vec::new()));
        let mut lot = Vec::new();
        let invoke = InvokeId { number: 1, confirmed: false, high_priority: true };
        for (number, bytes) in (0..).zip([7; 100].chunks(64)) {
            let block = wire::ImageBlock { number, bytes };
            let slot = Obis::image_transfer(1);
            wire::emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, invoke, slot, &block, &mut lot);
        }
        let mut sealer = BroadcastSealer::new(LinkKeys::new([3; 16], [2; 16]), SystemTitle([1; 8]), lease());
        let shared = seal_for_all(&mut sealer, &lot, 64).expect("blocks");
        assert_eq!(shared.frames.len(), shared.stride + sealed_block_frame_len(36));
        let mut out = Vec::new();
        let challenge = || unreachable!("no association request");
        link.outbound(&shared.frames, challenge, &mut out).expect("no association is needed to pass them on");
        assert_eq!(out, shared.frames);
    }
}
