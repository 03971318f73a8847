//! Every word of refusal, as `image verify` says it: one line and exit code 4, and with --json one document.

use std::collections::BTreeSet;
use std::fs;

use firmware_image::Attack;

use crate::desk::Desk;
use crate::trust_desk::{AT, DEVICE, LATER, ROOT_KEYS, SIGN, STATUS};
use crate::trust_forged::with_false_format;

/// Refuses once for people and once for programs, and notes the word.
fn check(desk: &Desk, seen: &mut BTreeSet<&'static str>, word: &'static str, line: &str) {
    let line = if line.contains("--at ") { line.to_owned() } else { format!("{line} {LATER}") };
    desk.check_failure(&line, 4, &[&format!(": refused as {word}: ")]);
    let ended = desk.run(&format!("{line} --json"));
    ended.failed(4, &[word]);
    let document = ended.json();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["attack", "file", "reason", "verdict"], "`{line}`");
    assert_eq!((&document["attack"], &document["verdict"]), (&word.into(), &"refused".into()), "`{line}`");
    seen.insert(word);
}

#[test]
fn every_attack_has_a_file_that_is_refused_by_its_word() {
    let desk = Desk::with_release();
    let mut seen = BTreeSet::new();
    images(&desk, &mut seen);
    papers(&desk, &mut seen);
    orders(&desk, &mut seen);
    roots(&desk, &mut seen);
    let all: BTreeSet<&str> = Attack::ALL.iter().map(|attack| attack.word()).collect();
    assert_eq!(seen, all);
}

fn images(desk: &Desk, seen: &mut BTreeSet<&'static str>) {
    let rooted = |file: &str| format!("image verify {file} --root trust");
    let signed = desk.read("signed.ota");
    let mut bad = signed.clone();
    bad[500] ^= 1;
    desk.write("bad.ota", &bad);
    check(desk, seen, "tampering", &rooted("bad.ota"));
    desk.write("long.ota", &[&signed[..], b"tail"].concat());
    check(desk, seen, "endless-data", &rooted("long.ota"));
    check(desk, seen, "arbitrary-software", &rooted("meter.ota"));
    desk.run(&format!("{SIGN} --key keys/alice.key.pem --out strange.ota")).succeeded();
    check(desk, seen, "untrusted-key", &rooted("strange.ota"));
    desk.run(&format!(
        "{} --key keys/maker.key.pem --out new.ota",
        SIGN.replace("--min-root 1", "--min-root 2")
    ))
    .succeeded();
    check(desk, seen, "freeze", &rooted("new.ota"));
    check(desk, seen, "freeze", "image verify signed.ota --trust keys/maker.pub.pem");
    check(desk, seen, "freeze", "image verify signed.ota --root trust --at 2028-01-01T00:00:00Z");

    let device = |from: &str, to: &str| format!("{} {}", rooted("signed.ota"), DEVICE.replace(from, to));
    check(desk, seen, "wrong-device", &device("0x0011", "0x0012"));
    check(desk, seen, "wrong-hardware", &device("0x0100", "0x0200"));
    check(desk, seen, "wrong-predecessor", &device("0x01010000", "0x02000000"));
    check(desk, seen, "rollback", &format!("{} --confirmed-sequence 101", device("x", "x")));

    let plain = "image sign meter.ota --key keys/maker.key.pem --out plain.ota";
    desk.run(plain).succeeded();
    desk.write("false.ota", &with_false_format(&desk.read("plain.ota"), &desk.read("keys/maker.key.pem")));
    check(desk, seen, "wrong-format", &rooted("false.ota"));
}

fn papers(desk: &Desk, seen: &mut BTreeSet<&'static str>) {
    let image = "image verify signed.ota --root trust";
    check(desk, seen, "freeze", &format!("{image} --release full.release"));
    check(desk, seen, "mix-and-match", &format!("{image} --status s1.status"));
    check(desk, seen, "too-few-signers", "image verify half.release --root trust");
    check(desk, seen, "too-few-signers", &format!("{image} --release half.release --status s1.status"));
    check(desk, seen, "freeze", "image verify s1.status --root trust --at 2026-11-24T12:00:00Z");
    check(desk, seen, "freeze", "image verify full.release --root trust --at 2026-12-23T12:00:00Z");
    desk.run(&format!("{STATUS} --serial 2 --floor 0x10E5:0x11=101 --out s2.status {AT}")).succeeded();
    check(desk, seen, "replay", "image verify s1.status --root trust --status s2.status");
    let floor = format!("{image} --release full.release --status s1.status --status s2.status");
    check(desk, seen, "rollback", &floor);
    let mut bad = desk.read("full.release");
    let last = bad.len() - 1;
    bad[last] ^= 1;
    desk.write("bad.release", &bad);
    check(desk, seen, "tampering", "image verify bad.release --root trust");
}

