//! Why a host cannot start or go on; whatever peers send is never among these.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A host that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A socket could not be opened, most often because the port is in use.
    #[error("could not listen on {kind} {address}")]
    Listen {
        /// UDP or TCP.
        kind: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The runtime or its thread could not be started.
    #[error("could not start the host's runtime")]
    Runtime(#[source] io::Error),
    /// A store could not be read or written.
    #[error("could not use the image store {path}")]
    Store {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in the store is no sound image.
    #[error("the stored image {path} is not one that this device can hold: {reason}")]
    StoredImage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A bug of ours: the host's thread panicked.
    #[error("the host's thread panicked")]
    Panicked,
}
