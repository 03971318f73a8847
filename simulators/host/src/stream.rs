//! TCP doors of hubs: wrapper frames cut out of byte streams, and answers written back in order.
//!
//! One task for each connection; frames meet in one bounded inbox, so a fast peer waits and memory stays bounded.

use crate::error::HostError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use wire::WanFrame;

/// The fewest connections that are taken at a time, however few hubs there are.
const LEAST_CONNECTIONS: usize = 4_096;
/// The most, however many hubs there are: each has a task and reads into 16 KiB, so that these are a gibibyte.
const MOST_CONNECTIONS: usize = 65_536;

/// Returns how many connections to so many hubs are taken at a time, 4,096 to 65,536; the rest wait at the door.
///
/// A head-end holds one to each hub, and an eighth more is for those that it has given up and the kernel has not yet.
pub fn most_connections(hubs: u32) -> usize {
    let hubs = hubs as usize;
    (hubs + hubs / 8).clamp(LEAST_CONNECTIONS, MOST_CONNECTIONS)
}
/// Frames of all connections that may wait for the device.
const INBOX: usize = 256;
/// Answers of one connection that may wait for the network.
const OUTBOX: usize = 64;
/// How much is read at a time.
const READ_LEN: usize = 16 * 1024;

/// A whole wrapper frame that came over a connection.
pub(crate) struct StreamFrame {
    /// The address of ours that the peer connected to, which names the hub.
    pub(crate) local: IpAddr,
    /// The peer's end of the connection.
    pub(crate) peer: SocketAddr,
    /// The frame, wrapper included.
    pub(crate) bytes: Vec<u8>,
    /// Where answers go.
    pub(crate) answers: mpsc::Sender<Vec<u8>>,
}

/// A listener that holds its port but is not yet driven by a runtime.
pub(crate) struct BoundTcp(std::net::TcpListener);

impl BoundTcp {
    pub(crate) fn bind(address: SocketAddr) -> Result<BoundTcp, HostError> {
        let bind = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(BoundTcp(listener))
        };
        bind().map_err(|source| HostError::Listen { kind: "TCP", address, source })
    }

    /// Starts accepting, `most` connections at a time, on the runtime of the calling task; frames arrive in the inbox that
    /// is returned.
    pub(crate) fn open(
        self,
        most: usize,
        stop: CancellationToken,
    ) -> io::Result<mpsc::Receiver<StreamFrame>> {
        let listener = TcpListener::from_std(self.0)?;
        let (inbox, frames) = mpsc::channel(INBOX);
        tokio::spawn(async move {
            stop.run_until_cancelled_owned(accept(listener, most, inbox)).await;
        });
        Ok(frames)
    }
}

async fn accept(listener: TcpListener, most: usize, inbox: mpsc::Sender<StreamFrame>) {
    let room = Arc::new(Semaphore::new(most));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let inbox = inbox.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, inbox).await {
                        tracing::debug!(%error, %peer, "a connection ended");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: wait for connections to end instead of spinning.
                tracing::debug!(%error, "could not accept");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, inbox: mpsc::Sender<StreamFrame>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (local, peer) = (stream.local_addr()?.ip(), stream.peer_addr()?);
    let (mut reader, mut writer) = stream.into_split();
    let (answers, mut outbox) = mpsc::channel::<Vec<u8>>(OUTBOX);
    tokio::spawn(async move {
        while let Some(answer) = outbox.recv().await {
            if writer.write_all(&answer).await.is_err() {
                return;
            }
        }
    });
    let mut waiting = Vec::new();
    loop {
        waiting.reserve(READ_LEN);
        if reader.read_buf(&mut waiting).await? == 0 {
            return Ok(());
        }
        let mut taken = 0;
        loop {
            match WanFrame::parse_stream(&waiting[taken..]) {
                Ok(Some((_, len))) => {
                    let bytes = waiting[taken..taken + len].to_vec();
                    taken += len;
                    let frame = StreamFrame { local, peer, bytes, answers: answers.clone() };
                    if inbox.send(frame).await.is_err() {
                        return Ok(());
                    }
                }
                // The wrapper's length field bounds what may still be missing to one APDU.
                Ok(None) => break,
                // A stream that has lost its frames cannot be mended, only begun anew.
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        waiting.drain(..taken);
    }
}
