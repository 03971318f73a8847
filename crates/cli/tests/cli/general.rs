//! What holds for every command: help, usage, environment.

use crate::desk::Desk;

#[test]
fn alone_it_prints_a_short_help_with_two_examples() {
    let ended = Desk::empty().run("").succeeded();
    assert_eq!(ended.stdout.matches("\n  lamplighter ").count(), 2, "{ended:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn the_long_help_lists_the_exit_codes() {
    let ended = Desk::empty().run("--help").succeeded();
    for code in ["0  done", "3  bad input", "4  refused", "130  interrupted"] {
        assert!(ended.stdout.contains(code), "{code}");
    }
}

#[test]
fn a_word_nobody_knows_is_a_usage_error() {
    for line in ["imagine", "image", "image sing", "image verify x.ota", "ledger show x --limit 0", "-q -v"] {
        let ended = Desk::empty().run(line);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn numbers_that_are_none_are_usage_errors_that_say_what_was_expected() {
    let desk = Desk::empty();
    for (options, expected) in [
        ("--manufacturer-code 0x110E5 --image-type 1 --file-version 1", "up to four hexadecimal digits"),
        ("--manufacturer-code 1 --image-type meter --file-version 1", "up to four hexadecimal digits"),
        ("--manufacturer-code 1 --image-type 1 --file-version 1.2.3", "up to eight hexadecimal digits"),
        ("--manufacturer-code 1 --image-type 1 --file-version 1 --hardware 2..1", "lowest and highest"),
    ] {
        let ended = desk.run(&format!("image build --payload x --out y {options}"));
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(expected), "{ended:?}");
    }
}

#[test]
fn long_options_can_come_from_the_environment_but_force_cannot() {
    let desk = Desk::with_signed_image();
    let environment = [("LAMPLIGHTER_TRUST", "release.pub.pem"), ("LAMPLIGHTER_JSON", "1")];
    let ended = desk.run_with("image verify signed.ota", &environment).succeeded();
    assert_eq!(ended.json()["verdict"], "verified");
    let line = "image sign meter.ota --key release.key.pem --out signed.ota";
    desk.run_with(line, &[("LAMPLIGHTER_FORCE", "1")]).failed(3, &["signed.ota", "exists already"]);
}

#[test]
fn quiet_leaves_the_data_and_drops_the_talk() {
    let desk = Desk::empty();
    let usual = desk.run("image keygen --out . --name one").succeeded();
    assert!(usual.stderr.starts_with("next: "), "{usual:?}");
    let quiet = desk.run("-q image keygen --out . --name two").succeeded();
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.contains("fingerprint"), "{quiet:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .arg("--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
