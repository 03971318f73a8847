//! The fleet: all homes of a world behind their WAN links, polled like a network interface.
//!
//! A driver, simulated or real, does the same four things: hand over datagrams (`receive`), let time pass
//! (`advance`), take what arrives at the head-end (`poll_transmit`), and ask when to come back (`poll_timeout`).
//!
//! ```text
//!  head-end ── receive ──► Link down ──► inbound queue of the hub ──► Home::receive_wan
//!     ▲                                     (first of each in `due`)          │ at most one answer
//!     └──── poll_transmit ◄── arrivals, ordered by (moment, hub, number) ◄── Link up
//! ```
//!
//! Only datagrams are global events. What goes on inside a home is run when the next datagram reaches its hub, or
//! when a driver has time to spare ([`Fleet::settle`]); the outcome is the same. Per hub the fleet keeps one
//! entry of 16 bytes in `due`; inbound queues are bounded by the links.

use crate::build::build_home;
use crate::census::{Census, WanTraffic};
use crate::device_trust::DeviceTrust;
use crate::faults::{FaultCounts, ReplyFaults};
use crate::home::{Commons, Fidelity, Home};
use crate::hub::HubSecurity;
use crate::invariants::{Broken, HomeWitness, WatchRules};
use crate::link::{DATAGRAM_OVERHEAD_LEN, Direction, Fate, Link};
use crate::meter::Meter;
use crate::observer::{FrameObserver, Leg, Onlooker, SeenFrame};
use crate::queue::EventQueue;
use crate::security_log::SecurityEntry;
use crate::world::{Cell, HomePlan, HomeRecord, WorldSpec, draw_homes};
use bytes::Bytes;
use firmware_image::Eui64;
use std::collections::VecDeque;
use std::sync::Arc;
use transfer_engine::{HubId, Moment};

/// A fleet of simulated homes under the caller's time.
pub struct Fleet {
    members: Vec<Member>,
    commons: Commons,
    /// When the first waiting datagram of each hub is due; hubs with none have no entry.
    due: EventQueue<HubId>,
    arrivals: EventQueue<Arrival>,
    /// The datagrams on their way to the head-end, and which places are free.
    letters: Vec<Vec<u8>>,
    free: Vec<u32>,
    /// How many datagrams have been sent to the head-end; orders those of one hub and moment.
    sent: u64,
    /// The home that [`Fleet::settle`] goes on with.
    next_to_settle: usize,
    traffic: WanTraffic,
}

/// A home with its links and the datagrams on their way to it.
pub(crate) struct Member {
    pub(crate) record: HomeRecord,
    pub(crate) home: Home,
    pub(crate) down: Link,
    pub(crate) up: Link,
    pub(crate) inbound: VecDeque<(Moment, Datagram)>,
    /// When `due` brings it up; entries of other moments have been overtaken.
    pub(crate) due_at: Moment,
    pub(crate) reply_faults: Option<Box<ReplyFaults>>,
}

impl Member {
    /// Puts a datagram where it arrives; only where some are overtaken is this another place than the end.
    fn queue(&mut self, at: Moment, datagram: Datagram) {
        let place = match self.inbound.back() {
            Some((last, _)) if at < *last => self.inbound.partition_point(|(other, _)| *other <= at),
            _ => self.inbound.len(),
        };
        self.inbound.insert(place, (at, datagram));
    }
}

/// A datagram on its way to a hub.
pub(crate) enum Datagram {
    /// One that the hub may answer.
    Question(Vec<u8>),
    /// An image block that is not answered: a piece of the buffer that all hubs are served from.
    Block(Bytes),
}

/// Blocks that wait for a hub to be asked; then they are looked at, so that no queue grows with an image.
const MOST_BLOCKS_WAITING: usize = 64;

/// A datagram on its way to the head-end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    hub: HubId,
    number: u64,
    /// Where it lies among the letters.
    letter: u32,
}

impl Fleet {
    /// Builds the homes of a world from a seed; every device trusts `trust`, and time begins at `start`.
    pub fn build(spec: &WorldSpec, seed: u64, trust: &Arc<DeviceTrust>, start: Moment) -> Fleet {
        Fleet::build_secured(spec, seed, trust, start, |_| None)
    }

