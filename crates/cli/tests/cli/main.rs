//! The `lamplighter` command as scripts meet it: words, exit codes, one line of error, files on disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod capture;
mod desk;
mod fleet_streams;
mod forecast;
mod gate;
mod gate_days;
mod gate_hops;
mod gate_readme;
mod gate_sheets;
mod gate_worlds;
mod general;
mod image_keys;
mod image_keys_encrypted;
mod image_keys_guarded;
mod image_keys_token;
mod image_mcuboot;
mod image_refused;
mod image_sound;
mod interop;
mod ledger;
mod running;
mod send_secured;
mod serve;
mod serve_chain;
mod serve_explain;
mod serve_lists;
mod serve_rekeyed;
mod serve_secured;
mod serve_sending;
mod softhsm;
mod terminal;
mod trust_chain;
mod trust_desk;
mod trust_forged;
mod trust_papers;
mod trust_readme;
mod trust_refused;
mod trust_verified;
