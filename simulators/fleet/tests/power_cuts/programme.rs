//! The programme: every single cut, every second cut behind it, and chains of cuts.
//!
//! ```text
//! the update, step by step ── fork before each step, cut in it ── again, along what follows ── finish
//!                             single: operations × 3 modes        double: operations × 3 modes
//! ```
//!
//! A power cut leaves nothing of a device but its flash. Many cuts leave the same, bit for bit, and then what follows is
//! the same too: it is run to its end once for each digest of the whole flash, and found again after that. What can
//! differ, that a counter fell or an entry was lost since the cut, is checked after every single cut.

use std::collections::HashMap;
use std::time::Instant;

use fleet::{CutMode, SectorPool};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::bench::Bench;
use crate::counts::print_row;
use crate::images::OrderDesk;
use crate::scenes::{self, Scene};

/// The seed of the chains. It is printed, and repeats them.
const SEED: u64 = 20_261_126;

/// Chains of cuts that are drawn.
const CHAINS: u64 = 100_000;

/// The longest of them.
const LONGEST_CHAIN: u64 = 20;

/// How often a chain is drawn until it has a cut.
const MOST_DRAWS: u32 = 1_000;

/// Images and answers that the pool of a scene may gather before it is emptied.
const POOL_BOUND: usize = 2_000;

/// What came of one scene, or of all.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    operations: u64,
    singles: u64,
    doubles: u64,
    chains: u64,
    /// Cuts of the chains.
    chain_cuts: u64,
    /// Distinct contents of flash that were run to the end of the update.
    distinct: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.operations += other.operations;
        self.singles += other.singles;
        self.doubles += other.doubles;
        self.chains += other.chains;
        self.chain_cuts += other.chain_cuts;
        self.distinct += other.distinct;
    }
}

/// A scene under the programme.
struct Programme<'a> {
    scene: &'a Scene,
    pool: SectorPool,
    desk: OrderDesk,
    /// The counter that a device with this flash comes up with, and that it gets the job done.
    proven: HashMap<[u8; 32], u64>,
    tally: Tally,
}

