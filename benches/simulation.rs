//! The simulator: what an event costs in the queue, with whole devices and the engine in the loop, and in leaps.
//!
//! `cargo bench --bench simulation`. Virtual time, one thread. Costs are processor time; read the ratios within one run.
//! An event is a frame on a home's radio or a datagram on the WAN, sent, carried, parsed and answered. Without `--bench`
//! (as `cargo test --benches` runs it) everything is done once and small. The nation is measured by the command itself:
//! `lamplighter simulate simulators/fleets/nation.toml --seed 7` ends with its time and its memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Duration;

use fleet::{EventQueue, Fidelity};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;
use transfer_engine::Moment;

mod measure;
#[path = "../tests/street.rs"]
#[allow(dead_code, reason = "the scenarios use more of it")]
mod street;

use measure::{cost, machine};

/// How far ahead events are set: a request and its answer on 2G take a second or two, an outage longer.
const AHEAD_US: u64 = 8_000_000;

const LIMIT: Duration = Duration::from_secs(60 * 86_400);

fn main() {
    let whole = std::env::args().any(|argument| argument == "--bench");
    println!("machine: {}", machine());
    for pending in if whole { vec![10_000, 100_000, 1_000_000] } else { vec![1_000] } {
        queue(pending, if whole { 20_000_000 } else { 10_000 });
    }
    world("street", street::STREET, if whole { 60 } else { 2 });
    world("demo", street::DEMO, if whole { 120 } else { 4 });
    println!("machine at the end: {}", machine());
}

/// The queue alone, beside a heap of the same events: the next one is taken, and one set in its place.
fn queue(pending: u32, events: u64) {
    let start = Moment::from_micros(1_601_856_000_000_000);
    let ahead = |random: &mut Pcg64Mcg| random.next_u64() % AHEAD_US;
    let mut random = Pcg64Mcg::new(7);
    let mut ours = EventQueue::new(start);
    for event in 0..pending {
        ours.push(Moment::from_micros(start.as_micros() + ahead(&mut random)), event);
    }
    let ours_s = cost(|| {
        for _ in 0..events {
            let (at, event) = ours.pop().expect("as many as there were");
            ours.push(Moment::from_micros(at.as_micros() + 1 + ahead(&mut random)), event);
        }
    });
    let mut random = Pcg64Mcg::new(7);
    let mut heap = BinaryHeap::new();
    for event in 0..pending {
        heap.push(Reverse((start.as_micros() + ahead(&mut random), event)));
    }
    let heap_events = events / 4;
    let heap_s = cost(|| {
        for _ in 0..heap_events {
            let Reverse((at, event)) = heap.pop().expect("as many as there were");
            heap.push(Reverse((at + 1 + ahead(&mut random), event)));
        }
    });
    black_box((ours.len(), heap.len()));
    let rate = |events: u64, seconds: f64| events as f64 / seconds / 1e6;
    println!(
        "queue, {pending} pending, total order: {:.1} M events/s; BinaryHeap {:.1} M (bar at a million: 15)",
        rate(events, ours_s),
        rate(heap_events, heap_s)
    );
}

/// A campaign on a world in both fidelities: they must give the same ledger.
fn world(name: &str, text: &str, homes: u32) {
    let spec = street::world(text, homes);
    let mut seconds = [0.0; 2];
    let mut heads = Vec::new();
    let mut events = 0;
    for (index, fidelity) in [Fidelity::Exact, Fidelity::Batched].into_iter().enumerate() {
        let mut rehearsal = street::rehearsal_with(&spec, 7, [244_000, 190_000]);
        rehearsal.fleet.set_fidelity(fidelity);
        let mut simulation =
            fleet::Simulation::new(rehearsal, spec.start, street::PORT).expect("the order is accepted");
        seconds[index] = cost(|| simulation.run(LIMIT, |_, _| {}).expect("it ends"));
        let census = simulation.census();
        events = census.han.frames + census.wan.down.offered + census.wan.up.offered;
        heads.push(simulation.head());
    }
    assert_eq!(heads[0], heads[1], "the fidelities differ");
    let [exact, batched] = seconds;
    println!(
        "world {name}, {homes} homes, {events} events: exact {:.2} M events/s (bar 3), batched {:.1} M, {:.1} times; \
         {:.0} us a home batched; the same ledger",
        events as f64 / exact / 1e6,
        events as f64 / batched / 1e6,
        exact / batched,
        batched * 1e6 / f64::from(homes)
    );
}
