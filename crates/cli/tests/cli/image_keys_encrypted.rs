//! Private keys under a passphrase: made, used, and exchanged with OpenSSL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::desk::Desk;
use crate::terminal::run_at_terminal;

const PASSPHRASE: &str = "correct horse battery";
const KEYGEN: &str = "image keygen --out . --name locked --encrypt";
const SIGN: &str = "image sign meter.ota --key locked.key.pem --out out.ota";

fn desk() -> Desk {
    let desk = Desk::with_signed_image();
    desk.write_private("passphrase", format!("{PASSPHRASE}\n").as_bytes());
    desk
}

/// Runs `openssl`, or says that there is none.
fn openssl(folder: &Path, line: &str) -> Option<String> {
    match Command::new("openssl").args(line.split(' ')).current_dir(folder).output() {
        Ok(output) => {
            assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            eprintln!("skipped: openssl cannot be run: {error}");
            None
        }
    }
}

#[test]
fn a_key_made_under_a_passphrase_signs_with_it() {
    let desk = desk();
    desk.run(&format!("{KEYGEN} --passphrase-file passphrase")).succeeded();
    let text = String::from_utf8(desk.read("locked.key.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    assert_eq!(fs::metadata(desk.path("locked.key.pem")).unwrap().permissions().mode() & 0o7777, 0o600);
    desk.run(&format!("{SIGN} --passphrase-file passphrase")).succeeded();
    desk.run("image verify out.ota --trust locked.pub.pem").succeeded();
    desk.run("image verify out.ota --trust release.pub.pem").failed(4, &["not trusted"]);
}

#[test]
fn a_passphrase_comes_through_a_descriptor_with_or_without_its_end_of_line() {
    let desk = desk();
    for (name, input) in [
        ("one", "correct horse battery\n"),
        ("two", "correct horse battery"),
        ("three", "correct horse battery\r\nrest"),
    ] {
        let keygen = format!("image keygen --out . --name {name} --encrypt --passphrase-fd 0");
        desk.run_fed(&keygen, &[], input.as_bytes()).succeeded();
        let sign = format!(
            "image sign meter.ota --key {name}.key.pem --out {name}.ota --passphrase-file passphrase"
        );
        desk.run(&sign).succeeded();
    }
    let sign = "image sign meter.ota --key one.key.pem --out out.ota --passphrase-fd";
    desk.run_fed(&format!("{sign} 0"), &[], b"").failed(3, &["descriptor 0: the passphrase is empty"]);
    desk.run_fed(&format!("{sign} 0"), &[], &[b'x'; 2_000])
        .failed(3, &["descriptor 0: the line is over 1024 bytes"]);
    desk.run(&format!("{sign} 9")).failed(3, &["descriptor 9: expected to be open"]);
    let ended = desk.run(&format!("{sign} 0 --passphrase-file passphrase"));
    assert_eq!(ended.code, 2, "{ended:?}");
}

#[test]
fn a_new_passphrase_is_not_short_and_never_given_for_nothing() {
    let desk = desk();
    desk.write_private("short", b"elevenbytes\n");
    let line = format!("{KEYGEN} --passphrase-file short");
    desk.check_failure(&line, 3, &["passphrase of ./locked.key.pem: expected at least 12 bytes, found 11"]);
    let line = "image keygen --out . --name open --passphrase-file passphrase";
    desk.check_failure(line, 2, &["protects nothing, expected --encrypt or --token"]);
    desk.check_failure(KEYGEN, 3, &["there is no terminal to ask"]);
    let ended = desk.run(&format!("{KEYGEN} --token pkcs11:token=t"));
    assert_eq!(ended.code, 2, "{ended:?}");
}

#[test]
fn the_same_passphrase_never_makes_the_same_file() {
    let desk = desk();
    for name in ["one", "two"] {
        let line = format!("image keygen --out . --name {name} --encrypt --passphrase-file passphrase");
        desk.run(&line).succeeded();
    }
    assert_ne!(desk.read("one.key.pem")[..200], desk.read("two.key.pem")[..200]);
}

#[test]
fn at_a_terminal_it_is_asked_for_twice_and_never_shown() {
    let desk = desk();
    let (first, again) = ("passphrase of ./locked.key.pem: ", "passphrase of ./locked.key.pem, again: ");
    let answers = [(first, PASSPHRASE), (again, "correct horse batteries")];
    let (code, shown) = run_at_terminal(&desk.path("."), KEYGEN, &answers);
    assert!(code == 3 && shown.contains("the two passphrases differ"), "{code}: {shown}");
    assert!(!desk.path("locked.key.pem").exists());

    let (code, shown) = run_at_terminal(&desk.path("."), KEYGEN, &[(first, PASSPHRASE), (again, PASSPHRASE)]);
    assert!(code == 0 && !shown.contains(PASSPHRASE), "{code}: {shown}");

    let prompt = "passphrase of locked.key.pem: ";
    let (code, shown) = run_at_terminal(&desk.path("."), SIGN, &[(prompt, "incorrect horse battery")]);
    assert!(code == 3 && shown.contains("the passphrase does not open the file"), "{code}: {shown}");
    let (code, shown) = run_at_terminal(&desk.path("."), SIGN, &[(prompt, PASSPHRASE)]);
    assert!(code == 0 && !shown.contains(PASSPHRASE), "{code}: {shown}");
    desk.run("image verify out.ota --trust locked.pub.pem").succeeded();

    // Typed for all to see, if it were read from there.
    let (code, shown) = run_at_terminal(&desk.path("."), &format!("{SIGN} --force --passphrase-fd 0"), &[]);
    assert!(code == 3 && shown.contains("descriptor 0: is a terminal"), "{code}: {shown}");
}

#[test]
fn a_key_of_openssl_signs_here() {
    let desk = desk();
    // OpenSSL takes the second passphrase from the second line, if both are to come from one file.
    desk.write_private("again", format!("{PASSPHRASE}\n").as_bytes());
    for (name, options) in [
        ("pbkdf2", "genpkey -algorithm ed25519 -aes-256-cbc"),
        ("old", "genpkey -algorithm ed25519 -aes-128-cbc"),
    ] {
        let line = format!("{options} -pass file:passphrase -out {name}.pem");
        if openssl(&desk.path("."), &line).is_none() {
            return;
        }
        openssl(
            &desk.path("."),
            &format!(
                "pkcs8 -topk8 -scrypt -in {name}.pem -passin file:passphrase -passout file:again -out {name}-scrypt.pem"
            ),
        );
        openssl(
            &desk.path("."),
            &format!("pkey -in {name}.pem -passin file:passphrase -pubout -out {name}.pub.pem"),
        );
        for key in [name.to_owned(), format!("{name}-scrypt")] {
            desk.write_private(&format!("{key}.pem"), &desk.read(&format!("{key}.pem")));
            let sign =
                format!("image sign meter.ota --key {key}.pem --out {key}.ota --passphrase-file passphrase");
            desk.run(&sign).succeeded();
            desk.run(&format!("image verify {key}.ota --trust {name}.pub.pem")).succeeded();
        }
    }
}

#[test]
fn openssl_opens_our_keys() {
    let desk = desk();
    desk.run(&format!("{KEYGEN} --passphrase-file passphrase")).succeeded();
    let line = "pkey -in locked.key.pem -passin file:passphrase -pubout";
    let Some(public) = openssl(&desk.path("."), line) else { return };
    assert_eq!(public.as_bytes(), desk.read("locked.pub.pem"));
}
