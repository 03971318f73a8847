//! One set of checks for every kind of key: a file, an encrypted file, an object in a token. Whoever signs must
//! not be able to tell them apart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

#[path = "../../tests/cli/softhsm.rs"]
mod softhsm;

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use firmware_image::{FreshBytes, PublicKey, Signer, SigningKey, sign_checked};
use tempfile::TempDir;

use self::softhsm::Softhsm;
use super::{KeyPlace, KeySource, PassphraseSource, make_in_token, read_signer};
use crate::exit::ExitCode;

/// A key and what is known about it from elsewhere.
struct Kind {
    source: KeySource,
    public: PublicKey,
    /// A source of a passphrase that does not open the key, if it has one.
    wrong_passphrase: Option<PassphraseSource>,
}

impl Kind {
    fn open(&self) -> Box<dyn Signer> {
        read_signer(&self.source).unwrap()
    }
}

/// What must hold of a key of any kind, in words, and how it is found out.
type Check = (&'static str, fn(&Kind));

const CHECKS: [Check; 6] = [
    ("it knows its public half", |kind| assert_eq!(kind.open().public(), kind.public)),
    ("it signs messages of any length", |kind| {
        let signer = kind.open();
        for len in [0, 1, 63, 64, 65, 140, 4_096, 100_000] {
            sign_checked(&*signer, &vec![0xa5; len]).unwrap();
        }
    }),
    ("it signs the same message alike, also when opened again", |kind| {
        let signer = kind.open();
        let first = sign_checked(&*signer, b"image").unwrap();
        assert_eq!(sign_checked(&*signer, b"image").unwrap(), first);
        assert_eq!(sign_checked(&*kind.open(), b"image").unwrap(), first);
    }),
    ("it signs other messages otherwise", |kind| {
        let signer = kind.open();
        assert_ne!(sign_checked(&*signer, b"one").unwrap(), sign_checked(&*signer, b"two").unwrap());
    }),
    ("two of its signers work side by side", |kind| {
        let signers = [kind.open(), kind.open()];
        for message in 0_u8..20 {
            sign_checked(&*signers[usize::from(message % 2)], &[message]).unwrap();
        }
        let [first, second] = signers;
        drop(first);
        sign_checked(&*second, b"alone").unwrap();
    }),
    ("a wrong passphrase is refused, and the right one still works", |kind| {
        let Some(passphrase) = kind.wrong_passphrase.clone() else { return };
        let failure = read_signer(&KeySource { passphrase, ..kind.source.clone() }).err().unwrap();
        assert_eq!(failure.code(), ExitCode::BadInput);
        sign_checked(&*kind.open(), b"image").unwrap();
    }),
];

fn check_all(name: &str, kind: &Kind) {
    for (truth, check) in CHECKS {
        eprintln!("{name}: {truth}");
        check(kind);
    }
}

fn private_file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn keys_in_plain_files_pass_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate_from_seed([1; 32]);
    let place = KeyPlace::File(private_file(&folder, "key.pem", &key.to_pem()));
    let source = KeySource { place, passphrase: PassphraseSource::Ask };
    check_all("plain file", &Kind { source, public: key.public(), wrong_passphrase: None });
}

#[test]
fn keys_in_encrypted_files_pass_every_check() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate_from_seed([2; 32]);
    let fresh = FreshBytes { salt: [3; 16], initialization_vector: [4; 16] };
    let text = key.to_encrypted_pem(b"correct horse battery", fresh);
    let place = KeyPlace::File(private_file(&folder, "key.pem", &text));
    let right = private_file(&folder, "right", "correct horse battery\n");
    let wrong = private_file(&folder, "wrong", "incorrect horse battery\n");
    let source = KeySource { place, passphrase: PassphraseSource::File(right) };
    let wrong_passphrase = Some(PassphraseSource::File(wrong));
    check_all("encrypted file", &Kind { source, public: key.public(), wrong_passphrase });
}

/// SoftHSM finds its token through a variable of the environment, which only a new process can be given.
#[test]
fn keys_in_a_token_pass_every_check() {
    const WHOLE_NAME: &str = "keys::tests::keys_in_a_token_pass_every_check";
    const TOKEN: &str = "LAMPLIGHTER_TEST_TOKEN";
    const PINS: &str = "LAMPLIGHTER_TEST_PINS";
    if let (Ok(uri), Ok(pins)) = (env::var(TOKEN), env::var(PINS)) {
        let (right, wrong) = pins.split_once(':').unwrap();
        return check_token(&uri, Path::new(right), Path::new(wrong));
    }
    let Some(token) = Softhsm::make() else { return };
    let pins = format!("{}:{}", token.pin_file().display(), token.wrong_pin_file().display());
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", WHOLE_NAME, "--nocapture"]).stdin(Stdio::null()).envs([token.environment()]);
    let output = command.env(TOKEN, token.uri("")).env(PINS, pins).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("token: ").count(), CHECKS.len(), "{said}");
}

fn check_token(uri: &str, right: &Path, wrong: &Path) {
    let right = PassphraseSource::File(right.to_owned());
    let (key, uri) = make_in_token(uri, "release", [5; 16], &right).unwrap();
    let public = key.public();
    drop(key);
    let kind = Kind {
        source: KeySource { place: KeyPlace::Token(uri), passphrase: right },
        public,
        wrong_passphrase: Some(PassphraseSource::File(wrong.to_owned())),
    };
    check_all("token", &kind);
}
