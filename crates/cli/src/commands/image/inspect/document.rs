//! Looking into a root, a release, a status or an order: what it claims, and who is said to have signed. Nothing is
//! verified here.

use std::fmt;
use std::path::Path;

use firmware_image::{DocumentKind, KeyFingerprint, SignedOrder, SignedRelease, SignedRoot, SignedStatus};
use serde::Serialize;

use super::super::approval::ReleaseFacts;
use super::super::refusal::{NamesAttack, OrRefuse, Refusal, Stop};
use super::super::status::StatusFacts;
use super::super::trust::{RoleFacts, VersionFacts, roles};
use super::super::verify::OrderFacts;
use crate::output::Output;

/// What a document says of itself.
#[derive(Debug, Serialize)]
struct ClaimReport<C> {
    file: String,
    document: String,
    size_bytes: usize,
    /// Nothing that stands here was verified.
    verified: bool,
    claimed_signers: Vec<String>,
    claims: C,
}

impl<C: fmt::Display> fmt::Display for ClaimReport<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "file          {} ({} bytes)", self.file, self.size_bytes)?;
        writeln!(formatter, "claims to be  {}; nothing verified", self.document)?;
        let signers = match &self.claimed_signers[..] {
            [] => "nobody".to_owned(),
            signers => signers.join(", "),
        };
        writeln!(formatter, "signed by     {signers}, not verified here")?;
        write!(formatter, "{}", self.claims)
    }
}

/// A root and the duties it gives.
#[derive(Debug, Serialize)]
struct RootClaims {
    #[serde(flatten)]
    version: VersionFacts,
    roles: Vec<RoleFacts>,
    revoked: Vec<String>,
}

impl fmt::Display for RootClaims {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.version)?;
        self.roles.iter().try_for_each(|role| write!(formatter, "role          {role}"))?;
        self.revoked.iter().try_for_each(|key| writeln!(formatter, "revoked       {key}"))
    }
}

/// Shows a document of a kind that was recognised.
pub(super) fn show(path: &Path, kind: DocumentKind, bytes: &[u8], output: &Output) -> Result<(), Stop> {
    let file = path.display().to_string();
    match kind {
        DocumentKind::Root => {
            let signed = SignedRoot::from_bytes(bytes).or_refuse(&file)?;
            let root = signed.claims().or_refuse(&file)?;
            let claims = RootClaims {
                version: VersionFacts::claimed(&root, &signed),
                roles: roles(&root),
                revoked: root.revoked.iter().map(|key| key.fingerprint().to_string()).collect(),
            };
            report(file, kind, bytes, signed.claimed_signers(), claims, output)
        }
        DocumentKind::Release => {
            let signed = SignedRelease::from_bytes(bytes).or_refuse(&file)?;
            let claims = ReleaseFacts::from(&signed.claims().or_refuse(&file)?);
            report(file, kind, bytes, signed.claimed_approvers(), claims, output)
        }
        DocumentKind::Status => {
            let signed = SignedStatus::from_bytes(bytes).or_refuse(&file)?;
            let claims = StatusFacts::from(&signed.claims().or_refuse(&file)?);
            report(file, kind, bytes, signed.claimed_signer().map(Vec::from_iter), claims, output)
        }
        DocumentKind::Order => {
            let signed = SignedOrder::from_bytes(bytes).or_refuse(&file)?;
            let claims = OrderFacts::from(&signed.claims().or_refuse(&file)?);
            report(file, kind, bytes, signed.claimed_signer().map(Vec::from_iter), claims, output)
        }
        DocumentKind::Unknown => {
            let reason = "a COSE message that is no root, release, status or order";
            Err(Refusal::new(file, firmware_image::Attack::Malformed, reason).into())
        }
    }
}

fn report<E: NamesAttack>(
    file: String,
    kind: DocumentKind,
    bytes: &[u8],
    signers: Result<Vec<KeyFingerprint>, E>,
    claims: impl fmt::Display + Serialize,
    output: &Output,
) -> Result<(), Stop> {
    let signers = signers.or_refuse(&file)?;
    Ok(output.report(&ClaimReport {
        file,
        document: kind.to_string(),
        size_bytes: bytes.len(),
        verified: false,
        claimed_signers: signers.iter().map(ToString::to_string).collect(),
        claims,
    })?)
}
