//! The hub as a DLMS server, frame by frame.

use std::time::Duration;

use fleet::{HubConfig, SectorPool};
use proptest::prelude::{any, prop};
use proptest::proptest;
use wire::{AccessResult, Apdu, BlockBitmap, ClassId, Data, ImageToActivate, ImageTransferStatus, Obis};

use crate::home::{HUB, Home, OLD, gullible, trust};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hub_with_blocks_of_32() -> Home {
    let config = HubConfig { block_size: 32, ..HubConfig::new(HUB, OLD) };
    Home::new(config, Vec::new(), gullible())
}

/// Sends a frame as it is and compares the answer.
fn dialogue(home: &mut Home, request: &str, answer: &str) {
    let mut reply = Vec::new();
    home.hub.receive_wan(home.now, &mut home.pool, &bytes(request), &mut reply);
    assert_eq!(reply, bytes(answer), "the answer to {request}");
}

#[test]
fn a_whole_transfer_is_spoken_as_the_standard_writes_it() {
    let home = &mut hub_with_blocks_of_32();
    // AARQ and AARE.
    dialogue(
        home,
        "0001 0010 0001 001f 601d a109060760857405080101 be10040e01000000065f1f0400000019ffff",
        "0001 0001 0010 002b 6129 a109060760857405080101 a203020100 a305a103020100 be10040e0800065f1f04000000190578 0007",
    );
    // Attribute 5, then 2.
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0500", "0001 0001 0010 0006 c401c1 00 0301");
    dialogue(
        home,
        "0001 0010 0001 000d c001c1 0012 00002c0000ff 0200",
        "0001 0001 0010 0009 c401c1 00 0600000020",
    );
    // Initiate "ID", 100 bytes.
    dialogue(
        home,
        "0001 0010 0001 0018 c301c1 0012 00002c0000ff 01 01 0202 0902 4944 06 00000064",
        "0001 0001 0010 0005 c701c1 00 00",
    );
    // Verify is refused while there are holes: other-reason.
    dialogue(
        home,
        "0001 0010 0001 000f c301c1 0012 00002c0000ff 03 01 0f00",
        "0001 0001 0010 0005 c701c1 fa 00",
    );
    // Blocks 0, 1 and 3; block 1 unconfirmed, so without an answer.
    let block = |iid: &str, number: u8, len: usize| {
        format!(
            "0001 0010 0001 {:04x} c301{iid} 0012 00002c0000ff 02 01 0202 06 000000{number:02x} 09 {len:02x} {}",
            22 + len,
            "ab".repeat(len)
        )
    };
    dialogue(home, &block("c1", 0, 32), "0001 0001 0010 0005 c701c1 00 00");
    dialogue(home, &block("81", 1, 32), "");
    dialogue(home, &block("c2", 3, 4), "0001 0001 0010 0005 c701c2 00 00");
    // A repeat is fine; past the end and wrong lengths are not.
    dialogue(home, &block("c3", 0, 32), "0001 0001 0010 0005 c701c3 00 00");
    dialogue(home, &block("c4", 4, 32), "0001 0001 0010 0005 c701c4 fa 00");
    dialogue(home, &block("c5", 2, 31), "0001 0001 0010 0005 c701c5 fa 00");
    dialogue(home, &block("c6", 3, 32), "0001 0001 0010 0005 c701c6 fa 00");
    // Attribute 4 names the hole, attribute 3 shows it.
    dialogue(
        home,
        "0001 0010 0001 000d c001c1 0012 00002c0000ff 0400",
        "0001 0001 0010 0009 c401c1 00 0600000002",
    );
    dialogue(
        home,
        "0001 0010 0001 000d c001c1 0012 00002c0000ff 0300",
        "0001 0001 0010 0007 c401c1 00 0404d0",
    );
    dialogue(home, &block("c1", 2, 32), "0001 0001 0010 0005 c701c1 00 00");
    // Verify: busy, then done.
    dialogue(
        home,
        "0001 0010 0001 000f c301c1 0012 00002c0000ff 03 01 0f00",
        "0001 0001 0010 0005 c701c1 02 00",
    );
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0600", "0001 0001 0010 0006 c401c1 00 1602");
    home.run_for(Duration::from_secs(1));
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0600", "0001 0001 0010 0006 c401c1 00 1603");
    // Attribute 7: what would be activated.
    dialogue(
        home,
        "0001 0010 0001 000d c001c1 0012 00002c0000ff 0700",
        "0001 0001 0010 0013 c401c1 00 0101 0203 0600000064 0902 4944 0900",
    );
    // Activate, be away, come back, say so.
    dialogue(
        home,
        "0001 0010 0001 000f c301c1 0012 00002c0000ff 04 01 0f00",
        "0001 0001 0010 0005 c701c1 00 00",
    );
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0600", "");
    home.run_minutes(1);
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0600", "0001 0001 0010 0003 d80101");
    home.associate();
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0600", "0001 0001 0010 0006 c401c1 00 1606");
    dialogue(home, "0001 0010 0001 0005 6203800100", "0001 0001 0010 0005 6303800100");
    assert_eq!(home.hub.counters().blocks_received, 4);
    assert_eq!(home.hub.counters().duplicate_blocks, 1);
    assert_eq!(home.hub.counters().refused_blocks, 3);
}

