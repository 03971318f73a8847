//! Link keys that are rotated under a head-end on real sockets, in the middle of a transfer.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use campaign::{Conductor, Stage};
use firmware_image::TrustStore;
use fleet::{Cast, DeviceKind, DeviceTrust, Fleet, HubSecurity, Rehearsal, Share, hub_address};
use head_end::{
    Clock, CounterFile, Counters, HeadEnd, HeadEndHandle, HubKeys, KeyName, Keyring, SecuredLinks, Wires,
};
use ledger::{Ledger, MemoryStore};
use tokio_util::sync::CancellationToken;
use transfer_engine::{HubId, Moment};
use wire::{LinkKeys, SystemTitle};

use crate::strangers::plain_street;
use crate::street::{image, key};

/// How many times faster than real time it goes: a staging takes two seconds.
const SPEED: u32 = 20;

const HUBS: u32 = 2;

const SEED: u64 = 7;

/// Bytes of the image: half a minute on a line of the street.
const LEN: usize = 80_000;

#[derive(Clone, Copy)]
struct Quick(Instant, Moment);

impl Clock for Quick {
    fn now(&self) -> Moment {
        self.1 + self.0.elapsed() * SPEED
    }

    fn wait_until(&self, moment: Moment) -> Duration {
        moment.saturating_since(self.now()) / SPEED
    }
}

/// The homes at their sockets, and which association requests reached each hub when.
struct Street {
    fleet: Arc<Mutex<Fleet>>,
    asked: Arc<Mutex<Vec<(HubId, Instant)>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Binds each hub's address, all at one port, which it returns.
fn bind() -> (Vec<UdpSocket>, u16) {
    let mut port = 0;
    let sockets = (0..HUBS).map(|hub| {
        let socket = UdpSocket::bind((hub_address(HubId(hub)), port)).expect("a free port");
        port = socket.local_addr().expect("bound").port();
        socket.set_nonblocking(true).expect("it can");
        socket
    });
    (sockets.collect(), port)
}

impl Street {
    fn begin(fleet: Fleet, sockets: Vec<UdpSocket>, clock: Quick) -> Street {
        let fleet = Arc::new(Mutex::new(fleet));
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (homes, heard, stopped) = (fleet.clone(), asked.clone(), stop.clone());
        let thread = spawn(move || {
            let mut head_end: Option<SocketAddr> = None;
            let mut buffer = [0; 2_048];
            while !stopped.load(Ordering::Relaxed) {
                let (mut fleet, now) = (homes.lock().expect("no panic"), clock.now());
                for (hub, socket) in (0..).map(HubId).zip(&sockets) {
                    while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                        head_end = Some(from);
                        if buffer[8] == 0x60 {
                            heard.lock().expect("no panic").push((hub, Instant::now()));
                        }
                        fleet.receive(now, hub, &buffer[..len]);
                    }
                }
                fleet.advance(now);
                while let Some((hub, datagram)) = fleet.poll_transmit(now) {
                    if let Some(head_end) = head_end {
                        sockets[hub.0 as usize].send_to(&datagram, head_end).expect("loopback takes it");
                    }
                }
                drop(fleet);
                sleep(Duration::from_micros(200));
            }
        });
        Street { fleet, asked, stop, thread }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
    }
}

fn keys(of: u8) -> HubKeys {
    HubKeys { name: KeyName([of; 16]), keys: LinkKeys::new([of; 16], [0xAA; 16]) }
}

fn security(hub: u8, own: u8, shared: u8) -> HubSecurity {
    HubSecurity {
        title: SystemTitle([hub; 8]),
        keys: keys(own).keys,
        broadcast: Some(keys(shared).keys),
        challenge_seed: [hub; 32],
        first_counter: 0,
    }
}

fn keyring(names: &BTreeMap<u8, [u8; 8]>, own: [u8; 2], shared: u8) -> Keyring {
    let hubs = names.iter().zip(own).map(|((_, name), own)| (*name, keys(own))).collect();
    Keyring { title: SystemTitle([0xEE; 8]), shared: Some(keys(shared)), hubs }
}

