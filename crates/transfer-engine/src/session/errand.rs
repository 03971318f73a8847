//! A task as a session keeps it: the same words in 16 B.

use bytes::Bytes;

use crate::ReleaseId;
use crate::task::Task;

/// A [`Task`] whose rare order is boxed.
#[derive(Debug)]
pub(crate) enum Errand {
    Stage { release: ReleaseId, channel: u8 },
    Activate { channel: u8, order: Option<Box<Bytes>> },
    ReadHanStatus,
    ReadVersion { channel: u8 },
}

impl From<Task> for Errand {
    fn from(task: Task) -> Errand {
        match task {
            Task::Stage { release, channel } => Errand::Stage { release, channel },
            Task::Activate { channel, order } => Errand::Activate { channel, order: order.map(Box::new) },
            Task::ReadHanStatus => Errand::ReadHanStatus,
            Task::ReadVersion { channel } => Errand::ReadVersion { channel },
        }
    }
}

impl From<Errand> for Task {
    fn from(errand: Errand) -> Task {
        match errand {
            Errand::Stage { release, channel } => Task::Stage { release, channel },
            Errand::Activate { channel, order } => {
                Task::Activate { channel, order: order.map(|order| *order) }
            }
            Errand::ReadHanStatus => Task::ReadHanStatus,
            Errand::ReadVersion { channel } => Task::ReadVersion { channel },
        }
    }
}
