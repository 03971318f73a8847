//! All that goes out to hubs and comes in from them: one UDP socket, and a stream for each hub that has one.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use transfer_engine::{HubId, Transmit, Transport};

use crate::streams;

/// What came in.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A datagram of this many bytes lies in the buffer.
    Datagram(SocketAddr, usize),
    /// A frame was cut out of a hub's stream.
    Frame(HubId, Bytes),
    /// A hub's stream ended.
    Disconnected(HubId),
}

/// Frames from all streams on their way to the driver; beyond that, streams wait.
const FRAMES_QUEUED: usize = 1_024;

/// The largest UDP payload over IPv4.
pub(crate) const DATAGRAM_MAX: usize = 65_507;

/// We ask for this much room for answers that arrive while we send; the kernel may grant less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The sockets of a head-end.
#[derive(Debug)]
pub struct Wires {
    socket: UdpSocket,
    streams: BTreeMap<HubId, mpsc::Sender<Bytes>>,
    inbox: mpsc::Receiver<Incoming>,
    to_inbox: mpsc::Sender<Incoming>,
}

impl Wires {
    /// Opens the UDP socket. Call it inside of a tokio runtime.
    pub fn open(bind: SocketAddr) -> io::Result<Wires> {
        let socket = std::net::UdpSocket::bind(bind)?;
        socket.set_nonblocking(true)?;
        let reference = socket2::SockRef::from(&socket);
        reference.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let (to_inbox, inbox) = mpsc::channel(FRAMES_QUEUED);
        Ok(Wires { socket: UdpSocket::from_std(socket)?, streams: BTreeMap::new(), inbox, to_inbox })
    }

    /// Returns the address the UDP socket is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends a train. What the kernel will not take is lost, as on any link; the engine repairs it.
    pub(crate) async fn send(&mut self, transmit: &Transmit) {
        match transmit.transport {
            Transport::Datagram => {
                for frame in transmit.contents.chunks(transmit.segment) {
                    if let Err(error) = self.socket.send_to(frame, transmit.address).await {
                        tracing::debug!(address = %transmit.address, %error, "datagram not sent");
                    }
                }
            }
            Transport::Stream { .. } => self.stream(transmit).await,
        }
    }

    async fn stream(&mut self, transmit: &Transmit) {
        let to_inbox = &self.to_inbox;
        let queue = self
            .streams
            .entry(transmit.hub)
            .or_insert_with(|| streams::open(transmit.hub, transmit.address, to_inbox.clone()));
        if queue.try_send(transmit.contents.clone()).is_err() {
            // Dropping the queue ends the stream, whose end is then reported.
            self.streams.remove(&transmit.hub);
        }
    }

    /// Waits for what comes in next; a datagram is put into `buffer`.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Incoming {
        loop {
            tokio::select! {
                biased;
                Some(incoming) = self.inbox.recv() => {
                    if let Incoming::Disconnected(hub) = incoming {
                        self.streams.remove(&hub);
                    }
                    return incoming;
                }
                received = self.socket.recv_from(buffer) => match received {
                    Ok((len, from)) => return Incoming::Datagram(from, len),
                    // A refused port shows up here as an error of an earlier send: the hub is not there.
                    Err(error) => tracing::trace!(%error, "receive"),
                },
            }
        }
    }

    /// Returns a datagram that is there already.
    pub(crate) fn receive_now(&self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        self.socket.try_recv_from(buffer).ok().map(|(len, from)| (from, len))
    }
}
