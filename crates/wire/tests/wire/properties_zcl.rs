//! ZCL and its envelope: whatever is emitted parses to itself, and no bytes make a parser panic.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use wire::{
    AttributeId, AttributeList, AttributeRecord, AttributeValue, DeviceChallenge, DocumentFragment,
    DocumentKind, HanFrame, ImageBlockRequest, ImageBlockResponse, ImageKey, ImageNotify, ImagePageRequest,
    MAX_ATTRIBUTES, MAX_HAN_PAYLOAD, NotifyScope, OtaCommand, QueryDeviceSpecificFileRequest,
    QueryNextImageRequest, QueryNextImageResponse, UpgradeEndRequest, UpgradeEndResponse, ZclFrame,
    ZclStatus,
};

use crate::emitted;

fn keys() -> impl Strategy<Value = ImageKey> {
    any::<(u16, u16, u32)>().prop_map(|(manufacturer, image_type, file_version)| ImageKey {
        manufacturer,
        image_type,
        file_version,
    })
}

fn statuses() -> impl Strategy<Value = ZclStatus> {
    any::<u8>().prop_map(ZclStatus::from_byte)
}

/// Statuses without the ones that have a form of their own.
fn other_statuses() -> impl Strategy<Value = ZclStatus> {
    statuses().prop_filter("no form of its own", |status| {
        ![ZclStatus::Success, ZclStatus::WaitForData, ZclStatus::Abort].contains(status)
    })
}

fn notifies() -> impl Strategy<Value = OtaCommand<'static>> {
    let scopes = prop_oneof![
        Just(NotifyScope::Everybody),
        any::<u16>().prop_map(|manufacturer| NotifyScope::Manufacturer { manufacturer }),
        any::<(u16, u16)>()
            .prop_map(|(manufacturer, image_type)| NotifyScope::ImageType { manufacturer, image_type }),
        keys().prop_map(NotifyScope::Image),
        (4u8..).prop_map(NotifyScope::Reserved),
    ];
    (any::<u8>(), scopes)
        .prop_map(|(query_jitter, scope)| OtaCommand::ImageNotify(ImageNotify { query_jitter, scope }))
}

fn query_responses() -> impl Strategy<Value = QueryNextImageResponse> {
    prop_oneof![
        (keys(), any::<u32>())
            .prop_map(|(key, image_size)| QueryNextImageResponse::Success { key, image_size }),
        other_statuses().prop_map(QueryNextImageResponse::Other),
    ]
}

fn queries() -> impl Strategy<Value = OtaCommand<'static>> {
    prop_oneof![
        (keys(), option::of(any::<u16>())).prop_map(|(key, hardware_version)| {
            OtaCommand::QueryNextImageRequest(QueryNextImageRequest { key, hardware_version })
        }),
        query_responses().prop_map(OtaCommand::QueryNextImageResponse),
        (keys(), any::<([u8; 8], u16)>()).prop_map(|(key, (requester, stack_version))| {
            let request = QueryDeviceSpecificFileRequest { requester, key, stack_version };
            OtaCommand::QueryDeviceSpecificFileRequest(request)
        }),
        query_responses().prop_map(OtaCommand::QueryDeviceSpecificFileResponse),
    ]
}

fn downloads() -> impl Strategy<Value = OtaCommand<'static>> {
    prop_oneof![
        (keys(), any::<(u32, u8)>(), option::of(any::<[u8; 8]>()), option::of(any::<u16>())).prop_map(
            |(key, (offset, maximum_data_size), requester, minimum_block_period_ms)| {
                OtaCommand::ImageBlockRequest(ImageBlockRequest {
                    key,
                    offset,
                    maximum_data_size,
                    requester,
                    minimum_block_period_ms,
                })
            }
        ),
        (keys(), any::<(u32, u8, u16, u16)>(), option::of(any::<[u8; 8]>())).prop_map(
            |(key, (offset, maximum_data_size, page_size, response_spacing_ms), requester)| {
                OtaCommand::ImagePageRequest(ImagePageRequest {
                    key,
                    offset,
                    maximum_data_size,
                    page_size,
                    response_spacing_ms,
                    requester,
                })
            }
        ),
        (keys(), any::<u32>(), vec(any::<u8>(), 0..=255)).prop_map(|(key, offset, data)| {
            OtaCommand::ImageBlockResponse(ImageBlockResponse::Success { key, offset, data: data.leak() })
        }),
        any::<(u32, u32, u16)>().prop_map(|(current_time, request_time, minimum_block_period_ms)| {
            OtaCommand::ImageBlockResponse(ImageBlockResponse::WaitForData {
                current_time,
                request_time,
                minimum_block_period_ms,
            })
        }),
        Just(OtaCommand::ImageBlockResponse(ImageBlockResponse::Abort)),
        other_statuses().prop_map(|status| OtaCommand::ImageBlockResponse(ImageBlockResponse::Other(status))),
        (statuses(), keys())
            .prop_map(|(status, key)| OtaCommand::UpgradeEndRequest(UpgradeEndRequest { status, key })),
        (keys(), any::<(u32, u32)>()).prop_map(|(key, (current_time, upgrade_time))| {
            OtaCommand::UpgradeEndResponse(UpgradeEndResponse { key, current_time, upgrade_time })
        }),
    ]
}

