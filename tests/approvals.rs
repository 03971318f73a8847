//! Campaigns that activate nothing until different people stand behind them.

use std::time::Duration;

use campaign::{ApprovalError, Heeded, Outcome, Phase, Stage};
use firmware_image::{
    CampaignName, FileDigest, ImageDigest, Release, ReleasedImage, RootVersion, SignedRelease, Targets,
    TrustRoot, UtcSeconds, Validity,
};
use fleet::{Rehearsal, Simulation};

use crate::chain::{Chain, FIRST, key};
use crate::street::{PORT, STREET, rehearsal, world};

const SEED: u64 = 7;
const LIMIT: Duration = Duration::from_secs(60 * 86_400);
/// Long enough for every image of a street to be delivered, and within the approval's time.
const DELIVERY: Duration = Duration::from_secs(2 * 86_400);

struct Street {
    simulation: Simulation,
    root: TrustRoot,
    release: Release,
}

/// A street whose policy asks for so many approvals, and the release that its operators could sign.
fn street(approvals: u8) -> Street {
    let spec = world(STREET, 10);
    let mut rehearsal = rehearsal(&spec, SEED);
    rehearsal.order.policy.approvals = approvals;
    let mut images: Vec<ReleasedImage> = rehearsal
        .images
        .iter()
        .map(|image| ReleasedImage {
            file: FileDigest::of(image.bytes()),
            image: ImageDigest::of(image.file().payload()),
        })
        .collect();
    images.sort();
    let issued = UtcSeconds(spec.start.as_micros() / 1_000_000);
    let release = Release {
        serial: 1,
        campaign: CampaignName::new(rehearsal.order.id.as_str()).unwrap(),
        root_version: RootVersion(1),
        validity: Validity { issued, expires: issued.plus(20 * 86_400) },
        images,
        targets: Targets::of(rehearsal.order.devices.iter().copied()),
        policy: [0; 32],
    };
    let root = Chain::at(spec.start).root(1, FIRST);
    let mut simulation = Simulation::new(rehearsal, spec.start, PORT).expect("the order is accepted");
    let operators = root.clone();
    simulation.ask(|conductor, _| conductor.trust_operators(operators)).expect("it is kept");
    Street { simulation, root, release }
}

fn signed(release: &Release, operators: &[u8]) -> SignedRelease {
    let draft = SignedRelease::draft(release).unwrap();
    operators.iter().fold(draft, |draft, number| draft.approve(&key("operator", *number)).unwrap())
}

fn approve(simulation: &mut Simulation, release: &SignedRelease) -> Result<Heeded, ApprovalError> {
    let id = simulation.state().id.clone();
    simulation.ask(|conductor, now| conductor.approve(now, &id, release)).expect("it is kept")
}

fn orders(simulation: &Simulation) -> usize {
    simulation.state().rows().filter(|row| row.order_counter.is_some()).count()
}

#[test]
fn nothing_is_activated_before_two_people_have_approved_and_a_restart_remembers_that_they_have() {
    let Street { mut simulation, root, release } = street(2);
    simulation.run_until(simulation.now() + DELIVERY).expect("it runs");
    assert!(simulation.state().rows().any(|row| row.stage == Stage::Delivered), "nothing was delivered");
    assert_eq!(orders(&simulation), 0, "an order without approvals");
    let good = signed(&release, &[1, 2]);
    assert_eq!(approve(&mut simulation, &good).expect("it approves"), Heeded::Now);
    assert_eq!(approve(&mut simulation, &good).expect("it approves"), Heeded::Already);
    let by = simulation.state().approved.as_ref().map(|record| record.by.clone());
    assert_eq!(by, Some(vec!["operator 1".to_owned(), "operator 2".to_owned()]));
    let Rehearsal { desk, settings, images, .. } = rehearsal(&world(STREET, 10), SEED);
    simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
    simulation.run_until(simulation.now() + Duration::from_secs(3_600)).expect("it runs");
    assert_eq!(orders(&simulation), 0, "believed without knowing the operators");
    simulation.ask(|conductor, _| conductor.trust_operators(root)).expect("it is kept");
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Finished, "{:?}", state.halted_because);
    assert!(state.rows().any(|row| matches!(row.outcome, Some((Outcome::Activated, _)))));
}

#[test]
fn a_release_of_one_person_or_for_something_else_approves_nothing() {
    let Street { mut simulation, release, .. } = street(2);
    let other = |change: fn(&mut Release)| {
        let mut release = release.clone();
        change(&mut release);
        signed(&release, &[1, 2])
    };
    let table = [
        (signed(&release, &[1]), "not believed"),
        (signed(&release, &[3, 4]), "not believed"),
        (other(|release| release.campaign = CampaignName::new("winter").unwrap()), "another name"),
        (other(|release| release.images.truncate(1)), "another image"),
        (other(|release| release.targets.count += 1), "another set of devices"),
        (other(|release| release.validity.issued = release.validity.issued.plus(86_400)), "is good from"),
    ];
    for (release, words) in table {
        let error = approve(&mut simulation, &release).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    simulation.run_until(simulation.now() + DELIVERY).expect("it runs");
    assert_eq!(orders(&simulation), 0);
}

#[test]
fn an_operator_whose_key_was_taken_away_has_approved_nothing() {
    let Street { mut simulation, mut root, release } = street(2);
    approve(&mut simulation, &signed(&release, &[1, 2])).expect("it approves");
    let kept = root.operator.records().iter().filter(|record| record.holder.as_str() != "operator 2");
    root.operator = firmware_image::Quorum::new(1, kept.cloned().collect()).unwrap();
    simulation.ask(|conductor, _| conductor.trust_operators(root)).expect("it is kept");
    simulation.run_until(simulation.now() + DELIVERY).expect("it runs");
    assert!(simulation.state().rows().any(|row| row.stage == Stage::Delivered), "nothing was delivered");
    assert_eq!(orders(&simulation), 0);
}
