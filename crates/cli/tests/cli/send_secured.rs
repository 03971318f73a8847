//! `send` to a `hub` over ciphered links, UDP and TCP: the image arrives, nothing of it crosses in the clear, and no counter
//! is used twice from one command to the next.

use crate::desk::{Desk, IDENTITY};
use crate::interop::Speaker;

const HUB: &str = "00-0D-6F-00-00-00-00-01";

const KEYS: &str = "\
holder,system_title,encryption_key,authentication_key
head-end,4c4d500000000001,,
00-0D-6F-00-00-00-00-01,4c4d500000000002,000102030405060708090a0b0c0d0e0f,d0d1d2d3d4d5d6d7d8d9dadbdcdddedf
";

fn keyed_desk() -> Desk {
    let desk = Desk::empty();
    // Several windows of blocks.
    let payload: Vec<u8> = (0_u32..60_000).map(|n| (n * 31 % 251).to_le_bytes()[0]).collect();
    desk.write("meter.bin", &payload);
    desk.run("image keygen --out . --name release").succeeded();
    desk.run(&format!("image build --payload meter.bin {IDENTITY} --out meter.ota")).succeeded();
    desk.run("image sign meter.ota --key release.key.pem --out signed.ota").succeeded();
    desk.write_private("link.keys", KEYS.as_bytes());
    desk
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn an_image_reaches_a_hub_over_ciphered_udp_and_tcp_and_never_crosses_in_the_clear() {
    let desk = keyed_desk();
    let image = desk.read("signed.ota");
    for (transport, flag) in [("udp", ""), ("tcp", "--tcp")] {
        let mut hub = Speaker::device(
            &desk,
            &format!(
                "hub --listen 127.0.0.1:0 --trust release.pub.pem --speed 10 --link-keys link.keys \
                 --store {transport} --pcap {transport}.pcapng"
            ),
        );
        let address = hub.event("listening", "address");
        let send = format!(
            "send signed.ota --to {address} {flag} --json --link-keys link.keys --link-counters run/counters"
        );
        let first = desk.run(&send).succeeded().json();
        assert_eq!(first["blocks_sent"], first["blocks"], "{first}");
        // A hub would not believe counters that the first command has used.
        let second = desk.run(&send).succeeded().json();
        assert_eq!(second["blocks_sent"], 0, "it held the image already: {second}");
        hub.stop();
        assert!(desk.read(&format!("{transport}/slot-0.ota")) == image);
        let seen = desk.read(&format!("{transport}.pcapng"));
        assert!(seen.len() > image.len(), "every block passed the tap");
        let in_the_clear = image.chunks_exact(64).filter(|piece| holds(&seen, piece)).count();
        assert_eq!(in_the_clear, 0, "pieces of 64 bytes over {transport}");
    }
}

/// Nothing was said for a minute, and then that nobody had answered.
#[test]
fn send_says_within_seconds_that_a_hub_does_not_speak_under_these_keys_and_ends_when_its_patience_does() {
    let desk = keyed_desk();
    let refused = "the association was refused: authentication failure, as with other link keys than ours";
    let wrong = KEYS.replace("000102030405", "ffffff030405");
    desk.write_private("wrong.keys", wrong.as_bytes());
    for (transport, flag) in [("udp", ""), ("tcp", "--tcp")] {
        let hub = "hub --listen 127.0.0.1:0 --trust release.pub.pem --speed 10 --link-keys link.keys --store";
        let mut hub = Speaker::device(&desk, &format!("{hub} {transport}"));
        let address = hub.event("listening", "address");
        let send = format!("send signed.ota --to {address} {flag} --patience 6 --link-counters run/counters");
        let ended = desk.run(&format!("{send} --link-keys wrong.keys"));
        let told: Vec<&str> =
            ended.stderr.lines().filter(|line| line.contains("still trying, for ")).collect();
        let first = *told.first().unwrap_or_else(|| panic!("it waits and says nothing: {ended:?}"));
        let seen = format!("blocks · no answer that our keys open for 3 s: {refused}");
        assert!(first.contains(&seen) || first.contains(&seen.replace("3 s", "4 s")), "{first}");
        ended.failed_last(4, &format!("{address} does not speak under these link keys: {refused}"));
        let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert!(errors == 1 && ended.stderr.contains("--link-keys and --hub"), "{ended:?}");
        desk.run(&format!("{send} --link-keys link.keys")).succeeded();
        hub.stop();
    }
}

#[test]
fn send_says_within_seconds_that_nobody_answers() {
    let desk = keyed_desk();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    let ended = desk.run(&format!("send signed.ota --to {address} --patience 5"));
    assert!(ended.stderr.contains("blocks · no answer for "), "{ended:?}");
    assert!(ended.stderr.contains(" s; still trying, for "), "{ended:?}");
    ended.failed_last(6, "no answer");
}

#[test]
fn send_names_what_is_missing_before_it_speaks_ciphered() {
    let desk = keyed_desk();
    let send = "send signed.ota --to 127.0.0.1:1";
    let alone = desk.run(&format!("{send} --link-keys link.keys"));
    assert!(alone.code == 2 && alone.stderr.contains("--link-counters <FILE>"), "{alone:?}");
    let other =
        format!("{send} --link-keys link.keys --link-counters run/counters --hub 00-0D-6F-00-00-00-00-07");
    desk.check_failure(&other, 3, &["link.keys: expected a line for hub 00-0D-6F-00-00-00-00-07"]);
    desk.write_private("link.keys", KEYS.replace("head-end", "# head-end").as_bytes());
    let nobody = format!("{send} --link-keys link.keys --link-counters run/counters --hub {HUB}");
    desk.check_failure(&nobody, 3, &["link.keys: expected a line head-end"]);
}
