//! Devices that are not what the inventory says any more: replaced under way, or taken over by another supplier.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use campaign::{Outcome, Phase};
use firmware_image::{OtaFile, SequenceNumber, SignedImage, SigningKey, TrustStore, VerifiedImage};
use fleet::{
    Cast, DeviceKind, DeviceTrust, FaultKind, PerDay, Rehearsal, Share, Simulation, WatchRules, WorldSpec,
};

use crate::street::{PORT, STREET, world};

pub(crate) const LIMIT: Duration = Duration::from_secs(60 * 86_400);

/// A street in which everybody may be updated and nothing is wrong.
pub(crate) fn plain_street() -> WorldSpec {
    let mut spec = world(STREET, 10);
    spec.standing.active_share = Share::NONE;
    spec.standing.mixed_share = Share::NONE;
    spec.evidence.epcl_share = Share::ALL;
    spec.evidence.mt_sit_share = Share::NONE;
    spec.evidence.dmct_report_share = Share::NONE;
    spec.evidence.equivalence_draft_share = Share::NONE;
    spec.trouble.already_current_share = Share::NONE;
    spec.trouble.wrong_hardware_share = Share::NONE;
    spec.trouble.does_not_come_up_share = Share::NONE;
    spec
}

pub(crate) fn images(
    spec: &WorldSpec,
    key: &SigningKey,
    kinds: &[DeviceKind],
) -> BTreeMap<DeviceKind, VerifiedImage> {
    let trust = TrustStore::new(vec![key.public()]);
    let image = |kind: &DeviceKind| {
        // Lists tell images apart by their payloads.
        let first = u32::from(kind.channel());
        let payload: Vec<u8> = (first..first + 8_000).map(|at| (at * 31 % 253) as u8).collect();
        let file = OtaFile::build(&spec.device.of(*kind).target(), "strangers", &payload).unwrap();
        let sequence = SequenceNumber(u64::from(file.identity().file_version.0));
        let signed = SignedImage::sign(&file, sequence, key).unwrap();
        (*kind, trust.verify(signed).unwrap())
    };
    kinds.iter().map(image).collect()
}

pub(crate) fn simulation(spec: &WorldSpec, seed: u64, kinds: &[DeviceKind]) -> Simulation {
    Simulation::new(rehearsal(spec, seed, kinds), spec.start, PORT).unwrap()
}

pub(crate) fn maker() -> SigningKey {
    SigningKey::generate_from_seed([1; 32])
}

pub(crate) fn rehearsal(spec: &WorldSpec, seed: u64, kinds: &[DeviceKind]) -> Rehearsal {
    let order_key = SigningKey::generate_from_seed([2; 32]);
    let trust = DeviceTrust::pinned(TrustStore::new(vec![maker().public()]), vec![order_key.public()]);
    let images = images(spec, &maker(), kinds);
    let cast = Cast { spec, seed, images: &images, trust: Arc::new(trust), order_key, hub_port: PORT };
    Rehearsal::new(cast).unwrap()
}

/// A hub that was replaced after it had been told to activate was read by its address alone: the new one, on its old
/// firmware, was taken for the old one gone back to it.
#[test]
fn a_hub_that_was_replaced_is_not_taken_for_the_one_that_was_meant() {
    let mut spec = plain_street();
    let (mut activated, mut replaced) = (0, 0);
    for seed in 0..40 {
        spec.faults.hub_swaps_per_day = PerDay::new(48.0).unwrap();
        let mut simulation = simulation(&spec, seed, &[DeviceKind::Hub]);
        simulation.run_until(spec.start + Duration::from_secs(3_600)).unwrap();
        simulation.calm();
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let census = simulation.census();
        for row in simulation.state().rows() {
            let device = census.everybody().find(|device| device.eui == row.device).unwrap();
            match row.outcome.as_ref().unwrap() {
                (Outcome::Activated, _) => {
                    activated += 1;
                    assert_eq!(device.activations, 1, "seed {seed}: {device:?}");
                }
                (Outcome::RolledBack, reason) => {
                    panic!("seed {seed}: none goes back, but {reason}: {device:?}")
                }
                (_, reason) => replaced += usize::from(reason.contains("is in its place")),
            }
        }
    }
    assert!(activated > 20 && replaced > 20, "{activated} activated, {replaced} replaced");
}

/// A meter that had been taken off the wall was waited for until the HAN leg was overdue, for a week or two, although its
/// hub told in every answer who hangs there now.
#[test]
fn a_meter_that_was_replaced_ends_as_soon_as_its_hub_says_so() {
    let mut spec = plain_street();
    spec.faults.meter_swaps_per_day = PerDay::new(24.0).unwrap();
    let mut replaced = 0;
    for seed in 0..10 {
        let mut simulation = simulation(&spec, seed, &[DeviceKind::Electricity, DeviceKind::Gas]);
        simulation.run_until(spec.start + Duration::from_secs(7_200)).unwrap();
        simulation.calm();
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        for row in simulation.state().rows() {
            let (outcome, reason) = row.outcome.as_ref().unwrap();
            replaced += usize::from(reason.contains("is in its place"));
            assert_ne!(*outcome, Outcome::HanTimeout, "seed {seed}: {reason}");
        }
    }
    assert!(replaced > 20, "{replaced} replaced");
}

