//! An engine, its hubs and their lines under virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use transfer_engine::{
    ByteRate, CellId, Engine, EngineConfig, Event, HubId, HubLink, LineRate, Moment, Patience, Priority,
    Release, ReleaseId, Task, Transport,
};
use wire::{Apdu, WanFrame};

use crate::device::Device;
use crate::net::{Direction, Profile};

pub(crate) const START: Moment = Moment::from_micros(1_000_000_000);

/// A datagram on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Moment,
    number: u64,
    hub: u32,
    to_hub: bool,
    /// The address it was sent to, or comes from.
    address: SocketAddr,
    frame: Vec<u8>,
}

pub(crate) struct Member {
    pub(crate) device: Device,
    pub(crate) address: SocketAddr,
    pub(crate) down: Direction,
    pub(crate) up: Direction,
}

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) members: Vec<Member>,
    pub(crate) now: Moment,
    pub(crate) release: ReleaseId,
    pub(crate) image: Bytes,
    pub(crate) events: Vec<(Moment, Event)>,
    /// Everything that was sent: when (µs), how much with headers, to whom, and whether it was blocks.
    pub(crate) sent_log: Vec<(u64, u64, HubId, bool)>,
    flights: BinaryHeap<Reverse<Flight>>,
    random: Pcg64Mcg,
    sent: u64,
}

pub(crate) fn image(len: usize) -> Bytes {
    (0..len).map(|i| (i * 31 % 253) as u8).collect::<Vec<u8>>().into()
}

/// A configuration whose shared budgets never bind.
pub(crate) fn ample() -> EngineConfig {
    EngineConfig { global_rate: ByteRate(1 << 32), patience: Patience::default(), ..EngineConfig::default() }
}

/// Says whether a frame carries a block: one that is a probe is none by the engine's count.
fn is_block(frame: &[u8]) -> bool {
    let apdu = WanFrame::parse_datagram(frame).and_then(|frame| Apdu::parse(frame.apdu));
    matches!(apdu, Ok(Apdu::ActionRequest(action)) if action.method.index == 2)
}

pub(crate) fn address(hub: u32) -> SocketAddr {
    let [_, a, b, c] = hub.to_be_bytes();
    SocketAddr::from(([127, a, b, c], 4_059))
}

impl Rig {
    pub(crate) fn new(config: EngineConfig, image_len: usize, seed: u64) -> Rig {
        Rig::around(Engine::new(config, START), image_len, seed)
    }

    /// A rig around an engine that has no hubs yet.
    pub(crate) fn around(mut engine: Engine, image_len: usize, seed: u64) -> Rig {
        let image = image(image_len);
        let release =
            engine.add_release(Release { identification: Bytes::from_static(b"ours"), bytes: image.clone() });
        Rig {
            engine,
            members: Vec::new(),
            now: START,
            release,
            image,
            events: Vec::new(),
            sent_log: Vec::new(),
            flights: BinaryHeap::new(),
            random: Pcg64Mcg::seed_from_u64(seed),
            sent: 0,
        }
    }

    pub(crate) fn cell(&mut self) -> CellId {
        self.engine.add_cell(ByteRate(1 << 32))
    }

    pub(crate) fn add(
        &mut self,
        cell: CellId,
        transport: Transport,
        rate: LineRate,
        profile: Profile,
        block_size: u32,
    ) -> HubId {
        let address = address(self.members.len() as u32 + 1);
        let hub = self.engine.add_hub(self.now, HubLink { address, transport, cell, rate });
        let (down, up) = (Direction::new(profile), Direction::new(profile));
        self.members.push(Member { device: Device::new(block_size), address, down, up });
        hub
    }

    pub(crate) fn stage(&mut self, hub: HubId) {
        self.stage_before(hub, 0);
    }

    /// Stages an image behind which things take so long.
    pub(crate) fn stage_before(&mut self, hub: HubId, tail_s: u32) {
        let task = Task::Stage { release: self.release, channel: 0, tail_s };
        assert!(self.engine.assign(self.now, hub, task, Priority(0)));
    }

