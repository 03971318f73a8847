//! The sender: the engine on the head-end's own wires, in the head-end's own loop.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet::hub_address;
use head_end::{Clock, Incoming, WallClock, Wires};
use transfer_engine::{
    ByteRate, CellId, Engine, EngineConfig, HubId, HubLink, LineRate, Priority, Release, ReleaseId, Task,
    Transport,
};

use crate::machine::cpu_time;

/// Trains sent in one turn, as in the head-end.
const TRAINS_PER_TURN: usize = 128;

/// Hubs of one cell.
const PER_CELL: u32 = 1_000;

/// The longest wait when nothing is due.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Processor time, blocks and real time at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    cpu: Duration,
    blocks: u64,
    at: Instant,
}

/// What lies between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Processor time for each block, nanoseconds.
    pub ns_per_block: f64,
    /// Blocks for each second of real time.
    pub blocks_per_second: f64,
    /// Blocks.
    pub blocks: u64,
}

impl Reading {
    /// Returns what was spent from this reading to a later one; nothing when no block was sent.
    pub fn until(&self, later: &Reading) -> Option<Spent> {
        let blocks = later.blocks.checked_sub(self.blocks).filter(|blocks| *blocks > 0)?;
        let cpu = later.cpu.saturating_sub(self.cpu).as_nanos() as f64;
        let elapsed = later.at.duration_since(self.at).as_secs_f64();
        Some(Spent {
            ns_per_block: cpu / blocks as f64,
            blocks_per_second: blocks as f64 / elapsed.max(1e-9),
            blocks,
        })
    }
}

/// An engine with its hubs, on real wires.
pub struct Sender {
    engine: Engine,
    wires: Wires,
    clock: WallClock,
    has_block: Vec<bool>,
    /// Hubs that were sent a block since the last beginning.
    pub flowing: usize,
    /// Tasks that ended well, and not.
    pub done: usize,
    pub failed: usize,
    /// When all hubs flowed, and when the first of them was asked something again.
    all_flow: Option<Reading>,
    first_stops: Option<Reading>,
    /// Trains with blocks.
    pub trains: u64,
}

impl Sender {
    /// Opens the wires and adds the hubs that listen at `port`.
    pub fn open(
        hubs: u32,
        port: u16,
        transport: Transport,
        line: ByteRate,
        global: ByteRate,
    ) -> std::io::Result<Sender> {
        let clock = WallClock::start();
        let mut engine = Engine::new(EngineConfig { global_rate: global, ..Default::default() }, clock.now());
        let cells: Vec<CellId> = (0..hubs.div_ceil(PER_CELL)).map(|_| engine.add_cell(global)).collect();
        for hub in 0..hubs {
            let address = SocketAddr::from((hub_address(HubId(hub)), port));
            let (cell, rate) = (cells[(hub / PER_CELL) as usize], LineRate::Fixed(line));
            engine.add_hub(clock.now(), HubLink { address, transport, cell, rate });
        }
        Ok(Sender {
            engine,
            wires: Wires::open(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?,
            clock,
            has_block: vec![false; hubs as usize],
            flowing: 0,
            done: 0,
            failed: 0,
            all_flow: None,
            first_stops: None,
            trains: 0,
        })
    }

    /// Adds an image of so many blocks of 1 KiB; `name` tells it from others.
    pub fn add_image(&mut self, name: u8, blocks: u32) -> ReleaseId {
        let bytes: Vec<u8> = (0..blocks * crate::hubs::BLOCK).map(|index| (index % 251) as u8).collect();
        let identification = Bytes::copy_from_slice(&[name; 32]);
        self.engine.add_release(Release { identification, bytes: bytes.into() })
    }

    /// Forgets what was counted before.
    pub fn begin(&mut self) {
        self.has_block.fill(false);
        (self.flowing, self.done, self.failed) = (0, 0, 0);
        (self.all_flow, self.first_stops) = (None, None);
        self.trains = 0;
    }

    /// Gives tasks to a range of hubs.
    pub fn assign(&mut self, hubs: std::ops::Range<u32>, task: &Task) {
        let now = self.clock.now();
        for hub in hubs {
            let accepted = self.engine.assign(now, HubId(hub), task.clone(), Priority::default());
            assert!(accepted, "a hub has one task at a time here");
        }
    }

    /// Drops whatever is under way.
    pub fn abandon_all(&mut self) {
        let now = self.clock.now();
        for hub in 0..self.has_block.len() as u32 {
            self.engine.abandon(now, HubId(hub));
        }
    }

    /// Returns what was spent while all hubs flowed and none did anything else.
    pub fn spent_flowing(&self) -> Option<Spent> {
        self.all_flow?.until(&self.first_stops?)
    }

    /// Reads processor time, blocks and clock.
    pub fn reading(&self) -> Reading {
        Reading { cpu: cpu_time(), blocks: self.engine.counters().blocks_sent, at: Instant::now() }
    }

    /// Runs until `enough` says so or the time is over; says which of them it was.
    pub async fn run(&mut self, most: Duration, mut enough: impl FnMut(&mut Sender) -> bool) -> bool {
        let deadline = Instant::now() + most;
        loop {
            if enough(self) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            self.turn().await;
        }
    }

    /// One turn of the head-end's loop: send what may be sent, take in what is there, or wait.
    async fn turn(&mut self) {
        let now = self.clock.now();
        let mut all_sent = false;
        for _ in 0..TRAINS_PER_TURN {
            let Some(transmit) = self.engine.poll_transmit(now) else {
                all_sent = true;
                break;
            };
            self.note(transmit.hub, transmit.blocks);
            self.wires.send(&transmit).await;
        }
        while let Some(event) = self.engine.poll_event() {
            match event.result {
                Ok(_) => self.done += 1,
                Err(_) => self.failed += 1,
            }
        }
        let (now, engine) = (self.clock.now(), &mut self.engine);
        let heard = self.wires.take_in(|incoming| match incoming {
            Incoming::Datagram(from, datagram) => engine.handle_datagram(now, from, datagram),
            Incoming::Frame(hub, frame) => engine.handle_frame(now, hub, frame),
            Incoming::Disconnected(hub) => engine.handle_disconnect(now, hub),
        });
        if !all_sent || heard {
            return tokio::task::yield_now().await;
        }
        let wait = self.engine.poll_timeout().map_or(LONGEST_WAIT, |at| self.clock.wait_until(at));
        tokio::select! {
            biased;
            () = self.wires.ready() => {}
            () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => {}
        }
    }

    fn note(&mut self, hub: HubId, blocks: u32) {
        if blocks == 0 {
            if self.all_flow.is_some() && self.first_stops.is_none() {
                self.first_stops = Some(self.reading());
            }
            return;
        }
        self.trains += 1;
        if !std::mem::replace(&mut self.has_block[hub.0 as usize], true) {
            self.flowing += 1;
            if self.flowing == self.has_block.len() {
                self.all_flow = Some(self.reading());
            }
        }
    }
}
