//! A small world of keys and duties, for the tests of the chain of trust.

use firmware_image::{
    CampaignName, CounterEpoch, FileDigest, Holder, ImageDigest, KeyRecord, Maker, Quorum, Release,
    ReleasedImage, RootVersion, SignatureAlgorithm, SignedImage, SignedRelease, SignedRoot, SignedStatus,
    Status, Targets, TrustAnchor, TrustRoot, UtcSeconds, Validity,
};

use crate::support::{identity, key};

/// Seeds of the keys, by duty.
pub const ROOT: [u8; 3] = [11, 12, 13];
pub const MAKER: u8 = 21;
pub const ANN: u8 = 31;
pub const BOB: u8 = 32;
pub const STATUS: u8 = 41;
pub const ORDER: u8 = 51;

pub const NOW: UtcSeconds = UtcSeconds(1_800_000_000);
pub const HOUR: u64 = 3_600;

pub fn record(seed: u8, holder: &str) -> KeyRecord {
    let holder = Holder::new(holder).unwrap();
    KeyRecord { algorithm: SignatureAlgorithm::Ed25519, key: key(seed).public(), holder }
}

pub fn quorum(threshold: u8, seeds: &[u8]) -> Quorum {
    let records = seeds.iter().map(|seed| record(*seed, &format!("holder of {seed}"))).collect();
    Quorum::new(threshold, records).unwrap()
}

pub fn maker(seeds: &[u8]) -> Maker {
    let identity = identity();
    Maker {
        manufacturer: identity.manufacturer,
        image_types: vec![identity.image_type],
        quorum: quorum(1, seeds),
    }
}

pub fn first_root() -> TrustRoot {
    TrustRoot {
        version: RootVersion(1),
        validity: Validity { issued: NOW, expires: NOW.plus(365 * 24 * HOUR) },
        root: quorum(2, &ROOT),
        makers: vec![maker(&[MAKER])],
        operator: Quorum::new(2, vec![record(ANN, "Ann"), record(BOB, "Bob")]).unwrap(),
        status: quorum(1, &[STATUS]),
        order: quorum(1, &[ORDER]),
        revoked: vec![],
        epoch: CounterEpoch(1),
    }
}

/// The root after this one, with nothing else changed.
pub fn next(root: &TrustRoot) -> TrustRoot {
    TrustRoot { version: RootVersion(root.version.0 + 1), ..root.clone() }
}

pub fn signed_root(root: &TrustRoot, seeds: &[u8]) -> SignedRoot {
    seeds.iter().fold(SignedRoot::draft(root).unwrap(), |draft, seed| draft.sign(&key(*seed)).unwrap())
}

pub fn anchor() -> TrustAnchor {
    TrustAnchor::adopt(&signed_root(&first_root(), &ROOT[..2])).unwrap()
}

pub fn status(serial: u64, newest_root: u64) -> Status {
    Status {
        serial,
        validity: Validity { issued: NOW, expires: NOW.plus(24 * HOUR) },
        newest_root: RootVersion(newest_root),
        floors: vec![],
    }
}

pub fn signed_status(status: &Status) -> SignedStatus {
    status.sign(&key(STATUS)).unwrap()
}

pub fn release_of(image: &SignedImage, serial: u64) -> Release {
    let (file, image) = (image.file().file_digest(), image.file().image_digest());
    release(serial, vec![ReleasedImage { file, image }])
}

pub fn release(serial: u64, images: Vec<ReleasedImage>) -> Release {
    Release {
        serial,
        campaign: CampaignName::new("winter").unwrap(),
        root_version: RootVersion(1),
        validity: Validity { issued: NOW, expires: NOW.plus(30 * 24 * HOUR) },
        images,
        targets: Targets::of([]),
        policy: [7; 32],
    }
}

pub fn some_image(name: &[u8]) -> ReleasedImage {
    ReleasedImage { file: FileDigest::of(name), image: ImageDigest::of(name) }
}

pub fn approved(release: &Release, seeds: &[u8]) -> SignedRelease {
    let draft = SignedRelease::draft(release).unwrap();
    seeds.iter().fold(draft, |draft, seed| draft.approve(&key(*seed)).unwrap())
}
