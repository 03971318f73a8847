//! Key files: who may read them, what is in them, and that none is ever overwritten.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::desk::Desk;

const SIGN: &str = "image sign meter.ota --key bad.pem --out out.ota";

#[test]
fn keygen_never_overwrites_either_half() {
    let desk = Desk::with_signed_image();
    desk.check_failure("image keygen --out . --name release", 3, &["release.key.pem", "exists already"]);
    fs::remove_file(desk.path("release.key.pem")).unwrap();
    desk.check_failure("image keygen --out . --name release", 3, &["release.pub.pem", "exists already"]);
}

#[test]
fn a_key_name_is_no_path() {
    let desk = Desk::empty();
    for name in ["../key", "a/b", ".hidden", "", &"n".repeat(65)] {
        let ended = desk.run(&format!("image keygen --out . --name={name}"));
        assert_eq!(ended.code, 2, "{ended:?}");
    }
    assert_eq!(fs::read_dir(desk.path(".")).unwrap().count(), 0);
}

#[test]
fn a_private_key_that_others_can_read_is_refused_with_the_cure() {
    let desk = Desk::with_signed_image();
    fs::copy(desk.path("release.key.pem"), desk.path("bad.pem")).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(desk.path("bad.pem"), Permissions::from_mode(mode)).unwrap();
        let ended = desk.check_failure(SIGN, 3, &["bad.pem", &format!("{mode:04o}"), "expected mode 0600"]);
        assert!(ended.stderr.ends_with("hint: chmod 600 bad.pem\n"), "{ended:?}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(desk.path("bad.pem"), Permissions::from_mode(mode)).unwrap();
        desk.run(&format!("{SIGN} --force")).succeeded();
    }
}

#[test]
fn a_link_to_a_private_key_is_refused() {
    let desk = Desk::with_signed_image();
    symlink("release.key.pem", desk.path("bad.pem")).unwrap();
    desk.check_failure(SIGN, 3, &["bad.pem", "a symbolic link"]);
}

#[test]
fn what_is_no_private_key_is_refused_without_being_quoted() {
    let desk = Desk::with_signed_image();
    let private = String::from_utf8(desk.read("release.key.pem")).unwrap();
    let secret = private.lines().nth(1).unwrap();
    let cases: [(&str, Vec<u8>); 5] = [
        ("found a public key", desk.read("release.pub.pem")),
        ("found no PEM file", b"hello".to_vec()),
        ("expected an Ed25519 private key", b"\xff\xfe".to_vec()),
        ("expected at most 8192", vec![b'x'; 9_000]),
        ("no Ed25519 key", private.replace(secret, &secret[4..]).into_bytes()),
    ];
    for (said, bytes) in cases {
        desk.write("bad.pem", &bytes);
        fs::set_permissions(desk.path("bad.pem"), Permissions::from_mode(0o600)).unwrap();
        let ended = desk.check_failure(SIGN, 3, &["bad.pem", said]);
        assert!(!ended.stderr.contains(&secret[4..]), "the secret is not echoed");
    }
    fs::remove_file(desk.path("bad.pem")).unwrap();
    fs::create_dir(desk.path("bad.pem")).unwrap();
    desk.check_failure(SIGN, 3, &["bad.pem: is a folder"]);
}

#[test]
fn what_is_no_public_key_is_not_trusted() {
    let desk = Desk::with_signed_image();
    let line = |key: &str| format!("image verify signed.ota --trust release.pub.pem --trust {key}");
    desk.check_failure(&line("release.key.pem"), 3, &["release.key.pem", "found a private key"]);
    desk.check_failure(&line("meter.bin"), 3, &["meter.bin", "expected an Ed25519 public key"]);
    desk.check_failure(&line("absent.pem"), 3, &["absent.pem: cannot be opened"]);
}
