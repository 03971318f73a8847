//! What can be asked of a hub, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use wire::{AccessResult, HanDeviceStatus};

use crate::budget::ByteRate;
use crate::{HubId, ReleaseId};

/// One thing to do with one hub. Every task ends with exactly one [`Event`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Bring the release into the slot of a channel and have the hub verify it.
    Stage {
        /// What to bring.
        release: ReleaseId,
        /// The slot: 0 is the hub itself, the others its HAN devices.
        channel: u8,
        /// How long things take behind the hub once it has the image, seconds. It only orders: what has long to go on
        /// by itself is sent first.
        tail_s: u32,
    },
    /// Hand over the signed activation order, then activate the slot.
    Activate {
        /// The slot.
        channel: u8,
        /// The signed order; `None` for a device that knows only the standard.
        order: Option<Bytes>,
    },
    /// Read how the HAN devices are getting on (an object of ours).
    ReadHanStatus,
    /// Read the active firmware identifier of a channel.
    ReadVersion {
        /// 0 is the hub itself.
        channel: u8,
    },
    /// Write signed papers, one after another (an object of ours). Writing one again changes nothing.
    WritePapers {
        /// 0 is the hub itself, the others its HAN devices.
        channel: u8,
        /// The papers in the order in which they follow from one another; at least one.
        documents: Arc<[Bytes]>,
    },
}

/// What a task brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The hub holds the whole image, verified it, and names it as ours.
    Staged(LegReport),
    /// The hub took the activation; it may still be at work.
    ActivationAccepted,
    /// The state of each HAN device.
    HanStatus(Vec<HanDeviceStatus>),
    /// The firmware version the device says it runs.
    Version(u32),
    /// The hub took the papers, or needs none.
    PapersWritten,
}

/// What the WAN leg of one staging cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegReport {
    /// Blocks of the image.
    pub blocks: u32,
    /// Blocks the hub already held when we came.
    pub blocks_held: u32,
    /// Block frames sent, repairs included.
    pub blocks_sent: u32,
    /// Block frames sent a second time or more.
    pub blocks_repaired: u32,
    /// Repair rounds.
    pub rounds: u32,
    /// Bytes of block frames sent, IP and UDP headers included.
    pub bytes_sent: u64,
    /// From the first request to the verified image.
    pub elapsed: Duration,
}

/// Why a task failed, and by whose fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The link's: nothing came back within all attempts.
    #[error("no answer within {attempts} attempts")]
    Unreachable {
        /// How often we asked.
        attempts: u8,
    },
    /// The hub's: it will not associate.
    #[error("association refused, diagnostic {diagnostic}")]
    AssociationRefused {
        /// ACSE source diagnostic (IEC 62056-5-3).
        diagnostic: u8,
    },
    /// The hub's: attribute 5 of the slot is false.
    #[error("image transfer is disabled")]
    Disabled,
    /// The hub's: a request was answered with an error.
    #[error("{request} was refused: {result:?}")]
    Refused {
        /// Which request.
        request: &'static str,
        /// The hub's answer.
        result: AccessResult,
    },
    /// The image's, as the hub sees it: verification failed.
    #[error("the hub could not verify the image")]
    VerificationFailed,
    /// The hub's: it holds another image than the one we sent.
    #[error("the hub names another image than ours after verification")]
    ForeignImage,
    /// The link's or the hub's: blocks were sent but none of them arrived, round after round.
    #[error("no progress in {rounds} rounds with {missing} blocks missing")]
    Stalled {
        /// Rounds without progress.
        rounds: u32,
        /// Blocks still missing.
        missing: u32,
    },
    /// The line's or the hub's: the image arrives, but slower than is put up with.
    #[error("slow retrieval: {} B/s arrived, the floor is {} B/s", seen.0, floor.0)]
    SlowRetrieval {
        /// What arrived, averaged over the whole window.
        seen: ByteRate,
        /// What is put up with.
        floor: ByteRate,
    },
    /// Nobody's in particular: the leg took too long.
    #[error("not finished within {} s, {missing} blocks missing", deadline.as_secs())]
    Overdue {
        /// How long it may take.
        deadline: Duration,
        /// Blocks still missing when last we knew.
        missing: u32,
    },
    /// The hub's: it asks for blocks of a size we do not send.
    #[error("block size {0} B is outside of 16 to 8192 B")]
    BlockSize(u32),
    /// A HAN device's: answers about it are far longer than they should be, again and again.
    #[error("answers about the device on channel {channel} are too long, again and again")]
    TooMuch {
        /// Which device.
        channel: u8,
    },
    /// Hubs under way ask for so many block sizes that there is no room to prepare another.
    #[error("no room to prepare blocks of {0} B beside the sizes that other hubs asked for")]
    NoRoom(u32),
    /// The hub's: an answer made no sense at that point.
    #[error("unexpected answer to {request}")]
    Protocol {
        /// Which request.
        request: &'static str,
    },
    /// The hub's: it lost the association again and again.
    #[error("the association was lost {0} times")]
    AssociationLost(u8),
}

/// The end of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which hub.
    pub hub: HubId,
    /// What was asked.
    pub task: Task,
    /// What came of it.
    pub result: Result<Answer, Fault>,
}

/// Who goes first when a budget is short: a lower number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Priority(pub u8);
