//! Hubs, meters, links, flash and faults under virtual time.

mod bank; // room for one image in flash, and the marks of what has arrived
mod board; // flash, banks, boot record and power of one device
mod boot; // which image runs, which one is armed, how an attempt ends
mod device_trust; // whom a device believes
mod flash; // sectors, erase before write, power cuts
mod hub; // a DLMS server towards the WAN, an OTA server towards the home
mod link; // what a WAN link and a home's radio do to a datagram
mod meter; // an OTA client with two banks
mod record; // small records that survive any power cut
mod random; // named streams of random numbers: the seed is the world
mod sector_pool; // one copy of each distinct sector
mod utc; // the cluster's clock
mod world; // who lives where, with what trouble, and what is on file

pub use board::BootFault;
pub use boot::ActivationOutcome;
pub use device_trust::{DeviceModel, DeviceTrust};
pub use flash::{CutMode, FlashError, FlashFault, SECTOR_LEN};
pub use hub::{HanDevice, Hub, HubConfig, HubCounters, StageError};
pub use link::{
    BitRate, Burst, DATAGRAM_OVERHEAD_LEN, Direction, Fate, HanProfile, Link, LinkProfile, LossReason, Reach,
};
pub use meter::{Meter, MeterConfig, MeterCounters, MeterKind};
pub use random::{NotAShare, Share};
pub use sector_pool::SectorPool;
pub use world::{
    CampaignSpec, Cell, DeviceKind, DeviceRecord, DeviceSpec, DeviceTrouble, Devices, ElectricitySpec, Evidence,
    EvidenceSpec, GasSpec, HanSpec, HomeRecord, HubSpec, LinkSpec, Paperwork, Standing, StandingSpec, TroubleSpec, WorldError,
    WorldSpec, hub_address, hub_at, paperwork,
};
