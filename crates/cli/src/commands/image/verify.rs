//! `lamplighter image verify`: would a device that believes these keys believe this file?

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{IntakeError, PayloadFormat, TrustStore, VerifiedImage, VerifyError};
use serde::Serialize;

use super::facts::IdentityFacts;
use super::{inspect_hint, mcuboot, read_image};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::keys;
use crate::output::{Format, Output};

/// Verify the signature of an image, as head-end and devices do.
///
/// Exit code 0: sound. 4: refused, and which promise is broken. 3: no OTA file, or not readable. With --json
/// a refusal is a document too. A bare MCUboot image is verified as a boot loader with these keys would.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter image verify meter.ota --trust keys/release.pub.pem")]
pub(crate) struct Arguments {
    /// Signed OTA file, or a bare MCUboot image.
    file: PathBuf,
    /// Public key to believe; may be given several times.
    #[arg(long, value_name = "PUB", required = true)]
    trust: Vec<PathBuf>,
}

/// What is now known to be true.
#[derive(Debug, Serialize)]
struct VerifyReport {
    file: String,
    verdict: &'static str,
    size_bytes: usize,
    #[serde(flatten)]
    identity: IdentityFacts,
    sequence: u64,
    signers: Vec<String>,
    image_digest: String,
    file_digest: String,
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "verified      {} ({} bytes)", self.file, self.size_bytes)?;
        write!(formatter, "{}", self.identity)?;
        writeln!(formatter, "sequence      {}", self.sequence)?;
        writeln!(formatter, "signers       {}", self.signers.join(", "))?;
        writeln!(formatter, "image digest  {}", self.image_digest)?;
        writeln!(formatter, "file digest   {}", self.file_digest)
    }
}

/// Why it is refused; for programs, people read the error line.
#[derive(Debug, Serialize)]
struct RefusalReport {
    file: String,
    verdict: &'static str,
    reason: String,
}

impl fmt::Display for RefusalReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "refused       {}: {}", self.file, self.reason)
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let trust = keys::read_trust(&arguments.trust)?;
    let bytes = read_image(path)?;
    if PayloadFormat::of(&bytes) == PayloadFormat::Mcuboot {
        return mcuboot::verify(path, &bytes, &trust, output);
    }
    match trust.verify_bytes(bytes) {
        Ok(image) => output.report(&verified(arguments, &image)),
        Err(IntakeError::Parse(error)) => Err(error)
            .or_bad_input(format_args!("{}: expected a sound OTA file", path.display()))
            .map_err(|failure| failure.hint(inspect_hint(path))),
        Err(IntakeError::Verify(error)) => refuse(arguments, &trust, error, output),
    }
}

fn verified(arguments: &Arguments, image: &VerifiedImage) -> VerifyReport {
    VerifyReport {
        file: arguments.file.display().to_string(),
        verdict: "verified",
        size_bytes: image.bytes().len(),
        identity: image.identity().into(),
        sequence: image.sequence().0,
        signers: image.signers().iter().map(ToString::to_string).collect(),
        image_digest: image.image_digest().to_string(),
        file_digest: image.file_digest().to_string(),
    }
}

fn refuse(
    arguments: &Arguments,
    trust: &TrustStore,
    error: VerifyError,
    output: &Output,
) -> Result<(), Failure> {
    let file = arguments.file.display().to_string();
    report_refusal(&arguments.file, &error, output)?;
    let hint = match &error {
        VerifyError::Unsigned => Some("sign it with `lamplighter image sign`".to_owned()),
        VerifyError::UntrustedKey { .. } => {
            let trusted: Vec<String> = trust.keys().iter().map(|key| key.fingerprint().to_string()).collect();
            Some(format!("trusted here: {}", trusted.join(", ")))
        }
        _ => None,
    };
    let refused = Err(error).or_fail(ExitCode::Refused, format_args!("{file}: refused"));
    match hint {
        Some(hint) => refused.map_err(|failure| failure.hint(hint)),
        None => refused,
    }
}

/// Writes the document of a refusal for programs; people read the error line.
pub(super) fn report_refusal(path: &Path, error: &dyn fmt::Display, output: &Output) -> Result<(), Failure> {
    if output.format() != Format::Json {
        return Ok(());
    }
    let (file, reason) = (path.display().to_string(), error.to_string());
    output.report(&RefusalReport { file, verdict: "refused", reason })
}
