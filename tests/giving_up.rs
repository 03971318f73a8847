//! Devices that are given up: in which category they are put, what the gate of the next campaign makes of it, and how
//! soon a campaign stops to hammer what is down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campaign::{CampaignState, Conductor, DeviceRow, LinkDoubt, Outcome, Permille, Phase, Record, Stage};
use eligibility::{DeviceChange, Exclusion, ExclusionEntry, read_csv};
use firmware_image::Eui64;
use fleet::{HomeRecord, Rehearsal, Share, Simulation, WorldSpec};
use ledger::EntryIndex;
use transfer_engine::HubId;
use wire::LinkError;

use crate::acts::ActsOfHubs;
use crate::rig::Rig;
use crate::street::{DEMO, PORT, STREET, rehearsal, rehearsal_with, simulation, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);
const SEED: u64 = 5;

fn outcome(row: &DeviceRow) -> Outcome {
    row.outcome.as_ref().expect("it has ended").0
}

/// A world in which nothing is wrong but that hubs have no WAN.
fn dark(installations: u32) -> WorldSpec {
    let mut spec = world(DEMO, installations);
    for share in [
        &mut spec.trouble.already_current_share,
        &mut spec.trouble.wrong_hardware_share,
        &mut spec.trouble.does_not_come_up_share,
        &mut spec.trouble.flash_defect_share,
    ] {
        *share = Share::NONE;
    }
    spec.trouble.unreachable_share = Share::ALL;
    spec
}

#[test]
fn a_device_tried_in_vain_is_put_in_a_category_and_the_next_gate_leaves_it_out() {
    let text = DEMO.replace("unreachable_share = 0.01", "unreachable_share = 0.3");
    let spec = world(&text, 60);
    let mut simulation = simulation(&spec, SEED);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let mut rows = String::from("device_id,reason,since,doc_ref\n");
    let mut given_up = Vec::new();
    for row in simulation.state().rows() {
        let expected: &[&str] = match outcome(row) {
            Outcome::NoWan => &["no-wan-before-migration"],
            Outcome::HanTimeout | Outcome::TransferFailed => panic!("other tests bring those about: {row:?}"),
            _ => &[],
        };
        let found = row.exclusion.as_deref();
        assert_eq!(found.is_some(), !expected.is_empty(), "{} {:?}", row.device, row.outcome);
        assert!(found.is_none_or(|word| expected.contains(&word)), "{found:?} of {expected:?}");
        if let Some(word) = found {
            rows.push_str(&format!("{},{word},2020-10-05,campaign {}\n", row.device, simulation.state().id));
            given_up.push(row.device);
        }
    }
    assert!(!given_up.is_empty(), "nobody was given up");

    let entries: Vec<ExclusionEntry> = read_csv(rows.as_bytes()).expect("the words are those of the file");
    let Rehearsal { mut desk, settings, images, order, .. } = rehearsal(&spec, SEED);
    desk.inventory = desk.inventory.with_rows(Vec::new(), entries).expect("the devices are known");
    let mut next = Conductor::new(settings, desk, simulation.now());
    for image in images {
        next.add_image(image);
    }
    let plans = next.plan(simulation.now(), &order);
    for plan in plans.iter().filter(|plan| given_up.contains(&plan.device)) {
        assert!(!plan.verdict.allowed && plan.verdict.code == "SKIP_EXCLUDED", "{:?}", plan.verdict);
    }
    assert!(plans.iter().any(|plan| plan.verdict.allowed), "the others are not held up");
}

/// A street in which every device is served at once, as far as the gate goes.
fn whole_street(set: &mut Rehearsal) {
    set.order.policy.waves = Vec::new();
}

/// Returns in which categories devices of some kinds are that ended in a way.
fn categories<'a>(
    rows: impl Iterator<Item = &'a DeviceRow>,
    ended: Outcome,
    kinds: &[&str],
) -> BTreeSet<Option<&'a str>> {
    let rows = rows.filter(|row| outcome(row) == ended && kinds.contains(&row.kind.as_str()));
    rows.map(|row| row.exclusion.as_deref()).collect()
}

/// A town in which some hubs are never reached, and the others fall silent while images are on their way to them; and the
/// hubs that were sent blocks: they had answered before.
fn silent_half_way() -> (Rig, BTreeSet<HubId>) {
    let text = DEMO.replace("unreachable_share = 0.01", "unreachable_share = 0.3");
    let mut spec = world(&text, 40);
    spec.campaign.global_rate_bytes_per_s = 2_000.try_into().expect("more than none");
    spec.links.iter_mut().for_each(|link| link.outage_every_s = None);
    let mut set = rehearsal_with(&spec, SEED, [60_000, 60_000]);
    whole_street(&mut set);
    let mut rig = Rig::new(&spec, set);
    let seen = ActsOfHubs::default();
    rig.fleet.observe(Box::new(seen.clone()));
    while rig.now < spec.start + Duration::from_secs(900) {
        rig.step();
    }
    rig.cut = true;
    rig.run_until("over", |state| state.tally().pending == 0);
    let spoke = seen.all().into_iter().filter(|(_, acts)| acts.iter().any(|(_, act)| *act == "block"));
    let spoke = spoke.map(|(hub, _)| hub).collect();
    (rig, spoke)
}

