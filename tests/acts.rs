//! What the fleet sees of a campaign: blocks, transfers opened, activation orders, and when.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use fleet::{Direction, FrameObserver, Leg, SeenFrame};
use transfer_engine::{HubId, Moment};
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
    act_on_channel(frame).map(|(_, act)| act)
}

/// The same with the channel of the device that it is for: 0 is the hub itself.
pub(crate) fn act_on_channel(frame: &[u8]) -> Option<(u8, &'static str)> {
    let frame = WanFrame::parse_datagram(frame).ok()?;
    // The objects of a device have its channel in value group B.
    let (object, act) = match Apdu::parse(frame.apdu).ok()? {
        Apdu::ActionRequest(request) => {
            let act = match request.method.index {
                1 => "initiate",
                2 => "block",
                4 => "activate",
                _ => return None,
            };
            (request.method.instance, act)
        }
        Apdu::SetRequest(request) => (request.attribute.instance, "order"),
        _ => return None,
    };
    Some((object.0[1], act))
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

/// What each hub was sent, in its order: for the device on which channel, and what.
type ByHub = BTreeMap<HubId, Vec<(u8, &'static str)>>;

/// Blocks and activation orders seen on the WAN so far, by hub.
#[derive(Clone, Default)]
pub(crate) struct ActsOfHubs(Arc<Mutex<ByHub>>);

impl FrameObserver for ActsOfHubs {
    fn see(&mut self, frame: &SeenFrame<'_>) -> ControlFlow<()> {
        if let Leg::Wan(Direction::Down) = frame.leg
            && let Some(act) = act_on_channel(frame.bytes)
        {
            self.0.lock().unwrap().entry(frame.hub).or_default().push(act);
        }
        ControlFlow::Continue(())
    }
}

impl ActsOfHubs {
    /// Returns what was sent so far.
    pub(crate) fn all(&self) -> ByHub {
        self.0.lock().unwrap().clone()
    }
}
