//! One home: its hub, its devices and the radio between them, run on their own until somebody outside cares.
//!
//! Nothing leaves a home but answers to what came over the WAN, so a home needs no place in the fleet's event
//! queue for its own affairs: it is *run up to* the moment of the next datagram. An image crosses the HAN in
//! tens of thousands of frames, and each costs a look at five timers and a push on a short queue.
//!
//! ```text
//!             WAN frame                       due: frame in flight | hub | meter 1..3, earliest first,
//!                │                                 ties in this order
//!   ┌────────────▼───┐   HanLink    ┌───────┐
//!   │ hub  (0x0000)  │◄────────────►│ meter │ × 1..3, short address = channel
//!   └────────────────┘  one queue   └───────┘
//! ```

mod faults; // what a fault of a device does
mod leap; // a run of blocks as one step

pub(crate) use faults::Retired;
use faults::Troubles;
pub(crate) use leap::{Fetch, Run};

use crate::hub::{Hub, HubSecurity};
use crate::invariants::HomeWitness;
use crate::link::{HanLink, LossReason};
use crate::meter::Meter;
use crate::observer::{FrameFate, Leg, Onlooker, SeenFrame};
use crate::sector_pool::SectorPool;
use std::collections::VecDeque;
use transfer_engine::{HubId, Moment};
use wire::FIRST_BROADCAST;

/// The hub's short address: it is the coordinator of its network.
pub(crate) const HUB_ADDRESS: u16 = 0x0000;

/// Turns that a home may take without time passing. A device that asks to be woken at the same moment for ever is
/// a bug of ours; this is far more than any honest exchange needs.
const TURNS_PER_MOMENT: u32 = 100_000;

/// How a fleet is simulated. Both give the same outcomes at the same moments, and the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// Every frame is encoded, carried and parsed.
    Exact,
    /// What goes on undisturbed for a while is done as one step.
    #[default]
    Batched,
}

/// What all homes of a fleet share while one of them runs.
#[derive(Default)]
pub(crate) struct Commons {
    pub(crate) fidelity: Fidelity,
    pub(crate) pool: SectorPool,
    pub(crate) onlooker: Onlooker,
    /// Emptied frame buffers, so that no frame allocates.
    spare: Vec<Vec<u8>>,
}

/// Emptied buffers that are kept; the frames in flight in one home are few.
const SPARE_BUFFERS: usize = 64;

impl Commons {
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

/// What the radio of a home, or of all of them, carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HanTraffic {
    /// ZCL frames sent.
    pub frames: u64,
    /// Their bytes, without the layers below.
    pub bytes: u64,
    /// Frames lost on the air, or to a receiver that was off.
    pub lost_frames: u64,
}

impl HanTraffic {
    pub(crate) fn add(&mut self, other: HanTraffic) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.lost_frames += other.lost_frames;
    }
}

pub(crate) struct Home {
    id: HubId,
    hub: Hub,
    hub_due: Moment,
    meters: Vec<HomeMeter>,
    han: HanLink,
    in_flight: VecDeque<Flight>,
    traffic: HanTraffic,
    troubles: Option<Box<Troubles>>,
    witness: Option<Box<HomeWitness>>,
}

struct HomeMeter {
    address: u16,
    meter: Meter,
    due: Moment,
}

/// A frame on the air. Every frame takes the same time, so the queue is in order of arrival.
struct Flight {
    sent_at: Moment,
    arrives_at: Moment,
    from: u16,
    to: u16,
    frame: Vec<u8>,
}

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Turn {
    Fault,
    Arrival,
    Hub,
    Meter(usize),
}

