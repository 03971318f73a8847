//! MCUboot images at the signing desk: imgtool's go in as they are, raw payloads are wrapped, broken ones named.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use firmware_image::SigningKey;
use serde_json::json;

use crate::desk::{Desk, IDENTITY};

/// An image that the real imgtool made, with the key of [`desk`].
fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware-image/tests/vectors/mcuboot");
    fs::read(format!("{folder}/{name}.bin")).unwrap()
}

/// A desk with the key imgtool signed with, the payload, a stranger's key and imgtool's image as `boot.bin`.
fn desk(name: &str) -> Desk {
    let desk = Desk::empty();
    let key = SigningKey::generate_from_seed([1; 32]);
    desk.write("boot.key.pem", key.to_pem().as_bytes());
    fs::set_permissions(desk.path("boot.key.pem"), Permissions::from_mode(0o600)).unwrap();
    desk.write("boot.pub.pem", key.public().to_pem().as_bytes());
    let stranger = SigningKey::generate_from_seed([2; 32]);
    desk.write("stranger.pub.pem", stranger.public().to_pem().as_bytes());
    desk.write("raw.bin", &(0..64).collect::<Vec<u8>>());
    desk.write("boot.bin", &vector(name));
    desk
}

const VERIFY: &str = "image verify boot.bin --trust boot.pub.pem";
const WRAP: &str = "--mcuboot-key boot.key.pem --mcuboot-version 1.2.3+4";

fn build(payload: &str, more: &str) -> String {
    format!("image build --payload {payload} {IDENTITY} {more} --out out.ota")
}

#[test]
fn a_bare_image_of_imgtool_verifies_under_its_key_only() {
    for (name, counter, kind, pure) in [
        ("sha256", json!(null), "SHA-256", false),
        ("sha256-header-512", json!(7), "SHA-256", false),
        ("pure-header-512", json!(7), "SHA-512", true),
    ] {
        let desk = desk(name);
        let report = desk.run(&format!("{VERIFY} --json")).succeeded().json();
        assert_eq!(report["verdict"], "verified");
        assert_eq!(report["format"], "MCUboot");
        let facts = &report["mcuboot"];
        assert_eq!(facts["version"], "1.2.3+4");
        assert_eq!(facts["security_counter"], counter);
        assert_eq!(facts["hash_kind"], kind);
        assert_eq!(facts["hash_holds"], true);
        assert_eq!(facts["pure"], pure);
        let text = desk.run(VERIFY).succeeded().stdout;
        for value in [&report["signer"], &facts["key_hash"], &facts["hash"]] {
            assert!(text.contains(value.as_str().unwrap()), "{text}");
        }
        let line = "image verify boot.bin --trust stranger.pub.pem";
        desk.check_failure(line, 4, &["boot.bin: refused", "which is not trusted"]);
        desk.run(&format!("{line} --trust boot.pub.pem")).succeeded();
    }
}

#[test]
fn an_altered_bare_image_is_refused_with_the_promise_it_breaks() {
    let altered = "the MCUboot image was altered after signing: its SHA-256 is another one";
    for (at, reason) in [(21, altered), (40, altered), (239, "is not valid under key hash")] {
        let desk = desk("sha256");
        let mut bytes = desk.read("boot.bin");
        bytes[at] ^= 1;
        desk.write("boot.bin", &bytes);
        desk.check_failure(VERIFY, 4, &["boot.bin: refused", reason]);
        let ended = desk.run(&format!("{VERIFY} --json"));
        ended.failed(4, &[reason]);
        assert_eq!(ended.json()["verdict"], "refused");
        assert!(ended.json()["reason"].as_str().unwrap().contains(reason), "{ended:?}");
    }
    let ended = desk("unsigned").check_failure(VERIFY, 4, &["boot.bin: refused", "is not signed"]);
    assert!(ended.stderr.contains("hint: sign it with `imgtool sign`"), "{ended:?}");
    desk("ecdsa").check_failure(VERIFY, 4, &["expected Ed25519, found 0x22 (ECDSA signature)"]);
}