impl<'a> Programme<'a> {
    fn new(scene: &'a Scene) -> Programme<'a> {
        Programme {
            scene,
            pool: SectorPool::new(),
            desk: OrderDesk::default(),
            proven: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Cuts every step of a history once, and each history that follows from that as often as `depth` says.
    fn explore(&mut self, mut bench: Bench<'a>, depth: u32) {
        loop {
            let before = bench.fork();
            let from = bench.device.operations();
            let goes_on = bench.step(&mut self.pool, &mut self.desk);
            bench.check(None, &mut self.pool);
            let to = bench.device.operations();
            if from < to {
                let seen = before.look();
                for (at_operation, mode) in (from..to).flat_map(|at| CutMode::ALL.map(|mode| (at, mode))) {
                    let mut cut = before.fork();
                    let hit = cut.step_into_cut(at_operation, mode, &mut self.pool, &mut self.desk);
                    assert!(hit, "operation {at_operation} is cut {mode:?}");
                    self.outlive(&cut, &seen);
                    if depth > 1 {
                        self.tally.singles += 1;
                        self.explore(cut, depth - 1);
                    } else {
                        self.tally.doubles += 1;
                    }
                }
            }
            if !goes_on {
                assert!(bench.is_done());
                return;
            }
            if self.pool.sector_count() > POOL_BOUND {
                self.pool.forget_unused();
            }
        }
    }

    /// Checks what a cut has left, and that the job gets done from there.
    fn outlive(&mut self, cut: &Bench<'a>, seen: &crate::bench::Seen) {
        cut.check_log(seen);
        let digest = cut.device.flash_digest();
        let counter = match self.proven.get(&digest) {
            Some(counter) => *counter,
            None => {
                let counter = self.prove(cut.fork(), seen);
                self.proven.insert(digest, counter);
                self.tally.distinct += 1;
                counter
            }
        };
        assert!(counter >= seen.counter, "the security counter fell");
    }

    /// Boots the device, looks, and lets it finish; returns the counter that it came up with.
    fn prove(&mut self, mut bench: Bench<'a>, seen: &crate::bench::Seen) -> u64 {
        while !bench.device.is_up(bench.now) {
            assert!(bench.step(&mut self.pool, &mut self.desk), "a brick");
        }
        bench.check(Some(seen), &mut self.pool);
        let counter = bench.device.security_counter();
        bench.finish(&mut self.pool, &mut self.desk);
        counter
    }

    /// Draws chains of cuts, each from somewhere in the update on.
    fn chains(&mut self, count: u64, draw: &mut Pcg64Mcg) {
        let mut start = self.scene.bench(&mut self.pool, &mut self.desk);
        let mut moments = vec![start.fork()];
        while start.step(&mut self.pool, &mut self.desk) {
            moments.push(start.fork());
        }
        let span = start.device.operations() - moments[0].device.operations();
        for _ in 0..count {
            // Near its end the update may be over before the first cut: then there is no chain, and another one is drawn.
            let drawn = (0..MOST_DRAWS).any(|_| self.chain(&moments, span, draw));
            assert!(drawn, "no cut in {MOST_DRAWS} draws");
            self.tally.chains += 1;
        }
    }

    /// Draws a chain of cuts; returns false when there was none.
    fn chain(&mut self, moments: &[Bench<'a>], span: u64, draw: &mut Pcg64Mcg) -> bool {
        let mut bench = moments[below(draw, moments.len() as u64) as usize].fork();
        let cuts = 1 + below(draw, LONGEST_CHAIN);
        let mut done = 0;
        for _ in 0..cuts {
            // Most cuts come while the one before is recovered from; with larger strides the update would end.
            let reach = [3, 6, 12, span / 4][below(draw, 4) as usize];
            let mode = CutMode::ALL[below(draw, 3) as usize];
            if !self.cut_after(&mut bench, below(draw, reach), mode) {
                break;
            }
            done += 1;
        }
        self.tally.chain_cuts += done;
        let seen = bench.look();
        self.outlive(&bench, &seen);
        done > 0
    }

    /// Runs on until the power fails so many operations later; returns false when the update ends before.
    fn cut_after(&mut self, bench: &mut Bench<'a>, operations: u64, mode: CutMode) -> bool {
        let at_operation = bench.device.operations() + operations;
        bench.device.plan_cut(fleet::FlashFault { at_operation, mode });
        loop {
            let seen = bench.look();
            let goes_on = bench.step(&mut self.pool, &mut self.desk);
            if bench.device.operations() > at_operation {
                bench.check_log(&seen);
                return true;
            }
            bench.check(Some(&seen), &mut self.pool);
            if !goes_on {
                return false;
            }
        }
    }
}

fn below(draw: &mut Pcg64Mcg, bound: u64) -> u64 {
    ((u128::from(draw.next_u64()) * u128::from(bound)) >> 64) as u64
}

fn run(scene: &Scene, number: u64, chains: u64) -> Tally {
    let mut programme = Programme::new(scene);
    let bench = scene.bench(&mut programme.pool, &mut programme.desk);
    let mut whole = bench.fork();
    whole.finish(&mut programme.pool, &mut programme.desk);
    programme.tally.operations = whole.device.operations() - bench.device.operations();
    programme.explore(bench, 2);
    programme.chains(chains, &mut Pcg64Mcg::seed_from_u64(SEED ^ number));
    programme.tally
}

#[test]
fn no_cut_and_no_two_cuts_and_no_chain_of_cuts_spoil_a_device() {
    let scenes = scenes::all();
    println!("seed of the chains: {SEED}");
    let started = Instant::now();
    let mut total = Tally::default();
    for (number, scene) in (0..).zip(&scenes) {
        let begun = Instant::now();
        let share = CHAINS / scenes.len() as u64 + u64::from(number < CHAINS % scenes.len() as u64);
        let tally = run(scene, number, share);
        println!(
            "{number:>2} {:?} {:?}: {tally:?} {:.1} s",
            scene.kind,
            scene.layout,
            begun.elapsed().as_secs_f64()
        );
        total.add(&tally);
    }
    let Tally { singles, doubles, chains, .. } = total;
    print_row("power cuts: flash layouts", scenes.len());
    print_row("power cuts: at every operation, in three ways", singles);
    print_row("power cuts: two in a row", doubles);
    print_row("power cuts: chains of up to twenty", chains);
    print_row("power cuts: bricks", 0);
    println!(
        "flash operations of the updates: {}; distinct contents of flash: {}; cuts in chains: {}; {} seconds",
        total.operations,
        total.distinct,
        total.chain_cuts,
        started.elapsed().as_secs()
    );
    assert!(scenes.len() >= 24, "{} layouts", scenes.len());
    assert_eq!(singles, 3 * total.operations, "every operation is cut in three ways");
    assert!(doubles >= 1_000_000, "{doubles} double cuts");
    assert_eq!(chains, 100_000);
}
