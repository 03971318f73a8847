//! The rules of the OTA cluster, one by one: a meter is spoken to by hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleet::{Meter, MeterConfig, SectorPool};
use transfer_engine::Moment;
use wire::{
    AttributeId, AttributeList, AttributeValue, ImageBlockResponse, ImageKey, ImageNotify, NotifyScope,
    OtaCommand, QueryNextImageResponse, UPGRADE_WHEN_TOLD, UpgradeEndResponse, ZclFrame, ZclStatus,
};

use crate::home::{METER_TYPE, NEW, OLD, Recipe, START, gullible, meter_config};

const KEY: ImageKey = ImageKey { manufacturer: 0x10E5, image_type: 0x0011, file_version: NEW.0 };

/// A meter, the clock, and what it last said.
struct Bench {
    now: Moment,
    pool: SectorPool,
    meter: Meter,
}

impl Bench {
    fn new(config: MeterConfig) -> Bench {
        Bench { now: START, pool: SectorPool::new(), meter: Meter::new(config, Arc::new(gullible()), START) }
    }

    /// A meter that was told of a file and has asked for its first block.
    fn fetching(config: MeterConfig, file: &Bytes) -> Bench {
        let mut bench = Bench::new(config);
        bench.notify(ImageNotify { query_jitter: 100, scope: NotifyScope::Everybody });
        bench.expect("01");
        bench.offer(file.len() as u32);
        bench.expect("03");
        bench
    }

    fn usual() -> Bench {
        Bench::fetching(meter_config(1), Recipe::new(METER_TYPE).unsigned().bytes())
    }

    fn hear(&mut self, command: OtaCommand<'_>) {
        let zcl = frame(command);
        self.meter.receive_han(self.now, &mut self.pool, &zcl);
    }

    fn notify(&mut self, notify: ImageNotify) {
        self.hear(OtaCommand::ImageNotify(notify));
    }

    fn offer(&mut self, image_size: u32) {
        let response = QueryNextImageResponse::Success { key: KEY, image_size };
        self.hear(OtaCommand::QueryNextImageResponse(response));
    }

    fn answer_block(&mut self, response: ImageBlockResponse<'_>) {
        self.hear(OtaCommand::ImageBlockResponse(response));
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.meter.advance(self.now, &mut self.pool);
    }

    fn said(&mut self) -> Option<Vec<u8>> {
        let mut zcl = Vec::new();
        self.meter.poll_han(&mut zcl).then_some(zcl)
    }

    /// Takes the next frame, which must be the command with this id in hexadecimal.
    fn expect(&mut self, command: &str) -> Vec<u8> {
        let zcl = self.said().unwrap_or_else(|| panic!("the meter says nothing instead of {command}"));
        let id = u8::from_str_radix(command, 16).unwrap();
        assert_eq!(ZclFrame::parse(&zcl).unwrap().command.id(), id, "{zcl:02x?}");
        zcl
    }

    fn expect_offset(&mut self, offset: u32) {
        let zcl = self.expect("03");
        let OtaCommand::ImageBlockRequest(request) = ZclFrame::parse(&zcl).unwrap().command else { panic!() };
        assert_eq!(request.offset, offset);
    }

    fn is_quiet(&mut self) {
        assert_eq!(self.said(), None);
    }

    /// Answers every block request from the file until the meter says something else.
    fn serve(&mut self, file: &Bytes) -> Vec<u8> {
        let mut offset = 0;
        loop {
            let end = (offset + 40).min(file.len());
            let data = &file[offset..end];
            self.answer_block(ImageBlockResponse::Success { key: KEY, offset: offset as u32, data });
            self.wait(Duration::from_secs(1));
            let zcl = self.said().expect("the meter goes on");
            match ZclFrame::parse(&zcl).unwrap().command {
                OtaCommand::ImageBlockRequest(request) => offset = request.offset as usize,
                _ => return zcl,
            }
        }
    }

    fn end(&mut self, current_time: u32, upgrade_time: u32) {
        let response = UpgradeEndResponse { key: KEY, current_time, upgrade_time };
        self.hear(OtaCommand::UpgradeEndResponse(response));
    }

