//! Keys inside a PKCS#11 token, as scripts meet them: made there, named by a URI, never written anywhere.

use std::fs;

use crate::desk::{Desk, Ended};
use crate::softhsm::{PIN, Softhsm};

fn run(desk: &Desk, token: &Softhsm, line: &str) -> Ended {
    let (name, value) = token.environment();
    desk.run_with(line, &[(name, &value)])
}

fn keygen(token: &Softhsm, name: &str, uri: &str) -> String {
    format!(
        "image keygen --out . --name {name} --token {uri} --passphrase-file {}",
        token.pin_file().display()
    )
}

#[test]
fn keygen_writes_only_the_public_half_and_the_token_keeps_the_other() {
    let Some(token) = Softhsm::make() else { return };
    let desk = Desk::empty();
    let ended =
        run(&desk, &token, &format!("{} --json", keygen(&token, "release", &token.uri("")))).succeeded();
    let uri = ended.json()["private_key"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("pkcs11:object=release;token=signing?module-path=/"), "{uri}");
    let files: Vec<_> =
        fs::read_dir(desk.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["release.pub.pem"]);
    assert!(
        String::from_utf8(desk.read("release.pub.pem")).unwrap().starts_with("-----BEGIN PUBLIC KEY-----")
    );
    assert!(!ended.stderr.contains(PIN) && !ended.stdout.contains(PIN));
}

#[test]
fn a_key_in_the_token_signs_images_like_any_other() {
    let Some(token) = Softhsm::make() else { return };
    let desk = Desk::with_signed_image();
    run(&desk, &token, &keygen(&token, "vault", &token.uri(""))).succeeded();
    let pin = format!("--passphrase-file {}", token.pin_file().display());
    let sign = |uri: &str, out: &str| format!("image sign meter.ota --key {uri} --out {out} {pin}");
    run(&desk, &token, &sign(&token.uri("vault"), "one.ota")).succeeded();
    run(&desk, &token, &sign(&token.uri("vault"), "two.ota")).succeeded();
    assert_eq!(desk.read("one.ota"), desk.read("two.ota"), "Ed25519 leaves the token no choice");
    desk.run("image verify one.ota --trust vault.pub.pem").succeeded();
    desk.run("image verify one.ota --trust release.pub.pem").failed(4, &["not trusted"]);
    for (uri, said) in [
        (token.uri("absent"), "token `signing`, object `absent`: expected one Ed25519 private key, found 0"),
        (token.uri(""), "token `signing`: no key is named"),
        (token.uri("vault;id=%01"), "object `vault`, id 01: expected one Ed25519 private key, found 0"),
    ] {
        run(&desk, &token, &sign(&uri, "out.ota")).failed(3, &[said]);
        assert!(!desk.path("out.ota").exists(), "{uri}");
    }
}

#[test]
fn a_key_in_the_token_is_never_replaced_and_leaves_no_second_one_behind() {
    let Some(token) = Softhsm::make() else { return };
    let desk = Desk::empty();
    let line = keygen(&token, "release", &token.uri("release"));
    run(&desk, &token, &line).succeeded();
    let public = desk.read("release.pub.pem");
    run(&desk, &token, &line).failed(3, &["release.pub.pem", "exists already"]);
    fs::remove_file(desk.path("release.pub.pem")).unwrap();
    run(&desk, &token, &line).failed(3, &["token `signing`, object `release`", "exists already"]);
    // Another name makes another key.
    run(&desk, &token, &keygen(&token, "second", &token.uri(""))).succeeded();
    assert_ne!(desk.read("second.pub.pem"), public);
}

#[test]
fn the_pin_comes_from_a_descriptor_or_a_source_in_the_uri_as_well() {
    let Some(token) = Softhsm::make() else { return };
    let desk = Desk::empty();
    let (name, value) = token.environment();
    let line = format!("image keygen --out . --name one --token {} --passphrase-fd 0", token.uri(""));
    desk.run_fed(&line, &[(name, &value)], format!("{PIN}\n").as_bytes()).succeeded();
    let uri = format!("{}&pin-source=file:{}", token.uri(""), token.pin_file().display());
    run(&desk, &token, &format!("image keygen --out . --name two --token {uri}")).succeeded();
}

#[test]
fn what_is_wrong_with_a_token_is_said_by_name_and_without_the_pin() {
    let Some(token) = Softhsm::make() else { return };
    let desk = Desk::empty();
    desk.write("module.so", b"no library");
    let module = desk.path("module.so").display().to_string();
    let pin = format!("--passphrase-file {}", token.pin_file().display());
    let wrong = format!("--passphrase-file {}", token.wrong_pin_file().display());
    let other_token = token.uri("").replace("signing", "other");
    let cases = [
        (format!("{} {wrong}", token.uri("")), 3, "token `signing`: the PIN is wrong"),
        (
            format!("{} --passphrase-file module.so", token.uri("")),
            3,
            "the passphrase file is open to others",
        ),
        (token.uri(""), 3, "PIN of token `signing`: needed, and there is no terminal"),
        (format!("{other_token} {pin}"), 3, "token `other`: not there"),
        (format!("{}&pin-value={PIN} {pin}", token.uri("")), 3, "can be read by others"),
        (
            format!("pkcs11:token=signing?module-path={module} {pin}"),
            3,
            "cannot be used as a PKCS#11 library",
        ),
        (format!("pkcs11:token=signing?module-path={module}.absent {pin}"), 3, "cannot be opened"),
        (format!("pkcs11:token=signing {pin}"), 3, "no library is named"),
        (format!("/etc/keys {pin}"), 3, "begins `pkcs11:`"),
    ];
    for (rest, code, said) in cases {
        let ended = run(&desk, &token, &format!("image keygen --out . --name release --token {rest}"));
        ended.failed(code, &[said]);
        assert!(!ended.stderr.contains(PIN), "{ended:?}");
        assert!(!desk.path("release.pub.pem").exists(), "{rest}");
    }
    desk.write("module.so", b"");
    fs::set_permissions(desk.path("module.so"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let line =
        format!("image keygen --out . --name release --token pkcs11:token=t?module-path={module} {pin}");
    run(&desk, &token, &line).failed(3, &["module.so", "can be written by others"]);
}
