//! A campaign under virtual time: the real conductor, the real devices, and a clock that jumps.
//!
//! ```text
//!   Conductor ── datagrams ──► Fleet          time jumps to the earliest of what either waits for;
//!       ▲ ◄───── datagrams ─────┘             nothing sleeps, nothing is random beyond the seed
//!       └─ records ─► Ledger ─► durable
//! ```
//!
//! The ledger is in memory and durable at once. The same seed gives the same ledger, byte for byte.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use campaign::{CampaignId, CampaignState, Conductor, Desk, OrderError, Phase, ReplayError, Settings};
use firmware_image::{FileDigest, VerifiedImage};
use ledger::{AppendError, EntryIndex, Head, Ledger, MemoryStore, OpenError, StoreError};
use thiserror::Error;
use transfer_engine::{HubId, Moment, Transmit, Transport};

use crate::census::Census;
use crate::faults::{DeskNews, FaultKind};
use crate::fleet::Fleet;
use crate::invariants::WatchRules;
use crate::observer::FrameObserver;
use crate::rehearsal::Rehearsal;
use crate::world::{hub_address, hub_at};

/// A campaign and its world.
pub struct Simulation {
    fleet: Fleet,
    conductor: Conductor,
    ledger: Ledger<MemoryStore>,
    campaign: CampaignId,
    news: DeskNews,
    port: u16,
    now: Moment,
    start: Moment,
}

