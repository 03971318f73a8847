//! `campaign explain` and `campaign plan` on the sample lists: answers with their rows, exit codes, faults with their places.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::desk::Desk;
use crate::serve;

/// The files that the sample lists consist of.
pub(crate) const SAMPLES: [&str; 10] = [
    "examples/lists/cpl.csv",
    "examples/lists/epcl.csv",
    "examples/lists/ppcl.csv",
    "examples/lists/evidence.csv",
    "examples/lists/inventory.csv",
    "examples/lists/notices.csv",
    "examples/lists/exclusions.csv",
    "examples/lists/order.toml",
    "firmware-images/esme.ota",
    "firmware-images/gsme.ota",
];

/// A desk with the sample lists.
pub(crate) fn desk() -> Desk {
    let desk = Desk::empty();
    desk.copy_from_repository(&SAMPLES);
    desk
}

/// Replaces a text of a sample list by another, which must be there.
fn damage(desk: &Desk, list: &str, from: &str, to: &str) {
    let name = format!("examples/lists/{list}");
    let text = String::from_utf8(desk.read(&name)).unwrap();
    assert!(text.contains(from), "{text}");
    desk.write(&name, text.replacen(from, to, 1).as_bytes());
}

const PLAN: &str = "campaign plan examples/lists/order.toml --lists examples/lists --on 2020-10-05";
const ON: &str = "--lists examples/lists --on 2020-10-05";

fn explain(desk: &Desk, device: &str, options: &str) -> (i32, Value) {
    let ended = desk.run(&format!("campaign explain 00-0D-6F-00-00-00-{device} {ON} {options} --json"));
    (ended.code, ended.json())
}

fn verdicts(answer: &Value) -> Vec<(&str, &str)> {
    let verdicts = answer["verdicts"].as_array().unwrap().iter();
    verdicts.map(|verdict| (verdict["row"].as_str().unwrap(), verdict["code"].as_str().unwrap())).collect()
}

#[test]
fn each_sample_home_is_answered_by_another_row() {
    let desk = desk();
    let before = desk.files();
    for (device, code, row, word) in [
        ("01-01", 0, "B1", "EPCL"),
        ("01-02", 0, "B1", "EPCL"),
        ("02-01", 4, "A2", "REJECT_ACTIVE"),
        ("03-02", 0, "B2", "EARLY_MT_SIT"),
        ("03-03", 4, "A4", "REJECT_FW_NOT_IN_DMC"),
        ("04-02", 4, "A5", "SKIP_EXCLUDED"),
        ("05-01", 4, "A3", "REJECT_ENROLLED"),
        ("06-01", 4, "B6", "TESTING_INCOMPLETE"),
        ("07-01", 0, "A0", "ALREADY_ON_TARGET"),
        ("08-01", 4, "A10", "REJECT_PATH"),
        ("09-01", 4, "A0", "REJECT_UNKNOWN_DEVICE"),
    ] {
        let (ended, answer) = explain(&desk, device, "--order examples/lists/order.toml");
        assert_eq!((ended, verdicts(&answer)), (code, vec![(row, word)]), "{device}: {answer}");
        assert_eq!(answer["home"].is_null(), device == "09-01");
    }
    assert!(desk.files() == before, "an answer changes no file");
}

#[test]
fn entries_named_by_hand_are_for_the_whole_home_and_without_any_each_is_asked_alone() {
    let desk = desk();
    let both = "--to ESME-01020304 --to GSME-01020304";
    assert_eq!(verdicts(&explain(&desk, "01-01", both).1), [("B1", "EPCL")]);
    // The Active Meter of the Mixed home stays as it is, and the other one is judged beside it as such.
    assert_eq!(verdicts(&explain(&desk, "03-01", both).1), [("A2", "REJECT_ACTIVE")]);
    let (code, mixed) = explain(&desk, "03-02", both);
    assert_eq!((code, verdicts(&mixed)), (0, vec![("B2", "EARLY_MT_SIT")]));
    assert_eq!(verdicts(&explain(&desk, "03-02", "--to GSME-01020304").1), [("B2", "EARLY_MT_SIT")]);
    // Alone, it would leave the gas meter of HOME-1 behind.
    assert_eq!(verdicts(&explain(&desk, "01-01", "").1), [("A4", "REJECT_FW_NOT_IN_DMC")]);
    assert_eq!(verdicts(&explain(&desk, "03-02", "").1), [("B2", "EARLY_MT_SIT")]);
    // The display is shared with the Active Meter.
    let (_, shared) = explain(&desk, "03-03", "");
    assert_eq!(verdicts(&shared), [("A2", "REJECT_ACTIVE")]);
    desk.check_failure(
        &format!("campaign explain 00-0D-6F-00-00-00-01-01 {ON} --to ESME-9"),
        3,
        &["--to", "found ESME-9"],
    );
}

