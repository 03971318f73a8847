//! The conductor's timers: what it wants to do later without anybody asking.
//!
//! Every datagram and every train asks whether one is due, and nearly always none is; so when the first one is due is at
//! hand and no tree is walked for it.

use std::collections::BTreeSet;

use firmware_image::Eui64;
use transfer_engine::{HubId, Moment};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Look at a hub whose devices are at work.
    Watch(HubId),
    /// Try a staging again.
    Stage(Eui64),
}

/// Timers, by moment and then by what they are for.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(Moment, Due)>,
    first: Option<Moment>,
}

impl Timers {
    /// Returns when the first of them is due.
    pub(super) fn first(&self) -> Option<Moment> {
        self.first
    }

    pub(super) fn insert(&mut self, at: Moment, due: Due) {
        self.set.insert((at, due));
        self.note_first();
    }

    pub(super) fn remove(&mut self, at: Moment, due: Due) {
        self.set.remove(&(at, due));
        self.note_first();
    }

    /// Removes those for which `is_kept` says no.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(Due) -> bool) {
        self.set.retain(|(_, due)| is_kept(*due));
        self.note_first();
    }

    /// Takes the first of them, if it is due.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<Due> {
        if self.first.is_none_or(|at| at > now) {
            return None;
        }
        let (_, due) = self.set.pop_first()?;
        self.note_first();
        Some(due)
    }

    fn note_first(&mut self) {
        self.first = self.set.first().map(|(at, _)| *at);
    }
}
