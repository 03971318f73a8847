//! Lists that change while `serve` runs: evidence is withdrawn under a campaign, and a bad list is not taken.

use rustix::process::Signal;
use serde_json::Value;

use crate::serve::{address, bodies, create, desk, number};

fn row(order: &Value) -> &str {
    order["row"].as_str().unwrap()
}

#[test]
fn evidence_that_is_withdrawn_under_way_stops_activations_without_a_restart() {
    let desk = desk();
    let fleet = desk.start("fleet street.toml --port 0 --speed 600 --image esme.ota --inventory lists");
    let mut serve = desk.start("serve --config serve.toml -v");
    let url = address(&serve);
    desk.run(&create(&url)).succeeded();
    let ask = |what: &str| {
        desk.run(&format!("campaign {what} autumn --url {url} --as me --reason test")).succeeded();
    };
    ask("pause");
    let ordered_before = bodies(&desk, "activation-ordered").len();

    let evidence = String::from_utf8(desk.read("lists/evidence.csv")).unwrap();
    desk.write("lists/evidence.csv", evidence.replace(",MT,complete", ",MT,finished").as_bytes());
    serve.signal(Signal::HUP);
    let refusal = serve.wait_for("are not taken");
    assert!(refusal.contains("lists/evidence.csv line "), "{refusal}");
    assert!(refusal.contains("column state"), "{refusal}");

    // Reports in their own rows, tests in rows that are added.
    let tests = evidence.lines().filter(|row| row.contains(",complete,"));
    let added: String = tests.map(|row| row.replace(",complete,", ",withdrawn,") + "\n").collect();
    let withdrawn = evidence.replace(",issued,", ",withdrawn,") + &added;
    assert!(!added.is_empty() && withdrawn.contains("REPORT,withdrawn"), "{evidence}");
    desk.write("lists/evidence.csv", withdrawn.as_bytes());
    serve.signal(Signal::HUP);
    serve.wait_for("are judged by from now on");
    ask("resume");
    let shown = desk.run(&format!("campaign show autumn --url {url} --watch --json")).succeeded().json();
    assert_eq!(number(&shown["tally"]["pending"]), 0, "{shown}");
    assert!(number(&shown["by_outcome"]["activated"]) > 0, "some rest on the list alone: {shown}");

    let orders = bodies(&desk, "activation-ordered");
    assert!(orders.len() > ordered_before);
    assert!(orders[ordered_before..].iter().all(|order| row(order) == "B1"), "{orders:?}");
    let outcomes = bodies(&desk, "outcome");
    let stopped = |outcome: &&Value| {
        let is_held = ["refused", "held_unactivated"].contains(&outcome["outcome"].as_str().unwrap());
        is_held && outcome["reason"] == "NO_EVIDENCE"
    };
    assert!(outcomes.iter().filter(stopped).count() > 0, "{outcomes:?}");
    serve.stop().succeeded();
    fleet.stop().succeeded();
}