#[test]
fn without_an_order_what_is_missing_is_said_and_what_to_add() {
    let desk = desk();
    for (device, options, said) in [
        (
            "01-00",
            "",
            "no order was given, and the product list has no other entry with an image for its model",
        ),
        ("07-01", "", "--order FILE, or about an entry with --to ENTRY"),
        ("01-01", "--to GSME-01020304", "no order was given, and no entry named with --to is for its model"),
    ] {
        let (code, answer) = explain(&desk, device, options);
        let sentence = answer["verdicts"][0]["sentence"].as_str().unwrap();
        assert!(code == 4 && sentence.contains(said) && !sentence.contains("the order"), "{answer}");
    }
    let ordered = "--order examples/lists/order.toml";
    let (_, answer) = explain(&desk, "01-00", ordered);
    assert!(
        answer["verdicts"][0]["sentence"].as_str().unwrap().contains("the order names no target"),
        "{answer}"
    );
}

#[test]
fn the_day_and_notices_count() {
    let desk = desk();
    let order = "--order examples/lists/order.toml";
    let before = desk.run(&format!(
        "campaign explain 00-0D-6F-00-00-00-03-02 --lists examples/lists --on 2020-09-10 {order} --json"
    ));
    assert_eq!(verdicts(&before.json()), [("B6", "TESTING_INCOMPLETE")]);
    let (_, told) = explain(&desk, "01-01", &format!("{order} --notice-days 10"));
    assert_eq!(verdicts(&told), [("B1", "EPCL")]);
    let (code, early) = explain(&desk, "03-02", &format!("{order} --notice-days 10"));
    assert_eq!((code, verdicts(&early)), (4, vec![("A6", "HOLD_NOT_NOTIFIED")]));
    let (code, open) = explain(&desk, "01-01", &format!("{order} --notice-days 20"));
    assert_eq!((code, verdicts(&open)), (4, vec![("A6", "HOLD_NOT_NOTIFIED")]));
    assert!(open["verdicts"][0]["sentence"].as_str().unwrap().contains("no day before 2020-10-11"), "{open}");
}

#[test]
fn a_plan_counts_every_device_once_and_writes_nothing() {
    let desk = desk();
    let before = desk.files();
    let plan = desk.run(&format!("{PLAN} --price-per-mb 10 --json")).succeeded().json();
    assert!(desk.files() == before, "a plan changes no file");
    let counted: Vec<(&str, u64)> = plan["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["code"].as_str().unwrap(), line["devices"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        counted,
        [
            ("EPCL", 3),
            ("EARLY_MT_SIT", 1),
            ("ALREADY_ON_TARGET", 1),
            ("REJECT_ACTIVE", 2),
            ("REJECT_ENROLLED", 1),
            ("SKIP_EXCLUDED", 2),
            ("REJECT_PATH", 1),
            ("TESTING_INCOMPLETE", 2),
        ]
    );
    assert_eq!((plan["ordered"].as_u64(), plan["allowed"].as_u64()), (Some(13), Some(4)));
    let waves: Vec<u64> =
        plan["waves"].as_array().unwrap().iter().map(|wave| wave["devices"].as_u64().unwrap()).collect();
    assert_eq!(waves.iter().sum::<u64>(), 4);
    // One electricity and three gas meters, and headers.
    let (bytes, bare) = (plan["wan_bytes"].as_u64().unwrap(), 244_914 + 3 * 190_306);
    assert!((bare..bare * 11 / 10).contains(&bytes), "{bytes}");
    let cost = plan["cost"].as_f64().unwrap();
    assert!((cost - bytes as f64 / 1e5).abs() < 0.006, "{cost}");
    // Both images of HOME-1 over its line, at the default of 2,700 bytes a second.
    assert_eq!(
        (plan["bound"]["binding"].as_str(), plan["bound"]["binding_name"].as_str()),
        (Some("line"), Some("HOME-1"))
    );
    let bound = plan["bound"]["time_ms"].as_u64().unwrap();
    assert!((161_000..177_000).contains(&bound), "{bound}");
    assert_eq!((&plan["world_is_assumed"], &plan["forecast"]["campaign"]), (&true.into(), &"town".into()));
    let without = desk.run(&format!("{PLAN} --seeds 0 --json")).succeeded().json();
    assert_eq!((&without["forecast"], &without["world_is_assumed"]), (&Value::Null, &false.into()));
}

