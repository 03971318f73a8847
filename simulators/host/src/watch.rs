//! What passes the sockets of a single device, for whoever wants to see it: sound or not, as it came.

use std::net::SocketAddr;
use transfer_engine::Moment;

/// One frame on a socket of a single device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFrame<'a> {
    /// When it passed, by the device's clock.
    pub moment: Moment,
    /// Through which door.
    pub door: Door,
    /// Whether it came in.
    pub is_inbound: bool,
    /// The device's end.
    pub own: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// A wrapper frame on the WAN, a ZEPv2 datagram on the HAN.
    pub bytes: &'a [u8],
}

/// A door of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// DLMS over UDP.
    WanDatagram,
    /// DLMS over TCP.
    WanStream,
    /// ZEPv2.
    Han,
}

/// Whoever watches.
pub type FrameWatcher = Box<dyn FnMut(&SocketFrame<'_>) + Send>;

/// The watcher of a device, if there is one.
pub(crate) struct Watch(pub(crate) Option<FrameWatcher>);

impl Watch {
    pub(crate) fn see(&mut self, frame: &SocketFrame<'_>) {
        if let Some(watcher) = &mut self.0 {
            watcher(frame);
        }
    }
}
