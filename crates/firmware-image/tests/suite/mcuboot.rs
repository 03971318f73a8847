//! MCUboot images: imgtool's are read, ours are the same bytes, and nothing else is taken.

use firmware_image::{
    McubootBuildError, McubootDependency, McubootHashKind, McubootHeaderSpace, McubootImage, McubootKey,
    McubootKeyHash, McubootParseError, McubootRecipe, McubootSigning, McubootTlvKind, McubootVerifyError,
    McubootVersion, PayloadFormat, PublicKey,
};
use proptest::prelude::*;

use crate::mcuboot_vectors::{PLAIN, TWINS, VERSION, payload, vector};
use crate::support::key;

fn trusted() -> [PublicKey; 2] {
    [key(9).public(), key(1).public()]
}

fn refusal(name: &str) -> McubootParseError {
    McubootImage::parse(&vector(name)).unwrap_err()
}

/// Reads an image and verifies it; `false` whichever of the two fails.
fn is_believed(bytes: &[u8]) -> bool {
    McubootImage::parse(bytes).is_ok_and(|image| image.verify(&trusted()).is_ok())
}

#[test]
fn what_we_build_is_what_imgtool_builds() {
    for twin in TWINS {
        let built = twin.recipe.sign(&twin.input(), &key(1)).unwrap();
        assert!(built == vector(twin.name), "{}", twin.name);
    }
}

#[test]
fn images_of_imgtool_verify_under_their_key_and_no_other() {
    for name in TWINS.iter().map(|twin| twin.name).chain(["whole-key", "rich", "compressed"]) {
        let bytes = vector(name);
        let image = McubootImage::parse(&bytes).unwrap();
        let verified = image.verify(&trusted()).unwrap();
        assert_eq!(verified.signer(), key(1).public(), "{name}");
        assert_eq!(verified.image(), &image);
        assert_eq!(image.hash_holds(), Some(true));
        let stranger = image.verify(&[key(2).public()]).unwrap_err();
        assert!(matches!(stranger, McubootVerifyError::UntrustedKey { .. }), "{name}: {stranger}");
        assert!(image.verify(&[]).is_err());
    }
}

#[test]
fn the_facts_of_an_image_are_those_imgtool_was_told() {
    for twin in TWINS {
        let bytes = vector(twin.name);
        let image = McubootImage::parse(&bytes).unwrap();
        let recipe = &twin.recipe;
        assert_eq!(image.version(), recipe.version, "{}", twin.name);
        assert_eq!(image.security_counter(), recipe.security_counter);
        assert_eq!(image.dependencies().collect::<Vec<_>>(), recipe.dependencies);
        assert_eq!(image.header().header_len, recipe.header_len);
        assert_eq!(image.is_pure(), recipe.signing == McubootSigning::Pure);
        assert_eq!(image.body(), payload());
        let hash = image.hash().unwrap().kind;
        assert_eq!(hash == McubootHashKind::Sha256, recipe.signing == McubootSigning::Sha256);
        let named = image.key().unwrap();
        assert!(matches!(named, McubootKey::Hash(bytes) if bytes.len() == hash.byte_len()));
        assert_eq!(named.short(), McubootKeyHash::of(&key(1).public(), hash));
        assert_eq!(image.signature().unwrap().kind, McubootTlvKind::ED25519);
    }
}

#[test]
fn a_rich_image_is_read_to_its_last_tlv() {
    let bytes = vector("rich");
    let image = McubootImage::parse(&bytes).unwrap();
    let kinds: Vec<(u16, bool)> = image.tlvs().map(|tlv| (tlv.kind.0, tlv.is_protected)).collect();
    let protected = [0x50, 0x60, 0x74, 0x75, 0xa0, 0x1fa1].map(|kind| (kind, true));
    assert_eq!(kinds, [&protected[..], &[(0x10, false), (0x01, false), (0x24, false)]].concat());
    let custom = image.tlvs().find(|tlv| tlv.kind.0 == 0x1fa1).unwrap();
    assert_eq!(custom.value, b"text");
    assert_eq!(bytes[custom.offset..custom.offset + 2], [0xa1, 0x1f]);
    assert_eq!(image.header().load_address, 0x2000_0000);
    assert_eq!(image.header().flags.to_string(), "0x00000030 (not bootable, runs from RAM)");
    assert_eq!(image.header().flags.unknown_bits(), 0);
}

