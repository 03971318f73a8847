//! Approvals: how many different people must stand behind a campaign before a device of it is activated.
//!
//! An approval is a signature of an operator on the campaign's release, the document that hubs want to see, too: which
//! images, to exactly which devices, until when. So there is one thing to sign, and no list of names that anybody could
//! write. The release that was handed over is recorded as it came; at every activation it is looked at again, and when the
//! trust root changes it is verified again: an operator whose key was revoked has approved nothing any more.
//!
//! Who sent the order is not known for certain, so nothing rests on it: two approvals are two people.

use std::collections::BTreeSet;

use firmware_image::{DocumentError, Release, ReleasedImage, SignedRelease, Targets, TrustRoot, UtcSeconds};
use thiserror::Error;
use transfer_engine::Moment;

use super::{Conductor, Heeded};
use crate::order::CampaignId;
use crate::record::{ApprovedRecord, Record};
use crate::state::CampaignState;

/// Why a release approves nothing here.
#[derive(Debug, Error)]
pub enum ApprovalError {
    /// There is no such campaign.
    #[error("there is no campaign {0}")]
    Unknown(CampaignId),
    /// It is over.
    #[error("campaign {campaign} is {phase}: expected one that is running or paused")]
    Over {
        /// The campaign.
        campaign: CampaignId,
        /// How it ended.
        phase: &'static str,
    },
    /// Nobody could approve.
    #[error("no trust root names operators here: the engine was given keys one by one")]
    NoOperators,
    /// The document.
    #[error("the release is not believed")]
    Document(#[from] DocumentError),
    /// It is about something else.
    #[error("the release is for another {what} than the campaign's")]
    Other {
        /// What differs.
        what: &'static str,
    },
    /// It is too old, or from the future.
    #[error("the release is good from {} to {} (seconds since 1970), and now is {}", issued.0, expires.0, now.0)]
    Time {
        /// From when it is good.
        issued: UtcSeconds,
        /// Until when.
        expires: UtcSeconds,
        /// What the time is.
        now: UtcSeconds,
    },
    /// Too few people.
    #[error("{found} operators have approved, expected {needed} different ones")]
    TooFew {
        /// How many have.
        found: usize,
        /// How many must.
        needed: usize,
    },
}

/// A release that was believed under the trust root that is held.
#[derive(Debug)]
pub(super) struct Approval {
    holders: usize,
    release: Release,
}

impl Conductor {
    /// Says who the operators are, as the newest trust root has it. What was approved is verified again.
    pub fn trust_operators(&mut self, root: TrustRoot) {
        self.operators = Some(root);
        let known: Vec<CampaignId> = self.campaigns.keys().cloned().collect();
        for campaign in known {
            self.weigh(&campaign);
        }
    }

    /// Takes over the approvals of a campaign: its release, signed by as many operators as its policy asks for.
    pub fn approve(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        signed: &SignedRelease,
    ) -> Result<Heeded, ApprovalError> {
        let state = self.campaigns.get(campaign).ok_or_else(|| ApprovalError::Unknown(campaign.clone()))?;
        if !state.phase.is_open() {
            let phase = state.phase.as_str();
            return Err(ApprovalError::Over { campaign: campaign.clone(), phase });
        }
        let root = self.operators.as_ref().ok_or(ApprovalError::NoOperators)?;
        let (by, release) = believe(signed, root)?;
        check_subject(&release, state)?;
        check_time(&release, now)?;
        let needed = usize::from(state.order.policy.approvals);
        if by.len() < needed {
            return Err(ApprovalError::TooFew { found: by.len(), needed });
        }
        let record = ApprovedRecord::new(signed, by, &release);
        if state.approved.as_ref().is_some_and(|held| held.release == record.release) {
            return Ok(Heeded::Already);
        }
        tracing::info!(%campaign, by = ?record.by, "approved");
        self.record(now, campaign, &Record::Approved(record), None);
        self.weigh(campaign);
        // Devices that wait for it are asked at the next look at their hubs, when their word is fresh.
        self.turn(now);
        Ok(Heeded::Now)
    }

    /// Judges the release of a campaign by the trust root that is held now.
    pub(super) fn weigh(&mut self, campaign: &CampaignId) {
        let held = self.campaigns.get(campaign).and_then(|state| Some((state, state.approved.as_ref()?)));
        let believed = held.and_then(|(state, record)| {
            let (by, release) = believe(&record.signed()?, self.operators.as_ref()?).ok()?;
            check_subject(&release, state).ok()?;
            Some(Approval { holders: by.len(), release })
        });
        match believed {
            Some(approval) => self.approvals.insert(campaign.clone(), approval),
            None => self.approvals.remove(campaign),
        };
    }

    /// Says whether as many people as the policy asks for stand behind activating devices of a campaign now.
    pub(super) fn is_approved(&self, now: Moment, campaign: &CampaignId) -> bool {
        let needed =
            self.campaigns.get(campaign).map_or(0, |state| usize::from(state.order.policy.approvals));
        needed == 0
            || self.approvals.get(campaign).is_some_and(|approval| {
                approval.holders >= needed && check_time(&approval.release, now).is_ok()
            })
    }
}

/// Verifies the bytes that came, then reads them; returns who of the operators signed.
fn believe(signed: &SignedRelease, root: &TrustRoot) -> Result<(Vec<String>, Release), DocumentError> {
    let release = signed.verify(root)?;
    let signers = signed.approvers(root)?;
    let holders = root.operator.holders(&signers);
    Ok((holders.into_iter().map(ToString::to_string).collect(), release))
}

/// A release speaks for one campaign, its images and its devices, and for no others.
fn check_subject(release: &Release, state: &CampaignState) -> Result<(), ApprovalError> {
    if release.campaign.as_str() != state.id.as_str() {
        return Err(ApprovalError::Other { what: "name" });
    }
    let released: BTreeSet<_> = release.images.iter().map(|ReleasedImage { file, .. }| *file).collect();
    if !state.order.targets.iter().all(|target| released.contains(&target.image)) {
        return Err(ApprovalError::Other { what: "image" });
    }
    if release.targets != Targets::of(state.rows().map(|row| row.device)) {
        return Err(ApprovalError::Other { what: "set of devices" });
    }
    Ok(())
}

fn check_time(release: &Release, now: Moment) -> Result<(), ApprovalError> {
    let now = UtcSeconds(now.as_micros() / 1_000_000);
    let (issued, expires) = (release.validity.issued, release.validity.expires);
    if issued <= now && now < expires {
        return Ok(());
    }
    Err(ApprovalError::Time { issued, expires, now })
}
