//! Frames that Gurux and dlms-cosem exchange with a server.

use wire::{
    AccessResult, ActionRequest, ActionResponse, Apdu, ApplicationContext, AssociationRequest,
    AssociationResponse, AttributeRef, ClassId, Conformance, Data, GetRequest, GetResponse, HanDeviceStatus,
    HanState, HeldPapers, ImageBlock, ImageInitiate, ImageToActivate, ImageTransferStatus, InvokeId,
    MethodRef, Obis, OrderChallenge, SetRequest, SetResponse, WPort, WanFrame, block_frame_len,
    check_trigger_parameter, emit_block_frame, emit_wan,
};

use crate::{emitted, hex};

const INVOKE: InvokeId = InvokeId { number: 1, confirmed: true, high_priority: true };
const SLOT: Obis = Obis::image_transfer(0);

#[track_caller]
fn golden(bytes: &str, apdu: Apdu<'_>) {
    let bytes = hex(bytes);
    assert_eq!(Apdu::parse(&bytes), Ok(apdu));
    assert_eq!(emitted(|out| apdu.emit(out)), bytes);
}

fn method(index: u8) -> MethodRef {
    MethodRef { class: ClassId::IMAGE_TRANSFER, instance: SLOT, index }
}

fn attribute(index: u8) -> AttributeRef {
    AttributeRef { class: ClassId::IMAGE_TRANSFER, instance: SLOT, index }
}

#[test]
fn an_association_without_security_opens_and_closes() {
    golden(
        "60 1d a1 09 06 07 60857405080101 be 10 04 0e 01 00 00 00 06 5f 1f 04 00 000011 0400",
        Apdu::AssociationRequest(AssociationRequest {
            context: ApplicationContext::LnNoCiphering,
            conformance: Conformance::GET | Conformance::ACTION,
            max_pdu: 0x0400,
            wants_authentication: false,
        }),
    );
    golden(
        "61 29 a1 09 06 07 60857405080101 a2 03 02 01 00 a3 05 a1 03 02 01 00 be 10 04 0e 08 00 06 5f 1f 04 00 000011 0400 0007",
        Apdu::AssociationResponse(AssociationResponse {
            accepted: true,
            diagnostic: 0,
            conformance: Conformance::GET | Conformance::ACTION,
            max_pdu: 0x0400,
        }),
    );
    golden("62 03 80 01 00", Apdu::ReleaseRequest);
    golden("63 03 80 01 00", Apdu::ReleaseResponse);
}

#[test]
fn a_refused_association_says_why_and_grants_nothing() {
    golden(
        "61 17 a1 09 06 07 60857405080101 a2 03 02 01 01 a3 05 a1 03 02 01 02",
        Apdu::AssociationResponse(AssociationResponse {
            accepted: false,
            diagnostic: 2,
            conformance: Conformance::NONE,
            max_pdu: 0,
        }),
    );
}

#[test]
fn attributes_are_read_and_written() {
    let slot = "0012 00002c0000ff";
    golden(
        &format!("c0 01 c1 {slot} 03 00"),
        Apdu::GetRequest(GetRequest { invoke: INVOKE, attribute: attribute(3) }),
    );
    golden("c4 01 c1 00 16 01", Apdu::GetResponse(GetResponse { invoke: INVOKE, result: Ok(&[0x16, 1]) }));
    golden(
        "c4 01 c1 01 0b",
        Apdu::GetResponse(GetResponse { invoke: INVOKE, result: Err(AccessResult::ObjectUnavailable) }),
    );
    golden(
        &format!("c1 01 c1 {slot} 05 00 03 01"),
        Apdu::SetRequest(SetRequest { invoke: INVOKE, attribute: attribute(5), data: &[3, 1] }),
    );
    golden(
        "c5 01 c1 03",
        Apdu::SetResponse(SetResponse { invoke: INVOKE, result: AccessResult::ReadWriteDenied }),
    );
    golden("d8 01 02", Apdu::ExceptionResponse { state_error: 1, service_error: 2 });
}

