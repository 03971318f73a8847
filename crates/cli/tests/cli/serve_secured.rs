//! `serve` and `fleet` over ciphered links: the street is updated, nothing of an image or a request crosses in the clear,
//! no counter is used twice although the engine is killed, and who has other keys is refused by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use crate::desk::Desk;
use crate::running::Running;
use crate::serve::{CONFIG, address, bodies, create, desk, number, wait_for};

pub(crate) const LINKS: &str = "[link_security]\nkeys = 'link.keys'\ncounters = 'run/counters'\n";

/// A street whose hubs have keys, and a configuration that names them.
pub(crate) fn secured_desk() -> (Desk, Running) {
    let desk = desk();
    let fleet = desk.start(
        "fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists --fresh-link-keys link.keys",
    );
    desk.write("serve.toml", format!("{CONFIG}{LINKS}").as_bytes());
    (desk, fleet)
}

/// A file of link keys with another key of each hub's own.
pub(crate) fn altered(keys: &str) -> String {
    let altered = keys.lines().map(|line| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if cells[0].contains('-') && cells[0] != "head-end" && cells[0] != "all-hubs" {
            let digit = if cells[2].starts_with('0') { "1" } else { "0" };
            cells[2].replace_range(..1, digit);
        }
        cells.join(",") + "\n"
    });
    altered.collect()
}

/// What went to the hubs, with whom it was for.
type Heard = Vec<(SocketAddr, Vec<u8>)>;

/// Stands between the engine and every hub of an inventory, carries everything and keeps what goes to hubs.
struct Tap {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Heard>,
}

impl Tap {
    fn start(desk: &Desk) -> Tap {
        let inventory = String::from_utf8(desk.read("lists/inventory.csv")).unwrap();
        let hubs: BTreeSet<SocketAddr> =
            inventory.split([',', '\n']).filter_map(|cell| cell.parse().ok()).collect();
        let mut inventory = inventory.clone();
        let mut lines = Vec::new();
        for hub in hubs {
            let (engine_side, hub_side) = (open_socket(), open_socket());
            inventory = inventory.replace(&hub.to_string(), &engine_side.local_addr().unwrap().to_string());
            lines.push((hub, engine_side, hub_side, None));
        }
        desk.write("lists/inventory.csv", inventory.as_bytes());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = spawn(move || carry(lines, &stopped));
        Tap { stop, thread }
    }

