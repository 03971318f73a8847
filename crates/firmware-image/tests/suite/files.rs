//! Building and strictly reading OTA files.

use firmware_image::{
    BuildError, ElementTag, FileDigest, HardwareRange, HardwareVersion, ImageDigest, MAX_FILE_LEN, OtaFile,
    ParseError, inspect,
};
use proptest::prelude::*;

use crate::support::{
    HEADER_LEN, edited, element, file_with_body, identity, parse, raw_file, signed, unsigned,
};

#[test]
fn a_built_file_has_the_bytes_of_the_standard() {
    let file = OtaFile::build(&identity(), "hi", &[0xaa, 0xbb]).unwrap();
    let mut expected = vec![
        0x1e, 0xf1, 0xee, 0x0b, 0x00, 0x01, 60, 0, 4, 0, 0xe5, 0x10, 0x11, 0x00, 0x04, 0x03, 0x02, 0x01, 2, 0,
    ];
    expected.extend_from_slice(b"hi");
    expected.resize(52, 0);
    expected.extend_from_slice(&[68, 0, 0, 0, 0x00, 0x01, 0xff, 0x01, 0, 0, 2, 0, 0, 0, 0xaa, 0xbb]);
    assert_eq!(file.bytes()[..], expected[..]);
}

#[test]
fn a_file_knows_its_parts_and_digests() {
    let file = unsigned();
    assert_eq!(file.identity(), identity());
    assert_eq!(file.header().text(), "test");
    assert_eq!(file.header_bytes().len(), HEADER_LEN);
    assert_eq!(file.payload(), b"the firmware of a very small meter");
    assert_eq!(file.image_digest(), ImageDigest::of(file.payload()));
    assert_eq!(file.file_digest(), FileDigest::of(file.bytes()));
    let elements: Vec<_> = file.elements().collect();
    assert_eq!(elements.len(), 1);
    assert_eq!((elements[0].tag, elements[0].offset), (ElementTag::UPGRADE_IMAGE, HEADER_LEN));
}

#[test]
fn every_optional_header_field_is_read_and_kept() {
    // Credential version 2, destination, hardware range: no public file has the first two, so this one is ours.
    let mut bytes = unsigned().header_bytes()[..56].to_vec();
    bytes[6] = 69;
    bytes[8] = 7;
    bytes.push(2);
    bytes.extend_from_slice(&[0x0d, 0x0c, 0x0a, 0x0b, 0x00, 0x6f, 0x0d, 0x00]);
    bytes.extend_from_slice(&[0, 1, 0, 2]);
    bytes.extend_from_slice(&element(0, b"x"));
    let total = u8::try_from(bytes.len()).unwrap();
    bytes[52] = total;
    let file = parse(&bytes).unwrap();
    assert_eq!(file.header().credential_version, Some(2));
    assert_eq!(file.header().destination.unwrap().to_string(), "00-0D-6F-00-0B-0A-0C-0D");
    assert_eq!(file.header().hardware.unwrap().to_string(), "0x0100..0x0200");
}

#[test]
fn several_elements_are_fine_in_any_order() {
    let body = [element(0xf100, b"one"), element(0, b"image"), element(3, &[0; 16]), element(0xf1ac, b"")];
    let file = parse(&file_with_body(&body.concat())).unwrap();
    assert_eq!(file.payload(), b"image");
    assert_eq!(file.elements().len(), 4);
}

