//! One UDP socket to all hubs: a train leaves in one system call, answers come in by batches.
//!
//! What a datagram costs is the kernel's path for it, not the system call. Frames of one train go to the same hub
//! and are of equal length, so the kernel can carry them as one and cut them late (UDP_SEGMENT, "GSO"); measured, that
//! is a fifth to a thirtieth of the price. quinn-udp knows how, and does without where the kernel does not.

mod batch; // single datagrams that leave together

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use batch::Batch;
use bytes::Bytes;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The largest UDP payload over IPv4, and so the most that one call sends.
const DATAGRAM_MAX: usize = 65_507;

/// The largest thing one buffer receives: a joined train of datagrams.
const BUFFER_LEN: usize = 65_535;

/// Buffers per system call, 1 MiB in all: enough to make the call's own cost vanish.
const BATCH: usize = 16;

/// We ask for this much room for answers that arrive while we send; the kernel may grant less.
const SOCKET_BUFFER_LEN: usize = 4 << 20;

/// The longest frame that goes into a joined train. What would have to be cut into fragments is refused there, and
/// 1,500 B is what a link carries unless somebody has agreed on more; 100 B are left for tunnels.
const JOINED_MAX: usize = 1_372;

/// The socket.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    state: UdpSocketState,
    batch: Batch,
    buffers: Vec<u8>,
}

