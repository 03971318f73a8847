//! DLMS: whatever is emitted parses to itself, and no bytes make a parser panic.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use wire::{
    AccessResult, ActionRequest, ActionResponse, Apdu, ApplicationContext, AssociationRequest,
    AssociationResponse, AttributeRef, BlockBitmap, ClassId, Conformance, Data, GetRequest, GetResponse,
    HanDeviceStatus, HanState, ImageBlock, ImageInitiate, ImageToActivate, ImageTransferStatus, InvokeId,
    MethodRef, Obis, OrderChallenge, SetRequest, SetResponse, WPort, WanFrame, check_trigger_parameter,
    emit_wan,
};

use crate::emitted;

fn invoke_ids() -> impl Strategy<Value = InvokeId> {
    any::<u8>().prop_map(InvokeId::from_byte)
}

fn attributes() -> impl Strategy<Value = AttributeRef> {
    any::<(u16, [u8; 6], u8)>().prop_map(|(class, instance, index)| AttributeRef {
        class: ClassId(class),
        instance: Obis(instance),
        index,
    })
}

fn methods() -> impl Strategy<Value = MethodRef> {
    attributes().prop_map(|AttributeRef { class, instance, index }| MethodRef { class, instance, index })
}

fn results() -> impl Strategy<Value = AccessResult> {
    any::<u8>().prop_map(AccessResult::from_byte)
}

fn association_requests() -> impl Strategy<Value = AssociationRequest> {
    any::<(bool, u32, u16, bool)>().prop_map(|(plain, bits, max_pdu, wants_authentication)| {
        AssociationRequest {
            context: if plain { ApplicationContext::LnNoCiphering } else { ApplicationContext::Other },
            conformance: Conformance(bits & 0xFF_FFFF),
            max_pdu,
            wants_authentication,
        }
    })
}

fn association_responses() -> impl Strategy<Value = AssociationResponse> {
    any::<(bool, u8, u32, u16)>().prop_map(|(accepted, diagnostic, bits, max_pdu)| AssociationResponse {
        accepted,
        diagnostic,
        conformance: Conformance(bits & 0xFF_FFFF),
        max_pdu,
    })
}

fn fixed_size_values() -> impl Strategy<Value = Data<'static>> {
    prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Boolean),
        any::<i32>().prop_map(Data::Integer32),
        any::<u32>().prop_map(Data::Unsigned32),
        any::<u8>().prop_map(Data::Bcd),
        any::<i8>().prop_map(Data::Integer8),
        any::<i16>().prop_map(Data::Integer16),
        any::<u8>().prop_map(Data::Unsigned8),
        any::<u16>().prop_map(Data::Unsigned16),
        any::<i64>().prop_map(Data::Integer64),
        any::<u64>().prop_map(Data::Unsigned64),
        any::<u8>().prop_map(Data::Enum),
        any::<f32>().prop_filter("equal to itself", |value| !value.is_nan()).prop_map(Data::Float32),
        any::<f64>().prop_filter("equal to itself", |value| !value.is_nan()).prop_map(Data::Float64),
        any::<[u8; 12]>().prop_map(Data::DateTime),
        any::<[u8; 5]>().prop_map(Data::Date),
        any::<[u8; 4]>().prop_map(Data::Time),
    ]
}

/// A value of any type; strings are leaked, so that values may nest.
fn values() -> impl Strategy<Value = Data<'static>> {
    let strings = || vec(any::<u8>(), 0..200).prop_map(|bytes| &*bytes.leak());
    let leaves = prop_oneof![
        4 => fixed_size_values(),
        1 => strings().prop_map(Data::Octets),
        1 => strings().prop_map(Data::VisibleString),
        1 => strings().prop_map(Data::Utf8String),
        1 => (strings(), 0..8u32).prop_map(|(bits, unused)| Data::BitString {
            bits,
            len: (bits.len() as u32 * 8).saturating_sub(unused),
        }),
    ];
    leaves.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Data::Array),
            vec(inner, 0..8).prop_map(Data::Structure),
        ]
    })
}

fn devices() -> impl Strategy<Value = HanDeviceStatus> {
    let states = prop_oneof![
        Just(HanState::Idle),
        Just(HanState::Waiting),
        Just(HanState::Verified),
        Just(HanState::Silent)
    ];
    let challenges = any::<Option<([u8; 8], u64)>>()
        .prop_map(|challenge| challenge.map(|(nonce, last_counter)| OrderChallenge { nonce, last_counter }));
    (states, challenges, any::<(u8, [u8; 8], u32, u32, u32, u32, Option<u32>)>()).prop_map(
        |(
            state,
            challenge,
            (channel, device, offset, running_version, staged_version, root_version, heard_s_ago),
        )| {
            HanDeviceStatus {
                channel,
                device,
                state,
                offset,
                running_version,
                staged_version,
                challenge,
                root_version,
                heard_s_ago,
            }
        },
    )
}

