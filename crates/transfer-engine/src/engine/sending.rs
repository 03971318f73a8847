//! Whose turn it is: from timers to ready lists, through the doors of the budgets, to a transmit.

use std::hint::black_box;

use super::{Engine, Transmit};
use crate::budget::{AirTime, CarrierId, CellId, Level, Use};
use crate::queue::{Bucket, Place};
use crate::session::{Surroundings, Transport, Want};
use crate::{HubId, Moment};

/// Hubs that are due are looked at in batches of so many: what memory has of them is fetched together, and stays in
/// the first caches until they have sent (a hub takes some 400 B there, with its share of its cell).
const BATCH: usize = 64;

/// Hubs that wake at once for which memory is kept; more are rare, and take theirs for that time only.
const FIRED_KEPT: usize = 1 << 16;

/// Hubs whose timers have fired, in order, and how many of them have been looked at.
///
/// As long as the budgets refuse nothing, hubs send in the order in which they are due, batch by batch, so that each
/// comes from memory once. When a budget is short it matters who goes first: then everybody who is due is looked at
/// before the next is picked.
#[derive(Debug, Default)]
pub(super) struct Due {
    hubs: Vec<u32>,
    seen: usize,
    /// A budget has refused something, or did so before and somebody waits since.
    scarce: bool,
    /// Hubs in the buckets of their cells.
    waiting: usize,
    /// Cells whose timers have fired.
    cells: Vec<u32>,
}

impl Due {
    fn is_over(&self) -> bool {
        self.seen == self.hubs.len()
    }
}

/// What a budget lets through at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Door {
    /// Nothing passes until then.
    shut: Option<Moment>,
    /// No blocks pass until then.
    shut_for_blocks: Option<Moment>,
}

impl Door {
    fn close(&mut self, purpose: Use, until: Moment) {
        match purpose {
            Use::Requests => self.shut = Some(until),
            Use::Blocks => self.shut_for_blocks = Some(until),
        }
    }

    fn open_what_is_due(&mut self, now: Moment) {
        self.shut = self.shut.filter(|until| *until > now);
        self.shut_for_blocks = self.shut_for_blocks.filter(|until| *until > now);
    }

    /// Says when it opens further, given whether requests or blocks wait.
    fn opens(&self) -> Option<Moment> {
        [self.shut, self.shut_for_blocks].into_iter().flatten().min()
    }

    fn lets(&self, bucket: Bucket) -> bool {
        self.shut.is_none() && (bucket == 0 || self.shut_for_blocks.is_none())
    }
}

/// Whose turn it is, and by which place in the order.
#[derive(Clone, Copy, Debug)]
struct Picked {
    carrier: CarrierId,
    cell_bucket: Bucket,
    hub: HubId,
    bucket: Bucket,
}

