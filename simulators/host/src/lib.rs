//! The simulated fleet on real UDP and TCP sockets, and single devices for other people's software to talk to.
//!
//! ```text
//!   FleetHost (many hubs)      serve_hub (one)              serve_meter (one)
//!        └──────── WanDoor ───────┘  └──────── HanDoor ────────┘
//!            UdpPort, TCP streams         UdpPort, ZEPv2
//! ```
//!
//! Nothing here decides anything: devices, links and time's effects are the `fleet` crate's. Whatever bytes come to
//! a port, the host counts what it cannot use and goes on.

mod clock; // real time, sped up, and never ahead of those who live by it
mod error; // why a host cannot start
mod event; // what a single device tells
mod fleet_host; // a fleet on one socket
mod han_door; // ZEPv2, for the HAN side of single devices
mod hub_server; // one hub
mod meter_server; // one meter
mod store; // images on disk
mod stream; // TCP
mod udp; // UDP
mod wan_door; // both, for the WAN side of hubs
mod watch; // who sees what passes the sockets

pub use clock::{Clock, CompressedClock, Participant, Speed, SteadyClock};
pub use error::HostError;
pub use event::DeviceEvent;
pub use fleet_host::{FleetHost, FleetHostOptions, HostTraffic};
pub use han_door::ntp_time;
pub use hub_server::{HubOptions, serve_hub};
pub use meter_server::{MeterOptions, serve_meter};
pub use stream::most_connections;
pub use watch::{Door, FrameWatcher, SocketFrame};
