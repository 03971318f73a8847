//! Who waits for what: hubs for a moment, hubs and cells for their turn.
//!
//! A hub is in one list at a time, a slot of the wheel or a bucket of its cell, so one pair of links (8 B) serves
//! both. Nothing here allocates after a hub has been added, and nothing takes longer when there are more of them.

mod links;
mod ready;
mod wheel;

pub(crate) use links::{Links, List};
pub(crate) use ready::{Bucket, ReadyQueue, bucket};
pub(crate) use wheel::Wheel;
