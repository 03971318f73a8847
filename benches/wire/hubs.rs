//! What hubs answer: as little as a head-end needs to stage an image, with a bitmap each that is kept for real.
//!
//! The fleet's own hub (flash, homes, trust) is for the end-to-end tests; here the receiver must cost less than the
//! sender, or it would be the receiver that is measured.

use std::time::Duration;

use serde_json::{Value, json};
use wire::{
    AccessResult, ActionRequest, ActionResponse, Apdu, AssociationResponse, BlockBitmap, ClassId,
    Conformance, Data, GetRequest, GetResponse, ImageBlock, ImageInitiate, ImageToActivate,
    ImageTransferStatus, WPort, WanFrame, emit_wan,
};

/// The block size every hub asks for, bytes.
pub const BLOCK: u32 = 1_024;

/// Blocks that come closer together than this are of one train: a twentieth of what a block takes on a line of 40 kbit/s.
const APART: Duration = Duration::from_millis(10);

/// Seconds of arrivals that are kept apart, at most: twice the long form.
const SECONDS: usize = 120;

/// One hub.
struct Hub {
    identification: Vec<u8>,
    size: u32,
    held: BlockBitmap,
    verified: bool,
    /// The first blocks of the first and of the last train since the mark, and when the kernel received them.
    first: Option<(Duration, u32)>,
    last: (Duration, u32),
    /// When the kernel received the last block of all.
    heard: Duration,
}

/// All hubs of the fleet.
pub struct Hubs {
    hubs: Vec<Hub>,
    blocks: u64,
    news: u64,
    answers: u64,
    odd: u64,
    marked: Option<Duration>,
    seconds: Vec<u64>,
}

impl Hubs {
    /// Makes so many hubs with empty slots.
    pub fn new(count: u32) -> Hubs {
        let hub = |_| Hub {
            identification: Vec::new(),
            size: 0,
            held: BlockBitmap::new(0),
            verified: false,
            first: None,
            last: (Duration::ZERO, 0),
            heard: Duration::ZERO,
        };
        let hubs = (0..count).map(hub).collect();
        Hubs { hubs, blocks: 0, news: 0, answers: 0, odd: 0, marked: None, seconds: vec![0; SECONDS] }
    }

    /// Begins to watch arrivals.
    pub fn mark(&mut self, now: Duration) {
        self.marked = Some(now);
        self.seconds.fill(0);
        self.hubs.iter_mut().for_each(|hub| hub.first = None);
    }

    /// Takes a frame that the kernel received at `at`, and appends the answer if there is one.
    pub fn hear(&mut self, hub: u32, at: Duration, frame: &[u8], out: &mut Vec<u8>) {
        let apdu = WanFrame::parse_datagram(frame).and_then(|frame| Apdu::parse(frame.apdu));
        let known = self.hubs.get_mut(hub as usize);
        let (Ok(apdu), Some(state)) = (apdu, known) else {
            self.odd += 1;
            return;
        };
        match apdu {
            Apdu::AssociationRequest(_) => {
                let conformance = Conformance::GET | Conformance::SET | Conformance::ACTION;
                let answer =
                    AssociationResponse { accepted: true, diagnostic: 0, conformance, max_pdu: u16::MAX };
                emit(&Apdu::AssociationResponse(answer), out);
            }
            Apdu::GetRequest(get) => state.read(&get, out),
            Apdu::ActionRequest(action) if action.method.index == 2 => {
                self.blocks += 1;
                self.news += u64::from(state.block(at, &action, self.marked, out));
                if let Some(second) = self.marked.and_then(|marked| at.checked_sub(marked))
                    && let Some(count) = self.seconds.get_mut(second.as_secs() as usize)
                {
                    *count += 1;
                }
                // Unconfirmed: nothing to answer.
                self.answers += u64::from(action.invoke.confirmed);
                return;
            }
            Apdu::ActionRequest(action) => state.act(&action, out),
            _ => self.odd += 1,
        }
        self.answers += 1;
    }

    /// Says what came, and how far each hub's rate was from `rate` blocks per second since the mark, in trains of so many.
    pub fn report(&self, rate: f64, train: u32) -> Value {
        let mut errors: Vec<f64> = self.hubs.iter().filter_map(|hub| hub.rate()).collect();
        errors.iter_mut().for_each(|found| *found = (*found / rate - 1.0).abs());
        errors.sort_unstable_by(f64::total_cmp);
        let quantile = |share: usize| errors.get(errors.len() * share / 100).copied();
        json!({
            "blocks": self.blocks,
            "news": self.news,
            "answers": self.answers,
            "odd": self.odd,
            "watched": errors.len(),
            "median_error": quantile(50),
            "p99_error": quantile(99),
            "seconds": self.seconds,
            "ideal_seconds": self.ideal_seconds(rate, train),
        })
    }

