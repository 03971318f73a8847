//! The stage on which the scenarios play: a small world, two small images, keys from the seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use firmware_image::{
    ImageIdentity, OtaFile, SequenceNumber, SignedImage, SigningKey, TrustStore, VerifiedImage,
};
use fleet::{Cast, DeviceKind, DeviceTrust, Rehearsal, Simulation, WorldSpec};

/// The street of ten homes, with small images so that a debug build takes seconds.
pub(crate) const STREET: &str = include_str!("../simulators/fleets/street.toml");

/// The demo's world: every kind of trouble.
pub(crate) const DEMO: &str = include_str!("../simulators/fleets/demo.toml");

pub(crate) const PORT: u16 = 4059;

/// Reads a world and sets its size.
pub(crate) fn world(text: &str, installations: u32) -> WorldSpec {
    let mut spec = WorldSpec::parse(text).expect("a committed world is sound");
    spec.installations = installations.try_into().expect("at least one home");
    spec.cells = spec.cells.min(spec.installations);
    spec
}

/// A key of the seed: 1 makes images, 2 orders activations.
pub(crate) fn key(seed: u64, purpose: u8) -> SigningKey {
    let mut bytes = [purpose; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SigningKey::generate_from_seed(bytes)
}

/// Payloads that let a debug build take seconds, bytes.
const SMALL: [usize; 2] = [9_000, 7_000];

/// A signed image of this size, as a device is to run it.
pub(crate) fn image(seed: u64, identity: &ImageIdentity, len: usize) -> VerifiedImage {
    let key = key(seed, 1);
    let payload: Vec<u8> = (0..len).map(|i| (i * 31 % 253) as u8).collect();
    let file = OtaFile::build(identity, "scenario", &payload).expect("it builds");
    let sequence = SequenceNumber(u64::from(file.identity().file_version.0));
    let signed = SignedImage::sign(&file, sequence, &key).expect("it signs");
    TrustStore::new(vec![key.public()]).verify(signed).expect("it verifies")
}

/// Signed images of these sizes.
fn sized_images(
    spec: &WorldSpec,
    seed: u64,
    sizes: &[(DeviceKind, usize)],
) -> BTreeMap<DeviceKind, VerifiedImage> {
    sizes.iter().map(|(kind, len)| (*kind, image(seed, &spec.device.of(*kind).target(), *len))).collect()
}

/// A rehearsal on a world; the same arguments give the same one.
pub(crate) fn rehearsal(spec: &WorldSpec, seed: u64) -> Rehearsal {
    rehearsal_with(spec, seed, SMALL)
}

/// The same with images of these sizes for the electricity and the gas meter.
pub(crate) fn rehearsal_with(spec: &WorldSpec, seed: u64, [electricity, gas]: [usize; 2]) -> Rehearsal {
    rehearsal_of(spec, seed, &[(DeviceKind::Electricity, electricity), (DeviceKind::Gas, gas)])
}

/// The same with an image for hubs, too.
pub(crate) fn rehearsal_with_hubs(spec: &WorldSpec, seed: u64) -> Rehearsal {
    let [electricity, gas] = SMALL;
    let kinds = [DeviceKind::Hub, DeviceKind::Electricity, DeviceKind::Gas];
    let sizes: Vec<_> = kinds.into_iter().zip([gas, electricity, gas]).collect();
    rehearsal_of(spec, seed, &sizes)
}

/// The same with images of these sizes for these kinds of devices.
pub(crate) fn rehearsal_of(spec: &WorldSpec, seed: u64, sizes: &[(DeviceKind, usize)]) -> Rehearsal {
    let images_of = TrustStore::new(vec![key(seed, 1).public()]);
    let trust = DeviceTrust::pinned(images_of, vec![key(seed, 2).public()]);
    Rehearsal::new(Cast {
        spec,
        seed,
        images: &sized_images(spec, seed, sizes),
        trust: Arc::new(trust),
        order_key: key(seed, 2),
        hub_port: PORT,
    })
    .expect("the world makes a campaign")
}

/// A simulation that has not begun.
pub(crate) fn simulation(spec: &WorldSpec, seed: u64) -> Simulation {
    Simulation::new(rehearsal(spec, seed), spec.start, PORT).expect("the order is accepted")
}
