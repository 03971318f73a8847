//! Chains of trust roots: made, signed on several machines, rotated, revoked from, shown; nothing half written.

use std::fs;

use serde_json::{Value, json};

use crate::desk::{Desk, Ended};
use crate::trust_desk::{AT, DUTIES, ROOT_KEYS};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn show(desk: &Desk) -> Value {
    desk.run(&format!("image trust show trust {AT} --json")).succeeded().json()
}

#[test]
fn a_first_root_signed_by_enough_is_complete_and_says_everything() {
    let desk = Desk::with_chain();
    assert_eq!(fs::read_dir(desk.path("trust")).unwrap().count(), 1);
    let report = show(&desk);
    assert_eq!(keys(&report), ["against", "chain", "revoked", "roles", "roots", "verdict", "warnings"]);
    assert_eq!(report["verdict"], "verified");
    let root = &report["roots"][0];
    assert_eq!(keys(root), ["changes", "digest", "epoch", "expires", "issued", "signed_by", "version"]);
    assert_eq!(
        (&root["issued"], &root["expires"]),
        (&json!("2026-11-23T12:00:00Z"), &json!("2027-11-23T12:00:00Z"))
    );
    let signers: Vec<_> = root["signed_by"].as_array().unwrap().iter().map(|key| &key["holder"]).collect();
    assert_eq!(signers, ["root-a", "root-b"]);
    let roles: Vec<_> = report["roles"].as_array().unwrap().iter().map(|role| &role["role"]).collect();
    assert_eq!(roles, ["root", "maker 0x10E5", "operator", "status", "order"]);
    let text = desk.run(&format!("image trust show trust {AT}")).succeeded().stdout;
    assert!(text.contains("operator: 2 of 3: alice ("), "{text}");
}

#[test]
fn a_root_that_waits_for_signatures_is_a_draft_until_the_last_one() {
    let desk = Desk::with_keys();
    let line = format!(
        "image trust init --out trust --root-key keys/root-a.pub.pem --root-key keys/root-b.pub.pem \
         --root-key carla=keys/root-c.pub.pem {DUTIES} {AT} --json"
    );
    let report = desk.run(&line).succeeded().json();
    assert_eq!(report["complete"], false);
    assert_eq!(report["file"], "trust/1.root.draft");
    assert_eq!(
        report["missing"],
        json!([{ "root": 1, "have": 0, "need": 2, "of": ["carla", "root-a", "root-b"] }])
    );
    desk.check_failure("image trust show trust", 3, &["trust: expected trust roots"]);
    desk.check_failure(&line, 3, &["trust/1.root.draft: waits for signatures"]);

    let one = desk.run("image trust sign trust --key keys/root-c.key.pem --json").succeeded().json();
    assert_eq!(one["missing"][0]["of"], json!(["root-a", "root-b"]));
    assert!(!desk.path("trust/1.root").exists());
    let strange = "-q image trust sign trust/1.root.draft --key keys/maker.key.pem";
    desk.check_failure(strange, 4, &["untrusted-key", "no root key"]);

    let ended = desk.run("image trust sign trust/1.root.draft --key keys/root-a.key.pem --json").succeeded();
    assert!(ended.stderr.starts_with("signing\nroot          1\n"), "shown before it is signed: {ended:?}");
    assert_eq!(ended.json()["file"], "trust/1.root");
    assert!(desk.path("trust/1.root").exists() && !desk.path("trust/1.root.draft").exists());
    desk.check_failure("image trust sign trust --key keys/root-b.key.pem", 3, &["found none"]);
}

