//! What a single device tells whoever started it.

use firmware_image::FileVersion;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Something that happened on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// It can be reached from now on.
    Listening {
        /// The side: WAN or HAN.
        side: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// It took an image back from its store.
    Reloaded {
        /// From where.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// It holds a new image, complete and verified.
    Staged {
        /// The channel of the slot; a meter has none but 0.
        channel: u8,
        /// Its length in bytes.
        len: usize,
        /// The file it was written to, if the device has a store.
        path: Option<PathBuf>,
    },
    /// It discarded an image that it could not verify.
    Rejected,
    /// It runs another version than before.
    Runs(FileVersion),
    /// It was told to stop; these many datagrams and frames were of no use to it.
    Stopped {
        /// How many.
        ignored: u64,
    },
}

/// Says it in one line.
impl fmt::Display for DeviceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceEvent::Listening { side, address } => {
                write!(f, "listening on the {side} side at {address}")
            }
            DeviceEvent::Reloaded { path, len } => {
                write!(f, "took an image of {len} bytes back from {}", path.display())
            }
            DeviceEvent::Staged { channel, len, path } => {
                write!(f, "verified an image of {len} bytes in slot {channel}")?;
                match path {
                    Some(path) => write!(f, ", stored as {}", path.display()),
                    None => Ok(()),
                }
            }
            DeviceEvent::Rejected => write!(f, "discarded an image that does not verify"),
            DeviceEvent::Runs(version) => write!(f, "runs version {version} now"),
            DeviceEvent::Stopped { ignored } => write!(f, "stopped; {ignored} frames were of no use"),
        }
    }
}
