//! Asking for an image and fetching it, block by block or page by page.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use firmware_image::MAX_FILE_LEN;
use transfer_engine::Moment;
use wire::{
    ImageBlockRequest, ImageBlockResponse, ImageKey, ImagePageRequest, QueryNextImageRequest,
    QueryNextImageResponse, ZclStatus,
};

use super::outgoing::Message;
use super::spare::SpareImage;
use super::stage::Stage;
use super::{Meter, MeterKind, RETRY_AFTER_SILENCE};
use crate::board::verify_time;
use crate::flash::FlashError;
use crate::sector_pool::{SectorPool, SharedSector, offered_name};
use crate::utc::zcl_delay;

/// The largest block a meter asks for (fact: what fits an 802.15.4 frame).
pub(super) const MAX_BLOCK_LEN: u8 = 64;

/// The smallest file that can be one: an OTA header alone.
const MIN_FILE_LEN: u32 = 56;

/// How many separate runs of blocks beyond the next one are remembered; a page with more holes is fetched again.
const MAX_RUNS_AHEAD: usize = 32;

/// The ids of the requests whose default responses matter here (ZCL OTA, commands).
const IMAGE_BLOCK_REQUEST: u8 = 0x03;
const IMAGE_PAGE_REQUEST: u8 = 0x04;
const UPGRADE_END_REQUEST: u8 = 0x06;

/// A download that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    pub(super) key: ImageKey,
    pub(super) size: u32,
    /// FileOffset: everything before it is stored.
    pub(super) offset: u32,
    /// What is stored beyond the offset, because blocks of a page were lost.
    ahead: Vec<Range<u32>>,
    /// The page whose blocks are coming or being completed.
    page: Option<Range<u32>>,
    /// Whether page requests are worth trying.
    pages: bool,
    /// Whether this hub has been told our address.
    introduced: bool,
    /// The sectors of what others had under the same name; bookkeeping of the simulator.
    known: Option<Arc<[SharedSector]>>,
}

impl Download {
    fn new(spare: &SpareImage, offset: u32, pages: bool, pool: &SectorPool) -> Download {
        let SpareImage { key, size, .. } = *spare;
        let known = pool.named(&offered_name(&key, size));
        Download { key, size, offset, ahead: Vec::new(), page: None, pages, introduced: false, known }
    }

    /// Goes on from an offset when more was lost than the block that is missing.
    fn return_to(&mut self, offset: u32) {
        self.offset = offset;
        self.ahead.clear();
        self.page = None;
    }

    /// Moves the offset past a stored block and past everything stored beyond it.
    fn advance(&mut self, end: u32) {
        self.offset = end;
        while let Some(index) = self.ahead.iter().position(|run| run.start <= self.offset) {
            let run = self.ahead.swap_remove(index);
            self.offset = self.offset.max(run.end);
        }
    }

    /// Notes a block stored beyond the offset; returns false when there is no room for the note.
    fn note_ahead(&mut self, block: Range<u32>) -> bool {
        if let Some(run) = self.ahead.iter_mut().find(|run| run.end == block.start) {
            run.end = block.end;
            return true;
        }
        let room = self.ahead.len() < MAX_RUNS_AHEAD;
        if room {
            self.ahead.push(block);
        }
        room
    }

    /// Returns whether the next block follows the last one, and the hub knows who asks.
    pub(super) fn is_plain(&self) -> bool {
        self.ahead.is_empty() && !self.pages && self.introduced
    }

    fn is_ahead(&self, offset: u32) -> bool {
        self.ahead.iter().any(|run| run.contains(&offset))
    }
}

impl Meter {
    pub(super) fn start_query(&mut self, now: Moment) {
        self.become_stage(Stage::Querying);
        self.next_query = now + self.config.query_interval;
        self.tell_root();
        self.ask_query(now);
    }

    pub(super) fn ask_query(&mut self, now: Moment) {
        let model = self.config.model;
        let key = ImageKey {
            manufacturer: model.manufacturer.0,
            image_type: model.image_type.0,
            file_version: self.running_version().0,
        };
        let hardware_version = Some(model.hardware.0);
        self.ask(now, Message::Query(QueryNextImageRequest { key, hardware_version }));
    }

