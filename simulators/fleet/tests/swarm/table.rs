//! The counts of a run, as the README quotes them.

use std::time::Duration;

use fleet::{FaultCounts, FaultKind};

use crate::run::Account;

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
}

impl Sums {
    /// Adds a seed.
    pub fn add(&mut self, account: &Account) {
        self.seeds += 1;
        self.compared += u64::from(account.was_compared());
        self.homes += account.homes;
        self.steps += account.steps;
        self.looks += account.looks;
        self.checks += account.checks;
        self.instructions += account.instructions;
        self.audited += account.audited;
        self.faults.add(&account.faults);
    }

    /// Prints one table.
    pub fn print(&self, took: Duration) {
        println!("swarm                        |       count");
        println!("-----------------------------|-----------:");
        let row = |what: &str, count: u64| println!("{what:<28} | {count:>11}");
        row("seeds", self.seeds);
        row("seeds run twice, alike", self.compared);
        row("homes", self.homes);
        row("steps of the house", self.steps);
        row("events in homes", self.looks);
        row("checks of invariants", self.checks);
        row("instructions within policy", self.instructions);
        row("orders within policy", self.audited);
        for kind in FaultKind::ALL {
            row(kind.word(), self.faults.of(kind));
        }
        row("faults", self.faults.total());
        println!("{:<28} | {:>11.1}", "seconds", took.as_secs_f64());
    }
}
