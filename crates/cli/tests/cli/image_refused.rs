//! Every bad image gets its one line, its exit code, and nothing is written.

use firmware_image::MAX_FILE_LEN;
use serde_json::json;

use crate::desk::{Desk, IDENTITY};

const VERIFY: &str = "image verify bad.ota --trust release.pub.pem";
const SIGN: &str = "image sign bad.ota --key release.key.pem --out out.ota";
const INSPECT: &str = "image inspect bad.ota";

/// A desk with the signed image, changed by `damage`, under the name `bad.ota`.
fn damaged(damage: impl FnOnce(&mut Vec<u8>)) -> Desk {
    let desk = Desk::with_signed_image();
    let mut bytes = desk.read("signed.ota");
    damage(&mut bytes);
    desk.write("bad.ota", &bytes);
    desk
}

#[test]
fn a_truncated_file_is_bad_input_and_inspect_says_what_is_missing() {
    let desk = damaged(|bytes| bytes.truncate(1_000));
    let said = ["bad.ota", "expected a sound OTA file", "1000 bytes"];
    desk.check_failure(VERIFY, 3, &said);
    desk.check_failure(SIGN, 3, &said);
    let ended = desk.run(&format!("{INSPECT} --json"));
    ended.failed(4, &["bad.ota: would be refused", "it is cut short"]);
    assert_eq!(ended.json()["sound"], false);
    assert_eq!(ended.json()["oddities"][0]["refused"], true);
}

#[test]
fn a_file_cut_inside_its_header_is_no_ota_file() {
    let desk = damaged(|bytes| bytes.truncate(20));
    desk.check_failure(VERIFY, 3, &["bad.ota", "expected a sound OTA file"]);
    desk.check_failure(INSPECT, 3, &["bad.ota: expected an OTA file", "ends inside its header"]);
}

#[test]
fn an_oversized_file_is_refused_before_it_is_read() {
    let desk = Desk::with_signed_image();
    let file = std::fs::File::create(desk.path("bad.ota")).unwrap();
    // A terabyte of nothing: reading it would not end in this test's time.
    file.set_len(1 << 40).unwrap();
    let bound = format!("expected at most {MAX_FILE_LEN}");
    let build = format!("image build --payload bad.ota {IDENTITY} --out out.ota");
    for line in [VERIFY, SIGN, INSPECT, &build] {
        let ended = desk.run(line);
        ended.failed(3, &["bad.ota: is 1099511627776 bytes", &bound]);
        assert!(!desk.path("out.ota").exists());
    }
}

#[test]
fn wrong_magic_is_no_ota_file() {
    let desk = damaged(|bytes| bytes[0] ^= 0xff);
    desk.check_failure(VERIFY, 3, &["bad.ota", "expected a sound OTA file"]);
    desk.check_failure(SIGN, 3, &["bad.ota", "expected a sound OTA file"]);
    desk.check_failure(INSPECT, 3, &["bad.ota: expected an OTA file"]);
}

#[test]
fn an_unsigned_file_is_refused_with_a_hint() {
    let desk = Desk::with_signed_image();
    let ended = desk.check_failure(
        "image verify meter.ota --trust release.pub.pem",
        4,
        &["meter.ota", "is not signed"],
    );
    assert!(ended.stderr.contains("hint: sign it"), "{ended:?}");
}

#[test]
fn another_key_is_refused_by_its_fingerprint() {
    let desk = Desk::with_signed_image();
    let other = desk.run("image keygen --out . --name other --json").succeeded().json();
    let ended = desk.check_failure(
        "image verify signed.ota --trust other.pub.pem",
        4,
        &["signed.ota", "not trusted"],
    );
    assert!(ended.stderr.contains(other["fingerprint"].as_str().unwrap()), "{ended:?}");
}

#[test]
fn each_broken_promise_is_named() {
    // The lowest byte of the file version, and a byte in the middle of the payload.
    let cases = [
        ("the header was altered after signing", 14),
        ("the payload was altered after signing", 56 + 6 + 100),
    ];
    for (reason, at) in cases {
        let desk = damaged(|bytes| bytes[at] ^= 1);
        desk.check_failure(VERIFY, 4, &["bad.ota: refused", reason]);
        let ended = desk.run(&format!("{VERIFY} --json"));
        ended.failed(4, &[reason]);
        assert_eq!(
            ended.json(),
            json!({ "file": "bad.ota", "verdict": "refused", "attack": "tampering", "reason": reason })
        );
    }
}

#[test]
fn any_flipped_byte_of_the_signature_element_is_refused() {
    let sound = Desk::with_signed_image();
    let len = sound.read("signed.ota").len();
    let envelope = 56 + 6 + 5_000 + 6;
    let mut bad_signature = 0;
    for at in (envelope..len).step_by(9) {
        let mut bytes = sound.read("signed.ota");
        bytes[at] ^= 0x01;
        sound.write("bad.ota", &bytes);
        let ended = sound.check_failure(VERIFY, 4, &["bad.ota: refused"]);
        bad_signature += usize::from(ended.stderr.contains("signature is not valid"));
    }
    assert!(bad_signature > 0, "the signature itself was among them");
}

#[test]
fn a_signed_file_is_not_signed_again() {
    let desk = Desk::with_signed_image();
    let line = "image sign signed.ota --key release.key.pem --out twice.ota";
    desk.check_failure(line, 3, &["signed.ota", "signed already"]);
}

#[test]
fn an_unreadable_file_is_bad_input() {
    let desk = Desk::with_signed_image();
    std::fs::create_dir(desk.path("bad.ota")).unwrap();
    let build = format!("image build --payload bad.ota {IDENTITY} --out out.ota");
    for line in [VERIFY, SIGN, INSPECT, &build] {
        desk.check_failure(line, 3, &["bad.ota: is a folder, expected a file"]);
        let absent = line.replace("bad.ota", "absent.ota");
        desk.check_failure(&absent, 3, &["absent.ota: cannot be opened: No such file"]);
    }
}

#[test]
fn a_payload_that_fits_no_image_is_bad_input() {
    let desk = Desk::empty();
    desk.write("empty.bin", b"");
    desk.write("meter.bin", b"relight me");
    let line = format!("image build --payload empty.bin {IDENTITY} --out out.ota");
    desk.check_failure(&line, 3, &["empty.bin: cannot become an image"]);
    let text = "x".repeat(33);
    let line = format!("image build --payload meter.bin {IDENTITY} --header-string {text} --out out.ota");
    desk.check_failure(&line, 3, &["meter.bin: cannot become an image", "33"]);
}
