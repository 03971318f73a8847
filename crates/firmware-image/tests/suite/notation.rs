//! How numbers, addresses and digests are written and read.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use firmware_image::{
    Eui64, FileDigest, FileVersion, HardwareRange, HardwareVersion, ImageDigest, ImageType, ManufacturerCode,
};
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

fn round_trip<T: FromStr<Err: Debug> + Display>(text: &str, canonical: &str) {
    assert_eq!(text.parse::<T>().unwrap().to_string(), canonical);
}

#[test]
fn numbers_are_hexadecimal_with_or_without_a_prefix() {
    round_trip::<FileVersion>("0x01020304", "01020304");
    round_trip::<FileVersion>("1a", "0000001A");
    round_trip::<ManufacturerCode>("10e5", "0x10E5");
    round_trip::<ImageType>("0x11", "0x0011");
    round_trip::<HardwareRange>("0x0100..01ff", "0x0100..0x01FF");
}

#[test]
fn addresses_are_eight_bytes_with_dashes_in_either_case() {
    round_trip::<Eui64>("00-0d-6F-00-0b-0A-0c-0D", "00-0D-6F-00-0B-0A-0C-0D");
    for wrong in [
        "",
        "000D6F000B0A0C0D",
        "00-0D-6F-00-0B-0A-0C",
        "00-0D-6F-00-0B-0A-0C-0D-0E",
        "+0-0D-6F-00-0B-0A-0C-0D",
    ] {
        assert!(wrong.parse::<Eui64>().is_err(), "{wrong}");
    }
}

#[test]
fn addresses_are_kept_in_documents_as_they_are_written() {
    struct Kept(Eui64);
    impl Display for Kept {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.serialize(formatter)
        }
    }
    let read = |text: &'static str| {
        let text: StrDeserializer<'static, Error> = text.into_deserializer();
        Eui64::deserialize(text)
    };
    let address = read("00-0d-6f-00-0b-0a-0c-0d").unwrap();
    assert_eq!(Kept(address).to_string(), "00-0D-6F-00-0B-0A-0C-0D");
    assert!(read("meter").unwrap_err().to_string().starts_with("EUI-64: expected eight bytes"));
}

#[test]
fn digests_are_sixty_four_digits() {
    let digest = FileDigest::of(b"abc");
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest.to_string(), text);
    round_trip::<ImageDigest>(&text.to_uppercase(), text);
    assert!("ba78".parse::<ImageDigest>().is_err());
}

#[test]
fn what_is_no_number_is_refused_with_an_example() {
    for wrong in ["", "0x", "+1", "-1", "12345", "0x_1", "1 "] {
        assert!(wrong.parse::<ImageType>().is_err(), "{wrong}");
    }
    let error = "meter".parse::<ManufacturerCode>().unwrap_err();
    let expected = "manufacturer code: expected up to four hexadecimal digits such as 0x10E5, found `meter`";
    assert_eq!(error.to_string(), expected);
    assert!("0x0200..0x0100".parse::<HardwareRange>().is_err());
}

#[test]
fn a_hardware_range_holds_both_its_ends() {
    let range: HardwareRange = "0100..01FF".parse().unwrap();
    let inside = |version: u16| range.contains(HardwareVersion(version));
    assert!(inside(0x0100) && inside(0x01ff) && !inside(0x00ff) && !inside(0x0200));
}
