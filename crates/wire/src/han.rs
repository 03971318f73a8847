//! The HAN's radio stand-in: ZEPv2 over UDP around 802.15.4, NWK and APS.
//!
//! `frame` is the one thing outside sees; `zep`, `mac` and `network` are its layers, outermost first.

mod frame;
mod mac;
mod network;
mod zep;

pub use frame::{FIRST_BROADCAST, HanFrame, MAX_HAN_PAYLOAD, OTA_CLUSTER, SE_PROFILE};
