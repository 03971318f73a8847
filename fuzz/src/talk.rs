//! A hub that says whatever the input says, to an engine that is to stage an image on it.
//!
//! ```text
//! input   { what u8, length u8, bytes } ...
//! what    mod 6: 0 a datagram as it is · 1 an APDU in a sound wrapper · 2 the answer to a GET · 3 to an ACTION ·
//!         4 to the association · 5 time passes        div 6: which of the open questions is answered
//! ```
//!
//! The engine is polled after each of them, and gets a new task whenever one has ended.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use transfer_engine::{
    Answer, ByteRate, Engine, EngineConfig, HubId, HubLink, LineRate, Moment, Priority, Release, ReleaseId,
    Task, Transport,
};
use wire::{
    AccessResult, ActionResponse, Apdu, AssociationResponse, Conformance, Data, GetResponse, ImageToActivate,
    ImageTransferStatus, InvokeId, WPort, WanFrame, emit_wan,
};

use crate::seeds::Seed;

/// The image: short, so that little is encoded, and long enough for several blocks of every usual size.
const IMAGE_LEN: usize = 8 * 1_024;

/// The name under which the hub is to know it.
const NAME: &[u8] = b"image";

/// Frames taken from the engine after one piece of input, and questions remembered.
const AT_ONCE: usize = 64;

/// An engine, and the hub at the other end.
pub struct Talk {
    engine: Engine,
    now: Moment,
    hub: HubId,
    address: SocketAddr,
    release: ReleaseId,
    asked: VecDeque<InvokeId>,
    staged: usize,
}

impl Talk {
    /// Begins with an engine that wants to stage an image, on a line whose rate it has to find out.
    pub fn begin(transport: Transport) -> Talk {
        let now = Moment::from_micros(1_000_000_000);
        let mut engine = Engine::new(EngineConfig::default(), now);
        let bytes: Bytes = (0..IMAGE_LEN).map(|at| (at % 251) as u8).collect();
        let release = engine.add_release(Release { identification: Bytes::from_static(NAME), bytes });
        let cell = engine.add_cell(ByteRate(1 << 20));
        let address = SocketAddr::from(([127, 0, 0, 9], 4_059));
        let rate = LineRate::AtMost(ByteRate(1 << 20));
        let hub = engine.add_hub(now, HubLink { address, transport, cell, rate });
        let mut talk = Talk { engine, now, hub, address, release, asked: VecDeque::new(), staged: 0 };
        talk.settle();
        talk
    }

    /// Says all of the input.
    pub fn say(&mut self, mut input: &[u8]) {
        while let [what, len, rest @ ..] = input {
            let (bytes, later) = rest.split_at(rest.len().min(usize::from(*len)));
            self.say_one(*what, bytes);
            self.settle();
            input = later;
        }
    }

    /// Returns how many images counted as staged.
    pub fn staged(&self) -> usize {
        self.staged
    }

    fn say_one(&mut self, what: u8, bytes: &[u8]) {
        let asked = self.asked.get(usize::from(what / 6)).copied();
        match (what % 6, asked) {
            (0, _) => self.engine.handle_datagram(self.now, self.address, bytes),
            (1, _) => {
                let mut frame = vec![0, 1, 0, 1, 0, 16, 0, bytes.len() as u8];
                frame.extend_from_slice(bytes);
                self.engine.handle_datagram(self.now, self.address, &frame);
            }
            (2, Some(invoke)) => {
                self.forget(invoke);
                self.answer(&Apdu::GetResponse(GetResponse { invoke, result: Ok(bytes) }));
            }
            (3, Some(invoke)) => {
                self.forget(invoke);
                let (result, data) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
                let result = AccessResult::from_byte(result);
                let data = (!data.is_empty()).then_some(data);
                self.answer(&Apdu::ActionResponse(ActionResponse { invoke, result, data }));
            }
            (4, _) => self.answer(&Apdu::AssociationResponse(AssociationResponse {
                accepted: bytes.first().is_none_or(|first| *first == 0),
                diagnostic: bytes.first().copied().unwrap_or(0),
                conformance: Conformance::GET | Conformance::SET | Conformance::ACTION,
                max_pdu: u16::MAX,
            })),
            _ => {
                let wait = bytes.iter().fold(0u64, |wait, byte| (wait << 4) ^ u64::from(*byte));
                self.now = self.now + Duration::from_millis(wait.min(3_600_000));
            }
        }
    }

    fn forget(&mut self, invoke: InvokeId) {
        self.asked.retain(|asked| asked.number != invoke.number);
    }

