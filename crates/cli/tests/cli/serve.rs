//! `serve`, `fleet` and `campaign` together, as in three terminals; and what `serve` refuses to start with.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::desk::Desk;
use crate::running::Running;

pub(crate) const CONFIG: &str = "\
ledger = 'run/ledger.sqlite'
images = 'run/images'
trust = ['image.pub.pem']
order_key = 'order.key.pem'
lists = { cpl = 'lists/cpl.csv', epcl = 'lists/epcl.csv', ppcl = 'lists/ppcl.csv', evidence = 'lists/evidence.csv', \
inventory = 'lists/inventory.csv' }
http = { bind = '127.0.0.1:0' }
wan = { request_timeout_ms = 60000 }
budgets = { link_rate_bits_per_s = 4000 }
clock = { speed = 600.0, start = 2020-10-05T00:00:00Z }
";

/// A folder with keys, an image, a policy and a configuration; the lists come from `fleet`.
pub(crate) fn desk() -> Desk {
    let desk = Desk::empty();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copies = [
        ("image.pub.pem", "firmware-images/keys/development-image.pub.pem"),
        ("order.key.pem", "firmware-images/keys/development-order.key.pem"),
        ("esme.ota", "firmware-images/esme.ota"),
        ("policy.toml", "examples/policy.toml"),
        ("street.toml", "simulators/fleets/street.toml"),
    ];
    for (name, source) in copies {
        desk.write(name, &fs::read(root.join(source)).unwrap());
    }
    fs::set_permissions(desk.path("order.key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    desk.write("serve.toml", CONFIG.as_bytes());
    desk
}

fn start_fleet(desk: &Desk) -> Running {
    desk.start("fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists")
}

/// Returns the address of the API, which the ready line names.
pub(crate) fn address(serve: &Running) -> String {
    let word = serve.ready.split_whitespace().find(|word| word.starts_with("http://"));
    word.expect("the ready line names the API").to_owned()
}

pub(crate) fn create(url: &str) -> String {
    format!(
        "campaign create --url {url} --image esme.ota --smso SMSO-1 --id autumn --policy policy.toml --json"
    )
}

/// Waits until the campaign on show is as wanted.
pub(crate) fn wait_for(desk: &Desk, url: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let shown = desk.run(&format!("campaign show autumn --url {url} --json")).json();
        if wanted(&shown) {
            return shown;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "still not {what}: {shown}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the bodies of all ledger entries of one kind.
pub(crate) fn bodies(desk: &Desk, kind: &str) -> Vec<Value> {
    let ended =
        desk.run(&format!("ledger show run/ledger.sqlite --kind {kind} --limit 1000 --json")).succeeded();
    let entries = ended.json()["entries"].as_array().unwrap().clone();
    entries.iter().map(|entry| serde_json::from_str(entry["body_text"].as_str().unwrap()).unwrap()).collect()
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_campaign_survives_a_killed_engine_without_sending_or_activating_anything_twice() {
    let desk = desk();
    let fleet = start_fleet(&desk);
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    let created = desk.run(&create(&url)).succeeded().json();
    let ordered = number(&created["tally"]["ordered"]);
    assert!(number(&created["tally"]["pending"]) > 0, "{created}");
    let before = wait_for(&desk, &url, "under way", |shown| number(&shown["counters"]["blocks_sent"]) > 200);
    serve.kill();

    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    let shown = desk.run(&format!("campaign show autumn --url {url} --watch --json")).succeeded().json();
    let tally = &shown["tally"];
    assert_eq!(number(&tally["pending"]), 0, "{shown}");
    let sum = number(&tally["done"]) + number(&tally["failed"]) + number(&tally["excluded"]);
    assert_eq!(sum, ordered, "{shown}");
    assert!(number(&shown["by_outcome"]["activated"]) > 0, "{shown}");
    // Its records are all that is needed to say what no order of sending could have beaten.
    let (took, bound) = (number(&shown["makespan"]["took_ms"]), &shown["makespan"]["bound"]);
    assert!(took > 0 && number(&bound["time_ms"]) > 0, "{shown}");
    assert_eq!(number(&bound["makespan_permille"]), took * 1_000 / number(&bound["time_ms"]), "{shown}");
    let text = desk.run(&format!("campaign show autumn --url {url}")).succeeded().stdout;
    let line = text.lines().find(|line| line.starts_with("bound ")).expect("a line about it");
    assert!(line.contains(", set by ") && line.ends_with(" times as long"), "{line}");
    let exclusions = desk.run(&format!("campaign exclusions autumn --url {url}")).succeeded().stdout;
    let shown_devices = desk.run(&format!("campaign show autumn --url {url} --devices --json")).json();
    let devices = shown_devices["devices"].as_array().unwrap();
    let given_up = devices.iter().filter(|device| device["exclusion"].is_string()).count();
    assert!(exclusions.starts_with("device_id,reason,since,doc_ref\n"), "{exclusions}");
    assert_eq!(exclusions.lines().count(), 1 + given_up, "{exclusions}");
    assert!(serve.stop().succeeded().stderr.contains("the ledger holds everything"));

    // What the hubs had before the kill was not sent again, but for what was on its way: a window for each hub
    // and what the street's lossy links had lost.
    let staged = bodies(&desk, "staged");
    let held: u64 = staged.iter().map(|body| number(&body["blocks_held"])).sum();
    let sent_before = number(&before["counters"]["blocks_sent"]);
    assert!(held * 10 >= sent_before * 6, "{held} blocks held of {sent_before} sent before the kill");

    let orders = bodies(&desk, "activation-ordered");
    let devices: BTreeSet<&str> = orders.iter().map(|body| body["device"].as_str().unwrap()).collect();
    assert_eq!(devices.len(), orders.len(), "a device has two orders");
    let census = fleet.stop().succeeded();
    let activated = number(&shown["by_outcome"]["activated"]);
    assert!(census.stdout.contains(&format!("{activated} activated")), "{activated}: {census:?}");
    desk.run("ledger verify run/ledger.sqlite").succeeded();
}

#[test]
fn an_operator_pauses_resumes_and_aborts_and_a_restart_leaves_a_paused_campaign_paused() {
    let desk = desk();
    let fleet = start_fleet(&desk);
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    desk.run(&create(&url)).succeeded();
    wait_for(&desk, &url, "under way", |shown| number(&shown["counters"]["blocks_sent"]) > 50);
    let ask = |verb: &str, url: &str| format!("campaign {verb} autumn --url {url} --as Jo --reason storm");
    let paused = desk.run(&ask("pause", &url)).succeeded();
    assert!(paused.stdout.contains("campaign autumn is paused: "), "{paused:?}");
    let again = desk.run(&ask("pause", &url)).succeeded();
    assert!(again.stdout.contains("campaign autumn is already paused: "), "{again:?}");
    serve.kill();

    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    let shown = desk.run(&format!("campaign show autumn --url {url}")).succeeded();
    assert!(shown.stdout.contains("campaign  autumn, paused: Jo: storm"), "{shown:?}");
    let shown = desk.run(&format!("campaign show autumn --url {url} --json")).succeeded().json();
    assert_eq!(number(&shown["counters"]["blocks_sent"]), 0, "{shown}");
    desk.run(&ask("resume", &url)).succeeded();
    wait_for(&desk, &url, "going on", |shown| number(&shown["counters"]["blocks_sent"]) > 0);
    desk.run(&format!("campaign pause autumn --url {url} --reason storm")).failed(3, &["say who asks"]);
    desk.run(&ask("abort", &url)).failed(3, &["cannot be undone"]);
    let aborted = desk.run(&format!("{} --yes --json", ask("abort", &url))).succeeded().json();
    assert_eq!((&aborted["phase"], &aborted["changed"]), (&"aborted".into(), &true.into()), "{aborted}");
    desk.run(&ask("resume", &url)).failed(3, &["campaign autumn is aborted: expected one that is running"]);
    assert!(serve.stop().succeeded().stderr.contains("the ledger holds everything"));
    let kinds = [("paused", 1), ("resumed", 1), ("aborted", 1)];
    for (kind, count) in kinds {
        let found = bodies(&desk, kind);
        assert_eq!(found.len(), count, "{kind}: {found:?}");
        assert_eq!((&found[0]["by"], &found[0]["reason"]), (&"Jo".into(), &"storm".into()), "{kind}");
    }
    fleet.stop().succeeded();
}

#[test]
fn what_the_engine_turns_away_ends_with_the_right_code_and_one_line() {
    let desk = desk();
    let fleet = start_fleet(&desk);
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    let mut altered = desk.read("esme.ota");
    altered[9_000] ^= 1;
    desk.write("altered.ota", &altered);
    desk.write("short.ota", &altered[..5_000]);
    desk.write("list.txt", b"00-0D-6F-00-0B-0A-0C-0D\nmeter\n");
    desk.write("bad-policy.toml", b"waves = [20]\nhurry = true\n");
    desk.write("huge.ota", &vec![0; 10_240_001]);
    let base = format!("campaign create --url {url} --smso SMSO-1");
    let table = [
        (
            format!("{base} --image altered.ota"),
            4,
            "altered.ota: the image is not believed: the payload was altered",
        ),
        (format!("{base} --image short.ota"), 3, "short.ota: no sound OTA file"),
        (format!("{base} --image huge.ota"), 3, "huge.ota: is 10240001 bytes, expected at most 10240000"),
        (format!("{base} --image gone.ota"), 3, "gone.ota: cannot be opened"),
        (format!("{base} --image esme.ota --devices list.txt"), 3, "list.txt line 2: "),
        (
            format!("{base} --image esme.ota --policy bad-policy.toml"),
            3,
            "bad-policy.toml line 2, column 1, key hurry",
        ),
        (format!("{base} --image esme.ota --target other.ota=E"), 3, "other.ota is none of the images"),
        (format!("{base} --image esme.ota --target esme.ota=E-1"), 3, "no entry E-1 in the product list"),
        (
            format!("{base} --image esme.ota --instructing-party Supplier"),
            4,
            "the gate allows none of the devices",
        ),
        (format!("campaign show nothing --url {url}"), 3, "there is no campaign nothing"),
        ("campaign show autumn --url http://127.0.0.1:9".to_owned(), 6, "the engine is not reachable"),
        ("campaign show autumn --url ftp://x".to_owned(), 3, "--url: expected an address such as"),
    ];
    for (line, code, words) in table {
        let ended = desk.run(&format!("{line} -q"));
        ended.failed(code, &[words]);
    }
    assert!(serve.stop().succeeded().stderr.contains("stopped"));
    fleet.stop().succeeded();
}

#[test]
fn serve_refuses_to_start_with_what_makes_no_sense_and_leaves_nothing_behind() {
    let desk = desk();
    start_fleet(&desk).kill();
    let cpl = String::from_utf8(desk.read("lists/cpl.csv")).unwrap();
    desk.write("lists/bad.csv", cpl.replacen("CHF", "TOASTER", 2).as_bytes());
    desk.write("open.key.pem", &desk.read("order.key.pem"));
    fs::set_permissions(desk.path("open.key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (http_taken, wan_taken) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let with = |from: &str, to: &str| {
        assert!(CONFIG.contains(from), "{from}");
        CONFIG.replacen(from, to, 1)
    };
    let table = [
        (with("trust = ", "trusts = "), "config.toml line 3, column 1, key trusts: unknown field"),
        (with("= 'run/images'", "= run/images"), "config.toml line 2, column 10, key images"),
        (with("image.pub.pem", "gone.pub.pem"), "gone.pub.pem: cannot be opened"),
        (with("image.pub.pem", "esme.ota"), "esme.ota"),
        (with("order.key.pem", "open.key.pem"), "open to others (mode 0644), expected mode 0600"),
        (with("lists/cpl.csv", "lists/bad.csv"), "lists/bad.csv line 2, column device_type: expected"),
        (with("lists/epcl.csv", "lists/gone.csv"), "lists/gone.csv: cannot be opened"),
        (with("127.0.0.1:0", "0.0.0.0:0"), "key http.bind: expected an address of this machine"),
        (with("127.0.0.1:0", &http_taken.to_string()), "key http.bind: 127.0.0.1:"),
        (
            with("request_timeout_ms", &format!("bind = '{wan_taken}', request_timeout_ms")),
            "is in use by another process",
        ),
    ];
    for (config, words) in table {
        desk.write("config.toml", config.as_bytes());
        desk.check_failure("serve --config config.toml", 3, &[words]);
    }
    desk.check_failure("serve --config gone.toml", 3, &["gone.toml: cannot be opened"]);
}

#[test]
fn two_engines_never_write_one_ledger_and_a_changed_image_stops_the_next_start() {
    let desk = desk();
    let fleet = start_fleet(&desk);
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    desk.run("serve --config serve.toml").failed(3, &["another process is writing to this ledger"]);
    desk.run(&create(&url)).succeeded();
    desk.run(&format!("{} -q", create(&url))).failed(3, &["campaign autumn exists already"]);
    serve.kill();
    let stored = fs::read_dir(desk.path("run/images")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&stored).unwrap();
    let mut altered = whole.clone();
    altered[9_000] ^= 1;
    fs::write(&stored, &altered).unwrap();
    desk.run("serve --config serve.toml").failed(4, &["is not the file that was stored under this name"]);
    fs::remove_file(&stored).unwrap();
    desk.run("serve --config serve.toml").failed(3, &["campaign autumn is unfinished and needs image"]);
    fs::write(&stored, &whole).unwrap();
    desk.start("serve --config serve.toml").stop().succeeded();
    fleet.stop().succeeded();
}
