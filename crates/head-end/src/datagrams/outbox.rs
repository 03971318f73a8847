//! What is on its way to the socket: trains and single datagrams, in the order in which they were put there.
//!
//! A train is one call. Single datagrams to many hubs leave in one system call as well: nothing joins them on their way
//! through the kernel, so that a call for all of them saves little of what the kernel does. It saves that engine and kernel
//! take turns for each, and throw one another out of the processor's first caches: measured, a tenth to a quarter of what a
//! datagram costs.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use quinn_udp::{Transmit, UdpSockRef};

use super::Line;

/// Single datagrams of one call: half a turn of the driver.
pub(super) const TOGETHER: usize = 64;

/// Whether the kernel takes datagrams to many in one call.
const MANY_IN_A_CALL: bool = cfg!(target_os = "linux");

/// The largest UDP payload over IPv4, and so the most that one call sends.
const DATAGRAM_MAX: usize = 65_507;

/// The longest frame that goes into a joined train. What would have to be cut into fragments is refused there, and
/// 1,500 B is what a link carries unless somebody has agreed on more; 100 B are left for tunnels.
const JOINED_MAX: usize = 1_372;

/// Frames of `segment` bytes (the last may be shorter) for one hub.
#[derive(Debug)]
struct Train {
    to: SocketAddr,
    frames: Bytes,
    segment: usize,
}

impl Train {
    fn is_single(&self) -> bool {
        self.frames.len() <= self.segment
    }
}

/// Trains that wait to leave. Nothing is allocated for one once there was room for as many.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    trains: Vec<Train>,
    /// How many of them have left, or will not.
    gone: usize,
    /// How many bytes of the next one have left.
    begun: usize,
}

impl Outbox {
    /// Puts a train behind the others, and says whether it may wait for more to leave with it.
    pub(super) fn put(&mut self, to: SocketAddr, frames: Bytes, segment: usize) -> bool {
        let train = Train { to, frames, segment: segment.max(1) };
        let may_wait = MANY_IN_A_CALL && train.is_single();
        self.trains.push(train);
        may_wait && self.waiting() < TOGETHER
    }

    /// Returns how many wait.
    pub(super) fn waiting(&self) -> usize {
        self.trains.len() - self.gone
    }

    /// Forgets what has left.
    pub(super) fn clear(&mut self) {
        self.trains.drain(..self.gone);
        self.gone = 0;
    }

    /// Loses what waits, and returns how many those were.
    pub(super) fn lose(&mut self) -> usize {
        let lost = self.waiting();
        (self.gone, self.begun) = (self.trains.len(), 0);
        lost
    }

    /// Sends what waits. The only error is that the kernel takes nothing now: then this is to be called again. What the
    /// kernel refuses is lost, as on any link; the engine repairs it.
    pub(super) fn send(&mut self, line: &Line) -> io::Result<()> {
        while let Some(train) = self.trains.get(self.gone) {
            if MANY_IN_A_CALL && train.is_single() {
                self.send_singles(line)?;
            } else {
                self.send_part(line)?;
            }
        }
        Ok(())
    }

    /// Goes on behind so many trains.
    fn pass(&mut self, count: usize) {
        self.gone += count;
        self.begun = 0;
    }

    /// Sends as much of the next train as one call carries.
    fn send_part(&mut self, line: &Line) -> io::Result<()> {
        let Train { to, frames, segment } = &self.trains[self.gone];
        let rest = &frames[self.begun..];
        // Asked for each time: the first refusal shows that there are no joined trains here.
        let joined = if *segment > JOINED_MAX { 1 } else { line.state.max_gso_segments() };
        let most = (DATAGRAM_MAX / segment).clamp(1, joined.max(1)) * segment;
        let contents = &rest[..most.min(rest.len())];
        let (sent, ends) = (contents.len(), contents.len() == rest.len());
        let segment_size = (sent > *segment).then_some(*segment);
        let transmit = Transmit { destination: *to, ecn: None, contents, segment_size, src_ip: None };
        match line.state.try_send(UdpSockRef::from(&line.socket), &transmit) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            // Not as a train: once more, one by one.
            Err(_) if segment_size.is_some() && line.state.max_gso_segments() <= 1 => return Ok(()),
            Err(error) => tracing::debug!(address = %to, %error, "datagrams not sent"),
        }
        self.begun += sent;
        if ends {
            self.pass(1);
        }
        Ok(())
    }

    /// Sends the single datagrams in front, as many as one call carries. What the kernel is told lies on the stack, 16 KiB:
    /// it borrows from one another, so that it cannot be kept between calls, and nothing is to be allocated for blocks.
    #[cfg(target_os = "linux")]
    fn send_singles(&mut self, line: &Line) -> io::Result<()> {
        use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
        use std::io::IoSlice;

        let singles = &self.trains[self.gone..];
        let count = singles.iter().take(TOGETHER).take_while(|train| train.is_single()).count();
        let (singles, first) = (&singles[..count], singles[0].to);
        // Whatever lies behind the last one is not handed over.
        let addresses: [SocketAddrAny; TOGETHER] =
            std::array::from_fn(|at| singles.get(at).map_or(first, |train| train.to).into());
        let contents: [[IoSlice<'_>; 1]; TOGETHER] =
            std::array::from_fn(|at| [IoSlice::new(singles.get(at).map_or(&[], |train| &train.frames))]);
        let mut controls: [SendAncillaryBuffer<'_, '_, '_>; TOGETHER] =
            std::array::from_fn(|_| SendAncillaryBuffer::default());
        let mut parts = addresses.iter().zip(&contents).zip(&mut controls);
        let mut messages: [MMsgHdr<'_>; TOGETHER] = std::array::from_fn(|_| {
            let ((address, contents), control) = parts.next().expect("there are as many of each");
            MMsgHdr::new_with_addr(address, contents, control)
        });
        let sent = match sendmmsg(&line.socket, &mut messages[..count], SendFlags::DONTWAIT) {
            Ok(sent) => sent.max(1),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error.into()),
            // An error is that of the first.
            Err(error) => {
                tracing::debug!(address = %first, %error, "datagram not sent");
                1
            }
        };
        self.pass(sent);
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn send_singles(&mut self, line: &Line) -> io::Result<()> {
        self.send_part(line)
    }
}