    /// Does the same with hubs that speak ciphered if `security` has something for them.
    pub fn build_secured(
        spec: &WorldSpec,
        seed: u64,
        trust: &Arc<DeviceTrust>,
        start: Moment,
        mut security: impl FnMut(Eui64) -> Option<HubSecurity>,
    ) -> Fleet {
        let plans = draw_homes(spec, seed);
        let mut build = |plan: HomePlan| {
            let security = security(plan.record.devices[0].eui);
            build_home(spec, seed, plan, trust, start, security)
        };
        Fleet {
            members: plans.into_iter().map(&mut build).collect(),
            commons: Commons::default(),
            due: EventQueue::new(start),
            arrivals: EventQueue::new(start),
            letters: Vec::new(),
            free: Vec::new(),
            sent: 0,
            next_to_settle: 0,
            traffic: WanTraffic::default(),
        }
    }

    /// Chooses how homes are run; batched at first.
    pub fn set_fidelity(&mut self, fidelity: Fidelity) {
        self.commons.fidelity = fidelity;
    }

    /// Shows every frame from now on to an observer. The homes are then run at each step, so that what is shown at one
    /// step comes before what is shown at the next, and frame by frame; it costs time, and changes nothing else.
    pub fn observe(&mut self, observer: Box<dyn FrameObserver>) {
        self.commons.fidelity = Fidelity::Exact;
        self.commons.onlooker = Onlooker::new(observer);
    }

    /// Returns what is on file about each home, in the order of their hubs.
    pub fn homes(&self) -> impl ExactSizeIterator<Item = &HomeRecord> {
        self.members.iter().map(|member| &member.record)
    }

    /// Returns the number of hubs; their ids are the numbers below it.
    pub fn hub_count(&self) -> u32 {
        self.members.len() as u32
    }

    /// Sends a datagram from the head-end into the link towards a hub; one for no hub of ours vanishes.
    pub fn receive(&mut self, now: Moment, hub: HubId, datagram: &[u8]) {
        let Some(member) = self.members.get_mut(hub.0 as usize) else { return };
        member.home.note_offered(now, datagram.len() + DATAGRAM_OVERHEAD_LEN);
        let fate = member.down.judge(now, datagram.len());
        self.traffic.down.count(fate, datagram.len());
        self.commons.onlooker.see(on_wan(now, hub, Direction::Down, fate, datagram));
        let Some(at) = fate.arrives_at() else { return };
        for _ in 0..copies(fate) {
            let mut copy = self.commons.buffer();
            copy.extend_from_slice(datagram);
            alter(fate, &mut copy);
            member.queue(at, Datagram::Question(copy));
        }
        self.bring_up(at, hub);
    }

    /// Sends image blocks that no hub answers, frames of one length side by side. Nobody sees when they arrive until
    /// the hub is asked, so they make no event of their own.
    pub fn receive_blocks(&mut self, now: Moment, hub: HubId, frames: &Bytes, frame_len: usize) {
        if self.commons.fidelity == Fidelity::Exact {
            return frames.chunks(frame_len).for_each(|frame| self.receive(now, hub, frame));
        }
        let Some(member) = self.members.get_mut(hub.0 as usize) else { return };
        let mut first_wrong = Moment::MAX;
        for start in (0..frames.len()).step_by(frame_len) {
            let frame = start..(start + frame_len).min(frames.len());
            member.home.note_offered(now, frame.len() + DATAGRAM_OVERHEAD_LEN);
            let fate = member.down.judge(now, frame.len());
            self.traffic.down.count(fate, frame.len());
            let Some(at) = fate.arrives_at() else { continue };
            for _ in 0..copies(fate) {
                let block = match fate {
                    Fate::DeliverWrong(_, flip) => {
                        let mut wrong = frames[frame.clone()].to_vec();
                        flip.apply(&mut wrong);
                        // Whatever it says now, the hub may answer it.
                        Datagram::Question(wrong)
                    }
                    _ => Datagram::Block(frames.slice(frame.clone())),
                };
                member.queue(at, block);
            }
            if let Fate::DeliverWrong(..) = fate {
                first_wrong = first_wrong.min(at);
            }
        }
        let waiting = member.inbound.len() >= MOST_BLOCKS_WAITING;
        let last = member.inbound.back().filter(|_| waiting).map_or(Moment::MAX, |(at, _)| *at);
        self.bring_up(last.min(first_wrong), hub);
    }

