//! `lamplighter image trust sign`: one more signature under a draft, wherever that key lies.

use std::path::{Path, PathBuf};

use clap::Args;
use firmware_image::{RootVersion, TrustAnchor};

use super::super::chain::{Chain, draft_path_of, drafts_in, read_root, versions_in};
use super::super::refusal::Stop;
use super::super::signing::KeyArguments;
use super::candidate::Candidate;
use crate::exit::{ExitCode, Failure};
use crate::output::Output;

/// Sign a trust root that waits for signatures.
///
/// Says what is new in the root before it signs. The draft becomes the root with the last signature that was
/// missing. The folder must hold the chain up to the root before, which its keys are verified against.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter image trust sign trust --key root-b.key.pem")]
pub(crate) struct Arguments {
    /// Folder of the chain, or the draft in it.
    #[arg(value_name = "DIR|DRAFT")]
    draft: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    try_run(arguments, output).map_err(|stop| stop.end(output))
}

fn try_run(arguments: &Arguments, output: &Output) -> Result<(), Stop> {
    let path = draft_at(&arguments.draft)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let signed = read_root(&path)?;
    let previous = previous_of(folder)?;
    let mut candidate = Candidate::of_draft(&path, previous, signed)?;
    output.talk(format_args!("signing\n{}", candidate.facts().to_string().trim_end()));
    for signer in arguments.keys.signers()? {
        candidate.sign(&*signer)?;
    }
    candidate.write(folder, output)
}

/// Finds the one draft that is meant.
fn draft_at(path: &Path) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    match drafts_in(path)?[..] {
        [version] => Ok(draft_path_of(path, version)),
        [] => {
            let message = format!("{}: expected a draft such as 2.root.draft, found none", path.display());
            Err(Failure::message(ExitCode::BadInput, message))
        }
        ref several => {
            let names: Vec<String> =
                several.iter().map(|RootVersion(version)| format!("{version}.root.draft")).collect();
            let message = format!("{}: expected one draft, found {}", path.display(), names.join(", "));
            Err(Failure::message(ExitCode::BadInput, message))
        }
    }
}

fn previous_of(folder: &Path) -> Result<Option<TrustAnchor>, Stop> {
    if versions_in(folder)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(Chain::read(folder)?.newest().clone()))
}
