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
use crate::home::{Commons, Home};
use crate::hub::HubSecurity;
use crate::invariants::{Broken, HomeWitness, WatchRules};
use crate::link::{DATAGRAM_OVERHEAD_LEN, Fate, Link};
use crate::world::{Cell, HomePlan, HomeRecord, WorldSpec, draw_homes};
use firmware_image::Eui64;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use transfer_engine::{HubId, Moment};

/// A fleet of simulated homes under the caller's time.
pub struct Fleet {
    members: Vec<Member>,
    commons: Commons,
    /// When the first waiting datagram of each hub is due; hubs with none have no entry.
    due: BinaryHeap<Reverse<(Moment, HubId)>>,
    arrivals: BinaryHeap<Reverse<Arrival>>,
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
    pub(crate) inbound: VecDeque<(Moment, Vec<u8>)>,
    pub(crate) reply_faults: Option<Box<ReplyFaults>>,
}

/// A datagram on its way to the head-end.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Moment,
    hub: HubId,
    number: u64,
    datagram: Vec<u8>,
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
            due: BinaryHeap::new(),
            arrivals: BinaryHeap::new(),
            sent: 0,
            next_to_settle: 0,
            traffic: WanTraffic::default(),
        }
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
        let Some(at) = fate.arrives_at() else { return };
        if member.inbound.front().is_none_or(|(first, _)| at < *first) {
            self.due.push(Reverse((at, hub)));
        }
        for _ in 0..copies(fate) {
            let mut copy = self.commons.buffer();
            copy.extend_from_slice(datagram);
            alter(fate, &mut copy);
            // Only where some are overtaken is this another place than the end.
            let place = member.inbound.partition_point(|(other, _)| *other <= at);
            member.inbound.insert(place, (at, copy));
        }
    }

    /// Lets time pass to `now`: everything that reaches a hub by then is handled, and its answers set off.
    pub fn advance(&mut self, now: Moment) {
        while let Some(Reverse((at, hub))) = self.due.peek().copied() {
            if at > now {
                return;
            }
            self.due.pop();
            // An entry may have been overtaken by one that came to lie before it.
            let inbound = &self.members[hub.0 as usize].inbound;
            if inbound.front().is_some_and(|(first, _)| *first <= at) {
                self.run_inbound(now, hub);
            }
        }
    }

    /// Returns a datagram that has arrived at the head-end by `now`, with the hub that sent it.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<(HubId, Vec<u8>)> {
        if self.arrivals.peek()?.0.at > now {
            return None;
        }
        self.arrivals.pop().map(|Reverse(arrival)| (arrival.hub, arrival.datagram))
    }

    /// Returns when the next datagram reaches a hub or the head-end.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let inbound = self.due.peek().map(|Reverse((at, _))| *at);
        let outbound = self.arrivals.peek().map(|Reverse(arrival)| arrival.at);
        inbound.into_iter().chain(outbound).min()
    }

    /// Runs the insides of up to `homes` homes up to `now`, going round; a driver with time to spare calls it, so
    /// that the work of a home does not all fall on the moment when its hub is asked.
    ///
    /// A census tells the truth about `now` after all homes have been settled.
    pub fn settle(&mut self, now: Moment, homes: usize) {
        self.advance(now);
        for _ in 0..homes.min(self.members.len()) {
            let member = &mut self.members[self.next_to_settle];
            member.home.run(now, &mut self.commons);
            self.next_to_settle = (self.next_to_settle + 1) % self.members.len();
        }
    }

    /// Counts what each device runs and has been through, as of when it was last run.
    pub fn census(&self) -> Census {
        Census::take(&self.members, self.traffic)
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
    fn run_inbound(&mut self, now: Moment, hub: HubId) {
        let member = &mut self.members[hub.0 as usize];
        while let Some((at, datagram)) = member.inbound.pop_front_if(|(at, _)| *at <= now) {
            let mut reply = Vec::new();
            member.home.receive_wan(at, &datagram, &mut reply, &mut self.commons);
            if let Some(faults) = &mut member.reply_faults {
                faults.tamper(at, &datagram, &mut reply);
            }
            self.commons.give_back(datagram);
            if reply.is_empty() {
                continue;
            }
            let fate = member.up.judge(at, reply.len());
            self.traffic.up.count(fate, reply.len());
            let Some(at) = fate.arrives_at() else { continue };
            alter(fate, &mut reply);
            let again = (copies(fate) == 2).then(|| reply.clone());
            for datagram in std::iter::once(reply).chain(again) {
                self.sent += 1;
                self.arrivals.push(Reverse(Arrival { at, hub, number: self.sent, datagram }));
            }
        }
        if let Some((at, _)) = member.inbound.front() {
            self.due.push(Reverse((*at, hub)));
        }
    }
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