    pub(super) fn take_query_response(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        response: &QueryNextImageResponse,
    ) -> Result<(), FlashError> {
        if self.stage != Stage::Querying {
            self.counters.stale_answers += 1;
            return Ok(());
        }
        match *response {
            QueryNextImageResponse::Success { key, image_size } if self.wants(&key, image_size) => {
                self.begin(now, pool, key, image_size)
            }
            QueryNextImageResponse::Success { .. } | QueryNextImageResponse::Other(_) => {
                self.rest();
                if self.stage == Stage::Waiting {
                    self.wait_before_asking(now);
                }
                Ok(())
            }
        }
    }

    /// Returns whether an offered image is for this meter, is not the running one, and fits.
    fn wants(&self, key: &ImageKey, size: u32) -> bool {
        let model = self.config.model;
        key.manufacturer == model.manufacturer.0
            && key.image_type == model.image_type.0
            && key.file_version != self.running_version().0
            && (MIN_FILE_LEN..=MAX_FILE_LEN as u32).contains(&size)
    }

    /// Begins a download, goes on with an interrupted one, or reports an image that is already here.
    fn begin(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        key: ImageKey,
        size: u32,
    ) -> Result<(), FlashError> {
        let held = self.spare.filter(|spare| spare.key == key && spare.size == size);
        if held.is_some_and(|spare| spare.verified) {
            self.report_end(now, ZclStatus::Success, key);
            return Ok(());
        }
        if self.is_low() {
            self.rest();
            return self.decline_for_battery(now, pool, key);
        }
        let spare = match held {
            Some(spare) => spare,
            None => match self.prepare_spare(pool, key, size)? {
                Some(spare) => spare,
                None => {
                    self.refuse_for_want_of_room(key);
                    return Ok(());
                }
            },
        };
        let offset = self.resume_offset(&spare);
        let pages = self.config.page_len.is_some();
        self.download = Some(Download::new(&spare, offset, pages, pool));
        if offset >= size {
            self.start_verifying(now);
        } else {
            self.become_stage(Stage::Downloading);
            self.ask_block(now);
        }
        Ok(())
    }

    /// Tells the hub that no bank is left that could hold the image.
    pub(super) fn refuse_for_want_of_room(&mut self, key: ImageKey) {
        self.counters.downloads_abandoned += 1;
        self.rest();
        self.send(Message::End { status: ZclStatus::InsufficientSpace, key });
    }

    /// Empties the spare bank for a new image, if one is sound. The record says "empty" before the first sector is
    /// erased.
    fn prepare_spare(
        &mut self,
        pool: &mut SectorPool,
        key: ImageKey,
        size: u32,
    ) -> Result<Option<SpareImage>, FlashError> {
        let Some(bank) = self.board.spare_bank(|_| false) else { return Ok(None) };
        if self.spare.is_some() {
            self.store_spare(pool, None)?;
        }
        self.board.empty_bank(pool, bank, size)?;
        let spare = SpareImage { bank, key, size, verified: false };
        self.store_spare(pool, Some(spare))?;
        Ok(Some(spare))
    }

    pub(super) fn store_spare(
        &mut self,
        pool: &mut SectorPool,
        spare: Option<SpareImage>,
    ) -> Result<(), FlashError> {
        self.spare = spare;
        let bytes = SpareImage::to_bytes(spare.as_ref());
        self.record.store(&mut self.board.flash, pool, &bytes)
    }

    /// Empties the spare bank's record and returns to rest.
    pub(super) fn discard_spare(&mut self, pool: &mut SectorPool) -> Result<(), FlashError> {
        self.download = None;
        self.permit = None;
        self.counters.edges.take(self.stage as u8, Stage::Normal as u8);
        self.stage = Stage::Normal;
        self.timer = None;
        self.awaiting = false;
        self.repeats = 0;
        self.store_spare(pool, None)
    }

