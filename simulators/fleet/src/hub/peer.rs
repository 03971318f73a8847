//! What a hub knows of a HAN device only while it is up, and who may fetch at the moment.

use std::time::Duration;

use transfer_engine::Moment;
use wire::ImageKey;

use super::papers::RootQueue;
use crate::bank::BankId;

/// How long a seat is kept for a device that has stopped asking (ours: longer than any block period, shorter than
/// a gas meter's sleep, so that a sleeping meter does not block the others).
const SEAT_TIMEOUT: Duration = Duration::from_secs(30);

/// The volatile side of a HAN device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// The offset it last asked for.
    pub(super) offset: u32,
    /// When it was last heard, since the hub came up.
    pub(super) last_heard: Option<Moment>,
    /// When the hub came up, unless it never restarted.
    pub(super) up_since: Option<Moment>,
    pub(super) page: Option<Page>,
    pub(super) activation: Option<Activation>,
    pub(super) notice: Option<Notice>,
    /// When it last said what its next order must carry.
    pub(super) challenged_at: Option<Moment>,
    pub(super) roots: RootQueue,
}

/// A page that is being streamed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(super) key: ImageKey,
    pub(super) bank: BankId,
    pub(super) offset: u32,
    pub(super) end: u32,
    pub(super) block_len: u8,
    pub(super) spacing: Duration,
    pub(super) next_at: Moment,
    pub(super) transaction: u8,
}

/// An activation that the device has not concluded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Activation {
    pub(super) key: ImageKey,
    pub(super) deadline: Moment,
    /// When to say it again, or to ask what came of it.
    pub(super) next_at: Moment,
    pub(super) pushes: u8,
    pub(super) polls: u32,
    pub(super) refusals: u8,
    /// When the device said that it obeys.
    pub(super) acknowledged_at: Option<Moment>,
}

/// An Image Notify that is repeated until the device asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    pub(super) key: ImageKey,
    pub(super) next_at: Moment,
    pub(super) left: u8,
}

/// The devices that fetch at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats {
    taken: Vec<(u16, Moment)>,
}

impl Seats {
    /// Takes or keeps a seat; returns false when the device has to wait.
    pub(super) fn take(&mut self, now: Moment, short_address: u16, limit: usize) -> bool {
        if let Some(seat) = self.taken.iter_mut().find(|(holder, _)| *holder == short_address) {
            seat.1 = now;
            return true;
        }
        self.taken.retain(|(_, heard)| now.saturating_since(*heard) < SEAT_TIMEOUT);
        let free = self.taken.len() < limit.max(1);
        if free {
            self.taken.push((short_address, now));
        }
        free
    }

    /// Returns whether a device has a seat.
    pub(super) fn holds(&self, short_address: u16) -> bool {
        self.taken.iter().any(|(holder, _)| *holder == short_address)
    }

    pub(super) fn leave(&mut self, short_address: u16) {
        self.taken.retain(|(holder, _)| *holder != short_address);
    }

    pub(super) fn clear(&mut self) {
        self.taken.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Seats;
    use std::time::Duration;
    use transfer_engine::Moment;

    #[test]
    fn a_seat_is_kept_by_asking_and_lost_by_silence() {
        let start = Moment::from_micros(0);
        let mut seats = Seats::default();
        assert!(seats.take(start, 1, 1));
        assert!(!seats.take(start + Duration::from_secs(20), 2, 1));
        assert!(seats.take(start + Duration::from_secs(25), 1, 1));
        assert!(!seats.take(start + Duration::from_secs(40), 2, 1));
        assert!(seats.take(start + Duration::from_secs(60), 2, 1));
        assert!(!seats.take(start + Duration::from_secs(61), 1, 1));
        seats.leave(2);
        assert!(seats.take(start + Duration::from_secs(62), 1, 1));
    }
}
