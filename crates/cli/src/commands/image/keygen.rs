//! `lamplighter image keygen`: a new signing key and its public half.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{FreshBytes, PublicKey, Signer, SigningKey};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{self, Destination, Overwrite};
use crate::keys::{self, PassphraseArguments, PassphraseSource};
use crate::output::Output;

/// Make a signing key and its public half.
///
/// Writes NAME.key.pem, readable by you alone, and NAME.pub.pem, which is given to whoever is to believe the
/// key. With --token the secret is made inside the token and never leaves it, and only NAME.pub.pem is written.
/// A key that is there already is never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplighter image keygen --out keys --name release --encrypt
  lamplighter image keygen --out keys --name release \\
    --token 'pkcs11:token=Signing?module-path=/usr/lib/softhsm/libsofthsm2.so'")]
pub(crate) struct Arguments {
    /// Folder to write to; made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the key: letters, digits, `.`, `_` and `-`.
    #[arg(long, value_parser = parse_name)]
    name: String,
    /// Protect the private key file with a passphrase.
    #[arg(long)]
    encrypt: bool,
    /// Make the key inside the PKCS#11 token of this URI (RFC 7512).
    #[arg(long, value_name = "URI", conflicts_with = "encrypt")]
    token: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

/// What was made.
#[derive(Debug, Serialize)]
struct KeyReport {
    private_key: String,
    public_key: String,
    fingerprint: String,
}

impl fmt::Display for KeyReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "private key   {}", self.private_key)?;
        writeln!(formatter, "public key    {}", self.public_key)?;
        writeln!(formatter, "fingerprint   {}", self.fingerprint)
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let passphrase = arguments.passphrase.source();
    if passphrase != PassphraseSource::Ask && !arguments.encrypt && arguments.token.is_none() {
        // Otherwise somebody believes the key to be protected that is not.
        let message = "a passphrase is given but protects nothing, expected --encrypt or --token beside it";
        return Err(Failure::message(ExitCode::Usage, message));
    }
    let public_path = arguments.out.join(format!("{}.pub.pem", arguments.name));
    let (private_key, public) = match &arguments.token {
        Some(uri) => make_in_token(arguments, uri, &passphrase, &public_path)?,
        None => make_file(arguments, &passphrase, &public_path)?,
    };
    output.report(&KeyReport {
        private_key: private_key.clone(),
        public_key: public_path.display().to_string(),
        fingerprint: public.fingerprint().to_string(),
    })?;
    let quote = if arguments.token.is_some() { "'" } else { "" };
    output.talk(format_args!(
        "next: lamplighter image sign FILE --key {quote}{private_key}{quote} --out SIGNED"
    ));
    Ok(())
}

/// Makes a pair of files and returns where the private one lies.
fn make_file(
    arguments: &Arguments,
    passphrase: &PassphraseSource,
    public_path: &Path,
) -> Result<(String, PublicKey), Failure> {
    let private_path = arguments.out.join(format!("{}.key.pem", arguments.name));
    files::create_private_folder(&arguments.out)?;
    let private = Destination::private(&private_path)?;
    let public = Destination::new(public_path, Overwrite::Refuse, &[])?;
    let key = SigningKey::generate_from_seed(*random()?);
    let text = if arguments.encrypt {
        let passphrase = passphrase.read_new(&format!("passphrase of {}", private_path.display()))?;
        let fresh = FreshBytes { salt: *random()?, initialization_vector: *random()? };
        key.to_encrypted_pem(passphrase.as_bytes(), fresh)
    } else {
        key.to_pem()
    };
    private.write(text.as_bytes())?;
    public.write(key.public().to_pem().as_bytes()).inspect_err(|_| {
        // Half a pair is of no use, and would stand in the way of the next attempt.
        let _ = fs::remove_file(&private_path);
    })?;
    Ok((private_path.display().to_string(), key.public()))
}

/// Makes a key inside a token and returns the URI that names it.
fn make_in_token(
    arguments: &Arguments,
    uri: &str,
    passphrase: &PassphraseSource,
    public_path: &Path,
) -> Result<(String, PublicKey), Failure> {
    files::create_private_folder(&arguments.out)?;
    let destination = Destination::new(public_path, Overwrite::Refuse, &[])?;
    let (key, uri) = keys::make_in_token(uri, &arguments.name, *random()?, passphrase)?;
    let public = key.public();
    match destination.write(public.to_pem().as_bytes()) {
        Ok(()) => Ok((uri, public)),
        Err(failure) => {
            key.destroy();
            Err(failure)
        }
    }
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).or_fail(ExitCode::Failed, "the system gives no random numbers")?;
    Ok(bytes)
}

/// A name becomes part of two file names, and nothing but that.
fn parse_name(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts_well && text.len() <= MAX_NAME_LEN && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("expected 1 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or digit")
}

/// Longest name in bytes: with its ending far below the 255 a file name may have.
const MAX_NAME_LEN: usize = 64;
