//! Hubs and meters, two ends under virtual time: every test steps until nothing is left to do.

#![allow(clippy::unwrap_used)]

mod activation; // orders, trials, returns
mod battery; // what is kept for metering
mod chain; // who signs what in the chain of trust
mod complement; // what the swarm cannot do must be done here
#[expect(dead_code, reason = "the swarm prints the head")]
#[path = "../counts/mod.rs"]
mod counts; // the table of counts
mod deeds; // what the devices of a scene have done
mod dlms; // the hub as a DLMS server, frame by frame
mod download; // from the hub's slot into the meter's bank
mod home; // the harness: one hub, its meters, the radio between them
mod power_cuts; // the supply fails at every flash operation
mod rekeyed; // keys that are rotated in the middle of a transfer
mod repair; // blocks that arrive wrong
mod replay; // orders and counters that were spent
mod rules; // the rules of the OTA cluster, one by one
mod secured; // the hub with keys: ciphered, and nothing but ciphered
mod security_log; // what is kept of an update, and how activations end
#[path = "../sometimes/mod.rs"]
mod sometimes; // what devices must do at least once, here or in the swarm
mod trust; // rotation, revocation, freshness