#[test]
fn with_a_world_the_plan_is_simulated_on_as_many_homes() {
    let desk = desk();
    desk.copy_from_repository(&["simulators/fleets/street.toml"]);
    let line = format!("{PLAN} --world simulators/fleets/street.toml --seeds 3 --price-per-mb 10 --json");
    let plan = desk.run(&line).succeeded().json();
    let forecast = &plan["forecast"];
    assert_eq!((&forecast["ordered"], &forecast["allowed"]), (&plan["allowed"], &plan["allowed"]));
    let number = |value: &Value| value.as_u64().unwrap();
    assert!(number(&plan["bound"]["time_ms"]) < number(&forecast["bound"]["time_ms"]), "{plan}");
    assert!(number(&forecast["finish_ms"]["p50"]) <= number(&forecast["finish_ms"]["p90"]));
    assert_eq!(forecast["bound"]["binding"], "sleep");
    assert_eq!(desk.run(&line).stdout, desk.run(&line).stdout, "the same words give the same numbers");
    assert_eq!(plan["world_is_assumed"], false);
}

#[test]
fn budgets_of_a_configuration_move_the_bound() {
    let desk = desk();
    let paths = "ledger = 'l'\nimages = 'i'\ntrust = ['t']\norder_key = 'k'\n[lists]\ncpl = 'a'\nepcl = 'b'\n\
                 ppcl = 'c'\nevidence = 'd'\ninventory = 'e'\n";
    let with = |more: &str| {
        desk.write("serve.toml", format!("{paths}{more}").as_bytes());
        desk.run(&format!("{PLAN} --config serve.toml --json"))
    };
    let cell = with("[budgets.cells.CELL-1]\nrate_bytes_per_s = 1000\n").succeeded().json();
    assert_eq!(
        (&cell["bound"]["binding"], &cell["bound"]["binding_name"]),
        (&"cell".into(), &"CELL-1".into())
    );
    with("[budgets.cells.CELL-9]\nrate_bytes_per_s = 1000\n").failed_last(3, "budgets.cells.CELL-9");
    let late = with("[gate]\ntmad_v7_effective = 2020-12-01\n").succeeded().json();
    let codes: Vec<&Value> = late["verdicts"].as_array().unwrap().iter().map(|line| &line["code"]).collect();
    assert!(codes.contains(&&Value::from("EARLY_NOT_IN_EFFECT")), "{late}");
}

