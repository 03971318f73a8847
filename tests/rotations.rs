//! A campaign on homes that missed two years of rotations: hubs and meters are led to today's root before today's
//! images and orders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use campaign::{ChainPapers, Outcome, Phase};
use firmware_image::{OtaFile, SequenceNumber, SignedImage, TrustAnchor, VerifiedImage};
use fleet::{Cast, DeviceKind, Rehearsal, Share, Simulation, WorldSpec};

use crate::chain::{Chain, Staff, key};
use crate::street::{PORT, STREET, world};

const LIMIT: Duration = Duration::from_secs(20 * 86_400);
const NEWEST: u64 = 71;

fn staff(version: u64) -> Staff {
    Staff {
        maker: 1 + (version / 20) as u8,
        order: 1 + (version / 30) as u8,
        epoch: 1 + (version / 50) as u32,
    }
}

fn images(spec: &WorldSpec, anchor: &TrustAnchor) -> BTreeMap<DeviceKind, VerifiedImage> {
    let key = key("maker", staff(NEWEST).maker);
    let image = |(kind, len): (DeviceKind, usize)| {
        let payload: Vec<u8> = (0..len).map(|at| (at * 31 % 253) as u8).collect();
        let file = OtaFile::build(&spec.device.of(kind).target(), "rotation", &payload).unwrap();
        let sequence = SequenceNumber(u64::from(file.identity().file_version.0));
        let signed = SignedImage::sign(&file, sequence, &key).unwrap();
        (kind, anchor.root().images().verify(signed).unwrap())
    };
    [(DeviceKind::Electricity, 9_000), (DeviceKind::Gas, 7_000)].into_iter().map(image).collect()
}

#[test]
fn homes_that_missed_seventy_rotations_are_led_forward_and_updated() {
    let mut spec = world(STREET, 2);
    // One of the two is the pilot, and has the device that fails.
    spec.campaign.success_threshold = Share::NONE;
    let chain = Chain::at(spec.start);
    let roots: Vec<_> = (1..=NEWEST).map(|version| chain.signed_root(version, staff(version))).collect();
    let newest = TrustAnchor::adopt(roots.last().unwrap()).unwrap();
    let images = images(&spec, &newest);
    let files: Vec<OtaFile> = images.values().map(|image| image.file().clone()).collect();
    let release = chain.release(1, NEWEST, &files.iter().collect::<Vec<_>>());
    let papers = ChainPapers::new(roots, vec![chain.status(1, NEWEST, Vec::new()), release]).unwrap();
    let mut rehearsal = Rehearsal::new(Cast {
        spec: &spec,
        seed: 7,
        images: &images,
        trust: Arc::new(chain.factory()),
        order_key: key("order", staff(NEWEST).order),
        hub_port: PORT,
    })
    .unwrap();
    rehearsal.settings.papers = papers;
    let mut simulation = Simulation::new(rehearsal, spec.start, PORT).unwrap();
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Finished, "{:?}", state.halted_because);
    let tally = state.tally();
    let of = |outcome| tally.by_outcome.get(&outcome).copied().unwrap_or(0);
    assert!(of(Outcome::Activated) >= 2, "{tally:?}");
    // The street has a device whose new firmware does not come up, and the one beside it is not told then; nothing else may
    // fail.
    assert_eq!(
        (tally.failed, tally.excluded),
        (of(Outcome::RolledBack), of(Outcome::HeldUnactivated)),
        "{tally:?}"
    );
    let gas = state.rows().filter(|row| row.kind == "GSME" && row.outcome.as_ref().is_some_and(is_activated));
    assert!(gas.count() >= 1, "a gas meter is among them");
}

fn is_activated(outcome: &(Outcome, String)) -> bool {
    outcome.0 == Outcome::Activated
}

#[test]
fn without_papers_a_rooted_hub_lets_nothing_in_and_the_campaign_says_so() {
    let spec = world(STREET, 1);
    let chain = Chain::at(spec.start);
    let newest = TrustAnchor::adopt(&chain.signed_root(NEWEST, staff(NEWEST))).unwrap();
    let cast = Cast {
        spec: &spec,
        seed: 7,
        images: &images(&spec, &newest),
        trust: Arc::new(chain.factory()),
        order_key: key("order", 1),
        hub_port: PORT,
    };
    let mut simulation = Simulation::new(Rehearsal::new(cast).unwrap(), spec.start, PORT).unwrap();
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let tally = simulation.state().tally();
    assert_eq!(tally.done, 0, "{tally:?}");
    assert_eq!(tally.by_outcome.get(&Outcome::Activated), None);
}
