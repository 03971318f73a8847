//! Images that nobody vouches for any more: the key of a maker was revoked while campaigns were running.
//!
//! A campaign that has devices left to bring to such an image halts. A device that may have had its activation order
//! already is still read back: what it runs is a fact, whoever signed it.

use std::collections::BTreeSet;

use firmware_image::FileDigest;
use transfer_engine::Moment;

use super::Conductor;
use crate::state::CampaignState;

impl Conductor {
    /// Withdraws an image: no order for it is accepted, and campaigns with devices left to bring to it halt.
    ///
    /// Images are withdrawn before [`Conductor::resume`] as well as later; handing one in again takes it back.
    pub fn withdraw_image(&mut self, now: Moment, image: FileDigest) {
        if !self.withdrawn.insert(image) {
            return;
        }
        tracing::warn!(%image, "image withdrawn: its signers are not trusted any more");
        let concerned =
            self.campaigns.values().filter(|state| withdrawn_of(state, &self.withdrawn).is_some());
        self.unsettled.extend(concerned.map(|state| state.id.clone()));
        self.turn(now);
    }

    /// Returns whether an image is at the desk and vouched for.
    pub(super) fn is_offered(&self, image: &FileDigest) -> bool {
        self.images.contains_key(image) && !self.withdrawn.contains(image)
    }

    /// Returns why a campaign has to stop, if an image that it has yet to bring somewhere was withdrawn.
    pub(super) fn stopped_by_withdrawal(&self, state: &CampaignState) -> Option<String> {
        let image = withdrawn_of(state, &self.withdrawn)?;
        Some(format!("image {image} was withdrawn: its signers are not trusted any more"))
    }
}

fn withdrawn_of(state: &CampaignState, withdrawn: &BTreeSet<FileDigest>) -> Option<FileDigest> {
    if withdrawn.is_empty() {
        // Asked whenever a device ends: no look at all others for the sake of what hardly ever happens.
        return None;
    }
    let pending = state.rows().filter(|row| row.outcome.is_none()).filter_map(|row| row.image);
    pending.into_iter().find(|image| withdrawn.contains(image))
}
