//! A run of blocks on the meter's side: what it fetches plainly, and how it stands after many blocks at once.

use std::time::Duration;

use wire::ImageBlockRequest;

use super::outgoing::{Message, Outgoing};
use super::stage::Stage;
use super::{Meter, MeterKind};
use crate::home::{Fetch, Run};
use crate::hub::Hub;
use crate::sector_pool::SectorPool;

/// Pauses up to this keep a sleeping meter awake; with longer ones every block is looked at by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Meter {
    /// Returns what the meter fetches, if it waits for the answer to a plain block request and nothing about it is
    /// out of the ordinary: no page, no holes, no planned trouble of the flash.
    pub(crate) fn fetch(&self) -> Option<Fetch> {
        let download =
            self.download.as_ref().filter(|_| self.stage == Stage::Downloading && self.awaiting)?;
        let pause = self.config.block_period.max(self.minimum_block_period);
        let is_plain = download.is_plain() && self.outbox.is_empty() && self.repeats == 0;
        if !is_plain || pause > LONGEST_PAUSE || !self.board.is_up() || !self.board.flash.is_plain() {
            return None;
        }
        // The next wake of a meter that never sleeps is never.
        let requests_left = match self.config.kind {
            MeterKind::Gas { .. } => self.requests_left.into(),
            MeterKind::Electricity | MeterKind::Display => u64::MAX,
        };
        Some(Fetch {
            key: download.key,
            offset: download.offset,
            size: download.size,
            block_len: self.block_len().into(),
            pause,
            asked_period_ms: u16::try_from(self.minimum_block_period.as_millis()).unwrap_or(0xFFFE),
            requests_left,
            disturbed_at: self.next_wake.min(self.silent_from),
        })
    }

    /// Appends the block request that is out, as it was sent.
    pub(crate) fn emit_request(&self, out: &mut Vec<u8>) {
        let Some(fetch) = self.fetch() else { return };
        let len = fetch.block_len.min(fetch.size - fetch.offset);
        let request = ImageBlockRequest {
            key: fetch.key,
            offset: fetch.offset,
            maximum_data_size: u8::try_from(len).unwrap_or(u8::MAX),
            requester: None,
            minimum_block_period_ms: Some(fetch.asked_period_ms),
        };
        let outgoing = Outgoing { transaction: self.transaction, message: Message::Block(request) };
        outgoing.emit(|list| self.read_attributes(list), out);
    }

    /// Stands as after the blocks of a run and the request that follows them; `hub` has served them.
    pub(crate) fn take_run(&mut self, pool: &mut SectorPool, hub: &Hub, run: &Run) {
        let Some(spare) = self.spare else { return };
        let bank = self.board.bank(spare.bank);
        let mark_unit = self.mark_unit();
        let Some(download) = &mut self.download else { return };
        let before = download.offset;
        let after = before + run.blocks * run.block_len;
        download.offset = after;
        let flash = &mut self.board.flash;
        if let Some(source) = hub.stored(self.config.short_address, &run.key) {
            let stored = bank.take_over(flash, pool, before..after, run.block_len, source);
            // Units whose end the run has reached; the last one of an image ends with it.
            let units = before / mark_unit..after / mark_unit;
            let marked = stored.and_then(|()| bank.mark_run(flash, pool, units));
            debug_assert!(marked.is_ok(), "a plain flash takes what the ordinary path would have stored");
        }
        self.counters.blocks_received += u64::from(run.blocks);
        self.listen_until = self.listen_until.max(run.last_heard_at);
        self.transaction = self.transaction.wrapping_add(run.blocks as u8);
        if matches!(self.config.kind, MeterKind::Gas { .. }) {
            self.requests_left -= run.blocks;
        }
        self.timer = Some(run.asked_at + self.config.retry_timeout);
    }
}
