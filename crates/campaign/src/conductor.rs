//! The conductor: the one place where campaigns, transfer engine and ledger meet.
//!
//! ```text
//!            order ─┐                     ┌─► poll_append ──► ledger (driver) ──► handle_durable ─┐
//!  datagrams, time ─┴► decide ─► record ──┤                                                       │
//!                        ▲                └─ act waits for its record ◄───────────────────────────┘
//!                        │                          │ durable
//!                     events ◄── transfer engine ◄──┘ ──► poll_transmit ──► socket (driver)
//! ```
//!
//! Invariants:
//! - An act (send, activate) happens only after its record is durable: [`Conductor::handle_durable`] is the
//!   only place that hands acts to the engine.
//! - The state is a fold over records: [`Conductor::replay`] feeds the same `apply` as live operation.
//! - The conductor has no socket, file, clock or randomness. Head-end and simulator drive the same one.

mod activation;
mod approvals;
mod budgets;
mod command;
mod explain;
mod floors;
mod giving_up;
mod handing_out;
mod held;
mod hours;
mod intake;
mod judging;
mod legs;
mod links;
mod lists;
mod looks;
mod models;
mod network;
mod papers;
mod path;
mod planning;
mod recovery;
mod shares;
mod soak;
mod timers;
mod traffic;
mod turns;
mod watch;
mod waves;
mod withdrawal;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use eligibility::{GateConfig, Inventory, Register};
use firmware_image::{Eui64, FileDigest, OrderMemory, SigningKey, TrustRoot, VerifiedImage};
use ledger::NewEntry;
use transfer_engine::{
    ByteRate, CarrierId, CellId, Engine, EngineConfig, HubId, HubLink, LineRate, Moment, Priority,
    Protection, Release, ReleaseId, Task, Transmit, Transport,
};

use crate::order::CampaignId;
use crate::papers::ChainPapers;
use crate::record::Record;
use crate::stage::Stage;
use crate::state::CampaignState;
use activation::{Doubt, Told};
use approvals::Approval;
use budgets::Agreed;
use hours::Hours;
use looks::Fetching;
use models::Models;
use papers::{HubPapers, Lead};
use shares::{Flight, Shares};
use timers::{Due, Timers};
use turns::Turns;
use wire::OrderChallenge;

pub use approvals::ApprovalError;
pub use budgets::{BudgetBook, CarrierTraffic};
pub use command::{Command, CommandError, Heeded};
pub use explain::Ruling;
pub use links::{HubName, LinkDoubt};
pub use recovery::ReplayError;
pub use traffic::{CampaignTraffic, Traffic};
pub use transfer_engine::CellTraffic;

/// What the gate judges by: the lists and the fleet as they are today.
#[derive(Debug)]
pub struct Desk {
    /// Product list, combinations, evidence.
    pub register: Register,
    /// Installations and devices.
    pub inventory: Inventory,
    /// What is configuration in the gate.
    pub gate: GateConfig,
}

/// How the conductor is set up.
pub struct Settings {
    /// Budgets and patience of the engine.
    pub engine: EngineConfig,
    /// What one radio cell may carry.
    pub cell_rate: ByteRate,
    /// What one hub's line is filled at.
    pub link_rate: LineRate,
    /// How hubs are reached.
    pub transport: Transport,
    /// The online key that signs activation orders, one device at a time.
    pub order_key: SigningKey,
    /// What hubs and devices must hold before they take today's images and orders.
    pub papers: ChainPapers,
}

/// An act that waits for its record to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Stage(Eui64),
    Activate(Eui64),
    /// Staging is tried again from this moment on.
    Retry(Eui64, Moment),
    GoOn(CampaignId),
}

/// A hub the conductor talks to.
#[derive(Debug)]
struct Hub {
    id: HubId,
    cell: CellId,
    /// The devices under way behind it, by channel.
    channels: BTreeMap<u8, Eui64>,
    /// When it is looked at next.
    watch_at: Option<Moment>,
    papers: HubPapers,
    /// The devices whose images wait for the hub's papers.
    waiting: BTreeSet<Eui64>,
    /// The channels whose devices are being written roots.
    leading: BTreeSet<u8>,
    /// Why nothing is believed of what it says, since it was last heard.
    doubt: Option<LinkDoubt>,
    /// Whether it answered when it was asked last; none as long as no answer is due.
    answers: Option<bool>,
    heard: soak::Heard,
}

