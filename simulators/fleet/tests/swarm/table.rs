//! The counts of a run: its part of the table that the README quotes, and the rest in a line.

use std::time::Duration;

use fleet::{FaultCounts, FaultKind};

use crate::counts::{print_head, print_row};
use crate::coverage::Coverage;
use crate::plan::Plan;
use crate::run::Account;

/// Seeds that must have had every kind of fault at once.
const LEAST_WITH_EVERYTHING: u64 = 300;

/// Sums over seeds.
#[derive(Default)]
pub struct Sums {
    seeds: u64,
    compared: u64,
    homes: u64,
    steps: u64,
    looks: u64,
    checks: u64,
    instructions: u64,
    audited: u64,
    faults: FaultCounts,
    /// Seeds that have every kind of fault at once, and what struck in them.
    with_everything: u64,
    faults_of_everything: FaultCounts,
}

impl Sums {
    /// Adds a seed.
    pub fn add(&mut self, account: &Account, plan: &Plan) {
        self.seeds += 1;
        self.compared += u64::from(account.was_compared());
        self.homes += account.homes;
        self.steps += account.steps;
        self.looks += account.looks;
        self.checks += account.checks;
        self.instructions += account.instructions;
        self.audited += account.audited;
        self.faults.add(&account.faults);
        if plan.switched_off().is_empty() {
            self.with_everything += 1;
            self.faults_of_everything.add(&account.faults);
        }
    }

    /// Returns what should have been and was not: seeds with everything at once, and each kind of fault in them.
    pub fn missed(&self) -> Vec<String> {
        let few = (self.with_everything < LEAST_WITH_EVERYTHING)
            .then(|| format!("{LEAST_WITH_EVERYTHING} seeds with all kinds of fault at once"));
        let never = FaultKind::ALL.into_iter().filter(|kind| self.faults_of_everything.of(*kind) == 0);
        few.into_iter().chain(never.map(|kind| format!("{} among all other faults", kind.word()))).collect()
    }

    /// Prints the rows of the table.
    pub fn print(&self, coverage: &Coverage) {
        print_head();
        print_row("swarm: seeds", self.seeds);
        let with_all = format!("swarm: seeds with all {} kinds of fault at once", FaultKind::ALL.len());
        print_row(&with_all, self.with_everything);
        print_row("swarm: seeds run twice, alike to the byte", self.compared);
        print_row("swarm: homes", self.homes);
        print_row("swarm: steps of the house", self.steps);
        print_row("swarm: events in homes", self.looks);
        print_row("swarm: checks of invariants", self.checks);
        print_row("swarm: instructions within policy", self.instructions);
        print_row("swarm: orders within policy", self.audited);
        print_row("swarm: faults", self.faults.total());
        let (met, asked) = coverage.met();
        print_row("sometimes-checks: asked of the swarm", asked);
        print_row("sometimes-checks: met by it", met);
    }

    /// Returns the faults by kind and how long it all took.
    pub fn in_detail(&self, took: Duration) -> String {
        let by_kind = FaultKind::ALL.map(|kind| format!("{} {}", kind.word(), self.faults.of(kind)));
        format!("faults: {}; {:.1} seconds", by_kind.join(", "), took.as_secs_f64())
    }
}
