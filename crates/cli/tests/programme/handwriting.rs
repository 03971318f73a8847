//! The forger's documents, when nothing about them is false, are those that our own code signs, byte for byte.
//! Without this a forgery could be refused for its handwriting alone.

use firmware_image::{
    ActivationOrder, CampaignName, CounterEpoch, Eui64, FileDigest, FileVersion, HardwareRange,
    HardwareVersion, Holder, ImageDigest, ImageIdentity, ImageType, KeyRecord, Maker, ManufacturerCode,
    Nonce, OrderCounter, OtaFile, Predecessors, PublicKey, Quorum, Release, ReleasedImage, RootVersion,
    SequenceNumber, SignatureAlgorithm, SignedImage, SignedRelease, SignedRoot, Signer, Status, Targets,
    Terms, TrustRoot, UtcSeconds, Validity, VersionRange,
};

use crate::craft::{self, Target};
use crate::craft_image::{image, payload_of};
use crate::pen::key;
use crate::recipes::{
    DAY, HOUR, HUB_TYPE, ImageRecipe, MANUFACTURER, METER_TYPE, NEW, OrderRecipe, ReleaseRecipe, RootRecipe,
    StatusRecipe, moment,
};
use crate::table::Tally;

pub fn run() -> Tally {
    let mut tally = Tally::default();
    let target = Target {
        image_type: METER_TYPE,
        eui: [3; 8],
        image: *ImageDigest::of(b"image").as_bytes(),
        nonce: *b"nonce 01",
        last_counter: 4,
        epoch: 1,
        root: 1,
    };
    let mut same = |what: &str, forged: &[u8], ours: &[u8]| {
        tally.check(forged == ours, || format!("{what}: {forged:02x?} is not {ours:02x?}"));
    };
    for joint in [false, true] {
        let recipe = image_recipe(joint);
        same("image", &image(&recipe, METER_TYPE).bytes, our_image(&recipe, joint).file().bytes());
    }
    same("order", &craft::order(&OrderRecipe::default(), &target).bytes, &our_order(&target));
    same("status", &craft::status(&StatusRecipe::default(), &target).bytes, &our_status());
    let named = craft::names_of(b"file", target.image);
    let release = ReleaseRecipe { more: 3, ..ReleaseRecipe::default() };
    same("release", &craft::release(&release, &target, named).bytes, &our_release(&target));
    let root = RootRecipe { revoked: vec!["old".to_owned()], ..RootRecipe::default() };
    same("root", &craft::root(&root, 1).bytes, &our_root());
    tally
}

fn image_recipe(joint: bool) -> ImageRecipe {
    let plain = ImageRecipe { len: 3_000, hardware: Some([0x0100, 0x01FF]), ..ImageRecipe::default() };
    let by = vec!["maker".to_owned(), "maker2".to_owned()];
    let predecessors = Some(vec![[1, 2], [5, 9]]);
    if joint { ImageRecipe { by, predecessors, minimum_root: 1, ..plain } } else { plain }
}

fn our_image(recipe: &ImageRecipe, joint: bool) -> SignedImage {
    let identity = ImageIdentity {
        manufacturer: ManufacturerCode(MANUFACTURER),
        image_type: ImageType(METER_TYPE),
        file_version: FileVersion(NEW),
        hardware: Some(HardwareRange { min: HardwareVersion(0x0100), max: HardwareVersion(0x01FF) }),
    };
    let file = OtaFile::build(&identity, "forged", &payload_of(recipe)).unwrap();
    let range = |(min, max)| VersionRange { min: FileVersion(min), max: FileVersion(max) };
    let mut terms = Terms::from(SequenceNumber(recipe.sequence));
    let (maker, second) = (key("maker"), key("maker2"));
    let mut keys: Vec<&dyn Signer> = vec![&maker];
    if joint {
        terms.minimum_root = RootVersion(1);
        terms.predecessors = Predecessors::only([(1, 2), (5, 9)].map(range).to_vec()).unwrap();
        keys.push(&second);
    }
    SignedImage::sign_jointly(&file, &terms, &keys).unwrap()
}

fn our_order(target: &Target) -> Vec<u8> {
    let order = ActivationOrder {
        device: Eui64::from_bytes(target.eui),
        image: ImageDigest::from_bytes(target.image),
        epoch: CounterEpoch(1),
        counter: OrderCounter(5),
        nonce: Nonce::from_bytes(target.nonce),
    };
    order.sign(&key("order")).unwrap().bytes().to_vec()
}

fn our_status() -> Vec<u8> {
    let validity = validity(-HOUR, 20 * HOUR);
    let status = Status { serial: 1, validity, newest_root: RootVersion(1), floors: Vec::new() };
    status.sign(&key("status")).unwrap().bytes().to_vec()
}

fn validity(issued: i64, expires: i64) -> Validity {
    Validity { issued: UtcSeconds(moment(issued)), expires: UtcSeconds(moment(expires)) }
}

fn our_release(target: &Target) -> Vec<u8> {
    let mut images: Vec<ReleasedImage> = (0..3_u8)
        .map(|more| ReleasedImage { file: FileDigest::of(&[more]), image: ImageDigest::of(&[more, more]) })
        .collect();
    images
        .push(ReleasedImage { file: FileDigest::of(b"file"), image: ImageDigest::from_bytes(target.image) });
    images.sort();
    let release = Release {
        serial: 1,
        campaign: CampaignName::new("winter").unwrap(),
        root_version: RootVersion(1),
        validity: validity(-HOUR, 20 * DAY),
        images,
        targets: Targets::of([Eui64::from_bytes(target.eui)]),
        policy: [7; 32],
    };
    let draft = SignedRelease::draft(&release).unwrap();
    draft.approve(&key("ann")).unwrap().approve(&key("bob")).unwrap().bytes().to_vec()
}

fn our_root() -> Vec<u8> {
    let record = |name: &str, holder: &str| KeyRecord {
        algorithm: SignatureAlgorithm::Ed25519,
        key: key(name).public(),
        holder: Holder::new(holder).unwrap(),
    };
    let own = |threshold, names: &[&str]| {
        Quorum::new(threshold, names.iter().map(|name| record(name, name)).collect()).unwrap()
    };
    let revoked: Vec<PublicKey> = vec![key("old").public()];
    let root = TrustRoot {
        version: RootVersion(1),
        validity: validity(-DAY, 300 * DAY),
        root: own(2, &["r1", "r2", "r3"]),
        makers: vec![Maker {
            manufacturer: ManufacturerCode(MANUFACTURER),
            image_types: vec![ImageType(HUB_TYPE), ImageType(METER_TYPE)],
            quorum: own(1, &["maker"]),
        }],
        operator: Quorum::new(2, vec![record("ann", "Ann"), record("bob", "Bob")]).unwrap(),
        status: own(1, &["status"]),
        order: own(1, &["order"]),
        revoked,
        epoch: CounterEpoch(1),
    };
    let draft = SignedRoot::draft(&root).unwrap();
    draft.sign(&key("r2")).unwrap().sign(&key("r1")).unwrap().bytes().to_vec()
}