    /// Kills the engine and starts another one that knows the hubs and nothing of what was under way.
    pub(crate) fn restart_engine(&mut self, config: EngineConfig, transport: Transport, rate: LineRate) {
        self.engine = Engine::new(config, self.now);
        let cell = self.engine.add_cell(ByteRate(1 << 32));
        for member in &self.members {
            let link = HubLink { address: member.address, transport, cell, rate };
            self.engine.add_hub(self.now, link);
        }
        let identification = Bytes::from_static(b"ours");
        self.release = self.engine.add_release(Release { identification, bytes: self.image.clone() });
    }

    /// Moves a hub to another address and tells the engine, as the inventory would.
    pub(crate) fn readdress(&mut self, hub: HubId, address: SocketAddr) {
        self.members[hub.0 as usize].address = address;
        self.engine.readdress(self.now, hub, address);
    }

    /// Runs until a moment or until nothing more can happen.
    pub(crate) fn run_until(&mut self, until: Moment) {
        loop {
            self.settle();
            let flight = self.flights.peek().map(|Reverse(flight)| flight.at);
            let next = [self.engine.poll_timeout(), flight].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = next.max(self.now + Duration::from_micros(1));
        }
        self.now = until;
    }

    /// Runs until so many tasks have ended; panics after a day.
    pub(crate) fn run_to_events(&mut self, events: usize) {
        let limit = self.now + Duration::from_secs(2 * 86_400);
        while self.events.len() < events {
            self.settle();
            if self.events.len() >= events {
                return;
            }
            let flight = self.flights.peek().map(|Reverse(flight)| flight.at);
            let next = [self.engine.poll_timeout(), flight].into_iter().flatten().min();
            let next = next.expect("something is still to happen");
            assert!(next < limit, "no end within two days");
            self.now = next.max(self.now + Duration::from_micros(1));
        }
    }

    fn settle(&mut self) {
        while self.flights.peek().is_some_and(|Reverse(flight)| flight.at <= self.now) {
            let Some(Reverse(flight)) = self.flights.pop() else { break };
            self.arrive(flight);
        }
        while let Some(transmit) = self.engine.poll_transmit(self.now) {
            let datagrams = transmit.contents.len().div_ceil(transmit.segment);
            let bytes = (transmit.contents.len() + datagrams * 28) as u64;
            let blocks = transmit.blocks > 0 || is_block(&transmit.contents);
            self.sent_log.push((self.now.as_micros(), bytes, transmit.hub, blocks));
            for frame in transmit.contents.chunks(transmit.segment) {
                self.launch(transmit.hub.0, true, transmit.address, frame.to_vec());
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push((self.now, event));
        }
    }

    fn arrive(&mut self, flight: Flight) {
        let member = &mut self.members[flight.hub as usize];
        if !flight.to_hub {
            match self.engine.hub_at(flight.address) {
                Some(hub) => self.engine.handle_frame(self.now, hub, &flight.frame),
                None => self.engine.handle_datagram(self.now, flight.address, &flight.frame),
            }
            return;
        }
        // Whoever moved is not at the old address any more.
        if member.address != flight.address {
            return;
        }
        if let Some(reply) = member.device.serve(&flight.frame) {
            let from = member.address;
            self.launch(flight.hub, false, from, reply);
        }
    }

    fn launch(&mut self, hub: u32, to_hub: bool, address: SocketAddr, frame: Vec<u8>) {
        let member = &mut self.members[hub as usize];
        let direction = if to_hub { &mut member.down } else { &mut member.up };
        for at in direction.carry(&mut self.random, self.now, frame.len()) {
            self.sent += 1;
            let frame = frame.clone();
            self.flights.push(Reverse(Flight { at, number: self.sent, hub, to_hub, address, frame }));
        }
    }
}
