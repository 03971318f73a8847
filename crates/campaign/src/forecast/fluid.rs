//! The least end of the whole tree: bisection on `T` over the cuts of the network unrolled over time.

use super::cuts::{self, Path};
use super::open::OpenTime;
use super::tree::{Cell, Job, Line, Tree};

/// Bisections; each halves what is unknown, so that 40 leave less than a millionth of a millionth of the start.
const MOST_BISECTIONS: usize = 40;

/// Where bisecting stops, as a part of the time: 4 ms in ten hours.
const CLOSE: f64 = 1e-7;

/// Sums of bytes are taken for equal up to this part, as they are added in different orders.
const ROUNDING: f64 = 1e-12;

/// Doublings of the simple bound until some end is feasible. Head-end, cell and line one after another and then the tail
/// take at most four times the simple bound, so that two are enough but for rounding; and five more where blocks may be sent
/// for an hour of each day only.
const MOST_DOUBLINGS: usize = 8;

const DAY_S: f64 = 86_400.0;

/// Returns the chain of waits that ends last however one sends, or `None` for an empty tree.
pub(super) fn least_end(tree: &Tree) -> Option<Path> {
    if tree.is_empty() {
        return None;
    }
    let simple = cuts::longest(tree);
    let Some(mut cut) = violated(tree, simple.time()) else { return Some(simple) };
    // A window may open as late as two days after the order, or the day: one within the hour of spring comes a day later.
    let wait = |hours: &OpenTime| if hours.is_always() { 0.0 } else { 2.0 * DAY_S };
    let wait = wait(&tree.open) + wait(&tree.activating) + tree.activating.earliest(0.0);
    let (mut low, mut high) = (simple.time(), simple.time().max(f64::MIN_POSITIVE) * 2.0 + wait);
    for _ in 0..MOST_DOUBLINGS {
        let Some(next) = violated(tree, high) else { break };
        (cut, low, high) = (next, high, high * 2.0);
    }
    for _ in 0..MOST_BISECTIONS {
        if high - low <= CLOSE * high {
            break;
        }
        let middle = low + (high - low) / 2.0;
        match violated(tree, middle) {
            Some(next) => (cut, low) = (next, middle),
            None => high = middle,
        }
    }
    Some(cut.path(tree, low))
}

/// A cut that carries less than it should: until when it is the head-end's.
#[derive(Clone, Copy, Debug)]
struct Cut {
    until: f64,
}

/// Returns the worst cut for an end at `end`, if any is violated.
fn violated(tree: &Tree, end: f64) -> Option<Cut> {
    let mut worst: Option<(f64, Cut)> = None;
    let starts = std::iter::once(0.0).chain(moments(&tree.tried, end, tree));
    // Of each cell, what is least from each of its own moments on, so that all starts share it.
    let cells: Vec<Suffixes> = tree.cells.iter().map(|cell| Suffixes::of(cell, end, tree)).collect();
    for until in starts {
        let from = |(cell, least): (&Cell, &Suffixes)| least.from(cell, end, until, tree).0;
        let carried =
            tree.rate * tree.open.until(until) + tree.cells.iter().zip(&cells).map(from).sum::<f64>();
        let missing = tree.bytes * (1.0 - ROUNDING) - carried;
        if missing > 0.0 && worst.is_none_or(|(most, _)| missing > most) {
            worst = Some((missing, Cut { until }));
        }
    }
    worst.map(|(_, cut)| cut)
}

/// The moments by which images with these tails must be at their hubs, earliest first, those that are past left out.
fn moments(tried: &[Job], end: f64, tree: &Tree) -> impl DoubleEndedIterator<Item = f64> + use<> {
    let due = tried.iter().map(|job| job.due(end, &tree.activating));
    let mut moments: Vec<f64> = due.filter(|moment| *moment > 0.0).collect();
    moments.sort_by(f64::total_cmp);
    moments.into_iter()
}

/// For each moment of a cell: the least of `rate * t + lines(t)` from it on, and the `t` at which that is.
struct Suffixes(Vec<(f64, f64, f64)>);

