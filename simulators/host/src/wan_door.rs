//! The WAN side of simulated hubs: datagrams and streams in, answers out to wherever the question came from.

use crate::stream::StreamFrame;
use crate::udp::UdpPort;
use crate::watch::Door;
use std::net::{IpAddr, SocketAddr};
use tokio::sync::mpsc;

/// Batches of datagrams, and frames of streams, that one turn takes; then time goes on for the devices.
const WORK_PER_TURN: usize = 32;

/// Where a frame came from and its answer goes to.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Datagram(SocketAddr),
    Stream { from: SocketAddr, answers: mpsc::Sender<Vec<u8>> },
}

impl Peer {
    /// Returns the peer's end, and the door at which it stands.
    pub(crate) fn end(&self) -> (SocketAddr, Door) {
        match self {
            Peer::Datagram(from) => (*from, Door::WanDatagram),
            Peer::Stream { from, .. } => (*from, Door::WanStream),
        }
    }
}

/// The sockets of one or many hubs.
pub(crate) struct WanDoor {
    udp: UdpPort,
    streams: Option<mpsc::Receiver<StreamFrame>>,
    /// A frame that waiting has brought up already.
    first: Option<StreamFrame>,
}

impl WanDoor {
    pub(crate) fn new(udp: UdpPort, streams: Option<mpsc::Receiver<StreamFrame>>) -> WanDoor {
        WanDoor { udp, streams, first: None }
    }

    /// Returns the port at which devices are reached.
    pub(crate) fn port(&self) -> u16 {
        self.udp.local_address().port()
    }

    /// Waits until there may be something to receive.
    pub(crate) async fn ready(&mut self) {
        if self.first.is_some() {
            return;
        }
        let Some(streams) = &mut self.streams else {
            return self.udp.readable().await;
        };
        tokio::select! {
            biased;
            () = self.udp.readable() => {}
            Some(frame) = streams.recv() => self.first = Some(frame),
        }
    }

    /// Receives what is there, within the bound of a turn; calls `each` with the address of ours, the peer and
    /// the frame. Returns whether the bound was reached, so that more may be waiting.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(IpAddr, Peer, &[u8])) -> bool {
        let mut is_busy = true;
        for _ in 0..WORK_PER_TURN {
            if self.udp.receive(|local, from, bytes| each(local, Peer::Datagram(from), bytes)) == 0 {
                is_busy = false;
                break;
            }
        }
        for _ in 0..WORK_PER_TURN {
            let next = self.first.take().or_else(|| self.streams.as_mut()?.try_recv().ok());
            let Some(frame) = next else { return is_busy };
            let peer = Peer::Stream { from: frame.peer, answers: frame.answers };
            each(frame.local, peer, &frame.bytes);
        }
        true
    }

    /// Sends an answer; one that a slow or vanished connection cannot take is dropped, as a WAN would.
    pub(crate) async fn answer(&self, local: IpAddr, peer: &Peer, bytes: Vec<u8>) {
        match peer {
            Peer::Datagram(to) => self.udp.send(local, *to, &bytes).await,
            Peer::Stream { answers, .. } => {
                if answers.try_send(bytes).is_err() {
                    tracing::debug!("a connection did not take its answer");
                }
            }
        }
    }
}
