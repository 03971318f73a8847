//! Releases and statuses: two different people, only for images that verify, never written over by accident.

use serde_json::json;

use crate::desk::Desk;
use crate::trust_desk::{AT, RELEASE, STATUS};

#[test]
fn a_release_is_approved_by_two_different_people() {
    let desk = Desk::with_release();
    let half = desk.run(&format!("{RELEASE} --serial 2 --key keys/bob.key.pem --out r.release {AT} --json"));
    let report = half.succeeded().json();
    assert_eq!(report["approvals"], 1);
    assert_eq!(report["approvals_needed"], 2);
    let holders = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|key| key["holder"].as_str().unwrap().to_owned()).collect()
    };
    let mut may = holders(&report["may_approve"]);
    may.sort();
    assert_eq!(
        (holders(&report["approved_by"]), may),
        (vec!["bob".to_owned()], vec!["alice".into(), "carol".into()])
    );
    assert_eq!(report["target_count"], 2);
    assert_eq!(report["images"].as_array().unwrap().len(), 1);

    let approve =
        |key: &str| format!("-q image approve r.release --root trust --key keys/{key}.key.pem {AT}");
    desk.check_failure(
        &approve("bob"),
        4,
        &["r.release: refused as too-few-signers", "bob has approved already"],
    );
    let ended =
        desk.check_failure(&approve("maker"), 4, &["r.release: refused as untrusted-key", "no operator's"]);
    assert!(ended.stderr.contains("hint: operators are "), "{ended:?}");
    let ended = desk.run(&approve("carol").replace("-q ", "")).succeeded();
    assert!(ended.stderr.starts_with("approving r.release\ncampaign      autumn, release 2\n"), "{ended:?}");
    assert!(ended.stdout.contains("approvals     2 of 2"), "{ended:?}");
    desk.run(&format!("image verify r.release --root trust {AT}")).succeeded();
}

#[test]
fn a_second_key_of_one_person_is_no_second_approval() {
    let desk = Desk::with_release();
    desk.rotate("trust", "--add-operator alice=keys/root-d.pub.pem");
    let line = format!("-q image approve half.release --root trust --key keys/root-d.key.pem {AT}");
    desk.check_failure(&line, 4, &["too-few-signers", "alice has approved already"]);
    let both = "--key keys/alice.key.pem --key keys/root-d.key.pem";
    let line = format!("{RELEASE} --serial 3 {both} --out r.release {AT}");
    desk.check_failure(&line, 4, &["too-few-signers", "alice has approved already"]);
}

#[test]
fn only_images_that_verify_are_released_and_only_whole_tables_are_targets() {
    let desk = Desk::with_release();
    let line = |from: &str, to: &str| {
        format!("{RELEASE} --serial 2 --key keys/alice.key.pem --out r.release {AT}").replace(from, to)
    };
    desk.check_failure(&line("signed.ota", "meter.ota"), 4, &["meter.ota: refused as arbitrary-software"]);
    desk.write("other.csv", b"device\n00-0D-6F-00-00-00-00-02\n");
    desk.check_failure(
        &line("targets.csv", "other.csv"),
        3,
        &["other.csv line 1: expected a column `device_id`"],
    );
    desk.write("other.csv", b"device_id\n00-0D-6F-00-00-00-00-02\nmeter\n");
    desk.check_failure(
        &line("targets.csv", "other.csv"),
        3,
        &["other.csv line 3, column device_id", "EUI-64"],
    );
    desk.write("other.csv", b"device_id\n00-0D-6F-00-00-00-00-02\n00-0D-6F-00-00-00-00-02\n");
    desk.check_failure(&line("targets.csv", "other.csv"), 3, &["each once, found 2 rows with 1 devices"]);
    desk.write("other.csv", b"device_id\n");
    desk.check_failure(&line("targets.csv", "other.csv"), 3, &["other.csv: expected devices"]);
    desk.check_failure(&line("policy.toml", "absent.toml"), 3, &["absent.toml: cannot be opened"]);
    desk.check_failure(&line("r.release", "full.release"), 3, &["full.release: exists already"]);
    desk.check_failure(&line("r.release", "signed.ota --force"), 3, &["signed.ota: is the input file"]);
    desk.check_failure(&format!("{} --valid 31d", line("x", "x")), 3, &["the release", "at most 30 days"]);
}

#[test]
fn a_release_says_nothing_about_who_holds_a_file_but_its_content() {
    let desk = Desk::with_release();
    let same = format!("{RELEASE} --serial 1 --key keys/alice.key.pem --out again.release {AT}");
    desk.run(&same).succeeded();
    assert_eq!(desk.read("again.release"), desk.read("half.release"), "the same words are the same bytes");
}

#[test]
fn a_status_names_the_newest_root_and_the_floors() {
    let desk = Desk::with_chain();
    desk.rotate("trust", "");
    let line = format!(
        "{STATUS} --serial 7 --floor 0x10E5:0x0012=5 --floor 0x10E5:0x0011=9 --out s.status {AT} --json"
    );
    let report = desk.run(&line).succeeded().json();
    assert_eq!(report["newest_root"], 2);
    assert_eq!(report["expires"], "2026-11-24T12:00:00Z");
    assert_eq!(
        report["floors"][0],
        json!({ "manufacturer_code": "0x10E5", "image_type": "0x0011", "lowest_sequence": 9 })
    );
    desk.check_failure(&line, 3, &["s.status: exists already"]);
    let other = format!("{STATUS} --serial 8 --out t.status {AT}");
    let strange = other.replace("status.key.pem", "order.key.pem");
    desk.check_failure(&strange, 4, &["t.status: refused as untrusted-key", "not the status key"]);
    desk.check_failure(&format!("{other} --valid 25h"), 3, &["t.status", "at most 24 h"]);
    let twice = format!("{other} --floor 1:1=1 --floor 1:1=2");
    desk.check_failure(&twice, 3, &["floors: expected", "none twice"]);
    let late = other.replace("2026", "2028");
    desk.check_failure(&late, 4, &["trust: refused as freeze", "expired at 2027-11-23T12:00:00Z"]);
}