/// Why a simulation cannot go on.
#[derive(Debug, Error)]
pub enum SimulationError {
    /// The order.
    #[error("the order was not accepted")]
    Order(#[from] OrderError),
    /// The ledger.
    #[error("the ledger did not take the records")]
    Ledger(#[from] AppendError),
    /// The ledger.
    #[error("the ledger did not open")]
    Open(#[from] OpenError),
    /// The ledger.
    #[error("the ledger does not read back")]
    Read(#[from] StoreError),
    /// The ledger's records.
    #[error("the campaign cannot be taken up from the ledger")]
    Replay(#[from] ReplayError),
    /// Something keeps the campaign from ending.
    #[error("the campaign did not end within {limit:?} of simulated time; {pending} devices are pending")]
    Endless {
        /// The limit.
        limit: Duration,
        /// Devices without an outcome.
        pending: usize,
    },
}

impl Simulation {
    /// Hands in the images and the order; nothing has been sent yet.
    pub fn new(rehearsal: Rehearsal, start: Moment, port: u16) -> Result<Simulation, SimulationError> {
        let Rehearsal { fleet, desk, order, settings, budgets, images, news, lists: _ } = rehearsal;
        let mut conductor = Conductor::new(settings, desk, start);
        conductor.set_budgets(budgets);
        for image in images {
            conductor.add_image(image);
        }
        conductor.create(start, &order)?;
        let ledger = Ledger::open(MemoryStore::new())?;
        Ok(Simulation { fleet, conductor, ledger, campaign: order.id, news, port, now: start, start })
    }

    /// Shows every frame from now on to an observer, see [`Fleet::observe`].
    pub fn observe(&mut self, observer: Box<dyn FrameObserver>) {
        self.fleet.observe(observer);
    }

    /// Kills the head-end and starts it again from the ledger, as after a power failure: sessions, timers and
    /// everything that was not durable are gone; the fleet and the datagrams in the air are not. Images whose signers
    /// lost our trust while it was down are named apart.
    pub fn restart_head_end(
        &mut self,
        settings: Settings,
        mut desk: Desk,
        images: Vec<VerifiedImage>,
        withdrawn: &[FileDigest],
    ) -> Result<(), SimulationError> {
        // The inventory is a file: what it was told before is still there.
        self.news.retell(&mut desk.inventory);
        let mut conductor = Conductor::new(settings, desk, self.now);
        for image in images {
            conductor.add_image(image);
        }
        for image in withdrawn {
            conductor.withdraw_image(self.now, *image);
        }
        for entry in self.ledger.entries(EntryIndex(0)) {
            conductor.replay(&[entry?])?;
        }
        conductor.resume(self.now)?;
        self.conductor = conductor;
        Ok(())
    }

    /// Withdraws an image from the running head-end, as after the revocation of its maker's key.
    pub fn withdraw_image(&mut self, image: FileDigest) {
        self.conductor.withdraw_image(self.now, image);
    }

    /// Lays other lists on the running head-end's desk, as when the files of an SMSO have changed. What suppliers have
    /// written since the beginning is noted in them.
    pub fn replace_desk(&mut self, mut desk: Desk) {
        self.news.retell(&mut desk.inventory);
        self.conductor.set_desk(desk);
    }

    /// Asks the running head-end for something, as its operator does; what it changed is durable when this returns.
    pub fn ask<R>(&mut self, ask: impl FnOnce(&mut Conductor, Moment) -> R) -> Result<R, SimulationError> {
        let answer = ask(&mut self.conductor, self.now);
        self.keep()?;
        Ok(answer)
    }

    /// Runs up to a moment, or until every device has its outcome.
    pub fn run_until(&mut self, until: Moment) -> Result<(), SimulationError> {
        while self.now < until && self.advance_once()? {}
        Ok(())
    }

    /// Runs until every device has its outcome; `progress` is called whenever time has jumped.
    pub fn run(
        &mut self,
        limit: Duration,
        mut progress: impl FnMut(Moment, &CampaignState),
    ) -> Result<(), SimulationError> {
        while self.advance_once()? {
            progress(self.now, self.state());
            if self.now.saturating_since(self.start) > limit {
                let pending = self.state().tally().pending;
                return Err(SimulationError::Endless { limit, pending });
            }
        }
        let homes = self.fleet.hub_count() as usize;
        self.fleet.settle(self.now, homes);
        Ok(())
    }

    /// Goes one step on: does what is due, then jumps to the next moment at which something is; `false` when every device
    /// has its outcome.
    pub fn step(&mut self) -> Result<bool, SimulationError> {
        self.advance_once()
    }

    /// Has the fleet watched; see [`Fleet::watch`].
    pub fn watch(&mut self, rules: WatchRules) {
        self.fleet.watch(rules);
    }

    /// Ends everything that goes wrong in the fleet by itself; see [`Fleet::calm`]. The desk hears no more news.
    pub fn calm(&mut self) {
        self.fleet.calm();
        self.news.calm();
    }

    /// Does what is due, then jumps to the next moment at which something is; `false` when all is over.
    fn advance_once(&mut self) -> Result<bool, SimulationError> {
        self.settle_moment()?;
        let due = [self.conductor.poll_timeout(), self.fleet.poll_timeout(), self.news.poll_timeout()];
        let next = due.into_iter().flatten().min();
        let Some(next) = next.filter(|_| !self.is_over()) else { return Ok(false) };
        // Time never stands still: what is due in the past is done a microsecond from now.
        self.now = next.max(self.now + Duration::from_micros(1));
        Ok(true)
    }

    fn is_over(&self) -> bool {
        let state = self.state();
        state.phase != Phase::Running && {
            let all = state.progress();
            all.ended == all.size
        }
    }

    /// Does everything that is due at this moment.
    fn settle_moment(&mut self) -> Result<(), SimulationError> {
        while let Some((device, change)) = self.news.poll(self.now) {
            // A device that has left the inventory has nothing to note.
            let _ = self.conductor.note_change(device, change);
        }
        self.keep()?;
        while let Some(transmit) = self.conductor.poll_transmit(self.now) {
            let hub = match transmit.address.ip() {
                IpAddr::V4(address) => hub_at(address),
                IpAddr::V6(_) => None,
            };
            if let Some(hub) = hub {
                self.hand_over(hub, &transmit);
            }
            self.keep()?;
        }
        self.keep()?;
        self.fleet.advance(self.now);
        while let Some((hub, datagram)) = self.fleet.poll_transmit(self.now) {
            let from = SocketAddr::from((hub_address(hub), self.port));
            self.conductor.handle_datagram(self.now, from, &datagram);
            self.keep()?;
        }
        Ok(())
    }

    fn hand_over(&mut self, hub: HubId, transmit: &Transmit) {
        let is_blocks = transmit.blocks as usize * transmit.segment >= transmit.contents.len();
        if is_blocks && transmit.transport == Transport::Datagram {
            return self.fleet.receive_blocks(self.now, hub, &transmit.contents, transmit.segment);
        }
        for datagram in transmit.contents.chunks(transmit.segment) {
            self.fleet.receive(self.now, hub, datagram);
        }
    }

    /// Makes what was recorded durable, as often as that brings about new records.
    fn keep(&mut self) -> Result<(), SimulationError> {
        while let Some(batch) = self.conductor.poll_append() {
            let entries = batch.len();
            self.ledger.append(batch)?;
            self.conductor.handle_durable(self.now, entries);
        }
        Ok(())
    }

    /// Returns the campaign's state.
    pub fn state(&self) -> &CampaignState {
        self.conductor.campaign(&self.campaign).expect("the order was accepted")
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &Ledger<MemoryStore> {
        &self.ledger
    }

    /// Returns the ledger's head.
    pub fn head(&self) -> Head {
        self.ledger.head()
    }

    /// Returns the conductor.
    pub fn conductor(&self) -> &Conductor {
        &self.conductor
    }

    /// Counts what the devices have been through.
    pub fn census(&self) -> Census {
        let mut census = self.fleet.census();
        census.faults.count(FaultKind::SupplierChange, self.news.changes());
        census
    }

    /// Returns what the desk has heard, and will hear, of suppliers.
    pub fn news(&self) -> &DeskNews {
        &self.news
    }

    /// Returns the fleet.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Returns the moment at which the simulation stands.
    pub fn now(&self) -> Moment {
        self.now
    }
}