fn orders(desk: &Desk, seen: &mut BTreeSet<&'static str>) {
    let line = |more: &str| format!("image verify order --root trust {} {more}", desk.ordered());
    desk.write_order("status", 3, 0);
    check(desk, seen, "untrusted-key", &line(""));
    desk.write_order("order", 3, 0);
    check(desk, seen, "replay", &line("--last-counter 3"));
    check(desk, seen, "replay", &line("").replace("0123456789abcdef", "0000000000000000"));
    check(desk, seen, "wrong-device", &line("").replace("00-02", "00-03"));
    let other = format!("--image {}", "00".repeat(32));
    let image = desk.ordered().split("--image ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    check(desk, seen, "mix-and-match", &line("").replace(&format!("--image {image}"), &other));
    desk.write_order("order", 17, 0);
    check(desk, seen, "fast-forward", &line(""));
    desk.write_order("order", 1, 1);
    check(desk, seen, "freeze", &line(""));
    let order = desk.read("order");
    desk.write("order", &order[..30]);
    check(desk, seen, "malformed", &line(""));
}

fn roots(desk: &Desk, seen: &mut BTreeSet<&'static str>) {
    fs::create_dir(desk.path("forgetful")).unwrap();
    fs::copy(desk.path("trust/1.root"), desk.path("forgetful/1.root")).unwrap();
    let revoke = format!(
        "image trust revoke trust --revoke keys/maker.pub.pem --replace maker=keys/maker-2.pub.pem {ROOT_KEYS} {AT}"
    );
    desk.run(&revoke).succeeded();
    for _ in 0..3 {
        desk.rotate("forgetful", "");
    }
    let root = |file: &str| format!("image verify {file} --root trust");
    check(desk, seen, "rollback", &root("trust/1.root"));
    check(desk, seen, "broken-chain", &root("forgetful/2.root"));
    check(desk, seen, "revoked-key", &root("forgetful/3.root"));
    check(desk, seen, "broken-chain", &root("forgetful/4.root"));
    let ended = desk.run(&format!("image verify signed.ota --root trust {LATER}"));
    ended.failed(4, &["refused as untrusted-key"]);
    assert!(ended.stderr.contains("hint: the trust root lists that key as revoked"), "{ended:?}");
    let long = [&desk.read("trust/2.root")[..], &[0; 5_000]].concat();
    desk.write("long.root", &long);
    check(desk, seen, "endless-data", &root("long.root"));
    desk.write("cut.root", &long[..60]);
    check(desk, seen, "malformed", &root("cut.root"));
}

#[test]
fn facts_of_a_device_come_together() {
    let desk = Desk::with_chain();
    for options in
        ["--device-manufacturer 0x10E5", "--running 1", "--confirmed-sequence 1", "--nonce 0123456789abcdef"]
    {
        let ended = desk.run(&format!("image verify signed.ota --root trust {options}"));
        assert_eq!(ended.code, 2, "{ended:?}");
    }
    let ended = desk.run("image verify signed.ota --trust keys/maker.pub.pem --status s");
    assert_eq!(ended.code, 2, "a status is believed under a root only: {ended:?}");
    let device = format!("image verify trust/1.root --root trust {DEVICE}");
    desk.check_failure(&device, 3, &["trust/1.root: is of the kind `root`", "is for images"]);
    let order =
        "image verify trust/1.root --root trust --device 00-0D-6F-00-00-00-00-02 --nonce 0123456789abcdef";
    let order = format!("{order} --image {}", "00".repeat(32));
    desk.check_failure(&order, 3, &["trust/1.root: is of the kind `root`", "is for orders"]);
    let ended = desk.run("image verify signed.ota --trust keys/maker.pub.pem --root trust");
    assert_eq!(ended.code, 2, "{ended:?}");
}
