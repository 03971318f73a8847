//! What the signing desk says of a trust root, and of the difference between two.

use std::fmt;

use firmware_image::{KeyRecord, Maker, PublicKey, Quorum, RootError, SignedRoot, TrustRoot};
use serde::Serialize;

use super::super::facts::{KeyFacts, digest_of};
use super::super::moments::shown;

/// A version of the root: when, how long, signed by whom, and what is new in it.
#[derive(Debug, Serialize)]
pub(in super::super) struct VersionFacts {
    version: u64,
    digest: String,
    issued: String,
    expires: String,
    epoch: u32,
    signed_by: Vec<KeyFacts>,
    changes: Vec<String>,
}

impl VersionFacts {
    pub(in super::super) fn new(
        previous: Option<&TrustRoot>,
        root: &TrustRoot,
        signed: &SignedRoot,
    ) -> VersionFacts {
        VersionFacts {
            version: root.version.0,
            digest: digest_of(signed.bytes()),
            issued: shown(root.validity.issued),
            expires: shown(root.validity.expires),
            epoch: root.epoch.0,
            signed_by: signers_of(previous, root, signed).unwrap_or_default(),
            changes: changes(previous, root),
        }
    }
}

impl VersionFacts {
    /// Says what a root claims, and nothing about who signed it.
    pub(in super::super) fn claimed(root: &TrustRoot, signed: &SignedRoot) -> VersionFacts {
        VersionFacts { signed_by: Vec::new(), ..VersionFacts::new(None, root, signed) }
    }
}

impl fmt::Display for VersionFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "root          {}", self.version)?;
        writeln!(formatter, "  digest      {}", self.digest)?;
        writeln!(
            formatter,
            "  issued      {}, expires {}, counter epoch {}",
            self.issued, self.expires, self.epoch
        )?;
        for signer in &self.signed_by {
            writeln!(formatter, "  signed by   {signer}")?;
        }
        for change in &self.changes {
            writeln!(formatter, "  change      {change}")?;
        }
        Ok(())
    }
}

/// A duty and who has it.
#[derive(Debug, Serialize)]
pub(in super::super) struct RoleFacts {
    role: String,
    threshold: usize,
    keys: Vec<KeyFacts>,
}

impl fmt::Display for RoleFacts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
        writeln!(formatter, "{}: {} of {}: {}", self.role, self.threshold, self.keys.len(), keys.join(", "))
    }
}

/// Returns every duty of a root.
pub(in super::super) fn roles(root: &TrustRoot) -> Vec<RoleFacts> {
    let role = |(role, quorum): (String, &Quorum)| {
        let mut keys: Vec<KeyFacts> = quorum.records().iter().map(KeyFacts::from).collect();
        keys.sort();
        RoleFacts { role, threshold: quorum.threshold(), keys }
    };
    quorums(root).into_iter().map(role).collect()
}

/// Returns what a root says that the one before did not; of a first root nothing, all of it is new.
pub(super) fn changes(previous: Option<&TrustRoot>, root: &TrustRoot) -> Vec<String> {
    let Some(previous) = previous else { return Vec::new() };
    let (old, new) = (quorums(previous), quorums(root));
    let mut changes = Vec::new();
    for (role, before) in &old {
        let after = new.iter().find(|(name, _)| name == role).map(|(_, quorum)| *quorum);
        let gone = before.records().iter().filter(|record| !holds(after, record));
        changes.extend(gone.map(|record| format!("{role} loses {}", KeyFacts::from(record))));
    }
    for (role, after) in &new {
        let before = old.iter().find(|(name, _)| name == role).map(|(_, quorum)| *quorum);
        let come = after.records().iter().filter(|record| !holds(before, record));
        changes.extend(come.map(|record| format!("{role} gains {}", KeyFacts::from(record))));
        if let Some(before) = before.filter(|before| before.threshold() != after.threshold()) {
            changes.push(format!(
                "{role} needs {} signatures instead of {}",
                after.threshold(),
                before.threshold()
            ));
        }
    }
    let revoked = root.revoked.iter().filter(|key| !previous.revoked.contains(key));
    changes.extend(revoked.map(|key| format!("revoked for ever: {}", key.fingerprint())));
    if previous.epoch != root.epoch {
        changes.push(format!(
            "activation orders count afresh: epoch {} instead of {}",
            root.epoch, previous.epoch
        ));
    }
    changes
}

fn holds(quorum: Option<&Quorum>, record: &KeyRecord) -> bool {
    quorum.is_some_and(|quorum| quorum.records().contains(record))
}

fn quorums(root: &TrustRoot) -> Vec<(String, &Quorum)> {
    let mut quorums = vec![("root".to_owned(), &root.root)];
    quorums.extend(root.makers.iter().map(|maker| (maker_name(maker), &maker.quorum)));
    quorums.push(("operator".to_owned(), &root.operator));
    quorums.push(("status".to_owned(), &root.status));
    quorums.push(("order".to_owned(), &root.order));
    quorums
}

/// Returns the duty of a maker as `--maker` writes it.
pub(super) fn maker_name(maker: &Maker) -> String {
    let types: Vec<String> = maker.image_types.iter().map(ToString::to_string).collect();
    let separator = if types.is_empty() { "" } else { ":" };
    format!("maker {}{separator}{}", maker.manufacturer, types.join(","))
}

/// Returns who signed a root, of its own keys and of those of the root before, in the order of their names.
fn signers_of(
    previous: Option<&TrustRoot>,
    root: &TrustRoot,
    signed: &SignedRoot,
) -> Result<Vec<KeyFacts>, RootError> {
    let mut signers: Vec<KeyFacts> = Vec::new();
    for keys in previous.into_iter().chain([root]) {
        let signed: Vec<PublicKey> = signed.signers(keys)?;
        let records = keys.root.records().iter().filter(|record| signed.contains(&record.key));
        signers.extend(records.map(KeyFacts::from));
    }
    signers.sort();
    signers.dedup();
    Ok(signers)
}
