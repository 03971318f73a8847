//! One simulated hub on sockets: DLMS over UDP and TCP on the WAN side, ZCL OTA over ZEPv2 on the HAN side.
//!
//! There is no simulated link between: other people's software at the other end meets the hub as it is.

use crate::clock::Clock;
use crate::error::HostError;
use crate::event::DeviceEvent;
use crate::han_door::HanDoor;
use crate::store::{open_folder, read_image, write_image};
use crate::stream::{BoundTcp, most_connections};
use crate::udp::{BoundUdp, Reach};
use crate::wan_door::{Peer, WanDoor};
use crate::watch::{FrameWatcher, SocketFrame, Watch};
use firmware_image::{FileDigest, FileVersion, MAX_FILE_LEN};
use fleet::{DeviceTrust, Hub, HubConfig, SectorPool};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use transfer_engine::Moment;

/// The hub's HAN address: it is the coordinator.
const COORDINATOR: u16 = 0x0000;

/// How a single hub is put on sockets.
pub struct HubOptions {
    /// Where its DLMS server listens, over UDP.
    pub listen: SocketAddr,
    /// Whether it listens over TCP at the same address as well.
    pub tcp: bool,
    /// Where its OTA server listens, if it has a HAN.
    pub han: Option<SocketAddr>,
    /// What it is, and who is behind it.
    pub config: HubConfig,
    /// Whom it believes.
    pub trust: Arc<DeviceTrust>,
    /// The time it lives by.
    pub clock: Arc<dyn Clock>,
    /// The folder in which it keeps `slot-<channel>.ota` for each image it holds, and finds them again.
    pub store: Option<PathBuf>,
    /// Who sees every frame that passes its sockets.
    pub watcher: Option<FrameWatcher>,
}

