//! Link keys that change while `serve` runs: hubs have got other keys than the engine was started with, another hub is
//! added, and faulty files are not taken.

use rustix::process::Signal;

use crate::running::Running;
use crate::serve::{CONFIG, address, bodies, create, number, wait_for};
use crate::serve_secured::{LINKS, altered, secured_desk};

/// The lines that do not name a hub, and those that do.
fn without(text: &str, hub: &str) -> (String, String) {
    let (with, without): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains(hub));
    let join = |lines: Vec<&str>| lines.into_iter().flat_map(|line| [line, "\n"]).collect();
    (join(without), join(with))
}

fn refused(serve: &mut Running, words: &[&str]) {
    serve.signal(Signal::HUP);
    let refusal = serve.wait_for("are not taken");
    assert!(words.iter().all(|word| refusal.contains(word)), "{words:?}: {refusal}");
}

fn without_colours(line: &str) -> String {
    let parts = line.split('\u{1b}');
    parts
        .map(|part| part.split_once('m').filter(|_| part.starts_with('[')).map_or(part, |(_, rest)| rest))
        .collect()
}

#[test]
fn keys_are_replaced_and_a_hub_is_added_under_a_campaign_without_a_restart() {
    let (desk, fleet) = secured_desk();
    let read = |name: &str| String::from_utf8(desk.read(name)).unwrap();
    let (keys, inventory) = (read("link.keys"), read("lists/inventory.csv"));
    // The second home's, behind which is a meter that takes the image.
    let newcomer = keys.lines().nth(4).unwrap().split(',').next().unwrap().to_owned();
    let (keys_before, added_keys) = without(&altered(&keys), &newcomer);
    let (inventory_before, added_rows) = without(&inventory, &newcomer);
    assert!(added_keys.lines().count() == 1 && added_rows.lines().count() > 1, "{added_rows}");
    desk.write_private("link.keys", keys_before.as_bytes());
    desk.write("lists/inventory.csv", inventory_before.as_bytes());
    // Hubs are asked as long as it takes until the engine has their keys.
    let patient =
        CONFIG.replace("request_timeout_ms = 60000", "request_timeout_ms = 60000, request_attempts = 250");
    desk.write("serve.toml", format!("{patient}{LINKS}").as_bytes());
    let mut serve = desk.start("serve --config serve.toml -v");
    let url = address(&serve);
    desk.run(&create(&url)).succeeded();
    let asked = wait_for(&desk, &url, "asked", |shown| number(&shown["counters"]["requests_sent"]) > 20);
    assert_eq!(number(&asked["counters"]["blocks_sent"]), 0, "no hub has these keys");

    desk.write("lists/inventory.csv", inventory.as_bytes());
    let words = format!("expected a line for each hub of lists/inventory.csv, found none for {newcomer}");
    refused(&mut serve, &["link.keys: ", &words]);
    let last = keys.lines().count();
    desk.write_private("link.keys", &keys.as_bytes()[..keys.trim_end().len() - 2]);
    let fault = format!("link.keys line {last}, column authentication_key: expected 32 hexadecimal digits");
    refused(&mut serve, &[&fault]);

    desk.write_private("link.keys", keys.as_bytes());
    serve.signal(Signal::HUP);
    let taken = without_colours(&serve.wait_for("link keys have changed"));
    let hubs = keys_before.lines().count() - 3;
    assert!(taken.contains(&format!("hubs={hubs} all_hubs=false")), "{taken}");
    serve.wait_for("are judged by from now on");
    let shown = desk.run(&format!("campaign show autumn --url {url} --watch --json")).succeeded().json();
    assert_eq!(number(&shown["tally"]["pending"]), 0, "{shown}");
    assert!(number(&shown["by_outcome"]["activated"]) > 0, "{shown}");
    assert_eq!(bodies(&desk, "staging-failed").len(), 0, "hubs were waited for");

    desk.run(&create(&url).replace("autumn", "winter")).succeeded();
    // One of its devices fails on the image, as one in the street does; so few are in a wave that this may halt it.
    let shown = desk.run(&format!("campaign show winter --url {url} --watch --json")).json();
    assert_eq!(number(&shown["tally"]["pending"]), 0, "{shown}");
    let devices = desk.run(&format!("campaign show winter --url {url} --devices --json")).json();
    let devices = devices["devices"].as_array().unwrap().iter();
    let added: Vec<_> = devices.filter(|device| device["hub"] == newcomer.as_str()).collect();
    assert!(added.iter().any(|device| device["outcome"] == "activated"), "{added:?}");
    serve.stop().succeeded();
    fleet.stop().succeeded();
}
