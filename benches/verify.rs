//! What it costs to believe an image: `TrustStore::verify_bytes` on 512 KiB against the two things that cannot be
//! saved, one SHA-256 over those bytes and one strict Ed25519 verification.
//!
//! `cargo bench --bench verify`. Read the ratio, measured in turns within one run; absolute times belong to the
//! machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::{Signature, Signer, SigningKey as RawKey, VerifyingKey};
use firmware_image::{
    FileVersion, ImageIdentity, ImageType, ManufacturerCode, OtaFile, SequenceNumber, SignedImage,
    SigningKey, TrustStore,
};
use sha2::{Digest, Sha256};

/// The size of the image, in bytes: the one that performance is stated for.
const IMAGE: usize = 512 * 1_024;

/// The speed to reach, in percent of the floor's.
const TARGET_PERCENT: f64 = 90.0;

/// How often each is measured for the ratio. The fastest turn of each counts: other work can only make one slower.
const TURNS: usize = 1_000;

/// An image as it arrives, and who believes it.
struct Intake {
    trust: TrustStore,
    bytes: Bytes,
}

impl Intake {
    fn new() -> Intake {
        let identity = ImageIdentity {
            manufacturer: ManufacturerCode(0x10E5),
            image_type: ImageType(0x0011),
            file_version: FileVersion(1),
            hardware: None,
        };
        let key = SigningKey::generate_from_seed([1; 32]);
        let file = OtaFile::build(&identity, "bench", &[0x5A; IMAGE]).expect("the image is a sound file");
        let image = SignedImage::sign(&file, SequenceNumber(1), &key).expect("the image is not signed yet");
        Intake { trust: TrustStore::new(vec![key.public()]), bytes: image.file().bytes().clone() }
    }

    fn verify(&self) {
        black_box(self.trust.verify_bytes(self.bytes.clone()).expect("the image is rightly signed"));
    }
}

/// What no verifier can do without, made with the libraries alone.
struct Floor {
    image: Vec<u8>,
    /// As long as the Sig_structure that an image's signature is over.
    message: [u8; 64],
    key: VerifyingKey,
    signature: Signature,
}

impl Floor {
    fn new() -> Floor {
        let message = [0x5A; 64];
        let key = RawKey::from_bytes(&[1; 32]);
        Floor { image: vec![0x5A; IMAGE], message, key: key.verifying_key(), signature: key.sign(&message) }
    }

    fn hash(&self) {
        black_box(Sha256::digest(black_box(&self.image)));
    }

    fn check_signature(&self) {
        self.key.verify_strict(black_box(&self.message), &self.signature).expect("the signature is right");
    }
}

fn time(act: impl FnOnce()) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}

/// Measures both in turns, so that a machine that slows down slows both, and prints how they compare.
fn print_ratio(intake: &Intake, floor: &Floor) {
    let (mut verified, mut bare, mut hashed) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        verified = verified.min(time(|| intake.verify()));
        bare = bare.min(time(|| {
            floor.hash();
            floor.check_signature();
        }));
        hashed = hashed.min(time(|| floor.hash()));
    }
    let percent = 100.0 * bare.as_secs_f64() / verified.as_secs_f64();
    let beyond = verified.saturating_sub(bare).as_secs_f64() / hashed.as_secs_f64();
    let judgement = if percent >= TARGET_PERCENT { "reached" } else { "missed" };
    println!(
        "verify/ratio: {percent:.1} % of the speed of sha2 + one verify_strict ({verified:?} against {bare:?}; \
         target {TARGET_PERCENT} %: {judgement}); what is spent beyond it is {beyond:.2} times the hash of the image"
    );
}

fn verification(criterion: &mut Criterion) {
    let (intake, floor) = (Intake::new(), Floor::new());
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Bytes(IMAGE as u64));
    group.bench_function("image of 512 KiB, as it arrives", |bencher| bencher.iter(|| intake.verify()));
    group.bench_function("floor: sha2 + one verify_strict", |bencher| {
        bencher.iter(|| {
            floor.hash();
            floor.check_signature();
        });
    });
    group.bench_function("floor: sha2 alone", |bencher| bencher.iter(|| floor.hash()));
    group.finish();
    print_ratio(&intake, &floor);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2));
    targets = verification
}
criterion_main!(benches);
