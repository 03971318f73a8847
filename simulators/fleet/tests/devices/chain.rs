//! The people and machines of the chain of trust, for tests: who holds which key in which year, and what they sign.

use bytes::Bytes;
use firmware_image::{
    CampaignName, CounterEpoch, Eui64, FileDigest, Floor, Holder, ImageDigest, KeyRecord, Maker,
    ManufacturerCode, OtaFile, Quorum, Release, ReleasedImage, RootVersion, SequenceNumber,
    SignatureAlgorithm, SignedRelease, SignedRoot, SignedStatus, SigningKey, Status, Targets, TrustAnchor,
    TrustRoot, UtcSeconds, Validity,
};
use fleet::DeviceTrust;
use transfer_engine::Moment;

pub const MAKER: ManufacturerCode = ManufacturerCode(0x10E5);
const DAY: u64 = 86_400;

/// Who signs in a generation: keys of the maker and of the order service change, the others stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staff {
    pub maker: u8,
    pub order: u8,
    pub epoch: u32,
}

pub const FIRST: Staff = Staff { maker: 1, order: 1, epoch: 1 };

pub fn key(role: &str, number: u8) -> SigningKey {
    let mut seed = [number; 32];
    seed[1..1 + role.len()].copy_from_slice(role.as_bytes());
    SigningKey::generate_from_seed(seed)
}

fn quorum(threshold: u8, role: &str, numbers: &[u8]) -> Quorum {
    let record = |number: &u8| KeyRecord {
        algorithm: SignatureAlgorithm::Ed25519,
        key: key(role, *number).public(),
        holder: Holder::new(&format!("{role} {number}")).unwrap(),
    };
    Quorum::new(threshold, numbers.iter().map(record).collect()).unwrap()
}

/// Roots and papers as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    pub now: UtcSeconds,
}

impl Chain {
    pub fn at(now: Moment) -> Chain {
        Chain { now: UtcSeconds(now.as_micros() / 1_000_000) }
    }

    pub fn root(&self, version: u64, staff: Staff) -> TrustRoot {
        let retired = |role: &'static str, now: u8| (1..now).map(move |number| key(role, number).public());
        let mut revoked: Vec<_> =
            retired("maker", staff.maker).chain(retired("order", staff.order)).collect();
        revoked.sort_by_key(|key| key.to_bytes());
        TrustRoot {
            version: RootVersion(version),
            validity: Validity { issued: UtcSeconds(self.now.0 - DAY), expires: self.now.plus(300 * DAY) },
            root: quorum(2, "root", &[1, 2, 3]),
            makers: vec![Maker {
                manufacturer: MAKER,
                image_types: Vec::new(),
                quorum: quorum(1, "maker", &[staff.maker]),
            }],
            operator: quorum(2, "operator", &[1, 2]),
            status: quorum(1, "status", &[1]),
            order: quorum(1, "order", &[staff.order]),
            revoked,
            epoch: CounterEpoch(staff.epoch),
        }
    }

    pub fn signed_root(&self, version: u64, staff: Staff) -> SignedRoot {
        self.sign(&self.root(version, staff), &[1, 2])
    }

    pub fn sign(&self, root: &TrustRoot, signers: &[u8]) -> SignedRoot {
        let draft = SignedRoot::draft(root).unwrap();
        signers.iter().fold(draft, |root, number| root.sign(&key("root", *number)).unwrap())
    }

    /// What a factory puts on a device.
    pub fn factory(&self) -> DeviceTrust {
        DeviceTrust::rooted(TrustAnchor::adopt(&self.signed_root(1, FIRST)).unwrap())
    }

    pub fn status(&self, serial: u64, newest_root: u64, floors: Vec<Floor>) -> Bytes {
        let validity = Validity { issued: self.now, expires: self.now.plus(DAY) };
        let status = Status { serial, validity, newest_root: RootVersion(newest_root), floors };
        let signed: SignedStatus = status.sign(&key("status", 1)).unwrap();
        signed.bytes().clone()
    }

    pub fn release(&self, serial: u64, root_version: u64, files: &[&OtaFile]) -> Bytes {
        self.release_of("campaign", serial, root_version, files)
    }

    pub fn release_of(&self, name: &str, serial: u64, root_version: u64, files: &[&OtaFile]) -> Bytes {
        self.release_by(&[1, 2], name, serial, root_version, files)
    }

    /// A release that these operators have approved.
    pub fn release_by(
        &self,
        operators: &[u8],
        name: &str,
        serial: u64,
        root_version: u64,
        files: &[&OtaFile],
    ) -> Bytes {
        let mut images: Vec<ReleasedImage> = files.iter().map(|file| released(file)).collect();
        images.sort();
        let release = Release {
            serial,
            campaign: CampaignName::new(name).unwrap(),
            root_version: RootVersion(root_version),
            validity: Validity { issued: self.now, expires: self.now.plus(20 * DAY) },
            images,
            targets: Targets::of([Eui64::from_bytes([1; 8])]),
            policy: [0; 32],
        };
        let draft = SignedRelease::draft(&release).unwrap();
        let approve = |draft: SignedRelease, number: &u8| draft.approve(&key("operator", *number)).unwrap();
        operators.iter().fold(draft, approve).bytes().clone()
    }
}

fn released(file: &OtaFile) -> ReleasedImage {
    ReleasedImage { file: FileDigest::of(file.bytes()), image: ImageDigest::of(file.payload()) }
}

pub fn floor(image_type: firmware_image::ImageType, lowest: u64) -> Floor {
    Floor { manufacturer: MAKER, image_type, lowest: SequenceNumber(lowest) }
}