/// A hub was replaced while a meter that sleeps fetched from it: the new one had nothing, and the meter was waited for until
/// the HAN leg was overdue.
#[test]
fn an_image_that_went_away_with_its_hub_is_not_waited_for() {
    let mut spec = plain_street();
    spec.device.gas.blocks_per_wake = 20.try_into().unwrap();
    spec.faults.hub_swaps_per_day = PerDay::new(12.0).unwrap();
    let mut lost = 0;
    for seed in 0..10 {
        let mut simulation = simulation(&spec, seed, &[DeviceKind::Electricity, DeviceKind::Gas]);
        simulation.run_until(spec.start + Duration::from_secs(10_000)).unwrap();
        simulation.calm();
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        for row in simulation.state().rows() {
            let (outcome, reason) = row.outcome.as_ref().unwrap();
            lost += usize::from(reason.contains("that held its image"));
            assert_ne!(*outcome, Outcome::HanTimeout, "seed {seed}: {reason}");
        }
    }
    assert!(lost > 10, "{lost} lost with their hubs");
}

/// The transfer for a meter that had been replaced went on after its end, and neither a pause nor a closing hour would have
/// stopped it.
#[test]
fn nothing_is_sent_any_more_for_a_meter_that_was_replaced() {
    let mut spec = plain_street();
    spec.faults.meter_swaps_per_day = PerDay::new(48.0).unwrap();
    // The line is slow, so that hubs are looked at in the middle of transfers.
    spec.campaign.global_rate_bytes_per_s = 100.try_into().unwrap();
    spec.campaign.poll_interval_s = 60.try_into().unwrap();
    let mut over = 0;
    for seed in 0..30 {
        let mut simulation = simulation(&spec, seed, &[DeviceKind::Electricity, DeviceKind::Gas]);
        while simulation.state().tally().pending > 0 && simulation.step().expect("it runs") {
            let pending = simulation.state().rows().filter(|row| row.outcome.is_none());
            let hubs: BTreeSet<_> = pending.map(|row| row.hub).collect();
            let busy = simulation.conductor().busy_hubs();
            assert!(
                busy <= hubs.len(),
                "seed {seed}: {busy} hubs are busy, of {} that have cause",
                hubs.len()
            );
        }
        let rows = simulation.state().rows();
        over += rows.filter(|row| row.outcome.as_ref().unwrap().1.contains("is in its place")).count();
    }
    assert!(over > 20, "{over} replaced");
}

/// A meter whose clock was set back by months slept until it had caught up.
#[test]
fn meters_whose_clocks_are_set_at_any_moment_keep_to_their_intervals() {
    let mut spec = plain_street();
    spec.faults.clock_jumps_per_day = PerDay::new(12.0).unwrap();
    spec.faults.clock_jump_most_s = 90 * 86_400;
    for seed in 0..10 {
        let mut simulation = simulation(&spec, seed, &[DeviceKind::Electricity, DeviceKind::Gas]);
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        assert!(simulation.census().faults.of(FaultKind::ClockJump) > 0);
        let took = simulation.now().saturating_since(spec.start);
        assert!(took < Duration::from_secs(2 * 86_400), "seed {seed} took {took:?}");
    }
}

#[test]
fn a_meter_whose_supplier_changes_under_way_keeps_its_image_unactivated() {
    let mut spec = plain_street();
    // Nobody is polled often, so that there is time between the image's arrival and the order.
    spec.campaign.poll_interval_s = 7_200.try_into().unwrap();
    spec.faults.supplier_changes_per_day = PerDay::new(24.0).unwrap();
    let mut held = 0;
    for seed in 0..10 {
        let mut simulation = simulation(&spec, seed, &[DeviceKind::Electricity, DeviceKind::Gas]);
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let census = simulation.census();
        assert!(census.faults.of(FaultKind::SupplierChange) > 0);
        assert_ne!(simulation.state().phase, Phase::Running);
        for row in simulation.state().rows() {
            let (outcome, reason) = row.outcome.as_ref().unwrap();
            if *outcome == Outcome::HeldUnactivated {
                held += 1;
                assert!(
                    ["REJECT_ACTIVE", "SUPPLIER_CHANGED", "REJECT_FW_NOT_IN_DMC"].contains(&reason.as_str()),
                    "{reason}"
                );
                let device = census.devices.iter().find(|device| device.eui == row.device).unwrap();
                assert_eq!((device.activations, device.images_taken), (0, 1), "{device:?}");
            }
        }
        simulation.ledger().verify().expect("the ledger verifies");
    }
    assert!(held > 10, "{held}");
}

/// Whoever watches must be able to see: with no image on the list, the first one that runs is a stranger's.
#[test]
fn an_image_that_is_on_nobodys_list_is_seen_as_soon_as_it_runs() {
    let spec = plain_street();
    let mut simulation = simulation(&spec, 1, &[DeviceKind::Electricity]);
    simulation.watch(WatchRules::new([], 1 << 30, 1 << 30));
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let broken = simulation.fleet().broken().next().expect("meters run the new image");
    assert_eq!(broken.invariant, "what runs was signed for the model that runs it");
}