#[test]
fn the_engine_says_of_an_order_what_its_plan_said() {
    let desk = desk();
    desk.copy_from_repository(&[
        "firmware-images/keys/development-image.pub.pem",
        "firmware-images/keys/development-order.key.pem",
    ]);
    let key = desk.read("firmware-images/keys/development-order.key.pem");
    desk.write_private("order.key.pem", &key);
    let lists = ["cpl", "epcl", "ppcl", "evidence", "inventory", "notices", "exclusions"];
    let lists = lists.map(|list| format!("{list} = 'examples/lists/{list}.csv'\n")).concat();
    let config = format!(
        "ledger = 'run/ledger.sqlite'\nimages = 'run/images'\norder_key = 'order.key.pem'\n\
         trust = ['firmware-images/keys/development-image.pub.pem']\n[lists]\n{lists}[http]\nbind = \
         '127.0.0.1:0'\n[clock]\nstart = 2020-10-05T00:00:00Z\n[gate]\nnotice_lead_days = 10\n"
    );
    desk.write("serve.toml", config.as_bytes());
    let plan = desk.run(&format!("{PLAN} --config serve.toml --json")).succeeded().json();
    let serve = desk.start("serve --config serve.toml");
    let url = serve::address(&serve);
    let line = format!("campaign create --url {url} --order examples/lists/order.toml --json");
    let created = desk.run(&line).succeeded().json();
    serve.stop().succeeded();
    let counts = |verdicts: &Value| {
        let verdicts = verdicts.as_array().unwrap().iter();
        let code =
            |verdict: &Value| verdict.get("code").or(verdict.pointer("/clause/code")).unwrap().to_string();
        verdicts.map(|verdict| (code(verdict), verdict["devices"].as_u64())).collect::<BTreeMap<_, _>>()
    };
    let counted = counts(&plan["verdicts"]);
    assert_eq!(counted, counts(&created["verdicts"]), "{created}");
    for code in ["SKIP_EXCLUDED", "HOLD_NOT_NOTIFIED", "EPCL"] {
        assert!(counted.contains_key(&format!("\"{code}\"")), "the other two lists count: {plan}");
    }
    assert_eq!(desk.run(&format!("{line} --smso SMSO-2")).code, 2, "one order, not two");
}

#[test]
fn a_wrong_cell_is_named_with_file_line_column_and_what_was_expected() {
    let desk = desk();
    damage(
        &desk,
        "inventory.csv",
        "SUP-1,Dormant,false,,SMSO-1,GROUP-A,CSP-1,127.0.0.4",
        "SUP-1,Asleep,false,,SMSO-1,GROUP-A,CSP-1,127.0.0.4",
    );
    let said = [
        "examples/lists/inventory.csv line 13, column status: expected one of Dormant, Active, NotApplicable, found \
         \"Asleep\"",
    ];
    desk.check_failure(PLAN, 3, &said);
    desk.check_failure(&format!("campaign explain 00-0D-6F-00-00-00-01-01 {ON}"), 3, &said);
    let document = desk.run(&format!("{PLAN} --json"));
    document.failed(3, &said);
    let fault = document.json()["faults"][0].clone();
    assert_eq!(
        (fault["line"].as_u64(), fault["column"].as_str(), fault["found"].as_str()),
        (Some(13), Some("status"), Some("Asleep"))
    );
}

#[test]
fn several_faults_are_all_told_and_the_good_rows_are_taken_only_when_asked_to() {
    let desk = desk();
    damage(&desk, "inventory.csv", "CHF,HOME-8", "HUB,HOME-8");
    damage(&desk, "evidence.csv", "2020-08-28", "28 August 2020");
    let ended = desk.run(PLAN);
    assert_eq!(ended.code, 3);
    for words in [
        "examples/lists/evidence.csv line 2, column date: expected a date written YYYY-MM-DD, found \"28 August 2020\"",
        "examples/lists/inventory.csv line 23, column device_type: expected one of ESME",
        "error: 2 faults in the lists, the first: examples/lists/evidence.csv line 2",
        "hint: --allow-partial",
    ] {
        assert!(ended.stderr.contains(words), "`{words}` is missing: {}", ended.stderr);
    }
    let part = desk.run(&format!("{PLAN} --allow-partial --json")).succeeded();
    let plan = part.json();
    // The home of the bad row is gone as a whole; of the Mixed home's combination half of the tests are left.
    assert_eq!((plan["allowed"].as_u64(), plan["left_out"]["rows_left_out"].as_u64()), (Some(3), Some(3)));
    assert!(part.stderr.contains("inventory.csv line 23"), "{}", part.stderr);
}

