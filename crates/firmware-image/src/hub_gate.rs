//! What a hub lets into its home: images that somebody who may released, on papers that are fresh. The head-end
//! asks the same before it sends. Pure; the clock is the caller's, and is not believed more than it must be.
//!
//! ```text
//!              root ──► anchor ─┐
//!   status (fresh, newest root) ┼──► may this file come in? ──► may this image go on?
//!            releases (4 at most) ┘
//! ```
//!
//! The time used is the later of the caller's clock and the latest moment at which a believed document was made: a
//! clock that was set back cannot bring an old status back to life. A clock that runs ahead makes documents look
//! expired, which delays and lets nothing in.

use alloc::vec::Vec;

use crate::anchor::{RootError, SignedRoot, TrustAnchor};
use crate::attack::Attack;
use crate::digest::FileDigest;
use crate::document_error::DocumentError;
use crate::promise::RootVersion;
use crate::release::{CampaignName, Release, SignedRelease};
use crate::signed_image::SequenceNumber;
use crate::status::{SignedStatus, Status};
use crate::time::UtcSeconds;
use crate::trust::VerifiedImage;

/// The papers a hub holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubGate {
    anchor: TrustAnchor,
    status: Option<Status>,
    releases: Vec<Release>,
    /// The serials of the releases that went with the last root: of a campaign none below is taken again.
    spent: Vec<(CampaignName, u64)>,
    /// The latest moment at which a believed document was made.
    earliest_now: UtcSeconds,
}

impl HubGate {
    /// Makes a gate that lets nothing in yet.
    pub fn new(anchor: TrustAnchor) -> HubGate {
        let earliest_now = anchor.root().validity.issued;
        HubGate { anchor, status: None, releases: Vec::new(), spent: Vec::new(), earliest_now }
    }

    /// Makes a gate that remembers the serials of releases that went with roots before; see [`HubGate::spent`].
    pub fn resume(anchor: TrustAnchor, spent: impl IntoIterator<Item = (CampaignName, u64)>) -> HubGate {
        HubGate { spent: spent.into_iter().take(MAX_SPENT).collect(), ..HubGate::new(anchor) }
    }

    /// Returns the trust root that is held.
    pub fn anchor(&self) -> &TrustAnchor {
        &self.anchor
    }

    /// Returns the newest status.
    pub fn status(&self) -> Option<&Status> {
        self.status.as_ref()
    }

    /// Returns the releases that are held.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// Returns the serials of releases that went with roots before, 8 at the most: of these campaigns no older release
    /// is taken again. Whoever keeps a gate over a reboot keeps them too.
    pub fn spent(&self) -> &[(CampaignName, u64)] {
        &self.spent
    }

    /// Takes the next trust root. Releases and status were signed by keys of the old one, and go with it.
    ///
    /// So does what they said of the time: whoever stole the status key could have dated one far ahead, and a hub that
    /// went on believing it would let nothing in for good. Papers of the old root are not believed anyway.
    pub fn take_root(&mut self, signed: &SignedRoot) -> Result<(), GateRefusal> {
        let anchor = self.anchor.advance(signed)?;
        if anchor != self.anchor {
            *self = HubGate::resume(anchor, self.spent_with_the_root());
        }
        Ok(())
    }

    /// Returns the serials that are not to be undercut: those of the releases held, and of campaigns before them.
    fn spent_with_the_root(&self) -> Vec<(CampaignName, u64)> {
        let held = self.releases.iter().map(|release| (release.campaign.clone(), release.serial));
        let mut spent: Vec<(CampaignName, u64)> = held.collect();
        // A rotation may follow another before any release was given again.
        for (campaign, serial) in &self.spent {
            if spent.len() < MAX_SPENT && !spent.iter().any(|(known, _)| known == campaign) {
                spent.push((campaign.clone(), *serial));
            }
        }
        spent
    }

    /// Takes a status that is not older than the last.
    pub fn take_status(&mut self, now: UtcSeconds, signed: &SignedStatus) -> Result<(), GateRefusal> {
        let status = signed.verify(self.anchor.root())?;
        let root = self.anchor.root().version;
        if status.newest_root < root {
            // It was made before the root that is held: whatever its serial, it is an old one.
            return Err(GateRefusal::StatusBehind { held: root, named: status.newest_root });
        }
        if let Some(held) = &self.status
            && (status.serial < held.serial || (status.serial == held.serial && status != *held))
        {
            return Err(GateRefusal::OldStatus { held: held.serial, found: status.serial });
        }
        let now = self.now(now);
        if status.validity.expires <= now {
            return Err(GateRefusal::StatusExpired { expires: status.validity.expires, now });
        }
        self.earliest_now = self.earliest_now.max(status.validity.issued);
        self.status = Some(status);
        Ok(())
    }

    /// Takes a release; of a campaign only the newest is kept.
    pub fn take_release(&mut self, now: UtcSeconds, signed: &SignedRelease) -> Result<(), GateRefusal> {
        let release = signed.verify(self.anchor.root())?;
        self.require_root(release.root_version)?;
        let now = self.now(now);
        if release.validity.expires <= now {
            return Err(GateRefusal::ReleaseExpired { expires: release.validity.expires, now });
        }
        let spent = self.spent.iter().find(|(campaign, _)| *campaign == release.campaign);
        if let Some((_, held)) = spent.filter(|(_, held)| release.serial < *held) {
            return Err(GateRefusal::OldRelease { held: *held, found: release.serial });
        }
        let place = self.releases.iter().position(|held| held.campaign == release.campaign);
        if let Some(place) = place {
            let held = &self.releases[place];
            if release.serial < held.serial || (release.serial == held.serial && release != *held) {
                return Err(GateRefusal::OldRelease { held: held.serial, found: release.serial });
            }
            self.releases.remove(place);
        }
        self.earliest_now = self.earliest_now.max(release.validity.issued);
        self.releases.retain(|held| held.validity.expires > now);
        if self.releases.len() == MAX_RELEASES {
            // The one that ends first makes room: it is the nearest to being of no use.
            let first = (0..MAX_RELEASES).min_by_key(|place| self.releases[*place].validity.expires);
            self.releases.remove(first.expect("a full list has a first to end"));
        }
        self.releases.push(release);
        Ok(())
    }