#[test]
fn a_method_is_called_and_answered() {
    let action = ActionRequest { invoke: INVOKE, method: method(4), parameter: Some(&[0x0F, 0]) };
    golden("c3 01 c1 0012 00002c0000ff 04 01 0f 00", Apdu::ActionRequest(action));
    golden(
        "c3 01 c1 0012 00002c0000ff 04 00",
        Apdu::ActionRequest(ActionRequest { parameter: None, ..action }),
    );
    let answer = ActionResponse { invoke: INVOKE, result: AccessResult::TemporaryFailure, data: None };
    golden("c7 01 c1 02 00", Apdu::ActionResponse(answer));
    golden("c7 01 c1 02 01 00 00", Apdu::ActionResponse(ActionResponse { data: Some(&[0]), ..answer }));
}

#[test]
fn initiate_is_the_frame_that_a_client_sends() {
    let bytes = hex("0001 0010 0001 0018 c301c1 0012 00002c0000ff 01 01 0202 0902 4944 06 00000064");
    let initiate = ImageInitiate { identification: b"ID", size: 100 };
    let parameter = emitted(|out| initiate.emit_parameter(out));
    assert_eq!(ImageInitiate::parse_parameter(&parameter), Ok(initiate));
    let action = ActionRequest { invoke: INVOKE, method: method(1), parameter: Some(&parameter) };
    let frame = WanFrame::parse_datagram(&bytes).expect("a frame");
    assert_eq!((frame.source, frame.destination), (WPort::PUBLIC_CLIENT, WPort::MANAGEMENT));
    assert_eq!(Apdu::parse(frame.apdu), Ok(Apdu::ActionRequest(action)));
    let apdu = Apdu::ActionRequest(action);
    assert_eq!(emitted(|out| emit_wan(frame.source, frame.destination, &apdu, out)), bytes);
}

#[test]
fn a_block_is_the_frame_that_a_client_sends() {
    let mut bytes = hex("0001 0010 0001 0036 c301c1 0012 00002c0000ff 02 01 0202 06 00000000 09 20");
    bytes.extend(0..32);
    let contents: Vec<u8> = (0..32).collect();
    let block = ImageBlock { number: 0, bytes: &contents };
    let frame =
        emitted(|out| emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, INVOKE, SLOT, &block, out));
    assert_eq!(frame, bytes);
    let Ok(Apdu::ActionRequest(action)) = Apdu::parse(&frame[8..]) else { panic!("an ACTION") };
    assert_eq!(action.method, method(2));
    assert_eq!(ImageBlock::parse_parameter(action.parameter.expect("a parameter")), Ok(block));
}

#[test]
fn verify_is_the_frame_that_a_client_sends() {
    let bytes = hex("0001 0010 0001 000f c301c1 0012 00002c0000ff 03 01 0f00");
    let parameter = emitted(|out| Data::Integer8(0).emit(out));
    let apdu =
        Apdu::ActionRequest(ActionRequest { invoke: INVOKE, method: method(3), parameter: Some(&parameter) });
    assert_eq!(emitted(|out| emit_wan(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, &apdu, out)), bytes);
    assert_eq!(check_trigger_parameter(Some(&parameter)), Ok(()));
}

#[test]
fn the_length_of_a_block_frame_is_known_before_it_is_made() {
    for len in [0, 1, 127, 128, 255, 256, 1_024, 65_000] {
        let bytes = vec![7; len];
        let block = ImageBlock { number: 1, bytes: &bytes };
        let mut out = Vec::new();
        emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, INVOKE, SLOT, &block, &mut out);
        assert_eq!(out.len(), block_frame_len(len));
        WanFrame::parse_datagram(&out).expect("a sound frame");
    }
}