    /// Gives a hub that speaks ciphered other keys; what has reached it by now was heard under those before.
    pub fn take_keys(&mut self, now: Moment, hub: HubId, security: HubSecurity) {
        if (hub.0 as usize) < self.members.len() {
            self.take_inbound(now, hub);
            self.members[hub.0 as usize].home.take_keys(now, security, &mut self.commons);
        }
    }

    /// Makes sure that a hub is looked at by this moment.
    fn bring_up(&mut self, at: Moment, hub: HubId) {
        let member = &mut self.members[hub.0 as usize];
        if at < member.due_at {
            member.due_at = at;
            self.due.push(at, hub);
        }
    }

    /// Lets time pass to `now`: everything that reaches a hub by then is handled, and its answers set off.
    pub fn advance(&mut self, now: Moment) {
        while let Some((at, hub)) = self.due.peek() {
            if at > now {
                break;
            }
            self.due.pop();
            if self.members[hub.0 as usize].due_at == at {
                self.members[hub.0 as usize].due_at = Moment::MAX;
                self.take_inbound(now, hub);
                let asks = |(_, datagram): &&(Moment, Datagram)| matches!(datagram, Datagram::Question(_));
                let next = self.members[hub.0 as usize].inbound.iter().find(asks).map(|(at, _)| *at);
                self.bring_up(next.unwrap_or(Moment::MAX), hub);
            }
        }
        if self.commons.onlooker.is_there() {
            for member in &mut self.members {
                member.home.run(now, &mut self.commons);
            }
        }
    }