    /// Refuses a file that is not released, before a byte of it is taken.
    pub fn require_released(&self, now: UtcSeconds, file: &FileDigest) -> Result<&Release, GateRefusal> {
        let now = self.now(now);
        self.require_fresh(now)?;
        let names = |release: &&Release| release.images.iter().any(|image| image.file == *file);
        let release = self.releases.iter().find(names).ok_or(GateRefusal::NotReleased { file: *file })?;
        let expires = release.validity.expires;
        if expires <= now {
            return Err(GateRefusal::ReleaseExpired { expires, now });
        }
        Ok(release)
    }

    /// Refuses an image that verifies and must not go on all the same.
    pub fn require_current(&self, now: UtcSeconds, image: &VerifiedImage) -> Result<(), GateRefusal> {
        self.require_released(now, &image.file_digest())?;
        let status = self.status.as_ref().ok_or(GateRefusal::NoStatus)?;
        let identity = image.identity();
        let lowest = status.floor(identity.manufacturer, identity.image_type);
        if image.sequence() < lowest {
            return Err(GateRefusal::BelowFloor { lowest, found: image.sequence() });
        }
        Ok(())
    }

    fn require_fresh(&self, now: UtcSeconds) -> Result<(), GateRefusal> {
        self.anchor.require_fresh(now)?;
        let status = self.status.as_ref().ok_or(GateRefusal::NoStatus)?;
        let expires = status.validity.expires;
        if expires <= now {
            return Err(GateRefusal::StatusExpired { expires, now });
        }
        self.require_root(status.newest_root)
    }

    fn require_root(&self, needed: RootVersion) -> Result<(), GateRefusal> {
        let held = self.anchor.root().version;
        if held < needed { Err(GateRefusal::RootBehind { held, needed }) } else { Ok(()) }
    }

    fn now(&self, clock: UtcSeconds) -> UtcSeconds {
        clock.max(self.earliest_now)
    }
}

/// Why a hub does not take a document, or does not let an image in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateRefusal {
    /// The trust root is not taken, or no longer good.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The document is not believed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Nobody has said yet that the trust root is the newest.
    #[error("no status was given: the trust root held may be an old one")]
    NoStatus,
    /// The status is older than one that was given before.
    #[error("status {found} is older than {held}, which is held, or another of the same number")]
    OldStatus {
        /// The serial that is held.
        held: u64,
        /// The serial that was given.
        found: u64,
    },
    /// The status was made before the trust root that is held.
    #[error("the status names trust root {named} as the newest, held is {held}")]
    StatusBehind {
        /// The version that is held.
        held: RootVersion,
        /// The version that the status names.
        named: RootVersion,
    },
    /// The status is no longer good.
    #[error("the status expired at {expires}, it is {now}")]
    StatusExpired {
        /// When.
        expires: UtcSeconds,
        /// The time it was asked.
        now: UtcSeconds,
    },
    /// There is a newer trust root than the one that is held.
    #[error("trust root {held} is held, and {needed} is needed")]
    RootBehind {
        /// The version that is held.
        held: RootVersion,
        /// The version that is needed.
        needed: RootVersion,
    },
    /// The release is older than one of the same campaign that was given before.
    #[error("release {found} is older than {held}, which is held, or another of the same number")]
    OldRelease {
        /// The serial that is held.
        held: u64,
        /// The serial that was given.
        found: u64,
    },
    /// The release is no longer good.
    #[error("the release expired at {expires}, it is {now}")]
    ReleaseExpired {
        /// When.
        expires: UtcSeconds,
        /// The time it was asked.
        now: UtcSeconds,
    },
    /// No release names the file.
    #[error("no release names file {file}")]
    NotReleased {
        /// The file.
        file: FileDigest,
    },
    /// Images so old are no longer passed on.
    #[error("the image's counter {found} is below {lowest}, the lowest that is passed on")]
    BelowFloor {
        /// The lowest counter.
        lowest: SequenceNumber,
        /// The image's counter.
        found: SequenceNumber,
    },
}

impl GateRefusal {
    /// Returns which attack it would have been.
    pub fn attack(&self) -> Attack {
        match self {
            GateRefusal::Root(error) => error.attack(),
            GateRefusal::Document(error) => error.attack(),
            GateRefusal::NoStatus
            | GateRefusal::StatusExpired { .. }
            | GateRefusal::ReleaseExpired { .. }
            | GateRefusal::RootBehind { .. } => Attack::Freeze,
            GateRefusal::OldStatus { .. }
            | GateRefusal::StatusBehind { .. }
            | GateRefusal::OldRelease { .. } => Attack::Replay,
            GateRefusal::NotReleased { .. } => Attack::MixAndMatch,
            GateRefusal::BelowFloor { .. } => Attack::Rollback,
        }
    }
}

/// The most releases a hub holds: campaigns that meet in one home.
const MAX_RELEASES: usize = 4;
/// The most campaigns whose serials are remembered from root to root: those held, and as many before them.
const MAX_SPENT: usize = 2 * MAX_RELEASES;
