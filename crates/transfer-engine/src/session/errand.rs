//! A task as a session keeps it: the same words in 16 B.

use std::sync::Arc;

use bytes::Bytes;

use crate::ReleaseId;
use crate::task::Task;

/// What an image is to the order of sending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image {
    pub(crate) bytes: u32,
    pub(crate) tail_s: u32,
}

/// A [`Task`] whose rare order or papers are boxed.
#[derive(Debug)]
pub(crate) enum Errand {
    Stage { release: ReleaseId, channel: u8, image: Image },
    Activate { channel: u8, order: Option<Box<Bytes>> },
    ReadHanStatus,
    ReadVersion { channel: u8 },
    WritePapers(Box<Papers>),
}

/// Papers on their way into a hub, one after another.
#[derive(Debug)]
pub(crate) struct Papers {
    pub(crate) channel: u8,
    documents: Arc<[Bytes]>,
    written: usize,
}

impl Papers {
    /// Returns the paper that is to be written; none when there are none.
    pub(crate) fn current(&self) -> &[u8] {
        self.documents.get(self.written).map_or(&[], Bytes::as_ref)
    }

    /// Notes that the paper was written, and returns whether another follows.
    pub(crate) fn next_is_left(&mut self) -> bool {
        self.written += 1;
        self.written < self.documents.len()
    }
}

impl Errand {
    /// Makes one of a task; `bytes`: of the image, if it is one.
    pub(crate) fn new(task: Task, bytes: u32) -> Errand {
        match task {
            Task::Stage { release, channel, tail_s } => {
                Errand::Stage { release, channel, image: Image { bytes, tail_s } }
            }
            Task::Activate { channel, order } => Errand::Activate { channel, order: order.map(Box::new) },
            Task::ReadHanStatus => Errand::ReadHanStatus,
            Task::ReadVersion { channel } => Errand::ReadVersion { channel },
            Task::WritePapers { channel, documents } => {
                Errand::WritePapers(Box::new(Papers { channel, documents, written: 0 }))
            }
        }
    }

    /// Returns the image that it brings.
    pub(crate) fn image(&self) -> Option<Image> {
        match self {
            Errand::Stage { image, .. } => Some(*image),
            _ => None,
        }
    }
}

impl From<Errand> for Task {
    fn from(errand: Errand) -> Task {
        match errand {
            Errand::Stage { release, channel, image } => {
                Task::Stage { release, channel, tail_s: image.tail_s }
            }
            Errand::Activate { channel, order } => {
                Task::Activate { channel, order: order.map(|order| *order) }
            }
            Errand::ReadHanStatus => Task::ReadHanStatus,
            Errand::ReadVersion { channel } => Task::ReadVersion { channel },
            Errand::WritePapers(papers) => {
                Task::WritePapers { channel: papers.channel, documents: papers.documents }
            }
        }
    }
}
