//! A root on its way into a chain: written as `N.root` once the old keys and the new ones have signed it, as
//! `N.root.draft` until then. Nothing is written that does not hold.

use std::fmt;
use std::fs;
use std::path::Path;

use firmware_image::{Attack, RootVersion, SignedRoot, Signer, TrustAnchor, TrustRoot};
use serde::Serialize;

use super::super::chain::{Chain, draft_path_of, drafts_in, path_of};
use super::super::refusal::{OrRefuse, Refusal, Stop};
use super::facts::VersionFacts;
use crate::exit::{ExitCode, Failure, OrFail};
use crate::files::{Destination, Overwrite};
use crate::output::Output;

/// A root that may become the next of a chain.
pub(super) struct Candidate {
    previous: Option<TrustAnchor>,
    root: TrustRoot,
    signed: SignedRoot,
}

impl Candidate {
    /// Takes a root that nobody has signed yet.
    pub(super) fn new(previous: Option<TrustAnchor>, root: TrustRoot) -> Result<Candidate, Failure> {
        let place = format!("trust root {}", root.version);
        let signed = SignedRoot::draft(&root).or_bad_input(place)?;
        Ok(Candidate { previous, root, signed })
    }

    /// Takes a draft that is there already.
    pub(super) fn of_draft(
        path: &Path,
        previous: Option<TrustAnchor>,
        signed: SignedRoot,
    ) -> Result<Candidate, Stop> {
        let root = signed.claims().or_refuse(path.display())?;
        Ok(Candidate { previous, root, signed })
    }

    /// Returns what is to be signed.
    pub(super) fn facts(&self) -> VersionFacts {
        VersionFacts::new(self.previous.as_ref().map(TrustAnchor::root), &self.root, &self.signed)
    }

    /// Adds a signature of somebody who has a say.
    pub(super) fn sign(&mut self, signer: &dyn Signer) -> Result<(), Stop> {
        let key = signer.public();
        let may_sign = |root: &TrustRoot| root.root.keys().contains(&key);
        let name = format!("trust root {}", self.root.version);
        if !may_sign(&self.root) && !self.previous.as_ref().is_some_and(|held| may_sign(held.root())) {
            let reason = format!("key {} is no root key, neither before nor after", key.fingerprint());
            return Err(Refusal::new(name, Attack::UntrustedKey, reason).into());
        }
        self.signed = self.signed.sign(signer).or_bad_input(name)?;
        Ok(())
    }

    /// Returns the quorums that are not reached yet.
    fn missing(&self, place: &str) -> Result<Vec<Missing>, Stop> {
        let mut missing = Vec::new();
        for root in self.previous.iter().map(TrustAnchor::root).chain([&self.root]) {
            let signers = self.signed.signers(root).or_refuse(place)?;
            let (have, need) = (root.root.count(&signers), root.root.threshold());
            if have < need {
                let records = root.root.records().iter().filter(|record| !signers.contains(&record.key));
                let mut of = records.map(|record| record.holder.to_string()).collect::<Vec<_>>();
                of.sort();
                missing.push(Missing { root: root.version.0, have, need, of });
            }
        }
        Ok(missing)
    }

    /// Writes the root, or its draft when signatures are missing, and says which.
    pub(super) fn write(&self, folder: &Path, output: &Output) -> Result<(), Stop> {
        let version = self.root.version;
        let (complete, draft) = (path_of(folder, version), draft_path_of(folder, version));
        let missing = self.missing(&draft.display().to_string())?;
        let path = if missing.is_empty() { &complete } else { &draft };
        if missing.is_empty() {
            match &self.previous {
                Some(held) => held.advance(&self.signed),
                None => TrustAnchor::adopt(&self.signed),
            }
            .or_refuse(path.display())?;
            Destination::new(path, Overwrite::Refuse, &[])?.write(self.signed.bytes())?;
            remove_draft(&draft)?;
        } else {
            Destination::new(path, Overwrite::Replace, &[])?.write(self.signed.bytes())?;
        }
        let file = path.display().to_string();
        let complete = missing.is_empty();
        output.report(&RootReport { file, complete, root: self.facts(), missing })?;
        let folder = folder.display();
        output.talk(match complete {
            true => format!("next: lamplighter image trust show {folder}"),
            false => {
                format!("next: lamplighter image trust sign {folder} --key KEY, here or on another machine")
            }
        });
        Ok(())
    }
}

/// Refuses to begin a root while another one waits for signatures: the two would claim the same number.
pub(super) fn require_no_draft(folder: &Path) -> Result<(), Failure> {
    let Some(version) = drafts_in(folder)?.first().copied() else { return Ok(()) };
    let path = draft_path_of(folder, version).display().to_string();
    let message = format!("{path}: waits for signatures, expected no draft");
    Err(Failure::message(ExitCode::BadInput, message)
        .hint(format!("sign it with `lamplighter image trust sign {}`, or remove it", folder.display())))
}

/// Returns the chain's newest root and the version that comes next.
pub(super) fn newest_of(folder: &Path) -> Result<(TrustAnchor, RootVersion), Stop> {
    if !folder.is_dir() {
        let message = format!("{}: expected the folder of a chain of trust roots", folder.display());
        return Err(Failure::message(ExitCode::BadInput, message).into());
    }
    require_no_draft(folder)?;
    let newest = Chain::read(folder)?.newest().clone();
    let next = RootVersion(newest.root().version.0 + 1);
    Ok((newest, next))
}

/// Takes the draft away once the root is there. A draft left behind by a fall between the two is harmless: it says
/// the same as the root.
fn remove_draft(draft: &Path) -> Result<(), Failure> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).or_fail(ExitCode::Failed, format_args!("{}: cannot be removed", draft.display()))
        }
        _ => Ok(()),
    }
}

/// A quorum that is not reached yet.
#[derive(Debug, Serialize)]
struct Missing {
    /// Whose quorum: the root's of this version.
    root: u64,
    have: usize,
    need: usize,
    /// Holders of whom some must sign yet.
    of: Vec<String>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct RootReport {
    file: String,
    complete: bool,
    #[serde(flatten)]
    root: VersionFacts,
    missing: Vec<Missing>,
}

impl fmt::Display for RootReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.complete { "complete" } else { "draft: signatures are missing" };
        writeln!(formatter, "file          {} ({state})", self.file)?;
        write!(formatter, "{}", self.root)?;
        for Missing { root, have, need, of } in &self.missing {
            let of = of.join(", ");
            writeln!(
                formatter,
                "missing       {have} of {need} root keys of root {root} signed, wanted of: {of}"
            )?;
        }
        Ok(())
    }
}
