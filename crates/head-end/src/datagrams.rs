//! One UDP socket to all hubs: a train leaves in one system call, answers come in by batches.
//!
//! What a datagram costs is the kernel's path for it, not the system call. Frames of one train go to the same hub
//! and are of equal length, so the kernel can carry them as one and cut them late (UDP_SEGMENT, "GSO"); measured, that
//! is a fifth to a thirtieth of the price. quinn-udp knows how, and does without where the kernel does not.

mod lanes; // threads that send
mod outbox; // what waits to leave

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use lanes::Lanes;
use outbox::Outbox;
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use transfer_engine::HubId;

use crate::wires::watched;

/// The largest thing one buffer receives: a joined train of datagrams.
const BUFFER_LEN: usize = 65_535;

/// Buffers per system call, 1 MiB in all: enough to make the call's own cost vanish.
const BATCH: usize = 16;

/// We ask for this much room for answers that arrive while we send; the kernel may grant less.
const SOCKET_BUFFER_LEN: usize = 4 << 20;

/// The socket, and what is on its way to it.
#[derive(Debug)]
pub(crate) struct Datagrams {
    line: Arc<Line>,
    /// Tells what can be read, and not what can be written: that would wake us for every datagram that a thread sends.
    arrivals: AsyncFd<UdpSocket>,
    outbox: Outbox,
    /// None when all is sent from here.
    lanes: Option<Lanes>,
    buffers: Vec<u8>,
}

/// What is shared by all that send.
#[derive(Debug)]
struct Line {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Datagrams {
    /// Opens the socket for the runtime of the calling task, with so many threads that send; a single one is the caller's.
    pub(crate) fn open(bind: SocketAddr, threads: NonZeroUsize) -> io::Result<Datagrams> {
        let socket = UdpSocket::bind(bind)?;
        let reference = || UdpSockRef::from(&socket);
        let state = UdpSocketState::new(reference())?;
        allow_fragments(&socket)?;
        state.set_recv_buffer_size(reference(), SOCKET_BUFFER_LEN)?;
        state.set_send_buffer_size(reference(), SOCKET_BUFFER_LEN)?;
        let arrivals = watched(socket.try_clone()?, Interest::READABLE)?;
        let line = Arc::new(Line { socket, state });
        let lanes = match threads.get() {
            1 => None,
            count => Some(Lanes::start(count, &line)?),
        };
        let (outbox, buffers) = (Outbox::default(), vec![0; BATCH * BUFFER_LEN]);
        Ok(Datagrams { line, arrivals, outbox, lanes, buffers })
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.line.socket.local_addr()
    }

    /// Sends frames of `segment` bytes (the last may be shorter) to a hub, in as few calls as the kernel allows; one that is
    /// alone waits for others, until [`Datagrams::flush`], and so does everything where there are lanes. What the kernel will
    /// not take is lost, as on any link; the engine repairs it.
    pub(crate) async fn send(&mut self, hub: HubId, to: SocketAddr, frames: &Bytes, segment: usize) {
        if let Some(lanes) = &mut self.lanes {
            lanes.put(hub, to, (frames.clone(), segment), &self.line).await;
        } else if !self.outbox.put(to, frames.clone(), segment) {
            self.line.send(&mut self.outbox).await;
        }
    }

    /// Sends what waits for others.
    pub(crate) async fn flush(&mut self) {
        match &mut self.lanes {
            Some(lanes) => lanes.flush(&self.line).await,
            None => self.line.send(&mut self.outbox).await,
        }
    }

    /// Waits until what was flushed has left.
    pub(crate) async fn settle(&mut self) {
        if let Some(lanes) = &mut self.lanes {
            lanes.settle().await;
        }
    }

    /// Waits until something may have come.
    pub(crate) async fn readable(&self) {
        if let Err(error) = self.arrivals.readable().await {
            tracing::debug!(%error, "the UDP socket is in error");
        }
    }

    /// Receives one batch without waiting and calls `each` with every datagram; returns how many there were.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(SocketAddr, &[u8])) -> usize {
        let mut slices: [IoSliceMut<'_>; BATCH] = {
            let mut chunks = self.buffers.chunks_exact_mut(BUFFER_LEN);
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().expect("there are BATCH buffers")))
        };
        let mut meta = [RecvMeta::default(); BATCH];
        let received = self.arrivals.try_io(Interest::READABLE, |socket| {
            self.line.state.recv(UdpSockRef::from(socket), &mut slices, &mut meta)
        });
        let filled = match received {
            Ok(filled) => filled,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return 0,
            Err(error) => {
                tracing::trace!(%error, "receive");
                return 0;
            }
        };
        let mut count = 0;
        for (meta, buffer) in meta.iter().zip(&slices).take(filled) {
            // An empty datagram is no frame of anybody's.
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                each(meta.addr, datagram);
            }
            count += meta.len.div_ceil(meta.stride.max(1)).max(1);
        }
        count
    }
}

impl Line {
    /// Sends what waits, and waits itself as long as the kernel takes nothing.
    async fn send(&self, outbox: &mut Outbox) {
        while outbox.send(self).is_err() {
            if let Err(error) = self.writable().await {
                tracing::warn!(trains = outbox.lose(), %error, "the UDP socket cannot be waited for");
            }
        }
        outbox.clear();
    }

    /// Waits until the kernel takes something. It seldom comes to that: only then is the kernel asked to tell.
    async fn writable(&self) -> io::Result<()> {
        watched(self.socket.try_clone()?, Interest::WRITABLE)?.writable().await.map(drop)
    }

    /// Waits on the calling thread until the kernel takes something, and says whether it does.
    fn is_writable_before(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(left) = Timespec::try_from(left).ok().filter(|_| !left.is_zero()) else { return false };
        let mut watched = [PollFd::new(&self.socket, PollFlags::OUT)];
        // A socket in error says what is wrong when it is written to. A signal is no answer: try again.
        matches!(poll(&mut watched, Some(&left)), Ok(1) | Err(Errno::INTR))
    }
}

/// Lets the kernel cut what is longer than a link carries: quinn-udp, made for a protocol that never wants that, has
/// forbidden it, but blocks may be up to 8 KiB long.
#[cfg(target_os = "linux")]
fn allow_fragments(socket: &UdpSocket) -> io::Result<()> {
    use rustix::net::sockopt;
    match socket.local_addr()? {
        SocketAddr::V4(_) => sockopt::set_ip_mtu_discover(socket, sockopt::Ipv4PathMtuDiscovery::WANT)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_mtu_discover(socket, sockopt::Ipv6PathMtuDiscovery::WANT)?,
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn allow_fragments(_socket: &UdpSocket) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
