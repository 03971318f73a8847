//! The engine: many sessions under shared budgets, polled by its driver.
//!
//! Four kinds of call, as in other sans-I/O cores: *commands* (`add_hub`, `assign`), *inputs*
//! (`handle_datagram`, `handle_frame`, `handle_disconnect`), *outputs* (`poll_transmit`, `poll_event`) and
//! `poll_timeout`. After any command or input the driver polls outputs until they are `None`, then waits
//! for a datagram or for the moment `poll_timeout` names.
//!
//! ```text
//!   wheel ──due──► cell A: ready ┐ buckets ┌ carrier ┐ buckets
//!   answers ─────► cell B: ready ┼─────────┤         ├────────► budgets ─► Transmit
//!                  cell C: (shut)┘         └ carrier ┘           └ refused: that level is shut until …
//! ```
//!
//! Sketch at a million hubs, each at 40 kbit/s: 4.6 million blocks a second would be 4.9 GB/s, so one core is far
//! from the wire's end and the figure that counts is the cost of a block. It is a slice of a shared buffer, the
//! ends of two lists, a search of two words of a bitmap, six subtractions from leases and one division for the pace: 100
//! to 200 instructions. Nothing is allocated or locked for it. It needs six lines of memory that are the hub's own (four
//! of its session, its place in the queues, its pace and cell), which at that size are never at hand: so hubs that are due are
//! looked at in batches, whose lines are fetched together, and send before the next batch is looked at.
//! Memory per hub: a session of 248 B (sketched there, asserted), 12 B of links and place, 6 B of timer, 8 B of pace
//! and cell and 4 B of armour, 10 B of directory; an image under repair adds a bit per block.

mod directory;
mod protecting;
mod sending;
mod setup;

use std::collections::VecDeque;
use std::net::SocketAddr;

use wire::{Apdu, WanFrame};

use crate::armour::{Armour, ModelId};
use crate::budget::{BudgetPlan, Budgets, CarrierId, CarrierPlan, CellId, DATAGRAM_OVERHEAD, Pacer};
use crate::queue::{Bucket, Links, ReadyQueue, Wheel};
use crate::release::{Release, ReleaseId, Releases};
use crate::session::{Ending, Heard, HubLink, Session, Surroundings, Trains};
use crate::task::{Event, Fault, Priority, Task};
use crate::{HubId, Moment};
pub(crate) use directory::Address;
use directory::Directory;
use sending::{Door, Due};
pub use setup::{CellTraffic, Counters, EngineConfig, SessionState, Transmit};

/// A cell's hubs that are ready, and its own place in its carrier's order.
#[derive(Debug)]
struct Cell {
    carrier: CarrierId,
    ready: ReadyQueue,
    door: Door,
    /// Where it stands among its carrier's cells.
    listed: Option<Bucket>,
    /// A timer will open its door again.
    timed: bool,
    traffic: CellTraffic,
}

#[derive(Debug)]
struct Carrier {
    cells: ReadyQueue,
    door: Door,
}