#[track_caller]
fn survives(apdu: Apdu<'_>) {
    let frame = emitted(|out| emit_wan(WPort::MANAGEMENT, WPort::PUBLIC_CLIENT, &apdu, out));
    let parsed = WanFrame::parse_datagram(&frame).expect("a sound frame");
    assert_eq!(Apdu::parse(parsed.apdu), Ok(apdu));
    assert_eq!(emitted(|out| parsed.emit(out)), frame);
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = WanFrame::parse_datagram(&bytes);
        let _ = WanFrame::parse_stream(&bytes);
        let _ = Apdu::parse(&bytes);
        let _ = Data::parse(&bytes);
        let _ = ImageBlock::parse_parameter(&bytes);
        let _ = ImageInitiate::parse_parameter(&bytes);
        let _ = ImageToActivate::parse_list(&bytes);
        let _ = ImageTransferStatus::from_data(&bytes);
        let _ = BlockBitmap::from_data(&bytes);
        let _ = HanDeviceStatus::parse_list(&bytes);
        let _ = wire::HeldPapers::parse(&bytes);
        let _ = check_trigger_parameter(Some(&bytes));
    }

    #[test]
    fn no_damage_to_an_association_makes_a_parser_panic(
        request in association_requests(),
        response in association_responses(),
        damage in vec(any::<(u8, u8)>(), 1..4),
    ) {
        for apdu in [Apdu::AssociationRequest(request), Apdu::AssociationResponse(response)] {
            let mut bytes = emitted(|out| apdu.emit(out));
            for (place, byte) in &damage {
                let place = usize::from(*place) % bytes.len();
                bytes[place] = *byte;
            }
            let _ = Apdu::parse(&bytes);
        }
    }

    #[test]
    fn whatever_parses_is_emitted_in_a_form_that_parses_alike(
        tag in 0..0x1Cu8,
        bytes in vec(any::<u8>(), 0..60),
    ) {
        let bytes = [&[tag][..], &bytes].concat();
        if let Ok(data) = Data::parse(&bytes) {
            let again = emitted(|out| data.emit(out));
            let parsed = Data::parse(&again).expect("a sound value");
            prop_assert_eq!(emitted(|out| parsed.emit(out)), again);
        }
    }

    #[test]
    fn a_value_survives(value in values()) {
        let bytes = emitted(|out| value.emit(out));
        prop_assert_eq!(Data::parse(&bytes), Ok(value));
    }

    #[test]
    fn an_association_survives(request in association_requests(), response in association_responses()) {
        survives(Apdu::AssociationRequest(request));
        survives(Apdu::AssociationResponse(response));
        survives(Apdu::ReleaseRequest);
        survives(Apdu::ReleaseResponse);
    }

    #[test]
    fn reading_and_writing_survive(
        invoke in invoke_ids(),
        attribute in attributes(),
        result in results(),
        data in vec(any::<u8>(), 1..100),
    ) {
        survives(Apdu::GetRequest(GetRequest { invoke, attribute }));
        survives(Apdu::GetResponse(GetResponse { invoke, result: Ok(&data) }));
        survives(Apdu::GetResponse(GetResponse { invoke, result: Err(result) }));
        survives(Apdu::SetRequest(SetRequest { invoke, attribute, data: &data }));
        survives(Apdu::SetResponse(SetResponse { invoke, result }));
    }

    #[test]
    fn methods_survive(
        invoke in invoke_ids(),
        method in methods(),
        result in results(),
        data in vec(any::<u8>(), 1..100),
        errors in any::<(u8, u8)>(),
    ) {
        for data in [None, Some(&data[..])] {
            survives(Apdu::ActionRequest(ActionRequest { invoke, method, parameter: data }));
            survives(Apdu::ActionResponse(ActionResponse { invoke, result, data }));
        }
        survives(Apdu::ExceptionResponse { state_error: errors.0, service_error: errors.1 });
    }

    #[test]
    fn contents_of_the_image_transfer_survive(
        number in any::<u32>(),
        bytes in vec(any::<u8>(), 0..300),
        images in vec((any::<u32>(), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..200)), 0..4),
    ) {
        let block = ImageBlock { number, bytes: &bytes };
        let parameter = emitted(|out| block.emit_parameter(out));
        prop_assert_eq!(ImageBlock::parse_parameter(&parameter), Ok(block));
        let initiate = ImageInitiate { identification: &bytes, size: number };
        let parameter = emitted(|out| initiate.emit_parameter(out));
        prop_assert_eq!(ImageInitiate::parse_parameter(&parameter), Ok(initiate));
        let images: Vec<_> = images
            .into_iter()
            .map(|(size, identification, signature)| ImageToActivate { size, identification, signature })
            .collect();
        let list = emitted(|out| ImageToActivate::emit_list(&images, out));
        prop_assert_eq!(ImageToActivate::parse_list(&list), Ok(images));
    }

    #[test]
    fn a_list_of_devices_survives(devices in vec(devices(), 0..200)) {
        let list = emitted(|out| HanDeviceStatus::emit_list(&devices, out));
        prop_assert_eq!(HanDeviceStatus::parse_list(&list), Ok(devices));
    }
}

#[test]
fn every_status_survives() {
    for number in 0..=255 {
        match ImageTransferStatus::from_data(&[0x16, number]) {
            Ok(status) => assert_eq!(status.to_data(), [0x16, number]),
            Err(_) => assert!(number > 7),
        }
    }
}
