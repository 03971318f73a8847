//! All that goes out to hubs and comes in from them: one UDP socket, and a stream for each hub that has one.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use transfer_engine::{HubId, Transmit, Transport};

use crate::datagrams::Datagrams;
use crate::streams::Streams;

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A datagram, from whoever has this address.
    Datagram(SocketAddr, &'a [u8]),
    /// Whole frames from a hub's stream, one after another.
    Frames(HubId, &'a [u8]),
    /// A hub's stream ended.
    Disconnected(HubId),
}

/// Batches of datagrams that are taken in at a time. Enough to make the turn's own cost vanish, and few enough that what
/// is to be sent does not wait for long.
const BATCHES_PER_TURN: usize = 8;

/// The most threads that send. One driver was measured to feed five with datagrams that go alone, on a machine that has no more
/// than two cores; beyond ten times that, a number is a mistake.
pub const SENDING_THREADS_MOST: usize = 64;

/// The sockets of a head-end.
///
/// Datagrams may be sent by several threads, divided by hub. Streams stay with the driver: a window of blocks is one write there,
/// and the answers, which come back on the same sockets, are the driver's to hear in any case.
#[derive(Debug)]
pub struct Wires {
    datagrams: Datagrams,
    streams: Streams,
    sending_threads: NonZeroUsize,
}

impl Wires {
    /// Opens the UDP socket, to send from whoever calls. Call it inside of a tokio runtime.
    pub fn open(bind: SocketAddr) -> io::Result<Wires> {
        Wires::open_with(bind, NonZeroUsize::MIN)
    }

    /// Opens the UDP socket with so many threads that send, up to [`SENDING_THREADS_MOST`]; a single one is the caller's.
    pub fn open_with(bind: SocketAddr, sending_threads: NonZeroUsize) -> io::Result<Wires> {
        let most = NonZeroUsize::new(SENDING_THREADS_MOST).unwrap_or(NonZeroUsize::MIN);
        let sending_threads = sending_threads.min(most);
        let datagrams = Datagrams::open(bind, sending_threads)?;
        Ok(Wires { datagrams, streams: Streams::open()?, sending_threads })
    }

    /// Returns how many threads send: a turn should bring work for each.
    pub fn sending_threads(&self) -> usize {
        self.sending_threads.get()
    }

    /// Returns the address the UDP socket is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.datagrams.local_address()
    }

    /// Sends a train, in one system call where the kernel can; a single datagram waits for others until [`Wires::flush`] or
    /// [`Wires::ready`], and so does all that several threads send. What the kernel will not take is lost, as on any link; the
    /// engine repairs it.
    pub async fn send(&mut self, transmit: &Transmit) {
        match transmit.transport {
            Transport::Datagram => {
                let Transmit { hub, address, contents, segment, .. } = transmit;
                self.datagrams.send(*hub, *address, contents, *segment).await;
            }
            Transport::Stream { .. } => {
                self.streams.send(transmit.hub, transmit.address, &transmit.contents);
            }
        }
    }

    /// Sends the datagrams that wait for others: at the end of a turn. Threads that send may be at it still when this returns,
    /// but for no more than was handed to them since the last flush.
    pub async fn flush(&mut self) {
        self.datagrams.flush().await;
    }

    /// Waits until what was flushed has left. What is recorded after this is durable after it has.
    pub(crate) async fn settle(&mut self) {
        self.datagrams.settle().await;
    }

    /// Waits until there may be something to take in.
    pub async fn ready(&mut self) {
        self.flush().await;
        tokio::select! {
            biased;
            () = self.streams.ready() => {}
            () = self.datagrams.readable() => {}
        }
    }

    /// Takes in what is there, within the bound of a turn, and says whether there may be more. Answers that came
    /// together are handed over together: polled after all of them, the engine fills a window with one train.
    pub fn take_in(&mut self, mut each: impl FnMut(Incoming<'_>)) -> bool {
        let mut more = true;
        for _ in 0..BATCHES_PER_TURN {
            more = self.datagrams.receive(|from, datagram| each(Incoming::Datagram(from, datagram))) > 0;
            if !more {
                break;
            }
        }
        self.streams.take_in(each) | more
    }
}

/// Has the runtime watch a descriptor.
pub(crate) fn watched<T: AsRawFd>(what: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe: it has the caller swear what a descriptor's owner keeps to"
    )]
    AsyncFd::with_interest(what, interest)
}