/// Looks again and again until something is so.
async fn until<R: Send + 'static>(
    handle: &HeadEndHandle,
    what: &str,
    look: impl Fn(&Conductor) -> Option<R> + Clone + Send + 'static,
) -> R {
    let began = Instant::now();
    loop {
        let look = look.clone();
        if let Some(found) = handle.call(move |conductor, _| look(conductor)).await.expect("it runs").0 {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "still not {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Has the first hub's own key and that of all hubs rotated, or one of them, when both hubs have half of an image.
async fn rotate(own: u8, shared: u8) {
    let mut spec = plain_street();
    spec.installations = HUBS.try_into().expect("at least one");
    spec.gas_share = Share::NONE;
    // Both alike, on the street's good line.
    spec.links.truncate(1);
    spec.links[0].share = Share::ALL;
    let (sockets, hub_port) = bind();
    let order_key = key(SEED, 2);
    let images_of = TrustStore::new(vec![key(SEED, 1).public()]);
    let trust = Arc::new(DeviceTrust::pinned(images_of, vec![order_key.public()]));
    let target = spec.device.of(DeviceKind::Electricity).target();
    let images = BTreeMap::from([(DeviceKind::Electricity, image(SEED, &target, LEN))]);
    let cast = Cast { spec: &spec, seed: SEED, images: &images, trust: trust.clone(), order_key, hub_port };
    let Rehearsal { desk, mut order, settings, images, .. } = Rehearsal::new(cast).expect("a campaign");
    order.policy.waves = Vec::new();
    let mut names = BTreeMap::new();
    let mut fleet = Fleet::build_secured(&spec, SEED, &trust, spec.start, |hub| {
        let number = names.len() as u8;
        names.insert(number, hub.to_bytes());
        Some(security(number, 1 + number, 9))
    });
    fleet.calm();

    let folder = tempfile::tempdir().expect("a folder");
    let file = CounterFile::open(&folder.path().join("counters")).expect("it is new");
    let counters = Counters::open(Box::new(file)).expect("it is empty");
    let links = SecuredLinks::new(keyring(&names, [1, 2], 9), counters);
    let mut conductor = Conductor::new(settings, desk, spec.start);
    conductor.secure_links(spec.start, links.sealer());
    let blocks = images[0].bytes().len().div_ceil(1_024) as u64;
    for image in images {
        conductor.add_image(image);
    }
    let clock = Quick(Instant::now(), spec.start);
    let street = Street::begin(fleet, sockets, clock);
    let wires = Wires::open(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let ledger = Ledger::open(MemoryStore::new()).expect("it is empty");
    let (head_end, handle) = HeadEnd::new(conductor, ledger, wires, Arc::new(clock)).expect("a thread");
    let stop = CancellationToken::new();
    let engine = tokio::spawn(head_end.secured(links).run(stop.clone()));
    handle
        .call(move |conductor, now| conductor.create(now, &order))
        .await
        .expect("it runs")
        .0
        .expect("sound");

    until(&handle, "half sent", move |conductor| (conductor.counters().blocks_sent >= blocks).then_some(()))
        .await;
    let other = security(0, own, shared);
    street.fleet.lock().expect("no panic").take_keys(clock.now(), HubId(0), other);
    if shared != 9 {
        street.fleet.lock().expect("no panic").take_keys(clock.now(), HubId(1), security(1, 2, shared));
    }
    let rekeying = handle.take_keys(keyring(&names, [own, 2], shared)).await.expect("it runs");
    let rekeying = rekeying.expect("links are ciphered");
    assert_eq!((rekeying.hubs, rekeying.shared), (usize::from(own != 1), shared != 9));
    let rotated_at = Instant::now();
    let rows = until(&handle, "staged", |conductor| {
        let state = conductor.campaigns().next().expect("it was created");
        let rows: Vec<_> = state.rows().map(|row| (row.failed_attempts, row.blocks_repaired)).collect();
        let are_staged = state.rows().all(|row| row.reached(Stage::Staged).is_some());
        are_staged.then_some(rows)
    })
    .await;
    assert_eq!(rows.len(), HUBS as usize);
    for (failed_attempts, repaired) in rows {
        assert_eq!(failed_attempts, 0, "it went on in the same try");
        // What was sent while the ends had other keys; a second initiate would have had all of it sent again.
        assert!(u64::from(repaired) < blocks / 3, "{repaired} of {blocks} blocks were sent again");
    }
    let asked = street.asked.lock().expect("no panic").clone();
    let anew = |hub: u32| asked.iter().any(|(of, at)| *of == HubId(hub) && *at > rotated_at);
    assert!(anew(0), "the first hub was asked for its association anew");
    assert_eq!(anew(1), shared != 9, "the other hub notices only what is of all hubs");
    stop.cancel();
    engine.await.expect("no panic").expect("it ran well");
    street.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_on_under_the_other_keys_of_its_hub_and_its_neighbour_notices_nothing() {
    rotate(5, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_go_on_when_the_key_of_all_hubs_is_rotated_under_them() {
    rotate(5, 8).await;
}
