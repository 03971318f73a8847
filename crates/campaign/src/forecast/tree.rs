//! The network as numbers: seconds and bytes, each home's images sorted by their tails, and the cuts worth trying.

use super::open::OpenTime;
use super::{Activation, Delivery, Network};
use transfer_engine::ByteRate;

/// Moments at which cuts are tried, of a cell and of the whole. Evaluating a bound takes time in proportion; with 64 of
/// evenly spread ranks, what lies between two of them is under 2 % of the images.
const MOST_CUTS: usize = 64;

/// One image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) bytes: f64,
    pub(super) tail: f64,
    /// How much of the tail is its soak.
    pub(super) soak: f64,
    /// What lies before and after the order to activate.
    activation: Option<(f64, f64)>,
    pub(super) sleeps: bool,
}

/// A home: its line and what is to pass it, the longest tail first.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) rate: f64,
    pub(super) bytes: f64,
    pub(super) air_time: f64,
    pub(super) jobs: Vec<Job>,
    /// Its place in the cell of the network.
    pub(super) place: usize,
}

/// A cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) rate: f64,
    pub(super) bytes: f64,
    pub(super) lines: Vec<Line>,
    /// Images by whose moments cuts are tried.
    pub(super) tried: Vec<Job>,
    /// Its place in the network.
    pub(super) place: usize,
}

/// Everything.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) rate: f64,
    pub(super) bytes: f64,
    pub(super) cells: Vec<Cell>,
    pub(super) tried: Vec<Job>,
    pub(super) open: OpenTime,
    pub(super) activating: OpenTime,
}

/// A rate as a number. Nothing passes where it is zero, and then there is no end to find: such a rate counts as one byte
/// a second.
pub(super) fn per_second(rate: ByteRate) -> f64 {
    rate.0.max(1) as f64
}

impl Tree {
    /// Takes from a network what counts.
    pub(super) fn of(
        network: &Network,
        open: OpenTime,
        activating: OpenTime,
        counts: impl Fn(&Delivery) -> bool,
    ) -> Tree {
        let mut cells = Vec::new();
        for (place, cell) in network.cells.iter().enumerate() {
            let mut lines = Vec::new();
            for (place, home) in cell.homes.iter().enumerate() {
                let wanted = || home.deliveries.iter().filter(|one| counts(one));
                let mut jobs: Vec<Job> = wanted().map(Job::of).collect();
                if jobs.is_empty() {
                    continue;
                }
                jobs.sort_by(|a, b| b.tail.total_cmp(&a.tail));
                let bytes = jobs.iter().map(|job| job.bytes).sum();
                let air_time = wanted().map(|one| one.air_time.as_secs_f64()).sum();
                lines.push(Line { rate: per_second(home.rate), bytes, air_time, jobs, place });
            }
            if !lines.is_empty() {
                let bytes = lines.iter().map(|line| line.bytes).sum();
                let tried = some(lines.iter().flat_map(|line| &line.jobs));
                cells.push(Cell { rate: per_second(cell.rate), bytes, lines, tried, place });
            }
        }
        let jobs = cells.iter().flat_map(|cell| &cell.lines).flat_map(|line| &line.jobs);
        let tried = some(jobs);
        let bytes = cells.iter().map(|cell| cell.bytes).sum();
        Tree { rate: per_second(network.head_end), bytes, cells, tried, open, activating }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

impl Job {
    pub(super) fn of(delivery: &Delivery) -> Job {
        let soak = delivery.soak.as_secs_f64();
        let parts = |order: Activation| (order.ready.as_secs_f64(), order.rest.as_secs_f64() + soak);
        Job {
            bytes: delivery.bytes as f64,
            tail: delivery.tail.as_secs_f64() + soak,
            soak,
            activation: delivery.activation.map(parts),
            sleeps: delivery.sleeps,
        }
    }

    /// Returns when it is in force if it is at its hub at `staged`.
    pub(super) fn ends(&self, staged: f64, activating: &OpenTime) -> f64 {
        let ordered = self.activation.map_or(0.0, |(ready, rest)| activating.earliest(staged + ready) + rest);
        ordered.max(staged + self.tail)
    }

    /// Returns when it must be at its hub to be in force at `end`; before the beginning, if it cannot be.
    pub(super) fn due(&self, end: f64, activating: &OpenTime) -> f64 {
        let ordered =
            self.activation.map_or(f64::INFINITY, |(ready, rest)| activating.latest(end - rest) - ready);
        ordered.min(end - self.tail)
    }
}

/// Returns images that need the network, of each tail one, or of evenly spread ones.
fn some<'a>(jobs: impl Iterator<Item = &'a Job>) -> Vec<Job> {
    let mut some: Vec<Job> = jobs.filter(|job| job.bytes > 0.0).copied().collect();
    let parts = |job: &Job| [job.tail, job.activation.map_or(-1.0, |(ready, _)| ready)];
    some.sort_by(|a, b| parts(b).partial_cmp(&parts(a)).expect("durations are numbers"));
    some.dedup_by_key(|job| (job.tail, job.activation));
    let count = some.len();
    if count <= MOST_CUTS {
        return some;
    }
    (0..MOST_CUTS).map(|rank| some[rank * (count - 1) / (MOST_CUTS - 1)]).collect()
}
