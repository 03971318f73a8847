//! TCP streams to hubs: one task each, whole frames told apart by the IEC 62056-4-7 wrapper.
//!
//! A train is one write, and whatever one read brings is one piece of news: the cost of a system call, of a task's turn
//! and of a place in the inbox is shared by all blocks of a window.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use transfer_engine::HubId;
use wire::WanFrame;

/// What a stream has to say.
#[derive(Debug)]
pub(crate) enum News {
    /// Whole frames, one after another.
    Frames(HubId, Bytes),
    /// It ended.
    Ended(HubId),
}

/// Trains on their way to one hub. The engine keeps 15 frames in flight at most, so that a full queue means that
/// the stream is dead.
const TRAINS_QUEUED: usize = 64;

/// How much one read brings at most while the frames are short: the answers to a window take 450 B.
const READ_LEN: usize = 2_048;

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an unfinished frame is kept: the largest frame there is.
const UNFINISHED_MAX: usize = 8 + 65_535;

/// The driver's end of a stream. Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: mpsc::Sender<Bytes>,
    shared: Arc<Shared>,
}

/// What the driver and the stream's task share.
#[derive(Debug, Default)]
struct Shared {
    /// Set once it is connected.
    stream: OnceLock<TcpStream>,
    /// Trains that the task has not written yet. Only the driver adds to it, and while it is 0 the task does not write.
    waiting: AtomicUsize,
}

impl Outlet {
    /// Sends a train behind those before it; `false` when the stream is dead. What the kernel takes at once goes without
    /// waking the task.
    pub(crate) fn send(&self, train: &Bytes) -> bool {
        let mut rest = train.clone();
        if self.shared.waiting.load(Ordering::Acquire) == 0
            && let Some(stream) = self.shared.stream.get()
        {
            match stream.try_write(&rest) {
                Ok(written) if written == rest.len() => return true,
                Ok(written) => rest = rest.slice(written..),
                // Full, or broken: the task waits for the one and reports the other.
                Err(_) => {}
            }
        }
        self.shared.waiting.fetch_add(1, Ordering::Release);
        self.queue.try_send(rest).is_ok()
    }
}

/// Opens a stream to a hub.
pub(crate) fn open(hub: HubId, address: SocketAddr, inbox: mpsc::Sender<News>) -> Outlet {
    let (queue, trains) = mpsc::channel(TRAINS_QUEUED);
    let shared = Arc::new(Shared::default());
    let outlet = Outlet { queue, shared: Arc::clone(&shared) };
    tokio::spawn(async move {
        if let Err(error) = carry(hub, address, trains, &shared, &inbox).await {
            tracing::debug!(hub = hub.0, %address, %error, "stream ended");
        }
        // The driver closes the inbox only when it ends, and then nobody needs to know.
        let _ = inbox.send(News::Ended(hub)).await;
    });
    outlet
}

async fn carry(
    hub: HubId,
    address: SocketAddr,
    mut trains: mpsc::Receiver<Bytes>,
    shared: &Shared,
    inbox: &mpsc::Sender<News>,
) -> std::io::Result<()> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let stream = shared.stream.get_or_init(|| stream);
    let mut unfinished = BytesMut::with_capacity(2 * READ_LEN);
    loop {
        tokio::select! {
            biased;
            readable = stream.readable() => {
                readable?;
                unfinished.reserve(READ_LEN);
                match stream.try_read_buf(&mut unfinished) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error),
                }
                let whole = whole_frames(&unfinished)?;
                if whole > 0 {
                    let frames = unfinished.split_to(whole).freeze();
                    if inbox.send(News::Frames(hub, frames)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            train = trains.recv() => match train {
                Some(train) => {
                    write_all(stream, &train).await?;
                    shared.waiting.fetch_sub(1, Ordering::Release);
                }
                None => return Ok(()),
            },
        }
    }
}

async fn write_all(stream: &TcpStream, mut rest: &[u8]) -> std::io::Result<()> {
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns how many bytes the whole frames at the front take.
fn whole_frames(unfinished: &[u8]) -> std::io::Result<usize> {
    let broken = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let mut whole = 0;
    loop {
        match WanFrame::parse_stream(&unfinished[whole..]) {
            Ok(Some((_, len))) => whole += len,
            Ok(None) if unfinished.len() - whole > UNFINISHED_MAX => {
                return Err(broken("a frame without end".to_owned()));
            }
            Ok(None) => return Ok(whole),
            // There is no way to find the next frame in a stream that lost its framing.
            Err(error) => return Err(broken(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use wire::WPort;

    fn frame(filling: u8, len: usize) -> Vec<u8> {
        let apdu = vec![filling; len];
        let mut frame = Vec::new();
        WanFrame { source: WPort::PUBLIC_CLIENT, destination: WPort::MANAGEMENT, apdu: &apdu }
            .emit(&mut frame);
        frame
    }

    async fn pair() -> (Outlet, TcpStream, mpsc::Receiver<News>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let (to_inbox, inbox) = mpsc::channel(8);
        let outlet = open(HubId(7), listener.local_addr().expect("bound"), to_inbox);
        let (hub, _) = listener.accept().await.expect("we connect");
        (outlet, hub, inbox)
    }

    #[tokio::test]
    async fn trains_keep_their_order_whoever_writes_them() {
        let (outlet, mut hub, _inbox) = pair().await;
        // More than the kernel takes at once, so that the driver and the task write in turn.
        let trains: Vec<Bytes> = (0..60u8).map(|number| frame(number, 60_000).into()).collect();
        let expected: Vec<u8> = trains.iter().flatten().copied().collect();
        let reading = tokio::spawn(async move {
            let mut received = vec![0; expected.len()];
            hub.read_exact(&mut received).await.expect("all of it arrives");
            assert!(received == expected, "bytes came out of order");
        });
        for train in &trains {
            assert!(outlet.send(train), "60 trains have room");
            tokio::task::yield_now().await;
        }
        reading.await.expect("in order");
    }

    #[tokio::test]
    async fn frames_that_came_together_are_one_piece_of_news_and_a_torn_one_waits() {
        let (_outlet, mut hub, mut inbox) = pair().await;
        let (first, second) = ([frame(1, 20), frame(2, 20)].concat(), frame(3, 20));
        hub.write_all(&[&first[..], &second[..5]].concat()).await.expect("sent");
        assert!(matches!(inbox.recv().await, Some(News::Frames(HubId(7), frames)) if frames == first));
        hub.write_all(&second[5..]).await.expect("sent");
        assert!(matches!(inbox.recv().await, Some(News::Frames(HubId(7), frames)) if frames == second));
        drop(hub);
        assert!(matches!(inbox.recv().await, Some(News::Ended(HubId(7)))));
    }
}
