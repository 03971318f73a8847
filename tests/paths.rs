//! Paths: electricity meters that can be brought to their target over an image between only, in one campaign.

use std::collections::BTreeSet;
use std::time::Duration;

use campaign::{Outcome, Permille, Phase, Stage, Target};
use eligibility::{
    Combination, CplEntry, CplEntryId, Date, DeviceType, DmcId, EpclEntry, InstallationId, Predecessors,
    Register, RegisterRows, RegisteredImage,
};
use firmware_image::{FileVersion, VerifiedImage};
use fleet::{DeviceKind, Rehearsal, Simulation, WorldSpec};
use ledger::EntryIndex;
use serde_json::Value;

use crate::street::{PORT, STREET, image, rehearsal, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);

/// What an electricity meter runs before, between and in the end, and a gas meter in the end.
struct Versions {
    current: CplEntry,
    between: CplEntry,
    target: CplEntry,
    gas: CplEntryId,
}

/// The combination of a home when its electricity meter has come so many steps, and its gas meter to its target or not.
fn combination(
    set: &Rehearsal,
    home: &InstallationId,
    run: &Versions,
    steps: usize,
    gas: bool,
) -> Combination {
    let members: Vec<_> = set.desk.inventory.members(home).collect();
    let first = members.first().expect("a home has a hub");
    let entry = |wanted: DeviceType| {
        let found = members.iter().find(|member| member.device_type == wanted)?;
        Some(found.entry.clone())
    };
    let electricity = [&run.current, &run.between, &run.target][steps].id.clone();
    Combination {
        group: first.group.clone(),
        smso: first.smso.clone(),
        comms_provider: first.comms_provider.clone(),
        esme: entry(DeviceType::Esme).map(|_| electricity),
        gsme: entry(DeviceType::Gsme).map(|current| if gas { run.gas.clone() } else { current }),
        hub: entry(DeviceType::Chf),
        ppmid: entry(DeviceType::Ppmid),
        ihd: entry(DeviceType::Ihd),
    }
}

/// The lists of a street in which the target may follow the version between only, and that the current one only. Every
/// combination on the way is on the EPCL.
fn register(set: &Rehearsal, run: &Versions) -> Register {
    let others = set.desk.register.entries().filter(|entry| entry.id != run.target.id);
    let cpl = others.chain([&run.between, &run.target]).cloned().collect();
    let ways = || (0..3).flat_map(|steps| [(steps, false), (steps, true)]);
    let homes = set.desk.inventory.installations();
    let combinations: BTreeSet<Combination> = homes
        .flat_map(|home| ways().map(move |(steps, gas)| combination(set, home, run, steps, gas)))
        .collect();
    let listed = |(number, combination): (usize, Combination)| EpclEntry {
        id: DmcId::new(&format!("DMC-{number}")).expect("an id"),
        combination,
        date_added: Date::constant(2020, 1, 1),
        date_removed: None,
    };
    let epcl = combinations.into_iter().enumerate().map(listed).collect();
    Register::from_rows(RegisterRows { cpl, epcl, ..RegisterRows::default() }).expect("the lists are sound")
}

/// A street whose order brings both images for electricity meters, the newest first.
fn street(spec: &WorldSpec, seed: u64) -> (Rehearsal, [VerifiedImage; 2]) {
    let mut set = rehearsal(spec, seed);
    let entry = |id: &CplEntryId| set.desk.register.entry(id).expect("it is listed").clone();
    let targets = set.order.targets.clone();
    let of = |wanted| {
        let found = targets.iter().find(|target| entry(&target.cpl_entry).device_type == wanted);
        found.expect("a target").clone()
    };
    let (electricity, gas) = (of(DeviceType::Esme), of(DeviceType::Gsme));
    let newest = set
        .images
        .iter()
        .find(|image| image.file_digest() == electricity.image)
        .expect("it is there")
        .clone();
    let mut identity = spec.device.of(DeviceKind::Electricity).target();
    identity.file_version = FileVersion(identity.file_version.0 - 1);
    let between = image(seed, &identity, 6_000);
    // A meter may run the target already.
    let old = |device: &eligibility::DeviceView<'_>| {
        device.device_type == DeviceType::Esme && *device.entry != electricity.cpl_entry
    };
    let current = entry(set.desk.inventory.devices().find(old).expect("a meter").entry);
    let only = |entry: &CplEntry| Predecessors::These(BTreeSet::from([entry.id.clone()]));
    let step = CplEntry {
        id: CplEntryId::new("STEP-1").expect("an id"),
        firmware: identity.file_version,
        image: Some(RegisteredImage {
            digest: between.image_digest(),
            size: eligibility::ImageSize::of(between.file().payload()),
        }),
        predecessors: only(&current),
        ..entry(&electricity.cpl_entry)
    };
    let target = CplEntry { predecessors: only(&step), ..entry(&electricity.cpl_entry) };
    assert!(current.firmware < step.firmware && step.firmware < target.firmware);
    let run = Versions { current, between: step, target, gas: gas.cpl_entry.clone() };
    set.desk.register = register(&set, &run);
    let step = Target { image: between.file_digest(), cpl_entry: run.between.id };
    set.order.targets = vec![electricity, step, gas];
    set.order.policy.failure_threshold = Permille(1_000);
    set.images.push(between.clone());
    (set, [between, newest])
}