fn attribute_values() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<u8>().prop_map(AttributeValue::Unsigned8),
        any::<u16>().prop_map(AttributeValue::Unsigned16),
        any::<u32>().prop_map(AttributeValue::Unsigned32),
        any::<u8>().prop_map(AttributeValue::Enum8),
        any::<[u8; 8]>().prop_map(AttributeValue::Eui64),
    ]
}

fn general_commands() -> impl Strategy<Value = OtaCommand<'static>> {
    let records = (any::<u16>(), attribute_values(), option::of(other_statuses()));
    prop_oneof![
        (any::<u8>(), statuses())
            .prop_map(|(command, status)| OtaCommand::DefaultResponse { command, status }),
        vec(any::<u16>().prop_map(AttributeId), 0..=MAX_ATTRIBUTES)
            .prop_map(|ids| OtaCommand::ReadAttributes(AttributeList::new(&ids).expect("they fit"))),
        vec(records, 0..=MAX_ATTRIBUTES).prop_map(|records| {
            let record = |(id, value, error): (u16, _, Option<_>)| AttributeRecord {
                id: AttributeId(id),
                result: error.map_or(Ok(value), Err),
            };
            OtaCommand::ReadAttributesResponse(records.into_iter().map(record).collect())
        }),
    ]
}

fn other_commands() -> impl Strategy<Value = OtaCommand<'static>> {
    prop_oneof![
        (any::<bool>(), any::<u16>(), vec(any::<u8>(), 0..90)).prop_map(|(order, before, bytes)| {
            let kind = if order { DocumentKind::Order } else { DocumentKind::Root };
            let offset = before.min(u16::MAX - 90);
            let total_len = offset + bytes.len() as u16;
            OtaCommand::DocumentFragment(DocumentFragment { kind, total_len, offset, bytes: bytes.leak() })
        }),
        Just(OtaCommand::ChallengeRequest),
        any::<([u8; 8], u64, u32)>().prop_map(|(nonce, last_counter, root_version)| {
            OtaCommand::Challenge(DeviceChallenge { nonce, last_counter, root_version })
        }),
        // Neither the cluster, nor ZCL as a whole, nor we know these.
        (0x0Cu8..0xC0, any::<bool>(), option::of(any::<u16>()), vec(any::<u8>(), 0..90)).prop_map(
            |(command, general, manufacturer, payload)| OtaCommand::Unknown {
                command,
                general,
                manufacturer,
                payload: payload.leak(),
            }
        ),
    ]
}

fn frames() -> impl Strategy<Value = ZclFrame<'static>> {
    let commands = prop_oneof![notifies(), queries(), downloads(), general_commands(), other_commands()];
    (any::<(u8, bool, bool)>(), commands).prop_map(
        |((transaction, from_server, disable_default_response), command)| ZclFrame {
            transaction,
            from_server,
            disable_default_response,
            command,
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = ZclFrame::parse(&bytes);
        let _ = HanFrame::parse_zep(&bytes);
    }

    #[test]
    fn no_command_with_arbitrary_fields_makes_a_parser_panic(
        control in 0..0x20u8,
        command in 0..0x0Cu8,
        fields in vec(any::<u8>(), 0..40),
    ) {
        let bytes = [&[control, 1, command][..], &fields].concat();
        let _ = ZclFrame::parse(&bytes);
    }

    #[test]
    fn a_frame_survives(frame in frames()) {
        let bytes = emitted(|out| frame.emit(out));
        prop_assert_eq!(ZclFrame::parse(&bytes), Ok(frame));
    }

    #[test]
    fn a_frame_cut_short_does_not_panic(frame in frames()) {
        let bytes = emitted(|out| frame.emit(out));
        for end in 0..bytes.len() {
            let _ = ZclFrame::parse(&bytes[..end]);
        }
    }

    #[test]
    fn an_envelope_survives(
        radio_channel in 11..=26u8,
        addresses in any::<(u16, u16, u16)>(),
        sequence in any::<u32>(),
        endpoints in any::<(u8, u8, u16, u16)>(),
        acknowledge in any::<bool>(),
        time in any::<u64>(),
        payload in vec(any::<u8>(), 0..=MAX_HAN_PAYLOAD),
    ) {
        let (pan, source, destination) = addresses;
        let (source_endpoint, destination_endpoint, cluster, profile) = endpoints;
        let mut frame = HanFrame {
            radio_channel,
            pan,
            source,
            destination,
            sequence,
            source_endpoint,
            destination_endpoint,
            cluster,
            profile,
            ack_request: acknowledge,
            payload: &payload,
        };
        frame.ack_request &= !frame.is_broadcast();
        let bytes = emitted(|out| frame.emit_zep(time, out));
        prop_assert_eq!(HanFrame::parse_zep(&bytes), Ok(frame));
    }

    #[test]
    fn no_envelope_with_a_good_check_sequence_makes_a_parser_panic(inside in vec(any::<u8>(), 0..60)) {
        // A frame whose headers are arbitrary, under the check sequence of exactly these bytes.
        let frame = HanFrame {
            radio_channel: 11,
            pan: 0,
            source: 0,
            destination: 0,
            sequence: 0,
            source_endpoint: 0,
            destination_endpoint: 0,
            cluster: 0,
            profile: 0,
            ack_request: false,
            payload: &[],
        };
        let mut bytes = emitted(|out| frame.emit_zep(0, out));
        bytes.truncate(32);
        bytes[31] = inside.len() as u8 + 2;
        bytes.extend_from_slice(&inside);
        bytes.extend_from_slice(&crate::golden_han::fcs(&inside));
        let _ = HanFrame::parse_zep(&bytes);
    }
}