#[test]
fn a_rotation_is_signed_by_the_old_keys_and_the_new_ones() {
    let desk = Desk::with_chain();
    let change = "--add-root-key keys/root-d.pub.pem --remove-root-key root-a --remove-root-key root-b \
                  --add-root-key dora=keys/maker-2.pub.pem --new-epoch --remove-operator carol";
    let line = format!("image trust rotate trust {change} {ROOT_KEYS} {AT} --json");
    let draft = desk.run(&line).succeeded().json();
    assert_eq!(draft["complete"], false);
    assert_eq!(
        draft["missing"],
        json!([{ "root": 2, "have": 0, "need": 2, "of": ["dora", "root-c", "root-d"] }]),
        "the old quorum has signed, the new one has not"
    );
    assert_eq!(draft["epoch"], 1);
    let changes = draft["changes"].to_string();
    for words in ["root loses root-a", "root gains dora", "operator loses carol", "epoch 1 instead of 0"] {
        assert!(changes.contains(words), "{changes}");
    }
    let rotate = format!("image trust rotate trust {ROOT_KEYS} {AT}");
    desk.check_failure(&rotate, 3, &["trust/2.root.draft: waits for signatures"]);
    let sign = "image trust sign trust --key keys/root-c.key.pem --key keys/root-d.key.pem --json";
    assert_eq!(desk.run(sign).succeeded().json()["complete"], true);
    assert_eq!(show(&desk)["roots"].as_array().unwrap().len(), 2);
    desk.check_failure(&rotate, 4, &["trust root 3", "untrusted-key"]);
}

#[test]
fn a_revoked_key_loses_its_duty_and_is_listed_for_ever() {
    let desk = Desk::with_chain();
    let revoke = |key: &str| format!("image trust revoke trust --revoke {key} {ROOT_KEYS} {AT}");
    desk.check_failure(&revoke("keys/status.pub.pem"), 3, &["the duty `status` without the key"]);
    desk.check_failure(
        &revoke("0123456789abcdef"),
        3,
        &["--revoke 0123456789abcdef", "expected a public key file"],
    );
    let replaced = |key: &str, by: &str| format!("{} --replace {by}", revoke(key));
    let wrong = replaced("keys/status.pub.pem", "order=keys/root-d.pub.pem");
    desk.check_failure(&wrong, 3, &["the duty `status` without the key"]);
    let both = format!(
        "{} --replace order=keys/maker-2.pub.pem",
        replaced("keys/status.pub.pem", "status=keys/root-d.pub.pem")
    );
    desk.check_failure(&both, 3, &["--replace order: no revoked key has this duty"]);

    desk.run(&replaced("keys/alice.pub.pem", "operator=keys/root-d.pub.pem")).succeeded();
    let report = show(&desk);
    assert_eq!(report["revoked"].as_array().unwrap().len(), 1);
    let operators = report["roles"][2]["keys"].as_array().unwrap();
    assert_eq!(
        operators.iter().filter(|key| key["holder"] == "alice").count(),
        1,
        "alice has another key now"
    );
    desk.check_failure(&revoke("keys/alice.pub.pem"), 3, &["the key is revoked already"]);
    let back = format!("image trust rotate trust --add-operator alice=keys/alice.pub.pem {ROOT_KEYS} {AT}");
    desk.check_failure(&back, 3, &["trust root 3", "a revoked key has a duty"]);
    desk.rotate("trust", "");
    assert_eq!(show(&desk)["revoked"], report["revoked"]);
}

#[test]
fn a_broken_chain_is_refused_by_its_first_false_step() {
    let desk = Desk::with_chain();
    for _ in 0..3 {
        desk.rotate("trust", "");
    }
    let show = |path: &str| format!("image trust show {path}");
    desk.run(&show("trust")).succeeded();
    desk.run(&show("trust/4.root")).succeeded();
    let kept = desk.read("trust/2.root");

    fs::remove_file(desk.path("trust/2.root")).unwrap();
    desk.check_failure(&show("trust"), 4, &["trust/3.root: refused as broken-chain", "expected version 2"]);
    let ended = desk.run("image trust show trust --json");
    assert_eq!((ended.code, &ended.json()["attack"]), (4, &json!("broken-chain")));
    let rotate = format!("image trust rotate trust {ROOT_KEYS}");
    desk.check_failure(&rotate, 4, &["trust/3.root: refused as broken-chain"]);

    let mut bad = kept.clone();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    desk.write("trust/2.root", &bad);
    desk.check_failure(&show("trust"), 4, &["trust/2.root: refused as tampering"]);
    desk.write("trust/2.root", &kept[..40]);
    desk.check_failure(&show("trust"), 4, &["trust/2.root: refused as malformed"]);
    desk.write("trust/2.root", &desk.read("trust/1.root"));
    desk.check_failure(&show("trust"), 3, &["trust/2.root: expected trust root 2, found 1"]);
}

