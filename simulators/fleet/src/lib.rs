//! Hubs, meters, links, flash and faults under virtual time.

mod link; // what a WAN link and a home's radio do to a datagram
mod random; // named streams of random numbers: the seed is the world
mod world; // who lives where, with what trouble, and what is on file

pub use link::{
    BitRate, Burst, DATAGRAM_OVERHEAD_LEN, Direction, Fate, HanProfile, Link, LinkProfile, LossReason, Reach,
};
pub use random::{NotAShare, Share};
pub use world::{
    CampaignSpec, Cell, DeviceKind, DeviceRecord, DeviceSpec, DeviceTrouble, Devices, ElectricitySpec, Evidence,
    EvidenceSpec, GasSpec, HanSpec, HomeRecord, HubSpec, LinkSpec, StandingSpec, Standing, TroubleSpec, WorldError,
    WorldSpec, hub_address, hub_at,
};
