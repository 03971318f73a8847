//! Any vendor's file becomes a sound one, or an error that says what is wrong with it.

use bytes::Bytes;
use firmware_image::{
    AdoptError, Adoption, FileVersion, ImageIdentity, ImageType, MAX_FILE_LEN, ManufacturerCode, Oddity,
    OtaFile, ParseError, adopt,
};
use proptest::prelude::*;

use crate::support::{edited, element, file_with_body, identity, raw_file, signed, unsigned};

const FALLBACK: ImageIdentity = ImageIdentity {
    manufacturer: ManufacturerCode(0x1234),
    image_type: ImageType(0x0001),
    file_version: FileVersion(9),
    hardware: None,
};

fn adopted(bytes: &[u8]) -> Result<(OtaFile, Adoption), AdoptError> {
    adopt(Bytes::copy_from_slice(bytes), FALLBACK)
}

#[test]
fn a_sound_file_stays_as_it_is_signed_or_not() {
    for file in [unsigned(), signed().file().clone()] {
        assert_eq!(adopted(file.bytes()).unwrap(), (file, Adoption::Kept));
    }
}

#[test]
fn a_raw_binary_is_wrapped_under_the_name_the_caller_gives() {
    let (file, adoption) = adopted(b"\x00\x80\x00\x20 raw").unwrap();
    assert_eq!(adoption, Adoption::Wrapped);
    assert_eq!(file.identity(), FALLBACK);
    assert_eq!(file.payload(), b"\x00\x80\x00\x20 raw");
}

#[test]
fn an_odd_body_becomes_the_payload_under_the_files_own_name() {
    let body = b"sbl-ota: a body that is no list of elements at all";
    let (file, adoption) = adopted(&file_with_body(body)).unwrap();
    assert_eq!(file.identity(), identity());
    assert_eq!(file.header().text(), "test");
    assert_eq!(file.payload(), body);
    let Adoption::Rewrapped { oddities } = adoption else { panic!("{adoption:?}") };
    assert!(oddities.contains(&Oddity::NoPayload));
}

#[test]
fn stray_bytes_and_second_payloads_go_into_the_payload_whole() {
    for body in [[element(0, b"image"), b"xx".to_vec()].concat(), element(0, b"image").repeat(2)] {
        assert_eq!(adopted(&file_with_body(&body)).unwrap().0.payload(), body);
    }
}

#[test]
fn bytes_around_a_sound_file_are_taken_off() {
    for file in [unsigned(), signed().file().clone()] {
        let bytes = [b"NGIS, a container of some kind; ", &file.bytes()[..], b" and its tail"].concat();
        let (inner, adoption) = adopted(&bytes).unwrap();
        assert_eq!(inner, file);
        let Adoption::Rewrapped { oddities } = adoption else { panic!("{adoption:?}") };
        assert_eq!(oddities.len(), 2);
    }
}

#[test]
fn a_tail_behind_an_odd_body_is_not_part_of_it() {
    let bytes = raw_file(64, b"bodytail");
    assert_eq!(adopted(&bytes).unwrap().0.payload(), b"body");
}

#[test]
fn a_file_that_is_cut_short_is_refused_with_both_lengths() {
    let error = adopted(&raw_file(278_830, &element(0, b"image"))).unwrap_err();
    assert_eq!(error, AdoptError::CutShort { claimed: 278_830, real: 71 });
    assert_eq!(error.to_string(), "the file is cut short: its header claims 278830 bytes, it has 71");
}

#[test]
fn a_header_that_cannot_be_relied_upon_is_refused_by_field() {
    let mut bytes = unsigned().bytes().to_vec();
    bytes[6] = 99;
    let error = adopted(&bytes).unwrap_err();
    assert!(matches!(error, AdoptError::Header(ParseError::Unexpected { field: "header length", .. })));
}

#[test]
fn nothing_too_much_and_a_bare_header_are_refused() {
    assert_eq!(adopted(b""), Err(AdoptError::Empty));
    assert_eq!(adopted(&file_with_body(b"")), Err(AdoptError::NoBody));
    let real = MAX_FILE_LEN + 1;
    assert_eq!(adopted(&vec![0; real]), Err(AdoptError::TooLarge { real }));
    assert!(matches!(adopted(&vec![0; MAX_FILE_LEN]), Err(AdoptError::Build(_))));
}

proptest! {
    #[test]
    fn what_is_adopted_is_sound_and_adopted_again_unchanged(
        edits in proptest::collection::vec(any::<(u8, u16, u8)>(), 0..4),
    ) {
        if let Ok((file, _)) = adopted(&edited(signed().file().bytes(), &edits)) {
            let again = adopted(file.bytes()).unwrap();
            prop_assert_eq!(again, (file, Adoption::Kept));
        }
    }
}
