//! TCP streams to hubs: whole frames told apart by the IEC 62056-4-7 wrapper, all streams in the driver's own turn.
//!
//! ```text
//!   kernel ──readable, by batches──► one epoll ──its descriptor──► the runtime, which wakes the driver once
//! ```
//!
//! A train is one write, and whatever one read brings is handed over where it lies. There is no task, no queue and no
//! allocation between a hub and the engine: with thousands of streams that each say little, those would cost as
//! much as the kernel does.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;
use transfer_engine::HubId;
use wire::WanFrame;

use crate::wires::{Incoming, watched};

/// Trains on their way to one hub. The engine keeps 15 frames in flight at most, so that a full queue means that
/// the stream is dead.
const TRAINS_QUEUED: usize = 64;

/// How much one read brings at most: the answers to a window take 450 B, a bitmap of the largest image 2 KiB. What
/// is longer is read in the next turn, so that no hub keeps the others waiting.
const READ_LEN: usize = 16_384;

/// Streams that are looked at in a turn. Enough to make the turn's own cost vanish, and few enough that what is to be
/// sent does not wait for long.
const STREAMS_PER_TURN: usize = 128;

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an unfinished frame is kept: the largest frame there is.
const UNFINISHED_MAX: usize = 8 + 65_535;

/// All streams.
#[derive(Debug)]
pub(crate) struct Streams {
    poll: AsyncFd<Poll>,
    events: Events,
    /// By hub, which is also what the kernel calls them.
    streams: Vec<Option<Box<Stream>>>,
    /// Streams in which more lies than one read has brought. Each stands here once.
    unread: Vec<HubId>,
    /// Streams that ended while something was written to them.
    ended: Vec<HubId>,
    /// Attempts to connect by age, and when each is given up.
    attempts: VecDeque<(Instant, HubId, u64)>,
    opened: u64,
    connect_within: Duration,
    /// The kernel has more events than one turn takes.
    more: bool,
    buffer: Box<[u8]>,
}

/// A stream to one hub.
#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    /// Tells an attempt to connect from later ones to the same hub.
    attempt: u64,
    connected: bool,
    /// What the kernel has not taken yet.
    waiting: VecDeque<Bytes>,
    /// The beginning of a frame whose end has not come.
    unfinished: Vec<u8>,
}

/// How a look at a stream went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Drained,
    More,
    Ended,
}

impl Streams {
    /// Makes ready for streams, for the runtime of the calling task.
    pub(crate) fn open() -> io::Result<Streams> {
        Ok(Streams {
            poll: watched(Poll::new()?, tokio::io::Interest::READABLE)?,
            events: Events::with_capacity(STREAMS_PER_TURN),
            streams: Vec::new(),
            unread: Vec::new(),
            ended: Vec::new(),
            attempts: VecDeque::new(),
            opened: 0,
            connect_within: CONNECT_TIMEOUT,
            more: false,
            buffer: vec![0; READ_LEN].into_boxed_slice(),
        })
    }

    /// Sends a train behind those before it, on a stream that is opened if there is none. A stream that is dead is
    /// reported when news is taken in next.
    pub(crate) fn send(&mut self, hub: HubId, address: SocketAddr, train: &Bytes) {
        let index = hub.0 as usize;
        if index >= self.streams.len() {
            self.streams.resize_with(index + 1, || None);
        }
        if self.streams[index].is_none() {
            match self.connect(hub, address) {
                Ok(stream) => self.streams[index] = Some(Box::new(stream)),
                Err(error) => {
                    tracing::debug!(hub = hub.0, %address, %error, "no stream");
                    return self.ended.push(hub);
                }
            }
        }
        let Some(stream) = self.streams[index].as_mut() else { return };
        if let Err(error) = stream.send(train) {
            tracing::debug!(hub = hub.0, %address, %error, "stream ended");
            self.streams[index] = None;
            self.ended.push(hub);
        }
    }

