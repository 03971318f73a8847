//! The engine: many sessions under shared budgets, polled by its driver.
//!
//! Four kinds of call, as in other sans-I/O cores: *commands* (`add_hub`, `assign`), *inputs*
//! (`handle_datagram`, `handle_frame`, `handle_disconnect`), *outputs* (`poll_transmit`, `poll_event`) and
//! `poll_timeout`. After any command or input the driver polls outputs until they are `None`, then waits
//! for a datagram or for the moment `poll_timeout` names.
//!
//! ```text
//!   timers ──due──► cell A: ready ┐            ┌ cell budget ┐
//!   answers ───────► cell B: ready ┼─ best first ┤             ├─► global budget ─► Transmit
//!                    cell C: (shut)┘            └ refused: the cell is shut until …
//! ```
//!
//! Cost sketch: a block is one slice of a shared buffer, two ordered-set moves and a subtraction from two
//! leases. Nothing is allocated for it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use wire::{Apdu, WanFrame};

use crate::budget::{Budget, ByteRate, DATAGRAM_OVERHEAD, EngineClock};
use crate::release::{Release, ReleaseId, Releases};
use crate::session::{
    CONTROL_ALLOWANCE, Ending, Heard, HubLink, Patience, Session, Surroundings, Transport, Want,
};
use crate::task::{Event, Priority, Task};
use crate::{HubId, Moment};

/// A radio cell: hubs that share one budget. A dense index given by [`Engine::add_cell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub u32);

/// How the engine is set up.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// What the whole head-end may send, headers included.
    pub global_rate: ByteRate,
    /// The longest train of blocks to one hub in one transmit; trains also never hold more than 50 ms of
    /// the hub's line.
    pub train: u32,
    /// How much time of a rate may be made up for at once, by budgets and by lines. Less loses throughput when
    /// the thread is off the processor, more overshoots a sliding window by as much (measured: 20 to 50 ms give
    /// under 0.1 % error a second). A clock that jumps needs as much as it jumps.
    pub burst: Duration,
    /// Waiting times of requests.
    pub patience: Patience,
}

impl Default for EngineConfig {
    fn default() -> EngineConfig {
        EngineConfig {
            global_rate: ByteRate(1_000_000),
            train: 16,
            burst: Duration::from_millis(50),
            patience: Patience::default(),
        }
    }
}

/// Datagrams to one hub: `contents` is cut every `segment` bytes, the last may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which hub.
    pub hub: HubId,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is reached.
    pub transport: Transport,
    /// One or more frames of equal length, side by side.
    pub contents: Bytes,
    /// The length of one frame, bytes.
    pub segment: usize,
    /// How many of them are image blocks.
    pub blocks: u32,
}

/// What the engine has counted since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes sent, IP and UDP headers included.
    pub bytes_sent: u64,
    /// Image blocks sent.
    pub blocks_sent: u64,
    /// Requests sent.
    pub requests_sent: u64,
    /// Frames heard.
    pub frames_heard: u64,
    /// Datagrams from addresses that are no hub of ours.
    pub strangers: u64,
    /// Frames that do not parse.
    pub malformed: u64,
    /// Answers that nobody waited for.
    pub stale: u64,
}

/// A place in the order of sending: requests before blocks, then priority, then who waits longest.
type Rank = (bool, Priority, Moment, HubId);

#[derive(Debug)]
struct Cell {
    budget: Budget,
    ready: BTreeSet<Rank>,
    /// Shut until then, because its budget refused.
    shut_until: Option<Moment>,
    /// Its entry in the engine's `open` set.
    listed: Option<Rank>,
}

/// Where a session stands in the engine's queues.
#[derive(Clone, Copy, Debug)]
enum Place {
    Nowhere,
    Timer(Moment),
    Ready(Rank),
}

/// The transfer engine. See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    start: Moment,
    clock: EngineClock,
    global: Budget,
    global_shut_until: Option<Moment>,
    cells: Vec<Cell>,
    open: BTreeSet<(Rank, CellId)>,
    cell_timers: BTreeSet<(Moment, CellId)>,
    sessions: Vec<Session>,
    places: Vec<Place>,
    addresses: HashMap<SocketAddr, HubId>,
    timers: BTreeSet<(Moment, HubId)>,
    releases: Releases,
    events: VecDeque<Event>,
    counters: Counters,
}

/// The largest single charge: a full train is made of at most this many bytes or one block.
const LARGEST_CHARGE: usize = 8_192 + 64 + DATAGRAM_OVERHEAD;

