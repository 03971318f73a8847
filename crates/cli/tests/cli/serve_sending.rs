//! `serve` with several threads that send: the same campaign, with the same outcome for every device.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::desk::Desk;
use crate::running::Running;
use crate::serve::{CONFIG, address, create, desk, number};

/// Homes: enough for turns that bring every thread more than the driver would send itself.
const HOMES: &str = "60";

/// A long street on rates at which nobody waits for a budget, all of it in one wave.
fn long_street(sending_threads: u32) -> Desk {
    let desk = desk();
    let street = String::from_utf8(desk.read("street.toml")).unwrap();
    let longer = street.replacen("installations = 10 ", &format!("installations = {HOMES} "), 1);
    assert_ne!(longer, street);
    desk.write("street.toml", longer.as_bytes());
    // The street has devices that refuse the image or roll back: that ends nothing here.
    let policy = "waves = [1000]\nsuccess_threshold = 500\nfailure_threshold = 1000\npoll_interval_s = 60\n";
    desk.write("policy.toml", policy.as_bytes());
    let budgets =
        "{ global_rate_bytes_per_s = 200000, cell_rate_bytes_per_s = 200000, link_rate_bits_per_s = 4000 }";
    let wan = format!("{{ request_timeout_ms = 60000, sending_threads = {sending_threads} }}");
    let config = CONFIG
        .replace("{ link_rate_bits_per_s = 4000 }", budgets)
        .replace("{ request_timeout_ms = 60000 }", &wan);
    assert!(config.contains("sending_threads") && config.contains("cell_rate"), "{config}");
    desk.write("serve.toml", config.as_bytes());
    desk
}

/// Returns how often each sending thread has gone to sleep, by its name.
fn sending_threads(serve: &Running) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(Path::new("/proc").join(serve.process().to_string()).join("task")).unwrap();
    let threads = tasks.map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
        };
        (field("Name:"), field("voluntary_ctxt_switches:").parse().unwrap())
    });
    threads.filter(|(name, _)| name.starts_with("sending-")).collect()
}

/// Runs a campaign in the long street to its end, and returns what became of each device.
fn outcomes(threads: u32) -> BTreeMap<String, Value> {
    let desk = long_street(threads);
    let fleet = desk.start("fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists");
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    desk.run(&create(&url)).succeeded();
    let shown = desk.run(&format!("campaign show autumn --url {url} --watch --json")).succeeded().json();
    assert_eq!(number(&shown["tally"]["pending"]), 0, "{shown}");
    assert!(number(&shown["by_outcome"]["activated"]) > 0, "{shown}");
    let used = sending_threads(&serve);
    // A thread sleeps once before its first lot and once after each; it has some hundred of them.
    assert_eq!(used.len(), if threads > 1 { threads as usize } else { 0 });
    assert!(used.values().all(|sleeps| *sleeps > 20), "some thread has sent nothing: {used:?}");
    let rows = desk.run(&format!("campaign show autumn --url {url} --devices --json")).succeeded().json();
    assert!(serve.stop().succeeded().stderr.contains("the ledger holds everything"));
    desk.run("ledger verify run/ledger.sqlite").succeeded();
    let census = fleet.stop().succeeded();
    let activated = number(&shown["by_outcome"]["activated"]);
    assert!(census.stdout.contains(&format!("{activated} activated")), "{activated}: {census:?}");
    let rows = rows["devices"].as_array().unwrap().iter();
    rows.map(|row| (row["device"].as_str().unwrap().to_owned(), row["outcome"].clone())).collect()
}

#[test]
fn a_campaign_ends_the_same_for_every_device_whoever_sends() {
    let (several, one) = (outcomes(2), outcomes(1));
    assert_eq!(several.len(), HOMES.parse::<usize>().unwrap());
    assert_eq!(several, one);
}
