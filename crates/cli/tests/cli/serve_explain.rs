//! `campaign explain --engine`: a running engine says of a device what lists in files say, and how far campaigns have come.

use serde_json::Value;

use crate::serve::{address, create, desk, number, wait_for};

fn first(devices: &[Value], is_so: impl Fn(&Value) -> bool) -> &str {
    let found = devices.iter().find(|device| is_so(device)).expect("there is such a device");
    found["device"].as_str().expect("an id")
}

#[test]
fn a_running_engine_explains_a_device_from_before_an_order_to_its_end() {
    let desk = desk();
    let fleet = desk.start("fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists");
    let serve = desk.start("serve --config serve.toml");
    let url = address(&serve);
    let explain = |device: &str| desk.run(&format!("campaign explain {device} --engine {url}"));
    desk.run(&create(&url)).succeeded();
    desk.run(&format!("campaign pause autumn --url {url} --as Jo --reason question")).succeeded();
    let shown = desk.run(&format!("campaign show autumn --url {url} --devices --json")).succeeded().json();
    let devices = shown["devices"].as_array().expect("devices");
    let pending = first(devices, |device| device["stage"] == "instructed");
    let planned = first(devices, |device| device["stage"] == "planned");
    let refused = first(devices, |device| device["outcome"] == "refused");

    // While it is paused nobody has a slot, whoever was instructed before; lists in files would not know of that.
    for device in [pending, planned] {
        let told = explain(device);
        assert_eq!(told.code, 4, "{told:?}");
        for words in ["home INST-", "campaign autumn, paused: wave ", ", waits for ", ": no slot is free; "] {
            assert!(told.stdout.contains(words), "{words}: {told:?}");
        }
        assert!(told.stdout.ends_with("(row A7, QUEUE).\n"), "{told:?}");
    }
    // What it says is what the same lists say without it.
    let lists = format!("campaign explain {refused} --lists lists --on 2020-10-05");
    let by_lists = desk.run(&lists);
    assert_eq!(by_lists.code, 4, "{by_lists:?}");
    let told = explain(refused);
    assert_eq!(told.code, 4, "{told:?}");
    let sentence = by_lists.stdout.lines().last().expect("a sentence");
    assert!(told.stdout.ends_with(&format!("{sentence}\n")), "{sentence}: {told:?}");
    assert!(told.stdout.contains("campaign autumn, paused: ended as refused: "), "{told:?}");

    desk.run(&format!("campaign resume autumn --url {url} --as Jo --reason question")).succeeded();
    wait_for(&desk, &url, "over", |shown| number(&shown["tally"]["pending"]) == 0);
    let activated = desk.run(&format!("campaign show autumn --url {url} --devices --json")).json();
    let activated = activated["devices"].as_array().expect("devices").clone();
    let activated = first(&activated, |device| device["outcome"] == "activated");
    let told = desk.run(&format!("campaign explain {activated} --engine {url} --json")).succeeded().json();
    assert_eq!(told["rulings"][0]["code"], Value::Null, "the clause stands within the verdict: {told}");
    assert_eq!(told["rulings"][0]["verdict"]["code"], "ALREADY_ON_TARGET", "{told}");
    assert_eq!(told["campaigns"][0]["row"]["outcome"], "activated", "{told}");

    explain("00-0D-6F-FF-FF-FF-FF-FF")
        .failed(3, &["no such device: neither the inventory nor a campaign names"]);
    let both = desk.run(&format!("campaign explain {pending} --engine {url} --lists lists"));
    assert!(both.code == 2 && both.stderr.contains("cannot be used with"), "{both:?}");
    serve.stop().succeeded();
    fleet.stop().succeeded();
}
