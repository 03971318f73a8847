//! Bounds of one resource at a time: a machine that serves images with tails, a home's radio, the opening of a wave.

use std::time::Duration;

use super::open::OpenTime;
use super::tree::{Cell, Job, Line, Tree, per_second};
use super::{Bound, Constraint, Delivery, Network, Spans};
use crate::policy::Permille;

/// A chain of waits that cannot be shortened: seconds at each resource, and where.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path {
    pub(super) head_end: f64,
    pub(super) cell: f64,
    pub(super) line: f64,
    pub(super) home: f64,
    /// How much of `home` is waiting for the hours of activation.
    pub(super) held: f64,
    /// How much of it is a soak.
    pub(super) soak: f64,
    pub(super) sleeps: bool,
    /// Places of the cell and of the home in the network.
    pub(super) place: (usize, usize),
}

impl Path {
    pub(super) fn time(&self) -> f64 {
        self.head_end + self.cell + self.line + self.home
    }

    /// Returns whichever takes longer.
    pub(super) fn longer(self, other: Path) -> Path {
        if other.time() > self.time() { other } else { self }
    }

    /// Puts names and units to it; `before` are the seconds until it begins.
    pub(super) fn into_bound(self, network: &Network, before: f64) -> Bound {
        let span = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
        let spans = Spans {
            earlier_waves: span(before),
            head_end: span(self.head_end),
            cell: span(self.cell),
            line: span(self.line),
            home: span(self.home),
        };
        let open = OpenTime::sending(network, before);
        let sending = self.head_end + self.cell + self.line;
        let closed = span(sending - open.until(sending));
        let cell = &network.cells[self.place.0];
        let home = &cell.homes[self.place.1].name;
        let rest = self.head_end.max(self.cell).max(self.line);
        let at_home = self.home - self.held - self.soak;
        let constraint = if self.soak >= rest.max(at_home).max(self.held) && self.soak > 0.0 {
            Constraint::Soak
        } else if self.held >= rest.max(at_home) && self.held > 0.0 {
            Constraint::Hours
        } else if at_home >= rest {
            if self.sleeps { Constraint::Sleep(home.clone()) } else { Constraint::Home(home.clone()) }
        } else if self.head_end >= rest {
            Constraint::HeadEnd
        } else if self.cell >= rest {
            Constraint::Cell(cell.name.clone())
        } else {
            Constraint::Line(home.clone())
        };
        let parts = [spans.earlier_waves, spans.head_end, spans.cell, spans.line, spans.home];
        let time = parts.into_iter().fold(Duration::ZERO, Duration::saturating_add);
        Bound { time, constraint, spans, closed, held: span(self.held) }
    }
}

/// Returns the longest chain that any single resource forces.
pub(super) fn longest(tree: &Tree) -> Path {
    let mut best = whole(tree);
    for cell in &tree.cells {
        best = best.longer(cell_alone(cell));
        for line in &cell.lines {
            best = best.longer(line_alone(cell, line)).longer(radio_alone(cell, line));
        }
    }
    best
}

/// How long one machine is busy before the image that ends last, and that image: the longest tail goes first, and no
/// order is better (Jackson's rule). `jobs` come sorted by tail, the longest first.
fn machine<'a, W: Copy>(rate: f64, jobs: impl Iterator<Item = (&'a Job, W)>) -> Option<(f64, &'a Job, W)> {
    let mut carried = 0.0;
    let mut worst: Option<(f64, &Job, W)> = None;
    for (job, whose) in jobs {
        carried += job.bytes;
        let busy = carried / rate;
        if worst.is_none_or(|(before, last, _)| busy + job.tail > before + last.tail) {
            worst = Some((busy, job, whose));
        }
    }
    worst
}

fn sorted<'a>(cells: impl Iterator<Item = &'a Cell>) -> Vec<(&'a Job, (usize, usize))> {
    let mut jobs: Vec<_> = cells
        .flat_map(|cell| cell.lines.iter().map(move |line| ((cell.place, line.place), line)))
        .flat_map(|(place, line)| line.jobs.iter().map(move |job| (job, place)))
        .collect();
    jobs.sort_by(|(a, _), (b, _)| b.tail.total_cmp(&a.tail));
    jobs
}

fn whole(tree: &Tree) -> Path {
    let worst = machine(tree.rate, sorted(tree.cells.iter()).into_iter());
    worst.map_or(Path::default(), |(busy, job, place)| Path {
        head_end: busy,
        home: job.tail,
        soak: job.soak,
        sleeps: job.sleeps,
        place,
        ..Path::default()
    })
}

fn cell_alone(cell: &Cell) -> Path {
    let worst = machine(cell.rate, sorted(std::iter::once(cell)).into_iter());
    worst.map_or(Path::default(), |(busy, job, place)| Path {
        cell: busy,
        home: job.tail,
        soak: job.soak,
        sleeps: job.sleeps,
        place,
        ..Path::default()
    })
}

fn line_alone(cell: &Cell, line: &Line) -> Path {
    let worst = machine(line.rate, line.jobs.iter().map(|job| (job, ())));
    worst.map_or(Path::default(), |(busy, job, ())| Path {
        line: busy,
        home: job.tail,
        soak: job.soak,
        sleeps: job.sleeps,
        place: (cell.place, line.place),
        ..Path::default()
    })
}

/// The radio cannot begin before the smallest image is there, and carries one after another.
fn radio_alone(cell: &Cell, line: &Line) -> Path {
    let smallest = line.jobs.iter().map(|job| job.bytes).fold(f64::INFINITY, f64::min);
    Path {
        line: smallest / line.rate,
        home: line.air_time,
        place: (cell.place, line.place),
        ..Path::default()
    }
}

/// Returns how long it takes at least until the given share of what counts has ended: so many must have had the shortest
/// paths, and so many of the smallest images must have passed the head-end or all cells together.
pub(super) fn opening(
    network: &Network,
    counts: impl Fn(&Delivery) -> bool,
    share: Permille,
    open: &OpenTime,
    activating: &OpenTime,
) -> f64 {
    let mut paths = Vec::new();
    let mut sizes = Vec::new();
    let mut shortest_tail = f64::INFINITY;
    let mut cells_rate = 0.0;
    for cell in &network.cells {
        cells_rate += per_second(cell.rate);
        for home in &cell.homes {
            for one in home.deliveries.iter().filter(|one| counts(one)) {
                let job = Job::of(one);
                paths.push(job.ends(open.when(job.bytes / per_second(home.rate)), activating));
                sizes.push(job.bytes);
                shortest_tail = shortest_tail.min(job.tail);
            }
        }
    }
    let enough = share.of(paths.len());
    let Some(last) = enough.checked_sub(1) else { return 0.0 };
    paths.sort_by(f64::total_cmp);
    sizes.sort_by(f64::total_cmp);
    let carried: f64 = sizes.iter().take(enough).sum();
    let passed = open.when(carried / per_second(network.head_end).min(cells_rate)) + shortest_tail;
    paths.get(last).copied().unwrap_or(0.0).max(passed)
}