impl Suffixes {
    fn of(cell: &Cell, end: f64, tree: &Tree) -> Suffixes {
        let mut least: Vec<(f64, f64, f64)> = Vec::new();
        for moment in moments(&cell.tried, end, tree).rev() {
            let value = cell.rate * tree.open.until(moment) + lines(cell, end, moment, tree);
            let best = match least.last() {
                Some((_, before, at)) if *before <= value => (moment, *before, *at),
                _ => (moment, value, moment),
            };
            least.push(best);
        }
        least.reverse();
        Suffixes(least)
    }

    /// Returns what the cell carries at least if the head-end's part of the cut ends at `until`, and when the lines take
    /// over from the cell.
    fn from(&self, cell: &Cell, end: f64, until: f64, tree: &Tree) -> (f64, f64) {
        let at_once = (lines(cell, end, until, tree), until);
        let before = cell.rate * tree.open.until(until);
        let next = self.0.partition_point(|(moment, ..)| *moment < until);
        match self.0.get(next) {
            Some((_, value, at)) if value - before < at_once.0 => (value - before, *at),
            _ => at_once,
        }
    }
}

/// What the lines of a cell carry from `moment` on, as a cut: the least of each.
fn lines(cell: &Cell, end: f64, moment: f64, tree: &Tree) -> f64 {
    cell.lines.iter().map(|line| least_of(line, end, moment, tree).0).sum()
}

/// Returns the least that the line's part of a cut can be, and the moment until which the line itself is cut.
fn least_of(line: &Line, end: f64, moment: f64, tree: &Tree) -> (f64, f64) {
    let before = tree.open.until(moment);
    let mut least = (line.bytes, 0.0);
    for job in &line.jobs {
        let due = job.due(end, &tree.activating);
        // A home has a handful of images. With hours of activation the order of their tails need not be that in which
        // they are due.
        let later = line.jobs.iter().filter(|other| other.due(end, &tree.activating) > due);
        let later: f64 = later.map(|other| other.bytes).sum();
        let value = later + line.rate * (tree.open.until(due) - before).max(0.0);
        if value < least.0 {
            least = (value, due);
        }
    }
    least
}

impl Cut {
    /// Tells the cut as a chain of waits: the head-end, then the cell that misses most, then the line that does in it.
    fn path(self, tree: &Tree, end: f64) -> Path {
        let mut path = Path::default();
        let mut most = f64::NEG_INFINITY;
        for cell in &tree.cells {
            let (carried, at) = Suffixes::of(cell, end, tree).from(cell, end, self.until, tree);
            let missing = cell.bytes - carried;
            if missing > most {
                most = missing;
                path = in_cell(cell, end, self.until, at, tree);
            }
        }
        path
    }
}

fn in_cell(cell: &Cell, end: f64, until: f64, at: f64, tree: &Tree) -> Path {
    // Of lines that are cut beyond the cell's part, the last; else whoever is due when the cell's part ends.
    let cut = cell.lines.iter().map(|line| (least_of(line, end, at, tree).1.max(at), line));
    let (last, line) = cut.fold((at, &cell.lines[0]), |best, one| if one.0 > best.0 { one } else { best });
    let distance = |job: &Job| (job.due(end, &tree.activating) - last).abs();
    let nearest = |line: &Line| line.jobs.iter().map(distance).fold(f64::INFINITY, f64::min);
    let line = if last > at {
        line
    } else {
        cell.lines.iter().min_by(|a, b| nearest(a).total_cmp(&nearest(b))).unwrap_or(line)
    };
    let job = line.jobs.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(&line.jobs[0]);
    // Before the first hours of activation no moment is early enough: it is sent at once, and waits.
    let last = if last > 0.0 { last } else { tree.open.when(job.bytes / line.rate).min(end - job.tail) };
    Path {
        head_end: until,
        cell: at - until,
        line: last - at,
        home: end - last,
        held: (end - last - job.tail).max(0.0),
        soak: job.soak,
        sleeps: job.sleeps,
        place: (cell.place, line.place),
    }
}
