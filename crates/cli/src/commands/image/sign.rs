//! `lamplighter image sign`: a sound OTA file becomes one that devices can believe.

use std::fmt;
use std::iter;
use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{OtaFile, SequenceNumber, SignedImage, TrustStore};
use serde::Serialize;

use super::facts::IdentityFacts;
use super::{inspect_hint, read_image};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{Destination, Overwrite};
use crate::keys::{self, KeyPlace, KeySource, PassphraseArguments};
use crate::output::Output;

/// Sign an OTA file: bind its payload, header and elements to a key.
///
/// The signature is appended as one more element; the payload stays as it is. A key file must be readable by you
/// alone; one that is encrypted asks for its passphrase. What was signed is verified before it is written.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  lamplighter image sign meter.ota --key keys/release.key.pem --out meter.signed.ota"
)]
pub(crate) struct Arguments {
    /// Unsigned OTA file.
    file: PathBuf,
    /// Private key: a file, plain or encrypted, as `image keygen` writes it.
    #[arg(long, value_name = "KEY", value_parser = KeyPlace::value_parser())]
    key: KeyPlace,
    #[command(flatten)]
    passphrase: PassphraseArguments,
    /// Rollback counter: devices take no image below the one they run [default: the file version].
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file to write if it exists.
    #[arg(long)]
    force: bool,
}

/// What was signed.
#[derive(Debug, Serialize)]
struct SignReport {
    file: String,
    size_bytes: usize,
    #[serde(flatten)]
    identity: IdentityFacts,
    sequence: u64,
    signers: Vec<String>,
    image_digest: String,
    file_digest: String,
}

impl fmt::Display for SignReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "file          {} ({} bytes, signed)", self.file, self.size_bytes)?;
        write!(formatter, "{}", self.identity)?;
        writeln!(formatter, "sequence      {}", self.sequence)?;
        writeln!(formatter, "signers       {}", self.signers.join(", "))?;
        writeln!(formatter, "image digest  {}", self.image_digest)?;
        writeln!(formatter, "file digest   {}", self.file_digest)
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let overwrite = Overwrite::from_force(arguments.force);
    let inputs: Vec<&Path> = iter::once(path.as_path()).chain(arguments.key.path()).collect();
    let destination = Destination::new(&arguments.out, overwrite, &inputs)?;
    let source = KeySource { place: arguments.key.clone(), passphrase: arguments.passphrase.source() };
    let key = keys::read_key_file(&source)?;
    let file = OtaFile::parse(read_image(path)?)
        .or_bad_input(format_args!("{}: expected a sound OTA file", path.display()))
        .map_err(|failure| failure.hint(inspect_hint(path)))?;
    let sequence = SequenceNumber(arguments.sequence.unwrap_or(file.identity().file_version.0.into()));
    let signed = SignedImage::sign(&file, sequence, &key)
        .or_bad_input(format_args!("{}: cannot be signed", path.display()))?;
    let image = TrustStore::new(vec![key.public()])
        .verify(signed)
        .or_fail(ExitCode::Failed, "what was signed does not verify; nothing is written")?;
    destination.write(image.bytes())?;
    let out = arguments.out.display();
    output.report(&SignReport {
        file: out.to_string(),
        size_bytes: image.bytes().len(),
        identity: image.identity().into(),
        sequence: image.sequence().0,
        signers: image.signers().iter().map(ToString::to_string).collect(),
        image_digest: image.image_digest().to_string(),
        file_digest: image.file_digest().to_string(),
    })?;
    output.talk(format_args!("next: lamplighter image verify {out} --trust NAME.pub.pem"));
    Ok(())
}