    /// Returns how many blocks each second since the mark would have brought, had every hub been sent `rate` blocks a
    /// second from its first train on. So what is judged is the pacing, and not how evenly the hubs happened to begin.
    fn ideal_seconds(&self, rate: f64, train: u32) -> Vec<u64> {
        let mut seconds = vec![0; SECONDS];
        for hub in &self.hubs {
            let begun = hub.first.and_then(|(at, _)| at.checked_sub(self.marked?));
            let Some(begun) = begun else { continue };
            let times = (0..).map(|number| begun.as_secs_f64() + f64::from(number * train) / rate);
            for time in times.take_while(|time| *time < SECONDS as f64) {
                seconds[time as usize] += u64::from(train);
            }
        }
        seconds
    }
}

impl Hub {
    /// Returns blocks per second between the first and the last train. Numbers are counted, not datagrams: what
    /// got lost on the way was sent all the same.
    fn rate(&self) -> Option<f64> {
        let (first_at, first) = self.first?;
        let (last_at, last) = self.last;
        let elapsed = last_at.checked_sub(first_at).filter(|elapsed| !elapsed.is_zero())?;
        Some(f64::from(last.checked_sub(first)?) / elapsed.as_secs_f64())
    }

    fn block(
        &mut self,
        at: Duration,
        action: &ActionRequest<'_>,
        marked: Option<Duration>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(Ok(block)) = action.parameter.map(ImageBlock::parse_parameter) else { return false };
        let begins_train = at.saturating_sub(self.heard) >= APART;
        self.heard = at;
        if begins_train && marked.is_some_and(|marked| at >= marked) {
            self.last = (at, block.number);
            self.first.get_or_insert(self.last);
        }
        let news = self.held.set(block.number);
        if action.invoke.confirmed {
            emit(&done(action, AccessResult::Success), out);
        }
        news
    }

    fn read(&self, get: &GetRequest, out: &mut Vec<u8>) {
        let mut data = Vec::new();
        match (get.attribute.class, get.attribute.index) {
            (ClassId::IMAGE_TRANSFER, 2) => Data::Unsigned32(BLOCK).emit(&mut data),
            (ClassId::IMAGE_TRANSFER, 3) => self.held.emit_data(&mut data),
            (ClassId::IMAGE_TRANSFER, 4) => {
                let first = self.held.first_missing().unwrap_or(self.held.len());
                Data::Unsigned32(first).emit(&mut data);
            }
            (ClassId::IMAGE_TRANSFER, 5) => Data::Boolean(true).emit(&mut data),
            (ClassId::IMAGE_TRANSFER, 6) => data.extend_from_slice(&self.status().to_data()),
            (ClassId::IMAGE_TRANSFER, _) => {
                let (size, identification) = (self.size, self.identification.clone());
                let images = [ImageToActivate { size, identification, signature: Vec::new() }];
                ImageToActivate::emit_list(if self.size > 0 { &images } else { &[] }, &mut data);
            }
            // The active firmware identifier.
            _ => Data::Octets(&[0, 0, 0, 1]).emit(&mut data),
        }
        emit(&Apdu::GetResponse(GetResponse { invoke: get.invoke, result: Ok(&data) }), out);
    }

    fn status(&self) -> ImageTransferStatus {
        match (self.size, self.verified) {
            (0, _) => ImageTransferStatus::NotInitiated,
            (_, true) => ImageTransferStatus::VerificationSuccessful,
            (_, false) => ImageTransferStatus::Initiated,
        }
    }

    fn act(&mut self, action: &ActionRequest<'_>, out: &mut Vec<u8>) {
        let result = match (action.method.index, action.parameter) {
            (1, Some(parameter)) => match ImageInitiate::parse_parameter(parameter) {
                Ok(initiate) => {
                    self.identification = initiate.identification.to_vec();
                    self.size = initiate.size;
                    self.held = BlockBitmap::new(initiate.size.div_ceil(BLOCK).min(wire::MAX_BLOCKS));
                    self.verified = false;
                    AccessResult::Success
                }
                Err(_) => AccessResult::OtherReason,
            },
            (3, _) if self.held.first_missing().is_none() => {
                self.verified = true;
                AccessResult::Success
            }
            _ => AccessResult::OtherReason,
        };
        emit(&done(action, result), out);
    }
}

/// Returns how long the answer to a confirmed block is, as a frame.
pub fn block_answer_len() -> usize {
    let invoke = wire::InvokeId { number: 1, confirmed: true, high_priority: true };
    let answer = ActionResponse { invoke, result: AccessResult::Success, data: None };
    let mut frame = Vec::new();
    emit(&Apdu::ActionResponse(answer), &mut frame);
    frame.len()
}

fn done<'a>(action: &ActionRequest<'_>, result: AccessResult) -> Apdu<'a> {
    Apdu::ActionResponse(ActionResponse { invoke: action.invoke, result, data: None })
}

fn emit(apdu: &Apdu<'_>, out: &mut Vec<u8>) {
    emit_wan(WPort::MANAGEMENT, WPort::PUBLIC_CLIENT, apdu, out);
}
