//! Approvals of a release: who has given one, who may, and that no person gives two.

use std::fmt;
use std::path::Path;

use firmware_image::{Attack, FileDigest, KeyRecord, Release, SignedRelease, Signer, TrustRoot};
use serde::Serialize;

use super::facts::{KeyFacts, digest_of};
use super::moments::shown;
use super::refusal::{OrRefuse, Refusal, Stop};
use crate::exit::OrFail;
use crate::output::Output;

/// Adds an approval with each key, if it is an operator's who has not approved yet.
pub(super) fn add_approvals(
    file: &str,
    mut release: SignedRelease,
    root: &TrustRoot,
    signers: &[Box<dyn Signer>],
) -> Result<SignedRelease, Stop> {
    for signer in signers {
        let key = signer.public();
        let Some(record) = root.operator.records().iter().find(|record| record.key == key) else {
            let names: Vec<String> =
                root.operator.records().iter().map(|record| KeyFacts::from(record).to_string()).collect();
            let reason = format!("key {} is no operator's in trust root {}", key.fingerprint(), root.version);
            let hint = format!("operators are {}", names.join(", "));
            return Err(Refusal::new(file, Attack::UntrustedKey, reason).hint(hint).into());
        };
        let approved = release.approvers(root).or_refuse(file)?;
        if root.operator.holders(&approved).contains(&&record.holder) {
            let reason = format!(
                "{} has approved already, and {} different people must",
                record.holder,
                root.operator.threshold()
            );
            return Err(Refusal::new(file, Attack::TooFewSigners, reason).into());
        }
        release = release.approve(&**signer).or_bad_input(file)?;
    }
    Ok(release)
}

/// What a release says.
#[derive(Debug, Serialize)]
pub(super) struct ReleaseFacts {
    campaign: String,
    serial: u64,
    root_version: u64,
    issued: String,
    expires: String,
    images: Vec<ImageFacts>,
    target_count: u32,
    targets_digest: String,
    policy_digest: String,
}

#[derive(Debug, Serialize)]
struct ImageFacts {
    file_digest: String,
    image_digest: String,
}

impl From<&Release> for ReleaseFacts {
    fn from(release: &Release) -> ReleaseFacts {
        let images = release.images.iter();
        ReleaseFacts {
            campaign: release.campaign.as_str().to_owned(),
            serial: release.serial,
            root_version: release.root_version.0,
            issued: shown(release.validity.issued),
            expires: shown(release.validity.expires),
            images: images
                .map(|image| ImageFacts {
                    file_digest: image.file.to_string(),
                    image_digest: image.image.to_string(),
                })
                .collect(),
            target_count: release.targets.count,
            targets_digest: FileDigest::from_bytes(release.targets.digest).to_string(),
            policy_digest: FileDigest::from_bytes(release.policy).to_string(),
        }
    }
}

impl fmt::Display for ReleaseFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "campaign      {}, release {}", self.campaign, self.serial)?;
        writeln!(formatter, "issued        {}, expires {}", self.issued, self.expires)?;
        writeln!(formatter, "trust root    {} or newer", self.root_version)?;
        for image in &self.images {
            writeln!(formatter, "file digest   {}", image.file_digest)?;
            writeln!(formatter, "image digest  {}", image.image_digest)?;
        }
        writeln!(formatter, "targets       {}, digest {}", self.target_count, self.targets_digest)?;
        writeln!(formatter, "policy digest {}", self.policy_digest)
    }
}

/// How far the approvals are.
#[derive(Debug, Serialize)]
pub(super) struct ApprovalFacts {
    approvals: usize,
    approvals_needed: usize,
    approved_by: Vec<KeyFacts>,
    may_approve: Vec<KeyFacts>,
}

impl ApprovalFacts {
    pub(super) fn new(file: &str, signed: &SignedRelease, root: &TrustRoot) -> Result<ApprovalFacts, Stop> {
        let keys = signed.approvers(root).or_refuse(file)?;
        let holders = root.operator.holders(&keys);
        let records = root.operator.records();
        let facts_of = |approved: bool| {
            // Somebody with two keys is not waited for with the second.
            let fits = |record: &&KeyRecord| match approved {
                true => keys.contains(&record.key),
                false => !holders.contains(&&record.holder),
            };
            records.iter().filter(fits).map(KeyFacts::from).collect()
        };
        Ok(ApprovalFacts {
            approvals: holders.len(),
            approvals_needed: root.operator.threshold(),
            approved_by: facts_of(true),
            may_approve: facts_of(false),
        })
    }

    fn are_enough(&self) -> bool {
        self.approvals >= self.approvals_needed
    }
}

impl fmt::Display for ApprovalFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "approvals     {} of {}", self.approvals, self.approvals_needed)?;
        for key in &self.approved_by {
            writeln!(formatter, "approved by   {key}")?;
        }
        if !self.are_enough() {
            for key in &self.may_approve {
                writeln!(formatter, "may approve   {key}")?;
            }
        }
        Ok(())
    }
}

/// What was written.
#[derive(Debug, Serialize)]
struct ApprovalReport {
    file: String,
    digest: String,
    #[serde(flatten)]
    release: ReleaseFacts,
    #[serde(flatten)]
    approvals: ApprovalFacts,
}

impl fmt::Display for ApprovalReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "file          {}", self.file)?;
        write!(formatter, "{}{}", self.release, self.approvals)
    }
}

/// Says what a release is now, and what comes next.
pub(super) fn report(
    file: &str,
    chain: &Path,
    signed: &SignedRelease,
    root: &TrustRoot,
    output: &Output,
) -> Result<(), Stop> {
    let release = ReleaseFacts::from(&signed.claims().or_refuse(file)?);
    let approvals = ApprovalFacts::new(file, signed, root)?;
    let enough = approvals.are_enough();
    output.report(&ApprovalReport {
        file: file.to_owned(),
        digest: digest_of(signed.bytes()),
        release,
        approvals,
    })?;
    let chain = chain.display();
    output.talk(match enough {
        true => format!("next: lamplighter image verify {file} --root {chain}"),
        false => {
            format!("next: lamplighter image approve {file} --root {chain} --key KEY, by another person")
        }
    });
    Ok(())
}