#[test]
fn a_bare_image_is_inspected_and_believed_nothing() {
    let desk = desk("rich");
    let report = desk.run("image inspect boot.bin --json").succeeded().json();
    assert_eq!(report["sound"], true);
    assert_eq!(report["format"], "MCUboot");
    let facts = &report["mcuboot"];
    assert_eq!(facts["flags"], "0x00000030 (not bootable, runs from RAM)");
    assert_eq!(facts["signature"], "Ed25519 signature");
    let custom = json!({
        "type": "0x1FA1", "name": "vendor", "protected": true, "offset_bytes": 249, "length_bytes": 4,
    });
    assert_eq!(facts["tlvs"][5], custom);
    let text = desk.run("image inspect boot.bin").succeeded().stdout;
    assert!(text.contains("\n  counter     7\n"), "{text}");
    assert!(text.contains("\n  signature   Ed25519 signature, over the SHA-256\n"), "{text}");
    assert_eq!(report["signed"], true);
    assert!(text.ends_with("\nsignature     present, not verified here\nverdict       sound\n"), "{text}");
}

#[test]
fn what_no_boot_loader_takes_is_refused_by_name_everywhere() {
    let cases = [
        ("encrypted", "flags at byte 16: expected a plain image, found 0x00000004 (encrypted with AES-128)"),
        ("big-endian", "magic at byte 0: expected a little-endian image, found a big-endian one"),
        (
            "padded",
            "end of the image at byte 240: expected nothing more, found 272 bytes of padding and slot",
        ),
    ];
    for (name, reason) in cases {
        let desk = desk(name);
        desk.check_failure(VERIFY, 3, &["boot.bin: expected a sound MCUboot image", reason]);
        let said = ["boot.bin: begins as an MCUboot image and is none", reason];
        desk.check_failure(&build("boot.bin", ""), 3, &said);
        let ended = desk.run("image inspect boot.bin --json");
        ended.failed(4, &["boot.bin: would be refused", reason]);
        assert_eq!(ended.json()["sound"], false);
        assert!(ended.json()["fault"].as_str().unwrap().contains(reason), "{ended:?}");
    }
}

#[test]
fn an_image_of_imgtool_goes_into_an_ota_file_as_it_is() {
    let desk = desk("pure-header-512");
    let built = desk.run(&format!("{} --json", build("boot.bin", ""))).succeeded().json();
    assert_eq!(built["payload_format"], "MCUboot");
    assert_eq!(built["mcuboot"]["version"], "1.2.3+4");
    assert!(desk.read("out.ota").ends_with(&vector("pure-header-512")));
    let seen = desk.run("image inspect out.ota --json").succeeded().json();
    assert_eq!(seen["payload_format"], "MCUboot");
    assert_eq!(seen["mcuboot"], built["mcuboot"]);
    assert_eq!(seen["oddities"], json!([]));
    let text = desk.run("image inspect out.ota").succeeded().stdout;
    assert!(text.contains("mcuboot       version 1.2.3+4\n"), "{text}");
    assert!(text.contains("  signature   Ed25519 signature, pure: over the image\n"), "{text}");
    desk.run("image keygen --out . --name release").succeeded();
    desk.run("image sign out.ota --key release.key.pem --out signed.ota").succeeded();
    desk.run("image verify signed.ota --trust release.pub.pem").succeeded();
}

#[test]
fn a_raw_payload_stays_raw() {
    let desk = desk("sha256");
    let built = desk.run(&format!("{} --json", build("raw.bin", ""))).succeeded().json();
    assert_eq!((&built["payload_format"], &built["mcuboot"]), (&json!("raw"), &json!(null)));
    let seen = desk.run("image inspect out.ota --json").succeeded().json();
    assert_eq!((&seen["payload_format"], &seen["mcuboot"]), (&json!("raw"), &json!(null)));
}

