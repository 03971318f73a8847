//! Whose turn it is, and until when: the one timer that a session has.

use std::time::Duration;

use crate::moment::{Moment, Stamp};

/// Whose turn it is to say something.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// Ours, but not before this moment.
    Ours(Stamp),
    /// The hub's, whose answer is overdue at this moment.
    Theirs(Stamp),
}

impl Turn {
    pub(super) fn ours(now: Moment) -> Turn {
        Turn::Ours(Stamp::of(now))
    }

    pub(super) fn ours_after(now: Moment, pause: Duration) -> Turn {
        Turn::Ours(Stamp::ahead(now, pause))
    }

    pub(super) fn theirs(now: Moment, wait: Duration) -> Turn {
        Turn::Theirs(Stamp::ahead(now, wait))
    }

    pub(super) fn is_awaited(self) -> bool {
        matches!(self, Turn::Theirs(_))
    }

    /// Returns when the answer is overdue, if one is awaited.
    pub(super) fn deadline(self, now: Moment) -> Option<Moment> {
        match self {
            Turn::Ours(_) => None,
            Turn::Theirs(overdue) => Some(overdue.moment(now)),
        }
    }

    /// Returns the moment before which nothing is sent.
    pub(super) fn not_before(self, now: Moment) -> Moment {
        match self {
            Turn::Ours(pause) => pause.moment(now),
            Turn::Theirs(_) => now,
        }
    }
}
