//! An order on a world: what the forecast says follows from the order's own policy and the configured budgets, and what a
//! world has no place for is said.

use serde_json::Value;

use crate::desk::Desk;
use crate::gate::desk;

const PLAN: &str = "campaign plan examples/lists/order.toml --lists examples/lists --on 2020-10-05 \
                    --world simulators/fleets/street.toml --seeds 1 --json";

/// The sample order with one more line in its policy, on the street.
fn plan(policy: &str, options: &str, config: &str) -> Value {
    let desk: Desk = desk();
    desk.copy_from_repository(&["simulators/fleets/street.toml"]);
    let order = String::from_utf8(desk.read("examples/lists/order.toml")).unwrap();
    desk.write("examples/lists/order.toml", format!("{order}{policy}\n").as_bytes());
    let paths = "ledger = 'l'\nimages = 'i'\ntrust = ['t']\norder_key = 'k'\n[lists]\ncpl = 'a'\nepcl = 'b'\n\
                 ppcl = 'c'\nevidence = 'd'\ninventory = 'e'\n";
    desk.write("serve.toml", format!("{paths}{config}").as_bytes());
    desk.run(&format!("{PLAN} {options}")).succeeded().json()
}

fn finish(plan: &Value) -> u64 {
    plan.pointer("/forecast/finish_ms/p50").and_then(Value::as_u64).unwrap()
}

fn mains_finish(plan: &Value) -> u64 {
    plan.pointer("/forecast/mains_finish_ms/p50").and_then(Value::as_u64).unwrap()
}

const DAY_MS: u64 = 86_400_000;

#[test]
fn the_policy_of_the_order_holds_on_the_world() {
    let usual = plan("", "", "");
    assert!(finish(&usual) < DAY_MS, "{usual}");
    assert_eq!(usual["otherwise_on_world"], Value::Array(Vec::new()));
    // From one hour of the day on which it is ordered, midnight, to another.
    for (policy, at_least) in [
        ("activate_not_before = '2020-11-05T00:00:00Z'", 31 * DAY_MS),
        ("soak_s = 864000", 20 * DAY_MS),
        ("sending = ['22:00-23:00']", 20 * DAY_MS / 24),
        ("activating = ['12:00-13:00']", 10 * DAY_MS / 24),
    ] {
        let held = plan(policy, "", "");
        assert!(finish(&held) >= at_least, "{policy}: {held}");
        let bound = held.pointer("/bound/time_ms").and_then(Value::as_u64).unwrap();
        assert!(bound <= finish(&held), "no forecast ends before what cannot be beaten, {policy}: {held}");
    }
    // One device of a model at a time: images that went side by side go one after another.
    let capped = plan("at_risk_most_per_model = 1", "", "");
    assert!(finish(&capped) > finish(&usual), "{capped}");
    let said = capped["otherwise_on_world"][0].as_str().unwrap();
    assert!(said.starts_with("at_risk_most_per_model: counted by the world's models"), "{said}");
}

#[test]
fn configured_budgets_hold_on_the_world() {
    let usual = plan("", "", "");
    for budgets in [
        "link_rate_bits_per_s = 2160",
        "global_rate_bytes_per_s = 300",
        "cell_rate_bytes_per_s = 300",
        "[budgets.carriers.CSP-1]\nrate_bytes_per_s = 300",
        "[budgets.cells.CELL-1]\nrate_bytes_per_s = 300\n[budgets.cells.CELL-2]\nrate_bytes_per_s = 300",
    ] {
        let short = plan("", "--config serve.toml", &format!("[budgets]\n{budgets}\n"));
        assert!(mains_finish(&short) > 2 * mains_finish(&usual), "{budgets}: {short}");
        assert_eq!(short["otherwise_on_world"], Value::Array(Vec::new()), "{budgets}");
    }
}

#[test]
fn what_a_world_has_no_place_for_is_said() {
    let policy = "approvals = 2\nweight = 300\nfloor_per_supplier = 1\nat_risk_most_per_district = 9";
    // One of the two cells.
    let config = "[budgets.cells.CELL-1]\nrate_bytes_per_s = 300";
    let plan = plan(policy, "--config serve.toml", config);
    let said: Vec<&str> =
        plan["otherwise_on_world"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let keys: Vec<&str> = said.iter().filter_map(|said| Some(said.split_once(": ")?.0)).collect();
    assert_eq!(
        keys,
        ["approvals", "weight", "floor_per_supplier", "at_risk_most_per_district", "budgets.cells"],
        "{said:?}"
    );
}
