//! TCP streams to hubs: one task each, frames cut by the IEC 62056-4-7 wrapper.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use transfer_engine::HubId;
use wire::WanFrame;

use crate::wires::Incoming;

/// Frames on their way to one hub. The engine keeps 15 in flight at most, so that a full queue means that
/// the stream is dead.
const FRAMES_QUEUED: usize = 64;

/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of an unfinished frame is kept: the largest frame there is.
const UNFINISHED_MAX: usize = 8 + 65_535;

/// Opens a stream to a hub; what is put into the returned queue is written in order.
pub(crate) fn open(hub: HubId, address: SocketAddr, inbox: mpsc::Sender<Incoming>) -> mpsc::Sender<Bytes> {
    let (queue, frames) = mpsc::channel(FRAMES_QUEUED);
    tokio::spawn(async move {
        if let Err(error) = carry(hub, address, frames, &inbox).await {
            tracing::debug!(hub = hub.0, %address, %error, "stream ended");
        }
        // The driver closes the inbox only when it ends, and then nobody needs to know.
        let _ = inbox.send(Incoming::Disconnected(hub)).await;
    });
    queue
}

async fn carry(
    hub: HubId,
    address: SocketAddr,
    mut frames: mpsc::Receiver<Bytes>,
    inbox: &mpsc::Sender<Incoming>,
) -> std::io::Result<()> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut unfinished = BytesMut::with_capacity(4_096);
    loop {
        tokio::select! {
            biased;
            read = reader.read_buf(&mut unfinished) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(frame) = cut(&mut unfinished)? {
                    if inbox.send(Incoming::Frame(hub, frame)).await.is_err() {
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

/// Cuts the first whole frame off, if there is one.
fn cut(unfinished: &mut BytesMut) -> std::io::Result<Option<Bytes>> {
    let broken = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let consumed = match WanFrame::parse_stream(unfinished) {
        Ok(Some((_, consumed))) => consumed,
        Ok(None) if unfinished.len() > UNFINISHED_MAX => {
            return Err(broken("a frame without end".to_owned()));
        }
        Ok(None) => return Ok(None),
        // There is no way to find the next frame in a stream that lost its framing.
        Err(error) => return Err(broken(error.to_string())),
    };
    Ok(Some(unfinished.split_to(consumed).freeze()))
}
