//! What the house is compared with at every step: the ledger entry by entry, budgets byte by byte, the watched homes.

use std::collections::BTreeMap;

use campaign::{OrderedRecord, Record};
use eligibility::DeviceChange;
use firmware_image::{Eui64, FileDigest};
use fleet::{Cell, Fill, Share, Simulation, WorldSpec};
use ledger::EntryIndex;
use transfer_engine::Moment;

use crate::invariants;
use crate::plan::Plan;
use crate::policy::{self, Audit, Letters};
use crate::run::{Crew, second_reader};

/// What one transmit may hold beyond a budget: budgets are asked before a train, which may be this long, and requests
/// have their own reserve.
const LONGEST_TRAIN: u64 = 16;

/// Headers around a block: IP and UDP 28, wrapper 8, request and parameter 25 at most.
const BLOCK_HEADERS: u64 = 61;

/// Looks at a simulation from outside.
pub struct Checker {
    next_entry: u64,
    orders: BTreeMap<Eui64, OrderedRecord>,
    /// Of each device, the last try that failed.
    tries: BTreeMap<Eui64, u8>,
    halted: bool,
    withdrawn: Vec<FileDigest>,
    letters: Letters,
    audit: Audit,
    serial: u64,
    budgets: Budgets,
    steps: u64,
    checks: u64,
}

/// How far above each shared budget we are.
struct Budgets {
    rate: u64,
    cell_rate: u64,
    block: u64,
    sent: u64,
    global: Fill,
    cells: BTreeMap<Cell, (u64, Fill)>,
}

/// The largest block that a hub may ask for.
const LARGEST_BLOCK: u64 = 8_192;

/// Returns how many bytes one link may be sent at once: 50 ms of its rate and what does not divide, a block and a request.
pub fn link_allowance(spec: &WorldSpec) -> u64 {
    // Where answers are altered unnoticed, a hub may seem to ask for other blocks than it does.
    let altered = spec.faults.corrupted_per_datagram > Share::NONE
        && spec.faults.undetected_per_corrupted > Share::NONE;
    let size = if altered { LARGEST_BLOCK } else { spec.device.hub.block_bytes.get().into() };
    let block = size + BLOCK_HEADERS;
    spec.campaign.link_rate_bytes_per_s.get() / 20 + 2 * block.max(1_200)
}

impl Checker {
    /// Makes one that has seen nothing.
    pub fn new(plan: &Plan, _simulation: &Simulation) -> Checker {
        let campaign = &plan.spec.campaign;
        let budgets = Budgets {
            rate: campaign.global_rate_bytes_per_s.get(),
            cell_rate: campaign.cell_rate_bytes_per_s.get(),
            block: u64::from(plan.spec.device.hub.block_bytes.get()) + BLOCK_HEADERS,
            sent: 0,
            global: Fill::default(),
            cells: BTreeMap::new(),
        };
        Checker {
            next_entry: 0,
            orders: BTreeMap::new(),
            tries: BTreeMap::new(),
            halted: false,
            withdrawn: Vec::new(),
            letters: Letters::default(),
            audit: Audit::default(),
            serial: 1,
            budgets,
            steps: 0,
            checks: 0,
        }
    }

    /// Checks everything that can have changed in a step.
    pub fn after_a_step(&mut self, simulation: &Simulation) -> Result<(), String> {
        self.steps += 1;
        if let Some(broken) = simulation.fleet().broken().next() {
            return Err(broken.to_string());
        }
        let before = self.next_entry;
        self.read_new_entries(simulation)?;
        if self.next_entry > before {
            self.checks += 1;
            invariants::waves_are_counted_as_their_rows_are(simulation)?;
        }
        self.checks += 1;
        self.budgets.check(simulation)
    }

