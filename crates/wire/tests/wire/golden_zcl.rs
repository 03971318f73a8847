//! Frames built by zigpy, which zigbee-herdsman encodes identically and Wireshark decodes.

use wire::{
    AttributeId, AttributeList, AttributeRecord, AttributeValue, DeviceChallenge, DocumentFragment,
    DocumentKind, ImageBlockRequest, ImageBlockResponse, ImageKey, ImageNotify, ImagePageRequest,
    NotifyScope, OtaCommand, QueryDeviceSpecificFileRequest, QueryNextImageRequest, QueryNextImageResponse,
    UPGRADE_WHEN_TOLD, UpgradeEndRequest, UpgradeEndResponse, ZclFrame, ZclStatus,
};

use crate::{emitted, hex};

const KEY: ImageKey = ImageKey { manufacturer: 0x10E5, image_type: 0x0011, file_version: 0x0102_0304 };
const METER: [u8; 8] = [0x00, 0x0D, 0x6F, 0x00, 0x0A, 0x0B, 0x0C, 0x0D];

/// Checks that the bytes mean the command, both ways. The direction follows from the frame control: 19 and 09
/// from the server, 11 and 01 from the client.
#[track_caller]
fn golden(bytes: &str, command: OtaCommand<'_>) {
    let bytes = hex(bytes);
    let transaction = bytes[if bytes[0] & 4 == 0 { 1 } else { 3 }];
    let disable_default_response = bytes[0] & 0x10 != 0;
    let frame = ZclFrame { transaction, from_server: bytes[0] & 8 != 0, disable_default_response, command };
    assert_eq!(ZclFrame::parse(&bytes).as_ref(), Ok(&frame));
    assert_eq!(emitted(|out| frame.emit(out)), bytes);
}

#[test]
fn image_notify_names_a_version() {
    let scope = NotifyScope::Image(KEY);
    golden(
        "19 02 00 03 64 e510 1100 04030201",
        OtaCommand::ImageNotify(ImageNotify { query_jitter: 100, scope }),
    );
}

#[test]
fn image_notify_grows_with_its_payload_type() {
    let notify = |scope| OtaCommand::ImageNotify(ImageNotify { query_jitter: 50, scope });
    golden("09 01 00 00 32", notify(NotifyScope::Everybody));
    golden("09 01 00 01 32 e510", notify(NotifyScope::Manufacturer { manufacturer: 0x10E5 }));
    let scope = NotifyScope::ImageType { manufacturer: 0x10E5, image_type: 0x11 };
    golden("09 01 00 02 32 e510 1100", notify(scope));
}

#[test]
fn query_next_image_with_hardware_version() {
    let key = ImageKey { file_version: 0x0102_0303, ..KEY };
    golden(
        "11 04 01 01 e510 1100 03030201 0101",
        OtaCommand::QueryNextImageRequest(QueryNextImageRequest { key, hardware_version: Some(0x0101) }),
    );
    golden(
        "01 04 01 00 e510 1100 03030201",
        OtaCommand::QueryNextImageRequest(QueryNextImageRequest { key, hardware_version: None }),
    );
}

#[test]
fn query_next_image_response() {
    golden(
        "19 04 02 00 e510 1100 04030201 a0860100",
        OtaCommand::QueryNextImageResponse(QueryNextImageResponse::Success { key: KEY, image_size: 100_000 }),
    );
    golden(
        "19 04 02 98",
        OtaCommand::QueryNextImageResponse(QueryNextImageResponse::Other(ZclStatus::NoImageAvailable)),
    );
}

#[test]
fn image_block_request_with_address_and_period() {
    let request = ImageBlockRequest {
        key: KEY,
        offset: 0x1000,
        maximum_data_size: 48,
        requester: Some(METER),
        minimum_block_period_ms: Some(250),
    };
    golden(
        "11 06 03 03 e510 1100 04030201 00100000 30 0d0c0b0a006f0d00 fa00",
        OtaCommand::ImageBlockRequest(request),
    );
    golden(
        "11 06 03 02 e510 1100 04030201 00100000 30 fa00",
        OtaCommand::ImageBlockRequest(ImageBlockRequest { requester: None, ..request }),
    );
}

#[test]
fn image_block_response_with_data() {
    let data: Vec<u8> = (0..48).collect();
    let digits: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    golden(
        &format!("19 06 05 00 e510 1100 04030201 00100000 30 {digits}"),
        OtaCommand::ImageBlockResponse(ImageBlockResponse::Success { key: KEY, offset: 0x1000, data: &data }),
    );
}

#[test]
fn image_block_response_that_waits_or_aborts() {
    golden(
        "19 07 05 97 00000000 1e000000 f401",
        OtaCommand::ImageBlockResponse(ImageBlockResponse::WaitForData {
            current_time: 0,
            request_time: 30,
            minimum_block_period_ms: 500,
        }),
    );
    golden("19 08 05 95", OtaCommand::ImageBlockResponse(ImageBlockResponse::Abort));
}