    fn connect(&mut self, hub: HubId, address: SocketAddr) -> io::Result<Stream> {
        let mut socket = TcpStream::connect(address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.get_ref().registry().register(&mut socket, Token(hub.0 as usize), interest)?;
        self.opened += 1;
        self.attempts.push_back((Instant::now() + self.connect_within, hub, self.opened));
        Ok(Stream {
            socket,
            attempt: self.opened,
            connected: false,
            waiting: VecDeque::new(),
            unfinished: Vec::new(),
        })
    }

    /// Waits until there may be something to take in.
    pub(crate) async fn ready(&mut self) {
        if self.has_more() {
            return;
        }
        self.forget_settled_attempts();
        let readable = self.poll.readable();
        let readable = match self.attempts.front() {
            Some((deadline, ..)) => tokio::time::timeout_at(*deadline, readable).await,
            None => Ok(readable.await),
        };
        match readable {
            // Whatever comes after this moment wakes us again, and whatever came before is taken in now.
            Ok(Ok(mut guard)) => guard.clear_ready(),
            Ok(Err(error)) => tracing::debug!(%error, "the streams cannot be waited for"),
            // An attempt to connect has taken too long.
            Err(_) => {}
        }
    }

    /// Takes in what is there, within the bound of a turn, and says whether there may be more.
    pub(crate) fn take_in(&mut self, mut each: impl FnMut(Incoming<'_>)) -> bool {
        self.give_up_attempts();
        for hub in std::mem::take(&mut self.ended) {
            each(Incoming::Disconnected(hub));
        }
        for hub in std::mem::take(&mut self.unread) {
            self.look(hub, None, &mut each);
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.get_mut().poll(&mut events, Some(Duration::ZERO)) {
            Ok(()) => {}
            Err(error) => tracing::trace!(%error, "streams"),
        }
        let count = events.iter().count();
        self.more = count == STREAMS_PER_TURN;
        for event in &events {
            self.look(HubId(event.token().0 as u32), Some(event), &mut each);
        }
        self.events = events;
        self.has_more()
    }

    fn has_more(&self) -> bool {
        self.more || !self.unread.is_empty() || !self.ended.is_empty()
    }

    /// Does what can be done for a stream.
    fn look(&mut self, hub: HubId, event: Option<&Event>, each: &mut impl FnMut(Incoming<'_>)) {
        let place = self.streams.get_mut(hub.0 as usize);
        let Some(stream) = place.and_then(Option::as_mut) else { return };
        let result = stream.look(hub, event, &mut self.buffer, each);
        let look = result.unwrap_or_else(|error| {
            tracing::debug!(hub = hub.0, %error, "stream ended");
            Look::Ended
        });
        match look {
            Look::Drained => {}
            Look::More if self.unread.contains(&hub) => {}
            Look::More => self.unread.push(hub),
            Look::Ended => {
                self.streams[hub.0 as usize] = None;
                each(Incoming::Disconnected(hub));
            }
        }
    }

    /// Drops attempts to connect that have come to something.
    fn forget_settled_attempts(&mut self) {
        while let Some((_, hub, attempt)) = self.attempts.front()
            && !self.is_connecting(*hub, *attempt)
        {
            self.attempts.pop_front();
        }
    }

    fn is_connecting(&self, hub: HubId, attempt: u64) -> bool {
        let stream = self.streams.get(hub.0 as usize).and_then(Option::as_ref);
        stream.is_some_and(|stream| stream.attempt == attempt && !stream.connected)
    }

    fn give_up_attempts(&mut self) {
        self.forget_settled_attempts();
        if self.attempts.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some((deadline, hub, _)) = self.attempts.front()
            && *deadline <= now
        {
            tracing::debug!(hub = hub.0, "no connection in time");
            self.streams[hub.0 as usize] = None;
            self.ended.push(*hub);
            self.attempts.pop_front();
            self.forget_settled_attempts();
        }
    }
}

impl Stream {
    /// Writes a train, or queues what the kernel does not take now.
    fn send(&mut self, train: &Bytes) -> io::Result<()> {
        let mut written = 0;
        if self.connected && self.waiting.is_empty() {
            written = write(&mut self.socket, train)?;
        }
        if written < train.len() {
            if self.waiting.len() >= TRAINS_QUEUED {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing is taken any more"));
            }
            self.waiting.push_back(train.slice(written..));
        }
        Ok(())
    }

    /// Writes what waits and reads once; `event` is `None` when only a read was left over.
    fn look(
        &mut self,
        hub: HubId,
        event: Option<&Event>,
        buffer: &mut [u8],
        each: &mut impl FnMut(Incoming<'_>),
    ) -> io::Result<Look> {
        if !self.connected && !self.has_connected()? {
            return Ok(Look::Drained);
        }
        if event.is_some_and(Event::is_writable) {
            self.flush()?;
        }
        if event.is_some_and(|event| !event.is_readable() && !event.is_read_closed() && !event.is_error()) {
            return Ok(Look::Drained);
        }
        let read = match self.socket.read(buffer) {
            Ok(0) => return Ok(Look::Ended),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Look::Drained),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Look::More),
            Err(error) => return Err(error),
        };
        self.hear(hub, &buffer[..read], each)?;
        // Less than there was room for is all there was. The end is not told twice, so it is looked for now.
        let closing = event.is_none_or(|event| event.is_read_closed() || event.is_error());
        Ok(if read == buffer.len() || closing { Look::More } else { Look::Drained })
    }

    fn has_connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        self.socket.set_nodelay(true)?;
        self.connected = true;
        Ok(true)
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(train) = self.waiting.front_mut() {
            let written = write(&mut self.socket, train)?;
            if written < train.len() {
                *train = train.slice(written..);
                return Ok(());
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Hands over whole frames and keeps the beginning of one that is not.
    fn hear(&mut self, hub: HubId, read: &[u8], each: &mut impl FnMut(Incoming<'_>)) -> io::Result<()> {
        if self.unfinished.is_empty() {
            let whole = whole_frames(hub, read, each)?;
            self.unfinished.extend_from_slice(&read[whole..]);
        } else {
            self.unfinished.extend_from_slice(read);
            let whole = whole_frames(hub, &self.unfinished, each)?;
            self.unfinished.drain(..whole);
        }
        if self.unfinished.len() > UNFINISHED_MAX {
            return Err(broken("a frame without end".to_owned()));
        }
        if self.unfinished.is_empty() {
            // Nearly always: then nothing is kept for it.
            self.unfinished = Vec::new();
        }
        Ok(())
    }
}

/// Writes what the kernel takes now, and returns how much that was.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match socket.write(&bytes[written..]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// Hands over the whole frames at the front and returns how many bytes they take.
fn whole_frames(hub: HubId, bytes: &[u8], each: &mut impl FnMut(Incoming<'_>)) -> io::Result<usize> {
    let mut whole = 0;
    // There is no way to find the next frame in a stream that lost its framing.
    let framing = |error: wire::WireError| broken(error.to_string());
    while let Some((_, len)) = WanFrame::parse_stream(&bytes[whole..]).map_err(framing)? {
        whole += len;
    }
    if whole > 0 {
        each(Incoming::Frames(hub, &bytes[..whole]));
    }
    Ok(whole)
}

fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