#[test]
fn emitting_a_block_into_a_buffer_with_room_does_not_move_it() {
    let block = ImageBlock { number: 1, bytes: &[0; 1_024] };
    let mut out = Vec::with_capacity(block_frame_len(1_024));
    let (place, capacity) = (out.as_ptr(), out.capacity());
    emit_block_frame(WPort::PUBLIC_CLIENT, WPort::MANAGEMENT, INVOKE, SLOT, &block, &mut out);
    assert_eq!((out.as_ptr(), out.capacity()), (place, capacity));
}

#[test]
fn a_stream_gives_its_frames_one_by_one() {
    let mut stream = hex("0001 0001 0010 0005 c701c1 00 00 0001 0001 0010 0004 c501c1 00");
    let (first, taken) = WanFrame::parse_stream(&stream).expect("framing").expect("a whole frame");
    assert_eq!((first.apdu, taken), (&hex("c701c10000")[..], 13));
    stream.drain(..taken);
    for end in 0..stream.len() {
        assert_eq!(WanFrame::parse_stream(&stream[..end]), Ok(None), "{end} bytes are no frame");
    }
    let (_, taken) = WanFrame::parse_stream(&stream).expect("framing").expect("a whole frame");
    assert_eq!(taken, stream.len());
    assert!(WanFrame::parse_stream(&hex("0002 0001 0010 0000")).is_err());
}

#[test]
fn attributes_of_a_slot_are_their_bytes() {
    assert_eq!(ImageTransferStatus::VerificationSuccessful.to_data(), [0x16, 3]);
    let image = ImageToActivate { size: 100, identification: b"ID".to_vec(), signature: vec![] };
    let bytes = hex("01 01 02 03 06 00000064 09 02 4944 09 00");
    assert_eq!(ImageToActivate::parse_list(&bytes), Ok(vec![image.clone()]));
    assert_eq!(emitted(|out| ImageToActivate::emit_list(&[image], out)), bytes);
}

#[test]
fn a_hubs_list_of_devices_is_its_bytes() {
    let status = HanDeviceStatus {
        channel: 1,
        device: [0x00, 0x0D, 0x6F, 0x00, 0x0A, 0x0B, 0x0C, 0x0D],
        state: HanState::Downloading,
        offset: 40,
        running_version: 0x0102_0303,
        staged_version: 0x0102_0304,
        challenge: None,
        root_version: 0,
        heard_s_ago: None,
    };
    let nonce = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    let challenge = Some(OrderChallenge { nonce, last_counter: 7 });
    let told = HanDeviceStatus { channel: 2, challenge, root_version: 3, heard_s_ago: Some(90), ..status };
    let head = "09 08 000d6f000a0b0c0d 16 02 06 00000028 06 01020303 06 01020304";
    let bytes = hex(&format!(
        "01 02 02 09 11 01 {head} 09 00 06 00000000 00 \
         02 09 11 02 {head} 09 10 1122334455667788 0000000000000007 06 00000003 06 0000005a"
    ));
    assert_eq!(emitted(|out| HanDeviceStatus::emit_list(&[status, told], out)), bytes);
    assert_eq!(HanDeviceStatus::parse_list(&bytes), Ok(vec![status, told]));
    let half = hex(&format!("01 01 02 09 11 01 {head} 09 08 1122334455667788 06 00000000 00"));
    assert!(HanDeviceStatus::parse_list(&half).is_err(), "a nonce without its counter");
}

#[test]
fn the_papers_a_hub_holds_are_their_bytes() {
    for (papers, bytes) in [
        (HeldPapers { root_version: 0, status_serial: None }, "02 02 06 00000000 09 00"),
        (HeldPapers { root_version: 3, status_serial: Some(9) }, "02 02 06 00000003 09 08 0000000000000009"),
    ] {
        let bytes = hex(bytes);
        assert_eq!(emitted(|out| papers.emit(out)), bytes);
        assert_eq!(HeldPapers::parse(&bytes), Ok(papers));
        assert!(HeldPapers::parse(&bytes[..bytes.len() - 1]).is_err());
    }
}
