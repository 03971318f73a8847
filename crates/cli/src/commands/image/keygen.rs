//! `lamplighter image keygen`: a new signing key and its public half.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use clap::Args;
use firmware_image::SigningKey;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{self, Destination, Overwrite};
use crate::output::Output;

/// Make a signing key and its public half.
///
/// Writes NAME.key.pem, readable by you alone, and NAME.pub.pem, which is given to whoever is to believe the
/// key. A key that is there already is never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter image keygen --out keys --name release")]
pub(crate) struct Arguments {
    /// Folder to write both files to; made if it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the key: letters, digits, `.`, `_` and `-`.
    #[arg(long, value_parser = parse_name)]
    name: String,
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
    let private_path = arguments.out.join(format!("{}.key.pem", arguments.name));
    let public_path = arguments.out.join(format!("{}.pub.pem", arguments.name));
    files::create_private_folder(&arguments.out)?;
    let private = Destination::private(&private_path)?;
    let public = Destination::new(&public_path, Overwrite::Refuse, &[])?;

    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).or_fail(ExitCode::Failed, "the system gives no random numbers")?;
    let key = SigningKey::generate_from_seed(*seed);

    private.write(key.to_pem().as_bytes())?;
    public.write(key.public().to_pem().as_bytes()).inspect_err(|_| {
        // Half a pair is of no use, and would stand in the way of the next attempt.
        let _ = fs::remove_file(&private_path);
    })?;
    output.report(&KeyReport {
        private_key: private_path.display().to_string(),
        public_key: public_path.display().to_string(),
        fingerprint: key.public().fingerprint().to_string(),
    })?;
    output.talk(format_args!(
        "next: lamplighter image sign FILE --key {} --out SIGNED",
        private_path.display()
    ));
    Ok(())
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