/// Returns in which categories devices are without WAN whose hub is such a one.
fn without_wan(rig: &Rig, is_such: impl Fn(&HomeRecord) -> bool) -> BTreeSet<Option<&str>> {
    let homes = rig.fleet.homes().filter(|home| is_such(home));
    let devices: BTreeSet<Eui64> = homes.flat_map(|home| &home.devices).map(|device| device.eui).collect();
    let rows = rig.state().rows().filter(|row| devices.contains(&row.device));
    categories(rows, Outcome::NoWan, &["ESME", "GSME"])
}

#[test]
fn a_hub_that_never_spoke_is_in_another_category_than_one_that_fell_silent() {
    let (rig, spoke) = silent_half_way();
    let never = without_wan(&rig, |home| home.is_unreachable);
    assert_eq!(never, [Some("no-wan-before-migration")].into());
    let silent = without_wan(&rig, |home| spoke.contains(&home.hub));
    assert!(silent.contains(&Some("no-wan-during-migration")), "{silent:?}");
}

/// A home with one device to serve: its hub answered for a quarter of an hour, block by block, and fell silent before the
/// image was whole. It was put with those that never spoke.
#[test]
fn every_hub_that_fell_silent_has_been_heard() {
    let (rig, spoke) = silent_half_way();
    let silent = without_wan(&rig, |home| spoke.contains(&home.hub));
    assert_eq!(silent, [Some("no-wan-during-migration")].into());
}

/// A gas meter's image was at its hub when the line broke: what its radio did nobody knows. It was put down to its radio.
#[test]
fn a_gas_meter_behind_a_hub_that_fell_silent_is_not_put_down_to_its_radio() {
    let (rig, _) = silent_half_way();
    let found = categories(rig.state().rows(), Outcome::HanTimeout, &["GSME"]);
    assert!(!found.is_empty() && !found.contains(&Some("gas-meter-han-error")), "{found:?}");
}

#[test]
fn a_gas_meter_that_its_radio_does_not_reach_in_time_is_in_a_category_and_an_electricity_meter_in_none() {
    let mut spec = world(STREET, 10);
    // Both would take hours.
    spec.device.electricity.block_period_ms = 60_000;
    let mut set = rehearsal(&spec, SEED);
    whole_street(&mut set);
    set.order.policy.han_deadline_s = 900;
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let rows = || simulation.state().rows();
    assert_eq!(categories(rows(), Outcome::HanTimeout, &["GSME"]), [Some("gas-meter-han-error")].into());
    assert_eq!(categories(rows(), Outcome::HanTimeout, &["ESME"]), [None].into());
}

#[test]
fn what_fails_five_times_for_another_reason_than_the_line_is_in_the_category_of_that_name() {
    for (attempts, expected) in [(5, Some("five-failed-attempts")), (4, None)] {
        let state = doubted(LinkDoubt::Heard(LinkError::KeySet), attempts);
        assert_eq!(categories(state.rows(), Outcome::TransferFailed, &["ESME", "GSME"]), [expected].into());
    }
}

/// Waits between tries, of which nothing was told: that they double, and that devices of a cell that comes back do not all
/// try at once.
#[test]
fn waits_between_tries_double_up_to_a_day_and_are_spread_over_one_of_them() {
    const DAY_MS: u64 = 86_400_000;
    for retry_after_s in [600, 40_000] {
        let spec = dark(60);
        let mut set = rehearsal(&spec, SEED);
        whole_street(&mut set);
        (set.order.policy.attempts, set.order.policy.retry_after_s) = (5, retry_after_s);
        let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let once_ms = u64::from(retry_after_s) * 1_000;
        // What each device waits beyond what all do, by attempt, in thousandths of the first wait.
        let mut beyond: BTreeMap<u8, BTreeMap<Eui64, u64>> = BTreeMap::new();
        for entry in simulation.ledger().entries(EntryIndex(0)) {
            let record = Record::from_entry(&entry.expect("it reads")).expect("it is a record");
            let Record::StagingFailed(body) = record else { continue };
            let Some(wait_ms) = body.retry_after_ms else { continue };
            let least_ms = (once_ms << (body.attempt - 1)).min(DAY_MS);
            let range = least_ms..least_ms + once_ms;
            assert!(range.contains(&wait_ms), "try {} waits {wait_ms} ms, not {range:?}", body.attempt);
            let of_try = beyond.entry(body.attempt).or_default();
            of_try.insert(body.device, (wait_ms - least_ms) * 1_000 / once_ms);
        }
        assert_eq!(beyond.keys().copied().collect::<Vec<u8>>(), [1, 2, 3, 4]);
        for (attempt, of_try) in &beyond {
            assert!(of_try.len() > 20, "only {} devices were tried", of_try.len());
            let tenths: BTreeSet<u64> = of_try.values().map(|beyond| beyond / 100).collect();
            assert!(tenths.len() >= 8, "try {attempt} crowds in the tenths {tenths:?} of the wait");
        }
        let moved = beyond[&1].iter().filter(|(device, beyond_1)| beyond[&2][*device] != **beyond_1);
        assert!(moved.count() > 20, "a device has the same place in every try");
    }
}