    /// Returns the first byte that no mark vouches for.
    fn resume_offset(&self, spare: &SpareImage) -> u32 {
        let bank = self.board.bank(spare.bank);
        let mut next = 0;
        bank.each_marked(&self.board.flash, spare.size, |unit| {
            if unit == next {
                next += 1;
            }
        });
        next.saturating_mul(self.mark_unit()).min(spare.size)
    }

    /// How much of the image one mark covers; what is fetched again after a power cut is less than this.
    pub(super) fn mark_unit(&self) -> u32 {
        self.config.flash.mark_unit()
    }

    /// How much is asked for at once: whole pieces of what is programmed at once.
    pub(super) fn block_len(&self) -> u8 {
        let unit =
            u8::try_from(self.config.flash.program_unit()).expect("a program unit is at most 32 bytes");
        let block_len = self.config.block_len.clamp(unit, MAX_BLOCK_LEN);
        block_len - block_len % unit
    }

    /// Asks for what comes next: a page, or the block at the offset.
    pub(super) fn ask_block(&mut self, now: Moment) {
        if matches!(self.config.kind, MeterKind::Gas { .. }) {
            if self.requests_left == 0 {
                // The answers of this wake are used up; the next wake goes on.
                self.awaiting = false;
                self.timer = None;
                return;
            }
            self.requests_left -= 1;
        }
        let block_len = self.block_len();
        let period_ms = u16::try_from(self.minimum_block_period.as_millis()).unwrap_or(0xFFFE);
        let Some(download) = &mut self.download else {
            return;
        };
        let requester = (!download.introduced).then_some(self.config.eui.to_bytes());
        download.introduced = true;
        let (key, offset) = (download.key, download.offset);
        let completes_page = download.page.as_ref().is_some_and(|page| offset < page.end);
        if let (Some(page_len), true, false) = (self.config.page_len, download.pages, completes_page) {
            let page_size = page_len.max(1).min(u16::try_from(download.size - offset).unwrap_or(u16::MAX));
            download.page = Some(offset..offset + u32::from(page_size));
            let spacing_ms = u16::try_from(self.config.block_period.as_millis()).unwrap_or(u16::MAX);
            self.ask(
                now,
                Message::Page(ImagePageRequest {
                    key,
                    offset,
                    maximum_data_size: block_len,
                    page_size,
                    response_spacing_ms: spacing_ms,
                    requester,
                }),
            );
            return;
        }
        let hole_end = download.ahead.iter().map(|run| run.start).min().unwrap_or(download.size);
        let len = u32::from(block_len).min(hole_end.saturating_sub(offset).max(1));
        self.ask(
            now,
            Message::Block(ImageBlockRequest {
                key,
                offset,
                maximum_data_size: u8::try_from(len).unwrap_or(block_len),
                requester,
                minimum_block_period_ms: Some(period_ms),
            }),
        );
    }

    pub(super) fn take_block_response(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        response: &ImageBlockResponse<'_>,
    ) -> Result<(), FlashError> {
        if self.stage != Stage::Downloading {
            self.counters.stale_answers += 1;
            return Ok(());
        }
        match *response {
            ImageBlockResponse::Success { key, offset, data } => self.store(now, pool, key, offset, data),
            ImageBlockResponse::WaitForData { current_time, request_time, minimum_block_period_ms } => {
                self.minimum_block_period = Duration::from_millis(minimum_block_period_ms.into());
                let wait = zcl_delay(current_time, request_time);
                self.continue_at(now + wait.max(self.minimum_block_period).max(self.config.block_period));
                Ok(())
            }
            ImageBlockResponse::Abort | ImageBlockResponse::Other(_) => {
                self.abandon_download(now);
                Ok(())
            }
        }
    }

