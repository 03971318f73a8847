//! All that goes out to hubs and comes in from them: one UDP socket, and a stream for each hub that has one.

use std::io;
use std::net::SocketAddr;

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

/// The sockets of a head-end.
#[derive(Debug)]
pub struct Wires {
    datagrams: Datagrams,
    streams: Streams,
}

impl Wires {
    /// Opens the UDP socket. Call it inside of a tokio runtime.
    pub fn open(bind: SocketAddr) -> io::Result<Wires> {
        Ok(Wires { datagrams: Datagrams::open(bind)?, streams: Streams::open()? })
    }

    /// Returns the address the UDP socket is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.datagrams.local_address()
    }

    /// Sends a train, in one system call where the kernel can; a single datagram waits for others until [`Wires::flush`] or
    /// [`Wires::ready`]. What the kernel will not take is lost, as on any link; the engine repairs it.
    pub async fn send(&mut self, transmit: &Transmit) {
        match transmit.transport {
            Transport::Datagram => {
                self.datagrams.send(transmit.address, &transmit.contents, transmit.segment).await;
            }
            Transport::Stream { .. } => {
                self.streams.send(transmit.hub, transmit.address, &transmit.contents);
            }
        }
    }

    /// Sends the datagrams that wait for others: at the end of a turn.
    pub async fn flush(&mut self) {
        self.datagrams.flush().await;
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