    /// Returns a datagram that has arrived at the head-end by `now`, with the hub that sent it.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<(HubId, Vec<u8>)> {
        let (at, arrival) = self.arrivals.peek()?;
        if at > now {
            return None;
        }
        self.arrivals.pop();
        self.free.push(arrival.letter);
        Some((arrival.hub, std::mem::take(&mut self.letters[arrival.letter as usize])))
    }

    /// Returns when the next datagram reaches a hub or the head-end.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let inbound = self.due.peek().map(|(at, _)| at);
        let outbound = self.arrivals.peek().map(|(at, _)| at);
        inbound.into_iter().chain(outbound).min()
    }

    /// Runs the insides of up to `homes` homes up to `now`, going round; a driver with time to spare calls it, so
    /// that the work of a home does not all fall on the moment when its hub is asked.
    ///
    /// A census tells the truth about `now` after all homes have been settled.
    pub fn settle(&mut self, now: Moment, homes: usize) {
        self.advance(now);
        for _ in 0..homes.min(self.members.len()) {
            self.take_inbound(now, HubId(self.next_to_settle as u32));
            self.members[self.next_to_settle].home.run(now, &mut self.commons);
            self.next_to_settle = (self.next_to_settle + 1) % self.members.len();
        }
    }

    /// Counts what each device runs and has been through, as of when it was last run.
    pub fn census(&self) -> Census {
        Census::take(&self.members, self.traffic)
    }

    /// Returns what stands in the security logs of all devices, home by home.
    pub fn security_entries(&self) -> impl Iterator<Item = SecurityEntry> {
        self.members.iter().flat_map(|member| {
            let meters = member.home.meters().flat_map(Meter::security_log);
            member.home.hub().security_log().into_iter().chain(meters)
        })
    }

    /// Has every home watched from now on: after each of its events all invariants of its devices are checked.
    pub fn watch(&mut self, rules: WatchRules) {
        let rules = Arc::new(rules);
        for member in &mut self.members {
            member.home.watch(HomeWitness::new(Arc::clone(&rules)));
        }
    }

    /// Returns the first broken invariant of each home that has one.
    pub fn broken(&self) -> impl Iterator<Item = &Broken> {
        self.members.iter().filter_map(|member| member.home.witness()?.broken())
    }

    /// Returns how often homes were looked at, all together: once for every event in one that is watched.
    pub fn looks(&self) -> u64 {
        self.members.iter().filter_map(|member| member.home.witness()).map(HomeWitness::looks).sum()
    }

    /// Returns how often an invariant was checked in watched homes.
    pub fn checks(&self) -> u64 {
        self.members.iter().filter_map(|member| member.home.witness()).map(HomeWitness::checks).sum()
    }

    /// Returns what the head-end has offered to each watched home, in bytes with headers, by cell.
    pub fn offered(&self) -> impl Iterator<Item = (Cell, u64)> {
        let homes = self.members.iter();
        homes.filter_map(|member| Some((member.record.cell, member.home.witness()?.offered_bytes())))
    }

    /// Returns what struck one home.
    pub fn faults_of(&self, hub: HubId) -> FaultCounts {
        let mut counts = FaultCounts::default();
        if let Some(member) = self.members.get(hub.0 as usize) {
            crate::census::add_faults(&mut counts, member);
        }
        counts
    }

    /// Ends everything that goes wrong by itself: losses, outages, and all faults of the world. Homes that never had a
    /// link, and firmware that does not come up, stay as they are.
    pub fn calm(&mut self) {
        for member in &mut self.members {
            member.down.calm();
            member.up.calm();
            if let Some(faults) = &mut member.reply_faults {
                faults.calm();
            }
            member.home.calm();
        }
    }

    /// Handles every datagram that has reached one hub by `now`.
    fn take_inbound(&mut self, now: Moment, hub: HubId) {
        let mut member = &mut self.members[hub.0 as usize];
        while let Some((at, datagram)) = member.inbound.pop_front_if(|(at, _)| *at <= now) {
            match datagram {
                Datagram::Block(frame) => member.home.receive_block(at, &frame, &mut self.commons),
                Datagram::Question(question) => {
                    let mut reply = self.commons.buffer();
                    member.home.receive_wan(at, &question, &mut reply, &mut self.commons);
                    if let Some(faults) = &mut member.reply_faults {
                        faults.tamper(at, &question, &mut reply);
                    }
                    self.commons.give_back(question);
                    match reply.is_empty() {
                        true => self.commons.give_back(reply),
                        false => self.answer(at, hub, reply),
                    }
                }
            }
            member = &mut self.members[hub.0 as usize];
        }
    }

    /// Keeps a datagram until it arrives.
    fn keep(&mut self, datagram: Vec<u8>) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.letters[place as usize] = datagram;
                place
            }
            None => {
                self.letters.push(datagram);
                u32::try_from(self.letters.len() - 1)
                    .expect("fewer datagrams are under way than a world has hubs")
            }
        }
    }

    /// Sends a hub's answer into its link towards the head-end.
    fn answer(&mut self, now: Moment, hub: HubId, mut reply: Vec<u8>) {
        let fate = self.members[hub.0 as usize].up.judge(now, reply.len());
        self.traffic.up.count(fate, reply.len());
        self.commons.onlooker.see(on_wan(now, hub, Direction::Up, fate, &reply));
        let Some(at) = fate.arrives_at() else { return };
        alter(fate, &mut reply);
        let again = (copies(fate) == 2).then(|| reply.clone());
        for datagram in std::iter::once(reply).chain(again) {
            self.sent += 1;
            let letter = self.keep(datagram);
            self.arrivals.push(at, Arrival { hub, number: self.sent, letter });
        }
    }
}

fn on_wan(sent_at: Moment, hub: HubId, direction: Direction, fate: Fate, bytes: &[u8]) -> SeenFrame<'_> {
    SeenFrame { sent_at, hub, leg: Leg::Wan(direction), fate: fate.into(), bytes }
}

fn copies(fate: Fate) -> u32 {
    match fate {
        Fate::DeliverTwice(_) => 2,
        Fate::Deliver(_) | Fate::DeliverLate(_) | Fate::DeliverWrong(..) => 1,
        Fate::Lost(_) => 0,
    }
}

fn alter(fate: Fate, datagram: &mut [u8]) {
    if let Fate::DeliverWrong(_, flip) = fate {
        flip.apply(datagram);
    }
}

#[cfg(test)]
mod tests;