#[test]
fn a_root_held_elsewhere_is_compared_with_the_chain() {
    let desk = Desk::with_chain();
    fs::create_dir(desk.path("other")).unwrap();
    fs::copy(desk.path("trust/1.root"), desk.path("other/1.root")).unwrap();
    desk.rotate("trust", "--remove-operator carol");
    desk.rotate("other", "");
    let against = |file: &str| format!("image trust show trust {AT} --against {file}");
    let report = desk.run(&format!("{} --json", against("other/1.root"))).succeeded().json();
    assert_eq!(report["against"]["versions_behind"], 1);
    assert!(report["against"]["changes"][0].as_str().unwrap().starts_with("operator loses carol"));
    desk.check_failure(
        &against("other/2.root"),
        4,
        &["other/2.root: refused as broken-chain", "another trust root 2"],
    );
}

#[test]
fn a_root_that_ends_soon_or_has_ended_is_warned_of() {
    let desk = Desk::with_chain();
    let warned = |at: &str| -> Ended { desk.run(&format!("image trust show trust --at {at}")).succeeded() };
    assert_eq!(warned("2027-10-20T00:00:00Z").stderr, "");
    let soon = warned("2027-11-01T00:00:00Z");
    assert!(soon.stderr.starts_with("warning: trust root 1 expires at 2027-11-23T12:00:00Z"), "{soon:?}");
    let late = warned("2027-11-23T12:00:00Z");
    assert!(late.stderr.starts_with("warning: trust root 1 expired at"), "{late:?}");
}

#[test]
fn what_cannot_become_a_root_is_named_and_nothing_is_written() {
    let desk = Desk::with_keys();
    let roots =
        "--root-key keys/root-a.key.pem --root-key keys/root-b.key.pem --root-key keys/root-c.pub.pem";
    let init = |options: &str| format!("image trust init --out trust {options} {AT}");
    let without = |option: &str| DUTIES.replace(option, "");
    let cases: [(String, &[&str]); 7] = [
        (
            format!("--root-key keys/root-a.key.pem --root-key keys/root-b.key.pem {DUTIES}"),
            &["a key to spare"],
        ),
        (format!("{roots} --root-key keys/root-a.pub.pem {DUTIES}"), &["--root-key", "names a key twice"]),
        (format!("{roots} {DUTIES} --operator dave=keys/maker.pub.pem"), &["a key has two duties"]),
        (format!("{roots} {DUTIES} --valid 400d"), &["trust root 1", "at most 366 days"]),
        (format!("{roots} {DUTIES} --maker 0x10E5:0x0001=keys/maker-2.pub.pem"), &["two would vouch"]),
        (
            format!("{roots} {}", DUTIES.replace("keys/status.pub.pem", "keys/absent.pub.pem")),
            &["keys/absent.pub.pem: cannot be opened"],
        ),
        (
            format!("{roots} {}", DUTIES.replace("keys/order.pub.pem", "keys/order.key.pem")),
            &["keys/order.key.pem", "found a private key"],
        ),
    ];
    for (options, said) in &cases {
        desk.check_failure(&init(options), 3, said);
        assert!(!desk.path("trust").exists());
    }
    let one = without("--operator bob=keys/bob.pub.pem").replace("--operator carol=keys/carol.pub.pem", "");
    desk.check_failure(&init(&format!("{roots} {one}")), 3, &["--operator", "2 signatures of 1 keys"]);
    let same = DUTIES.replace("bob=", "alice=").replace("carol=", "alice=");
    desk.check_failure(&init(&format!("{roots} {same}")), 3, &["two or more different people"]);
    for usage in ["--operator keys/bob.pub.pem", "--maker 0x10E5", "--valid never", "--at now"] {
        let ended = desk.run(&init(&format!("{roots} {DUTIES} {usage}")));
        assert_eq!(ended.code, 2, "{ended:?}");
    }
    desk.run(&init(&format!("{roots} {DUTIES}"))).succeeded();
    desk.check_failure(
        &init(&format!("{roots} {DUTIES}")),
        3,
        &["trust: holds a chain of trust roots already"],
    );
    desk.check_failure(
        &format!("image trust rotate trust --remove-operator dave {ROOT_KEYS}"),
        3,
        &["--remove-operator dave: no such key", "alice ("],
    );
    desk.check_failure(
        &format!("image trust rotate trust --remove-maker 0x1234 {ROOT_KEYS}"),
        3,
        &["--remove-maker", "maker 0x10E5"],
    );
}
