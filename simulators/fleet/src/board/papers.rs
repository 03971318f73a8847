//! The signed papers that a device keeps in flash, and what it believes and demands by them.
//!
//! One record holds them all, so that a new root and the papers it makes void change in one act:
//!
//! ```text
//! length u16, root | length u16, status | number u8, { length u16, release } ...      nothing = length 0
//! | number u8, { length u16, campaign, serial u64 } ...                               spent with roots before
//! ```
//!
//! A root is kept only when it is not the factory's. That every paper is believed was judged before it came here;
//! the record's own sum says that it is still what was stored.

use std::sync::Arc;

use bytes::Bytes;
use firmware_image::{CampaignName, Nonce, OrderCounter, SignedRoot, TrustAnchor};
use transfer_engine::Moment;
use wire::DeviceChallenge;

use super::Board;
use crate::device_trust::DeviceTrust;
use crate::flash::{Flash, FlashError, RegionId};
use crate::nonce::nonce_of;
use crate::record::{FieldReader, FieldWriter, RecordLog};
use crate::sector_pool::SectorPool;

/// What a device holds of the chain of trust, as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Papers {
    /// The trust root, unless it is the factory's.
    pub(crate) root: Option<Bytes>,
    /// The newest status; hubs only.
    pub(crate) status: Option<Bytes>,
    /// The releases that are held; hubs only.
    pub(crate) releases: Vec<Bytes>,
    /// Campaigns whose releases went with roots before, and the serials that may not be undercut; hubs only.
    pub(crate) spent: Vec<(CampaignName, u64)>,
}

impl Papers {
    fn to_bytes(&self) -> Vec<u8> {
        let mut fields = FieldWriter::default();
        fields.counted(self.root.as_deref().unwrap_or_default());
        fields.counted(self.status.as_deref().unwrap_or_default());
        fields.u8(u8::try_from(self.releases.len()).expect("a hub holds a handful of releases"));
        self.releases.iter().for_each(|release| {
            fields.counted(release);
        });
        fields.u8(u8::try_from(self.spent.len()).expect("a hub remembers a handful of campaigns"));
        self.spent.iter().for_each(|(campaign, serial)| {
            fields.counted(campaign.as_str().as_bytes()).u64(*serial);
        });
        fields.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Papers> {
        let mut fields = FieldReader(bytes);
        let mut paper = || fields.counted().map(Bytes::copy_from_slice);
        let (root, status) = (paper()?, paper()?);
        let count = fields.u8()?;
        let releases =
            (0..count).map(|_| fields.counted().map(Bytes::copy_from_slice)).collect::<Option<_>>()?;
        let count = fields.u8()?;
        let mut spent = || {
            let name = std::str::from_utf8(fields.counted()?).ok()?;
            Some((CampaignName::new(name).ok()?, fields.u64()?))
        };
        let spent = (0..count).map(|_| spent()).collect::<Option<_>>()?;
        let held = |paper: Bytes| (!paper.is_empty()).then_some(paper);
        Some(Papers { root: held(root), status: held(status), releases, spent })
    }
}

/// The place of the papers in flash.
#[derive(Clone, Debug)]
pub(crate) struct PaperShelf {
    region: RegionId,
    place_len: usize,
    log: RecordLog,
    /// Most devices never get any.
    held: Option<Box<Papers>>,
}

impl PaperShelf {
    /// Opens a region whose places hold this many bytes each.
    pub(super) fn open(flash: &Flash, region: RegionId, place_len: usize) -> PaperShelf {
        let (log, bytes) = RecordLog::open_wide(flash, region, place_len);
        let held = bytes.as_deref().and_then(Papers::from_bytes).map(Box::new);
        PaperShelf { region, place_len, log, held }
    }
}

impl Board {
    /// Returns the papers that are kept.
    pub(crate) fn papers(&self) -> Papers {
        self.shelf.held.as_deref().cloned().unwrap_or_default()
    }

    /// Keeps papers that were judged, and believes their root from now on.
    pub(crate) fn keep_papers(
        &mut self,
        pool: &mut SectorPool,
        papers: Papers,
        anchor: &TrustAnchor,
    ) -> Result<(), FlashError> {
        self.shelf.log.store(&mut self.flash, pool, &papers.to_bytes())?;
        self.shelf.held = Some(Box::new(papers));
        if self.trust.anchor() != Some(anchor) {
            self.trust = Arc::new(self.factory.under(anchor.clone()));
        }
        Ok(())
    }

    /// Finds papers and root again after a boot. A root that does not hold leaves the factory's.
    pub(super) fn load_papers(&mut self) {
        self.shelf = PaperShelf::open(&self.flash, self.shelf.region, self.shelf.place_len);
        let root = self.shelf.held.as_ref().and_then(|papers| papers.root.as_ref());
        let stored = root
            .and_then(|root| SignedRoot::from_bytes(root).ok())
            .and_then(|signed| TrustAnchor::adopt(&signed).ok())
            .filter(|anchor| anchor.root().version > self.factory.root_version());
        let trust = match stored.filter(|_| self.factory.anchor().is_some()) {
            Some(anchor) if self.trust.anchor() == Some(&anchor) => return,
            Some(anchor) => Arc::new(self.factory.under(anchor)),
            None => Arc::clone(&self.factory),
        };
        self.trust = trust;
    }

    /// Whom the device believes now.
    pub(crate) fn trust(&self) -> &Arc<DeviceTrust> {
        &self.trust
    }

    /// Draws a new nonce: orders that were made for the last one are void from now on.
    pub(crate) fn draw_nonce(&mut self, pool: &mut SectorPool) -> Result<(), FlashError> {
        let mut boot = self.boot.clone();
        boot.draw();
        self.commit(pool, boot)
    }

    /// Returns what the next order must carry.
    pub(crate) fn nonce(&self) -> Nonce {
        nonce_of(self.plan.eui, self.plan.nonce_secret, self.boot.draws())
    }

    /// Returns what the device tells of itself to whoever is to sign its next order.
    pub(crate) fn challenge(&self) -> DeviceChallenge {
        let orders = self.boot.orders();
        // Orders of an epoch that is over do not count any more.
        let last = if orders.epoch == self.trust.epoch() { orders.counter } else { OrderCounter(0) };
        DeviceChallenge {
            nonce: *self.nonce().as_bytes(),
            last_counter: last.0,
            root_version: u32::try_from(self.trust.root_version().0).unwrap_or(u32::MAX),
        }
    }
}

/// Returns the time as documents state it.
pub(crate) fn utc_seconds(now: Moment) -> firmware_image::UtcSeconds {
    firmware_image::UtcSeconds(now.as_micros() / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::Papers;
    use bytes::Bytes;
    use firmware_image::CampaignName;

    #[test]
    fn papers_survive_their_bytes() {
        let full = Papers {
            root: Some(Bytes::from_static(b"root")),
            status: Some(Bytes::from_static(b"status")),
            releases: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")],
            spent: vec![(CampaignName::new("spring").expect("a name"), 7)],
        };
        for papers in [full, Papers::default()] {
            let bytes = papers.to_bytes();
            assert_eq!(Papers::from_bytes(&bytes), Some(papers));
            assert_eq!(Papers::from_bytes(&bytes[..bytes.len() - 1]), None);
        }
    }
}
