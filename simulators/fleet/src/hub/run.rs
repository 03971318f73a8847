//! A run of blocks on the hub's side: to whom it streams plainly, and how it stands after many blocks at once.

use wire::{HanState, ImageBlockResponse, ImageKey, OtaCommand, ZclFrame, ZclStatus};

use super::Hub;
use super::outgoing::MAX_BLOCK_LEN;
use crate::bank::Bank;
use crate::flash::Flash;
use crate::home::{Fetch, Run};

impl Hub {
    /// Returns whether each request of this fetch would be answered with its block and change nothing else.
    pub(crate) fn streams_to(&self, address: u16, fetch: &Fetch) -> bool {
        let Some(slot) = self.slot_of_address(address) else { return false };
        let device = self.slots[slot].record.device.as_ref();
        let is_known = device.is_some_and(|device| {
            device.state == HanState::Downloading && device.image == Some(fetch.key) && device.commissioned
        });
        let peer = &self.slots[slot].peer;
        let period_ms = fetch.asked_period_ms;
        is_known
            && peer.roots.is_empty()
            && peer.page.is_none()
            && self.outbox.is_empty()
            && self.seats.holds(address)
            && period_ms >= self.pace_ms()
            && self.board.is_up()
            && fetch.block_len as usize <= MAX_BLOCK_LEN
            && self.served_under(slot, &fetch.key).is_some_and(|served| served.size == fetch.size)
    }

    /// Returns where the bytes of an image that is served lie.
    pub(crate) fn stored(&self, address: u16, key: &ImageKey) -> Option<(&Flash, Bank)> {
        let served = self.served_under(self.slot_of_address(address)?, key)?;
        Some((&self.board.flash, self.board.bank(served.bank)))
    }

    /// Stands as after serving a run; returns how many bytes its answers had.
    pub(crate) fn serve_run(&mut self, address: u16, run: &Run) -> u64 {
        let Some(slot) = self.slot_of_address(address) else { return 0 };
        let peer = &mut self.slots[slot].peer;
        peer.offset = run.last_offset;
        peer.last_heard = Some(run.last_served_at);
        self.seats.take(run.last_served_at, address, self.config.max_bulk_transfers);
        let blocks = u64::from(run.blocks);
        let bytes = blocks * answer_len(&run.key, run.block_len);
        self.counters.blocks_served += blocks;
        self.counters.said.status(ZclStatus::Success);
        self.counters.han_frames += blocks;
        self.counters.han_bytes += bytes;
        bytes
    }
}

/// Returns how long the answer to a block request is.
fn answer_len(key: &ImageKey, block_len: u32) -> u64 {
    let block = [0; MAX_BLOCK_LEN];
    let data = &block[..(block_len as usize).min(MAX_BLOCK_LEN)];
    let command = OtaCommand::ImageBlockResponse(ImageBlockResponse::Success { key: *key, offset: 0, data });
    let mut frame = Vec::with_capacity(2 * MAX_BLOCK_LEN);
    ZclFrame { transaction: 0, from_server: true, disable_default_response: true, command }.emit(&mut frame);
    frame.len() as u64
}