impl Home {
    pub(crate) fn new(id: HubId, hub: Hub, meters: Vec<Meter>, han: HanLink) -> Home {
        let mut home = Home {
            id,
            hub_due: due(hub.poll_timeout()),
            hub,
            meters: meters
                .into_iter()
                .map(|meter| HomeMeter {
                    address: meter.short_address(),
                    due: due(meter.poll_timeout()),
                    meter,
                })
                .collect(),
            han,
            in_flight: VecDeque::new(),
            traffic: HanTraffic::default(),
            troubles: None,
            witness: None,
        };
        home.meters.shrink_to_fit();
        home
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn meters(&self) -> impl Iterator<Item = &Meter> {
        self.meters.iter().map(|member| &member.meter)
    }

    pub(crate) fn traffic(&self) -> HanTraffic {
        self.traffic
    }

    /// Runs the home through everything that is due at or before `until`.
    pub(crate) fn run(&mut self, until: Moment, commons: &mut Commons) {
        let mut moment = Moment::default();
        let mut turns = 0;
        loop {
            let (at, turn) = self.next_turn();
            if at > until || at == Moment::MAX {
                return;
            }
            if at > moment {
                moment = at;
                turns = 0;
            }
            if matches!(turn, Turn::Arrival)
                && commons.fidelity == Fidelity::Batched
                && self.leap(until, commons)
            {
                continue;
            }
            turns += 1;
            assert!(turns < TURNS_PER_MOMENT, "a device of a home asks to be woken at {at} for ever");
            self.take_turn(turn, at, commons);
            self.testify(at, commons);
        }
    }

    /// Lets whoever watches the home look at it.
    fn testify(&mut self, now: Moment, commons: &mut Commons) {
        if let Some(witness) = &mut self.witness {
            let meters = self.meters.iter().map(|member| &member.meter);
            witness.look(now, &mut commons.pool, &self.hub, meters);
        }
    }

    /// Has the home watched from now on.
    pub(crate) fn watch(&mut self, witness: HomeWitness) {
        self.witness = Some(Box::new(witness));
    }

    /// Returns who watches the home.
    pub(crate) fn witness(&self) -> Option<&HomeWitness> {
        self.witness.as_deref()
    }

    /// Notes a datagram of so many bytes, headers included, that was offered to the home's link.
    pub(crate) fn note_offered(&mut self, now: Moment, len: usize) {
        if let Some(witness) = &mut self.witness {
            witness.offered(now, self.hub.eui(), len as u64);
        }
    }

    /// Hands the hub a frame from the WAN after running the home up to `now`; an answer is appended to `reply`.
    pub(crate) fn receive_wan(
        &mut self,
        now: Moment,
        frame: &[u8],
        reply: &mut Vec<u8>,
        commons: &mut Commons,
    ) {
        self.run(now, commons);
        self.hub.receive_wan(now, &mut commons.pool, frame, reply);
        self.collect_from_hub(now, commons);
        self.testify(now, commons);
    }

    /// Gives the hub other keys after running the home up to `now`.
    pub(crate) fn take_keys(&mut self, now: Moment, security: HubSecurity, commons: &mut Commons) {
        self.run(now, commons);
        self.hub.take_keys(now, &mut commons.pool, security);
        self.collect_from_hub(now, commons);
    }

    /// Hands the hub an image block from the WAN, which it does not answer.
    pub(crate) fn receive_block(&mut self, now: Moment, frame: &[u8], commons: &mut Commons) {
        if self.next_turn().0 <= now {
            self.run(now, commons);
        }
        if self.hub.receive_block(now, &mut commons.pool, frame) {
            self.collect_from_hub(now, commons);
        }
    }

    fn next_turn(&self) -> (Moment, Turn) {
        let mut next = match self.in_flight.front() {
            Some(flight) => (flight.arrives_at, Turn::Arrival),
            None => (Moment::MAX, Turn::Arrival),
        };
        if self.hub_due < next.0 {
            next = (self.hub_due, Turn::Hub);
        }
        if let Some(troubles) = &self.troubles
            && troubles.next_at() < next.0
        {
            next = (troubles.next_at(), Turn::Fault);
        }
        for (index, member) in self.meters.iter().enumerate() {
            if member.due < next.0 {
                next = (member.due, Turn::Meter(index));
            }
        }
        next
    }

    fn take_turn(&mut self, turn: Turn, now: Moment, commons: &mut Commons) {
        match turn {
            Turn::Fault => self.strike(now, commons),
            Turn::Hub => {
                self.hub.advance(now, &mut commons.pool);
                self.collect_from_hub(now, commons);
            }
            Turn::Meter(index) => {
                self.meters[index].meter.advance(now, &mut commons.pool);
                self.collect_from_meter(index, now, commons);
            }
            Turn::Arrival => {
                if let Some(flight) = self.in_flight.pop_front() {
                    let heard = self.deliver(now, &flight, commons);
                    self.traffic.lost_frames += u64::from(!heard);
                    let fate = if heard { FrameFate::Delivered } else { FrameFate::Unheard };
                    commons.onlooker.see(flight.seen(self.id, fate));
                    commons.give_back(flight.frame);
                }
            }
        }
    }

    /// Hands a frame to whom it is for; says whether anybody heard it.
    fn deliver(&mut self, now: Moment, flight: &Flight, commons: &mut Commons) -> bool {
        if flight.to == HUB_ADDRESS {
            let heard = self.hub.is_up(now);
            if heard {
                if self.hub_due <= now {
                    self.hub.advance(now, &mut commons.pool);
                }
                let is_settled = self.hub.hear_han(now, &mut commons.pool, flight.from, &flight.frame);
                self.collect_frames_of_hub(now, commons);
                if !is_settled {
                    self.hub_due = due(self.hub.poll_timeout()).max(now);
                }
            }
            return heard;
        }
        let is_broadcast = flight.to >= FIRST_BROADCAST;
        let mut heard = false;
        for index in 0..self.meters.len() {
            let member = &mut self.meters[index];
            if !(is_broadcast || member.address == flight.to) {
                continue;
            }
            // The receiver of a sleeping device is off; the hub's frame is lost to it, as on the air.
            if !member.meter.is_awake(now) {
                continue;
            }
            heard = true;
            if member.due <= now {
                member.meter.advance(now, &mut commons.pool);
            }
            member.meter.hear(now, &mut commons.pool, &flight.frame, is_broadcast);
            self.collect_from_meter(index, now, commons);
        }
        heard
    }

    fn collect_from_hub(&mut self, now: Moment, commons: &mut Commons) {
        self.collect_frames_of_hub(now, commons);
        self.hub_due = due(self.hub.poll_timeout()).max(now);
    }

    fn collect_frames_of_hub(&mut self, now: Moment, commons: &mut Commons) {
        while self.hub.has_frames() {
            let mut frame = commons.buffer();
            let Some(to) = self.hub.poll_han(&mut frame) else { break };
            self.put_on_air(now, HUB_ADDRESS, to, frame, commons);
        }
    }

    fn collect_from_meter(&mut self, index: usize, now: Moment, commons: &mut Commons) {
        let from = self.meters[index].address;
        while self.meters[index].meter.has_frames() {
            let mut frame = commons.buffer();
            self.meters[index].meter.poll_han(&mut frame);
            self.put_on_air(now, from, HUB_ADDRESS, frame, commons);
        }
        let member = &mut self.meters[index];
        // What was put off until now may have been due before.
        member.due = due(member.meter.poll_timeout()).max(now);
        if let Some(from) = member.meter.take_silencing() {
            self.silence_others(index, from, now);
        }
    }

    fn put_on_air(&mut self, now: Moment, from: u16, to: u16, frame: Vec<u8>, commons: &mut Commons) {
        self.traffic.frames += 1;
        self.traffic.bytes += frame.len() as u64;
        let arrives_at = self.han.judge(now);
        let flight = Flight { sent_at: now, arrives_at: due(arrives_at), from, to, frame };
        if arrives_at.is_some() {
            self.in_flight.push_back(flight);
        } else {
            self.traffic.lost_frames += 1;
            commons.onlooker.see(flight.seen(self.id, FrameFate::Lost(LossReason::Noise)));
            commons.give_back(flight.frame);
        }
    }
}

impl Flight {
    fn seen(&self, hub: HubId, fate: FrameFate) -> SeenFrame<'_> {
        let leg = Leg::Han { from: self.from, to: self.to };
        SeenFrame { sent_at: self.sent_at, hub, leg, fate, bytes: &self.frame }
    }
}

fn due(timeout: Option<Moment>) -> Moment {
    timeout.unwrap_or(Moment::MAX)
}

#[cfg(test)]
mod tests;
