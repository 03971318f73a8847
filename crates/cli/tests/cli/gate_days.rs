//! What `campaign explain` says of facts that hold from a day on: a test that is withdrawn, an exclusion to come.

use serde_json::Value;

use crate::desk::Desk;
use crate::gate::desk;

/// Adds rows to a sample list.
fn add(desk: &Desk, list: &str, rows: &str) {
    let name = format!("examples/lists/{list}");
    let text = String::from_utf8(desk.read(&name)).unwrap();
    desk.write(&name, format!("{text}{rows}\n").as_bytes());
}

fn explain(device: &str, day: &str) -> String {
    format!(
        "campaign explain 00-0D-6F-00-00-00-{device} --lists examples/lists --order examples/lists/order.toml --on {day}"
    )
}

/// The row that withdraws was read, and the test that it withdraws still unlocked the device.
#[test]
fn a_test_that_a_row_withdraws_unlocks_until_that_day_and_no_longer() {
    let desk = desk();
    add(&desk, "evidence.csv", "DMC-2,MT,withdrawn,2020-09-30,report 17,,");
    let said = desk.run(&explain("03-02", "2020-09-29")).succeeded().stdout;
    assert!(said.contains("MT report 17 (complete 2020-08-28)"), "{said}");
    let told = desk.run(&explain("03-02", "2020-10-05"));
    assert_eq!(told.code, 4, "{told:?}");
    let why = "MT of combination DMC-2 is not complete, and no DMCT EPCL Report is issued; see MT report 17 (withdrawn \
               2020-09-30) and SIT report 9 (complete 2020-09-18) (row B6, TESTING_INCOMPLETE).\n";
    assert!(told.stdout.ends_with(why), "{told:?}");
}

/// A home was shown as excluded on a day before the exclusion, beside a verdict that said that it may be updated.
#[test]
fn an_exclusion_is_shown_from_its_day_on_and_before_as_one_to_come() {
    let desk = desk();
    add(&desk, "exclusions.csv", "00-0D-6F-00-00-00-01-01,supplier-belief,2021-01-01,letter 5");
    let meter = "  ESME  00-0D-6F-00-00-00-01-01 runs ESME-01020300, Dormant";
    for (day, code, shown, now, later) in [
        ("2020-10-05", 0, "to be excluded as supplier-belief from 2021-01-01", None, Some("2021-01-01")),
        ("2021-01-01", 4, "excluded as supplier-belief", Some("supplier-belief"), None),
    ] {
        let told = desk.run(&explain("01-01", day));
        assert_eq!(told.code, code, "{told:?}");
        assert!(told.stdout.contains(&format!("{meter}, {shown}\n")), "{told:?}");
        let told = desk.run(&format!("{} --json", explain("01-01", day))).json();
        let member = &told["home"]["devices"][1];
        assert_eq!((member["exclusion"].as_str(), member["later_exclusion"]["from"].as_str()), (now, later));
        assert_eq!(member["later_exclusion"]["reason"].as_str(), later.map(|_| "supplier-belief"));
        assert_eq!(told["home"]["devices"][0]["later_exclusion"], Value::Null, "{told}");
    }
}

/// It was dropped, and no file came about.
#[test]
fn a_question_to_an_engine_takes_no_option_about_lists() {
    let desk = desk();
    let engine = "campaign explain 00-0D-6F-00-00-00-01-01 --engine http://127.0.0.1:9";
    for option in ["--faults faults.csv", "--lists examples/lists", "--allow-partial", "--on 2020-10-05"] {
        let ended = desk.run(&format!("{engine} {option}"));
        assert!(ended.code == 2 && ended.stderr.contains("cannot be used with"), "{option}: {ended:?}");
    }
}
