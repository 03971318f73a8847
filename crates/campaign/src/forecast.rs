//! The earliest moment at which a campaign can end, whatever order it sends in, and what keeps it from being earlier.
//!
//! ```text
//!   head-end ── G bytes/s ──► cell ── C_c ──► home ── r_h ──► image at the hub ── tail q ──► the device runs it
//!                 (shared by all)    (by its homes)    (by its images, one for each device)
//! ```
//!
//! A schedule is a flow: bytes of each image reach its hub over time, no resource carries more than its rate, and an image
//! that is to be in force at `T` must have arrived at its hub by `T - q`. Whether `T` can be met is a question of
//! maximum flow in that tree, unrolled over time, and so of its least cut. All homes are there from the beginning, so that
//! what is cut changes only from the head-end to cells to lines as time goes on:
//!
//! ```text
//!   T can be met if and only if, for all t_g and all t_c >= t_g,
//!     G t_g + sum_c [ C_c (t_c - t_g) + sum_{h in c} f_h(t_c) ]  >=  sum of all bytes
//!     f_h(t) = min over L in {0, T - q_j} of  [ r_h (L - t)+  +  bytes of the images of h with T - q_j > L ]
//! ```
//!
//! `f_h` is `min(D, r (T - q - t)+)` for a home with one image. The least values are found where `t_g` and `t_c` are 0 or
//! some `T - q_j`, as the sum is piecewise linear and bends upwards only there; [`fluid`] tries those and bisects on `T`.
//! Where tails differ too much to try all, some are left out, which can only make the bound lower.
//!
//! Bytes are on the wire, with headers and what is sent again; rates are bytes per second less what is reserved for
//! requests; tails hold everything after the hub has the whole image: its way through the home, sleep, activation, our
//! looks, and the soak. Where blocks may be sent in windows only, capacity is that of the open time: a rate times the seconds of the
//! windows until then, in place of a rate times the time; `t_g` and `t_c` are tried at the same moments. Where devices may be
//! activated in windows only, or not before a day, an image must be at its hub early enough to be ordered in the last of
//! them that leaves time for the rest: `T - q` becomes `min(T - q, last open moment before T - q_order - q_ready)`. Not in it:
//! outages, and requests beside blocks. Waves: a later one cannot open before enough of the one
//! before has ended, which [`cuts`] bounds from below by the shortest paths and the smallest images.
//!
//! Source: the parallel machines with release times and tails of Jackson (1955) and the max-flow formulation of
//! preemptive scheduling (Federgruen and Groenevelt, 1986), for a tree.

mod as_run; // what a device took
mod cuts; // one resource at a time, and how early a wave may open
mod fluid; // the whole tree
mod open; // when may be sent
#[cfg(test)]
mod tests;
mod tree; // the network as numbers

use std::fmt;
use std::time::Duration;

use transfer_engine::{ByteRate, Moment};

use crate::policy::Permille;
use crate::window::{NotBefore, Windows};
use open::OpenTime;
use tree::Tree;

/// What is to be brought to whom, and over what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What all cells together may be sent.
    pub head_end: ByteRate,
    /// The cells.
    pub cells: Vec<CellDemand>,
    /// The times of day at which blocks may be sent.
    pub sending: Windows,
    /// The times of day at which devices may be ordered to activate.
    pub activating: Windows,
    /// The moment before which none is.
    pub activate_not_before: NotBefore,
    /// When the campaign is ordered.
    pub ordered_at: Moment,
}

/// A cell and the homes in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellDemand {
    /// What reports call it.
    pub name: String,
    /// What all its homes together may be sent.
    pub rate: ByteRate,
    /// Its homes.
    pub homes: Vec<HomeDemand>,
}

/// A home and the images for its devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeDemand {
    /// What reports call it.
    pub name: String,
    /// The rate of its line.
    pub rate: ByteRate,
    /// An image for each device that is to get one.
    pub deliveries: Vec<Delivery>,
}

/// One image for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Bytes on the line, headers and what is sent again included.
    pub bytes: u64,
    /// From the moment the hub has the whole image until the device has its outcome or soaks, at least.
    pub tail: Duration,
    /// How long it soaks after that.
    pub soak: Duration,
    /// The order to activate in it, which has hours of its own; none for a device that is never ordered to.
    pub activation: Option<Activation>,
    /// How long it occupies the radio of its home, which carries one image at a time; part of the tail.
    pub air_time: Duration,
    /// Whether the device sleeps, so that its tail is mostly that.
    pub sleeps: bool,
    /// The wave it belongs to.
    pub wave: u16,
}

