//! The engine against hubs of its own measure, over emulated lines and under virtual time.

mod device;
mod net;
mod rig;

mod armour;
mod crowds;
mod lines;
mod properties;
mod sessions;
mod shards;
mod waiting;
