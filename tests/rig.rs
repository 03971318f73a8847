//! A campaign between whose head-end and homes a test can step: cut the line, or put other homes at its end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use campaign::{CampaignState, Conductor};
use fleet::{Fleet, Rehearsal, WorldSpec, hub_address, hub_at};
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
}

impl Rig {
    pub(crate) fn new(spec: &WorldSpec, set: Rehearsal) -> Rig {
        let Rehearsal { fleet, desk, order, settings, images, .. } = set;
        let mut conductor = Conductor::new(settings, desk, spec.start);
        for image in images {
            conductor.add_image(image);
        }
        conductor.create(spec.start, &order).expect("the order is accepted");
        Rig { conductor, fleet, now: spec.start, cut: false, acts: Vec::new() }
    }

    fn keep(&mut self) {
        while let Some(batch) = self.conductor.poll_append() {
            self.conductor.handle_durable(self.now, batch.len());
        }
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
        self.fleet.advance(self.now);
        while let Some((hub, datagram)) = self.fleet.poll_transmit(self.now) {
            if !self.cut {
                let from = SocketAddr::from((hub_address(hub), PORT));
                self.conductor.handle_datagram(self.now, from, &datagram);
                self.keep();
            }
        }
        let due = [self.conductor.poll_timeout(), self.fleet.poll_timeout()];
        let next = due.into_iter().flatten().min().unwrap_or(self.now);
        self.now = next.max(self.now + Duration::from_micros(1));
    }
}
