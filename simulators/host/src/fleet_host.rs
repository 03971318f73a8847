//! A whole fleet on one UDP socket (and one TCP listener): every hub has its own address in 127.0.0.0/8.
//!
//! One thread, one loop: read the clock, take what came, let the fleet do what is due, send its answers, report to
//! the clock, and wait. The links' delays and losses are the fleet's; the sockets add none on purpose.
//!
//! ```text
//!  127.16.0.7:4059 ─┐
//!  127.16.0.8:4059 ─┼─ 0.0.0.0:4059 ─ destination address ─► HubId ─► Fleet
//!        ...       ─┘
//! ```

use crate::clock::{Clock, Participant};
use crate::error::HostError;
use crate::stream::{BoundTcp, most_connections};
use crate::udp::{BoundUdp, Reach};
use crate::wan_door::{Peer, WanDoor};
use fleet::{Fleet, hub_address, hub_at};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use transfer_engine::{HubId, Moment};

/// Homes whose insides are run on each quiet turn, so that their work does not pile up until their hub is asked.
const HOMES_SETTLED_PER_TURN: usize = 4;
/// Busy turns after which time goes on regardless: what keeps coming faster than we read must not stop the clock.
const BUSY_TURNS: u32 = 16;
/// The longest wait when nothing is due.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How a fleet is put on sockets.
pub struct FleetHostOptions {
    /// The port at which every hub answers; 0 takes a free one.
    pub port: u16,
    /// Whether the hubs answer over TCP as well.
    pub tcp: bool,
    /// The time the fleet lives by.
    pub clock: Arc<dyn Clock>,
    /// Which of the clock's participants the fleet is.
    pub participant: Participant,
}

/// What a host has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTraffic {
    /// Frames that came for one of the hubs.
    pub received: u64,
    /// Frames for an address that no hub of the fleet has; they were ignored.
    pub strangers: u64,
    /// Answers sent.
    pub sent: u64,
}

#[derive(Default)]
struct Counters {
    received: AtomicU64,
    strangers: AtomicU64,
    sent: AtomicU64,
}

/// A fleet that runs on its own thread until its token is cancelled.
pub struct FleetHost {
    port: u16,
    counters: Arc<Counters>,
    thread: JoinHandle<Fleet>,
}

impl FleetHost {
    /// Opens the sockets and starts the thread; when this returns, the hubs answer.
    pub fn start(
        fleet: Fleet,
        options: FleetHostOptions,
        stop: CancellationToken,
    ) -> Result<FleetHost, HostError> {
        let wildcard = SocketAddr::from((Ipv4Addr::UNSPECIFIED, options.port));
        let udp = BoundUdp::bind(wildcard, Reach::Loopback)?;
        let port = udp.local_address().port();
        let tcp = match options.tcp {
            true => Some(BoundTcp::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?),
            false => None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(HostError::Runtime)?;
        let door = {
            let _inside = runtime.enter();
            let most = most_connections(fleet.hub_count());
            let streams =
                tcp.map(|tcp| tcp.open(most, stop.clone())).transpose().map_err(HostError::Runtime)?;
            WanDoor::new(udp.open().map_err(HostError::Runtime)?, streams)
        };
        let counters = Arc::new(Counters::default());
        let served = Served { fleet, door, options, counters: Arc::clone(&counters) };
        let thread = std::thread::Builder::new()
            .name("fleet".into())
            .spawn(move || runtime.block_on(served.run(stop)))
            .map_err(HostError::Runtime)?;
        Ok(FleetHost { port, counters, thread })
    }

    /// Returns the port at which the hubs answer.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns what has been carried so far.
    pub fn traffic(&self) -> HostTraffic {
        HostTraffic {
            received: self.counters.received.load(Ordering::Relaxed),
            strangers: self.counters.strangers.load(Ordering::Relaxed),
            sent: self.counters.sent.load(Ordering::Relaxed),
        }
    }

    /// Waits for the end of the thread, after the token was cancelled, and gives the fleet back for a census.
    pub fn join(self) -> Result<Fleet, HostError> {
        self.thread.join().map_err(|_| HostError::Panicked)
    }
}

struct Served {
    fleet: Fleet,
    door: WanDoor,
    options: FleetHostOptions,
    counters: Arc<Counters>,
}

impl Served {
    async fn run(mut self, stop: CancellationToken) -> Fleet {
        let clock = Arc::clone(&self.options.clock);
        // An answer goes to whoever asked last; a hub of SMETS1 has one head-end.
        let mut peers: Vec<Option<Peer>> = vec![None; self.fleet.hub_count() as usize];
        let mut busy_turns = 0;
        while !stop.is_cancelled() {
            let now = clock.now();
            let is_busy = self.take_in(now, &mut peers);
            self.fleet.advance(now);
            self.send_out(now, &peers).await;
            busy_turns = if is_busy { busy_turns + 1 } else { 0 };
            if busy_turns % BUSY_TURNS == 0 {
                clock.caught_up(self.options.participant, now);
            }
            if is_busy {
                // The tasks of the connections need their turn too.
                tokio::task::yield_now().await;
                continue;
            }
            self.fleet.settle(now, HOMES_SETTLED_PER_TURN);
            let wait = match self.fleet.poll_timeout() {
                Some(due) => clock.wait_until(due),
                None => clock.wait_until(Moment::MAX),
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.door.ready() => {}
                () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => {}
            }
        }
        // Those who share the clock go on without us.
        clock.caught_up(self.options.participant, Moment::MAX);
        self.fleet
    }

    fn take_in(&mut self, now: Moment, peers: &mut [Option<Peer>]) -> bool {
        let Served { fleet, door, counters, .. } = self;
        door.receive(|local, peer, frame| {
            match hub_for(local).and_then(|hub| Some((hub, peers.get_mut(hub.0 as usize)?))) {
                Some((hub, last_peer)) => {
                    counters.received.fetch_add(1, Ordering::Relaxed);
                    *last_peer = Some(peer);
                    fleet.receive(now, hub, frame);
                }
                None => {
                    counters.strangers.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    }

    async fn send_out(&mut self, now: Moment, peers: &[Option<Peer>]) {
        while let Some((hub, answer)) = self.fleet.poll_transmit(now) {
            if let Some(Some(peer)) = peers.get(hub.0 as usize) {
                self.counters.sent.fetch_add(1, Ordering::Relaxed);
                self.door.answer(IpAddr::V4(hub_address(hub)), peer, answer).await;
            }
        }
    }
}

fn hub_for(address: IpAddr) -> Option<HubId> {
    match address {
        IpAddr::V4(address) => hub_at(address),
        IpAddr::V6(_) => None,
    }
}