/// The transfer engine. See the module's documentation.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    trains: Trains,
    start: Moment,
    budgets: Budgets,
    pacer: Pacer<CellId>,
    armour: Armour,
    global_door: Door,
    carriers: Vec<Carrier>,
    /// Whose turn it is among carriers that stand alike.
    next_carrier: usize,
    cells: Vec<Cell>,
    cell_links: Links,
    cell_timer_links: Links,
    cell_timers: Wheel,
    sessions: Vec<Session>,
    links: Links,
    timers: Wheel,
    due: Due,
    busy: usize,
    directory: Directory,
    releases: Releases,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Engine {
    /// Makes an engine with no hubs that has its budgets to itself.
    pub fn new(config: EngineConfig, now: Moment) -> Engine {
        Engine::with_budgets(config, Budgets::new(config.budget_rules(), now), now)
    }

    /// Makes an engine with no hubs that shares budgets with others, each on its core and with its own hubs: see
    /// [`Budgets::share`]. The carriers and cells of the budgets are those of the engine.
    pub fn with_budgets(config: EngineConfig, budgets: Budgets, now: Moment) -> Engine {
        let mut engine = Engine {
            trains: config.trains(),
            config,
            start: now,
            pacer: Pacer::new(now),
            armour: Armour::new(config.armour, now),
            global_door: Door::default(),
            carriers: Vec::new(),
            next_carrier: 0,
            cells: Vec::new(),
            cell_links: Links::default(),
            cell_timer_links: Links::default(),
            cell_timers: Wheel::new(now),
            sessions: Vec::new(),
            links: Links::default(),
            timers: Wheel::new(now),
            due: Due::default(),
            busy: 0,
            directory: Directory::default(),
            releases: Releases::default(),
            events: VecDeque::new(),
            counters: Counters::default(),
            budgets,
        };
        for _ in 0..engine.budgets.carriers() {
            engine.carriers.push(Carrier { cells: ReadyQueue::new(), door: Door::default() });
        }
        for cell in 0..engine.budgets.cells() {
            engine.enter_cell(CellId(cell));
        }
        engine
    }

    /// Adds a carrier, or one SIM pool of it, with its own rate and cap.
    pub fn add_carrier(&mut self, now: Moment, plan: CarrierPlan) -> CarrierId {
        self.carriers.push(Carrier { cells: ReadyQueue::new(), door: Door::default() });
        self.budgets.add_carrier(now, plan)
    }

    /// Adds a radio cell with its own budget, of the carrier that never binds.
    pub fn add_cell(&mut self, plan: impl Into<BudgetPlan>) -> CellId {
        self.add_cell_of(self.start, CarrierId(0), plan)
    }

    /// Adds a radio cell of a carrier with its own budget.
    pub fn add_cell_of(&mut self, now: Moment, carrier: CarrierId, plan: impl Into<BudgetPlan>) -> CellId {
        let cell = self.budgets.add_cell(now, carrier, plan.into());
        self.enter_cell(cell);
        cell
    }

    fn enter_cell(&mut self, cell: CellId) {
        let carrier = self.budgets.carrier_of(cell);
        self.cell_links.add();
        self.cell_timer_links.add();
        let (ready, door) = (ReadyQueue::new(), Door::default());
        self.cells.push(Cell {
            carrier,
            ready,
            door,
            listed: None,
            timed: false,
            traffic: CellTraffic::default(),
        });
    }

    /// Adds a hub in a cell that exists. Two hubs cannot share an address: the later one takes it.
    pub fn add_hub(&mut self, now: Moment, link: HubLink) -> HubId {
        assert!((link.cell.0 as usize) < self.cells.len(), "the cell was added before");
        let hub = HubId(self.sessions.len() as u32);
        // Any number that another run would not have: the time, spread by the golden ratio.
        let first_invoke = (now.as_micros().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as u8;
        let address = self.directory.keep(hub, link.address);
        self.sessions.push(Session::new(link, address, first_invoke));
        self.links.add();
        self.pacer.add(link.cell);
        self.armour.add();
        let sessions = &self.sessions;
        self.directory.insert(hub, link.address, |hub| sessions[hub as usize].address);
        hub
    }

    /// Says of which model a hub is: models that flood us are left alone as a whole.
    pub fn set_model(&mut self, hub: HubId, model: ModelId) {
        self.sessions[hub.0 as usize].model = model;
    }

    /// Adds an image to be sent.
    pub fn add_release(&mut self, release: Release) -> ReleaseId {
        self.releases.add(release)
    }

    /// Gives a hub something to do; `false` when too much waits there already or the release is unknown.
    pub fn assign(&mut self, now: Moment, hub: HubId, task: Task, priority: Priority) -> bool {
        let bytes = match task {
            Task::Stage { release, .. } if !self.releases.contains(release) => return false,
            Task::Stage { release, .. } => self.releases.release(release).bytes.len(),
            _ => 0,
        };
        let session = &mut self.sessions[hub.0 as usize];
        let was_idle = session.is_idle();
        let accepted = session.assign(now, task, priority, u32::try_from(bytes).unwrap_or(u32::MAX));
        self.busy += usize::from(was_idle && accepted);
        self.refresh(now, hub);
        accepted
    }

    /// Takes back everything that was assigned to a hub; these tasks end without an event.
    pub fn abandon(&mut self, now: Moment, hub: HubId) -> Vec<Task> {
        let session = &mut self.sessions[hub.0 as usize];
        self.busy -= usize::from(!session.is_idle());
        let tasks = session.abandon();
        self.refresh(now, hub);
        tasks
    }

    /// Takes the news that a hub listens elsewhere now: from whoever keeps the inventory, never from a datagram, as
    /// anybody can send those. What is under way goes on from what the hub holds.
    pub fn readdress(&mut self, now: Moment, hub: HubId, address: SocketAddr) {
        let old = self.directory.resolve(hub, self.sessions[hub.0 as usize].address);
        if old == address {
            return;
        }
        self.directory.remove(hub, old);
        let kept = self.directory.keep(hub, address);
        let ending = self.sessions[hub.0 as usize].readdress(now, kept, &self.config.patience);
        let sessions = &self.sessions;
        self.directory.insert(hub, address, |hub| sessions[hub as usize].address);
        if let Some(ending) = ending {
            self.end(hub, ending);
        }
        self.refresh(now, hub);
    }

    /// Returns the hub that listens at an address.
    pub fn hub_at(&self, address: SocketAddr) -> Option<HubId> {
        self.directory.find(address, |hub| self.sessions[hub as usize].address)
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
        if self.admit_frame(now, hub, frame.len()) {
            self.hear_frame(now, hub, frame);
        }
    }

    /// Takes whole wrapper frames that came from a hub together, one after another: the answers to a window cost one
    /// look at what the hub wants next.
    pub fn handle_frames(&mut self, now: Moment, hub: HubId, frames: &[u8]) {
        let (mut rest, mut moved) = (frames, false);
        while let Ok(Some((_, len))) = WanFrame::parse_stream(rest) {
            let (frame, later) = rest.split_at(len);
            moved |= self.admit_frame(now, hub, len) && self.hear(now, hub, frame);
            rest = later;
        }
        if moved {
            self.refresh(now, hub);
        }
    }

    /// Counts a frame of so many bytes and says whether it may be looked at: for a driver that deciphers, which hands
    /// in what it makes of an admitted one with [`Engine::hear_frame`].
    pub fn admit_frame(&mut self, now: Moment, hub: HubId, len: usize) -> bool {
        let session = &self.sessions[hub.0 as usize];
        let bytes = (len + DATAGRAM_OVERHEAD) as u64;
        self.counters.frames_heard += 1;
        self.counters.bytes_heard += bytes;
        let cell = self.pacer.beside(hub.0);
        self.cells[cell.0 as usize].traffic.bytes_heard += bytes;
        self.budgets.received(now, cell, bytes);
        let admitted = self.armour.admits(now, hub.0, session.model, bytes);
        self.counters.shed += u64::from(!admitted);
        admitted
    }

    /// Takes a plain frame from a hub that was admitted.
    pub fn hear_frame(&mut self, now: Moment, hub: HubId, frame: &[u8]) {
        if self.hear(now, hub, frame) {
            self.refresh(now, hub);
        }
    }

    /// Has a session hear a frame; says whether it was one for it.
    fn hear(&mut self, now: Moment, hub: HubId, frame: &[u8]) -> bool {
        let bytes = (frame.len() + DATAGRAM_OVERHEAD) as u64;
        if let Some(channel) = self.sessions[hub.0 as usize].asks_about()
            && !self.armour.admits_device(now, hub.0, channel, bytes)
        {
            self.counters.shed += 1;
            if let Some(ending) = self.sessions[hub.0 as usize].give_up(now, Fault::TooMuch { channel }) {
                self.end(hub, ending);
            }
            return true;
        }
        let parsed = WanFrame::parse_datagram(frame).and_then(|frame| Apdu::parse(frame.apdu));
        let Ok(apdu) = parsed else {
            self.counters.malformed += 1;
            return false;
        };
        let mut around = Surroundings { releases: &mut self.releases, patience: &self.config.patience };
        match self.sessions[hub.0 as usize].hear(now, &apdu, &mut around) {
            Heard::Stale => self.counters.stale += 1,
            Heard::Moved => {}
            Heard::Ended(ending) => self.end(hub, ending),
        }
        true
    }

    /// Takes the news that the stream to a hub broke.
    pub fn handle_disconnect(&mut self, now: Moment, hub: HubId) {
        let patience = self.config.patience;
        if let Some(ending) = self.sessions[hub.0 as usize].disconnected(now, &patience) {
            self.end(hub, ending);
        }
        self.refresh(now, hub);
    }

    /// Returns the next end of a task.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns what was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns what has crossed a cell.
    pub fn cell_traffic(&self, cell: CellId) -> CellTraffic {
        self.cells[cell.0 as usize].traffic
    }

    /// Counts the sessions in each state, in the order of [`SessionState::ALL`]. Looks at every one of them: for
    /// metrics, not for each block.
    pub fn sessions_by_state(&self) -> [u64; SessionState::ALL.len()] {
        let mut counts = [0; SessionState::ALL.len()];
        for session in &self.sessions {
            counts[session.state() as usize] += 1;
        }
        counts
    }

    /// Returns how often the breaker of a model has opened.
    pub fn breakers_opened(&self) -> u64 {
        self.armour.openings()
    }

    /// Returns how often the breaker of one model has opened.
    pub fn breaker_openings(&self, model: ModelId) -> u32 {
        self.armour.openings_of(model)
    }

    /// Returns the shared budgets.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Says whether a hub has answered any request since it was made known.
    pub fn was_heard(&self, hub: HubId) -> bool {
        self.sessions.get(hub.0 as usize).is_some_and(Session::was_heard)
    }

    /// Returns how many hubs have a task under way.
    pub fn busy_hubs(&self) -> usize {
        self.busy
    }

    fn end(&mut self, hub: HubId, (task, result): Ending) {
        self.busy -= usize::from(self.sessions[hub.0 as usize].is_idle());
        self.events.push_back(Event { hub, task, result });
    }
}
