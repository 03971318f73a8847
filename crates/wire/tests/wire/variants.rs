//! What others may legally send in another form than ours, and what nobody may.

use wire::{
    AccessResult, ActionResponse, Apdu, ApplicationContext, AssociationRequest, AssociationResponse,
    Conformance, Data, GetResponse, ImageBlock, ImageBlockResponse, ImageInitiate, ImageToActivate,
    ImageTransferStatus, MAX_DATA_DEPTH, OtaCommand, WanFrame, WireError, ZclFrame, ZclStatus,
    check_trigger_parameter,
};

use crate::hex;

#[track_caller]
fn request(bytes: &str) -> AssociationRequest {
    match Apdu::parse(&hex(bytes)) {
        Ok(Apdu::AssociationRequest(request)) => request,
        other => panic!("an AARQ, not {other:?}"),
    }
}

#[track_caller]
fn response(bytes: &str) -> AssociationResponse {
    match Apdu::parse(&hex(bytes)) {
        Ok(Apdu::AssociationResponse(response)) => response,
        other => panic!("an AARE, not {other:?}"),
    }
}

const GET_AND_ACTION: AssociationRequest = AssociationRequest {
    context: ApplicationContext::LnNoCiphering,
    conformance: Conformance(0x11),
    max_pdu: 0xFFFF,
    wants_authentication: false,
};

#[test]
fn an_aarq_may_say_more() {
    // Every optional field of the initiate-request: a dedicated key, response-allowed, quality of service.
    let full = "60 24 a1 09 06 07 60857405080101 be 17 04 15 01 01 04 aabbccdd 01 01 01 00 06 5f 1f 04 00 000011 ffff";
    assert_eq!(request(full), GET_AND_ACTION);
    // A calling AP title, and authentication named as none at all.
    let titled = "60 32 a1 09 06 07 60857405080101 a6 0a 04 08 4d4d4d0000000001 8b 07 60857405080200 be 10 04 0e 01 00 00 00 06 5f 1f 04 00 000011 ffff";
    assert_eq!(request(titled), GET_AND_ACTION);
    // Long lengths, and the one-byte tag of old stacks.
    let old = "60 81 1d a1 81 09 06 07 60857405080101 be 0f 04 0d 01 00 00 00 06 5f 04 00 000011 ffff";
    assert_eq!(request(old), GET_AND_ACTION);
}

#[test]
fn an_aarq_with_a_password_wants_authentication() {
    let password = "60 36 a1 09 06 07 60857405080101 8a 02 07 80 8b 07 60857405080201 ac 0a 80 08 3132333435363738 be 10 04 0e 01 00 00 00 06 5f 1f 04 00 000011 ffff";
    assert_eq!(request(password), AssociationRequest { wants_authentication: true, ..GET_AND_ACTION });
}

#[test]
fn a_ciphered_or_short_named_aarq_is_recognised_so_that_it_can_be_refused() {
    let ciphered = request("60 15 a1 09 06 07 60857405080103 be 08 04 06 21 04 30000000");
    assert_eq!((ciphered.context, ciphered.conformance), (ApplicationContext::Other, Conformance::NONE));
    let short =
        request("60 1d a1 09 06 07 60857405080102 be 10 04 0e 01 00 00 00 06 5f 1f 04 00 1c0320 ffff");
    assert_eq!((short.context, short.max_pdu), (ApplicationContext::Other, 0xFFFF));
}

#[test]
fn an_aare_may_say_more() {
    let accepted = AssociationResponse {
        accepted: true,
        diagnostic: 0,
        conformance: Conformance(0x11),
        max_pdu: 0x0400,
    };
    // A responding AP title and a quality of service; the diagnostic of the service provider.
    let longer = "61 36 a1 09 06 07 60857405080101 a2 03 02 01 00 a3 05 a2 03 02 01 00 a4 0a 04 08 4d4d4d0000000001 be 11 04 0f 08 01 00 06 5f 1f 04 00 000011 0400 0007";
    assert_eq!(response(longer), accepted);
    // Refused, with a confirmed-service-error: initiate, DLMS version too low.
    let refused = response(
        "61 1f a1 09 06 07 60857405080101 a2 03 02 01 01 a3 05 a1 03 02 01 01 be 06 04 04 0e 01 06 01",
    );
    assert_eq!((refused.accepted, refused.diagnostic, refused.max_pdu), (false, 1, 0));
    // Refused, with an initiate-response all the same.
    let polite = response(
        "61 29 a1 09 06 07 60857405080101 a2 03 02 01 02 a3 05 a1 03 02 01 0d be 10 04 0e 08 00 06 5f 1f 04 00 000011 0400 0007",
    );
    assert_eq!((polite.accepted, polite.diagnostic, polite.max_pdu), (false, 13, 0x0400));
}