    fn read_new_entries(&mut self, simulation: &Simulation) -> Result<(), String> {
        for entry in simulation.ledger().entries(EntryIndex(self.next_entry)) {
            let entry = entry.map_err(|error| error.to_string())?;
            self.next_entry = entry.index.0 + 1;
            let record = Record::from_entry(&entry).map_err(|error| error.to_string())?;
            self.checks += 1;
            match &record {
                Record::Ordered(order) => {
                    invariants::nothing_is_ordered_after_a_halt(self.halted, &record)?;
                    invariants::a_device_is_ordered_once(&self.orders, order)?;
                    invariants::an_order_has_all_it_needs(simulation, order)?;
                    self.orders.insert(order.device, order.clone());
                }
                Record::Instructed(_) => {
                    invariants::nothing_is_ordered_after_a_halt(self.halted, &record)?;
                }
                Record::StagingFailed(body) => {
                    let before = self.tries.insert(body.device, body.attempt).unwrap_or(0);
                    invariants::tries_are_counted_one_by_one(simulation, before, body)?;
                }
                Record::Stepped(body) => {
                    self.tries.remove(&body.device);
                }
                Record::Staged(_) | Record::Delivered(_) | Record::Outcome(_) => {
                    invariants::what_is_recorded_did_happen(simulation, &record)?;
                }
                Record::Halted(_) | Record::Aborted(_) => self.halted = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks that a head-end that started again knows what the one before knew.
    pub fn after_a_restart(&mut self, simulation: &Simulation) -> Result<(), String> {
        self.checks += 1;
        self.budgets.sent = 0;
        // Its budgets begin anew, and so does what is reckoned of them.
        self.budgets.global = Fill::default();
        self.read_new_entries(simulation)
    }

    /// Checks what must hold when all is over.
    pub fn at_the_end(&mut self, simulation: &Simulation, crew: &Crew<'_>) -> Result<(), String> {
        if let Some(broken) = simulation.fleet().broken().next() {
            return Err(broken.to_string());
        }
        self.read_new_entries(simulation)?;
        self.checks += 6;
        invariants::every_device_came_to_an_end(simulation)?;
        invariants::the_chain_verifies_and_explains_every_state(
            simulation,
            &second_reader(simulation, crew)?,
        )?;
        invariants::what_devices_run_is_what_was_ordered(simulation, &self.orders)?;
        self.audit = policy::audit(simulation, crew.lists(), self.letters.clone())?;
        invariants::blocks_are_repeated_for_a_reason(simulation, crew)?;
        invariants::nothing_gets_in_without_two_approvals(simulation, crew)
    }

    /// Says what keeps a campaign from ending.
    pub fn endless(&self, simulation: &Simulation) -> String {
        let waiting = simulation.state().rows().filter(|row| row.outcome.is_none());
        let waiting: Vec<String> =
            waiting.map(|row| format!("{} {}", row.device, row.stage.as_str())).collect();
        format!(
            "every device ends once faults stop: at {} these have not: {}",
            simulation.now(),
            waiting.join(", ")
        )
    }

    /// Notes that nobody vouches for an image any more.
    pub fn note_withdrawal(&mut self, now: Moment, image: FileDigest) {
        self.withdrawn.push(image);
        self.letters.images.insert(image, now);
    }

    /// Notes that all tests and reports were withdrawn.
    pub fn note_evidence_withdrawal(&mut self, now: Moment) {
        self.letters.evidence = Some(now);
    }

    /// Notes what was written about a device.
    pub fn note_change(&mut self, now: Moment, device: Eui64, change: DeviceChange) {
        self.letters.changes.push((now, device, change));
    }

    /// Returns what was written since the first day, but for the news of suppliers.
    pub fn letters(&self) -> &Letters {
        &self.letters
    }

    /// Returns what the auditor has found at the end.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Returns the images that nobody vouches for any more.
    pub fn withdrawn(&self) -> &[FileDigest] {
        &self.withdrawn
    }

    /// Returns the number of the next papers.
    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Returns how many steps were taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns how many checks were made, those in homes not counted.
    pub fn checks(&self) -> u64 {
        self.checks
    }
}

impl Budgets {
    /// Shared budgets: what was sent lies above the rate by no more than may be made up for at once.
    fn check(&mut self, simulation: &Simulation) -> Result<(), String> {
        let (now, sent) = (simulation.now(), simulation.conductor().counters().bytes_sent);
        let above = self.global.add(now, sent - self.sent, self.rate);
        self.sent = sent;
        let allowed = |rate: u64| rate / 20 + LONGEST_TRAIN * self.block;
        if above > allowed(self.rate) {
            return Err(format!("the global budget is kept: {above} bytes above it at {now}"));
        }
        let mut offered: BTreeMap<Cell, u64> = BTreeMap::new();
        for (cell, bytes) in simulation.fleet().offered() {
            *offered.entry(cell).or_default() += bytes;
        }
        for (cell, bytes) in offered {
            let (before, fill) = self.cells.entry(cell).or_default();
            let above = fill.add(now, bytes - *before, self.cell_rate);
            *before = bytes;
            if above > allowed(self.cell_rate) {
                return Err(format!("the budget of {cell:?} is kept: {above} bytes above it at {now}"));
            }
        }
        Ok(())
    }
}
