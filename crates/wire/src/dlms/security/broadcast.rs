//! Shared ciphertext: a release is sealed once, under the key of all hubs, and every hub is sent the same bytes.
//!
//! ```text
//! plain   | wrapper | ACTION block 0 | wrapper | ACTION block 1 | ...
//! sealed  | wrapper | cb .. 70 base | ciphertext | tag | wrapper | cb .. 70 base+1 | ...     equal strides again
//! ```
//!
//! Sketch: 21 B more per block of 1 KiB; a release of 250 kB is sealed in 0.2 ms, then costs no hub anything.
//!
//! Every hub holds the key, so whoever opens one hub can make blocks for all. Nothing else is taken under it, and
//! no image is run because its blocks were authentic: the signature decides.

use super::client::{count_frames, seal_frames};
use super::control::SecurityControl;
use super::counters::CounterLease;
use super::envelope::sealed_len;
use super::error::SealError;
use super::keys::{LinkKeys, SystemTitle};
use super::server::unconfirmed_block;
use crate::{WRAPPER_LEN, WanFrame, block_frame_len};

/// Seals for all hubs.
#[derive(Debug)]
pub struct BroadcastSealer {
    keys: LinkKeys,
    title: SystemTitle,
    lease: CounterLease,
}

impl BroadcastSealer {
    /// Makes a sealer. The lease is that of these keys under this title.
    pub fn new(keys: LinkKeys, title: SystemTitle, lease: CounterLease) -> BroadcastSealer {
        BroadcastSealer { keys, title, lease }
    }

    /// Returns the counters in hand; a train takes as many as it has blocks.
    pub fn lease(&self) -> &CounterLease {
        &self.lease
    }

    /// Returns the counters in hand, so that more can be granted.
    pub fn lease_mut(&mut self) -> &mut CounterLease {
        &mut self.lease
    }

    /// Appends the ciphered form of a whole image: all of its unconfirmed blocks in their frames, from block 0 on.
    /// All or nothing, and nothing allocated beyond the growth of `out`.
    ///
    /// Hubs tell a sealing by counter minus block number, so the whole image is sealed at once, and frames are
    /// sent again as they are. Sealed anew, it is a new sealing: hubs take its blocks, and no more of the old.
    pub fn seal_image(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let count = count_frames(frames)?;
        let mut rest = frames;
        for expected in 0..count {
            let frame = WanFrame::parse_stream(rest).ok().flatten();
            let (frame, taken) = frame.ok_or(SealError::NoFrame { frame: expected })?;
            match unconfirmed_block(frame.apdu) {
                Some((_, number)) if number == expected => {}
                _ => return Err(SealError::NoBlock { frame: expected }),
            }
            rest = &rest[taken..];
        }
        let first = self.lease.take_run(count)?;
        let start = out.len();
        let control = SecurityControl::BROADCAST;
        let sealed = seal_frames(&self.keys.expand(), self.title, first, control, frames, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }
}

/// Returns the length of the sealed frame of a block of so many bytes; see [`crate::block_frame_len`].
pub const fn sealed_block_frame_len(block_len: usize) -> usize {
    WRAPPER_LEN + sealed_len(block_frame_len(block_len) - WRAPPER_LEN)
}

#[cfg(test)]
mod tests {
    use super::super::envelope::seal_tail;
    use super::super::keys::Nonce;
    use super::super::{Challenge, LinkError, SecureClient, SecureServer, ServerHeard, ServerOffer};
    use super::*;
    use crate::{
        ActionRequest, Apdu, AttributeRef, ClassId, Conformance, GetRequest, ImageBlock, InvokeId, MethodRef,
        Obis, SetRequest, WPort,
    };

    const CLIENT: SystemTitle = SystemTitle([1; 8]);
    const OFFER: ServerOffer = ServerOffer { conformance: Conformance::GET, max_pdu: 0 };

    fn lease() -> CounterLease {
        let mut lease = CounterLease::after(0);
        let request = lease.request(100).expect("room");
        lease.grant(request);
        lease
    }

    fn hear(server: &mut SecureServer, apdu: &[u8], reply: &mut Vec<u8>) -> Result<bool, LinkError> {
        let challenge = |_| Challenge::new(b"of a server").expect("eleven bytes");
        let mut plain = Vec::new();
        let heard = server.hear(WPort(1), apdu, OFFER, challenge, &mut plain, reply)?;
        Ok(matches!(heard, ServerHeard::Block { .. }))
    }

    /// A sender without scruples seals whatever it likes under the key of all hubs.
    #[test]
    fn a_server_takes_nothing_under_the_key_of_all_hubs_but_unconfirmed_blocks() {
        let (keys, shared) = (LinkKeys::new([1; 16], [2; 16]), LinkKeys::new([3; 16], [2; 16]));
        let mut client = SecureClient::new(keys.clone(), CLIENT, lease());
        let mut server =
            SecureServer::new(keys, Some(shared.clone()), SystemTitle([2; 8]), lease(), Vec::new());
        let (mut request, mut reply) = (Vec::new(), Vec::new());
        let challenge = Challenge::new(b"of a client").expect("eleven bytes");
        client.associate(challenge, Conformance::GET, 0, &mut request).expect("counters");
        hear(&mut server, &request, &mut reply).expect("challenged");
        client.hear(&reply, &mut Vec::new()).expect("challenged");
        request.clear();
        let invoke = InvokeId { number: 1, confirmed: false, high_priority: false };
        client.prove(invoke, &mut request).expect("counters");
        hear(&mut server, &request, &mut reply).expect("associated");

        let class = ClassId::IMAGE_TRANSFER;
        let instance = Obis::image_transfer(0);
        let attribute = AttributeRef { class, instance, index: 2 };
        let mut block = Vec::new();
        ImageBlock { number: 0, bytes: &[7; 40] }.emit_parameter(&mut block);
        let act = |class, index, confirmed| {
            let method = MethodRef { class, instance, index };
            let invoke = InvokeId { confirmed, ..invoke };
            Apdu::ActionRequest(ActionRequest { invoke, method, parameter: Some(&block) })
        };
        let mut ask = |apdu: Apdu<'_>| {
            let (mut sealed, mut reply) = (Vec::new(), Vec::new());
            apdu.emit(&mut sealed);
            let nonce = Nonce { title: CLIENT, counter: 9 };
            seal_tail(&shared.expand(), nonce, SecurityControl::BROADCAST, 0, &mut sealed).expect("sealed");
            let heard = hear(&mut server, &sealed, &mut reply);
            assert!(reply.is_empty(), "what is for all hubs is never answered");
            heard
        };
        assert_eq!(ask(Apdu::GetRequest(GetRequest { invoke, attribute })), Err(LinkError::KeySet));
        assert_eq!(
            ask(Apdu::SetRequest(SetRequest { invoke, attribute, data: &[0] })),
            Err(LinkError::KeySet)
        );
        assert_eq!(ask(act(class, 2, true)), Err(LinkError::KeySet), "confirmed");
        for method in [1, 3, 4] {
            assert_eq!(ask(act(class, method, false)), Err(LinkError::KeySet), "method {method}");
        }
        assert_eq!(ask(act(ClassId::ASSOCIATION, 1, false)), Err(LinkError::KeySet), "the second pass");
        assert_eq!(ask(act(class, 2, false)), Ok(true));
    }
}