#[test]
fn a_compressed_image_says_so() {
    let bytes = vector("compressed");
    let flags = McubootImage::parse(&bytes).unwrap().header().flags;
    let names: Vec<&str> = flags.names().collect();
    assert_eq!(names, ["compressed with LZMA2", "compressed through the ARM Thumb filter"]);
}

#[test]
fn what_is_not_signed_with_ed25519_is_read_and_not_believed() {
    for name in ["unsigned", "sha384-unsigned"] {
        let bytes = vector(name);
        let image = McubootImage::parse(&bytes).unwrap();
        assert_eq!(image.hash_holds(), Some(true), "{name}");
        assert_eq!(image.verify(&trusted()), Err(McubootVerifyError::Unsigned));
    }
    let bytes = vector("ecdsa");
    let found = McubootTlvKind(0x22);
    let verdict = McubootImage::parse(&bytes).unwrap().verify(&trusted());
    assert_eq!(verdict, Err(McubootVerifyError::OtherSignature { found }));
}

#[test]
fn encrypted_big_endian_and_padded_images_are_refused_by_name() {
    for name in ["encrypted", "encrypted-clear"] {
        let McubootParseError::Encrypted { flags } = refusal(name) else { panic!("{name}") };
        assert_eq!(flags.to_string(), "0x00000004 (encrypted with AES-128)");
    }
    assert_eq!(refusal("big-endian"), McubootParseError::BigEndian);
    assert_eq!(PayloadFormat::of(&vector("big-endian")), PayloadFormat::Mcuboot);
    for name in ["padded", "padded-confirmed", "padded-overwrite"] {
        assert_eq!(refusal(name), McubootParseError::SlotTrailer { offset: 240, count: 272 }, "{name}");
    }
}

#[test]
fn the_key_of_an_encrypted_image_is_refused_even_with_its_flag_cleared() {
    let mut bytes = vector("encrypted-clear");
    bytes[16] = 0;
    let expected = McubootParseError::EncryptionKey { kind: McubootTlvKind(0x33), offset: 96 + 16 + 128 };
    assert_eq!(McubootImage::parse(&bytes), Err(expected));
}

#[test]
fn anything_behind_the_image_is_refused_as_what_it_is() {
    let image = vector("sha256");
    let offset = image.len();
    let check = |tail: &[u8], expected: McubootParseError| {
        assert_eq!(McubootImage::parse(&[&image[..], tail].concat()), Err(expected));
    };
    check(&[0xff; 9], McubootParseError::Padding { offset, count: 9, value: 0xff });
    check(&[0; 1], McubootParseError::Padding { offset, count: 1, value: 0 });
    check(&[0xff, 0], McubootParseError::Tail { offset, count: 2 });
}

#[test]
fn an_image_cut_at_any_length_is_refused() {
    for twin in TWINS {
        let bytes = vector(twin.name);
        for len in 0..bytes.len() {
            assert!(McubootImage::parse(&bytes[..len]).is_err(), "{} cut to {len} bytes", twin.name);
        }
    }
}

#[test]
fn every_single_flipped_bit_of_a_signed_image_is_refused() {
    for name in ["sha256-dependencies", "sha512", "pure", "pure-dependencies", "whole-key", "rich"] {
        let bytes = vector(name);
        assert!(is_believed(&bytes), "{name}");
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_believed(&altered), "{name}: bit {} of byte {}", bit % 8, bit / 8);
        }
    }
}

