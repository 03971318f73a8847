//! Forecasts beside runs: no campaign is over before its bound, whether as planned in a world without trouble or as it
//! went in any other.

use std::time::Duration;

use campaign::{Bound, DeviceRow, Outcome, Permille, Windows, lower_bound, lower_bound_of_mains};
use fleet::{FaultSpec, Simulation, TroubleSpec, WorldSpec};
use transfer_engine::Moment;

use crate::fidelities::WORLDS;
use crate::street::{PORT, rehearsal_with, world};

const LIMIT: Duration = Duration::from_secs(120 * 86_400);

/// Bursts of the budgets run ahead of their rates by so much at each level.
const BURSTS: Duration = Duration::from_millis(500);

fn simulation(spec: &WorldSpec, seed: u64) -> Simulation {
    let rehearsal = rehearsal_with(spec, seed, [40_000, 30_000]);
    Simulation::new(rehearsal, spec.start, PORT).expect("the order is accepted")
}

fn took(simulation: &Simulation) -> Duration {
    let state = simulation.state();
    state.updated_at.saturating_since(state.ordered_at)
}

/// Every committed world, cut down to a street, with three seeds.
fn streets() -> impl Iterator<Item = (WorldSpec, u64)> {
    let street = |text| {
        let mut spec = world(text, 24);
        spec.regions = 1.try_into().expect("one is positive");
        spec
    };
    WORLDS
        .into_iter()
        .map(move |(_, text)| street(text))
        .flat_map(|spec| (0..3).map(move |seed| (spec.clone(), seed)))
}

#[test]
fn no_campaign_is_over_before_the_bound_of_what_it_really_carried() {
    for (spec, seed) in streets() {
        let mut simulation = simulation(&spec, seed);
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let (network, took) = (simulation.network_as_run(&spec), took(&simulation));
        let open_next_at = simulation.state().order.policy.open_next_at;
        let bound = lower_bound(&network, open_next_at).expect("the gate allows somebody");
        assert!(bound.time <= took + BURSTS, "{}, seed {seed}: {took:?}, {bound:?}", spec.name);
        let mains = lower_bound_of_mains(&network, open_next_at).expect("somebody is on the mains");
        assert!(mains.time <= simulation.mains_makespan() + BURSTS, "{}, seed {seed}: {mains:?}", spec.name);
        // Where the pilot failed, the others were ended on their way.
        let was_halted = |row: &&DeviceRow| matches!(row.outcome, Some((Outcome::Halted, _)));
        let brought = simulation.state().rows().filter(|row| !was_halted(row));
        let sent: u64 = brought.map(|row| row.wan_bytes).sum();
        assert_eq!(network.bytes(), sent, "{}, seed {seed}", spec.name);
        // What the engine itself can say of it knows the bytes and the tails, and of lines only how they may be filled.
        let conductor = simulation.conductor();
        let by_records = conductor.network_as_run(&simulation.state().id).expect("there is a campaign");
        assert_eq!(by_records.bytes(), sent, "{}, seed {seed}", spec.name);
        assert_eq!(by_records.head_end, network.head_end, "{}", spec.name);
        assert_eq!(by_records.cells.len(), network.cells.len(), "{}", spec.name);
        let by_records = lower_bound(&by_records, open_next_at).expect("the same campaign");
        assert!(by_records.time <= bound.time, "{}, seed {seed}: {by_records:?}, {bound:?}", spec.name);
        assert!(by_records.time * 2 > bound.time, "{}, seed {seed}: {by_records:?}, {bound:?}", spec.name);
    }
}

/// At noon of the day on whose night clocks go back.
const START: Moment = Moment::from_micros(1_603_540_800_000_000);

fn windows() -> Windows {
    Windows::try_from(["20:00-21:00", "00:30-02:00"].map(str::to_owned).to_vec()).expect("windows")
}

