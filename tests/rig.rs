//! A campaign between whose head-end and homes a test can step: cut the line, or put other homes at its end.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use campaign::{BudgetBook, CampaignState, Conductor, Record};
use fleet::{Fleet, Rehearsal, WorldSpec, hub_address, hub_at};
use ledger::{EntryIndex, Ledger, MemoryStore};
use transfer_engine::Moment;

use crate::acts::act_in;
use crate::street::PORT;

const LIMIT: Duration = Duration::from_secs(60 * 86_400);

/// A campaign between whose head-end and homes somebody can step.
pub(crate) struct Rig {
    pub(crate) conductor: Conductor,
    pub(crate) fleet: Fleet,
    pub(crate) now: Moment,
    /// Nothing passes any more.
    pub(crate) cut: bool,
    /// Blocks and orders that were handed to the line, cut or not.
    pub(crate) acts: Vec<(Moment, &'static str)>,
    /// How long it takes until what was recorded is durable.
    pub(crate) write_takes: Duration,
    /// Batches that are being written: when they are durable, and how many entries they have.
    writing: VecDeque<(Moment, usize)>,
    /// What has been agreed with carriers.
    budgets: BudgetBook,
    ledger: Ledger<MemoryStore>,
}

impl Rig {
    pub(crate) fn new(spec: &WorldSpec, set: Rehearsal) -> Rig {
        Rig::with_budgets(spec, set, BudgetBook::default())
    }

    /// Makes one for which something has been agreed with carriers.
    pub(crate) fn with_budgets(spec: &WorldSpec, set: Rehearsal, budgets: BudgetBook) -> Rig {
        let Rehearsal { fleet, desk, order, settings, images, .. } = set;
        let mut conductor = Conductor::new(settings, desk, spec.start);
        conductor.set_budgets(budgets.clone());
        for image in images {
            conductor.add_image(image);
        }
        conductor.create(spec.start, &order).expect("the order is accepted");
        Rig {
            conductor,
            fleet,
            now: spec.start,
            cut: false,
            acts: Vec::new(),
            write_takes: Duration::ZERO,
            writing: VecDeque::new(),
            budgets,
            ledger: Ledger::open(MemoryStore::new()).expect("it is empty"),
        }
    }

    fn keep(&mut self) {
        loop {
            if let Some(batch) = self.conductor.poll_append() {
                self.writing.push_back((self.now + self.write_takes, batch.len()));
                self.ledger.append(batch).expect("it is kept");
            } else if let Some((_, entries)) = self.writing.pop_front_if(|(at, _)| *at <= self.now) {
                self.conductor.handle_durable(self.now, entries);
            } else {
                return;
            }
        }
    }

    /// The head-end dies, and starts again from its ledger after a while; the homes live on meanwhile.
    pub(crate) fn is_down_for(&mut self, wait: Duration, set: Rehearsal) {
        let until = self.now + wait;
        while let Some(at) = self.fleet.poll_timeout().filter(|at| *at < until) {
            self.now = at.max(self.now + Duration::from_micros(1));
            self.fleet.advance(self.now);
            while self.fleet.poll_transmit(self.now).is_some() {}
        }
        self.now = until;
        let Rehearsal { desk, settings, images, .. } = set;
        self.conductor = Conductor::new(settings, desk, self.now);
        self.conductor.set_budgets(self.budgets.clone());
        for image in images {
            self.conductor.add_image(image);
        }
        for entry in self.ledger.entries(EntryIndex(0)) {
            self.conductor.replay(&[entry.expect("it reads")]).expect("it fits");
        }
        self.writing.clear();
        self.conductor.resume(self.now).expect("it is taken up");
    }

    /// Returns what is in the ledger, and when it was written.
    pub(crate) fn records(&self) -> impl Iterator<Item = (Moment, Record)> {
        self.ledger.entries(EntryIndex(0)).map(|entry| {
            let entry = entry.expect("it reads");
            (Moment::from_micros(entry.recorded_at_us), Record::from_entry(&entry).expect("it is a record"))
        })
    }

    pub(crate) fn state(&self) -> &CampaignState {
        self.conductor.campaigns().next().expect("there is a campaign")
    }

    /// Runs until something is so.
    pub(crate) fn run_until(&mut self, what: &str, is_so: impl Fn(&CampaignState) -> bool) {
        let until = self.now + LIMIT;
        while !is_so(self.state()) {
            assert!(self.now < until, "not {what} within {LIMIT:?}");
            self.step();
        }
    }

    /// Does what is due, and goes to the next moment at which something is.
    pub(crate) fn step(&mut self) {
        self.keep();
        // What has arrived is heard before anything else is done at this moment.
        self.fleet.advance(self.now);
        while let Some((hub, datagram)) = self.fleet.poll_transmit(self.now) {
            if !self.cut {
                let from = SocketAddr::from((hub_address(hub), PORT));
                self.conductor.handle_datagram(self.now, from, &datagram);
                self.keep();
            }
        }
        while let Some(transmit) = self.conductor.poll_transmit(self.now) {
            let acts = transmit.contents.chunks(transmit.segment).filter_map(act_in);
            self.acts.extend(acts.map(|act| (self.now, act)));
            if let IpAddr::V4(address) = transmit.address.ip()
                && let Some(hub) = hub_at(address).filter(|_| !self.cut)
            {
                for datagram in transmit.contents.chunks(transmit.segment) {
                    self.fleet.receive(self.now, hub, datagram);
                }
            }
            self.keep();
        }
        let written = self.writing.front().map(|(at, _)| *at);
        let due = [self.conductor.poll_timeout(), self.fleet.poll_timeout(), written];
        let next = due.into_iter().flatten().min().unwrap_or(self.now);
        self.now = next.max(self.now + Duration::from_micros(1));
    }
}