    fn answer(&mut self, apdu: &Apdu<'_>) {
        let mut frame = Vec::new();
        emit_wan(WPort::MANAGEMENT, WPort::PUBLIC_CLIENT, apdu, &mut frame);
        self.engine.handle_datagram(self.now, self.address, &frame);
    }

    fn settle(&mut self) {
        for _ in 0..AT_ONCE {
            while let Some(event) = self.engine.poll_event() {
                self.staged += usize::from(matches!(event.result, Ok(Answer::Staged(_))));
            }
            if self.engine.busy_hubs() == 0 {
                let task = Task::Stage { release: self.release, channel: 1, tail_s: 0 };
                self.engine.assign(self.now, self.hub, task, Priority(0));
            }
            let Some(transmit) = self.engine.poll_transmit(self.now) else { return };
            for frame in transmit.contents.chunks(transmit.segment) {
                let apdu = WanFrame::parse_datagram(frame).map(|frame| Apdu::parse(frame.apdu));
                let apdu = apdu.expect("our frames are sound").expect("our APDUs are sound");
                let invoke = match apdu {
                    Apdu::GetRequest(get) => get.invoke,
                    Apdu::ActionRequest(action) if action.invoke.confirmed => action.invoke,
                    Apdu::AssociationRequest(_) => {
                        // Whatever was asked before is not waited for any more.
                        self.asked.clear();
                        continue;
                    }
                    _ => continue,
                };
                self.forget(invoke);
                self.asked.push_back(invoke);
                if self.asked.len() > AT_ONCE {
                    self.asked.pop_front();
                }
            }
        }
    }
}

/// Makes the seeds: a hub that takes the image, one that reboots half-way, and one that only makes noise.
pub fn conversations() -> Vec<Seed> {
    let taken = [opening(), survey(None), initiate(), blocks(), verify(), confirm()].concat();
    let rebooted = [opening(), survey(None), initiate(), exception(), taken.clone()].concat();
    let held = survey(Some(ImageTransferStatus::Initiated));
    let resumed = [opening(), held, turn(), all_blocks(), turn(), verify(), confirm()];
    let noise = [vec![0, 4], b"junk".to_vec(), vec![1, 6], vec![0xC4; 6], vec![5, 2, 255, 255]].concat();
    vec![("taken", taken), ("rebooted", rebooted), ("resumed", resumed.concat()), ("noise", noise)]
}

/// One piece of input.
fn piece(what: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).expect("seeds are short");
    [&[what, len], bytes].concat()
}

fn get(data: &[u8]) -> Vec<u8> {
    piece(2, data)
}

fn encoded(data: &Data<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    data.emit(&mut out);
    out
}

/// The association, and time for the questions that follow.
fn opening() -> Vec<u8> {
    [piece(4, &[]), turn()].concat()
}

/// A quarter of a second, in which a question gets its turn on the line.
fn turn() -> Vec<u8> {
    piece(5, &[0x10, 0])
}

/// Attribute 4: no block is missing.
fn all_blocks() -> Vec<u8> {
    get(&encoded(&Data::Unsigned32(8)))
}

/// Attributes 5, 2, 7 and 6.
fn survey(held: Option<ImageTransferStatus>) -> Vec<u8> {
    let mut named = Vec::new();
    match held {
        Some(_) => named = in_slot(),
        None => ImageToActivate::emit_list(&[], &mut named),
    }
    let status = held.unwrap_or(ImageTransferStatus::NotInitiated).to_data();
    let enabled = get(&encoded(&Data::Boolean(true)));
    [enabled, get(&encoded(&Data::Unsigned32(1_024))), get(&named), get(&status)].concat()
}

fn in_slot() -> Vec<u8> {
    let image =
        ImageToActivate { size: IMAGE_LEN as u32, identification: NAME.to_vec(), signature: Vec::new() };
    let mut named = Vec::new();
    ImageToActivate::emit_list(&[image], &mut named);
    named
}

fn initiate() -> Vec<u8> {
    piece(3, &[0])
}

/// The hub knows nobody any more; the association waits for its turn.
fn exception() -> Vec<u8> {
    [piece(1, &[0xD8, 1, 2]), piece(5, &[0x10, 0, 0])].concat()
}

/// Time for the blocks, then the answer that they are there. Thrice, as probes come between.
fn blocks() -> Vec<u8> {
    let all = all_blocks();
    let wait = piece(5, &[0x10, 0, 0]);
    [wait.clone(), all.clone(), wait.clone(), all.clone(), wait, all].concat()
}

fn verify() -> Vec<u8> {
    piece(3, &[0])
}

fn confirm() -> Vec<u8> {
    [turn(), get(&in_slot())].concat()
}