/// Runs a campaign to its end: how long it took, and its bounds as planned and as it went.
fn run_to_its_end(spec: &WorldSpec, seed: u64) -> (Duration, Bound, Bound) {
    let mut simulation = simulation(spec, seed);
    let planned = lower_bound(&simulation.planned_network(spec), open_next_at(&simulation));
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let as_run = lower_bound(&simulation.network_as_run(spec), open_next_at(&simulation));
    let (planned, as_run) = planned.zip(as_run).expect("the gate allows somebody");
    (took(&simulation), planned, as_run)
}

/// The same in windows, on the night on which clocks go back: the bound waits for them, too, and is met late rather than
/// early.
#[test]
fn no_campaign_that_sends_in_windows_is_over_before_its_bound() {
    for (mut spec, seed) in streets().filter(|(_, seed)| *seed == 0) {
        (spec.start, spec.campaign.sending) = (START, windows());
        let (took, planned, as_run) = run_to_its_end(&spec, seed);
        assert!(as_run.time <= took + BURSTS, "{}: {took:?}, {as_run:?}", spec.name);
        for bound in [planned, as_run] {
            assert!(bound.time >= Duration::from_secs(7 * 3_600), "{}: not yet eight: {bound:?}", spec.name);
        }
    }
}

/// With hours of activation: an order waits for them, and for nothing that the bound does not know.
#[test]
fn no_campaign_that_activates_in_windows_is_over_before_its_bound() {
    for (mut spec, seed) in streets().filter(|(_, seed)| *seed == 0) {
        (spec.trouble, spec.faults) = (TroubleSpec::default(), FaultSpec::default());
        (spec.start, spec.campaign.activating) = (START, windows());
        let (took, planned, as_run) = run_to_its_end(&spec, seed);
        for bound in [planned, as_run] {
            assert!(bound.time <= took + BURSTS, "{}: {took:?}, {bound:?}", spec.name);
            assert!(bound.time >= Duration::from_secs(7 * 3_600), "{}: not yet eight: {bound:?}", spec.name);
        }
    }
}

/// With a soak: each wave waits for that of the one before, and the bound knows it.
#[test]
fn no_campaign_that_soaks_is_over_before_its_bound_and_the_bound_has_a_soak_for_each_wave() {
    for (mut spec, seed) in streets().filter(|(_, seed)| *seed == 0) {
        (spec.trouble, spec.faults) = (TroubleSpec::default(), FaultSpec::default());
        spec.campaign.soak_s = 86_400;
        let (took, planned, as_run) = run_to_its_end(&spec, seed);
        let waves = 1 + spec.campaign.wave_shares.len() as u32;
        for bound in [planned, as_run] {
            assert!(bound.time <= took + BURSTS, "{}: {took:?}, {bound:?}", spec.name);
            assert!(bound.time >= waves * Duration::from_secs(86_400), "{}: {bound:?}", spec.name);
        }
    }
}

fn open_next_at(simulation: &Simulation) -> Permille {
    simulation.state().order.policy.open_next_at
}

#[test]
fn no_campaign_in_a_world_without_trouble_is_over_before_its_planned_bound() {
    for (mut spec, seed) in streets() {
        spec.trouble = TroubleSpec::default();
        spec.faults = FaultSpec::default();
        let mut simulation = simulation(&spec, seed);
        let network = simulation.planned_network(&spec);
        let allowed = simulation.state().rows().filter(|row| row.wave.is_some()).count();
        assert_eq!(network.deliveries().count(), allowed, "{}, seed {seed}", spec.name);
        let open_next_at = simulation.state().order.policy.open_next_at;
        let planned = lower_bound(&network, open_next_at).expect("the gate allows somebody");
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let took = took(&simulation);
        assert!(planned.time <= took + BURSTS, "{}, seed {seed}: {took:?}, {planned:?}", spec.name);
        assert!(planned.time * 2 > took, "{}, seed {seed}: {took:?}, {planned:?}", spec.name);
    }
}
