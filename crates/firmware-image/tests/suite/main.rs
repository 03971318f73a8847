//! What the crate promises, asked from outside through its public names only.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod adoption;
mod edge_vectors;
mod files;
mod keys;
mod notation;
mod oddities;
mod orders;
mod samples;
mod signing;
mod suit_interop;
mod support;
mod wycheproof;