    /// Reads ImageUpgradeStatus.
    fn upgrade_status(&mut self) -> u8 {
        let list = AttributeList::new(&[AttributeId::IMAGE_UPGRADE_STATUS]).unwrap();
        self.hear(OtaCommand::ReadAttributes(list));
        let zcl = self.expect("01");
        match ZclFrame::parse(&zcl).unwrap().command {
            OtaCommand::ReadAttributesResponse(records) => match records[0].result {
                Ok(AttributeValue::Enum8(status)) => status,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

fn frame(command: OtaCommand<'_>) -> Vec<u8> {
    let mut zcl = Vec::new();
    ZclFrame { transaction: 77, from_server: true, disable_default_response: true, command }.emit(&mut zcl);
    zcl
}

#[test]
fn a_notify_to_one_meter_is_always_followed_by_a_query() {
    let mut bench = Bench::new(meter_config(1));
    bench.notify(ImageNotify { query_jitter: 1, scope: NotifyScope::Manufacturer { manufacturer: 0x9999 } });
    let zcl = bench.expect("01");
    let expected = [0x11, 1, 1, 1, 0xE5, 0x10, 0x11, 0, 0x03, 0x03, 0x02, 0x01, 0x01, 0x01];
    assert_eq!(zcl, expected, "the golden frame of the notes");
}

#[test]
fn a_notify_to_all_is_heeded_by_those_it_concerns() {
    let manufacturer = 0x10E5;
    let cases = [
        (100, NotifyScope::Everybody, true),
        (101, NotifyScope::Everybody, false),
        (100, NotifyScope::Reserved(4), false),
        (100, NotifyScope::Manufacturer { manufacturer }, true),
        (100, NotifyScope::Manufacturer { manufacturer: 1 }, false),
        (100, NotifyScope::ImageType { manufacturer, image_type: 0x0011 }, true),
        (100, NotifyScope::ImageType { manufacturer, image_type: 0xFFFF }, true),
        (100, NotifyScope::ImageType { manufacturer, image_type: 0x0012 }, false),
        (100, NotifyScope::Image(KEY), true),
        (100, NotifyScope::Image(ImageKey { file_version: OLD.0, ..KEY }), false),
    ];
    for (query_jitter, scope, heeded) in cases {
        let mut bench = Bench::new(meter_config(1));
        let zcl = frame(OtaCommand::ImageNotify(ImageNotify { query_jitter, scope }));
        bench.meter.receive_han_broadcast(bench.now, &mut bench.pool, &zcl);
        assert_eq!(bench.said().is_some(), heeded, "{query_jitter} {scope:?}");
    }
}

#[test]
fn jitter_thins_out_the_meters_that_query() {
    let queries = (0..200).filter(|number| {
        let mut bench = Bench::new(meter_config(*number));
        let zcl =
            frame(OtaCommand::ImageNotify(ImageNotify { query_jitter: 30, scope: NotifyScope::Everybody }));
        bench.meter.receive_han_broadcast(bench.now, &mut bench.pool, &zcl);
        bench.said().is_some()
    });
    let count = queries.count();
    assert!((30..=90).contains(&count), "{count} of 200 at a jitter of 30");
}

#[test]
fn an_offer_of_the_running_version_or_for_others_is_ignored() {
    let keys = [
        ImageKey { file_version: OLD.0, ..KEY },
        ImageKey { manufacturer: 1, ..KEY },
        ImageKey { image_type: 1, ..KEY },
    ];
    for (key, image_size) in keys.into_iter().map(|key| (key, 5000)).chain([(KEY, 0), (KEY, 10_240_001)]) {
        let mut bench = Bench::new(meter_config(1));
        bench.notify(ImageNotify { query_jitter: 100, scope: NotifyScope::Everybody });
        bench.expect("01");
        let response = QueryNextImageResponse::Success { key, image_size };
        bench.hear(OtaCommand::QueryNextImageResponse(response));
        bench.is_quiet();
        assert_eq!(bench.upgrade_status(), 0);
    }
}

#[test]
fn a_stale_or_foreign_block_is_ignored() {
    let mut bench = Bench::usual();
    let data = &[1; 40];
    let foreign = [
        ImageBlockResponse::Success { key: ImageKey { file_version: 9, ..KEY }, offset: 0, data },
        ImageBlockResponse::Success { key: KEY, offset: 40, data },
        ImageBlockResponse::Success { key: KEY, offset: 0, data: &[1; 41] },
        ImageBlockResponse::Success { key: KEY, offset: 0, data: &[] },
        ImageBlockResponse::Success { key: KEY, offset: u32::MAX, data },
    ];
    for response in foreign {
        bench.answer_block(response);
        bench.is_quiet();
    }
    assert_eq!(bench.meter.counters().stale_answers, 5);
    bench.answer_block(ImageBlockResponse::Success { key: KEY, offset: 0, data: &[1; 17] });
    bench.wait(Duration::from_secs(1));
    bench.expect_offset(17);
}

#[test]
fn wait_for_data_is_waited_for_in_each_of_its_forms() {
    let cases = [(0, 30, 30_000), (1000, 1030, 30_000), (1000, 1000, 500), (1000, 900, 500)];
    for (current_time, request_time, wait_ms) in cases {
        let mut bench = Bench::usual();
        let minimum_block_period_ms = 500;
        bench.answer_block(ImageBlockResponse::WaitForData {
            current_time,
            request_time,
            minimum_block_period_ms,
        });
        bench.wait(Duration::from_millis(wait_ms - 1));
        bench.is_quiet();
        bench.wait(Duration::from_millis(1));
        let zcl = bench.expect("03");
        let OtaCommand::ImageBlockRequest(request) = ZclFrame::parse(&zcl).unwrap().command else { panic!() };
        assert_eq!((request.offset, request.minimum_block_period_ms), (0, Some(500)));
    }
}

#[test]
fn an_abort_or_a_refusal_ends_the_download_and_keeps_what_is_there() {
    let refusals = [
        OtaCommand::ImageBlockResponse(ImageBlockResponse::Abort),
        OtaCommand::ImageBlockResponse(ImageBlockResponse::Other(ZclStatus::NoImageAvailable)),
        OtaCommand::DefaultResponse { command: 3, status: ZclStatus::MalformedCommand },
    ];
    let file = Recipe::new(METER_TYPE).unsigned();
    for refusal in refusals {
        let mut bench = Bench::fetching(meter_config(1), file.bytes());
        for offset in (0..1040).step_by(40) {
            let data = &file.bytes()[offset..offset + 40];
            bench.answer_block(ImageBlockResponse::Success { key: KEY, offset: offset as u32, data });
            bench.wait(Duration::from_secs(1));
            bench.expect("03");
        }
        bench.hear(refusal);
        assert_eq!(bench.upgrade_status(), 0);
        bench.wait(Duration::from_secs(3600));
        bench.expect("01");
        bench.offer(file.bytes().len() as u32);
        bench.expect_offset(1024);
    }
}

#[test]
fn silence_is_answered_by_ten_repeats_and_then_by_peace() {
    let mut bench = Bench::usual();
    for _ in 0..10 {
        bench.wait(Duration::from_secs(5));
        bench.expect_offset(0);
    }
    bench.wait(Duration::from_secs(5));
    bench.is_quiet();
    assert_eq!(bench.upgrade_status(), 0);
    assert_eq!(bench.meter.counters().downloads_abandoned, 1);
}

#[test]
fn a_refused_page_request_falls_back_to_blocks() {
    let file = Recipe::new(METER_TYPE).unsigned();
    let config = MeterConfig { page_len: Some(512), ..meter_config(1) };
    let mut bench = Bench::new(config);
    bench.notify(ImageNotify { query_jitter: 100, scope: NotifyScope::Everybody });
    bench.expect("01");
    bench.offer(file.bytes().len() as u32);
    bench.expect("04");
    bench.hear(OtaCommand::DefaultResponse { command: 4, status: ZclStatus::UnsupClusterCommand });
    bench.wait(Duration::ZERO);
    bench.expect_offset(0);
    let zcl = bench.serve(file.bytes());
    assert_eq!(zcl[2], 6);
}

#[test]
fn a_page_with_a_hole_is_completed_by_blocks() {
    let file = Recipe::new(METER_TYPE).unsigned();
    let mut bench = Bench::new(MeterConfig { page_len: Some(160), ..meter_config(1) });
    bench.notify(ImageNotify { query_jitter: 100, scope: NotifyScope::Everybody });
    bench.expect("01");
    bench.offer(file.bytes().len() as u32);
    bench.expect("04");
    for offset in [0, 80, 120] {
        let data = &file.bytes()[offset..offset + 40];
        bench.answer_block(ImageBlockResponse::Success { key: KEY, offset: offset as u32, data });
    }
    bench.is_quiet();
    bench.wait(Duration::from_secs(6));
    bench.expect_offset(40);
    let data = &file.bytes()[40..80];
    bench.answer_block(ImageBlockResponse::Success { key: KEY, offset: 40, data });
    bench.wait(Duration::from_secs(1));
    let zcl = bench.expect("04");
    let OtaCommand::ImagePageRequest(request) = ZclFrame::parse(&zcl).unwrap().command else { panic!() };
    assert_eq!(request.offset, 160);
}

#[test]
fn the_end_response_says_when() {
    let file = Recipe::new(METER_TYPE).unsigned();
    for (current_time, upgrade_time, delay_s) in [(500, 500, 0), (500, 400, 0), (500, 560, 60), (0, 60, 60)] {
        let mut bench = Bench::fetching(meter_config(1), file.bytes());
        let zcl = bench.serve(file.bytes());
        assert_eq!(zcl[2..4], [6, 0]);
        bench.end(current_time, upgrade_time);
        bench.expect("0b");
        if delay_s > 0 {
            assert_eq!(bench.upgrade_status(), 4);
            bench.wait(Duration::from_secs(delay_s - 1));
            assert!(bench.meter.is_up());
            bench.wait(Duration::from_secs(1));
        }
        bench.wait(Duration::from_secs(1));
        assert!(!bench.meter.is_up(), "{current_time} {upgrade_time}");
        bench.wait(Duration::from_secs(31));
        assert_eq!(bench.meter.running_version(), NEW);
        let zcl = bench.expect("01");
        assert_eq!(zcl[8..12], NEW.0.to_le_bytes(), "the hub learns the new version from the query");
    }
}

#[test]
fn a_meter_told_to_wait_asks_hourly_and_starts_when_it_is_told() {
    let file = Recipe::new(METER_TYPE).unsigned();
    let mut bench = Bench::fetching(meter_config(1), file.bytes());
    bench.serve(file.bytes());
    bench.end(500, UPGRADE_WHEN_TOLD);
    assert_eq!(bench.upgrade_status(), 3);
    bench.wait(Duration::from_secs(3599));
    bench.is_quiet();
    bench.wait(Duration::from_secs(1));
    for _ in 0..3 {
        bench.expect("06");
        bench.is_quiet();
        bench.wait(Duration::from_secs(5));
    }
    bench.is_quiet();
    assert_eq!(bench.upgrade_status(), 3, "three unanswered tries activate nothing");
    let any = ImageKey { manufacturer: 0xFFFF, image_type: 0xFFFF, file_version: 0xFFFF_FFFF };
    let told = UpgradeEndResponse { key: any, current_time: 0, upgrade_time: 0 };
    bench.hear(OtaCommand::UpgradeEndResponse(told));
    let zcl = bench.expect("0b");
    assert_eq!(zcl[3..], [7, 0]);
}

#[test]
fn an_end_response_for_another_image_or_without_one_activates_nothing() {
    let mut bench = Bench::usual();
    bench.end(0, 0);
    let zcl = bench.expect("0b");
    assert_eq!(zcl[3..], [7, 0x96]);
    bench.wait(Duration::from_secs(1));
    assert!(bench.meter.is_up());
}

#[test]
fn commands_and_attributes_that_are_not_known_are_answered_so() {
    let mut bench = Bench::new(meter_config(1));
    let unknown = OtaCommand::Unknown { command: 0x55, general: false, manufacturer: None, payload: &[] };
    bench.hear(unknown);
    let zcl = bench.expect("0b");
    assert_eq!(zcl[3..], [0x55, 0x81]);
    let list = AttributeList::new(&[AttributeId::CURRENT_FILE_VERSION, AttributeId(0x4242)]).unwrap();
    bench.hear(OtaCommand::ReadAttributes(list));
    let zcl = bench.expect("01");
    let OtaCommand::ReadAttributesResponse(records) = ZclFrame::parse(&zcl).unwrap().command else {
        panic!()
    };
    assert_eq!(records[0].result, Ok(AttributeValue::Unsigned32(OLD.0)));
    assert_eq!(records[1].result, Err(ZclStatus::UnsupportedAttribute));
}