#[test]
fn a_release_may_say_less_or_more() {
    for (bytes, apdu) in [
        ("62 00", Apdu::ReleaseRequest),
        ("62 17 80 01 00 be 12 04 10 21 0e 30 00000001 aabbccddeeffaabbcc", Apdu::ReleaseRequest),
        ("63 15 80 01 00 be 10 04 0e 08 00 06 5f 1f 04 00 000011 0400 0007", Apdu::ReleaseResponse),
    ] {
        assert_eq!(Apdu::parse(&hex(bytes)), Ok(apdu), "{bytes}");
    }
}

#[test]
fn an_action_response_has_three_forms() {
    let answer = |bytes: &str| match Apdu::parse(&hex(bytes)) {
        Ok(Apdu::ActionResponse(ActionResponse { result, data, .. })) => (result, data.map(<[u8]>::to_vec)),
        other => panic!("an ACTION.response, not {other:?}"),
    };
    assert_eq!(answer("c7 01 c1 00 00"), (AccessResult::Success, None));
    assert_eq!(answer("c7 01 c1 00 01 00 0f 00"), (AccessResult::Success, Some(vec![0x0F, 0])));
    assert_eq!(answer("c7 01 c1 00 01 01 00"), (AccessResult::Success, None));
    assert_eq!(answer("c7 01 c1 00 01 01 02"), (AccessResult::TemporaryFailure, None));
    assert_eq!(answer("c7 01 c1 fa 01 01 02"), (AccessResult::OtherReason, None));
}

#[test]
fn a_request_may_carry_a_selector() {
    let get = hex("c0 01 c1 0012 00002c0000ff 03 01 01 02 02 11 01 09 02 aabb");
    assert!(matches!(Apdu::parse(&get), Ok(Apdu::GetRequest(request)) if request.attribute.index == 3));
    let set = hex("c1 01 c1 0001 0000800000ff 02 01 01 00 09 01 aa");
    assert!(matches!(Apdu::parse(&set), Ok(Apdu::SetRequest(request)) if request.data == [9, 1, 0xAA]));
}

#[test]
fn services_that_we_do_not_speak_are_told_from_rubbish() {
    for bytes in [
        "c0 02 c1 00000001",
        "c0 03 c1 01 0012 00002c0000ff 03 00",
        "c4 02 c1 00 00000001 00 01 00",
        "c3 02 c1 00000001",
        "e0 c1 0001 0000 01 00",
        "cb 05 30 00000001",
        "0e 01 06 01",
    ] {
        let result = Apdu::parse(&hex(bytes)).map(|apdu| format!("{apdu:?}"));
        assert!(matches!(result, Err(WireError::Unsupported { .. })), "{bytes}: {result:?}");
    }
    assert!(matches!(Data::parse(&[0x13, 0x11, 0x00]), Err(WireError::Unsupported { .. })));
}

#[test]
fn an_exception_may_carry_the_counter_it_expects() {
    let apdu = Apdu::ExceptionResponse { state_error: 1, service_error: 6 };
    assert_eq!(Apdu::parse(&hex("d8 01 06 00000042")), Ok(apdu));
    assert_eq!(Apdu::parse(&hex("d8 01 06")), Ok(apdu));
    assert!(Apdu::parse(&hex("d8 01 02 00")).is_err());
}

#[test]
fn verify_and_activate_take_any_integer() {
    for zero in ["0f00", "1100", "100000", "120000", "0500000000", "0600000000", "00", "1600"] {
        assert_eq!(check_trigger_parameter(Some(&hex(zero))), Ok(()), "{zero}");
    }
    assert_eq!(check_trigger_parameter(None), Ok(()));
    for wrong in ["0200", "0900", "0f", "0f0000", ""] {
        assert!(check_trigger_parameter(Some(&hex(wrong))).is_err(), "{wrong}");
    }
}

#[test]
fn parameters_and_attributes_come_in_neighbouring_types() {
    let initiate = hex("02 02 0a 02 4944 12 0064");
    assert_eq!(
        ImageInitiate::parse_parameter(&initiate),
        Ok(ImageInitiate { identification: b"ID", size: 100 })
    );
    let block = hex("02 02 11 05 09 81 01 aa");
    assert_eq!(ImageBlock::parse_parameter(&block), Ok(ImageBlock { number: 5, bytes: &[0xAA] }));
    assert_eq!(ImageTransferStatus::from_data(&[0x11, 4]), Ok(ImageTransferStatus::VerificationFailed));
    assert_eq!(ImageToActivate::parse_list(&[0]), Ok(vec![]));
    assert_eq!(Data::parse(&[3, 0xFF]), Ok(Data::Boolean(true)));
}

