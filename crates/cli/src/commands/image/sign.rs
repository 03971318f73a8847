//! `lamplighter image sign`: a sound OTA file becomes one that devices can believe.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{
    OtaFile, Predecessors, RootVersion, SequenceNumber, SignedImage, Signer, Terms, TrustStore, VerifyError,
    VersionRange,
};
use serde::Serialize;

use super::facts::{IdentityFacts, PromiseFacts};
use super::signing::KeyArguments;
use super::{inspect_hint, read_image};
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{Destination, Overwrite};
use crate::output::Output;

/// Sign an OTA file: bind its payload, header and elements to one key or several.
///
/// Block digests, promise and signature are appended as elements; the payload stays as it is. All signers of an
/// image sign at once. A key file must be readable by you alone; one that is encrypted asks for its passphrase.
/// What was signed is verified before it is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
lamplighter image sign meter.ota --key keys/release.key.pem --out meter.signed.ota\n  \
lamplighter image sign meter.ota --key a.key.pem --key b.key.pem --min-root 2 \\\n      \
--predecessors 0x01000000..0x0102FFFF --out meter.signed.ota")]
pub(crate) struct Arguments {
    /// Unsigned OTA file.
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
    /// Rollback counter: devices take no image below the one they confirmed [default: the file version].
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// Trust root that a device must have reached; 0 for devices with pinned keys.
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_root: u64,
    /// Versions that the image may follow [default: any].
    #[arg(long, value_name = "VERSION[..VERSION],...", value_delimiter = ',')]
    predecessors: Vec<VersionRange>,
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
    promise: PromiseFacts,
    signers: Vec<String>,
    image_digest: String,
    file_digest: String,
}

impl fmt::Display for SignReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "file          {} ({} bytes, signed)", self.file, self.size_bytes)?;
        write!(formatter, "{}", self.identity)?;
        writeln!(formatter, "sequence      {}", self.sequence)?;
        write!(formatter, "{}", self.promise)?;
        writeln!(formatter, "signers       {}", self.signers.join(", "))?;
        writeln!(formatter, "image digest  {}", self.image_digest)?;
        writeln!(formatter, "file digest   {}", self.file_digest)
    }
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let path = &arguments.file;
    let mut inputs: Vec<&Path> = vec![path];
    inputs.extend(arguments.keys.files());
    let destination = Destination::new(&arguments.out, Overwrite::from_force(arguments.force), &inputs)?;
    let signers = arguments.keys.signers()?;
    let keys = different(&signers)?;
    let file = OtaFile::parse(read_image(path)?)
        .or_bad_input(format_args!("{}: expected a sound OTA file", path.display()))
        .map_err(|failure| failure.hint(inspect_hint(path)))?;
    let terms = terms(arguments, &file)?;
    let signed = SignedImage::sign_jointly(&file, &terms, &keys)
        .or_bad_input(format_args!("{}: cannot be signed", path.display()))?;
    require_sound(&signed, &keys)?;
    let promise = PromiseFacts::of(&signed).or_fail(ExitCode::Failed, "what was signed cannot be read")?;
    let file = signed.file();
    destination.write(file.bytes())?;
    let out = arguments.out.display();
    output.report(&SignReport {
        file: out.to_string(),
        size_bytes: file.bytes().len(),
        identity: file.identity().into(),
        sequence: terms.sequence.0,
        promise,
        signers: keys.iter().map(|key| key.public().fingerprint().to_string()).collect(),
        image_digest: file.image_digest().to_string(),
        file_digest: file.file_digest().to_string(),
    })?;
    output.talk(match arguments.min_root {
        0 => format!("next: lamplighter image verify {out} --trust NAME.pub.pem"),
        _ => format!("next: lamplighter image verify {out} --root DIR"),
    });
    Ok(())
}

fn terms(arguments: &Arguments, file: &OtaFile) -> Result<Terms, Failure> {
    let predecessors = match &arguments.predecessors[..] {
        [] => Predecessors::Any,
        ranges => {
            let mut ranges = ranges.to_vec();
            ranges.sort_by_key(|range| range.min);
            Predecessors::only(ranges).or_bad_input("--predecessors")?
        }
    };
    Ok(Terms {
        sequence: SequenceNumber(arguments.sequence.unwrap_or(file.identity().file_version.0.into())),
        minimum_root: RootVersion(arguments.min_root),
        predecessors,
    })
}

/// Refuses the same key twice, which would look like two signers, and more than an envelope holds.
fn different(signers: &[Box<dyn Signer>]) -> Result<Vec<&dyn Signer>, Failure> {
    let mut keys: Vec<&dyn Signer> = Vec::with_capacity(signers.len());
    for signer in signers {
        if keys.iter().any(|key| key.public() == signer.public()) {
            let message = format!("--key: key {} was given twice", signer.public().fingerprint());
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        keys.push(&**signer);
    }
    if keys.len() > MOST_SIGNERS {
        let message = format!("--key: expected at most {MOST_SIGNERS} keys, found {}", keys.len());
        return Err(Failure::message(ExitCode::BadInput, message));
    }
    Ok(keys)
}

/// Verifies what was signed. Asked is everything but the trust root, which no key alone can stand for.
fn require_sound(signed: &SignedImage, keys: &[&dyn Signer]) -> Result<(), Failure> {
    let believed = TrustStore::new(keys.iter().map(|key| key.public()).collect());
    match believed.verify(signed.clone()) {
        Ok(_) | Err(VerifyError::RootTooOld { .. }) => Ok(()),
        Err(error) => {
            Err(error).or_fail(ExitCode::Failed, "what was signed does not verify; nothing is written")
        }
    }
}

/// The most signers of an image: the two a manufacturer needs at the most, and two more on their way in or out.
const MOST_SIGNERS: usize = 4;
