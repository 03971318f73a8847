//! One UDP socket that may answer for many addresses: batches in, one datagram at a time out.
//!
//! quinn-udp tells for every datagram which of our addresses it was sent to, and lets an answer leave from that
//! address. The kernel may join datagrams of one peer (GRO); here they are taken apart again.

use crate::error::HostError;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The largest thing one buffer receives: a joined train of datagrams is at most this long.
const BUFFER_LEN: usize = 65_535;
/// Buffers per system call; 1 MiB in all, and enough to make the call's own cost vanish.
const BATCH: usize = 16;
/// What we ask the kernel to hold for us, best effort: a burst of a few thousand blocks.
const SOCKET_BUFFER_LEN: usize = 4 << 20;

/// A socket that holds its port but is not yet driven by a runtime.
pub(crate) struct BoundUdp {
    socket: std::net::UdpSocket,
    address: SocketAddr,
}

/// Whom a socket listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Whoever can reach the address.
    Anyone,
    /// This machine only, although the address is a wildcard.
    Loopback,
}

impl BoundUdp {
    pub(crate) fn bind(address: SocketAddr, reach: Reach) -> Result<BoundUdp, HostError> {
        let bind = || {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
            if reach == Reach::Loopback {
                bind_to_loopback(&socket);
            }
            socket.bind(&address.into())?;
            let socket = std::net::UdpSocket::from(socket);
            let address = socket.local_addr()?;
            Ok(BoundUdp { socket, address })
        };
        bind().map_err(|source| HostError::Listen { kind: "UDP", address, source })
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Hands the socket to the runtime of the calling task.
    pub(crate) fn open(self) -> io::Result<UdpPort> {
        let state = UdpSocketState::new(UdpSockRef::from(&self.socket))?;
        for outcome in [
            state.set_recv_buffer_size(UdpSockRef::from(&self.socket), SOCKET_BUFFER_LEN),
            state.set_send_buffer_size(UdpSockRef::from(&self.socket), SOCKET_BUFFER_LEN),
        ] {
            if let Err(error) = outcome {
                tracing::debug!(%error, "the kernel keeps its default socket buffer");
            }
        }
        Ok(UdpPort {
            socket: UdpSocket::from_std(self.socket)?,
            state,
            local: self.address,
            buffers: vec![0; BATCH * BUFFER_LEN],
        })
    }
}

/// Keeps other machines out where the system allows it; the check of each datagram's destination stands anyway.
#[cfg(target_os = "linux")]
fn bind_to_loopback(socket: &Socket) {
    if let Err(error) = socket.bind_device(Some(b"lo")) {
        tracing::debug!(%error, "the socket is not bound to the loopback device");
    }
}

#[cfg(not(target_os = "linux"))]
fn bind_to_loopback(_socket: &Socket) {}

/// A UDP socket in use.
pub(crate) struct UdpPort {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    buffers: Vec<u8>,
}

impl UdpPort {
    /// Returns the address that the socket is bound to.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Waits until something may have come; an error shows itself on the next receive.
    pub(crate) async fn readable(&self) {
        if let Err(error) = self.socket.readable().await {
            tracing::debug!(%error, "the UDP socket is in error");
        }
    }

    /// Receives one batch without waiting and calls `each` with the address of ours, the peer and the bytes of
    /// every datagram; returns how many there were.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(IpAddr, SocketAddr, &[u8])) -> usize {
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
                tracing::debug!(%error, "could not receive");
                return 0;
            }
        };
        let mut count = 0;
        for (meta, buffer) in meta.iter().zip(&slices).take(filled) {
            let local = meta.dst_ip.unwrap_or(self.local.ip());
            // An empty datagram has neither length nor stride; it is still one datagram.
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                each(local, meta.addr, datagram);
                count += 1;
            }
            if meta.len == 0 {
                each(local, meta.addr, &[]);
                count += 1;
            }
        }
        count
    }

    /// Sends one datagram from an address of ours; a peer that cannot be reached is the peer's affair.
    pub(crate) async fn send(&self, from: IpAddr, to: SocketAddr, datagram: &[u8]) {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: datagram,
            segment_size: None,
            src_ip: (!from.is_unspecified()).then_some(from),
        };
        let sent = self
            .socket
            .async_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.socket), &transmit))
            .await;
        if let Err(error) = sent {
            tracing::debug!(%error, %to, "could not send");
        }
    }
}
