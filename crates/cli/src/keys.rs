//! Key files: whom to believe, and with what to sign. Every command that takes `--trust` or `--key` reads
//! its files here, so that a secret is guarded the same way everywhere.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use firmware_image::{MAX_ROOT_LEN, PublicKey, SignedRoot, SigningKey, TrustAnchor, TrustStore};
use rustix::fs::OFlags;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files;

/// Reads the public keys in `paths`: whom to believe. No paths, nobody.
pub(crate) fn read_trust(paths: &[PathBuf]) -> Result<TrustStore, Failure> {
    let keys: Result<Vec<PublicKey>, Failure> = paths.iter().map(|path| read_public_key(path)).collect();
    Ok(TrustStore::new(keys?))
}

/// Reads a signed trust root, for which whoever names the file vouches.
pub(crate) fn read_anchor(path: &Path) -> Result<TrustAnchor, Failure> {
    TrustAnchor::adopt(&read_root(path)?).or_fail(ExitCode::Refused, path.display())
}

/// Reads a signed trust root without believing it.
pub(crate) fn read_root(path: &Path) -> Result<SignedRoot, Failure> {
    let bytes = files::read(path, MAX_ROOT_LEN)?;
    let root = SignedRoot::from_bytes(bytes).or_bad_input(path.display())?;
    root.claims().or_bad_input(path.display())?;
    Ok(root)
}

/// Reads one public key.
pub(crate) fn read_public_key(path: &Path) -> Result<PublicKey, Failure> {
    // Zeroized too: the commonest mistake is to give the private key here.
    let bytes = Zeroizing::new(files::read(path, MAX_KEY_FILE_LEN)?);
    let context = format!("{}: expected an Ed25519 public key", path.display());
    let text = std::str::from_utf8(&bytes).or_bad_input(&context)?;
    PublicKey::from_pem(text).or_bad_input(&context)
}

/// Reads a private key from a file that nobody but its owner can read, and that nobody can have put there.
pub(crate) fn read_signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let file = match files::open(path, OFlags::NOFOLLOW) {
        Err(_) if path.is_symlink() => {
            return Err(unguarded(path, "a symbolic link, expected the key file itself"));
        }
        result => result?,
    };
    let metadata = files::regular(path, &file)?;
    check_guarded(path, &metadata)?;
    // Room for the whole file at once: a growing buffer would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_LEN + 1));
    files::read_into(path, file, MAX_KEY_FILE_LEN, &mut bytes)?;
    let context = format!("{}: expected an Ed25519 private key", path.display());
    let text = std::str::from_utf8(&bytes).or_bad_input(&context)?;
    SigningKey::from_pem(text).or_bad_input(&context)
}

/// Refuses a file that others may read, or that belongs to someone else. Asked of the open file, so that
/// it cannot be exchanged between question and reading.
fn check_guarded(path: &Path, metadata: &Metadata) -> Result<(), Failure> {
    if metadata.uid() != geteuid().as_raw() {
        let what = format!("owned by user {}, expected your own file", metadata.uid());
        return Err(unguarded(path, &what));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let what = format!("open to others (mode {mode:04o}), expected mode 0600");
        return Err(unguarded(path, &what).hint(format!("chmod 600 {}", path.display())));
    }
    Ok(())
}

fn unguarded(path: &Path, what: &str) -> Failure {
    Failure::message(ExitCode::BadInput, format_args!("{}: the private key is {what}", path.display()))
}

/// Largest key file in bytes: a PKCS#8 Ed25519 key is about 120, and PEM allows text around it.
const MAX_KEY_FILE_LEN: usize = 8 * 1024;
