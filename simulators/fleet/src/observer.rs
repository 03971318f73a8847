//! What an onlooker sees of a fleet: every frame on the WAN and in the homes, and what becomes of it.
//!
//! Nothing that a fleet does depends on being watched. A frame is shown once, when its fate is known: on the WAN as
//! it is sent, in a home as it arrives or is lost, so that frames of different homes are not in the order of time.

use crate::link::{Direction, Fate, LossReason};
use std::ops::ControlFlow;
use transfer_engine::{HubId, Moment};

/// Somebody who watches the frames of a fleet.
pub trait FrameObserver: Send {
    /// Sees one frame; whoever breaks is shown no more.
    fn see(&mut self, frame: &SeenFrame<'_>) -> ControlFlow<()>;
}

/// One frame, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenFrame<'a> {
    /// When it was sent.
    pub sent_at: Moment,
    /// The hub whose link or whose home carried it.
    pub hub: HubId,
    /// On which leg, and which way.
    pub leg: Leg,
    /// What became of it.
    pub fate: FrameFate,
    /// A wrapper frame on the WAN, a ZCL frame in a home.
    pub bytes: &'a [u8],
}

/// The leg of a frame's way, and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// Between head-end and hub.
    Wan(Direction),
    /// In a home.
    Han {
        /// Short address of the sender.
        from: u16,
        /// Short address of the receiver, or a broadcast.
        to: u16,
    },
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFate {
    /// It arrives.
    Delivered,
    /// It arrives twice.
    DeliveredTwice,
    /// It arrives with other bits than were sent.
    DeliveredWrong,
    /// It is lost on its way.
    Lost(LossReason),
    /// It arrives where every receiver is switched off.
    Unheard,
}

impl From<Fate> for FrameFate {
    fn from(fate: Fate) -> FrameFate {
        match fate {
            Fate::Deliver(_) | Fate::DeliverLate(_) => FrameFate::Delivered,
            Fate::DeliverWrong(..) => FrameFate::DeliveredWrong,
            Fate::DeliverTwice(_) => FrameFate::DeliveredTwice,
            Fate::Lost(reason) => FrameFate::Lost(reason),
        }
    }
}

/// The onlooker of a fleet, if it has one.
#[derive(Default)]
pub(crate) struct Onlooker(Option<Box<dyn FrameObserver>>);

impl Onlooker {
    pub(crate) fn new(observer: Box<dyn FrameObserver>) -> Onlooker {
        Onlooker(Some(observer))
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn see(&mut self, frame: SeenFrame<'_>) {
        if let Some(observer) = &mut self.0
            && observer.see(&frame).is_break()
        {
            self.0 = None;
        }
    }
}