    fn heard(self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn open_socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

fn carry(mut lines: Vec<(SocketAddr, UdpSocket, UdpSocket, Option<SocketAddr>)>, stop: &AtomicBool) -> Heard {
    let (mut heard, mut buffer) = (Heard::new(), [0; 2_048]);
    while !stop.load(Ordering::Relaxed) {
        let mut idle = true;
        for (hub, engine_side, hub_side, engine) in &mut lines {
            while let Ok((len, from)) = engine_side.recv_from(&mut buffer) {
                idle = false;
                *engine = Some(from);
                heard.push((*hub, buffer[..len].to_vec()));
                let _ = hub_side.send_to(&buffer[..len], *hub);
            }
            while let (Ok((len, _)), Some(engine)) = (hub_side.recv_from(&mut buffer), *engine) {
                idle = false;
                let _ = engine_side.send_to(&buffer[..len], engine);
            }
        }
        if idle {
            sleep(Duration::from_micros(200));
        }
    }
    heard
}

/// The control byte and the invocation counter of a ciphered APDU, which stand behind its tag and length.
fn protection(apdu: &[u8]) -> (u8, u32) {
    let at = if apdu[1] < 0x80 { 2 } else { 2 + usize::from(apdu[1] & 0x7F) };
    (apdu[at], u32::from_be_bytes(apdu[at + 1..at + 5].try_into().unwrap()))
}

#[test]
fn a_secured_street_is_updated_and_nothing_crosses_in_the_clear_or_twice_under_one_counter() {
    let (desk, fleet) = secured_desk();
    let tap = Tap::start(&desk);
    let serve = desk.start("serve --config serve.toml");
    assert!(serve.ready.contains("ciphered"), "{}", serve.ready);
    let url = address(&serve);
    desk.run(&create(&url)).succeeded();
    wait_for(&desk, &url, "under way", |shown| number(&shown["counters"]["blocks_sent"]) > 200);
    serve.kill();
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    let shown = desk.run(&format!("campaign show autumn --url {url} --watch --json")).succeeded().json();
    assert_eq!(number(&shown["tally"]["pending"]), 0, "{shown}");
    let activated = number(&shown["by_outcome"]["activated"]);
    assert!(activated > 0, "{shown}");
    serve.stop().succeeded();
    assert!(fleet.stop().succeeded().stdout.contains(&format!("{activated} activated")));

    let image = desk.read("esme.ota");
    let mut used: BTreeMap<(Option<SocketAddr>, u32), Vec<u8>> = BTreeMap::new();
    let (mut shared, mut associations) = (0, 0);
    for (hub, datagram) in tap.heard() {
        let apdu = &datagram[8..];
        let leaked =
            image.chunks_exact(1_024).any(|block| datagram.windows(32).any(|part| part == &block[200..232]));
        assert!(!leaked, "a piece of the image crosses in the clear");
        match apdu[0] {
            0x60 => associations += 1,
            0xC8 | 0xC9 | 0xCB => {
                let (control, counter) = protection(apdu);
                let whose = if control == 0x70 { None } else { Some(hub) };
                shared += usize::from(control == 0x70);
                let before = used.insert((whose, counter), apdu.to_vec());
                assert!(
                    before.as_ref().is_none_or(|before| control == 0x70 && before == apdu),
                    "counter {counter} of control {control:#x} is used twice"
                );
            }
            tag => panic!("APDU tag {tag:#x} crosses in the clear"),
        }
    }
    assert!(shared > 200 && associations > 2, "{shared} blocks for all hubs, {associations} associations");
    let blocks = used.keys().filter(|(whose, _)| whose.is_none()).count();
    // The killed engine sealed the image once, the next one again; all hubs were sent the same bytes.
    assert!(blocks <= 2 * image.len().div_ceil(1_024), "{blocks} blocks were sealed");
}

#[test]
fn a_hub_with_other_keys_is_given_up_with_the_reason_in_the_ledger() {
    let (desk, fleet) = secured_desk();
    let keys = String::from_utf8(desk.read("link.keys")).unwrap();
    desk.write_private("other.keys", altered(&keys).as_bytes());
    let quick =
        CONFIG.replace("request_timeout_ms = 60000", "request_timeout_ms = 20000, request_attempts = 2");
    desk.write("serve.toml", format!("{quick}{}", LINKS.replace("link.keys", "other.keys")).as_bytes());
    desk.write("policy.toml", b"waves = [1000]\nattempts = 1\nretry_after_s = 30\n");
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    desk.run(&create(&url)).succeeded();
    let shown = wait_for(&desk, &url, "ended", |shown| number(&shown["tally"]["pending"]) == 0);
    assert!(number(&shown["by_outcome"]["transfer_failed"]) > 0, "{shown}");
    let reasons: Vec<_> = bodies(&desk, "outcome").into_iter().map(|body| body.to_string()).collect();
    let named = reasons.iter().filter(|body| {
        body.contains("no answer within")
            && body.contains("authentication failure, as with other link keys than ours")
    });
    assert_eq!(named.count() as u64, number(&shown["by_outcome"]["transfer_failed"]), "{reasons:?}");
    serve.stop().succeeded();
    fleet.stop().succeeded();
}

#[test]
fn an_engine_does_not_start_on_link_keys_that_make_no_sense() {
    let (desk, fleet) = secured_desk();
    fleet.kill();
    let keys = String::from_utf8(desk.read("link.keys")).unwrap();
    let last = keys.lines().last().unwrap();
    let title = keys.lines().nth(3).unwrap().split(',').nth(1).unwrap();
    let table = [
        (keys.replace(last, ""), "link.keys: expected a line for each hub of "),
        (keys.replace("head-end", "# head-end"), "link.keys: expected a line head-end"),
        (
            keys.replace(&last[last.len() - 32..], "12"),
            "column authentication_key: expected 32 hexadecimal digits (16 bytes), found 2",
        ),
        (
            keys.replacen(title, "4c4d500000000001", 1),
            "has the system title of the head-end, expected its own",
        ),
    ];
    for (text, words) in table {
        desk.write_private("link.keys", text.as_bytes());
        desk.check_failure("serve --config serve.toml", 3, &[words]);
    }
    desk.write_private("link.keys", keys.as_bytes());
    fs::set_permissions(desk.path("link.keys"), Permissions::from_mode(0o640)).unwrap();
    desk.check_failure(
        "serve --config serve.toml",
        3,
        &["the file of link keys is open to others (mode 0640)"],
    );
    desk.check_failure("fleet street.toml --link-keys link.keys -q", 3, &["open to others"]);
    desk.check_failure("fleet street.toml --fresh-link-keys link.keys -q", 3, &["exists already"]);
    desk.write_private("link.keys", keys.as_bytes());
    fs::create_dir_all(desk.path("run")).unwrap();
    desk.write("run/counters", &[7; 4_800]);
    desk.run("serve --config serve.toml").failed(4, &["record 0 of the invocation counters does not hold"]);
}