/// Gurux numbers every request of every association 1: a second transfer of the same image was taken for an echo of the
/// first one's initiate, and found its slot verified where the standard wants it empty.
#[test]
fn an_initiate_is_new_after_a_release_and_an_echo_before_it() {
    let home = &mut hub_with_blocks_of_32();
    let initiate = "0001 0010 0001 0018 c301c1 0012 00002c0000ff 01 01 0202 0902 4944 06 00000064";
    let first_missing = |home: &mut Home, number: u8| {
        let answer = format!("0001 0001 0010 0009 c401c1 00 06000000{number:02x}");
        dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0400", &answer);
    };
    home.associate();
    dialogue(home, initiate, "0001 0001 0010 0005 c701c1 00 00");
    let block = format!(
        "0001 0010 0001 0036 c301c2 0012 00002c0000ff 02 01 0202 06 00000000 09 20 {}",
        "ab".repeat(32)
    );
    dialogue(home, &block, "0001 0001 0010 0005 c701c2 00 00");
    dialogue(home, initiate, "0001 0001 0010 0005 c701c1 00 00");
    first_missing(home, 1);
    dialogue(home, "0001 0010 0001 0005 62 03 80 01 00", "0001 0001 0010 0005 63 03 80 01 00");
    home.associate();
    dialogue(home, initiate, "0001 0001 0010 0005 c701c1 00 00");
    first_missing(home, 0);
}

#[test]
fn without_an_association_nothing_is_served_and_nothing_is_stored() {
    let home = &mut hub_with_blocks_of_32();
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0600", "0001 0001 0010 0003 d80101");
    let initiate = "c3 01 81 0012 00002c0000ff 01 01 0202 0902 4944 06 00000064";
    dialogue(home, &format!("0001 0010 0001 0018 {initiate}"), "");
    assert_eq!(home.hub.transfer_status(0), Some(ImageTransferStatus::NotInitiated));
    assert_eq!(home.hub.counters().unassociated_requests, 2);
}

#[test]
pub fn associations_that_this_server_cannot_keep_are_refused() {
    let home = &mut hub_with_blocks_of_32();
    for (context, wants_authentication, diagnostic) in
        [(wire::ApplicationContext::Other, false, 2), (wire::ApplicationContext::LnNoCiphering, true, 11)]
    {
        let conformance = wire::Conformance::GET;
        let request = wire::AssociationRequest { context, conformance, max_pdu: 1400, wants_authentication };
        let answer = home.ask(&Apdu::AssociationRequest(request)).unwrap();
        let Apdu::AssociationResponse(answer) = Apdu::parse(&answer).unwrap() else { panic!("no AARE") };
        assert_eq!((answer.accepted, answer.diagnostic), (false, diagnostic));
    }
}

#[test]
fn objects_that_are_not_there_are_named_so() {
    let mut home = Home::usual();
    home.associate();
    let get = |home: &mut Home, class, instance, index| home.get(class, instance, index);
    let transfer = ClassId::IMAGE_TRANSFER;
    assert_eq!(get(&mut home, transfer, Obis::image_transfer(9), 2), Err(AccessResult::ObjectUndefined));
    assert_eq!(get(&mut home, transfer, Obis::image_transfer(1), 8), Err(AccessResult::ObjectUndefined));
    assert_eq!(
        get(&mut home, ClassId::DATA, Obis::image_transfer(1), 2),
        Err(AccessResult::ObjectClassInconsistent)
    );
    assert_eq!(
        get(&mut home, ClassId::DATA, Obis::active_firmware(1), 2),
        Err(AccessResult::ObjectUnavailable),
        "the meter has not said yet"
    );
    let name = get(&mut home, transfer, Obis::image_transfer(1), 1).unwrap();
    assert_eq!(Data::parse(&name).unwrap(), Data::Octets(&Obis::image_transfer(1).0));
}

#[test]
fn initiate_resets_a_slot_and_refuses_absurd_sizes() {
    let home = &mut hub_with_blocks_of_32();
    home.associate();
    let file = vec![7; 200];
    assert_eq!(home.initiate(0, &file), AccessResult::Success);
    assert_eq!(home.block(0, 0, &file[..32]), AccessResult::Success);
    assert_eq!(home.initiate(0, &file), AccessResult::Success);
    let bitmap = BlockBitmap::from_data(&home.transfer_attribute(0, 3)).unwrap();
    assert_eq!((bitmap.len(), bitmap.count_set()), (7, 0));
    let mut parameter = Vec::new();
    for size in [0, 10_240_001, u32::MAX] {
        parameter.clear();
        wire::ImageInitiate { identification: b"ID", size }.emit_parameter(&mut parameter);
        assert_eq!(home.act(0, 1, &parameter), AccessResult::OtherReason);
    }
    assert_eq!(home.act(0, 1, &[0x0F, 0]), AccessResult::TypeUnmatched);
    assert_eq!(home.status(0), ImageTransferStatus::Initiated, "a refused initiate changes nothing");
}

