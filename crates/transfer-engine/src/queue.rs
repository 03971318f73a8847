//! Who waits for what: hubs for a moment, hubs and cells for their turn.
//!
//! A hub is in one list at a time, a slot of the wheel or a bucket of its cell, so one pair of numbers (8 B)
//! serves both. Nothing here allocates once as many have waited before, and nothing takes longer when there are more.

mod chunks;
mod links;
mod ready;
mod wheel;

use links::List;
pub(crate) use links::{Links, Place};
pub(crate) use ready::{Bucket, ReadyQueue, bucket};
pub(crate) use wheel::Wheel;