impl Datagrams {
    /// Opens the socket for the runtime of the calling task.
    pub(crate) fn open(bind: SocketAddr) -> io::Result<Datagrams> {
        let socket = std::net::UdpSocket::bind(bind)?;
        let reference = || UdpSockRef::from(&socket);
        let state = UdpSocketState::new(reference())?;
        allow_fragments(&socket)?;
        state.set_recv_buffer_size(reference(), SOCKET_BUFFER_LEN)?;
        state.set_send_buffer_size(reference(), SOCKET_BUFFER_LEN)?;
        let (socket, batch) = (UdpSocket::from_std(socket)?, Batch::default());
        Ok(Datagrams { socket, state, batch, buffers: vec![0; BATCH * BUFFER_LEN] })
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends frames of `segment` bytes (the last may be shorter), in as few calls as the kernel allows; one that is alone
    /// waits for others, until [`Datagrams::flush`]. What the kernel will not take is lost, as on any link; the engine
    /// repairs it.
    pub(crate) async fn send(&mut self, to: SocketAddr, frames: &Bytes, segment: usize) {
        if frames.len() <= segment && cfg!(target_os = "linux") {
            if self.batch.put(to, frames.clone()) {
                self.flush().await;
            }
            return;
        }
        // Frames to one hub keep their order.
        self.flush().await;
        self.send_train(to, frames, segment).await;
    }

    /// Sends what waits for others.
    #[cfg(target_os = "linux")]
    pub(crate) async fn flush(&mut self) {
        while let Some((to, _)) = self.batch.front() {
            let send = || self.batch.send(&self.socket);
            let sent = match self.socket.async_io(Interest::WRITABLE, send).await {
                Ok(sent) => sent.max(1),
                Err(error) => {
                    tracing::debug!(address = %to, %error, "datagram not sent");
                    1
                }
            };
            self.batch.drop_front(sent);
        }
    }

    /// Sends what waits for others: nothing does.
    #[cfg(not(target_os = "linux"))]
    pub(crate) async fn flush(&mut self) {}

    async fn send_train(&self, to: SocketAddr, frames: &[u8], segment: usize) {
        let mut rest = frames;
        while !rest.is_empty() {
            // Asked for each time: the first refusal shows that there are no joined trains here.
            let joined = if segment > JOINED_MAX { 1 } else { self.state.max_gso_segments() };
            let most = (DATAGRAM_MAX / segment.max(1)).clamp(1, joined.max(1)) * segment;
            let (now, later) = rest.split_at(most.min(rest.len()));
            match self.try_send(to, now, segment).await {
                Ok(()) => rest = later,
                // Not as a train: once more, one by one.
                Err(_) if now.len() > segment && self.state.max_gso_segments() <= 1 => {}
                Err(error) => {
                    tracing::debug!(address = %to, %error, "datagrams not sent");
                    rest = later;
                }
            }
        }
    }

    async fn try_send(&self, to: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        let segment_size = (contents.len() > segment).then_some(segment);
        let transmit = Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
        let send = || self.state.try_send(UdpSockRef::from(&self.socket), &transmit);
        self.socket.async_io(Interest::WRITABLE, send).await
    }

    /// Waits until something may have come.
    pub(crate) async fn readable(&self) {
        if let Err(error) = self.socket.readable().await {
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
        let received = self.socket.try_io(Interest::READABLE, || {
            self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta)
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

/// Lets the kernel cut what is longer than a link carries: quinn-udp, made for a protocol that never wants that, has
/// forbidden it, but blocks may be up to 8 KiB long.
#[cfg(target_os = "linux")]
fn allow_fragments(socket: &std::net::UdpSocket) -> io::Result<()> {
    use rustix::net::sockopt;
    match socket.local_addr()? {
        SocketAddr::V4(_) => sockopt::set_ip_mtu_discover(socket, sockopt::Ipv4PathMtuDiscovery::WANT)?,
        SocketAddr::V6(_) => sockopt::set_ipv6_mtu_discover(socket, sockopt::Ipv6PathMtuDiscovery::WANT)?,
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn allow_fragments(_socket: &std::net::UdpSocket) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket as Plain};
    use std::time::Duration;

    /// Sends frames of `segment` bytes to a plain socket and returns the lengths it received.
    async fn received(frames: &[u8], segment: usize) -> Vec<usize> {
        let plain = Plain::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        plain.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut ours = Datagrams::open((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        ours.send(plain.local_addr().expect("bound"), &Bytes::copy_from_slice(frames), segment).await;
        ours.flush().await;
        let mut buffer = vec![0; BUFFER_LEN];
        let (mut lengths, mut all) = (Vec::new(), Vec::new());
        while all.len() < frames.len() {
            let len = plain.recv(&mut buffer).expect("every frame arrives on loopback");
            lengths.push(len);
            all.extend_from_slice(&buffer[..len]);
        }
        assert_eq!(all, frames);
        lengths
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|index| (index % 251) as u8).collect()
    }

    #[tokio::test]
    async fn a_train_arrives_frame_by_frame_and_in_order() {
        assert_eq!(received(&bytes(16 * 1_060), 1_060).await, [1_060; 16]);
        assert_eq!(received(&bytes(1_060 + 7), 1_060).await, [1_060, 7]);
        assert_eq!(received(&bytes(40), 40).await, [40]);
    }

    #[tokio::test]
    async fn more_frames_than_one_call_carries_all_arrive() {
        assert_eq!(received(&bytes(150 * 100), 100).await, [100; 150]);
    }

    #[tokio::test]
    async fn frames_too_long_to_be_joined_go_one_by_one() {
        assert_eq!(received(&bytes(3 * 8_240), 8_240).await, [8_240; 3]);
    }

    #[tokio::test]
    async fn single_datagrams_to_many_leave_together_and_each_arrives_where_it_should() {
        let plain: Vec<Plain> =
            (0..3).map(|_| Plain::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port")).collect();
        let mut ours = Datagrams::open((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let count = batch::TOGETHER as u8 + 10;
        for number in 0..count {
            let to = plain[usize::from(number) % 3].local_addr().expect("bound");
            ours.send(to, &Bytes::copy_from_slice(&[number; 5]), 5).await;
            // Nobody listens there, and the others go on.
            let nobody = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
            if number == 7 {
                ours.send(nobody, &Bytes::from_static(b"lost"), 5).await;
            }
        }
        ours.flush().await;
        assert!(ours.batch.front().is_none());
        for number in 0..count {
            let socket = &plain[usize::from(number) % 3];
            socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            let mut buffer = [0; 16];
            assert_eq!(socket.recv(&mut buffer).expect("it arrives"), 5);
            assert_eq!(buffer[..5], [number; 5]);
        }
    }

    #[tokio::test]
    async fn joined_datagrams_are_taken_apart_again() {
        let mut ours = Datagrams::open((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let mut peer = Datagrams::open((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let (to, from) = (ours.local_address().expect("bound"), peer.local_address().expect("bound"));
        peer.send(to, &bytes(5 * 100 + 3).into(), 100).await;
        let mut lengths = Vec::new();
        while lengths.len() < 6 {
            ours.readable().await;
            ours.receive(|sender, datagram| {
                assert_eq!(sender, from);
                lengths.push(datagram.len());
            });
        }
        assert_eq!(lengths, [100, 100, 100, 100, 100, 3]);
    }
}
