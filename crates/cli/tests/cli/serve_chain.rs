//! `serve` and `fleet` under a chain of trust: hubs that hold an older root are led to today's, get their papers, and
//! only then an image.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::desk::Desk;
use crate::running::Running;

const CONFIG: &str = "\
ledger = 'run/ledger.sqlite'
images = 'run/images'
order_key = 'keys/order.key.pem'
chain = { roots = 'trust', papers = ['today.status', 'autumn.release'] }
lists = { cpl = 'lists/cpl.csv', epcl = 'lists/epcl.csv', ppcl = 'lists/ppcl.csv', evidence = 'lists/evidence.csv', \
inventory = 'lists/inventory.csv' }
http = { bind = '127.0.0.1:0' }
wan = { request_timeout_ms = 60000 }
clock = { speed = 600.0, start = 2020-10-05T00:00:00Z }
";

/// The moment at which everything is signed: the simulated clock begins a little later.
const AT: &str = "--at 2020-10-04T23:59:00Z";

/// Keys for all, two roots, an image, its release and the status of the day.
fn desk() -> Desk {
    let desk = Desk::empty();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, source) in [
        ("policy.toml", "examples/policy.toml"),
        ("targets.csv", "examples/targets.csv"),
        ("street.toml", "simulators/fleets/street.toml"),
    ] {
        desk.write(name, &fs::read(root.join(source)).unwrap());
    }
    let run = |line: &str| drop(desk.run(line).succeeded());
    for name in ["root-a", "root-b", "root-c", "maker", "alice", "bob", "status", "order"] {
        run(&format!("image keygen --out keys --name {name}"));
    }
    run(&format!(
        "image trust init --out trust --root-key keys/root-a.key.pem --root-key keys/root-b.key.pem \
         --root-key keys/root-c.pub.pem --maker 0x10E5:0x0011=keys/maker.pub.pem \
         --operator alice=keys/alice.pub.pem --operator bob=keys/bob.pub.pem --status keys/status.pub.pem \
         --order keys/order.pub.pem {AT}"
    ));
    fs::copy(desk.path("trust/1.root"), desk.path("factory.root")).unwrap();
    run(&format!(
        "image trust rotate trust --new-epoch --key keys/root-a.key.pem --key keys/root-b.key.pem {AT}"
    ));
    let payload: Vec<u8> = (0..8_000_u32).flat_map(u32::to_le_bytes).collect();
    desk.write("app.bin", &payload);
    run(
        "image build --payload app.bin --manufacturer-code 0x10E5 --image-type 0x0011 --file-version 0x01020304 \
         --hardware 0x0100..0x01FF --out app.ota",
    );
    run("image sign app.ota --key keys/maker.key.pem --min-root 1 --out esme.ota");
    run(&format!(
        "image release esme.ota --root trust --campaign autumn --serial 1 --targets targets.csv --policy policy.toml \
         --key keys/alice.key.pem --out autumn.release {AT}"
    ));
    run(&format!("image approve autumn.release --root trust --key keys/bob.key.pem {AT}"));
    run(&format!("image status --root trust --serial 1 --key keys/status.key.pem --out today.status {AT}"));
    desk.write("serve.toml", CONFIG.as_bytes());
    desk
}

fn shown_when_ended(desk: &Desk, serve: &Running) -> Value {
    let url = serve.ready.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    desk.run(&format!(
        "campaign create --url {url} --image esme.ota --smso SMSO-1 --id autumn --policy policy.toml --json"
    ))
    .succeeded();
    let began = Instant::now();
    loop {
        let shown = desk.run(&format!("campaign show autumn --url {url} --json")).succeeded().json();
        if shown["tally"]["pending"].as_u64() == Some(0) {
            return shown;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "still not ended: {shown}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_street_that_holds_an_old_root_is_led_to_todays_and_updated() {
    let desk = desk();
    let fleet = desk.start(
        "fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists --root factory.root",
    );
    let serve = desk.start("serve --config serve.toml");
    let shown = shown_when_ended(&desk, &serve);
    let activated = shown["by_outcome"]["activated"].as_u64().unwrap_or(0);
    assert!(activated > 0, "{shown}");
    serve.stop().succeeded();
    let census = fleet.stop().succeeded();
    assert!(census.stdout.contains(&format!("{activated} activated")), "{census:?}");
}

#[test]
fn nothing_is_activated_before_two_operators_have_signed_the_release_for_exactly_these_devices() {
    let desk = desk();
    let policy = String::from_utf8(desk.read("policy.toml")).unwrap();
    desk.write("policy.toml", policy.replace("approvals = 0 ", "approvals = 2 ").as_bytes());
    let fleet = desk.start(
        "fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists --root factory.root",
    );
    let serve = desk.start("serve --config serve.toml");
    let url = crate::serve::address(&serve);
    desk.run(&crate::serve::create(&url)).succeeded();
    let show = || desk.run(&format!("campaign show autumn --url {url} --devices --json")).succeeded().json();
    let at = |shown: &Value, stage: &str| shown["by_stage"][stage].as_u64().unwrap_or(0);
    crate::serve::wait_for(&desk, &url, "delivered", |shown| at(shown, "delivered") > 0);
    // The release that the hubs have is for the devices of another list.
    desk.run(&format!("campaign approve autumn autumn.release --url {url}"))
        .failed(4, &["autumn.release: the release approves nothing here", "another set of devices"]);
    let shown = show();
    let listed = shown["devices"].as_array().unwrap().iter().map(|row| row["device"].as_str().unwrap());
    desk.write("all.csv", format!("device_id\n{}\n", listed.collect::<Vec<_>>().join("\n")).as_bytes());
    desk.run(&format!(
        "image release esme.ota --root trust --campaign autumn --serial 2 --targets all.csv --policy policy.toml \
         --key keys/alice.key.pem --out all.release {AT}"
    ))
    .succeeded();
    desk.run(&format!("campaign approve autumn all.release --url {url}"))
        .failed(4, &["all.release: the release approves nothing here"]);
    assert_eq!(at(&show(), "ordered"), 0, "an order without approvals");
    desk.run(&format!("image approve all.release --root trust --key keys/bob.key.pem {AT}")).succeeded();
    let approved = desk.run(&format!("campaign approve autumn all.release --url {url}")).succeeded();
    assert!(approved.stdout.contains("campaign autumn is approved by alice, bob: 2 needed"), "{approved:?}");
    let shown = crate::serve::wait_for(&desk, &url, "activating", |shown| {
        shown["by_outcome"]["activated"].as_u64().unwrap_or(0) > 0
    });
    assert_eq!(shown["approved_by"], serde_json::json!(["alice", "bob"]));
    serve.stop().succeeded();
    assert_eq!(crate::serve::bodies(&desk, "approved").len(), 1);
    fleet.stop().succeeded();
}

#[test]
fn an_engine_does_not_start_on_a_chain_that_does_not_hold() {
    let desk = desk();
    desk.start(
        "fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists --root factory.root",
    )
    .kill();
    let second = desk.read("trust/2.root");
    fs::remove_file(desk.path("trust/2.root")).unwrap();
    desk.write("trust/3.root", &second);
    desk.check_failure("serve --config serve.toml", 3, &["3.root: expected trust root 3, found 2"]);
    fs::remove_file(desk.path("trust/3.root")).unwrap();
    let mut altered = second;
    altered[40] ^= 1;
    desk.write("trust/2.root", &altered);
    desk.check_failure("serve --config serve.toml", 4, &["2.root: refused as tampering"]);
    assert!(!desk.path("run").exists(), "nothing was written");
}
