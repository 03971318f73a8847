//! The committed corpus: for every target a few valid inputs, and for files one of each oddity that was counted in
//! public images. Synthetic all of them; nothing here comes from any vendor.

use std::fs;
use std::path::{Path, PathBuf};

use firmware_image::{
    ActivationOrder, CounterEpoch, Eui64, FileVersion, ImageDigest, Nonce, OrderCounter, OtaFile, SignedImage,
};

use crate::chain::{first_root, next_root, signed_root};
use crate::sealed::manifest_in;
use crate::talk::conversations;
use crate::{identity, key, signed, unsigned};

/// A file of the corpus: its name and its bytes.
pub type Seed = (&'static str, Vec<u8>);

/// What makes the seeds of a target.
pub type Recipe = fn() -> Vec<Seed>;

/// Every target, and what makes its seeds.
pub const TARGETS: [(&str, Recipe); 5] = [
    ("ota_file", files),
    ("manifest", manifests),
    ("order", orders),
    ("trust_root", roots),
    ("datagrams", conversations),
];

/// Returns the folder of the committed seeds of a target.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)
}

/// Makes sure that the committed seeds of a target are those of the recipe: a corpus in a format that is no longer
/// read reaches nothing, and nobody would see it.
///
/// # Panics
///
/// When they are not.
pub fn check(target: &str) {
    let (_, recipe) = TARGETS.iter().find(|(name, _)| *name == target).expect("every target is listed");
    for (name, bytes) in recipe() {
        let committed = fs::read(folder(target).join(name)).ok();
        assert!(
            committed.as_deref() == Some(&bytes[..]),
            "the seed {target}/{name} is not what the recipe makes: run `cargo run --example seeds` in fuzz/"
        );
    }
}

/// The order that the seeds of `order` are made of.
pub fn order() -> ActivationOrder {
    ActivationOrder {
        device: Eui64::from_bytes([0, 0x0d, 0x6f, 0, 0x0b, 0x0a, 0x0c, 0x0d]),
        image: ImageDigest::of(b"image"),
        epoch: CounterEpoch(1),
        counter: OrderCounter(3),
        nonce: Nonce::from_bytes(*b"nonce 03"),
    }
}

/// Returns an order as it travels, signed with the key of this crate.
pub fn sealed(order: &ActivationOrder) -> Vec<u8> {
    order.sign(&key()).expect("a key in memory signs").bytes().to_vec()
}

fn roots() -> Vec<Seed> {
    let first = signed_root(&first_root(), &[11, 12]);
    let next = signed_root(&next_root(), &[11, 12]);
    // Between the message's head and its two signatures stands the document: h'', {}, then its byte string.
    let document = |signed: &[u8]| {
        let mut decoder = minicbor::Decoder::new(signed);
        let skipped = decoder.tag().and_then(|_| decoder.array()).and_then(|_| decoder.skip());
        let payload = skipped.and_then(|()| decoder.skip()).and_then(|()| decoder.bytes());
        payload.expect("a root made by this crate's own tool is sound").to_vec()
    };
    vec![
        ("document", document(&next)),
        ("first", first),
        ("next-by-one", signed_root(&next_root(), &[11])),
        ("next-by-strangers", signed_root(&next_root(), &[98, 99])),
        ("next-by-three", signed_root(&next_root(), &[11, 12, 13])),
        ("next", next),
    ]
}

fn orders() -> Vec<Seed> {
    let signed = sealed(&order());
    // [2, EUI-64, digest, epoch, counter, nonce] is the payload of the message: 56 bytes, before the signature's 66.
    let payload = signed[signed.len() - 66 - 56..signed.len() - 66].to_vec();
    let far = ActivationOrder { counter: OrderCounter(u64::MAX), ..order() };
    let stranger = firmware_image::SigningKey::generate_from_seed([3; 32]);
    let strangers = order().sign(&stranger).expect("a key in memory signs").bytes().to_vec();
    vec![("signed", signed), ("payload", payload), ("last-counter", sealed(&far)), ("strangers", strangers)]
}

fn manifests() -> Vec<Seed> {
    let envelope = signed().envelope().to_vec();
    let body = [element(0xf100, b"before"), element(0, b"image"), element(3, b"after")].concat();
    let file = OtaFile::parse(with_body(&body).into()).expect("a file of three elements is sound");
    let three = SignedImage::sign(&file, firmware_image::SequenceNumber(u64::MAX), &key());
    let three = three.expect("the file is not signed yet").envelope().to_vec();
    vec![
        ("manifest", manifest_in(&envelope)),
        ("manifest-of-three", manifest_in(&three)),
        ("envelope-of-three", three),
        ("envelope", envelope),
    ]
}

