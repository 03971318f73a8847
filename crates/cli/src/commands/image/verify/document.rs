//! Verifying roots, releases and statuses: would somebody who holds the chain take them?

use std::fmt;
use std::path::Path;

use firmware_image::{
    GateRefusal, HubGate, MAX_RELEASE_LEN, MAX_STATUS_LEN, SignedRelease, SignedRoot, SignedStatus,
    TrustAnchor,
};
use serde::Serialize;

use super::super::approval::{ApprovalFacts, ReleaseFacts};
use super::super::refusal::{OrRefuse, Stop};
use super::super::status::StatusFacts;
use super::super::trust::{RoleFacts, VersionFacts, roles};
use super::Arguments;
use crate::files;
use crate::output::Output;

/// What is now known to be true of a document.
#[derive(Debug, Serialize)]
pub(super) struct DocumentReport<F> {
    file: String,
    verdict: &'static str,
    document: &'static str,
    #[serde(flatten)]
    facts: F,
}

impl<F> DocumentReport<F> {
    pub(super) fn verified(file: String, document: &'static str, facts: F) -> DocumentReport<F> {
        DocumentReport { file, verdict: "verified", document, facts }
    }
}

impl<F: fmt::Display> fmt::Display for DocumentReport<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "verified      {} ({})", self.file, self.document)?;
        write!(formatter, "{}", self.facts)
    }
}

/// A root that would be taken, and who has which duty under it.
#[derive(Debug, Serialize)]
struct RootFacts {
    #[serde(flatten)]
    version: VersionFacts,
    roles: Vec<RoleFacts>,
}

impl fmt::Display for RootFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.version)?;
        self.roles.iter().try_for_each(|role| write!(formatter, "role          {role}"))
    }
}

/// Verifies a root as the next after the newest of the chain, or as the newest itself. Whether it has expired is
/// asked when it is used: those that led here may have.
pub(super) fn verify_root(arguments: &Arguments, bytes: &[u8], output: &Output) -> Result<(), Stop> {
    let name = arguments.name();
    let held = arguments.anchor("root")?;
    let anchor = SignedRoot::from_bytes(bytes).and_then(|root| held.advance(&root)).or_refuse(&name)?;
    let root = anchor.root();
    let previous = (anchor != held).then(|| held.root());
    let version = VersionFacts::new(previous, root, anchor.signed());
    let facts = RootFacts { version, roles: roles(root) };
    Ok(output.report(&DocumentReport::verified(name, "root", facts))?)
}

/// A release and who approved it.
#[derive(Debug, Serialize)]
struct ApprovedFacts {
    #[serde(flatten)]
    release: ReleaseFacts,
    #[serde(flatten)]
    approvals: ApprovalFacts,
}

impl fmt::Display for ApprovedFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.release, self.approvals)
    }
}

pub(super) fn verify_release(arguments: &Arguments, bytes: &[u8], output: &Output) -> Result<(), Stop> {
    let name = arguments.name();
    let now = arguments.clock.now()?;
    let anchor = fresh_anchor(arguments, "release")?;
    let signed = SignedRelease::from_bytes(bytes).or_refuse(&name)?;
    let mut gate = HubGate::new(anchor.clone());
    for path in &arguments.papers.releases {
        gate.take_release(now, &read_release(path)?).or_refuse(path.display())?;
    }
    gate.take_release(now, &signed).or_refuse(&name)?;
    let release = ReleaseFacts::from(&signed.verify(anchor.root()).or_refuse(&name)?);
    let approvals = ApprovalFacts::new(&name, &signed, anchor.root())?;
    Ok(output.report(&DocumentReport::verified(name, "release", ApprovedFacts { release, approvals }))?)
}

pub(super) fn verify_status(arguments: &Arguments, bytes: &[u8], output: &Output) -> Result<(), Stop> {
    let name = arguments.name();
    let now = arguments.clock.now()?;
    let anchor = fresh_anchor(arguments, "status")?;
    let signed = SignedStatus::from_bytes(bytes).or_refuse(&name)?;
    let mut gate = HubGate::new(anchor.clone());
    for path in &arguments.papers.statuses {
        gate.take_status(now, &read_status(path)?).or_refuse(path.display())?;
    }
    gate.take_status(now, &signed).or_refuse(&name)?;
    let status = signed.verify(anchor.root()).or_refuse(&name)?;
    let (held, needed) = (anchor.root().version, status.newest_root);
    if held < needed {
        return Err(GateRefusal::RootBehind { held, needed }).or_refuse(&name);
    }
    Ok(output.report(&DocumentReport::verified(name, "status", StatusFacts::from(&status)))?)
}

fn fresh_anchor(arguments: &Arguments, kind: &str) -> Result<TrustAnchor, Stop> {
    let anchor = arguments.anchor(kind)?;
    if let Some(chain) = &arguments.root {
        anchor.require_fresh(arguments.clock.now()?).or_refuse(chain.display())?;
    }
    Ok(anchor)
}

pub(super) fn read_release(path: &Path) -> Result<SignedRelease, Stop> {
    let bytes = files::read_start(path, MAX_RELEASE_LEN + 1)?;
    SignedRelease::from_bytes(bytes).or_refuse(path.display())
}

pub(super) fn read_status(path: &Path) -> Result<SignedStatus, Stop> {
    let bytes = files::read_start(path, MAX_STATUS_LEN + 1)?;
    SignedStatus::from_bytes(bytes).or_refuse(path.display())
}