#[test]
fn every_fault_is_in_a_file_when_that_is_asked_for() {
    let desk = desk();
    let inventory = String::from_utf8(desk.read("examples/lists/inventory.csv")).unwrap();
    let row = "00-0D-6F-00-01-00-00-00,CHF,LONE,00-0D-6F-00-01-00-00-00,0,CHF-01020300,0102,SUP-1,NotApplicable,maybe,,\
               SMSO-1,GROUP-A,CSP-1,127.0.1.1:4059,CELL-1,\n";
    desk.write("examples/lists/inventory.csv", (inventory + &row.repeat(250)).as_bytes());
    let told = desk.run(PLAN);
    assert!(told.stderr.contains("and 150 faults more: --faults FILE writes all of them"), "{}", told.stderr);
    assert_eq!(told.code, 3);
    for (options, code, name) in
        [("--faults whole.csv", 3, "whole.csv"), ("--allow-partial --faults part.csv", 0, "part.csv")]
    {
        let ended = desk.run(&format!("{PLAN} {options}"));
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("and 150 faults more: all of them are in {name}")),
            "{}",
            ended.stderr
        );
        let file = String::from_utf8(desk.read(name)).unwrap();
        let lines: Vec<&str> = file.lines().collect();
        assert_eq!((lines.len(), lines[0]), (251, "file,line,column,expected,found"), "{file}");
        assert_eq!(lines[250], "examples/lists/inventory.csv,274,enrolled,true or false,maybe");
    }
    desk.check_failure(&format!("{PLAN} --faults whole.csv"), 3, &["whole.csv: exists already"]);
    desk.check_failure(
        &format!("{PLAN} --faults examples/lists/cpl.csv"),
        3,
        &["examples/lists/cpl.csv: is the input file"],
    );
}

#[test]
fn taking_the_good_rows_is_offered_only_where_it_would_help() {
    for (list, from, to, helps) in [
        ("inventory.csv", "CHF,HOME-8", "HUB,HOME-8", true),
        ("notices.csv", "2020-09-28", "soon", true),
        ("exclusions.csv", "2020-07-13", "soon", false),
        ("notices.csv", "mpxn", "mpan", false),
        ("epcl.csv", "DMC-1,", "D\tMC,", false),
    ] {
        let desk = desk();
        damage(&desk, list, from, to);
        let whole = desk.run(PLAN);
        assert_eq!(whole.code, 3, "{}", whole.stderr);
        assert_eq!(whole.stderr.contains("hint: --allow-partial"), helps, "{list}: {}", whole.stderr);
        let part = desk.run(&format!("{PLAN} --allow-partial"));
        assert_eq!(part.code == 0, helps, "{list}: {}", part.stderr);
    }
}

#[test]
fn what_is_missing_or_there_twice_is_said() {
    let desk = desk();
    std::fs::remove_file(desk.path("examples/lists/epcl.csv")).unwrap();
    desk.check_failure(PLAN, 3, &["examples/lists: expected epcl.csv or epcl.xlsx"]);
    desk.check_failure(
        "campaign plan examples/lists/order.toml --on 2020-10-05",
        3,
        &["expected a list cpl.csv"],
    );
    desk.copy_from_repository(&["examples/lists/epcl.csv"]);
    desk.write("examples/lists/epcl.xlsx", b"");
    desk.check_failure(
        PLAN,
        3,
        &["examples/lists/epcl.csv: expected one such list, found examples/lists/epcl.xlsx"],
    );
    std::fs::remove_file(desk.path("examples/lists/epcl.xlsx")).unwrap();
    desk.check_failure(&format!("{PLAN} --cpl nowhere.csv"), 3, &["nowhere.csv: cannot be opened"]);
    desk.check_failure(&format!("{PLAN} --cpl firmware-images"), 3, &["firmware-images: is a folder"]);
}

