//! The ciphered side of the WAN: what a hub with keys believes, and what it keeps in flash so as not to repeat
//! itself. The protocol is `wire`'s, what is served is [`super::dlms`]'s.
//!
//! ```text
//! record: | end of the leased counters u32 | count u16 | { sender 8 | instance 6 | base u32 } ... |
//! ```
//!
//! It is written before a counter of a new lease is used (once in 512 answers) and before the first block of a new
//! sealing is stored (once per image). Associations are in memory only.

use sha2::{Digest, Sha256};
use transfer_engine::Moment;
use wire::{
    Apdu, BroadcastWindow, Challenge, CounterLease, LinkError, Obis, SecureServer, ServerHeard, ServerOffer,
    SlotWindow, SystemTitle, WPort, WanFrame,
};

use super::dlms::OFFERED;
use super::{Hub, HubSecurity};
use crate::flash::FlashError;
use crate::record::{FieldReader, FieldWriter, RecordLog};
use crate::sector_pool::SectorPool;

/// How many counters are leased at once: one record per hundreds of answers, and at most as many lost per boot.
const LEASE: u32 = 512;

/// Bytes of a challenge; 8 to 64 are allowed, 16 are as many as a key has.
const CHALLENGE_LEN: usize = 16;

/// The ciphered side of a hub.
#[derive(Debug)]
pub(super) struct Secured {
    server: SecureServer,
    log: RecordLog,
    /// Where APDUs are deciphered.
    plain: Vec<u8>,
    /// Where answers are ciphered.
    answer: Vec<u8>,
}

impl Hub {
    /// Begins the ciphered side, if the hub has keys, from what flash says.
    pub(super) fn open_secured(&mut self) {
        let Some(HubSecurity { title, keys, broadcast, first_counter, .. }) = self.config.security.clone()
        else {
            return;
        };
        let number = u8::try_from(self.slots.len()).expect("slots are numbered by bytes");
        let (log, record) = self.board.open_record(number);
        let (end, windows) = record.as_deref().and_then(from_record).unwrap_or((first_counter, Vec::new()));
        let server = SecureServer::new(keys, broadcast, title, CounterLease::after(end), windows);
        self.secured = Some(Box::new(Secured { server, log, plain: Vec::new(), answer: Vec::new() }));
    }

    /// Takes other keys in the place of its own and those of all hubs, as an operator's key management brings them.
    /// Associations end with the keys before; slots keep their blocks. A hub that has none goes on in the clear.
    pub fn take_keys(&mut self, now: Moment, pool: &mut SectorPool, security: HubSecurity) {
        self.advance(now, pool);
        let Some(mut secured) = self.secured.take() else { return };
        let before = self.config.security.as_ref().and_then(|security| security.broadcast.as_ref());
        let same_for_all =
            before.zip(security.broadcast.as_ref()).is_some_and(|(before, after)| before.is_same_as(after));
        // Counters under another key begin anew, and its first sealing would look older than the last one before.
        let windows = if same_for_all { secured.server.windows().to_vec() } else { Vec::new() };
        let end = secured.server.lease().end().max(security.first_counter);
        let stored = secured.log.store(&mut self.board.flash, pool, &to_record(end, &windows));
        let HubSecurity { title, keys, broadcast, .. } = security.clone();
        secured.server = SecureServer::new(keys, broadcast, title, CounterLease::after(end), windows);
        self.config.security = Some(security);
        self.secured = Some(secured);
        self.settle(now, pool, stored);
    }