#[test]
fn a_wrapped_payload_is_what_imgtool_makes_of_it() {
    let cases = [
        ("sha256", ""),
        ("sha256-header-512", "--header-size 0x200 --security-counter 7"),
        ("sha256-header-512", "--header-size 512 --security-counter 0x7"),
        ("sha256-counter-auto", "--security-counter auto"),
        ("pure", "--pure"),
    ];
    for (name, more) in cases {
        let desk = desk(name);
        desk.run(&build("raw.bin", &format!("{WRAP} {more}"))).succeeded();
        assert!(desk.read("out.ota").ends_with(&vector(name)), "{name} {more}");
    }
    let desk = desk("sha256-reserved");
    desk.write("zephyr.bin", &[vec![0; 512], desk.read("raw.bin")].concat());
    let more = "--mcuboot-key boot.key.pem --mcuboot-version 255.255.65535+4294967295 --header-size 0x200 \
                --security-counter 0xffffffff --header-reserved";
    desk.run(&build("zephyr.bin", more)).succeeded();
    assert!(desk.read("out.ota").ends_with(&vector("sha256-reserved")));
    let forgotten = desk.run(&format!("{} --force", build("zephyr.bin", WRAP))).succeeded();
    assert!(forgotten.stderr.contains("--header-reserved would use it"), "{forgotten:?}");
}

#[test]
fn a_payload_that_cannot_be_wrapped_is_named() {
    let desk = desk("sha256");
    let ended = desk.check_failure(&build("boot.bin", WRAP), 3, &["boot.bin: is an MCUboot image already"]);
    assert!(ended.stderr.contains("hint: leave the options"), "{ended:?}");
    let reserved = build("raw.bin", &format!("{WRAP} --header-reserved"));
    let said = ["raw.bin: cannot become an MCUboot image", "expected 32 zero bytes, found 1"];
    desk.check_failure(&reserved, 3, &said);
    let small = build("raw.bin", &format!("{WRAP} --header-size 16"));
    desk.check_failure(&small, 3, &["MCUboot header size: expected at least 32, found 16"]);
    let line = format!("image build --payload raw.bin {IDENTITY} {WRAP} --out boot.key.pem --force");
    desk.check_failure(&line, 3, &["boot.key.pem: is the input file"]);
    for more in [
        "--mcuboot-key boot.key.pem",
        "--mcuboot-version 1.2.3",
        "--pure",
        "--mcuboot-key boot.key.pem --mcuboot-version 1.2.3.4",
        "--mcuboot-key boot.key.pem --mcuboot-version 1 --header-size 65536",
        "--mcuboot-key boot.key.pem --mcuboot-version 1 --security-counter=-1",
    ] {
        let ended = desk.run(&build("raw.bin", more));
        assert_eq!(ended.code, 2, "{more}: {ended:?}");
    }
}

#[test]
fn an_image_that_broke_on_its_way_to_the_desk_goes_into_no_file() {
    let desk = desk("sha256");
    let mut bytes = desk.read("boot.bin");
    bytes[40] ^= 1;
    desk.write("boot.bin", &bytes);
    let reason = "the MCUboot image was altered: its SHA-256 is another one";
    desk.check_failure(&build("boot.bin", ""), 3, &["boot.bin", reason]);
    desk.run("image inspect boot.bin").failed(4, &["boot.bin: would be refused", reason]);
    // The same bytes inside of a file that somebody else made: devices take it, a boot loader would not.
    desk.run(&build("raw.bin", WRAP)).succeeded();
    let mut file = desk.read("out.ota");
    let at = file.len() - 200;
    file[at] ^= 1;
    desk.write("out.ota", &file);
    let seen = desk.run("image inspect out.ota --json").succeeded().json();
    assert_eq!(seen["oddities"], json!([{ "what": reason, "refused": false }]));
    file[56 + 6 + 16] = 4;
    desk.write("out.ota", &file);
    let seen = desk.run("image inspect out.ota --json").succeeded().json();
    assert_eq!(seen["mcuboot"], json!(null));
    assert!(seen["oddities"][0]["what"].as_str().unwrap().contains("flags at byte 16"), "{seen}");
}