/// A copy of an initiate that came after the verification emptied the slot.
#[test]
fn an_initiate_that_the_network_doubles_is_heard_once() {
    let home = &mut hub_with_blocks_of_32();
    home.associate();
    let file = [7; 200];
    let mut parameter = Vec::new();
    wire::ImageInitiate { identification: b"ID", size: 200 }.emit_parameter(&mut parameter);
    assert_eq!(home.act(0, 1, &parameter), AccessResult::Success);
    for held in [0, 1] {
        assert_eq!(home.act_again(0, 1, &parameter), AccessResult::Success);
        let bitmap = BlockBitmap::from_data(&home.transfer_attribute(0, 3)).unwrap();
        assert_eq!((bitmap.len(), bitmap.count_set()), (7, held));
        let mut block = Vec::new();
        wire::ImageBlock { number: 0, bytes: &file[..32] }.emit_parameter(&mut block);
        assert_eq!(home.act_again(0, 2, &block), AccessResult::Success);
    }
    assert_eq!(home.act(0, 1, &parameter), AccessResult::Success, "another invoke-id resets the slot");
    let bitmap = BlockBitmap::from_data(&home.transfer_attribute(0, 3)).unwrap();
    assert_eq!(bitmap.count_set(), 0);
}

#[test]
fn slots_survive_a_reboot_and_associations_do_not() {
    let home = &mut hub_with_blocks_of_32();
    home.associate();
    let file: Vec<u8> = (0..200).collect();
    home.initiate(0, &file);
    home.block(0, 5, &file[160..192]);
    home.hub.reboot(home.now);
    home.run_minutes(1);
    dialogue(home, "0001 0010 0001 000d c001c1 0012 00002c0000ff 0600", "0001 0001 0010 0003 d80101");
    home.associate();
    let bitmap = BlockBitmap::from_data(&home.transfer_attribute(0, 3)).unwrap();
    assert_eq!((0..7).filter(|block| bitmap.is_set(*block)).collect::<Vec<_>>(), [5]);
    let images = ImageToActivate::parse_list(&home.transfer_attribute(0, 7)).unwrap();
    assert_eq!(images[0].size, 200);
}

#[test]
fn a_name_that_is_no_digest_is_never_taken_for_an_image_held_elsewhere() {
    let meters = vec![crate::home::meter_config(1), crate::home::meter_config(2)];
    let mut home = Home::new(crate::home::hub_config(&meters), Vec::new(), gullible());
    home.associate();
    let mut parameter = Vec::new();
    wire::ImageInitiate { identification: b"ID", size: 100 }.emit_parameter(&mut parameter);
    home.act(1, 1, &parameter);
    home.block(1, 0, &[1; 100]);
    home.act(2, 1, &parameter);
    let bitmap = BlockBitmap::from_data(&home.transfer_attribute(2, 3)).unwrap();
    assert_eq!(bitmap.count_set(), 0);
}

#[test]
fn orders_are_kept_as_written_and_bounded() {
    let mut home = Home::usual();
    home.associate();
    assert_eq!(home.set_order(1, &[5; 512]), AccessResult::Success);
    let stored = home.get(ClassId::DATA, Obis::activation_order(1), 2).unwrap();
    assert_eq!(Data::parse(&stored).unwrap(), Data::Octets(&[5; 512]));
    assert_eq!(home.set_order(1, &[5; 513]), AccessResult::OtherReason);
}

proptest! {
    #[test]
    fn random_bytes_are_ignored_on_both_sides(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20),
        wrapped in any::<bool>(),
    ) {
        let mut home = Home::new(crate::home::hub_config(&[crate::home::meter_config(1)]),
            vec![crate::home::meter_config(1)], trust());
        home.associate();
        let pool = &mut SectorPool::new();
        for bytes in frames {
            let mut frame = if wrapped { vec![0, 1, 0, 0x10, 0, 1, 0, bytes.len() as u8] } else { Vec::new() };
            frame.extend_from_slice(&bytes);
            let mut reply = Vec::new();
            home.hub.receive_wan(home.now, pool, &frame, &mut reply);
            home.hub.receive_han(home.now, pool, 1, &bytes);
            home.meters[0].receive_han(home.now, pool, &bytes);
        }
        home.run_minutes(1);
        assert_eq!(home.hub.counters().activations + home.meter().counters().activations, 0);
    }
}
