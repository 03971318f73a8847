//! Handing out: which device's image the engine is told to bring next, while campaigns share what is short. Who is next is
//! decided by `shares`; here it is asked, and told what came of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use firmware_image::Eui64;
use transfer_engine::{CarrierId, CellId, HubId, Moment};

use super::Conductor;
use super::shares::{Flight, LOOK, Landing, Load};
use crate::order::CampaignId;
use crate::stage::Stage;

impl Conductor {
    /// Returns how many stagings the engine was given since this conductor was made, repeated ones included.
    pub fn stagings_begun(&self) -> u64 {
        self.shares.begun
    }

    /// Says whether the engine is bringing a device's image to its hub.
    pub(super) fn is_in_flight(&self, device: Eui64) -> bool {
        self.errands.get(&device).is_some_and(|errand| errand.flight.is_some())
    }

    /// Counts a device that is about to be given to the engine; `false` when it waits for its campaign's turn instead.
    pub(super) fn take_off(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        hub: HubId,
        load: Load,
        has_turn: bool,
    ) -> bool {
        let Some(cell) = self.hub_named(hub).map(|hub| hub.cell) else { return false };
        if !self.shares.cells.contains_key(&cell) {
            let carrier = self.engine.budgets().carrier_of(cell);
            let carrier_rate = self.engine.budgets().rate_of(carrier, now);
            self.shares.enter(cell, self.cell_rate_of(cell), carrier, carrier_rate);
        }
        let shares = &mut self.shares;
        let is_shared = shares.is_shared();
        if is_shared && !has_turn {
            let path = load.tail + shares.line.time_for(load.bytes as usize);
            let classes = shares.waiting.entry(cell).or_default();
            let queue = classes.entry(load.priority).or_default().entry(campaign.clone()).or_default();
            queue.insert((Reverse(path), device));
            shares.refresh(cell);
            return false;
        }
        let bytes = if is_shared { load.bytes } else { 0 };
        let cost = self.cost(campaign, bytes);
        if let Some(errand) = self.errands.get_mut(&device) {
            errand.flight = Some(Flight { cell, bytes });
        }
        let shares = &mut self.shares;
        for link in shares.links_of(cell) {
            link.take_slot();
            if is_shared {
                link.charge(campaign, cost);
            }
        }
        shares.begun += 1;
        shares.refresh(cell);
        true
    }

    /// Notes that the engine is done with a device, or was told to leave it.
    pub(super) fn land(&mut self, device: Eui64, landing: Landing) {
        let Some(errand) = self.errands.get_mut(&device) else { return };
        let Some((Flight { cell, bytes }, campaign)) = errand.flight.take().zip(errand.campaign.clone())
        else {
            return;
        };
        let used = match landing {
            // Nothing was charged when it began.
            _ if bytes == 0 => 0,
            Landing::Sent(sent) => sent,
            Landing::Taken => bytes,
            Landing::Unused => 0,
        };
        let (charged, used) = (self.cost(&campaign, bytes), self.cost(&campaign, used));
        let shares = &mut self.shares;
        for link in shares.links_of(cell) {
            link.in_flight -= 1;
            link.correct(&campaign, charged, used);
        }
        shares.refresh(cell);
    }

    /// Gives those their turn for whom there are slots.
    pub(super) fn hand_out(&mut self, now: Moment) {
        match (self.shares.is_shared(), self.shares.is_met) {
            (false, false) => return,
            (false, true) => {
                (self.shares.is_met, self.shares.looked_at) = (false, None);
                for device in self.shares.take_all() {
                    self.stage_in_turn(now, device, true);
                }
                return;
            }
            (true, false) => {
                self.shares.is_met = true;
                self.begin_sharing(now);
            }
            (true, true) => {}
        }
        self.look_at_links(now);
        while let Some(device) = self.shares.pop() {
            self.stage_in_turn(now, device, true);
        }
    }