#[test]
fn a_campaign_whose_retries_are_used_up_stops_to_hammer_an_outage() {
    let spec = dark(40);
    let asked = |retries_per_device: u8| {
        let mut set = rehearsal(&spec, SEED);
        // All waves are served, although nobody answers.
        set.order.policy.success_threshold = Permille(0);
        set.order.policy.retries_per_device = retries_per_device;
        let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let tried = simulation.state().rows().filter(|row| row.wave.is_some());
        for row in tried {
            assert!(matches!(outcome(row), Outcome::NoWan | Outcome::Refused | Outcome::Halted), "{row:?}");
        }
        simulation.conductor().counters().requests_sent
    };
    let (freely, once) = (asked(0), asked(1));
    assert!(once > 0 && once * 2 < freely, "{once} requests with one retry a device, {freely} with four");
}

/// A street whose hubs cannot be talked to for a reason that whoever has the links says, when all is over.
fn doubted(doubt: LinkDoubt, attempts: u8) -> CampaignState {
    let spec = world(STREET, 10);
    let Rehearsal { desk, settings, images, mut order, .. } = rehearsal(&spec, SEED);
    order.policy.attempts = attempts;
    let mut now = spec.start;
    let mut conductor = Conductor::new(settings, desk, now);
    conductor.secure_links(now, None);
    for image in images {
        conductor.add_image(image);
    }
    conductor.create(now, &order).expect("the order is accepted");
    let pending = |conductor: &Conductor| conductor.campaigns().any(|state| state.tally().pending > 0);
    while pending(&conductor) {
        while let Some(batch) = conductor.poll_append() {
            conductor.handle_durable(now, batch.len());
        }
        while let Some(train) = conductor.poll_transmit(now) {
            // As whoever keeps the keys says it, instead of sending.
            conductor.doubt_hub(train.hub, doubt);
        }
        now = conductor.poll_timeout().unwrap_or(now).max(now + Duration::from_millis(1));
        assert!(now < spec.start + LIMIT, "it does not end");
    }
    conductor.campaigns().next().expect("a campaign").clone()
}

#[test]
fn a_hub_whose_keys_nobody_has_is_given_up_for_that_and_not_for_its_line() {
    let state = doubted(LinkDoubt::NoKeys, 5);
    let found = categories(state.rows(), Outcome::TransferFailed, &["ESME", "GSME"]);
    assert_eq!(found, [Some("missing-master-keys")].into(), "{:?}", state.tally());
}

/// The order was in the ledger and on its way when the line broke, and the gate refused the device before it could be told
/// again. Whether it was told is not known; that it never confirmed was put down to the image, and halted the campaign.
#[test]
fn an_order_in_doubt_that_the_gate_does_not_let_tell_again_ends_as_that_and_blames_no_image() {
    let spec = world(STREET, 10);
    let mut rig = Rig::new(&spec, rehearsal(&spec, 7));
    let told = |rig: &Rig| rig.acts.iter().any(|(_, act)| *act == "order");
    while !told(&rig) {
        let is_ordered = rig.state().rows().any(|row| row.stage == Stage::Ordered);
        rig.cut = is_ordered;
        rig.step();
    }
    rig.cut = true;
    let in_doubt: Vec<Eui64> =
        rig.state().rows().filter(|row| row.stage == Stage::Ordered).map(|row| row.device).collect();
    assert!(!in_doubt.is_empty());
    for device in &in_doubt {
        let excluded = DeviceChange::Exclusion(Some(Exclusion::MissingMasterKeys));
        rig.conductor.note_change(*device, excluded).expect("it is known");
    }
    let until = rig.now + Duration::from_secs(3_600);
    while rig.now < until {
        rig.step();
    }
    rig.cut = false;
    rig.run_until("over", |state| state.tally().pending == 0);
    for device in &in_doubt {
        let (outcome, reason) =
            rig.state().row(*device).and_then(|row| row.outcome.clone()).expect("it ended");
        assert_eq!(outcome, Outcome::WithdrawnInDoubt, "{device}: {reason}");
        assert!(
            reason.ends_with(": SKIP_EXCLUDED(missing-master-keys)") || reason.contains("EXCLUDED"),
            "{reason}"
        );
    }
    assert_eq!(rig.state().phase, Phase::Finished, "{:?}", rig.state().halted_because);
    assert_eq!(rig.fleet.census().total(|device| device.activations) as usize, activated(&rig));
}

fn activated(rig: &Rig) -> usize {
    let rows = rig.state().rows();
    rows.filter(|row| matches!(row.outcome, Some((Outcome::Activated, _)))).count()
}
