//! `--pcap`: every packet of a capture is sound, in the order of time, and one that other people's software decodes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use wire::{Apdu, HanFrame, WanFrame, ZclFrame, emit_wan};

use crate::desk::{Desk, say};

/// Three homes of the street: enough for losses on both legs, and a few seconds for tshark.
fn street() -> Desk {
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../simulators/fleets/street.toml");
    let text = fs::read_to_string(world).unwrap();
    // One of the three has a device that fails; the others are served all the same.
    let small = text.replacen("installations = 10", "installations = 3", 1);
    let small = small.replacen("success_threshold = 0.5", "success_threshold = 0", 1);
    assert_ne!(small, text);
    let desk = Desk::empty();
    desk.write("street.toml", small.as_bytes());
    desk
}

/// A packet of a capture.
struct Packet {
    interface: u32,
    micros: u64,
    bytes: Vec<u8>,
    comment: Option<String>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

/// Reads a capture block by block, as the format's description says.
fn packets(capture: &[u8]) -> Vec<Packet> {
    let mut blocks: Vec<(u32, &[u8])> = Vec::new();
    let mut rest = capture;
    while !rest.is_empty() {
        let len = u32_at(rest, 4) as usize;
        assert_eq!((len % 4, u32_at(rest, len - 4) as usize), (0, len), "a block ends in its length");
        blocks.push((u32_at(rest, 0), &rest[8..len - 4]));
        rest = &rest[len..];
    }
    let [(0x0A0D_0D0A, section), (1, wan), (1, han), blocks @ ..] = blocks.as_slice() else {
        panic!("expected a section and two interfaces");
    };
    assert_eq!(u32_at(section, 0), 0x1A2B_3C4D);
    assert_eq!([u16_at(wan, 0), u16_at(han, 0)], [101, 101]);
    assert_eq!([&wan[12..15], &han[12..15]], [b"wan", b"han"]);
    blocks.iter().map(|(block_type, body)| packet(*block_type, body)).collect()
}

fn packet(block_type: u32, body: &[u8]) -> Packet {
    assert_eq!(block_type, 6);
    let len = u32_at(body, 12) as usize;
    assert_eq!(u32_at(body, 16) as usize, len);
    let options = &body[20 + len.next_multiple_of(4)..];
    let comment = (!options.is_empty()).then(|| {
        assert_eq!(u16_at(options, 0), 1);
        let comment = &options[4..4 + usize::from(u16_at(options, 2))];
        String::from_utf8(comment.to_vec()).unwrap()
    });
    Packet {
        interface: u32_at(body, 0),
        micros: u64::from(u32_at(body, 4)) << 32 | u64::from(u32_at(body, 8)),
        bytes: body[20..20 + len].to_vec(),
        comment,
    }
}

fn adds_up(bytes: &[u8], begun: u32) -> bool {
    let sum = bytes.chunks(2).fold(begun, |sum, pair| {
        let word = u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
        sum + word
    });
    let folded = (sum & 0xFFFF) + (sum >> 16);
    (folded & 0xFFFF) + (folded >> 16) == 0xFFFF
}

/// Checks both headers of a packet; returns the ports and what is carried.
fn datagram(packet: &[u8]) -> ([u16; 2], &[u8]) {
    assert!(adds_up(&packet[..20], 0), "the header's checksum");
    let udp = &packet[20..];
    assert!(adds_up(&packet[12..], 17 + udp.len() as u32), "the datagram's checksum");
    assert_eq!(usize::from(u16::from_be_bytes([udp[4], udp[5]])), udp.len());
    let ports = [[udp[0], udp[1]], [udp[2], udp[3]]].map(u16::from_be_bytes);
    (ports, &udp[8..])
}

/// Reads the frame in a packet down to its last byte, and has it written again as it was: our own decoder, where no other
/// knows the protocol.
fn decode(packet: &Packet) {
    let (ports, payload) = datagram(&packet.bytes);
    if packet.interface != 0 {
        assert_eq!(ports, [17_754; 2]);
        ZclFrame::parse(HanFrame::parse_zep(payload).unwrap().payload).unwrap();
        return;
    }
    assert!(ports.contains(&4059));
    let frame = WanFrame::parse_datagram(payload).unwrap();
    let mut again = Vec::new();
    emit_wan(frame.source, frame.destination, &Apdu::parse(frame.apdu).unwrap(), &mut again);
    assert_eq!(again, payload);
}

#[test]
fn a_simulated_campaign_is_captured_frame_by_frame_and_goes_as_it_would_without() {
    let desk = street();
    let plain = desk.run("simulate street.toml --seed 7 --json").succeeded();
    let captured = desk.run("simulate street.toml --seed 7 --json --pcap a.pcapng").succeeded();
    assert_eq!(plain.stdout, captured.stdout);
    let packets = packets(&desk.read("a.pcapng"));
    assert!(captured.stderr.contains(&format!("pcap    a.pcapng: {} frames", packets.len())));
    assert!(packets.is_sorted_by_key(|packet| packet.micros));
    let mut comments = BTreeMap::new();
    for packet in &packets {
        decode(packet);
        let comment = packet.comment.as_deref().unwrap_or("arrived");
        *comments.entry((packet.interface, comment)).or_insert(0) += 1;
    }
    // Each home has two meters, each image some 5,000 blocks, each block a question and an answer.
    assert!(comments[&(1, "arrived")] > 20_000, "{comments:?}");
    for rare in [(0, "lost: noise"), (1, "lost: noise"), (1, "lost: no receiver is on"), (0, "arrives twice")]
    {
        assert!(comments.contains_key(&rare), "{rare:?} of {comments:?}");
    }
    // The same run makes the same file.
    desk.run("simulate street.toml --seed 7 --pcap b.pcapng").succeeded();
    assert!(desk.read("a.pcapng") == desk.read("b.pcapng"));
}

/// Puts commas between the thousands of a number, as README does.
fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let groups = digits.as_bytes()[lead..].chunks(3).map(|group| str::from_utf8(group).unwrap());
    let lead = Some(&digits[..lead]).filter(|lead| !lead.is_empty());
    lead.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

#[test]
fn readme_says_how_long_a_capture_of_the_street_is() {
    let desk = Desk::empty();
    desk.copy_from_repository(&["simulators/fleets/street.toml"]);
    desk.run("simulate simulators/fleets/street.toml --seed 7 --pcap street.pcapng").succeeded();
    let capture = desk.read("street.pcapng");
    let mebibytes = capture.len() as f64 / f64::from(1 << 20);
    let said = format!("The street is {} frames in {mebibytes:.1} MiB", with_commas(packets(&capture).len()));
    let readme = include_str!("../../../../README.md");
    assert!(readme.contains(&said), "{said}");
}

/// A block of the WAN with all headers and a comment, bytes.
const LARGEST_PACKET: usize = 1_300;

#[test]
fn a_capture_that_is_full_ends_and_the_campaign_goes_on() {
    let desk = street();
    let plain = desk.run("simulate street.toml --seed 7 --json").succeeded();
    let captured =
        desk.run("simulate street.toml --seed 7 --json --pcap a.pcapng --pcap-limit 1").succeeded();
    assert_eq!(plain.stdout, captured.stdout);
    assert_eq!(captured.stderr.matches("full at 2020-10-05T").count(), 1, "{}", captured.stderr);
    let capture = desk.read("a.pcapng");
    assert!((1 << 20) - LARGEST_PACKET < capture.len() && capture.len() <= 1 << 20);
    assert!(packets(&capture).is_sorted_by_key(|packet| packet.micros));
}

#[test]
fn a_capture_overwrites_nothing_and_a_failed_start_leaves_none() {
    let desk = street();
    desk.write("a.pcapng", b"mine");
    let ended = desk.run("simulate street.toml --seed 7 --pcap a.pcapng");
    assert_eq!((ended.code, desk.read("a.pcapng").as_slice()), (3, b"mine".as_slice()));
    assert!(ended.stderr.contains("error: a.pcapng: cannot be made"), "{}", ended.stderr);
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let line = format!("hub --listen {taken} --pcap b.pcapng --quiet");
    desk.check_failure(&line, 3, &["could not listen"]);
}

/// The names under which releases and plugins of Wireshark decode DLMS.
const DLMS_NAMES: [&str; 2] = ["cosem", "dlms"];

/// The first release that has DLMS on board (Wireshark's Display Filter Reference: "DLMS/COSEM … Versions: 4.6.0 to …");
/// older ones know it from plugins alone.
const FIRST_WITH_DLMS: (u32, u32) = (4, 6);

/// Returns major and minor of `TShark (Wireshark) 4.0.17 (Git v4.0.17 packaged as …)`.
fn release(version: &str) -> Option<(u32, u32)> {
    let digits = &version[version.find(|letter: char| letter.is_ascii_digit())?..];
    let mut parts = digits.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[test]
fn the_release_of_tshark_is_read_from_its_first_line() {
    assert_eq!(
        release("TShark (Wireshark) 4.0.17 (Git v4.0.17 packaged as 4.0.17-0+deb12u1)."),
        Some((4, 0))
    );
    assert_eq!(release("TShark (Wireshark) 4.6.0."), Some((4, 6)));
    assert_eq!(release("TShark 3.6.14 (Git commit ...)"), Some((3, 6)));
    assert_eq!(release("tshark"), None);
    assert!([(4, 0), (4, 4)].iter().all(|old| *old < FIRST_WITH_DLMS) && (5, 0) > FIRST_WITH_DLMS);
}

/// The lowest severity of an expert's note that says that something is wrong with a frame.
const WARNING: u32 = 0x60_0000;

#[test]
fn tshark_decodes_every_frame_of_a_capture_down_to_image_blocks() {
    let desk = street();
    desk.run("simulate street.toml --seed 7 --pcap a.pcapng").succeeded();
    let packets = packets(&desk.read("a.pcapng"));
    packets.iter().for_each(decode);
    let Ok(version) = Command::new("tshark").arg("--version").output() else {
        say("capture skipped in part, decoded by our own parser alone: tshark is not installed");
        return;
    };
    let version = String::from_utf8(version.stdout).unwrap();
    let version = version.lines().next().unwrap_or_default();
    let release = release(version).unwrap_or_else(|| panic!("no release in {version:?}"));
    let mut tshark = Command::new("tshark");
    tshark.args(["-r", "a.pcapng", "-T", "fields"]).current_dir(desk.path("."));
    tshark.args(["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]);
    for field in [
        "frame.interface_name",
        "frame.protocols",
        "ip.checksum.status",
        "udp.checksum.status",
        "_ws.expert.severity",
        "zbee_zcl_general.ota.file.offset",
    ] {
        tshark.args(["-e", field]);
    }
    let decoded = tshark.output().unwrap();
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    let decoded = String::from_utf8(decoded.stdout).unwrap();
    let (mut offsets, mut dlms, mut frames) = (0, 0, [0, 0]);
    for line in decoded.lines() {
        let [interface, protocols, ip, udp, severities, offset] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        assert_eq!([ip, udp], ["1", "1"], "{line}");
        let mut severities = severities.split(',').filter(|severity| !severity.is_empty());
        assert!(severities.all(|severity| severity.parse::<u32>().unwrap() < WARNING), "{line}");
        assert!(!protocols.contains("malformed"), "{line}");
        if interface == "han" {
            frames[1] += 1;
            assert!(protocols.contains("udp:zep:wpan:zbee_nwk:zbee_aps:zbee_zcl"), "{line}");
            offsets += usize::from(!offset.is_empty());
        } else {
            frames[0] += 1;
            dlms += usize::from(protocols.split(':').any(|protocol| DLMS_NAMES.contains(&protocol)));
        }
    }
    let on_han = packets.iter().filter(|packet| packet.interface == 1).count();
    assert_eq!(frames, [packets.len() - on_han, on_han]);
    assert!(offsets > 20_000);
    // A plugin may teach an older release, and then knows all of it too.
    if dlms == 0 && release < FIRST_WITH_DLMS {
        say(&format!("capture skipped in part: tshark {}.{} knows no DLMS; 4.6 does", release.0, release.1));
        return;
    }
    assert_eq!(dlms, frames[0], "tshark {release:?} decodes all DLMS");
}