    /// Stores a block, if it is the one that was asked for or belongs to the page that is coming.
    fn store(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        key: ImageKey,
        offset: u32,
        data: &[u8],
    ) -> Result<(), FlashError> {
        let (block_len, mark_unit) = (usize::from(self.block_len()), self.mark_unit());
        let unit = self.config.flash.program_unit();
        let (Some(download), Some(spare)) = (&mut self.download, self.spare) else {
            return Ok(());
        };
        let mut end = offset.saturating_add(data.len() as u32);
        // What does not fill its last piece is asked for again, unless it is the end of the image.
        let rest = if end == download.size { 0 } else { data.len() % unit };
        let data = &data[..data.len() - rest];
        end -= rest as u32;
        let aligned = (offset as usize).is_multiple_of(unit);
        let fits = aligned && !data.is_empty() && data.len() <= block_len && end <= download.size;
        let of_page = download.page.as_ref().is_some_and(|page| offset > download.offset && end <= page.end);
        let wanted = offset == download.offset || (of_page && !download.is_ahead(offset));
        if key != download.key || !fits || !wanted {
            self.counters.stale_answers += 1;
            return Ok(());
        }
        if offset > download.offset && !download.note_ahead(offset..end) {
            return Ok(());
        }
        let before = download.offset;
        if offset == before {
            download.advance(end);
        }
        let (after, size) = (download.offset, download.size);
        let page_end = download.page.as_ref().map_or(0, |page| page.end);
        let bank = self.board.bank(spare.bank);
        let known = download.known.as_deref().unwrap_or(&[]);
        match bank.write_as(&mut self.board.flash, pool, offset, data, known) {
            Err(FlashError::NotErased) => return self.fetch_again(now, pool, &spare, offset..end),
            written => written?,
        }
        for unit in before / mark_unit..after.div_ceil(mark_unit) {
            if bank.unit_range(unit, size).end <= after {
                bank.mark(&mut self.board.flash, pool, unit)?;
            }
        }
        self.counters.blocks_received += 1;
        self.repeats = 0;
        self.listen_until = self.listen_until.max(now);
        let pause = self.config.block_period.max(self.minimum_block_period);
        if after >= size {
            self.start_verifying(now);
        } else if after < page_end && self.awaiting {
            // More blocks of the page are on their way; holes are asked for when they stop coming.
            self.timer = Some(now + self.config.block_period + self.config.retry_timeout);
        } else {
            self.continue_at(now + pause);
        }
        Ok(())
    }

    /// Empties the units in which something else lies, a block torn by a power cut, and fetches them again.
    fn fetch_again(
        &mut self,
        now: Moment,
        pool: &mut SectorPool,
        spare: &SpareImage,
        block: Range<u32>,
    ) -> Result<(), FlashError> {
        let unit = self.mark_unit();
        let wrong: BTreeSet<u32> = (block.start / unit..block.end.div_ceil(unit)).collect();
        self.board.clear_units(pool, spare.bank, spare.size, &wrong)?;
        let offset = self.resume_offset(spare);
        if let Some(download) = &mut self.download {
            download.return_to(offset);
        }
        self.continue_at(now + self.config.block_period);
        Ok(())
    }

    fn continue_at(&mut self, at: Moment) {
        self.awaiting = false;
        self.repeats = 0;
        self.timer = Some(at);
    }

    fn start_verifying(&mut self, now: Moment) {
        let size = self.download.as_ref().map_or(0, |download| download.size);
        self.counters.downloads += 1;
        self.become_stage(Stage::Verifying);
        self.timer = Some(now + verify_time(size));
    }

    /// Stops fetching; what is stored stays, and the next query may go on with it.
    pub(super) fn abandon_download(&mut self, now: Moment) {
        self.counters.downloads_abandoned += 1;
        self.download = None;
        self.become_stage(Stage::Normal);
        self.next_query = self.next_query.min(now + RETRY_AFTER_SILENCE);
    }

    pub(super) fn take_default_response(&mut self, now: Moment, command: u8, status: ZclStatus) {
        match (self.stage, command) {
            (Stage::Downloading, IMAGE_PAGE_REQUEST) if status != ZclStatus::Success => {
                if let Some(download) = &mut self.download {
                    download.pages = false;
                    download.page = None;
                }
                self.continue_at(now);
            }
            (Stage::Downloading, IMAGE_BLOCK_REQUEST) if status != ZclStatus::Success => {
                self.abandon_download(now);
            }
            (Stage::Reporting, UPGRADE_END_REQUEST) if !self.reports_success() => self.rest(),
            _ => {}
        }
    }
}
