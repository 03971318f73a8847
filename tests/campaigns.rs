//! Whole campaigns under virtual time.

use std::collections::BTreeSet;
use std::time::Duration;

use campaign::{Outcome, OutcomeClass, Phase};
use eligibility::DeviceType;
use fleet::DeviceKind;

use crate::street::{DEMO, STREET, rehearsal_with, simulation, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);

#[test]
fn the_totals_of_a_campaign_add_up_to_its_order() {
    let spec = world(DEMO, 120);
    let mut simulation = simulation(&spec, 7);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Finished, "{:?}", state.halted_because);
    let tally = state.tally();
    assert_eq!(tally.ordered, tally.done + tally.failed + tally.excluded + tally.pending);
    assert_eq!(tally.pending, 0);
    assert_eq!(tally.by_outcome.values().sum::<usize>(), tally.ordered);
    let kept = state.progress();
    assert_eq!((kept.size, kept.done, kept.failed), (tally.ordered, tally.done, tally.failed));
    assert_eq!(
        tally.by_refusal.values().sum::<usize>(),
        tally.by_outcome.get(&Outcome::Refused).copied().unwrap_or(0)
    );
    assert!(tally.done > tally.ordered / 2, "{tally:?}");
    assert!(tally.excluded > 0, "the gate refused nobody: {tally:?}");
    simulation.ledger().verify().expect("the ledger verifies");
}

#[test]
fn what_the_ledger_calls_activated_is_what_the_devices_run_and_nobody_activated_twice() {
    let spec = world(DEMO, 60);
    let mut simulation = simulation(&spec, 11);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let census = simulation.census();
    let mut activated = 0;
    for device in &census.devices {
        assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
        let Some(row) = simulation.state().row(device.eui) else { continue };
        if row.outcome.as_ref().is_some_and(|(outcome, _)| *outcome == Outcome::Activated) {
            activated += 1;
            assert_eq!(row.running.as_deref(), Some(device.running_version.to_string().as_str()));
            assert_eq!(device.activations, 1);
        } else if row.outcome.as_ref().is_some_and(|(outcome, _)| outcome.class() != OutcomeClass::Done) {
            assert_eq!(device.activations, 0, "{} runs what the ledger does not know", device.eui);
        }
    }
    assert!(activated > 0);
}

#[test]
fn the_same_seed_gives_the_same_ledger_and_another_seed_another() {
    let spec = world(STREET, 10);
    let head = |seed| {
        let mut simulation = simulation(&spec, seed);
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        simulation.head()
    };
    assert_eq!(head(7), head(7));
    assert_ne!(head(7).hash, head(8).hash);
}

#[test]
fn firmware_that_does_not_come_up_halts_the_campaign_in_its_pilot() {
    let mut spec = world(DEMO, 60);
    spec.trouble.does_not_come_up_share = fleet::Share::ALL;
    spec.trouble.wrong_hardware_share = fleet::Share::NONE;
    spec.trouble.already_current_share = fleet::Share::NONE;
    spec.trouble.flash_defect_share = fleet::Share::NONE;
    spec.trouble.unreachable_share = fleet::Share::NONE;
    let mut simulation = simulation(&spec, 3);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Halted);
    let tally = state.tally();
    assert_eq!(tally.pending, 0);
    let beyond_pilot = state.rows().filter(|row| row.wave > Some(0) && row.order_counter.is_some()).count();
    assert_eq!(beyond_pilot, 0, "nothing beyond the pilot was activated");
    let census = simulation.census();
    assert!(census.devices.iter().any(|device| device.rollbacks > 0), "nobody tried the new firmware");
    for device in census.devices.iter().filter(|device| device.trouble.is_some()) {
        assert_eq!(device.activations, 0, "{} runs firmware that does not come up", device.eui);
    }
}

/// Images of two kinds of devices may have the same payload, byte for byte; the order named one file for both.
#[test]
fn each_kind_of_device_is_ordered_its_own_image_though_payloads_are_the_same() {
    let spec = world(STREET, 10);
    let set = rehearsal_with(&spec, 7, [9_000, 9_000]);
    let digests: BTreeSet<_> = set.images.iter().map(|image| image.image_digest()).collect();
    assert_eq!((digests.len(), set.images.len()), (1, 2));
    for target in &set.order.targets {
        let entry = set.desk.register.entry(&target.cpl_entry).expect("it is listed");
        let image = set.images.iter().find(|image| image.file_digest() == target.image).expect("it is there");
        let kind =
            if entry.device_type == DeviceType::Gsme { DeviceKind::Gas } else { DeviceKind::Electricity };
        assert_eq!(image.identity().image_type, spec.device.of(kind).target().image_type);
    }
    assert_eq!(set.order.targets.len(), 2);
}