/// The parts of a tail before and after the order to activate. What the order waits for is in neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// From the moment the hub has the whole image until the device can be ordered to activate it, at least.
    pub ready: Duration,
    /// From the order until the device has its outcome or soaks, at least.
    pub rest: Duration,
}

/// A time that no order of sending can beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// From the order until the last device has its outcome, at least.
    pub time: Duration,
    /// What takes the longest part of that, once the wave that decides is open.
    pub constraint: Constraint,
    /// Where the time goes.
    pub spans: Spans,
    /// How much of it lies outside the hours in which blocks may be sent, until the last image is at its hub.
    pub closed: Duration,
    /// How much of it the device that decides waits for the hours of activation.
    pub held: Duration,
}

/// What a campaign waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constraint {
    /// The rate of the whole head-end.
    HeadEnd,
    /// The rate of a cell.
    Cell(String),
    /// The line of a home.
    Line(String),
    /// The radio of a home, with what a device does once it has the image.
    Home(String),
    /// A device that sleeps.
    Sleep(String),
    /// The soak after each activation.
    Soak,
    /// The hours of activation.
    Hours,
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Constraint::HeadEnd => f.write_str("the head-end"),
            Constraint::Cell(name) => write!(f, "cell {name}"),
            Constraint::Line(name) => write!(f, "the line of {name}"),
            Constraint::Home(name) => write!(f, "the HAN of {name}"),
            Constraint::Sleep(name) => write!(f, "a device of {name} that sleeps"),
            Constraint::Soak => f.write_str("the soak"),
            Constraint::Hours => f.write_str("the hours of activation"),
        }
    }
}

/// The parts of a bound, one after another; they add up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// Until the wave that decides is open.
    pub earlier_waves: Duration,
    /// While the head-end sends as much as it may.
    pub head_end: Duration,
    /// While the cell does.
    pub cell: Duration,
    /// While the line does.
    pub line: Duration,
    /// What is left when the hub has the last image.
    pub home: Duration,
}

/// Returns the greatest lower bound that this page knows, or `None` when nothing is to be brought to anybody.
///
/// A wave opens when `open_next_at` of the devices of the one before have ended.
pub fn lower_bound(network: &Network, open_next_at: Permille) -> Option<Bound> {
    bound_of(network, open_next_at, |_| true)
}

/// The same for the devices that do not sleep, as if there were no others.
pub fn lower_bound_of_mains(network: &Network, open_next_at: Permille) -> Option<Bound> {
    bound_of(network, open_next_at, |delivery| !delivery.sleeps)
}

/// No wave can begin before those before it have come far enough, and then everything from it on is still to be done.
fn bound_of(network: &Network, open_next_at: Permille, counts: impl Fn(&Delivery) -> bool) -> Option<Bound> {
    let all = || network.deliveries().filter(|one| counts(one));
    let last = all().map(|one| one.wave).max()?;
    let mut opened = 0.0;
    let mut greatest: Option<(f64, cuts::Path)> = None;
    for wave in 0..=last {
        let (open, activating) = (OpenTime::sending(network, opened), OpenTime::activating(network, opened));
        let wave_counts = |one: &Delivery| counts(one) && one.wave == wave;
        let opens = cuts::opening(network, wave_counts, open_next_at, &open, &activating);
        let tree = Tree::of(network, open, activating, |one| counts(one) && one.wave >= wave);
        if let Some(path) = fluid::least_end(&tree)
            && greatest.is_none_or(|(before, best)| opened + path.time() > before + best.time())
        {
            greatest = Some((opened, path));
        }
        opened += opens;
    }
    greatest.map(|(before, path)| path.into_bound(network, before))
}

impl Network {
    /// Returns everything that is to be delivered.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.cells.iter().flat_map(|cell| &cell.homes).flat_map(|home| &home.deliveries)
    }

    /// Returns the bytes of it.
    pub fn bytes(&self) -> u64 {
        self.deliveries().map(|delivery| delivery.bytes).sum()
    }
}