#[test]
fn image_page_request() {
    golden(
        "11 09 04 01 e510 1100 04030201 00200000 30 0002 6400 0d0c0b0a006f0d00",
        OtaCommand::ImagePageRequest(ImagePageRequest {
            key: KEY,
            offset: 0x2000,
            maximum_data_size: 48,
            page_size: 512,
            response_spacing_ms: 100,
            requester: Some(METER),
        }),
    );
}

#[test]
fn upgrade_end_and_an_answer_that_waits() {
    golden(
        "11 0a 06 00 e510 1100 04030201",
        OtaCommand::UpgradeEndRequest(UpgradeEndRequest { status: ZclStatus::Success, key: KEY }),
    );
    golden(
        "19 0a 07 e510 1100 04030201 00000000 ffffffff",
        OtaCommand::UpgradeEndResponse(UpgradeEndResponse {
            key: KEY,
            current_time: 0,
            upgrade_time: UPGRADE_WHEN_TOLD,
        }),
    );
}

#[test]
fn device_specific_files_are_queried_by_address() {
    let key = ImageKey { image_type: 0xFFC0, ..KEY };
    let request = QueryDeviceSpecificFileRequest { requester: METER, key, stack_version: 2 };
    golden(
        "11 0b 08 0d0c0b0a006f0d00 e510 c0ff 04030201 0200",
        OtaCommand::QueryDeviceSpecificFileRequest(request),
    );
    golden(
        "19 0b 09 7e",
        OtaCommand::QueryDeviceSpecificFileResponse(QueryNextImageResponse::Other(ZclStatus::NotAuthorized)),
    );
}

#[test]
fn attributes_are_read_with_their_types() {
    let ids = [AttributeId::CURRENT_FILE_VERSION, AttributeId::IMAGE_UPGRADE_STATUS];
    golden("18 0c 00 0200 0600", OtaCommand::ReadAttributes(AttributeList::new(&ids).expect("two fit")));
    let record = |id, result| AttributeRecord { id, result };
    golden(
        "10 0c 01 0000 00 f0 0d0c0b0a006f0d00 0200 00 23 04030201 0300 00 21 0200 0600 00 30 01 0a00 86",
        OtaCommand::ReadAttributesResponse(vec![
            record(AttributeId::UPGRADE_SERVER_ID, Ok(AttributeValue::Eui64(METER))),
            record(AttributeId::CURRENT_FILE_VERSION, Ok(AttributeValue::Unsigned32(0x0102_0304))),
            record(AttributeId::CURRENT_STACK_VERSION, Ok(AttributeValue::Unsigned16(2))),
            record(AttributeId::IMAGE_UPGRADE_STATUS, Ok(AttributeValue::Enum8(1))),
            record(AttributeId::IMAGE_STAMP, Err(ZclStatus::UnsupportedAttribute)),
        ]),
    );
}

#[test]
fn a_default_response_is_a_general_command() {
    golden(
        "18 09 0b 04 81",
        OtaCommand::DefaultResponse { command: 0x04, status: ZclStatus::UnsupClusterCommand },
    );
}

#[test]
fn a_piece_of_a_document_is_a_manufacturers_command() {
    for (frame, kind) in [
        ("0d e510 0d c0 8000 4000 aabbcc", DocumentKind::Order),
        ("0d e510 0d c1 8000 4000 aabbcc", DocumentKind::Root),
    ] {
        golden(
            frame,
            OtaCommand::DocumentFragment(DocumentFragment {
                kind,
                total_len: 0x80,
                offset: 0x40,
                bytes: &[0xAA, 0xBB, 0xCC],
            }),
        );
    }
}

#[test]
fn a_device_is_asked_what_its_order_must_carry_and_says_it() {
    golden("0d e510 0e c2", OtaCommand::ChallengeRequest);
    golden(
        "15 e510 0e c2 1122334455667788 0700000000000000 02000000",
        OtaCommand::Challenge(DeviceChallenge {
            nonce: [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88],
            last_counter: 7,
            root_version: 2,
        }),
    );
    let short = hex("15 e510 0e c2 11223344");
    assert!(ZclFrame::parse(&short).is_err(), "half a nonce is none");
}

#[test]
fn an_unknown_command_keeps_enough_to_be_answered() {
    let unknown = |command, general, manufacturer, payload| OtaCommand::Unknown {
        command,
        general,
        manufacturer,
        payload,
    };
    golden("01 0e 0a 0102", unknown(0x0A, false, None, &[1, 2]));
    golden("00 0e 02 0600", unknown(0x02, true, None, &[6, 0]));
    golden("05 5f11 0e c0 00", unknown(0xC0, false, Some(0x115F), &[0]));
    let status = |bytes| ZclFrame::parse(bytes).expect("a frame").command.unsupported_status();
    assert_eq!(status(&[0x01, 0x0E, 0x0A]), ZclStatus::UnsupClusterCommand);
    assert_eq!(status(&[0x00, 0x0E, 0x02]), ZclStatus::UnsupGeneralCommand);
    assert_eq!(status(&[0x05, 0x5F, 0x11, 0x0E, 0xC0]), ZclStatus::UnsupManufacturerClusterCommand);
}