impl Engine {
    /// Returns what to send next, if anything may be sent now.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        self.budgets.advance(now);
        self.collect_due(now);
        self.global_door.open_what_is_due(now);
        loop {
            while self.due.scarce && self.wake_batch(now) {}
            let Some(picked) = self.pick(now) else {
                if self.wake_batch(now) {
                    continue;
                }
                self.due.scarce = self.due.waiting > 0;
                return None;
            };
            let hub = picked.hub;
            let session = &self.sessions[hub.0 as usize];
            let cell = self.pacer.beside(hub.0);
            let most = self.budgets.largest_charge(cell);
            if self.armour.left_alone(now, session.model).is_some() {
                self.refresh(now, hub);
                continue;
            }
            let Want::Send { bytes, charge, blocks, .. } =
                session.want(now, hub, &self.pacer, self.trains, most, &self.config.patience)
            else {
                self.refresh(now, hub);
                continue;
            };
            let purpose = if blocks { Use::Blocks } else { Use::Requests };
            match self.budgets.admit(now, cell, bytes as u64, purpose) {
                Ok(()) => {
                    if blocks {
                        self.carriers[usize::from(picked.carrier.0)].cells.took_turn(picked.cell_bucket);
                        self.cells[cell.0 as usize].ready.took_turn(picked.bucket);
                    }
                    return Some(self.transmit(now, hub, most, (bytes, charge), purpose));
                }
                Err(refusal) => {
                    self.due.scarce = true;
                    self.shut(refusal.level, picked.carrier, cell, purpose, refusal.until);
                }
            }
        }
    }

    /// Picks the carrier that stands best, its cell, and the hub in it.
    fn pick(&mut self, now: Moment) -> Option<Picked> {
        loop {
            let mut chosen: Option<(Bucket, usize)> = None;
            let count = self.carriers.len();
            for offset in 0..count {
                let index = (self.next_carrier + offset) % count;
                let carrier = &mut self.carriers[index];
                let Some(best) = carrier.cells.best(0) else { continue };
                carrier.door.open_what_is_due(now);
                let passes = self.global_door.lets(best) && carrier.door.lets(best);
                if passes && chosen.is_none_or(|(bucket, _)| best < bucket) {
                    chosen = Some((best, index));
                }
            }
            let (_, index) = chosen?;
            if count > 1 {
                self.next_carrier = (index + 1) % count;
            }
            let (cell, cell_bucket) = self.carriers[index].cells.pick(false)?;
            let state = &self.cells[cell as usize];
            if let Some((hub, bucket)) = state.ready.pick(state.door.shut_for_blocks.is_some()) {
                return Some(Picked {
                    carrier: CarrierId(index as u16),
                    cell_bucket,
                    hub: HubId(hub),
                    bucket,
                });
            }
            self.list(CellId(cell));
        }
    }

    fn transmit(
        &mut self,
        now: Moment,
        hub: HubId,
        most: u64,
        (admitted, charge): (usize, AirTime),
        purpose: Use,
    ) -> Transmit {
        let mut around = Surroundings { releases: &mut self.releases, patience: &self.config.patience };
        let session = &mut self.sessions[hub.0 as usize];
        let (pace, known) = (session.pace(), session.has_known_rate());
        let emission = session.emit(now, self.trains, most, &mut around);
        let (address, transport) = (self.directory.resolve(hub, session.address), session.transport);
        // Requests are admitted at their largest.
        let spare = admitted.saturating_sub(emission.bytes) as u64;
        let cell = self.pacer.beside(hub.0);
        self.budgets.give_back(cell, spare, purpose);
        let charge = if spare == 0 { charge } else { AirTime::of(emission.bytes as u64, pace) };
        match known {
            true => self.pacer.charge_on_schedule(hub.0, now, charge, self.trains.agreed),
            false => self.pacer.charge(hub.0, now, charge),
        }
        self.armour.expects(hub.0, emission.answers);
        let traffic = &mut self.cells[cell.0 as usize].traffic;
        traffic.bytes_sent += emission.bytes as u64;
        traffic.blocks_sent += u64::from(emission.blocks);
        self.counters.bytes_sent += emission.bytes as u64;
        self.counters.blocks_sent += u64::from(emission.blocks);
        self.counters.requests_sent += u64::from(emission.blocks == 0);
        self.refresh(now, hub);
        let (contents, segment) = (emission.contents, emission.segment);
        let blocks = match transport {
            Transport::Datagram => emission.blocks.saturating_sub(emission.answers),
            Transport::Stream { .. } => emission.blocks,
        };
        Transmit { hub, address, transport, contents, segment, blocks }
    }

    /// Returns when the engine wants to be polled again although nothing was heard.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if !self.due.is_over() {
            return Some(self.start);
        }
        let mut next = [self.timers.next(), self.cell_timers.next()].into_iter().flatten().min();
        for carrier in &self.carriers {
            let Some(best) = carrier.cells.best(0) else { continue };
            let mut at = self.start;
            for door in [&self.global_door, &carrier.door] {
                if !door.lets(best) {
                    at = at.max(door.opens().unwrap_or(self.start));
                }
            }
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        next
    }

    /// Takes what is due from the timers.
    fn collect_due(&mut self, now: Moment) {
        self.timers.fire(&mut self.links, now, &mut self.due.hubs);
        let mut cells = std::mem::take(&mut self.due.cells);
        self.cell_timers.fire(&mut self.cell_timer_links, now, &mut cells);
        for cell in cells.drain(..) {
            self.cells[cell as usize].timed = false;
            self.cells[cell as usize].door.open_what_is_due(now);
            self.set_cell_timer(CellId(cell));
            self.list(CellId(cell));
        }
        self.due.cells = cells;
    }

    /// Looks at the next batch of hubs that are due; `false` if there is none.
    fn wake_batch(&mut self, now: Moment) -> bool {
        let mut hubs = std::mem::take(&mut self.due.hubs);
        let first = self.due.seen;
        let end = hubs.len().min(first + BATCH);
        self.fetch(&hubs[first..end]);
        for hub in &hubs[first..end] {
            let patience = self.config.patience;
            if let Some(ending) = self.sessions[*hub as usize].expire(now, &patience) {
                self.end(HubId(*hub), ending);
            }
            self.refresh(now, HubId(*hub));
        }
        self.due.seen = end;
        if end == hubs.len() {
            hubs.clear();
            hubs.shrink_to(FIRED_KEPT);
            self.due.seen = 0;
        }
        self.due.hubs = hubs;
        end > first
    }

    /// Has what a batch of hubs needs come from memory together: first what is known by their index, then their cells.
    fn fetch(&self, batch: &[u32]) {
        self.pacer.fetch(batch);
        let mut sum: u32 = 0;
        for hub in batch {
            sum = sum.wrapping_add(self.links.touch(*hub)).wrapping_add(self.sessions[*hub as usize].touch());
        }
        for hub in batch {
            let cell = self.pacer.beside(*hub);
            let state = &self.cells[cell.0 as usize];
            sum = sum.wrapping_add(state.ready.touch()).wrapping_add(state.traffic.blocks_sent as u32);
            sum = sum.wrapping_add(u32::from(state.timed));
        }
        black_box(sum);
    }

    fn shut(&mut self, level: Level, carrier: CarrierId, cell: CellId, purpose: Use, until: Moment) {
        match level {
            Level::Global => self.global_door.close(purpose, until),
            Level::Carrier => self.carriers[usize::from(carrier.0)].door.close(purpose, until),
            Level::Cell => {
                self.cells[cell.0 as usize].door.close(purpose, until);
                self.set_cell_timer(cell);
                self.list(cell);
            }
        }
    }

    fn set_cell_timer(&mut self, cell: CellId) {
        let state = &mut self.cells[cell.0 as usize];
        if std::mem::take(&mut state.timed) {
            self.cell_timers.cancel(&mut self.cell_timer_links, cell.0);
        }
        if let Some(at) = state.door.opens() {
            self.cell_timers.set(&mut self.cell_timer_links, cell.0, at);
            state.timed = true;
        }
    }

    /// Puts a session where it belongs now.
    pub(super) fn refresh(&mut self, now: Moment, hub: HubId) {
        let index = hub.0 as usize;
        let session = &self.sessions[index];
        let cell = self.pacer.beside(hub.0);
        let most = self.budgets.largest_charge(cell);
        let patience = &self.config.patience;
        let mut want = session.want(now, hub, &self.pacer, self.trains, most, patience);
        if let (Want::Send { .. }, Some(until)) = (want, self.armour.left_alone(now, session.model)) {
            want = Want::Wait(until);
        }
        let place = match want {
            Want::Nothing | Want::Wait(Moment::MAX) => Place::Nowhere,
            Want::Wait(at) => {
                self.leave(hub, cell);
                self.timers.set(&mut self.links, hub.0, at);
                Place::Timer
            }
            Want::Send { bucket, .. } if self.links.place(hub.0) == Place::Ready(bucket) => {
                // To the end of its bucket, so that all of them get their turns.
                let ready = &mut self.cells[cell.0 as usize].ready;
                ready.remove(&mut self.links, hub.0, bucket);
                ready.push(&mut self.links, hub.0, bucket);
                return;
            }
            Want::Send { bucket, .. } => {
                self.leave(hub, cell);
                self.due.waiting += 1;
                self.cells[cell.0 as usize].ready.push(&mut self.links, hub.0, bucket);
                self.list(cell);
                Place::Ready(bucket)
            }
        };
        if place == Place::Nowhere {
            self.leave(hub, cell);
        }
        self.links.put(hub.0, place);
    }

    /// Takes a session out of whichever list it is in.
    fn leave(&mut self, hub: HubId, cell: CellId) {
        match self.links.put(hub.0, Place::Nowhere) {
            Place::Nowhere => {}
            Place::Timer => self.timers.cancel(&mut self.links, hub.0),
            Place::Ready(bucket) => {
                self.due.waiting -= 1;
                self.cells[cell.0 as usize].ready.remove(&mut self.links, hub.0, bucket);
                self.list(cell);
            }
        }
    }

    /// Brings a cell's place among its carrier's cells up to date.
    fn list(&mut self, cell: CellId) {
        let state = &mut self.cells[cell.0 as usize];
        let best = state.ready.best(0).filter(|best| state.door.lets(*best));
        if state.listed == best {
            return;
        }
        let queue = &mut self.carriers[usize::from(state.carrier.0)].cells;
        if let Some(bucket) = state.listed {
            queue.remove(&mut self.cell_links, cell.0, bucket);
        }
        if let Some(bucket) = best {
            queue.push(&mut self.cell_links, cell.0, bucket);
        }
        state.listed = best;
    }
}