impl Engine {
    /// Makes an engine with no hubs.
    pub fn new(config: EngineConfig, now: Moment) -> Engine {
        let clock = EngineClock::default();
        Engine {
            config,
            start: now,
            global: Budget::new(config.global_rate, config.burst, LARGEST_CHARGE, clock.clone()),
            clock,
            global_shut_until: None,
            cells: Vec::new(),
            open: BTreeSet::new(),
            cell_timers: BTreeSet::new(),
            sessions: Vec::new(),
            places: Vec::new(),
            addresses: HashMap::new(),
            timers: BTreeSet::new(),
            releases: Releases::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Adds a radio cell with its own budget.
    pub fn add_cell(&mut self, rate: ByteRate) -> CellId {
        let budget = Budget::new(rate, self.config.burst, LARGEST_CHARGE, self.clock.clone());
        self.cells.push(Cell { budget, ready: BTreeSet::new(), shut_until: None, listed: None });
        CellId(self.cells.len() as u32 - 1)
    }

    /// Adds a hub in a cell that exists. Two hubs cannot share an address: the later one takes it.
    pub fn add_hub(&mut self, now: Moment, link: HubLink) -> HubId {
        assert!((link.cell.0 as usize) < self.cells.len(), "the cell was added before");
        let hub = HubId(self.sessions.len() as u32);
        self.addresses.insert(link.address, hub);
        self.sessions.push(Session::new(link, now));
        self.places.push(Place::Nowhere);
        hub
    }

    /// Adds an image to be sent.
    pub fn add_release(&mut self, release: Release) -> ReleaseId {
        self.releases.add(release)
    }

    /// Gives a hub something to do; `false` when too much waits there already or the release is unknown.
    pub fn assign(&mut self, now: Moment, hub: HubId, task: Task, priority: Priority) -> bool {
        if let Task::Stage { release, .. } = task
            && !self.releases.contains(release)
        {
            return false;
        }
        let accepted = self.sessions[hub.0 as usize].assign(now, task, priority);
        self.refresh(now, hub);
        accepted
    }

    /// Takes back everything that was assigned to a hub; these tasks end without an event.
    pub fn abandon(&mut self, now: Moment, hub: HubId) -> Vec<Task> {
        let tasks = self.sessions[hub.0 as usize].abandon();
        self.refresh(now, hub);
        tasks
    }

    /// Takes the news that a hub listens elsewhere now: from whoever keeps the inventory, never from a datagram, as
    /// anybody can send those. What is under way goes on from what the hub holds.
    pub fn readdress(&mut self, now: Moment, hub: HubId, address: SocketAddr) {
        let session = &mut self.sessions[hub.0 as usize];
        let old = session.link.address;
        if old == address {
            return;
        }
        let ending = session.readdress(now, address, &self.config.patience);
        if self.addresses.get(&old) == Some(&hub) {
            self.addresses.remove(&old);
        }
        self.addresses.insert(address, hub);
        if let Some(ending) = ending {
            self.end(hub, ending);
        }
        self.refresh(now, hub);
    }

    /// Returns the hub that listens at an address.
    pub fn hub_at(&self, address: SocketAddr) -> Option<HubId> {
        self.addresses.get(&address).copied()
    }

    /// Takes one datagram. Whoever is not a hub of ours is counted and ignored.
    pub fn handle_datagram(&mut self, now: Moment, from: SocketAddr, datagram: &[u8]) {
        match self.hub_at(from) {
            Some(hub) => self.handle_frame(now, hub, datagram),
            None => self.counters.strangers += 1,
        }
    }

    /// Takes one wrapper frame from a hub, as cut out of its stream or datagram.
    pub fn handle_frame(&mut self, now: Moment, hub: HubId, frame: &[u8]) {
        self.counters.frames_heard += 1;
        let parsed = WanFrame::parse_datagram(frame).and_then(|frame| Apdu::parse(frame.apdu));
        let Ok(apdu) = parsed else {
            self.counters.malformed += 1;
            return;
        };
        let mut around = Surroundings {
            releases: &mut self.releases,
            patience: &self.config.patience,
            train: self.config.train,
            burst: self.config.burst,
        };
        match self.sessions[hub.0 as usize].hear(now, &apdu, &mut around) {
            Heard::Stale => self.counters.stale += 1,
            Heard::Moved => {}
            Heard::Ended(ending) => self.end(hub, ending),
        }
        self.refresh(now, hub);
    }

    /// Takes the news that the stream to a hub broke.
    pub fn handle_disconnect(&mut self, now: Moment, hub: HubId) {
        let patience = self.config.patience;
        if let Some(ending) = self.sessions[hub.0 as usize].disconnected(now, &patience) {
            self.end(hub, ending);
        }
        self.refresh(now, hub);
    }

    /// Returns what to send next, if anything may be sent now.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        self.clock.set(now, self.start);
        self.wake(now);
        if self.global_shut_until.is_some_and(|until| until > now) {
            return None;
        }
        self.global_shut_until = None;
        while let Some(&(rank, cell)) = self.open.first() {
            let hub = rank.3;
            let Want::Send { bytes, .. } = self.sessions[hub.0 as usize].want(now, self.config.train) else {
                self.refresh(now, hub);
                continue;
            };
            if let Err(until) = self.cells[cell.0 as usize].budget.ensure(now, bytes) {
                self.cells[cell.0 as usize].shut_until = Some(until);
                self.cell_timers.insert((until, cell));
                self.list(cell);
                continue;
            }
            if let Err(until) = self.global.ensure(now, bytes) {
                self.global_shut_until = Some(until);
                return None;
            }
            return Some(self.transmit(now, hub, cell));
        }
        None
    }

    fn transmit(&mut self, now: Moment, hub: HubId, cell: CellId) -> Transmit {
        let mut around = Surroundings {
            releases: &mut self.releases,
            patience: &self.config.patience,
            train: self.config.train,
            burst: self.config.burst,
        };
        let session = &mut self.sessions[hub.0 as usize];
        let emission = session.emit(now, &mut around);
        let link = session.link;
        self.cells[cell.0 as usize].budget.spend(emission.bytes);
        self.global.spend(emission.bytes);
        self.counters.bytes_sent += emission.bytes as u64;
        self.counters.blocks_sent += u64::from(emission.blocks);
        self.counters.requests_sent += u64::from(emission.blocks == 0);
        self.refresh(now, hub);
        Transmit {
            hub,
            address: link.address,
            transport: link.transport,
            contents: emission.contents,
            segment: emission.segment,
            blocks: emission.blocks,
        }
    }

    /// Returns the next end of a task.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when the engine wants to be polled again although nothing was heard.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let sending = match (self.open.is_empty(), self.global_shut_until) {
            (true, _) => None,
            (false, Some(until)) => Some(until),
            (false, None) => Some(self.start),
        };
        let timer = self.timers.first().map(|(at, _)| *at);
        let cell = self.cell_timers.first().map(|(at, _)| *at);
        [sending, timer, cell].into_iter().flatten().min()
    }

    /// Returns what was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns how many hubs have a task under way.
    pub fn busy_hubs(&self) -> usize {
        self.sessions.iter().filter(|session| !session.is_idle()).count()
    }

    fn end(&mut self, hub: HubId, (task, result): Ending) {
        self.events.push_back(Event { hub, task, result });
    }

    /// Moves what is due from the timers to the cells' ready lists.
    fn wake(&mut self, now: Moment) {
        while let Some(&(at, hub)) = self.timers.first()
            && at <= now
        {
            let patience = self.config.patience;
            if let Some(ending) = self.sessions[hub.0 as usize].expire(now, &patience) {
                self.end(hub, ending);
            }
            self.refresh(now, hub);
        }
        while let Some(&(at, cell)) = self.cell_timers.first()
            && at <= now
        {
            self.cell_timers.pop_first();
            self.cells[cell.0 as usize].shut_until = None;
            self.list(cell);
        }
    }

    /// Puts a session where it belongs now.
    fn refresh(&mut self, now: Moment, hub: HubId) {
        let index = hub.0 as usize;
        let cell = self.sessions[index].link.cell;
        match self.places[index] {
            Place::Nowhere => {}
            Place::Timer(at) => {
                self.timers.remove(&(at, hub));
            }
            Place::Ready(rank) => {
                self.cells[cell.0 as usize].ready.remove(&rank);
            }
        }
        let was_ready = matches!(self.places[index], Place::Ready(_));
        self.places[index] = match self.sessions[index].want(now, self.config.train) {
            Want::Nothing => Place::Nowhere,
            Want::Wait(at) => {
                // A wait that is over already is looked at again in the next poll.
                self.timers.insert((at, hub));
                Place::Timer(at)
            }
            Want::Send { blocks, priority, .. } => {
                let rank = (blocks, priority, now, hub);
                self.cells[cell.0 as usize].ready.insert(rank);
                Place::Ready(rank)
            }
        };
        if was_ready || matches!(self.places[index], Place::Ready(_)) {
            self.list(cell);
        }
    }

    /// Brings a cell's entry among the open cells up to date.
    fn list(&mut self, cell: CellId) {
        let state = &mut self.cells[cell.0 as usize];
        if let Some(rank) = state.listed.take() {
            self.open.remove(&(rank, cell));
        }
        if state.shut_until.is_none()
            && let Some(&rank) = state.ready.first()
        {
            state.listed = Some(rank);
            self.open.insert((rank, cell));
        }
    }
}

// A request must fit the largest single charge, or a small budget could never grant it.
const _: () = assert!(CONTROL_ALLOWANCE <= LARGEST_CHARGE);
