//! Hubs, meters, links, flash and faults under virtual time.
//!
//! ```text
//!  WorldSpec + seed ─► Fleet: homes behind WAN links ◄── Hub ◄── HAN ──► Meter (flash, banks, boot)
//!         └─► Paperwork ─► Rehearsal ─► Simulation: the real Conductor against the fleet
//! ```
//!
//! Everything here is pure: time is the caller's, randomness is the seed's.

mod attacks; // refusals, counted by attack
mod bank; // room for one image in flash, and the marks of what has arrived
mod board; // flash, banks, boot record and power of one device
mod boot; // which image runs, which one is armed, how an attempt ends
mod build; // from a plan to a home
mod census; // what every device runs and has been through
mod device_trust; // whom a device believes
mod edges; // which steps of a life cycle were taken
mod faults; // when which fault strikes whom
mod flash; // sectors, erase before write, power cuts
mod fleet; // all homes behind their links, polled like a network interface
mod forecast; // what a forecast must know of a world
mod home; // one home, run up to the moment somebody asks
mod hub; // a DLMS server towards the WAN, an OTA server towards the home
mod invariants; // what must hold in a home, whatever goes wrong
mod link; // what a WAN link and a home's radio do to a datagram
mod meter; // an OTA client with two banks
mod nonce; // what a device draws for its next order
mod observer; // who watches the frames
mod queue; // what happens next
mod random; // named streams of random numbers: the seed is the world
mod record; // small records that survive any power cut
mod rehearsal; // a world, the paperwork on it, and the order that a campaign would be
mod said; // which codes a device has sent
mod sector_pool; // one copy of each distinct sector
mod security_log; // what happened to a device's firmware, in a ring that nobody clears
mod simulation; // a campaign under virtual time
mod utc; // the cluster's clock
mod world; // who lives where, with what trouble, and what is on file

pub use attacks::AttackCounts;
pub use board::{BoardHistory, BootFault};
pub use boot::ActivationOutcome;
pub use census::{Census, DeviceCensus, LinkTraffic, WanTraffic};
pub use device_trust::DeviceTrust;
pub use edges::Edges;
pub use faults::{DeskNews, FaultCounts, FaultKind, Flip};
pub use firmware_image::DeviceModel;
pub use flash::{
    CutMode, FlashError, FlashFault, FlashFaults, FlashLayout, FlashPlace, LayoutError, Wear, WornSector,
};
pub use fleet::Fleet;
pub use forecast::wire_len;
pub use home::{Fidelity, HanTraffic};
pub use hub::{HanDevice, Hub, HubConfig, HubCounters, HubSecurity, StageError};
pub use invariants::{Broken, Fill, WatchRules};
pub use link::{
    BitRate, Burst, DATAGRAM_OVERHEAD_LEN, Direction, Fate, HanProfile, Link, LinkProfile, LossReason, Reach,
};
pub use meter::{Battery, Meter, MeterConfig, MeterCounters, MeterKind};
pub use observer::{FrameFate, FrameObserver, Leg, SeenFrame};
pub use queue::EventQueue;
pub use random::{NotAShare, Share, region_seed};
pub use rehearsal::{Cast, Rehearsal, RehearsalError};
pub use said::Said;
pub use sector_pool::SectorPool;
pub use security_log::{SecurityEntry, SecurityEvent, TransferOutcome};
pub use simulation::{Simulation, SimulationError};
pub use world::{
    BatterySpec, CampaignSpec, Cell, DeviceKind, DeviceRecord, DeviceSpec, DeviceTrouble, Devices,
    ElectricitySpec, Evidence, EvidenceSpec, FaultSpec, GasSpec, HanSpec, HomeRecord, HubSpec, LinkSpec,
    NotARate, OrderTerms, Paperwork, PerDay, Standing, StandingSpec, TroubleSpec, WorldError, WorldSpec,
    hub_address, hub_at, hub_ids, paperwork,
};