/// Replaces bytes of `sha256`, whose TLV area begins at byte 96: hash at 100, key hash at 136, signature at 172.
fn altered(at: usize, value: &[u8]) -> String {
    let mut bytes = vector("sha256");
    bytes[at..at + value.len()].copy_from_slice(value);
    McubootImage::parse(&bytes).unwrap_err().to_string()
}

#[test]
fn each_broken_field_is_named_with_its_byte() {
    assert_eq!(altered(0, &[0]), "magic at byte 0: expected 0x96F3B83D, found 0x96F3B800");
    assert_eq!(altered(8, &[31]), "header size at byte 8: expected at least 32, found 31");
    let cut = "header at byte 0: expected 65535 bytes, found the end of the image after 240";
    assert_eq!(altered(8, &[0xff; 2]), cut);
    assert_eq!(altered(12, &[0]), "image size at byte 12: expected at least 1, found 0");
    let cut = "image at byte 32: expected 4294967295 bytes, found the end of the image after 208";
    assert_eq!(altered(12, &[0xff; 4]), cut);
    assert_eq!(altered(12, &[63]), "TLV area at byte 95: expected its magic 0x6907, found 0x073F");
    assert_eq!(altered(10, &[8]), "TLV area at byte 96: expected its magic 0x6908, found 0x6907");
    let announced = "expected 0 as the header says, found 144";
    assert_eq!(altered(96, &[8]), format!("size of the protected TLV area at byte 98: {announced}"));
    assert_eq!(altered(98, &[3]), "size of the TLV area at byte 98: expected at least 4, found 3");
    let cut = "TLV area at byte 96: expected 145 bytes, found the end of the image after 144";
    assert_eq!(altered(98, &[145]), cut);
    let beyond = "length of TLV 0x24 (Ed25519 signature) at byte 172: expected at most 63, found 64";
    assert_eq!(altered(98, &[143]), beyond);
    let stray = "TLV at byte 172: expected 4 bytes of type and length, found 3 stray bytes";
    assert_eq!(altered(98, &[79]), stray);
}

/// A TLV with a value of that many ones.
fn ones(kind: u16, len: u16) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), &vec![1; usize::from(len)]].concat()
}

/// An unsigned image with these TLVs: protected ones, then the others.
fn with_tlvs(protected: &[Vec<u8>], outside: &[Vec<u8>]) -> Vec<u8> {
    let area = |magic: u16, tlvs: &[Vec<u8>]| {
        let tlvs = tlvs.concat();
        let total = u16::try_from(4 + tlvs.len()).unwrap();
        [&magic.to_le_bytes()[..], &total.to_le_bytes(), &tlvs].concat()
    };
    let mut bytes = vector("unsigned")[..96].to_vec();
    if !protected.is_empty() {
        let area = area(0x6908, protected);
        bytes[10..12].copy_from_slice(&area[2..4]);
        bytes.extend(area);
    }
    bytes.extend(area(0x6907, outside));
    bytes
}

