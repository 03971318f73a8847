//! What the crate promises, asked from outside through its public names only.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod adoption;
mod files;
mod keys;
mod mcuboot;
mod mcuboot_imgtool;
mod mcuboot_vectors;
mod notation;
mod oddities;
mod orders;
mod samples;
mod signing;
mod support;
