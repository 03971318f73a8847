//! The power-cut programme: the supply fails at every flash operation of an update, twice, and in chains.
//!
//! Real meters and hubs, real images and orders, no radio. After every cut: a device boots an image that was verified,
//! old or new and never a mixture; the security counter has not fallen, and has not risen before the new image
//! confirmed itself; the security log has lost nothing. And once the supply is back for good, the job gets done.
//!
//! ```text
//! cargo test -p fleet --test power_cuts -- --nocapture
//! ```

#![allow(clippy::unwrap_used)]

mod bench; // one device, and what is said to it
#[expect(dead_code, reason = "the swarm prints the head")]
#[path = "../counts/mod.rs"]
mod counts; // the table of counts
mod device; // a meter or a hub, as the programme sees it
mod flips; // one flipped bit, wherever it is, is found
mod hub_talk; // what a head-end says to a hub
mod images; // keys, images and orders
mod meter_talk; // what a hub says to a meter
mod programme; // single cuts, double cuts, chains
mod scenes; // what is cut: devices, layouts and images
mod wear; // worn sectors are named, and cost an image at the most
