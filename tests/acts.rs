//! What the fleet sees of a campaign: blocks, transfers opened, activation orders, and when.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use fleet::{Direction, FrameObserver, Leg, SeenFrame};
use transfer_engine::Moment;
use wire::{Apdu, WanFrame};

/// Blocks and activation orders seen on the WAN so far, by the moment at which they were sent.
#[derive(Clone, Default)]
pub(crate) struct Acts(Arc<Mutex<Vec<(Moment, &'static str)>>>);

impl FrameObserver for Acts {
    fn see(&mut self, frame: &SeenFrame<'_>) -> ControlFlow<()> {
        if let Leg::Wan(Direction::Down) = frame.leg
            && let Some(act) = act_in(frame.bytes)
        {
            self.0.lock().unwrap().push((frame.sent_at, act));
        }
        ControlFlow::Continue(())
    }
}

/// Says whether a frame to a hub brings a block, opens a transfer, or hands over or executes an activation order.
pub(crate) fn act_in(frame: &[u8]) -> Option<&'static str> {
    let frame = WanFrame::parse_datagram(frame).ok()?;
    match Apdu::parse(frame.apdu).ok()? {
        Apdu::ActionRequest(request) => match request.method.index {
            1 => Some("initiate"),
            2 => Some("block"),
            4 => Some("activate"),
            _ => None,
        },
        Apdu::SetRequest(_) => Some("order"),
        _ => None,
    }
}

impl Acts {
    /// Counts them.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Returns those between two moments.
    pub(crate) fn between(&self, from: Moment, until: Moment) -> Vec<(Moment, &'static str)> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|(at, _)| *at > from && *at < until).copied().collect()
    }

    /// Returns when these were sent.
    pub(crate) fn moments_of(&self, words: &[&str]) -> Vec<Moment> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|(_, act)| words.contains(act)).map(|(at, _)| *at).collect()
    }
}
