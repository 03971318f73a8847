//! One simulated meter on a UDP socket: a ZCL OTA client over ZEPv2, for our own hubs and other people's.

use crate::clock::Clock;
use crate::error::HostError;
use crate::event::DeviceEvent;
use crate::han_door::{HanDoor, Neighbour};
use crate::store::write_image;
use crate::udp::{BoundUdp, Reach};
use crate::watch::{FrameWatcher, Watch};
use fleet::{DeviceTrust, Meter, MeterConfig, SectorPool};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use transfer_engine::Moment;

/// The HAN address at which a meter first looks for its hub: the coordinator's.
const COORDINATOR: u16 = 0x0000;

/// How a single meter is put on a socket.
pub struct MeterOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where its hub listens.
    pub han_server: SocketAddr,
    /// What it is.
    pub config: MeterConfig,
    /// Whom it believes.
    pub trust: Arc<DeviceTrust>,
    /// The time it lives by.
    pub clock: Arc<dyn Clock>,
    /// Where it writes an image that it has verified.
    pub store: Option<PathBuf>,
    /// Who sees every frame that passes its socket.
    pub watcher: Option<FrameWatcher>,
}

/// Runs one meter until the token is cancelled, and tells what happens on it.
pub async fn serve_meter(
    options: MeterOptions,
    mut tell: impl FnMut(DeviceEvent),
    stop: CancellationToken,
) -> Result<(), HostError> {
    let udp = BoundUdp::bind(options.listen, Reach::Anyone)?;
    tell(DeviceEvent::Listening { side: "HAN", address: udp.local_address() });
    let mut door = HanDoor::new(udp.open().map_err(HostError::Runtime)?, options.config.short_address);
    door.introduce(COORDINATOR, Neighbour::unheard(options.han_server));
    let meter = Meter::new(options.config, options.trust, options.clock.now());
    let mut served = ServedMeter {
        told: Told::of(&meter),
        meter,
        pool: SectorPool::new(),
        watch: Watch(options.watcher),
        hub: COORDINATOR,
    };
    while !stop.is_cancelled() {
        let now = options.clock.now();
        let is_busy = served.take_in(now, &mut door);
        served.send_out(now, &mut door).await;
        served.tell_news(options.store.as_ref(), &mut tell)?;
        if is_busy {
            tokio::task::yield_now().await;
            continue;
        }
        let wait = options.clock.wait_until(served.meter.poll_timeout().unwrap_or(Moment::MAX));
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = door.ready() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    tell(DeviceEvent::Stopped { ignored: door.ignored() + served.meter.counters().malformed_frames });
    Ok(())
}

struct ServedMeter {
    meter: Meter,
    pool: SectorPool,
    watch: Watch,
    /// Who spoke last, and is answered.
    hub: u16,
    told: Told,
}

/// How much of the meter's life has been told.
struct Told {
    downloads: u64,
    rejections: u64,
    version: firmware_image::FileVersion,
}

impl Told {
    fn of(meter: &Meter) -> Told {
        let counters = meter.counters();
        Told {
            downloads: counters.downloads,
            rejections: counters.rejections,
            version: meter.running_version(),
        }
    }
}

impl ServedMeter {
    fn take_in(&mut self, now: Moment, door: &mut HanDoor) -> bool {
        let ServedMeter { meter, pool, watch, hub, .. } = self;
        meter.advance(now, pool);
        let is_busy = door.receive(now, watch, |heard| {
            *hub = heard.from;
            match heard.is_broadcast {
                true => meter.receive_han_broadcast(now, pool, heard.zcl),
                false => meter.receive_han(now, pool, heard.zcl),
            }
        });
        meter.advance(now, pool);
        is_busy
    }

    async fn send_out(&mut self, now: Moment, door: &mut HanDoor) {
        let mut frame = Vec::new();
        while self.meter.poll_han(&mut frame) {
            door.send(now, &mut self.watch, self.hub, &frame).await;
            frame.clear();
        }
    }

    fn tell_news(
        &mut self,
        store: Option<&PathBuf>,
        tell: &mut impl FnMut(DeviceEvent),
    ) -> Result<(), HostError> {
        let present = Told::of(&self.meter);
        if present.rejections > self.told.rejections {
            self.told.rejections = present.rejections;
            self.told.downloads = present.downloads;
            tell(DeviceEvent::Rejected);
        }
        // A download is complete before it is verified; the image is there when it has been.
        if present.downloads > self.told.downloads
            && let Some(image) = self.meter.staged_image(&mut self.pool)
        {
            self.told.downloads = present.downloads;
            if let Some(path) = store {
                write_image(path, &image)?;
            }
            tell(DeviceEvent::Staged { channel: 0, len: image.len(), path: store.cloned() });
        }
        if present.version != self.told.version {
            self.told.version = present.version;
            tell(DeviceEvent::Runs(present.version));
        }
        Ok(())
    }
}