#[test]
fn tlvs_that_make_no_sense_together_are_named_with_their_byte() {
    let (hash, key, signature) = (ones(0x10, 32), ones(0x01, 32), ones(0x24, 64));
    let pure = ones(0x25, 1);
    let check = |protected: &[Vec<u8>], outside: &[&Vec<u8>], expected: &str| {
        let outside: Vec<Vec<u8>> = outside.iter().map(|tlv| (*tlv).clone()).collect();
        let bytes = with_tlvs(protected, &outside);
        match McubootImage::parse(&bytes) {
            Ok(_) => assert_eq!(expected, "sound"),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    };
    check(&[], &[&hash, &key, &signature], "sound");
    check(&[], &[&hash], "sound");
    check(&[], &[&pure, &key, &signature], "sound");
    check(&[ones(0xa0, 0), ones(0x50, 4)], &[&hash], "sound");
    check(&[], &[], "TLV area at byte 96: expected a hash of the image, found none");
    check(&[], &[&key, &signature], "TLV area at byte 96: expected a hash of the image, found none");
    check(&[], &[&pure], "TLV area at byte 96: expected a hash of the image, found none");
    let wanted = "expected a key or key hash before it, found none";
    let what = "0x24 (Ed25519 signature) at byte 136";
    check(&[], &[&hash, &signature], &format!("signature {what}: {wanted}"));
    let wanted = "expected it before the signature, found it behind";
    check(&[], &[&key, &signature, &hash], &format!("TLV 0x10 (SHA-256) at byte 204: {wanted}"));
    check(&[], &[&hash, &signature, &key], &format!("TLV 0x01 (key hash) at byte 204: {wanted}"));
    let wanted = "expected one of its sort in all, found a second after that at byte 100";
    check(&[], &[&hash, &ones(0x12, 64)], &format!("TLV 0x12 (SHA-512) at byte 136: {wanted}"));
    check(&[], &[&key, &ones(0x02, 44)], &format!("TLV 0x02 (public key) at byte 136: {wanted}"));
    check(&[], &[&pure, &pure], &format!("TLV 0x25 (pure mark) at byte 105: {wanted}"));
    check(
        &[ones(0x50, 4), ones(0x50, 4)],
        &[&hash],
        &format!("TLV 0x50 (security counter) at byte 108: {wanted}"),
    );
    check(
        &[],
        &[&hash, &key, &ones(0x22, 70), &signature],
        "TLV 0x24 (Ed25519 signature) at byte 246: expected one of its sort in all, found a second after that \
         at byte 172",
    );
    let wanted = "expected it in the protected area, found it where no hash reaches";
    check(&[], &[&hash, &ones(0x50, 4)], &format!("TLV 0x50 (security counter) at byte 136: {wanted}"));
    check(&[], &[&ones(0xa0, 4), &hash], &format!("TLV 0xA0 (vendor) at byte 100: {wanted}"));
    let wanted = "expected it behind the protected area, found it inside";
    check(&[ones(0x01, 32)], &[&hash], &format!("TLV 0x01 (key hash) at byte 100: {wanted}"));
}

#[test]
fn tlvs_of_a_wrong_length_are_named_with_their_byte() {
    let (hash, signature) = (ones(0x10, 32), ones(0x24, 64));
    let check = |protected: &[Vec<u8>], outside: &[Vec<u8>], expected: &str| {
        let error = McubootImage::parse(&with_tlvs(protected, outside)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let length = |what: &str, numbers: &str| format!("length of TLV {what}: expected {numbers}");
    check(&[], &[ones(0x11, 32)], &length("0x11 (SHA-384) at byte 100", "48, found 32"));
    let short = [hash.clone(), ones(0x01, 1), signature.clone()];
    check(&[], &short, &length("0x01 (key hash) at byte 136", "32, found 1"));
    let short = [hash.clone(), ones(0x01, 32), ones(0x24, 63)];
    check(&[], &short, &length("0x24 (Ed25519 signature) at byte 172", "64, found 63"));
    check(
        &[ones(0x50, 5)],
        std::slice::from_ref(&hash),
        &length("0x50 (security counter) at byte 100", "4, found 5"),
    );
    check(
        &[ones(0x40, 8)],
        std::slice::from_ref(&hash),
        &length("0x40 (dependency) at byte 100", "12, found 8"),
    );
    check(&[], &[ones(0x25, 0)], &length("0x25 (pure mark) at byte 100", "1, found 0"));
    let mut unsure = ones(0x25, 1);
    unsure[4] = 0;
    check(&[], &[unsure], "value of the pure mark at byte 100: expected 1, found 0");
}

#[test]
fn no_more_tlvs_are_read_than_any_tool_writes() {
    let custom = vec![ones(0xa0, 0); 63];
    let full = with_tlvs(&custom, &[ones(0x10, 32)]);
    assert_eq!(McubootImage::parse(&full).unwrap().tlvs().count(), 64);
    let one_more = with_tlvs(&custom, &[ones(0x10, 32), ones(0x01, 32)]);
    let offset = 96 + 4 + 63 * 4 + 4 + 36;
    assert_eq!(McubootImage::parse(&one_more), Err(McubootParseError::TooManyTlvs { offset }));
}

#[test]
fn a_pure_image_without_a_hash_is_believed_for_its_signature() {
    // Area 96..309: hash at 100..168, pure mark at 168..173, key hash of 68 bytes, signature of 68.
    let bytes = vector("pure");
    let mut shorter = [&bytes[..100], &bytes[168..]].concat();
    shorter[98..100].copy_from_slice(&145_u16.to_le_bytes());
    let image = McubootImage::parse(&shorter).unwrap();
    assert_eq!((image.hash(), image.hash_holds()), (None, None));
    assert_eq!(image.verify(&trusted()).unwrap().signer(), key(1).public());
    shorter[40] ^= 1;
    assert!(!is_believed(&shorter));
}

#[test]
fn each_broken_promise_is_named() {
    let verdict = |at: usize| {
        let mut bytes = vector("sha256");
        bytes[at] ^= 1;
        McubootImage::parse(&bytes).unwrap().verify(&trusted()).unwrap_err().to_string()
    };
    let altered = "the MCUboot image was altered after signing: its SHA-256 is another one";
    assert_eq!(verdict(20), altered, "the version");
    assert_eq!(verdict(32), altered, "the image");
    assert_eq!(verdict(104), altered, "the hash");
    let short = McubootKeyHash::of(&key(1).public(), McubootHashKind::Sha256);
    let bad = format!("the signature of the MCUboot image is not valid under key hash {short}");
    assert_eq!(verdict(176), bad, "the signature");
    assert_eq!(verdict(171), format!("the MCUboot image names key hash {short}, which is not trusted"));
}

#[test]
fn a_pure_signature_without_its_mark_is_refused() {
    // The pure mark of `pure` is dropped: signature and hash stay what they were.
    let bytes = vector("pure");
    let mut dropped = [&bytes[..168], &bytes[173..]].concat();
    dropped[98..100].copy_from_slice(&208_u16.to_le_bytes());
    let verdict = McubootImage::parse(&dropped).unwrap().verify(&trusted());
    assert!(matches!(verdict, Err(McubootVerifyError::BadSignature { .. })), "{verdict:?}");
}

#[test]
fn what_cannot_become_an_image_is_named() {
    let check = |recipe: McubootRecipe<'_>, payload: &[u8], expected: &str| {
        assert_eq!(recipe.sign(payload, &key(1)).unwrap_err().to_string(), expected);
    };
    check(PLAIN, b"", "the payload of the MCUboot image is empty");
    let short = McubootRecipe { header_len: 31, ..PLAIN };
    check(short, b"a", "MCUboot header size: expected at least 32, found 31");
    let reserved = McubootRecipe { header_space: McubootHeaderSpace::Reserved, ..PLAIN };
    let room = "room for the MCUboot header at byte 0 of the payload: expected 32 zero bytes, found 31";
    check(reserved, &[&[0; 31][..], b"a"].concat(), room);
    check(reserved, &[0; 32], "the payload of the MCUboot image is empty");
    let dependencies = [McubootDependency { image: 1, version: VERSION }; 33];
    let many = McubootRecipe { dependencies: &dependencies, ..PLAIN };
    check(many, b"a", "dependencies: expected at most 32, found 33");
    let large = PLAIN.sign(&vec![0; firmware_image::MAX_FILE_LEN], &key(1));
    assert!(matches!(large, Err(McubootBuildError::TooLarge { found: firmware_image::MAX_FILE_LEN })));
}

#[test]
fn a_payload_is_recognised_by_its_magic() {
    assert_eq!(PayloadFormat::of(&vector("sha256")), PayloadFormat::Mcuboot);
    assert_eq!(PayloadFormat::of(&payload()), PayloadFormat::Raw);
    assert_eq!(PayloadFormat::of(&[0x3d, 0xb8, 0xf3]), PayloadFormat::Raw);
    assert_eq!(PayloadFormat::of(&[0x3d, 0xb8, 0xf3, 0x96]), PayloadFormat::Mcuboot);
}

#[test]
fn versions_are_written_as_imgtool_writes_them() {
    let parse = |text: &str| text.parse::<McubootVersion>();
    assert_eq!(parse("1.2.3+4"), Ok(VERSION));
    assert_eq!(parse("1.2.3+4").unwrap().to_string(), "1.2.3+4");
    assert_eq!(parse("7").unwrap().to_string(), "7.0.0+0");
    assert_eq!(parse("0.9").unwrap().to_string(), "0.9.0+0");
    assert_eq!(parse("255.255.65535+4294967295").unwrap().security_counter(), 0xffff_ffff);
    assert_eq!(VERSION.security_counter(), 0x0102_0003);
    let refused =
        ["", "1.", "1.2+3", "1.2.3.4", "01", "1.2.3+", "1.2.3+4+5", "-1", "+1", "256", "1.2.65536", "1. 2"];
    for text in refused {
        assert!(parse(text).is_err(), "`{text}`");
    }
}

fn any_version() -> impl Strategy<Value = McubootVersion> {
    any::<(u8, u8, u16, u32)>().prop_map(|(major, minor, revision, build)| McubootVersion {
        major,
        minor,
        revision,
        build,
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = McubootImage::parse(&bytes);
        let _ = PayloadFormat::of(&bytes);
    }

    #[test]
    fn no_bytes_behind_a_sound_beginning_make_the_reader_panic(
        kept in 0_usize..330,
        tail in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = vector("rich");
        let _ = McubootImage::parse(&[&bytes[..kept], &tail].concat());
    }

    #[test]
    fn what_is_read_verifies_or_not_but_never_panics(
        at in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
    ) {
        let sound = vector("pure-dependencies");
        let mut bytes = sound.clone();
        for (index, value) in at {
            bytes[index.index(sound.len())] = value;
        }
        prop_assert_eq!(is_believed(&bytes), bytes == sound);
    }

    #[test]
    fn what_is_built_is_read_back(
        version in any_version(),
        header_len in 32_u16..1_024,
        security_counter in any::<Option<u32>>(),
        dependencies in prop::collection::vec((any::<u8>(), any_version()), 0..=32),
        signing in prop::sample::select(vec![
            McubootSigning::Sha256,
            McubootSigning::Sha512,
            McubootSigning::Pure,
        ]),
        reserved in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 1..500),
    ) {
        let dependencies: Vec<McubootDependency> = dependencies
            .into_iter()
            .map(|(image, version)| McubootDependency { image, version })
            .collect();
        let header_space = if reserved { McubootHeaderSpace::Reserved } else { McubootHeaderSpace::Added };
        let room = if reserved { usize::from(header_len) } else { 0 };
        let recipe = McubootRecipe {
            version, header_len, header_space, security_counter, dependencies: &dependencies, signing,
        };
        let bytes = recipe.sign(&[vec![0; room], body.clone()].concat(), &key(1)).unwrap();
        let image = McubootImage::parse(&bytes).unwrap();
        prop_assert_eq!(image.body(), &body[..]);
        prop_assert_eq!(image.version(), version);
        prop_assert_eq!(image.security_counter(), security_counter);
        prop_assert_eq!(image.dependencies().collect::<Vec<_>>(), dependencies.clone());
        prop_assert_eq!(image.is_pure(), signing == McubootSigning::Pure);
        prop_assert_eq!(image.verify(&trusted()).unwrap().signer(), key(1).public());
        prop_assert_eq!(recipe.sign(&[vec![0; room], body].concat(), &key(1)).unwrap(), bytes);
    }
}
