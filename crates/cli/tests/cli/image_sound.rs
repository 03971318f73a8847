//! The good way: keygen, build, sign, verify, inspect.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::desk::{Desk, IDENTITY};

#[test]
fn a_signed_image_verifies_under_its_key() {
    let desk = Desk::with_signed_image();
    let ended = desk.run("image verify signed.ota --trust release.pub.pem --json").succeeded();
    let report = ended.json();
    assert_eq!(report["verdict"], "verified");
    assert_eq!(report["manufacturer_code"], "0x10E5");
    assert_eq!(report["image_type"], "0x0011");
    assert_eq!(report["file_version"], "0x01020304");
    assert_eq!(report["hardware"], serde_json::Value::Null);
    assert_eq!(report["sequence"], 0x0102_0304, "the file version, unless said otherwise");
    assert_eq!(report["size_bytes"], desk.read("signed.ota").len());
    let text = desk.run("image verify signed.ota --trust release.pub.pem").succeeded().stdout;
    for value in [&report["signers"][0], &report["image_digest"], &report["file_digest"]] {
        assert!(text.contains(value.as_str().unwrap()), "text and JSON say the same: {value}");
    }
}

#[test]
fn one_of_several_trusted_keys_is_enough() {
    let desk = Desk::with_signed_image();
    desk.run("image keygen --out keys --name other").succeeded();
    desk.run("image verify signed.ota --trust keys/other.pub.pem --trust release.pub.pem").succeeded();
}

#[test]
fn all_steps_name_the_same_payload_and_signer() {
    let desk = Desk::empty();
    desk.write("meter.bin", b"relight me");
    let key = desk.run("image keygen --out . --name k --json").succeeded().json();
    let line = format!(
        "image build --payload meter.bin {IDENTITY} --hardware 0x0100..0x01ff --header-string lamp --out a --json"
    );
    let built = desk.run(&line).succeeded().json();
    let line = "image sign a --key k.key.pem --sequence 7 --out b --json";
    let signed = desk.run(line).succeeded().json();
    let verified = desk.run("image verify b --trust k.pub.pem --json").succeeded().json();
    assert_eq!(built["image_digest"], verified["image_digest"]);
    assert_eq!(signed["image_digest"], verified["image_digest"]);
    assert_eq!(signed["file_digest"], verified["file_digest"]);
    assert_eq!(key["fingerprint"], verified["signers"][0]);
    assert_eq!(verified["sequence"], 7);
    assert_eq!(verified["hardware"], "0x0100..0x01FF");
}

#[test]
fn a_sound_file_is_inspected_without_oddity() {
    let desk = Desk::with_signed_image();
    for (file, signed) in [("meter.ota", false), ("signed.ota", true)] {
        let report = desk.run(&format!("image inspect {file} --json")).succeeded().json();
        assert_eq!(report["sound"], true);
        assert_eq!(report["signed"], signed);
        assert_eq!(report["oddities"], serde_json::json!([]));
        assert_eq!(report["elements"][0]["length_bytes"], 5_000);
        let text = desk.run(&format!("image inspect {file}")).succeeded().stdout;
        assert!(text.ends_with("verdict       sound\n"), "{text}");
    }
}

#[test]
fn the_private_key_is_for_its_owner_alone_and_the_rest_for_the_umask_to_say() {
    let desk = Desk::with_signed_image();
    let mode = |name| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("release.key.pem"), 0o600);
    assert_eq!(mode("release.pub.pem") & 0o600, 0o600);
    assert_eq!(mode("signed.ota"), mode("meter.bin"), "as any file the user makes");
    desk.run("image keygen --out new/keys --name k").succeeded();
    assert_eq!(mode("new/keys"), 0o700);
}

#[test]
fn force_replaces_an_output_but_never_the_input() {
    let desk = Desk::with_signed_image();
    let line = "image sign meter.ota --key release.key.pem --sequence 9 --out signed.ota";
    desk.check_failure(line, 3, &["signed.ota", "exists already"]);
    desk.run(&format!("{line} --force")).succeeded();
    let report = desk.run("image verify signed.ota --trust release.pub.pem --json").succeeded().json();
    assert_eq!(report["sequence"], 9);
    for line in [
        "image sign meter.ota --key release.key.pem --out ./meter.ota --force",
        "image sign meter.ota --key release.key.pem --out release.key.pem --force",
        &format!("image build --payload meter.bin {IDENTITY} --out meter.bin --force"),
    ] {
        desk.check_failure(line, 3, &["is the input file"]);
    }
}

#[test]
fn a_link_or_folder_is_not_replaced_by_a_file() {
    let desk = Desk::with_signed_image();
    std::os::unix::fs::symlink("elsewhere", desk.path("link")).unwrap();
    fs::create_dir(desk.path("folder")).unwrap();
    for out in ["link", "folder"] {
        let line = format!("image sign meter.ota --key release.key.pem --out {out} --force");
        desk.check_failure(&line, 3, &[out, "no regular file"]);
    }
    let line = "image sign meter.ota --key release.key.pem --out absent/signed.ota";
    desk.check_failure(line, 3, &["absent/signed.ota", "absent is no folder"]);
}
