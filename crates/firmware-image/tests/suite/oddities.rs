//! Synthetic copies of the oddities counted in public files, each named by `inspect`.

use firmware_image::{Container, ElementTag, Oddity, inspect};

use crate::support::{HEADER_LEN, element, file_with_body, identity, raw_file, signed, unsigned};

fn check(bytes: &[u8], expected: &[Oddity]) {
    let seen = inspect(bytes);
    assert_eq!(seen.oddities, expected);
    assert_eq!(seen.is_sound(), !expected.iter().any(Oddity::is_refused));
}

#[test]
fn a_sound_file_has_nothing_odd_signed_or_not() {
    check(unsigned().bytes(), &[]);
    check(signed().file().bytes(), &[]);
    let seen = inspect(signed().file().bytes());
    assert_eq!(seen.identity, Some(identity()));
    assert_eq!(seen.elements.len(), 4);
    assert_eq!(seen.elements[3].tag, ElementTag::ENVELOPE);
}

#[test]
fn an_ikea_container_is_recognised_and_looked_into() {
    let mut bytes = b"NGIS".to_vec();
    bytes.resize(88, 0);
    bytes.extend_from_slice(unsigned().bytes());
    check(&bytes, &[Oddity::BytesBeforeMagic { count: 88, container: Container::Ikea }]);
    assert_eq!(inspect(&bytes).elements[0].offset, 88 + HEADER_LEN);
}

#[test]
fn a_length_prefix_is_recognised() {
    let file = unsigned().bytes().clone();
    let len = u32::try_from(file.len()).unwrap();
    for prefix in [len.to_le_bytes(), len.to_be_bytes(), (len + 4).to_le_bytes()] {
        let bytes = [&prefix[..], &file[..]].concat();
        check(&bytes, &[Oddity::BytesBeforeMagic { count: 4, container: Container::LengthPrefix }]);
    }
    let bytes = [&b"what"[..], &file[..]].concat();
    check(&bytes, &[Oddity::BytesBeforeMagic { count: 4, container: Container::Unknown }]);
}

#[test]
fn the_identifier_inside_a_firmware_is_no_file() {
    let mut bytes = vec![0x55; 400];
    bytes[100..104].copy_from_slice(&[0x1e, 0xf1, 0xee, 0x0b]);
    check(&bytes, &[Oddity::NotAnOtaFile]);
    check(b"", &[Oddity::NotAnOtaFile]);
}

#[test]
fn sizes_that_disagree_are_named() {
    let image = element(0, b"image");
    check(&raw_file(278_830, &image), &[Oddity::TotalSizeBeyondEnd { claimed: 278_830, real: 71 }]);
    let bytes = raw_file(71, &[&image[..], &[0xff; 512]].concat());
    check(&bytes, &[Oddity::Tail { offset: 71, count: 512 }]);
    check(&unsigned().bytes()[..40], &[Oddity::HeaderCutShort { real: 40 }]);
}

#[test]
fn a_body_that_is_no_list_of_elements_is_named() {
    let body = [0x01, 0xf0, 0x00, 0x00, 0x00, 0x90, 1, 2, 3];
    let claims = Oddity::ElementBeyondEnd {
        tag: ElementTag(0xf001),
        offset: HEADER_LEN,
        claimed: 0x9000_0000,
        available: 3,
    };
    check(&file_with_body(&body), &[claims, Oddity::NoPayload]);
}

#[test]
fn stray_bytes_after_the_last_element_are_named() {
    let body = [element(0, b"image"), element(0xf000, b"telink"), b"xx".to_vec()].concat();
    check(&file_with_body(&body), &[Oddity::StrayBytes { offset: 83, count: 2 }]);
}

#[test]
fn payloads_that_are_missing_late_or_several_are_named() {
    let other = element(0xf100, b"other");
    let image = element(0, b"image");
    let late = Oddity::FirstElementNotPayload { tag: ElementTag(0xf100) };
    check(&file_with_body(&other), &[Oddity::NoPayload, late]);
    check(&file_with_body(&[&other[..], &image].concat()), &[late]);
    check(&file_with_body(&image.repeat(3)), &[Oddity::SeveralPayloads { count: 3 }]);
    check(&file_with_body(&element(0, b"")), &[Oddity::EmptyPayload { offset: HEADER_LEN }]);
}

#[test]
fn hashes_and_unregistered_tags_are_named_and_do_no_harm() {
    let body = [element(0, b"image"), element(3, &[0; 16]), element(0xcdef, b"x")].concat();
    let integrity = Oddity::UncheckedProtection { tag: ElementTag::INTEGRITY_CODE, offset: 71 };
    let unregistered = Oddity::UnregisteredTag { tag: ElementTag(0xcdef), offset: 93 };
    check(&file_with_body(&body), &[integrity, unregistered]);
}

#[test]
fn header_strings_that_are_no_c_strings_are_named_and_do_no_harm() {
    let mut full = unsigned().bytes().to_vec();
    full[20..52].copy_from_slice(b"all thirty-two bytes are in use!");
    check(&full, &[Oddity::HeaderStringUnterminated]);
    let mut junk = unsigned().bytes().to_vec();
    junk[20..24].copy_from_slice(&[0x80, 0xfe, 0x00, 0x01]);
    check(&junk, &[Oddity::HeaderStringJunk]);
    assert_eq!(inspect(&junk).header.unwrap().text(), "\\x80\\xfe");
}

#[test]
fn headers_nobody_defined_are_named() {
    let mut bytes = unsigned().bytes().to_vec();
    bytes[4] = 2;
    bytes[6] = 61;
    bytes[8] = 0x0c;
    bytes[57] = 9;
    let seen = inspect(&bytes);
    let names: Vec<String> = seen.oddities.iter().map(Oddity::to_string).collect();
    assert_eq!(names[0], "header version 0x0102 instead of 0x0100");
    assert_eq!(names[1], "field control 0x000C announces header fields nobody has defined");
    assert_eq!(names[2], "header length 61 where the optional fields make 60");
    assert_eq!(names[3], "hardware range 0x0900..0x01FF has its ends the wrong way round");
    assert!(!seen.is_sound());
}

#[test]
fn a_million_empty_elements_are_not_listed() {
    let body = element(0xf100, b"").repeat(1_000_000);
    let seen = inspect(&file_with_body(&body));
    assert_eq!(seen.elements.len(), 1_024);
    assert!(seen.oddities.iter().any(|oddity| matches!(oddity, Oddity::TooManyElements { .. })));
}
