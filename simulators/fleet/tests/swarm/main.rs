//! The swarm: many small towns, each with other faults, under the real conductor, with every invariant checked.
//!
//! ```text
//! cargo test -p fleet --test swarm                     the seeds of every test run
//! cargo test -p fleet --test swarm -- --seeds 5000     more of them
//! cargo test -p fleet --test swarm -- --seed 17        one again, as a failure prints it
//! cargo test -p fleet --test swarm -- --keep-going     all of them, whatever fails
//! ```
//!
//! Each seed switches each kind of fault on or off, so that a fault that hides others is away in half of them, but for one
//! seed in six, which has all kinds at once; faults end at some moment, and then every device must come to an end. The
//! whole fails as well when something that a world can bring about was never brought about: see `coverage`.

#![allow(clippy::unwrap_used)]

mod arguments; // what the command line asks for
#[expect(dead_code, reason = "the devices' tests use more of it")]
#[path = "../devices/chain.rs"]
mod chain;
mod checker; // what the house is compared with at every step
#[path = "../counts/mod.rs"]
mod counts; // the table of counts
mod coverage; // what must have happened at least once
mod dice; // what a seed decides about its plan
mod invariants; // what must hold of head-end, ledger and fleet together
mod lists; // what lies on the desk of its head-end
mod plan; // a seed's world and its troubles
mod policy; // whether a device was updated outside policy, from ledger and lists alone
mod run; // one seed from order to end
#[expect(dead_code, reason = "what nobody does is held against the wire by the devices' tests")]
#[path = "../sometimes/mod.rs"]
mod sometimes; // what devices must do at least once, here or elsewhere
mod table; // this part of the counts

use std::process::ExitCode;
use std::time::Instant;

use arguments::{Arguments, Asked};
use coverage::Coverage;
use plan::Plan;
use table::Sums;

/// Seeds that are run twice and compared byte for byte.
const TWICE: u64 = 50;

/// How many of the rarest things are printed, so that one sees what hangs by a thread.
const RAREST: usize = 12;

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)) {
        Ok(Asked::Nothing) => ExitCode::SUCCESS,
        Ok(Asked::List) => {
            println!("swarm: test");
            ExitCode::SUCCESS
        }
        Ok(Asked::Run(arguments)) => run_all(&arguments),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run_all(arguments: &Arguments) -> ExitCode {
    let seeds = arguments.seeds();
    println!("swarm: seeds {} to {}", seeds.start, seeds.end - 1);
    let began = Instant::now();
    let mut sums = Sums::default();
    let mut coverage = Coverage::default();
    let mut failed = 0;
    for seed in seeds.clone() {
        let plan = Plan::of(seed);
        if arguments.is_single() {
            println!("{plan}");
        }
        let again = seed - seeds.start < TWICE;
        match run::run(&plan, began).and_then(|account| account.compared_with(again.then_some(&plan), began))
        {
            Ok(account) => {
                coverage.add(&account.coverage);
                sums.add(&account, &plan);
            }
            Err(failure) => {
                println!("seed {seed} failed: {failure}");
                println!("again with: cargo test -p fleet --test swarm -- --seed {seed}");
                failed += 1;
                if !arguments.keeps_going() {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    sums.print(&coverage);
    println!("{}", sums.in_detail(began.elapsed()));
    println!("rarest: {}", coverage.rarest(RAREST).join(", "));
    println!("unasked: {}", coverage.unexpected().join(", "));
    let unlisted = coverage.unlisted();
    if failed > 0 || !unlisted.is_empty() {
        println!("{failed} seeds failed; nobody is said to do: {}", unlisted.join(", "));
        return ExitCode::FAILURE;
    }
    let mut missed = coverage.missed();
    missed.extend(sums.missed());
    if arguments.is_single() || missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("never happened in {} seeds: {}", seeds.count(), missed.join(", "));
    ExitCode::FAILURE
}