/// What is known of a device under way beyond its records; lost and rebuilt by a restart.
#[derive(Clone, Debug, Default)]
struct Errand {
    campaign: Option<CampaignId>,
    /// Where the engine was last told something for it; the inventory may name another hub since.
    hub: Option<HubId>,
    /// Until when it rests after a try that failed before the head-end died.
    rests_until: Option<Moment>,
    /// Its hub could not be talked to for want of keys when it was tried last.
    lacks_keys: bool,
    /// Looks at the HAN that showed the device verified although its activation was accepted.
    idle_looks: u8,
    /// How often the hub said that the device does not fetch its image.
    declined_looks: u8,
    /// How it fetches its image, as far as looks have told.
    fetching: Option<Fetching>,
    /// The record that must be durable before anything is done for it, counted as [`Conductor::recorded`] counts.
    awaits: u64,
    told: Told,
    /// Why it is not told again, since the gate was last asked about that.
    withdrawn: Option<String>,
    /// The engine is bringing its image to its hub.
    flight: Option<Flight>,
    /// Why it is not known whether the order reached its hub.
    in_doubt: Option<Doubt>,
    /// The stage in which it was looked at once more when its time was up.
    last_look: Option<Stage>,
    /// When it was last seen to wait for an operator, or told what it may not have been told before.
    held_at: Option<Moment>,
    reading_version: bool,
    rolled_back: bool,
    /// What its next order must carry, as its hub last told.
    challenge: Option<OrderChallenge>,
    lead: Lead,
}

/// The conductor. See the module's documentation.
pub struct Conductor {
    settings: Settings,
    desk: Desk,
    engine: Engine,
    images: BTreeMap<FileDigest, (VerifiedImage, ReleaseId)>,
    withdrawn: BTreeSet<FileDigest>,
    /// Cells by name and carrier.
    cells: BTreeMap<(String, CarrierId), CellId>,
    hubs: BTreeMap<Eui64, Hub>,
    hub_names: Vec<Eui64>,
    campaigns: BTreeMap<CampaignId, CampaignState>,
    /// Devices under way. A device is in one campaign at a time.
    errands: BTreeMap<Eui64, Errand>,
    /// The last order made for each device.
    orders: BTreeMap<Eui64, OrderMemory>,
    outbox: Vec<NewEntry>,
    recorded: u64,
    durable: u64,
    waiting: VecDeque<(u64, Act)>,
    timers: Timers,
    /// Campaigns whose waves must be looked at because a device ended.
    unsettled: BTreeSet<CampaignId>,
    /// Who waits for whom.
    turns: Turns,
    /// Who gets how much of what is short.
    shares: Shares,
    /// What the times of day allow campaigns that have such windows.
    hours: BTreeMap<CampaignId, Hours>,
    /// Campaigns that go on as soon as that is durable.
    resuming: BTreeSet<CampaignId>,
    /// Who may approve.
    operators: Option<TrustRoot>,
    /// Releases that are believed now.
    approvals: BTreeMap<CampaignId, Approval>,
    /// How frames to hubs are protected.
    protection: Protection,
    models: Models,
    agreed: Agreed,
    /// Hubs may have moved.
    has_new_lists: bool,
    /// The last moment that somebody told.
    seen_at: Moment,
}

impl Conductor {
    /// Makes a conductor with no images and no campaigns.
    pub fn new(settings: Settings, desk: Desk, now: Moment) -> Conductor {
        Conductor {
            engine: Engine::new(settings.engine, now),
            desk,
            images: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            cells: BTreeMap::new(),
            hubs: BTreeMap::new(),
            hub_names: Vec::new(),
            campaigns: BTreeMap::new(),
            errands: BTreeMap::new(),
            orders: BTreeMap::new(),
            outbox: Vec::new(),
            recorded: 0,
            durable: 0,
            waiting: VecDeque::new(),
            timers: Timers::default(),
            unsettled: BTreeSet::new(),
            turns: Turns::default(),
            shares: Shares::new(settings.engine.global_rate, settings.link_rate.ceiling()),
            hours: BTreeMap::new(),
            resuming: BTreeSet::new(),
            operators: None,
            approvals: BTreeMap::new(),
            protection: Protection::Clear,
            models: Models::default(),
            agreed: Agreed::default(),
            has_new_lists: false,
            seen_at: now,
            settings,
        }
    }