#[test]
fn an_order_may_name_as_many_devices_as_any_and_no_more() {
    let desk = desk();
    let order = |count: u32| {
        let device = |number: u32| {
            format!("'00-0D-6F-01-00-{:02X}-{:02X}-{:02X}'", number >> 16, number >> 8 & 255, number & 255)
        };
        let devices: Vec<String> = (0..count).map(device).collect();
        let image = "[[targets]]\nimage = '../../firmware-images/esme.ota'\n";
        let text = format!("id = 'a'\nsmso = 'SMSO-1'\ndevices = [{}]\n{image}", devices.join(", "));
        desk.write("examples/lists/order.toml", text.as_bytes());
        desk.run(&format!("{PLAN} --json"))
    };
    let plan = order(50_000);
    plan.failed_last(4, "the gate allows none");
    assert_eq!(plan.json()["verdicts"][0]["code"], "REJECT_UNKNOWN_DEVICE");
    assert_eq!(plan.json()["verdicts"][0]["devices"], 50_000);
    order(50_001).failed_last(3, "devices: expected 1 to 50000, found 50001");
}

#[test]
fn an_order_that_makes_no_sense_is_refused_with_its_place() {
    for (from, to, code, said) in [
        ("smso = \"SMSO-1\"", "smso = 7", 3, "order.toml line 6, column 8, key smso"),
        ("smso = \"SMSO-1\"", "smso = \"SM\\tSO\"", 3, "order.toml line 6, column 8, key smso: expected"),
        ("waves = [300]", "waves = [1300]", 3, "a share is above 1000"),
        (
            "waves = [300]",
            "waves = [20, 1300]",
            3,
            "order.toml line 28, column 14, key waves: a share is above 1000",
        ),
        (
            "waves = [300]",
            "weight = 0",
            3,
            "order.toml line 28, column 10, key weight: no weight, expected 1 to 1000",
        ),
        (
            "waves = [300]",
            "approvals = 3",
            3,
            "line 28, column 13, key approvals: too many approvals, expected 0, 1",
        ),
        (
            "waves = [300]",
            "sending = [\"22:00-06:00\",\n  \"01:00-01:30\"]",
            3,
            "order.toml line 29, column 3, key sending: a window is shorter than an hour, expected at least 60 minutes",
        ),
        (
            "waves = [300]",
            "sending = [\n\"25:00-26:00\"]",
            3,
            "key sending: expected a window as \"HH:MM-HH:MM\"",
        ),
        ("\"00-0D-6F-00-00-00-01-01\"", "\"00-0D\"", 3, "order.toml line 10, column 5, key devices: "),
        ("\"00-0D-6F-00-00-00-01-02\"", "\"00-0D\"", 3, "order.toml line 10, column 32, key devices: "),
        ("\"00-0D-6F-00-00-00-01-01\"", "7", 3, "order.toml line 10, column 5, key devices: "),
        ("\"00-0D-6F-00-00-00-01-01\"", "\"00-0D-6F-00-00-00-01-02\"", 3, "is named twice"),
        (
            "\"00-0D-6F-00-00-00-03-02\"",
            "\"00-0D-6F-00-00-00-01-02\"",
            3,
            "order.toml line 12, column 5, key devices: expected each device once, found 00-0D-6F-00-00-00-01-02, which \
             is named twice: line 10 has it",
        ),
        ("ESME-01020304\"", "ESME-77\"", 3, "no entry ESME-77"),
        ("ESME-01020304\"", "ESME-77\"", 3, "order.toml line 22, column 13, key cpl_entry: "),
        ("ESME-01020304\"", "\"", 3, "order.toml line 22, column 13, key cpl_entry: expected"),
        ("esme.ota", "hub.ota", 3, "cannot be opened"),
        ("\"DCC\"", "\"Somebody\"", 4, "the gate allows none"),
    ] {
        let desk = desk();
        damage(&desk, "order.toml", from, to);
        desk.run(PLAN).failed_last(code, said);
    }
    let desk = desk();
    let mut image = desk.read("firmware-images/gsme.ota");
    image[100_000] ^= 1;
    desk.write("firmware-images/gsme.ota", &image);
    desk.run(PLAN).failed_last(4, "firmware-images/gsme.ota: refused");
}
