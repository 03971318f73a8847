//! One hub and one meter, as other people's software meets them.

use crate::talk::{Line, eventually, fast_clock, image, key, trust};
use firmware_image::{Eui64, FileVersion, HardwareVersion, ImageType, ManufacturerCode};
use fleet::{DeviceModel, DeviceTrust, HanDevice, HubConfig, MeterConfig};
use host::{DeviceEvent, HubOptions, MeterOptions, serve_hub, serve_meter};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const METER_EUI: Eui64 = Eui64::from_bytes([2, 0, 0, 0, 0, 0, 0, 2]);

fn model() -> DeviceModel {
    DeviceModel {
        manufacturer: ManufacturerCode(0x10E5),
        image_type: ImageType(0x11),
        hardware: HardwareVersion(0x0102),
    }
}

/// A device on its own thread, what it told, and the token that ends it.
struct Running {
    told: Arc<Mutex<Vec<DeviceEvent>>>,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Running {
    fn start<F, S>(serve: S) -> Running
    where
        S: FnOnce(Box<dyn FnMut(DeviceEvent) + Send>, CancellationToken) -> F + Send + 'static,
        F: Future<Output = Result<(), host::HostError>>,
    {
        let (told, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (tell_to, token) = (Arc::clone(&told), stop.clone());
        let thread = std::thread::spawn(move || {
            let tell = Box::new(move |event| tell_to.lock().expect("no test panics here").push(event));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.expect("a runtime").block_on(serve(tell, token));
            served.expect("the device runs until it is told to stop");
        });
        Running { told, stop, thread }
    }

    fn told<T>(&self, wanted: impl Fn(&DeviceEvent) -> Option<T>) -> T {
        eventually(|| self.told.lock().expect("no test panics here").iter().find_map(&wanted))
    }

    fn address(&self, wanted: &str) -> SocketAddr {
        self.told(|event| match event {
            DeviceEvent::Listening { side, address } if *side == wanted => Some(*address),
            _ => None,
        })
    }

    fn stop(self) -> u64 {
        self.stop.cancel();
        self.thread.join().expect("the device ends");
        let told = self.told.lock().expect("no test panics here");
        match told.last() {
            Some(DeviceEvent::Stopped { ignored }) => *ignored,
            other => panic!("expected a last word, found {other:?}"),
        }
    }
}

fn hub(store: Option<PathBuf>, trust: Arc<DeviceTrust>) -> Running {
    let eui = Eui64::from_bytes([2, 0, 0, 0, 0, 0, 0, 1]);
    let device = HanDevice { channel: 1, eui: METER_EUI, short_address: 1, sleeps: false };
    let config = HubConfig { devices: vec![device], ..HubConfig::new(eui, FileVersion(1)) };
    Running::start(move |tell, stop| {
        let loopback = "127.0.0.1:0".parse().expect("an address");
        let options = HubOptions {
            listen: loopback,
            tcp: true,
            han: Some(loopback),
            config,
            trust,
            clock: fast_clock(),
            store,
            watcher: None,
        };
        serve_hub(options, tell, stop)
    })
}

fn meter(han_server: SocketAddr, store: Option<PathBuf>) -> Running {
    let config = MeterConfig {
        block_period: Duration::ZERO,
        first_query: Duration::from_secs(1),
        query_interval: Duration::from_secs(60),
        ..MeterConfig::new(METER_EUI, model(), FileVersion(1), 1)
    };
    Running::start(move |tell, stop| {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let options = MeterOptions {
            listen,
            han_server,
            config,
            trust: trust(),
            clock: fast_clock(),
            store,
            watcher: None,
        };
        serve_meter(options, tell, stop)
    })
}

/// A folder that is gone when the test ends.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn staged(device: &Running) -> (u8, usize) {
    device.told(|event| match event {
        DeviceEvent::Staged { channel, len, .. } => Some((*channel, *len)),
        _ => None,
    })
}

#[test]
fn an_image_sent_over_udp_or_tcp_is_stored_byte_for_byte_and_found_again() {
    for tcp in [false, true] {
        let folder = folder();
        let image = image(&model(), 30_000);
        let first = hub(Some(folder.path().to_owned()), trust());
        let address = first.address("WAN");
        let mut line = if tcp { Line::tcp(address) } else { Line::udp(address) };
        line.send_image(0, &image);
        assert_eq!(staged(&first), (0, image.len()));
        first.stop();
        let stored = folder.path().join("slot-0.ota");
        assert_eq!(std::fs::read(&stored).expect("the store has it"), image);

        let second = hub(Some(folder.path().to_owned()), trust());
        let found = second.told(|event| match event {
            DeviceEvent::Reloaded { path, len } => Some((path.clone(), *len)),
            _ => None,
        });
        assert_eq!(found, (stored, image.len()));
        second.stop();
    }
}

#[test]
fn an_image_goes_through_the_hub_to_the_meter_over_zep() {
    let folder = folder();
    let file = folder.path().join("meter.ota");
    let image = image(&model(), 12_000);
    let hub = hub(None, trust());
    let meter = meter(hub.address("HAN"), Some(file.clone()));
    Line::udp(hub.address("WAN")).send_image(1, &image);
    assert_eq!(staged(&meter), (0, image.len()));
    assert_eq!(std::fs::read(&file).expect("the meter stored it"), image);
    meter.stop();
    hub.stop();
}

#[test]
fn an_image_that_nobody_trusted_signed_is_discarded_and_not_stored() {
    let folder = folder();
    let stranger = firmware_image::SigningKey::generate_from_seed([8; 32]);
    let keys = firmware_image::TrustStore::new(vec![stranger.public()]);
    let trust = DeviceTrust::pinned(keys.clone(), keys.keys());
    assert_ne!(stranger.public().fingerprint(), key().public().fingerprint());
    let hub = hub(Some(folder.path().to_owned()), Arc::new(trust));
    Line::udp(hub.address("WAN")).send_image(0, &image(&model(), 5_000));
    hub.told(|event| (*event == DeviceEvent::Rejected).then_some(()));
    hub.stop();
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder is there").count(), 0);
}

#[test]
fn random_datagrams_on_either_side_are_counted_and_nothing_else() {
    let hub = hub(None, trust());
    let meter = meter(hub.address("HAN"), None);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let ports = [hub.address("WAN"), hub.address("HAN"), meter.address("HAN")];
    for len in [0usize, 1, 8, 32, 33, 100, 1_000] {
        let junk: Vec<u8> = (0..len).map(|k| (k * 53 + len) as u8).collect();
        for port in ports {
            socket.send_to(&junk, port).expect("loopback takes it");
        }
    }
    // The hub still answers, so what was sent before has been read.
    Line::udp(ports[0]).associate();
    assert!(hub.stop() >= 7);
    // The meter ends in peace, which a panic on its thread would not allow.
    meter.stop();
}
