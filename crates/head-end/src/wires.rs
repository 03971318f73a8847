//! All that goes out to hubs and comes in from them: one UDP socket, and a stream for each hub that has one.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use tokio::sync::mpsc;
use transfer_engine::{HubId, Transmit, Transport};
use wire::WanFrame;

use crate::datagrams::Datagrams;
use crate::streams::{self, News, Outlet};

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A datagram, from whoever has this address.
    Datagram(SocketAddr, &'a [u8]),
    /// A frame was cut out of a hub's stream.
    Frame(HubId, &'a [u8]),
    /// A hub's stream ended.
    Disconnected(HubId),
}

/// Pieces of news from all streams on their way to the driver; beyond that, streams wait.
const NEWS_QUEUED: usize = 1_024;

/// Batches of datagrams, and pieces of news from streams, that are taken in at a time. Enough to make the turn's own cost
/// vanish, and few enough that what is to be sent does not wait for long.
const BATCHES_PER_TURN: usize = 8;
const NEWS_PER_TURN: usize = 128;

/// The sockets of a head-end.
#[derive(Debug)]
pub struct Wires {
    datagrams: Datagrams,
    streams: BTreeMap<HubId, Outlet>,
    inbox: mpsc::Receiver<News>,
    to_inbox: mpsc::Sender<News>,
    /// News that waiting has brought up already.
    first: Option<News>,
}

impl Wires {
    /// Opens the UDP socket. Call it inside of a tokio runtime.
    pub fn open(bind: SocketAddr) -> io::Result<Wires> {
        let (to_inbox, inbox) = mpsc::channel(NEWS_QUEUED);
        let datagrams = Datagrams::open(bind)?;
        Ok(Wires { datagrams, streams: BTreeMap::new(), inbox, to_inbox, first: None })
    }

    /// Returns the address the UDP socket is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.datagrams.local_address()
    }

    /// Sends a train, in one system call where the kernel can. What it will not take is lost, as on any link; the
    /// engine repairs it.
    pub async fn send(&mut self, transmit: &Transmit) {
        match transmit.transport {
            Transport::Datagram => {
                self.datagrams.send(transmit.address, &transmit.contents, transmit.segment).await;
            }
            Transport::Stream { .. } => self.stream(transmit),
        }
    }

    fn stream(&mut self, transmit: &Transmit) {
        let to_inbox = &self.to_inbox;
        let outlet = self
            .streams
            .entry(transmit.hub)
            .or_insert_with(|| streams::open(transmit.hub, transmit.address, to_inbox.clone()));
        if !outlet.send(&transmit.contents) {
            // Dropping the outlet ends the stream, whose end is then reported.
            self.streams.remove(&transmit.hub);
        }
    }

    /// Waits until there may be something to take in.
    pub async fn ready(&mut self) {
        if self.first.is_some() {
            return;
        }
        tokio::select! {
            biased;
            Some(news) = self.inbox.recv() => self.first = Some(news),
            () = self.datagrams.readable() => {}
        }
    }

    /// Takes in what is there, within the bound of a turn, and says whether there was anything. Answers that came
    /// together are handed over together: polled after all of them, the engine fills a window with one train.
    pub fn take_in(&mut self, mut each: impl FnMut(Incoming<'_>)) -> bool {
        let mut heard = false;
        for _ in 0..BATCHES_PER_TURN {
            if self.datagrams.receive(|from, datagram| each(Incoming::Datagram(from, datagram))) == 0 {
                break;
            }
            heard = true;
        }
        for _ in 0..NEWS_PER_TURN {
            let Some(news) = self.first.take().or_else(|| self.inbox.try_recv().ok()) else { break };
            heard = true;
            match news {
                News::Frames(hub, frames) => {
                    let mut rest = &frames[..];
                    while let Ok(Some((_, len))) = WanFrame::parse_stream(rest) {
                        each(Incoming::Frame(hub, &rest[..len]));
                        rest = &rest[len..];
                    }
                }
                News::Ended(hub) => {
                    self.streams.remove(&hub);
                    each(Incoming::Disconnected(hub));
                }
            }
        }
        heard
    }
}