    /// Serves one frame as a hub with keys does, and puts the ciphered side back.
    pub(super) fn serve_secured(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        mut secured: Box<Secured>,
        frame: WanFrame<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<(), FlashError> {
        secured.answer.clear();
        let outcome = self.hear_secured(now, pool, &mut secured, frame);
        if frame.destination == WPort::MANAGEMENT && !secured.answer.is_empty() {
            WanFrame { source: WPort::MANAGEMENT, destination: frame.source, apdu: &secured.answer }
                .emit(reply);
        }
        self.secured = Some(secured);
        outcome
    }

    fn hear_secured(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        secured: &mut Secured,
        frame: WanFrame<'_>,
    ) -> Result<(), FlashError> {
        let Secured { server, log, plain, answer } = secured;
        if server.lease().remaining() < SecureServer::COUNTERS_PER_APDU
            && let Ok(request) = server.lease().request(LEASE)
        {
            log.store(&mut self.board.flash, pool, &to_record(request.end(), server.windows()))?;
            server.lease_mut().grant(request);
        }
        let client = frame.source;
        let offer = ServerOffer { conformance: OFFERED, max_pdu: self.max_pdu() };
        let seed = self.config.security.as_ref().map(|security| security.challenge_seed).unwrap_or_default();
        let heard = server.hear(client, frame.apdu, offer, |number| challenge(&seed, number), plain, answer);
        let request = match heard {
            Ok(ServerHeard::Answered) => return Ok(()),
            Ok(ServerHeard::Request(request)) => request,
            Ok(ServerHeard::Block { request, is_new_sealing }) => {
                if is_new_sealing {
                    let end = server.lease().end();
                    log.store(&mut self.board.flash, pool, &to_record(end, server.windows()))?;
                }
                Apdu::ActionRequest(request)
            }
            Err(error) => {
                self.count_unbelieved(&error);
                return Ok(());
            }
        };
        let mut value = std::mem::take(&mut self.scratch);
        value.clear();
        let served = self.serve_request(now, pool, &request, &mut value);
        if let Ok(Some(response)) = &served
            && let Err(error) = server.seal(client, response, answer)
        {
            tracing::debug!(hub = %self.board.eui(), %error, "an answer was not sealed");
        }
        let outcome = served.map(|_| ());
        self.scratch = value;
        outcome
    }

    fn count_unbelieved(&mut self, error: &LinkError) {
        tracing::debug!(hub = %self.board.eui(), %error, "an APDU was not believed");
        match error {
            LinkError::OutOfOrder => self.counters.unassociated_requests += 1,
            LinkError::Malformed(_) => self.counters.malformed_frames += 1,
            _ => self.counters.unbelieved_apdus += 1,
        }
    }
}

/// Draws a challenge: nobody foresees it without the seed, and the number never comes again.
fn challenge(seed: &[u8; 32], number: u32) -> Challenge {
    let digest = Sha256::new().chain_update(seed).chain_update(number.to_be_bytes()).finalize();
    Challenge::new(&digest[..CHALLENGE_LEN]).expect("16 bytes are a challenge")
}

fn to_record(end: u32, windows: &[SlotWindow]) -> Vec<u8> {
    let mut fields = FieldWriter::default();
    let known = windows.iter().filter_map(|slot| Some((slot, slot.window.base()?)));
    fields.u32(end).u16(u16::try_from(windows.len()).expect("windows are bounded"));
    for (slot, base) in known {
        fields.bytes(&slot.sender.0).bytes(&slot.instance.0).u32(base);
    }
    fields.finish()
}

fn from_record(record: &[u8]) -> Option<(u32, Vec<SlotWindow>)> {
    let mut fields = FieldReader(record);
    let (end, count) = (fields.u32()?, fields.u16()?);
    let mut windows = Vec::new();
    for _ in 0..count {
        let (sender, instance) = (SystemTitle(fields.array()?), Obis(fields.array()?));
        windows.push(SlotWindow { sender, instance, window: BroadcastWindow::restore(fields.u32()?) });
    }
    Some((end, windows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::MAX_RECORD_LEN;

    #[test]
    fn a_record_survives_and_the_fullest_one_fits_its_sector() {
        let slot = |n: u8| SlotWindow {
            sender: SystemTitle([n; 8]),
            instance: Obis::image_transfer(n),
            window: BroadcastWindow::restore(u32::from(n) << 20),
        };
        let windows: Vec<_> = (0..SecureServer::MAX_WINDOWS as u8).map(slot).collect();
        let record = to_record(u32::MAX, &windows);
        assert!(record.len() <= MAX_RECORD_LEN);
        assert_eq!(from_record(&record), Some((u32::MAX, windows)));
        assert_eq!(from_record(&record[..record.len() - 1]), None);
    }

    #[test]
    fn challenges_never_repeat_and_depend_on_the_seed() {
        let drawn: Vec<_> = (0..100).map(|number| challenge(&[1; 32], number)).collect();
        for (at, one) in drawn.iter().enumerate() {
            assert!(!drawn[..at].contains(one));
            assert_ne!(*one, challenge(&[2; 32], at as u32));
        }
    }
}