fn bodies(simulation: &Simulation, kind: &str) -> Vec<Value> {
    let entries = simulation.ledger().entries(EntryIndex(0)).map(|entry| entry.expect("it reads"));
    entries
        .filter(|entry| entry.kind == kind)
        .map(|entry| serde_json::from_slice(&entry.body).expect("JSON"))
        .collect()
}

fn goes_over_both(soak_s: u32, dies: bool) {
    let (spec, seed) = (world(STREET, 10), 7);
    let (mut set, [between, newest]) = street(&spec, seed);
    set.order.policy.soak_s = soak_s;
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    while bodies(&simulation, "stepped").is_empty() {
        assert!(
            simulation.step().expect("it runs"),
            "nobody ever took a step: {:?}",
            simulation.state().tally()
        );
    }
    let (Rehearsal { desk, settings, images, .. }, _) = street(&spec, seed);
    if !dies {
        // New lists that are older than what was read back.
        simulation.ask(|conductor, _| conductor.set_desk(desk)).expect("it is kept");
    } else {
        simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
    }
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Finished, "{:?}", state.halted_because);
    let tally = state.tally();
    assert_eq!(tally.ordered, tally.done + tally.failed + tally.excluded);
    let orders = bodies(&simulation, "activation-ordered");
    let census = simulation.census();
    let mut there = 0;
    for row in state.rows().filter(|row| matches!(row.outcome, Some((Outcome::Activated, _)))) {
        let mine: Vec<&Value> =
            orders.iter().filter(|order| order["device"] == row.device.to_string()).collect();
        let device = census.devices.iter().find(|device| device.eui == row.device).expect("it is there");
        assert_eq!(device.activations as usize, mine.len());
        if row.kind != "ESME" {
            assert_eq!(mine.len(), 1);
            continue;
        }
        let images: Vec<String> =
            mine.iter().map(|order| order["image"].as_str().expect("text").to_owned()).collect();
        let steps = [&between, &newest].map(|image| image.image_digest().to_string());
        assert_eq!(images, steps, "each step has an order of its own, in their order");
        assert!(mine[0]["counter"].as_u64() < mine[1]["counter"].as_u64());
        assert_eq!(device.running_version, newest.identity().file_version);
        let soak = row.reached(Stage::Soaking).is_some();
        assert_eq!(soak, soak_s > 0);
        there += 1;
    }
    assert!(there > 0, "no electricity meter came to its target: {tally:?}");
    // Who fails on the first step is not brought the second; who takes it comes to the end here.
    let stepped: Vec<Value> =
        bodies(&simulation, "stepped").iter().map(|step| step["device"].clone()).collect();
    for row in state.rows().filter(|row| row.kind == "ESME" && row.reached(Stage::Staged).is_some()) {
        let outcome = row.outcome.as_ref().expect("it ended");
        if stepped.contains(&Value::from(row.device.to_string())) {
            assert_eq!(outcome.0, Outcome::Activated, "{}: {outcome:?}", row.device);
        } else {
            assert_eq!(row.image, Some(between.file_digest()), "{}: {outcome:?}", row.device);
        }
    }
    simulation.ledger().verify().expect("the ledger verifies");
}

#[test]
fn a_meter_that_may_not_take_its_target_directly_goes_over_the_image_between() {
    goes_over_both(0, false);
}

#[test]
fn each_step_soaks_and_a_restart_between_them_changes_nothing() {
    goes_over_both(7_200, true);
}