    /// Takes an image to the desk. Only verified ones can come here: see [`VerifiedImage`].
    pub fn add_image(&mut self, image: VerifiedImage) -> FileDigest {
        let digest = image.file_digest();
        self.withdrawn.remove(&digest);
        if !self.images.contains_key(&digest) {
            let release = self.engine.add_release(Release {
                identification: Bytes::copy_from_slice(digest.as_bytes()),
                bytes: image.bytes().clone(),
            });
            self.images.insert(digest, (image, release));
        }
        digest
    }

    /// Returns the images at the desk that are vouched for.
    pub fn images(&self) -> impl Iterator<Item = &VerifiedImage> {
        self.images.values().map(|(image, _)| image).filter(|image| self.is_offered(&image.file_digest()))
    }

    /// Returns what the gate judges by.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Returns a campaign.
    pub fn campaign(&self, id: &CampaignId) -> Option<&CampaignState> {
        self.campaigns.get(id)
    }

    /// Returns all campaigns, by name.
    pub fn campaigns(&self) -> impl Iterator<Item = &CampaignState> {
        self.campaigns.values()
    }

    /// Takes one datagram from the network.
    pub fn handle_datagram(&mut self, now: Moment, from: SocketAddr, datagram: &[u8]) {
        self.engine.handle_datagram(now, from, datagram);
        self.turn(now);
    }

    /// Takes whole frames from a hub's stream, one after another.
    pub fn handle_frames(&mut self, now: Moment, hub: HubId, frames: &[u8]) {
        self.engine.handle_frames(now, hub, frames);
        self.turn(now);
    }

    /// Takes the news that the stream to a hub broke.
    pub fn handle_disconnect(&mut self, now: Moment, hub: HubId) {
        self.engine.handle_disconnect(now, hub);
        self.turn(now);
    }

    /// Returns what must be made durable next, in one piece.
    pub fn poll_append(&mut self) -> Option<Vec<NewEntry>> {
        (!self.outbox.is_empty()).then(|| std::mem::take(&mut self.outbox))
    }

    /// Takes the news that this many more entries are durable; acts that waited for them happen now.
    pub fn handle_durable(&mut self, now: Moment, entries: usize) {
        // First, as an hour that opens takes up what is durable, and must not do so again with what is about to be.
        self.pass_hours(now);
        self.durable += entries as u64;
        while let Some((needs, _)) = self.waiting.front()
            && *needs <= self.durable
        {
            let Some((_, act)) = self.waiting.pop_front() else { break };
            match act {
                Act::Stage(device) => self.stage(now, device),
                Act::Activate(device) => self.activate(now, device),
                Act::Retry(device, at) => self.timers.insert(at, Due::Stage(device)),
                Act::GoOn(campaign) => self.go_on(now, &campaign),
            }
        }
        self.turn(now);
    }

