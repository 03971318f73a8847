//! Keys: whom to believe, and with what to sign. Every command that takes `--trust` or `--key` reads its keys
//! here, so that a secret is guarded the same way everywhere.
//!
//! ```text
//! --key FILE        guarded ─▶ text ─▶ plain or encrypted PKCS#8 ─▶ SigningKey ─┐
//!                                       passphrase ──────┘                      ├─▶ dyn Signer
//! --key pkcs11:...  token_uri ─▶ token ─▶ PIN ─▶ object ─▶ TokenKey ────────────┘
//! ```

mod guarded;
mod link;
mod passphrase;
mod source;
#[cfg(test)]
mod tests;
mod token;
mod token_uri;

use std::path::{Path, PathBuf};

use firmware_image::{MAX_ROOT_LEN, PublicKey, SignedRoot, Signer, SigningKey, TrustAnchor, TrustStore};
use zeroize::Zeroizing;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files;

pub(crate) use link::{LinkKeyFile, make_link_keys, open_counters};
pub(crate) use passphrase::{PassphraseArguments, PassphraseSource};
pub(crate) use source::{KeyPlace, KeySource};
pub(crate) use token::make_in_token;

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

/// Makes ready to sign, wherever the secret key lies.
pub(crate) fn read_signer(source: &KeySource) -> Result<Box<dyn Signer>, Failure> {
    match &source.place {
        KeyPlace::File(path) => Ok(Box::new(read_file(path, &source.passphrase)?)),
        KeyPlace::Token(uri) => Ok(Box::new(token::open(uri, &source.passphrase)?)),
    }
}

/// Reads a secret key file of a command that has no options for passphrases: it can only ask.
pub(crate) fn read_signing_key(path: &Path) -> Result<SigningKey, Failure> {
    read_file(path, &PassphraseSource::Ask)
}

fn read_file(path: &Path, passphrase: &PassphraseSource) -> Result<SigningKey, Failure> {
    let bytes = guarded::read(path, "the private key", MAX_KEY_FILE_LEN)?;
    let context = format!("{}: expected an Ed25519 private key", path.display());
    let text = std::str::from_utf8(&bytes).or_bad_input(&context)?;
    if !SigningKey::is_encrypted(text) {
        return SigningKey::from_pem(text).or_bad_input(&context);
    }
    let passphrase = passphrase.read(&format!("passphrase of {}", path.display()))?;
    SigningKey::from_encrypted_pem(text, passphrase.as_bytes())
        .or_bad_input(format_args!("{}: cannot be opened with the passphrase", path.display()))
}

/// Largest key file in bytes: a PKCS#8 Ed25519 key is about 120, encrypted about 400, and PEM allows text around
/// it.
const MAX_KEY_FILE_LEN: usize = 8 * 1024;