    /// Takes back from the engine what is more than there are slots for: the shortest paths, and of the last class first.
    fn begin_sharing(&mut self, now: Moment) {
        self.shares.looked_at = Some(now);
        self.note_carried();
        let mut flights: Vec<(u8, Reverse<u64>, Eui64, CellId)> = Vec::new();
        for (device, errand) in &self.errands {
            let Some((flight, campaign)) = errand.flight.zip(errand.campaign.as_ref()) else { continue };
            let Some(row) = self.campaigns.get(campaign).and_then(|state| state.row(*device)) else {
                continue;
            };
            let bytes = row.image.and_then(|image| self.images.get(&image));
            let tail = self.tail_behind(*device, row.image).as_secs();
            let path =
                tail + bytes.map_or(0, |(image, _)| self.shares.line.time_for(image.bytes().len()).as_secs());
            flights.push((row.priority, Reverse(path), *device, flight.cell));
        }
        flights.sort_unstable();
        let mut in_cells: BTreeMap<CellId, u64> = BTreeMap::new();
        let mut in_carriers: BTreeMap<CarrierId, u64> = BTreeMap::new();
        let mut all = 0;
        let mut hubs: BTreeSet<HubId> = BTreeSet::new();
        for (_, _, device, cell) in flights {
            let carrier = self.engine.budgets().carrier_of(cell);
            let kept = [in_cells.entry(cell).or_default(), in_carriers.entry(carrier).or_default(), &mut all];
            let links = self.shares.links_of(cell);
            if links.zip(&kept).all(|(link, kept)| **kept < link.slots) {
                kept.into_iter().for_each(|kept| *kept += 1);
            } else {
                hubs.extend(self.known_hub_of(device));
            }
        }
        tracing::info!(taken_back = hubs.len(), "campaigns share what is short");
        for hub in hubs {
            self.call_off(now, hub, None);
        }
    }

    /// Looks at whether links are full, from time to time.
    fn look_at_links(&mut self, now: Moment) {
        let Some(before) = self.shares.looked_at.filter(|at| now.saturating_since(*at) >= LOOK) else {
            return;
        };
        self.shares.looked_at = Some(now);
        let over = now.saturating_since(before);
        let waiting: Vec<CellId> = self.shares.waiting.keys().copied().collect();
        let mut carriers: BTreeSet<CarrierId> = BTreeSet::new();
        for cell in &waiting {
            let carried = self.engine.cell_traffic(*cell).bytes_sent;
            if let Some((carrier, link)) = self.shares.cells.get_mut(cell) {
                link.look(carried, over);
                carriers.insert(*carrier);
            }
        }
        let line = self.shares.line;
        for carrier in carriers {
            let carried = self.carried_by(carrier);
            if let Some(branch) = self.shares.carriers.get_mut(&carrier) {
                branch.link.set_rate(self.engine.budgets().rate_of(carrier, now), line);
                branch.link.look(carried, over);
            }
        }
        if !waiting.is_empty() {
            self.shares.head_end.link.look(self.engine.counters().bytes_sent, over);
        }
        for cell in waiting {
            self.shares.refresh(cell);
        }
        self.note_carried();
    }

    fn note_carried(&mut self) {
        let shares = &mut self.shares;
        shares.carriers.values_mut().for_each(|branch| branch.link.carried = 0);
        for (cell, (carrier, link)) in &mut shares.cells {
            link.carried = self.engine.cell_traffic(*cell).bytes_sent;
            if let Some(branch) = shares.carriers.get_mut(carrier) {
                branch.link.carried += link.carried;
            }
        }
        shares.head_end.link.carried = self.engine.counters().bytes_sent;
    }

    /// Returns what a carrier has carried towards hubs since the engine began.
    fn carried_by(&self, carrier: CarrierId) -> u64 {
        let cells = self.shares.cells.iter().filter(|(_, (of, _))| *of == carrier);
        cells.map(|(cell, _)| self.engine.cell_traffic(*cell).bytes_sent).sum()
    }

    /// Counts again what campaigns have left to send, after a restart.
    pub(super) fn recount_shares(&mut self, campaign: &CampaignId) {
        let left = self.pending(campaign, |stage| stage == Stage::Instructed).len() as u64;
        if left > 0 {
            self.shares.left.insert(campaign.clone(), left);
        }
    }

    /// Returns what bytes cost a campaign: a thousand for each at a weight of one.
    fn cost(&self, campaign: &CampaignId, bytes: u64) -> u64 {
        let weight = self.campaigns.get(campaign).map_or(1, |state| state.order.policy.weight.max(1));
        bytes.saturating_mul(1_000) / u64::from(weight)
    }
}
