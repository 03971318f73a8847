//! TCP streams to hubs: one task each, whole frames told apart by the IEC 62056-4-7 wrapper.
//!
//! A train is one write, and whatever one read brings is one piece of news: the cost of a system call, of a task's turn
//! and of a place in the inbox is shared by all blocks of a window.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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

/// Opens a stream to a hub; what is put into the returned queue is written in order.
pub(crate) fn open(hub: HubId, address: SocketAddr, inbox: mpsc::Sender<News>) -> mpsc::Sender<Bytes> {
    let (queue, frames) = mpsc::channel(TRAINS_QUEUED);
    tokio::spawn(async move {
        if let Err(error) = carry(hub, address, frames, &inbox).await {
            tracing::debug!(hub = hub.0, %address, %error, "stream ended");
        }
        // The driver closes the inbox only when it ends, and then nobody needs to know.
        let _ = inbox.send(News::Ended(hub)).await;
    });
    queue
}

async fn carry(
    hub: HubId,
    address: SocketAddr,
    mut frames: mpsc::Receiver<Bytes>,
    inbox: &mpsc::Sender<News>,
) -> std::io::Result<()> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut unfinished = BytesMut::with_capacity(2 * READ_LEN);
    loop {
        unfinished.reserve(READ_LEN);
        tokio::select! {
            biased;
            read = reader.read_buf(&mut unfinished) => {
                if read? == 0 {
                    return Ok(());
                }
                let whole = whole_frames(&unfinished)?;
                if whole > 0 {
                    let frames = unfinished.split_to(whole).freeze();
                    if inbox.send(News::Frames(hub, frames)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            frame = frames.recv() => match frame {
                Some(frame) => writer.write_all(&frame).await?,
                None => return Ok(()),
            },
        }
    }
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
