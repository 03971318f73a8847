//! The key of a maker is revoked in the middle of a campaign: nothing more is sent or activated, and it says why.

use std::time::Duration;

use campaign::{Outcome, Phase, Stage};
use firmware_image::FileDigest;
use fleet::{Rehearsal, Simulation};

use crate::street::{STREET, rehearsal, simulation, world};

const SEED: u64 = 3;
const LIMIT: Duration = Duration::from_secs(60 * 86_400);

/// Runs a street until a first image is at a hub, and says which image devices still wait for.
fn half_way() -> (Simulation, FileDigest) {
    let spec = world(STREET, 10);
    let mut simulation = simulation(&spec, SEED);
    let mut at = spec.start;
    loop {
        at = at + Duration::from_secs(60);
        simulation.run_until(at).expect("it runs");
        let waits =
            |row: &&campaign::DeviceRow| row.outcome.is_none() && row.reached(Stage::Staged).is_some();
        let waiting = simulation.state().rows().find(waits).and_then(|row| row.image);
        if let Some(image) = waiting {
            return (simulation, image);
        }
    }
}

fn halts_and_activates_no_more(mut simulation: Simulation, image: FileDigest) {
    let activations = |simulation: &Simulation| simulation.census().total(|device| device.activations);
    let ordered = simulation.state().rows().filter(|row| row.order_counter.is_some()).count();
    let before = activations(&simulation);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Halted);
    let why = state.halted_because.as_deref().unwrap_or_default();
    assert!(why.contains(&image.to_string()) && why.contains("withdrawn"), "{why}");
    assert_eq!(state.tally().pending, 0);
    assert!(state.rows().any(|row| matches!(row.outcome, Some((Outcome::Halted, _)))));
    assert_eq!(state.rows().filter(|row| row.order_counter.is_some()).count(), ordered, "no new order");
    assert!(activations(&simulation) - before <= ordered as u64);
    simulation.ledger().verify().expect("the ledger verifies");
}

#[test]
fn an_image_withdrawn_under_way_halts_its_campaign() {
    let (mut simulation, image) = half_way();
    simulation.withdraw_image(image);
    halts_and_activates_no_more(simulation, image);
}

/// A head-end whose campaign named an image that was withdrawn while it was down refused to start.
#[test]
fn an_image_withdrawn_while_the_head_end_was_down_halts_its_campaign_at_the_start() {
    let (mut simulation, image) = half_way();
    let Rehearsal { desk, settings, images, .. } = rehearsal(&world(STREET, 10), SEED);
    let left = images.into_iter().filter(|one| one.file_digest() != image).collect();
    simulation.restart_head_end(settings, desk, left, &[image]).expect("it starts again");
    halts_and_activates_no_more(simulation, image);
}
