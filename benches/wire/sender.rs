//! The sender: the engine on the head-end's own wires, in the head-end's own loop.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet::hub_address;
use head_end::{Clock, Incoming, WallClock, Wires};
use transfer_engine::{
    ByteRate, CellId, Engine, EngineConfig, HubId, HubLink, LineRate, Priority, Release, ReleaseId, Task,
    Transport,
};

use crate::machine::{cpu_time, thread_time};

/// Trains sent in one turn by each thread that sends, as in the head-end.
const TRAINS_PER_TURN: usize = 128;

/// Hubs of one cell: all of a row, so that the shared budget serves them in turn.
const PER_CELL: u32 = 40_000;

/// The longest wait when nothing is due.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Processor time, blocks and real time at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    cpu: Duration,
    driver: Duration,
    blocks: u64,
    at: Instant,
}

/// What lies between two readings.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Processor time for each block, nanoseconds.
    pub ns_per_block: f64,
    /// What of it the thread took that decides.
    pub driver_ns_per_block: f64,
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
        let driver = later.driver.saturating_sub(self.driver).as_nanos() as f64;
        let elapsed = later.at.duration_since(self.at).as_secs_f64();
        Some(Spent {
            ns_per_block: cpu / blocks as f64,
            driver_ns_per_block: driver / blocks as f64,
            blocks_per_second: blocks as f64 / elapsed.max(1e-9),
            blocks,
        })
    }
}

/// The lines to all hubs.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    pub rate: ByteRate,
    /// What a train may take of it.
    pub burst: Duration,
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
    /// Blocks sent since the beginning, and how many of them are in the middle: from a quarter to three quarters.
    sent: u64,
    middle: std::ops::Range<u64>,
    middle_began: Option<Reading>,
    middle_ended: Option<Reading>,
    /// Hubs that flowed when the middle began.
    pub flowing_by_then: usize,
    /// Trains with blocks.
    pub trains: u64,
}

impl Sender {
    /// Opens the wires, with so many threads that send, and adds the hubs that listen at `port`.
    pub fn open(
        (hubs, port): (u32, u16),
        transport: Transport,
        lines: Lines,
        global: ByteRate,
        threads: NonZeroUsize,
    ) -> std::io::Result<Sender> {
        let clock = WallClock::start();
        let config = EngineConfig { global_rate: global, line_burst: lines.burst, ..Default::default() };
        let mut engine = Engine::new(config, clock.now());
        let cells: Vec<CellId> = (0..hubs.div_ceil(PER_CELL)).map(|_| engine.add_cell(global)).collect();
        for hub in 0..hubs {
            let address = SocketAddr::from((hub_address(HubId(hub)), port));
            let (cell, rate) = (cells[(hub / PER_CELL) as usize], LineRate::Fixed(lines.rate));
            engine.add_hub(clock.now(), HubLink { address, transport, cell, rate });
        }
        Ok(Sender {
            engine,
            wires: Wires::open_with(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), threads)?,
            clock,
            has_block: vec![false; hubs as usize],
            flowing: 0,
            done: 0,
            failed: 0,
            sent: 0,
            middle: 0..0,
            middle_began: None,
            middle_ended: None,
            flowing_by_then: 0,
            trains: 0,
        })
    }

    /// Adds an image of so many blocks of 1 KiB; `name` tells it from others.
    pub fn add_image(&mut self, name: u8, blocks: u32) -> ReleaseId {
        let bytes: Vec<u8> = (0..blocks * crate::hubs::BLOCK).map(|index| (index % 251) as u8).collect();
        let identification = Bytes::copy_from_slice(&[name; 32]);
        self.engine.add_release(Release { identification, bytes: bytes.into() })
    }

    /// Forgets what was counted before; so many blocks are going to be sent.
    pub fn begin(&mut self, blocks: u64) {
        self.has_block.fill(false);
        (self.flowing, self.done, self.failed) = (0, 0, 0);
        (self.middle_began, self.middle_ended) = (None, None);
        (self.sent, self.trains, self.flowing_by_then) = (0, 0, 0);
        self.middle = blocks / 4..blocks * 3 / 4;
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

    /// Returns what was spent for the middle half of the blocks, when hardly anything but blocks flows.
    pub fn spent_in_the_middle(&self) -> Option<Spent> {
        self.middle_began?.until(&self.middle_ended?)
    }

    /// Reads processor time, blocks and clock.
    pub fn reading(&self) -> Reading {
        let blocks = self.engine.counters().blocks_sent;
        Reading { cpu: cpu_time(), driver: thread_time(), blocks, at: Instant::now() }
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

    /// One turn of the head-end's loop: take in what is there, send what may be sent, and wait.
    async fn turn(&mut self) {
        let (now, engine) = (self.clock.now(), &mut self.engine);
        let more = self.wires.take_in(|incoming| match incoming {
            Incoming::Datagram(from, datagram) => engine.handle_datagram(now, from, datagram),
            Incoming::Frames(hub, frames) => engine.handle_frames(now, hub, frames),
            Incoming::Disconnected(hub) => engine.handle_disconnect(now, hub),
        });
        let now = self.clock.now();
        let mut all_sent = false;
        for _ in 0..TRAINS_PER_TURN * self.wires.sending_threads() {
            let Some(transmit) = self.engine.poll_transmit(now) else {
                all_sent = true;
                break;
            };
            self.note(transmit.hub, transmit.blocks);
            self.wires.send(&transmit).await;
        }
        self.wires.flush().await;
        while let Some(event) = self.engine.poll_event() {
            match event.result {
                Ok(_) => self.done += 1,
                Err(_) => self.failed += 1,
            }
        }
        if !all_sent || more {
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
            return;
        }
        self.trains += 1;
        self.flowing += usize::from(!std::mem::replace(&mut self.has_block[hub.0 as usize], true));
        self.sent += u64::from(blocks);
        if self.middle_began.is_none() && self.sent >= self.middle.start {
            self.middle_began = Some(self.reading());
            self.flowing_by_then = self.flowing;
        }
        if self.middle_ended.is_none() && self.sent >= self.middle.end {
            self.middle_ended = Some(self.reading());
        }
    }
}
