//! What the crate promises, asked from outside through its public names only.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod adoption;
mod edge_vectors;
mod encrypted_keys;
mod files;
mod gate;
mod keys;
mod mcuboot;
mod mcuboot_imgtool;
mod mcuboot_vectors;
mod notation;
mod oddities;
mod orders;
mod rotation;
mod samples;
mod signing;
mod suit_interop;
mod support;
mod trust_world;
mod wycheproof;
