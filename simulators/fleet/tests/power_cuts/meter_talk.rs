//! What a hub says to a meter: image, blocks, order. Nothing is lost on the way but one block of each page.

use fleet::SectorPool;
use wire::{
    DocumentFragment, DocumentKind, ImageBlockResponse, ImageNotify, ImagePageRequest, NotifyScope,
    OtaCommand, QueryNextImageResponse, UpgradeEndResponse, ZclFrame, ZclStatus,
};

use crate::bench::Bench;
use crate::device::Device;
use crate::images::OrderDesk;

/// How much of an order one frame carries.
const FRAGMENT_LEN: usize = 48;

/// Says the next frame; without one, answers what the meter said, waits for its timers, or says that there is an image.
pub fn step(bench: &mut Bench<'_>, pool: &mut SectorPool, desk: &mut OrderDesk) -> bool {
    loop {
        if let Some(frame) = bench.frames.pop_front() {
            let Device::Meter(meter) = &mut bench.device else { unreachable!("a meter is on the bench") };
            meter.receive_han(bench.now, pool, &frame);
            return true;
        }
        let mut said = Vec::new();
        let Device::Meter(meter) = &mut bench.device else { unreachable!("a meter is on the bench") };
        if meter.poll_han(&mut said) {
            answer(bench, desk, &said);
            continue;
        }
        if bench.wait(pool) {
            return true;
        }
        if bench.is_done() {
            return false;
        }
        let scope = NotifyScope::Image(bench.target.key());
        say(bench, 0, OtaCommand::ImageNotify(ImageNotify { query_jitter: 100, scope }));
    }
}

fn answer(bench: &mut Bench<'_>, desk: &mut OrderDesk, said: &[u8]) {
    let frame = ZclFrame::parse(said).unwrap();
    let number = frame.transaction;
    let key = bench.target.key();
    match frame.command {
        OtaCommand::QueryNextImageRequest(request) => {
            let image_size = u32::try_from(bench.target.bytes.len()).unwrap();
            // An image that the meter runs, or could not run, is not offered again.
            let response = match request.key.file_version == key.file_version || bench.is_done() {
                true => QueryNextImageResponse::Other(ZclStatus::NoImageAvailable),
                false => QueryNextImageResponse::Success { key, image_size },
            };
            say(bench, number, OtaCommand::QueryNextImageResponse(response));
        }
        OtaCommand::ImageBlockRequest(request) => {
            say_block(bench, number, request.offset, request.maximum_data_size);
        }
        OtaCommand::ImagePageRequest(request) => say_page(bench, number, &request),
        OtaCommand::UpgradeEndRequest(request) if request.status == ZclStatus::Success => {
            say_order(bench, number, desk);
        }
        _ => {}
    }
}

fn say(bench: &mut Bench<'_>, transaction: u8, command: OtaCommand<'_>) {
    let mut frame = Vec::new();
    ZclFrame { transaction, from_server: true, disable_default_response: true, command }.emit(&mut frame);
    bench.frames.push_back(frame);
}

fn say_block(bench: &mut Bench<'_>, number: u8, offset: u32, len: u8) {
    let bytes = bench.target.bytes.clone();
    let start = bytes.len().min(offset as usize);
    let data = &bytes[start..bytes.len().min(start + usize::from(len))];
    let key = bench.target.key();
    say(bench, number, OtaCommand::ImageBlockResponse(ImageBlockResponse::Success { key, offset, data }));
}

fn say_page(bench: &mut Bench<'_>, number: u8, request: &ImagePageRequest) {
    let len = request.maximum_data_size;
    let offsets = (0..u32::from(request.page_size)).step_by(usize::from(len));
    for (index, within) in offsets.enumerate() {
        // The second block of each page is lost, and asked for on its own.
        if index != 1 {
            let len = len.min(u8::try_from(u32::from(request.page_size) - within).unwrap_or(len));
            say_block(bench, number, request.offset + within, len);
        }
    }
}

/// The order in pieces, and the word.
fn say_order(bench: &mut Bench<'_>, number: u8, desk: &mut OrderDesk) {
    let order = desk.order(bench.target, bench.device.challenge()).to_vec();
    for (index, bytes) in order.chunks(FRAGMENT_LEN).enumerate() {
        let (total_len, offset) = (order.len() as u16, (index * FRAGMENT_LEN) as u16);
        let piece = DocumentFragment { kind: DocumentKind::Order, total_len, offset, bytes };
        say(bench, number, OtaCommand::DocumentFragment(piece));
    }
    let word = UpgradeEndResponse { key: bench.target.key(), current_time: 1, upgrade_time: 1 };
    say(bench, number, OtaCommand::UpgradeEndResponse(word));
}