/// Runs one hub until the token is cancelled, and tells what happens on it.
pub async fn serve_hub(
    options: HubOptions,
    mut tell: impl FnMut(DeviceEvent),
    stop: CancellationToken,
) -> Result<(), HostError> {
    let udp = BoundUdp::bind(options.listen, Reach::Anyone)?;
    let address = udp.local_address();
    let tcp = options.tcp.then(|| BoundTcp::bind(address)).transpose()?;
    let han = options.han.map(|han| BoundUdp::bind(han, Reach::Anyone)).transpose()?;
    let now = options.clock.now();
    let mut served =
        ServedHub::new(Hub::new(options.config, options.trust, now), options.store, options.watcher);
    served.reload(now, &mut tell)?;
    tell(DeviceEvent::Listening { side: "WAN", address });
    if let Some(han) = &han {
        tell(DeviceEvent::Listening { side: "HAN", address: han.local_address() });
    }
    let streams = tcp.map(|tcp| tcp.open(most_connections(1), stop.clone())).transpose();
    let streams = streams.map_err(HostError::Runtime)?;
    let mut wan = WanDoor::new(udp.open().map_err(HostError::Runtime)?, streams);
    let mut han = match han {
        Some(han) => Some(HanDoor::new(han.open().map_err(HostError::Runtime)?, COORDINATOR)),
        None => None,
    };
    while !stop.is_cancelled() {
        let now = options.clock.now();
        let is_busy = served.take_in(now, &mut wan, han.as_mut());
        served.send_out(now, &wan, han.as_mut()).await;
        served.tell_news(&mut tell)?;
        if is_busy {
            tokio::task::yield_now().await;
            continue;
        }
        let wait = options.clock.wait_until(served.hub.poll_timeout().unwrap_or(Moment::MAX));
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = wan.ready() => {}
            () = han_ready(han.as_ref()) => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    let unheard = han.map_or(0, |han| han.ignored());
    tell(DeviceEvent::Stopped { ignored: unheard + served.hub.counters().malformed_frames });
    Ok(())
}

async fn han_ready(han: Option<&HanDoor>) {
    match han {
        Some(han) => han.ready().await,
        None => std::future::pending().await,
    }
}

struct ServedHub {
    hub: Hub,
    pool: SectorPool,
    store: Option<PathBuf>,
    watch: Watch,
    /// Answers that wait for the end of the turn.
    answers: Vec<(IpAddr, Peer, Vec<u8>)>,
    told: Told,
    /// What is held in each slot, and in the store.
    held: BTreeMap<u8, FileDigest>,
}

/// How much of the hub's life has been told.
struct Told {
    verified: u64,
    rejected: u64,
    version: FileVersion,
}

impl Told {
    fn of(hub: &Hub) -> Told {
        let counters = hub.counters();
        Told {
            verified: counters.images_verified,
            rejected: counters.images_rejected,
            version: hub.running_version(),
        }
    }
}

impl ServedHub {
    fn new(hub: Hub, store: Option<PathBuf>, watcher: Option<FrameWatcher>) -> ServedHub {
        ServedHub {
            told: Told::of(&hub),
            hub,
            pool: SectorPool::new(),
            store,
            watch: Watch(watcher),
            answers: Vec::new(),
            held: BTreeMap::new(),
        }
    }

    /// Takes back what the store holds; an image that the hub does not take ends the start.
    fn reload(&mut self, now: Moment, tell: &mut impl FnMut(DeviceEvent)) -> Result<(), HostError> {
        let Some(store) = &self.store else { return Ok(()) };
        open_folder(store)?;
        for channel in 0..=u8::MAX {
            let path = slot_file(store, channel);
            let Some(image) = read_image(&path, MAX_FILE_LEN)? else { continue };
            if let Err(error) = self.hub.stage(now, &mut self.pool, channel, &image) {
                return Err(HostError::StoredImage { path, reason: error.to_string() });
            }
            self.held.insert(channel, FileDigest::of(&image));
            tell(DeviceEvent::Reloaded { path, len: image.len() });
        }
        Ok(())
    }

    fn take_in(&mut self, now: Moment, wan: &mut WanDoor, han: Option<&mut HanDoor>) -> bool {
        let ServedHub { hub, pool, watch, answers, .. } = self;
        hub.advance(now, pool);
        let port = wan.port();
        let mut is_busy = wan.receive(|local, peer, frame| {
            watch.see(&on_wan(now, true, SocketAddr::new(local, port), &peer, frame));
            let mut reply = Vec::new();
            hub.receive_wan(now, pool, frame, &mut reply);
            if !reply.is_empty() {
                answers.push((local, peer, reply));
            }
        });
        if let Some(han) = han {
            is_busy |= han.receive(now, watch, |heard| hub.receive_han(now, pool, heard.from, heard.zcl));
        }
        hub.advance(now, pool);
        is_busy
    }

    async fn send_out(&mut self, now: Moment, wan: &WanDoor, han: Option<&mut HanDoor>) {
        for (local, peer, answer) in self.answers.drain(..) {
            self.watch.see(&on_wan(now, false, SocketAddr::new(local, wan.port()), &peer, &answer));
            wan.answer(local, &peer, answer).await;
        }
        let mut frame = Vec::new();
        let mut han = han;
        while let Some(to) = self.hub.poll_han(&mut frame) {
            if let Some(han) = &mut han {
                han.send(now, &mut self.watch, to, &frame).await;
            }
            frame.clear();
        }
    }

    fn tell_news(&mut self, tell: &mut impl FnMut(DeviceEvent)) -> Result<(), HostError> {
        let present = Told::of(&self.hub);
        if present.rejected > self.told.rejected {
            tell(DeviceEvent::Rejected);
        }
        if present.verified > self.told.verified {
            self.keep_staged(tell)?;
        }
        if present.version != self.told.version {
            tell(DeviceEvent::Runs(present.version));
        }
        self.told = present;
        Ok(())
    }

    fn keep_staged(&mut self, tell: &mut impl FnMut(DeviceEvent)) -> Result<(), HostError> {
        for channel in 0..=u8::MAX {
            let Some(image) = self.hub.staged_image(&mut self.pool, channel) else { continue };
            let digest = FileDigest::of(&image);
            if self.held.insert(channel, digest) == Some(digest) {
                continue;
            }
            let path = self.store.as_deref().map(|store| slot_file(store, channel));
            if let Some(path) = &path {
                write_image(path, &image)?;
            }
            tell(DeviceEvent::Staged { channel, len: image.len(), path });
        }
        Ok(())
    }
}

fn on_wan<'a>(
    moment: Moment,
    is_inbound: bool,
    own: SocketAddr,
    peer: &Peer,
    bytes: &'a [u8],
) -> SocketFrame<'a> {
    let (peer, door) = peer.end();
    SocketFrame { moment, door, is_inbound, own, peer, bytes }
}

fn slot_file(store: &Path, channel: u8) -> PathBuf {
    store.join(format!("slot-{channel}.ota"))
}
