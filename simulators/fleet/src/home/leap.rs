//! A run of blocks as one step: what a home does between two losses, wakes, timers and questions from outside.
//!
//! While a meter fetches, the same two frames go to and fro: a request, and the block that answers it. Until the radio
//! loses one, the meter has used up its wake, the image ends or anybody else in the home has something to do, every
//! moment and every byte of them follows from the first. Such a run is done at once: offsets, counters, marks, timers
//! and the radio's draws stand afterwards where they would have stood, and the flash takes over the hub's sectors by
//! reference. Whatever is not plain is left to the frame by frame path, which both fidelities share.
//!
//! ```text
//!   request k arrives     block arrives      request k+1 sent      request k+1 arrives
//!        a ───── latency ─────► a+L ── pause ──► a+L+pause ── latency ──► a + 2L + pause
//! ```

use super::{Commons, HUB_ADDRESS, Home, due};
use std::time::Duration;
use transfer_engine::Moment;
use wire::ImageKey;

/// What a meter is fetching, when nothing about it is out of the ordinary.
pub(crate) struct Fetch {
    pub(crate) key: ImageKey,
    /// The offset whose request is on the air.
    pub(crate) offset: u32,
    pub(crate) size: u32,
    /// Bytes that each request asks for.
    pub(crate) block_len: u32,
    /// From a block's arrival to the next request.
    pub(crate) pause: Duration,
    /// What the meter says in its requests about that, in milliseconds.
    pub(crate) asked_period_ms: u16,
    /// Requests that it may still send before it sleeps.
    pub(crate) requests_left: u64,
    /// When it wakes, or something else of its own is due.
    pub(crate) disturbed_at: Moment,
}

/// A run of blocks that is done at once.
pub(crate) struct Run {
    pub(crate) key: ImageKey,
    /// Blocks.
    pub(crate) blocks: u32,
    /// Bytes of each.
    pub(crate) block_len: u32,
    /// Where the last of them begins.
    pub(crate) last_offset: u32,
    /// When the last of their requests reached the hub.
    pub(crate) last_served_at: Moment,
    /// When the last of them reached the meter.
    pub(crate) last_heard_at: Moment,
    /// When the request after them was sent.
    pub(crate) asked_at: Moment,
}

impl Home {
    /// Does as many blocks at once as are sure to come, if the frame that arrives next is a request for one and
    /// nothing else happens in the home before `until`.
    pub(super) fn leap(&mut self, until: Moment, commons: &mut Commons) -> bool {
        let [flight] = self.in_flight.make_contiguous() else { return false };
        if flight.to != HUB_ADDRESS {
            return false;
        }
        let (from, arrives_at) = (flight.from, flight.arrives_at);
        let Some(index) = self.meters.iter().position(|member| member.address == from) else { return false };
        let Some(fetch) = self.meters[index].meter.fetch() else { return false };
        if !self.hub.streams_to(from, &fetch) || !self.is_asking(index, commons) {
            return false;
        }
        let others = self.meters.iter().enumerate().filter(|(other, _)| *other != index);
        let fault_at = self.troubles.as_ref().map_or(Moment::MAX, |troubles| troubles.next_at());
        let disturbed_at = others
            .map(|(_, member)| member.due)
            .chain([until, self.hub_due, fetch.disturbed_at, fault_at])
            .min()
            .unwrap_or(until);
        let latency = self.han.latency();
        let cycle = latency * 2 + fetch.pause;
        let Some(blocks) =
            sure_blocks(&fetch, arrives_at, disturbed_at, cycle, self.han.losses().clear_run())
        else {
            return false;
        };
        let arrives_next = arrives_at + cycle * blocks;
        let run = Run {
            key: fetch.key,
            blocks,
            block_len: fetch.block_len,
            last_offset: fetch.offset + (blocks - 1) * fetch.block_len,
            last_served_at: arrives_at + cycle * (blocks - 1),
            last_heard_at: arrives_at + cycle * (blocks - 1) + latency,
            asked_at: arrives_at + cycle * (blocks - 1) + latency + fetch.pause,
        };
        self.take_run(index, &run, arrives_next, commons);
        true
    }

    /// Returns whether the frame on the air is the request that this meter waits for an answer to.
    fn is_asking(&self, index: usize, commons: &mut Commons) -> bool {
        let mut request = commons.buffer();
        self.meters[index].meter.emit_request(&mut request);
        let is_asking = self.in_flight.front().is_some_and(|flight| flight.frame == request);
        commons.give_back(request);
        is_asking
    }

    fn take_run(&mut self, index: usize, run: &Run, arrives_next: Moment, commons: &mut Commons) {
        let Home { hub, meters, in_flight, han, traffic, .. } = self;
        let member = &mut meters[index];
        han.losses().pass(2 * u64::from(run.blocks));
        let flight = &mut in_flight[0];
        let asked = flight.frame.len() as u64;
        member.meter.take_run(&mut commons.pool, hub, run);
        let answered = hub.serve_run(member.address, run);
        traffic.frames += 2 * u64::from(run.blocks);
        flight.frame.clear();
        member.meter.emit_request(&mut flight.frame);
        // All requests but the last one of an image are equally long.
        debug_assert_eq!(asked, flight.frame.len() as u64);
        traffic.bytes += u64::from(run.blocks) * asked + answered;
        flight.arrives_at = arrives_next;
        member.due = due(member.meter.poll_timeout());
    }
}

/// Returns how many whole cycles nothing can disturb, if there is at least one.
fn sure_blocks(
    fetch: &Fetch,
    arrives_at: Moment,
    disturbed_at: Moment,
    cycle: Duration,
    clear_frames: u64,
) -> Option<u32> {
    // The last block of an image is left to the ordinary path, for verification follows.
    let left = fetch.size.saturating_sub(fetch.offset).saturating_sub(1) / fetch.block_len.max(1);
    // Ties are left to the ordinary path, too: all of the run happens before anything else.
    let time = disturbed_at.saturating_since(arrives_at).as_micros().saturating_sub(1);
    let cycles = u64::try_from(time / cycle.as_micros().max(1)).unwrap_or(u64::MAX);
    let blocks = u64::from(left).min(cycles).min(clear_frames / 2).min(fetch.requests_left);
    u32::try_from(blocks).ok().filter(|blocks| *blocks > 0)
}
