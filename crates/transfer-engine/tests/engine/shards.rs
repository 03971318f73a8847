//! Two engines on two threads, each with its own hubs, under budgets that they share by leases.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use transfer_engine::{
    BudgetRules, Budgets, ByteRate, CarrierId, CellId, Engine, EngineConfig, LineRate, Transport,
};

use crate::net::Profile;
use crate::rig::{Rig, START, ample};

const GLOBAL: u64 = 40_000;
const CELL: u64 = 30_000;
const HUBS: usize = 8;
const IMAGE: usize = 20_000;

/// The engines' clocks are never further apart.
const TICK: Duration = Duration::from_millis(5);
const TICKS: u32 = 24_000;

/// What one engine sent: when (µs) and how many bytes, headers included.
type Sent = Vec<(u64, u64)>;

/// Runs an engine's hubs to their end, in step with the other.
fn run(engine: Engine, seed: u64, step: &Barrier) -> Sent {
    let mut rig = Rig::around(engine, IMAGE, seed);
    let profile = Profile { bits_per_s: 2_000_000, ..Profile::gprs(0.01) };
    for _ in 0..HUBS {
        let rate = LineRate::AtMost(ByteRate(1_000_000));
        let hub = rig.add(CellId(0), Transport::Datagram, rate, profile, 1_024);
        rig.stage(hub);
    }
    for tick in 1..=TICKS {
        rig.run_until(START + TICK * tick);
        step.wait();
    }
    assert_eq!(rig.events.len(), HUBS, "all are done within two minutes");
    assert!(rig.events.iter().all(|(_, event)| event.result.is_ok()), "{:?}", rig.events);
    rig.sent_log.iter().map(|(at, bytes, _, _)| (*at, *bytes)).collect()
}

#[test]
fn engines_on_two_threads_never_exceed_the_budgets_they_share() {
    let burst = Duration::from_millis(50);
    let rules = BudgetRules { global: ByteRate(GLOBAL).into(), burst, reserve_permille: 0, shards: 2 };
    let mut budgets = Budgets::new(rules, START);
    budgets.add_cell(START, CarrierId(0), ByteRate(CELL).into());
    let config = EngineConfig { burst, ..ample() };
    let shared = budgets.share();
    let step = Barrier::new(2);
    let mut sent = thread::scope(|scope| {
        let first = scope.spawn(|| run(Engine::with_budgets(config, budgets, START), 1, &step));
        let second = scope.spawn(|| run(Engine::with_budgets(config, shared, START), 2, &step));
        let mut sent = first.join().expect("the first engine's hubs are served");
        sent.extend(second.join().expect("the second engine's hubs are served"));
        sent
    });
    sent.sort_unstable();
    let total: u64 = sent.iter().map(|(_, bytes)| bytes).sum();
    assert!(total > (2 * HUBS * IMAGE) as u64);
    // The burst of the smaller budget: a largest block at hand and one with each engine; and what a tick carries.
    let stated = 3 * (8_284 + 668) + CELL * 5 / 1_000 + 2;
    for first in 0..sent.len() {
        let mut bytes_so_far = 0;
        for (at, bytes) in &sent[first..] {
            bytes_so_far += bytes;
            let span = at - sent[first].0;
            let most = span * CELL / 1_000_000 + stated;
            assert!(bytes_so_far <= most, "{bytes_so_far} B in {span} us, {most} are allowed");
        }
    }
    // And between them they use it, while both have much to send.
    let mut sent_so_far = 0;
    let half = sent.iter().find(|(_, bytes)| {
        sent_so_far += bytes;
        sent_so_far >= total / 2
    });
    let span = half.map_or(0, |(at, _)| at - sent[0].0);
    let least = total / 2 * 1_000_000 / CELL;
    assert!(span < 2 * least, "half of {total} B in {span} us, {least} would have done");
}
