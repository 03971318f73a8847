//! Every way in which a private key file, or the file with its passphrase, can be unfit to sign with (threat
//! T22): refused with exit code 3, one line that says why, no secret in it, and nothing written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use rustix::process::geteuid;

use crate::desk::Desk;

const SIGN: &str = "image sign meter.ota --key bad.pem --out out.ota";
const PASSPHRASE: &str = "correct horse battery";

/// `openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 4000001`: one round more than is paid for.
const COSTLY: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGcMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAhx94wjLv5IHAIDPQkB
MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBBzSEht0GHZzt8duNXmPW6LBEDz
+uveNqDrD6txTG29dX0qfR2HpWM2gbz+clJoQ2KM9MVmWamhhh/HoHDhsyizKT/U
yEjYBT6bqX0rjW+OuXR2
-----END ENCRYPTED PRIVATE KEY-----
";

/// A desk with an encrypted key beside the plain one, and its passphrase in `passphrase`.
fn desk() -> Desk {
    let desk = Desk::with_signed_image();
    desk.write_private("passphrase", format!("{PASSPHRASE}\n").as_bytes());
    desk.write_private("wrong", b"incorrect horse battery\n");
    desk.run("image keygen --out . --name locked --encrypt --passphrase-file passphrase").succeeded();
    desk
}

fn check(desk: &Desk, options: &str, said: &[&str]) {
    let secret = String::from_utf8(desk.read("release.key.pem")).unwrap();
    let ended = desk.check_failure(&format!("{SIGN} {options}"), 3, said);
    assert!(!ended.stderr.contains(secret.lines().nth(1).unwrap()), "{ended:?}");
    assert!(!ended.stderr.contains(PASSPHRASE), "{ended:?}");
}

#[test]
fn a_key_that_others_can_reach_is_refused() {
    let desk = desk();
    for (mode, name) in
        [(0o644, "release"), (0o640, "release"), (0o602, "release"), (0o660, "locked"), (0o4610, "locked")]
    {
        fs::copy(desk.path(&format!("{name}.key.pem")), desk.path("bad.pem")).unwrap();
        fs::set_permissions(desk.path("bad.pem"), Permissions::from_mode(mode)).unwrap();
        check(
            &desk,
            "--passphrase-file passphrase",
            &["the private key is open to others", &format!("{mode:04o}")],
        );
    }
}

#[test]
fn a_key_under_another_name_or_of_another_owner_is_refused() {
    let desk = desk();
    symlink("release.key.pem", desk.path("bad.pem")).unwrap();
    check(&desk, "", &["bad.pem: the private key is a symbolic link"]);
    fs::remove_file(desk.path("bad.pem")).unwrap();
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give a file to another owner");
        return;
    }
    fs::copy(desk.path("release.key.pem"), desk.path("bad.pem")).unwrap();
    chown(desk.path("bad.pem"), Some(65_534), None).unwrap();
    check(&desk, "", &["bad.pem: the private key is owned by user 65534"]);
}

#[test]
fn what_is_no_file_is_refused_and_not_waited_for() {
    let desk = desk();
    check(&desk, "", &["bad.pem: cannot be opened"]);
    fs::create_dir(desk.path("bad.pem")).unwrap();
    check(&desk, "", &["bad.pem: is a folder"]);
    fs::remove_dir(desk.path("bad.pem")).unwrap();
    assert!(Command::new("mkfifo").arg(desk.path("bad.pem")).status().unwrap().success());
    let ended = desk.run(SIGN);
    ended.failed(3, &["bad.pem: is no regular file"]);
}

#[test]
fn what_is_no_private_key_is_refused() {
    let desk = desk();
    let certificate = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_vec();
    let foreign = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n".to_vec();
    let cases = [
        (Vec::new(), "found no PEM file"),
        (certificate, "found a certificate"),
        (desk.read("release.pub.pem"), "found a public key"),
        (foreign, "found a PEM file of another kind"),
        (vec![b'-'; 8 * 1024 + 1], "expected at most 8192"),
    ];
    for (bytes, said) in cases {
        desk.write_private("bad.pem", &bytes);
        check(&desk, "--passphrase-file passphrase", &["bad.pem", said]);
    }
}

#[test]
fn an_encrypted_key_is_refused_without_its_passphrase() {
    let desk = desk();
    fs::copy(desk.path("locked.key.pem"), desk.path("bad.pem")).unwrap();
    check(&desk, "", &["passphrase of bad.pem: needed, and there is no terminal to ask for it"]);
    let said = "bad.pem: cannot be opened with the passphrase: the passphrase does not open the file";
    check(&desk, "--passphrase-file wrong", &[said]);
    let mut text = desk.read("locked.key.pem");
    let middle = text.len() / 2;
    text.drain(middle..middle + 4);
    desk.write_private("bad.pem", &text);
    check(&desk, "--passphrase-file passphrase", &["bad.pem: cannot be opened"]);
}

#[test]
fn a_key_that_costs_too_much_to_open_is_refused_at_once() {
    let desk = desk();
    desk.write_private("bad.pem", COSTLY);
    check(&desk, "--passphrase-file passphrase", &["4000001 rounds of PBKDF2", "expected at most 4000000"]);
}

#[test]
fn a_passphrase_file_is_guarded_like_a_key() {
    let desk = desk();
    fs::copy(desk.path("locked.key.pem"), desk.path("bad.pem")).unwrap();
    desk.write("open", b"correct horse battery\n");
    fs::set_permissions(desk.path("open"), Permissions::from_mode(0o640)).unwrap();
    symlink("passphrase", desk.path("link")).unwrap();
    desk.write_private("empty", b"");
    desk.write_private("blank", b"\n");
    desk.write_private("lines", b"correct horse battery\nanother\n");
    desk.write_private("long", &[b'x'; 1_025]);
    for (file, said) in [
        ("open", "open: the passphrase file is open to others (mode 0640)"),
        ("link", "link: the passphrase file is a symbolic link"),
        ("absent", "absent: cannot be opened"),
        ("empty", "empty: the passphrase is empty"),
        ("blank", "blank: the passphrase is empty"),
        ("lines", "lines: more than one line"),
        ("long", "long: is 1025 bytes"),
    ] {
        // `long` is refused by its size before or while it is read.
        let said = if file == "long" { "expected at most 1024" } else { said };
        check(&desk, &format!("--passphrase-file {file}"), &[said]);
    }
}

#[test]
fn a_passphrase_is_taken_from_no_variable_and_no_argument() {
    let desk = desk();
    let line = "image sign meter.ota --key locked.key.pem --out out.ota";
    for name in ["LAMPLIGHTER_PASSPHRASE", "PASSPHRASE", "LAMPLIGHTER_PIN"] {
        desk.run_with(line, &[(name, PASSPHRASE)]).failed(3, &["there is no terminal to ask"]);
    }
    let ended = desk.run(&format!("{line} --passphrase secret"));
    assert_eq!(ended.code, 2, "{ended:?}");
}