#[test]
fn a_claimed_length_is_never_believed_further_than_there_are_bytes() {
    for bytes in [
        "01 84 ffffffff 00",
        "02 82 ffff 00",
        "09 84 ffffffff 00",
        "04 84 ffffffff 00",
        "0a 7f 00",
        "09 80",
        "09 85 0000000000",
    ] {
        assert!(Data::parse(&hex(bytes)).is_err(), "{bytes}");
    }
    let many = [&[1, 0x82, 0x20, 0x00][..], &[0; 0x2000]].concat();
    assert!(matches!(Data::parse(&many), Err(WireError::TooLarge { limit: 4_096, .. })));
}

#[test]
fn values_nest_only_so_deep() {
    let nested = |depth| [[2, 1].repeat(depth), vec![0]].concat();
    assert!(Data::parse(&nested(MAX_DATA_DEPTH)).is_ok());
    assert!(matches!(Data::parse(&nested(MAX_DATA_DEPTH + 1)), Err(WireError::TooLarge { .. })));
}

#[test]
fn a_wait_without_a_period_means_no_period() {
    let frame = hex("19 07 05 97 00000000 1e000000");
    let expected =
        ImageBlockResponse::WaitForData { current_time: 0, request_time: 30, minimum_block_period_ms: 0 };
    let frame = ZclFrame::parse(&frame).expect("a frame");
    assert_eq!(frame.command, OtaCommand::ImageBlockResponse(expected));
}

#[test]
fn statuses_and_payload_types_of_later_days_are_kept() {
    let response = ZclFrame::parse(&[0x19, 7, 5, 0xC3]).map(|frame| frame.command);
    assert_eq!(
        response,
        Ok(OtaCommand::ImageBlockResponse(ImageBlockResponse::Other(ZclStatus::Other(0xC3))))
    );
    assert!(ZclFrame::parse(&[0x19, 7, 0, 4, 100]).is_ok(), "a notify of type 4");
    assert!(
        ZclFrame::parse(&hex("19 0a 07 e510 1100 04030201 00000000 ffffffff 99")).is_ok(),
        "one byte more"
    );
}

#[test]
fn an_answer_to_a_manufacturers_command_may_name_the_manufacturer() {
    let frame = hex("14 e510 0d 0b c0 00");
    let command = ZclFrame::parse(&frame).expect("a frame").command;
    assert_eq!(command, OtaCommand::DefaultResponse { command: 0xC0, status: ZclStatus::Success });
}

#[test]
fn an_order_that_overflows_its_length_is_refused() {
    let frame = hex("0d e510 0d c0 0200 0100 aabb");
    let result = ZclFrame::parse(&frame);
    assert!(matches!(result, Err(WireError::TooLarge { found: 3, limit: 2, .. })));
}

#[test]
fn an_error_says_what_where_and_what_was_expected() {
    let message = |error: WireError| error.to_string();
    let error = WanFrame::parse_datagram(&hex("0002 0001 0010 0000")).expect_err("version 2");
    assert_eq!(message(error), "wrapper version at byte 0 is 0x2, expected 1");
    let error = WanFrame::parse_datagram(&hex("0001 0001 0010 0005 c7")).expect_err("cut short");
    assert_eq!(message(error), "APDU at byte 8 takes 5 bytes, 1 are left");
    let error = Apdu::parse(&hex("c5 01 c1 00 00")).expect_err("too long");
    assert_eq!(message(error), "SET.response is expected to end at byte 4, 1 more bytes follow");
    let error = Apdu::parse(&hex("c8")).expect_err("a ciphered GET.request");
    assert_eq!(message(error), "APDU tag 0xc8 at byte 0 is not supported");
}

#[test]
fn an_empty_value_is_no_value() {
    for bytes in ["c4 01 c1 00", "c1 01 c1 0001 0000800000ff 02 00", "c3 01 c1 0012 00002c0000ff 02 01"] {
        assert!(matches!(Apdu::parse(&hex(bytes)), Err(WireError::Truncated { .. })), "{bytes}");
    }
    let answer = hex("c4 01 41 00 00");
    assert!(matches!(Apdu::parse(&answer), Ok(Apdu::GetResponse(GetResponse { result: Ok(&[0]), .. }))));
}
