//! The attack programme: forged documents, stolen keys, wrong clocks and old messages against the verifier, the
//! simulated hub and meter, and the command itself. Prints one table; ends with an error when anything was believed
//! that should not be, or refused that should not be.
//!
//! ```text
//! corpus/*.toml ── recipes ──► craft (with a pen of its own) ──► verifier | hub | meter | command ──► word of an attack
//! ```
//!
//! `ATTACKS_ONLY=text` runs only the vectors of the corpus whose name holds the text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod clocks;
mod command;
mod corpus;
mod craft;
mod craft_image;
mod edits;
mod handwriting;
mod heist;
mod home;
mod hub;
mod meter;
mod mutations;
mod pen;
mod recipes;
mod replay;
mod rotation;
mod stolen;
mod table;
mod threats;
mod verifier;
mod world;

/// The vectors of the signature itself, shared with the tests of the crate that verifies.
#[allow(dead_code, unused_imports, reason = "some of it is for the tests of that crate only")]
#[path = "../../../firmware-image/tests/suite/edge_vectors.rs"]
mod edge_vectors;
#[allow(dead_code, unused_imports, reason = "as above")]
#[path = "../../../firmware-image/tests/suite/wycheproof.rs"]
mod wycheproof;

use std::process::ExitCode;

use crate::table::Tally;

fn main() -> ExitCode {
    // Asked by those who list tests instead of running them.
    if std::env::args().any(|argument| argument == "--list") {
        println!("attacks: test");
        return ExitCode::SUCCESS;
    }
    let rows = [
        table::run("the forger writes as we sign", handwriting::run),
        table::run("attack corpus, 4 consumers", corpus::run),
        table::run("bits, truncations, extensions", mutations::run),
        table::run("stolen keys, 32 subsets", stolen::run),
        table::run("rotation vectors, 3 consumers", rotation::run),
        table::run("clock matrix", clocks::run),
        table::run("replay at every later moment", replay::run),
        table::run("Ed25519: Wycheproof and the curve's edges", ed25519),
    ];
    if table::print(&rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A key, a message and a signature each: taken when it should be and only then.
fn ed25519() -> Tally {
    let mut tally = Tally::default();
    for vector in wycheproof::judged() {
        tally.check(vector.accepted == vector.expected, || vector.name);
    }
    for (name, holds) in edge_vectors::judged() {
        tally.check(holds, || name);
    }
    tally
}
