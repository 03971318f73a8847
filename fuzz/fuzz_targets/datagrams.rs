//! Any datagrams from a hub, and any answers to what it was asked, at every stage of a transfer over UDP and TCP.

#![no_main]

use fuzz::talk::Talk;
use fuzz::{TALKING, bounded, seeds};
use libfuzzer_sys::fuzz_target;
use transfer_engine::Transport;

fuzz_target!(init: check(), |data: &[u8]| {
    for transport in [Transport::Datagram, Transport::Stream { window: 8 }] {
        let mut talk = Talk::begin(transport);
        bounded("a conversation", data.len(), TALKING, || talk.say(data));
    }
});

/// Makes sure that two of the seeds reach the end of a transfer.
fn check() {
    seeds::check("datagrams");
    for (name, input) in fuzz::talk::conversations() {
        let mut talk = Talk::begin(Transport::Datagram);
        talk.say(&input);
        let brings = ["taken", "resumed"].contains(&name);
        assert!(!brings || talk.staged() == 1, "the seed {name} does not bring the image");
    }
}
