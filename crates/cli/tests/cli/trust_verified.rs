//! What `image verify` and `image inspect` say of sound images and documents.

use serde_json::json;

use crate::desk::Desk;
use crate::trust_desk::{AT, DEVICE, LATER, SIGN, STATUS};

#[test]
fn a_released_image_passes_gate_and_device() {
    let desk = Desk::with_release();
    desk.rotate("trust", "");
    desk.run(&format!("{STATUS} --serial 2 --out s2.status {LATER}")).succeeded();
    let line = format!(
        "image verify signed.ota --root trust --release full.release --status s2.status {DEVICE} \
         --confirmed-sequence 99 {LATER} --json"
    );
    let report = desk.run(&line).succeeded().json();
    assert_eq!(report["verdict"], "verified");
    assert_eq!(report["document"], "image");
    assert_eq!(
        report["promise"],
        json!({ "minimum_root": 1, "payload_format": "raw", "predecessors": "01000000..0102FFFF", "block_digests": 3 })
    );
    assert_eq!(report["root"]["version"], 2);
    assert_eq!(report["released"], json!({ "campaign": "autumn", "release_serial": 1, "status_serial": 2 }));
    assert_eq!(report["accepted_by_device"], true);
    let text = desk.run(&line.replace("--json", "")).succeeded().stdout;
    for words in ["believed by   trust root 2", "campaign autumn, release 1", "device        would take it"] {
        assert!(text.contains(words), "{text}");
    }
    let alone = desk.run(&format!("image verify signed.ota --root trust {AT} --json")).succeeded().json();
    assert_eq!((&alone["released"], &alone["accepted_by_device"]), (&json!(null), &json!(null)));
}

#[test]
fn the_image_that_is_confirmed_may_come_again() {
    let desk = Desk::with_release();
    let digest = desk.run(&format!("image verify signed.ota --root trust {AT} --json")).succeeded().json();
    let image = digest["image_digest"].as_str().unwrap();
    let line = format!("image verify signed.ota --root trust {DEVICE} --confirmed-sequence 100 {AT}");
    desk.run(&format!("{line} --confirmed-image {image}")).succeeded();
    let another = format!("{line} --confirmed-image {}", "00".repeat(32));
    desk.check_failure(&another, 4, &["refused as rollback"]);
}

#[test]
fn two_signatures_satisfy_a_maker_who_needs_two() {
    let desk = Desk::with_release();
    desk.rotate(
        "trust",
        "--remove-maker 0x10E5 --add-maker 0x10E5:0x11=keys/maker.pub.pem,keys/maker-2.pub.pem",
    );
    let verify = |file: &str| format!("image verify {file} --root trust {AT}");
    desk.check_failure(&verify("signed.ota"), 4, &["too-few-signers", "expected 2 different ones"]);
    let both = "--key keys/maker.key.pem --key keys/maker-2.key.pem";
    let report = desk.run(&format!("{SIGN} {both} --out both.ota --json")).succeeded().json();
    assert_eq!(report["signers"].as_array().unwrap().len(), 2);
    desk.run(&verify("both.ota")).succeeded();
    let twice = "--key keys/maker.key.pem --key keys/maker.key.pem";
    desk.check_failure(&format!("{SIGN} {twice} --out twice.ota"), 3, &["--key: key", "given twice"]);
    let overlapping = SIGN.replace("0x0102FFFF", "0x0102FFFF,0x01020000..0x01030000");
    let line = format!("{overlapping} --key keys/maker.key.pem --out o.ota");
    desk.check_failure(&line, 3, &["--predecessors", "apart from one another"]);
}

#[test]
fn every_document_is_known_by_its_content_whatever_its_name() {
    let desk = Desk::with_release();
    desk.rotate("trust", "");
    desk.run(&format!("{STATUS} --serial 2 --out s2.status {LATER}")).succeeded();
    desk.write_order("order", 3, 0);
    for (file, kind, fact, value) in [
        ("trust/2.root", "root", "version", json!(2)),
        ("full.release", "release", "approvals", json!(2)),
        ("s2.status", "status", "newest_root", json!(2)),
        ("order", "order", "counter", json!(3)),
    ] {
        desk.write("file.bin", &desk.read(file));
        let report =
            desk.run(&format!("image verify file.bin --root trust {LATER} --json")).succeeded().json();
        assert_eq!((&report["document"], &report["verdict"]), (&json!(kind), &json!("verified")));
        assert_eq!(report[fact], value, "{kind}");
        let claims = desk.run("image inspect file.bin --json").succeeded().json();
        assert_eq!((&claims["document"], &claims["verified"]), (&json!(kind), &json!(false)));
        assert!(!claims["claimed_signers"].as_array().unwrap().is_empty(), "{claims}");
        let text = desk.run("image inspect file.bin").succeeded().stdout;
        assert!(text.contains(&format!("claims to be  {kind}; nothing verified")), "{text}");
        desk.check_failure("image verify file.bin --trust keys/maker.pub.pem", 3, &["file.bin: is a", kind]);
    }
}

#[test]
fn an_order_is_verified_under_pinned_keys_or_a_root_and_for_a_device() {
    let desk = Desk::with_release();
    desk.write_order("order", 3, 0);
    let ordered = desk.ordered();
    for belief in ["--orders keys/order.pub.pem", "--root trust"] {
        let line = format!("image verify order {belief} {ordered} --last-counter 2 --json");
        let report = desk.run(&line).succeeded().json();
        assert_eq!(report["obeyed_by_device"], true);
        assert_eq!(report["device"], "00-0D-6F-00-00-00-00-02");
    }
    desk.rotate("trust", "--new-epoch");
    desk.write_order("order", 1, 1);
    let line = format!("image verify order --root trust {ordered} --last-counter 900 --last-epoch 0");
    desk.run(&line).succeeded();
    desk.check_failure(
        "image verify signed.ota --orders keys/order.pub.pem",
        3,
        &["signed.ota: is no order"],
    );
}

#[test]
fn inspect_shows_promises_and_believes_none() {
    let desk = Desk::with_release();
    let report = desk.run("image inspect signed.ota --json").succeeded().json();
    assert_eq!(report["promise"]["minimum_root"], 1);
    assert_eq!(report["promise"]["block_digests"], 3);
    let unsigned = desk.run("image inspect meter.ota --json").succeeded().json();
    assert_eq!(unsigned["promise"], json!(null));
    desk.write("junk.root", &[0xD8, 0x62, 0x84, 0x40]);
    desk.check_failure("image inspect junk.root", 4, &["junk.root: refused as malformed"]);
}