fn files() -> Vec<Seed> {
    let sound = unsigned().bytes().to_vec();
    let image = element(0, b"image");
    let other = element(0xf100, b"other");
    let header_only = sound[..HEADER_LEN].to_vec();
    let mut container = b"NGIS".to_vec();
    container.resize(88, 0);
    let mut full_text = sound.clone();
    full_text[20..52].copy_from_slice(b"all thirty-two bytes are in use!");
    let mut junk_text = sound.clone();
    junk_text[20..24].copy_from_slice(&[0x80, 0xfe, 0x00, 0x01]);
    let mut larger = with_body(&image);
    larger[52..56].copy_from_slice(&278_830_u32.to_le_bytes());
    let mut plain = identity();
    plain.hardware = None;
    plain.file_version = FileVersion(u32::MAX);
    let plain = OtaFile::build(&plain, "", b"x").expect("a small file is built").bytes().to_vec();
    let prefix = u32::try_from(sound.len()).expect("a seed is small").to_le_bytes();
    vec![
        ("before-magic-container", [&container[..], &sound].concat()),
        ("before-magic-length", [&prefix[..], &sound].concat()),
        ("bytes-after-the-end", [&sound[..], &[0xff; 4]].concat()),
        ("claims-more-than-it-has", larger),
        ("cut-short", sound[..sound.len() - 3].to_vec()),
        ("element-beyond-the-end", with_body(&[0x01, 0xf0, 0x00, 0x00, 0x00, 0x90, 1, 2, 3])),
        ("elements-175", with_body(&[image.clone(), element(0xf1ac, b"").repeat(174)].concat())),
        ("elements-too-many", with_body(&[image.clone(), element(0xf1ac, b"").repeat(1_024)].concat())),
        ("empty", Vec::new()),
        ("empty-payload", with_body(&element(0, b""))),
        ("first-is-not-the-payload", with_body(&[&other[..], &image].concat())),
        ("header-alone", header_only),
        ("header-text-full", full_text),
        ("header-text-junk", junk_text),
        ("integrity-code", with_body(&[&image[..], &element(3, &[0; 16])].concat())),
        ("mcuboot-cut-short", with_body(&element(0, b"\x3d\xb8\xf3\x96\0\0\0\0\x20\0\0\0"))),
        ("no-hardware-range", plain),
        ("no-ota-file", vec![0x55; 400]),
        ("no-payload", with_body(&other)),
        ("optional-fields", with_every_optional_field(&image)),
        (
            "registered-tags",
            with_body(&[0_u8, 1, 2, 5, 6].map(|tag| element(tag.into(), &[tag; 9])).concat()),
        ),
        ("several-payloads", with_body(&image.repeat(2))),
        ("signed", signed().file().bytes().to_vec()),
        ("sound", sound),
        ("stray-bytes", with_body(&[&image[..], &element(0xf000, b"telink"), b"xx"].concat())),
        (
            "unregistered-tags",
            with_body(&[&image[..], &element(0x0100, b"a"), &element(0xcdef, b"b")].concat()),
        ),
    ]
}

/// The length of the header of the small sound file.
const HEADER_LEN: usize = 60;

fn element(tag: u16, value: &[u8]) -> Vec<u8> {
    let len = u32::try_from(value.len()).expect("a seed is small");
    [&tag.to_le_bytes()[..], &len.to_le_bytes(), value].concat()
}

/// Makes a file with this body and the right size, whatever the body.
fn with_body(body: &[u8]) -> Vec<u8> {
    with_right_size([&unsigned().bytes()[..HEADER_LEN], body].concat())
}

/// Makes a file whose header has credential version, destination and hardware range: field control 7.
fn with_every_optional_field(body: &[u8]) -> Vec<u8> {
    let mut bytes = unsigned().bytes()[..56].to_vec();
    bytes[6] = 56 + 1 + 8 + 4;
    bytes[8] = 0b111;
    bytes.push(2);
    bytes.extend_from_slice(&[0, 0x0d, 0x6f, 0, 0x0b, 0x0a, 0x0c, 0x0d]);
    bytes.extend_from_slice(&[0x00, 0x01, 0xff, 0x01]);
    bytes.extend_from_slice(body);
    with_right_size(bytes)
}

fn with_right_size(mut bytes: Vec<u8>) -> Vec<u8> {
    let total = u32::try_from(bytes.len()).expect("a seed is small");
    bytes[52..56].copy_from_slice(&total.to_le_bytes());
    bytes
}