#[test]
fn every_refusal_names_field_place_expectation_and_find() {
    let image = element(0, b"image");
    let mut version = unsigned().bytes().to_vec();
    version[4] = 1;
    let mut length = unsigned().bytes().to_vec();
    length[6] = 56;
    let mut control = unsigned().bytes().to_vec();
    control[8] = 0x0c;
    let mut range = unsigned().bytes().to_vec();
    range[57] = 9;
    let cases: [(Vec<u8>, &str); 13] = [
        (vec![], "file identifier at byte 0: expected 4 bytes, found the end of the file after 0"),
        (
            b"MZ\x90\x00".to_vec(),
            "file identifier at byte 0: expected 1e f1 ee 0b (a Zigbee OTA file), found 4d 5a 90 00",
        ),
        (
            unsigned().bytes()[..30].to_vec(),
            "header string at byte 20: expected 32 bytes, found the end of the file after 10",
        ),
        (version, "header version at byte 4: expected 0x0100, found 0x0101"),
        (length, "header length at byte 6: expected 60 for field control 0x0004, found 56"),
        (control, "field control at byte 8: expected no bit above bit 2, found 0x000C"),
        (range, "hardware versions at byte 56: expected minimum not above maximum, found 0x0900..0x01FF"),
        (
            raw_file(278_830, &image),
            "total image size at byte 52: expected the file's 71 bytes, found 278830: the file is cut short",
        ),
        (
            raw_file(71, &[&image[..], b"tail"].concat()),
            "end of file at byte 71: expected nothing more, found 4 more bytes",
        ),
        (
            file_with_body(&[&image[..], &[1, 0xf0, 0xff, 0xff, 0xff, 0x8f, 0]].concat()),
            "length of element 0xF001 (vendor) at byte 71: expected at most 1, found 2415919103",
        ),
        (
            file_with_body(&[&image[..], b"xx"].concat()),
            "element at byte 71: expected 6 bytes of tag and length, found 2 stray bytes",
        ),
        (
            file_with_body(&element(0xf000, b"x")),
            "elements: expected one with tag 0x0000 (upgrade image), found none",
        ),
        (
            file_with_body(&[&image[..], &image[..]].concat()),
            "element at byte 71: expected one upgrade image in all, found a second after that at byte 60",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(parse(&bytes).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_empty_payload_is_refused() {
    assert_eq!(
        parse(&file_with_body(&element(0, b""))),
        Err(ParseError::EmptyPayload { offset: HEADER_LEN })
    );
    assert_eq!(OtaFile::build(&identity(), "", b""), Err(BuildError::EmptyPayload));
}

#[test]
fn a_file_may_be_as_large_as_an_order_takes_and_no_larger() {
    let largest = vec![0; MAX_FILE_LEN - HEADER_LEN - 6];
    assert_eq!(OtaFile::build(&identity(), "", &largest).unwrap().bytes().len(), MAX_FILE_LEN);
    let error = OtaFile::build(&identity(), "", &[&largest[..], &[0]].concat()).unwrap_err();
    assert_eq!(error, BuildError::TooLarge { found: MAX_FILE_LEN + 1 });
    assert_eq!(parse(&vec![0; MAX_FILE_LEN + 1]), Err(ParseError::TooLarge { real: MAX_FILE_LEN + 1 }));
}

#[test]
fn what_cannot_be_written_is_not_built() {
    let text = "a header text of thirty-three byt";
    assert_eq!(OtaFile::build(&identity(), text, b"x"), Err(BuildError::HeaderTextTooLong { found: 33 }));
    assert!(OtaFile::build(&identity(), &text[..32], b"x").is_ok());
    let mut inverted = identity();
    inverted.hardware = Some(HardwareRange { min: HardwareVersion(2), max: HardwareVersion(1) });
    assert_eq!(OtaFile::build(&inverted, "", b"x"), Err(BuildError::HardwareRangeInverted));
}

#[test]
fn a_file_cut_at_any_length_is_refused() {
    let bytes = signed().file().bytes().clone();
    for len in 0..bytes.len() {
        assert!(OtaFile::parse(bytes.slice(..len)).is_err(), "cut to {len} bytes");
    }
}

proptest! {
    #[test]
    fn what_is_built_is_read_back_alike(
        manufacturer: u16, image_type: u16, version: u32, hardware: Option<(u16, u16)>,
        text in "[ -~]{0,32}", payload in proptest::collection::vec(any::<u8>(), 1..600),
    ) {
        let hardware = hardware.map(|(a, b)| HardwareRange {
            min: HardwareVersion(a.min(b)), max: HardwareVersion(a.max(b)),
        });
        let mut wanted = identity();
        wanted.manufacturer.0 = manufacturer;
        wanted.image_type.0 = image_type;
        wanted.file_version.0 = version;
        wanted.hardware = hardware;
        let built = OtaFile::build(&wanted, &text, &payload).unwrap();
        let read = OtaFile::parse(built.bytes().clone()).unwrap();
        prop_assert_eq!(read.identity(), wanted);
        prop_assert_eq!(read.payload(), &payload[..]);
        prop_assert_eq!(read.bytes(), built.bytes());
        prop_assert!(inspect(built.bytes()).is_sound());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(parse(&bytes).is_ok(), inspect(&bytes).is_sound());
    }

    #[test]
    fn inspection_calls_sound_exactly_what_is_read(
        edits in proptest::collection::vec(any::<(u8, u16, u8)>(), 0..4),
    ) {
        let bytes = edited(signed().file().bytes(), &edits);
        prop_assert_eq!(parse(&bytes).is_ok(), inspect(&bytes).is_sound());
    }
}