    /// Returns how many records were written since this conductor was made.
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Returns how many of them are known to be durable.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Returns what to send next. Poll [`Conductor::poll_append`] before and after.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        self.turn(now);
        let transmit = self.engine.poll_transmit(now);
        if transmit.is_none() {
            // Asking may have expired tasks, and their ends may have given new ones.
            self.turn(now);
        }
        transmit
    }

    /// Returns when the conductor wants to be polled again although nothing was heard.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if !self.outbox.is_empty() {
            return Some(Moment::default());
        }
        [self.timers.first(), self.next_hours(), self.shares.next_look(), self.engine.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does all that can be done at this moment without input or output.
    fn turn(&mut self, now: Moment) {
        self.seen_at = now;
        if std::mem::take(&mut self.has_new_lists) {
            self.readdress_hubs(now);
            self.ask_all_held(now);
        }
        while let Some(event) = self.engine.poll_event() {
            self.on_event(now, event);
        }
        self.pass_hours(now);
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Watch(hub) => self.look_at(now, hub),
                Due::Stage(device) => self.stage(now, device),
            }
        }
        self.settle(now);
        self.hand_out(now);
    }

    /// Writes a record: applies it to the state, and queues it for the ledger with the act it allows.
    fn record(&mut self, now: Moment, campaign: &CampaignId, record: &Record, act: Option<Act>) {
        let state = self.campaigns.get_mut(campaign).expect("a campaign is known before its records");
        // Only these bring a device to where its campaign shares, or away from there.
        let (before, after) = match record {
            Record::Instructed(_) => (None, Some(Stage::Instructed)),
            Record::Staged(_) => (Some(Stage::Instructed), Some(Stage::Staged)),
            Record::Outcome(body) => (state.row(body.device).map(|row| row.stage), Some(Stage::Ended)),
            _ => (None, None),
        };
        state.apply(now, record).expect("the conductor records only what the table of stages allows");
        self.shares.note_stages(campaign, before, after);
        self.outbox.push(record.to_entry(now, campaign));
        self.recorded += 1;
        if let Some(act) = act {
            if let Act::Stage(device) | Act::Activate(device) | Act::Retry(device, _) = &act
                && let Some(errand) = self.errands.get_mut(device)
            {
                errand.awaits = self.recorded;
            }
            self.waiting.push_back((self.recorded, act));
        }
    }

    /// Returns the stage of a device under way, with its campaign.
    fn under_way(&self, device: Eui64) -> Option<(CampaignId, Stage)> {
        let campaign = self.errands.get(&device)?.campaign.clone()?;
        let row = self.campaigns.get(&campaign)?.row(device)?;
        (row.stage != Stage::Ended).then_some((campaign, row.stage))
    }

    /// Says whether what allows the next act for a device is not durable yet; the act follows by itself when it is.
    fn awaits_record(&self, device: Eui64) -> bool {
        self.errands.get(&device).is_some_and(|errand| errand.awaits > self.durable)
    }

    /// Returns the hub of a device, introducing it to the engine at the first use.
    fn hub_of(&mut self, now: Moment, device: Eui64) -> Option<(HubId, u8)> {
        let found = self.desk.inventory.device(device)?;
        let (hub, channel) = (found.hub, found.channel.0);
        let address = self.desk.inventory.device(hub)?.hub_address.socket();
        let (carrier, cell) = (found.comms_provider.as_str().to_owned(), found.cell.as_str().to_owned());
        if !self.hubs.contains_key(&hub) {
            let model = self.model_of(hub);
            let cell = self.cell_of(now, &carrier, &cell);
            let link =
                HubLink { address, transport: self.settings.transport, cell, rate: self.settings.link_rate };
            let id = self.engine.add_hub(now, link);
            self.engine.set_protection(id, self.protection);
            self.engine.set_model(id, model);
            self.hub_names.push(hub);
            let entry = Hub {
                id,
                cell,
                channels: BTreeMap::new(),
                watch_at: None,
                papers: HubPapers::default(),
                waiting: BTreeSet::new(),
                leading: BTreeSet::new(),
                doubt: None,
                answers: None,
                heard: soak::Heard::default(),
            };
            self.hubs.insert(hub, entry);
        } else if let Some(known) = self.hubs.get(&hub) {
            // The inventory may have a new address for it since.
            self.engine.readdress(now, known.id, address);
        }
        let entry = self.hubs.get_mut(&hub)?;
        entry.channels.insert(channel, device);
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.hub = Some(entry.id);
        }
        Some((entry.id, channel))
    }

    fn hub_named(&self, hub: HubId) -> Option<&Hub> {
        self.hubs.get(self.hub_names.get(hub.0 as usize)?)
    }

    fn hub_entry(&mut self, hub: HubId) -> Option<&mut Hub> {
        self.hubs.get_mut(self.hub_names.get(hub.0 as usize)?)
    }

    /// Returns the devices under way behind a hub.
    fn devices_of(&self, hub: HubId) -> Vec<(u8, Eui64)> {
        let channels = self.hub_named(hub).map(|hub| &hub.channels);
        channels.into_iter().flatten().map(|(channel, device)| (*channel, *device)).collect()
    }

    fn device_on(&self, hub: HubId, channel: u8) -> Option<Eui64> {
        self.hub_named(hub)?.channels.get(&channel).copied()
    }

    fn assign(&mut self, now: Moment, hub: HubId, task: Task, priority: u8) -> bool {
        self.engine.assign(now, hub, task, Priority(priority))
    }

    /// Sets a timer.
    fn after(&mut self, now: Moment, wait: Duration, due: Due) {
        self.timers.insert(now + wait, due);
    }
}
