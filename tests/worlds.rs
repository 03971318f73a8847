//! Every committed world, cut down to a few dozen homes: its campaign ends, and what makes the world what it is happens.

use std::time::Duration;

use campaign::{Outcome, OutcomeClass, Phase, Stage};
use fleet::{FaultKind, PerDay, Share, Simulation, WorldSpec};

use crate::street::{simulation, world};

const LIMIT: Duration = Duration::from_secs(120 * 86_400);

const CITY: &str = include_str!("../simulators/fleets/city.toml");
const NATION: &str = include_str!("../simulators/fleets/nation.toml");
const DORMANT: &str = include_str!("../simulators/fleets/dormant-two-years.toml");
const COHORT: &str = include_str!("../simulators/fleets/one-cohort-down.toml");
const GAS: &str = include_str!("../simulators/fleets/gas-heavy.toml");

fn cut_down(text: &str) -> WorldSpec {
    let mut spec = world(text, 60);
    spec.regions = 1.try_into().unwrap();
    spec
}

fn ended(spec: &WorldSpec, seed: u64) -> Simulation {
    let mut simulation = simulation(spec, seed);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    assert_ne!(simulation.state().phase, Phase::Running, "{}", spec.name);
    assert_eq!(simulation.state().tally().pending, 0, "{}", spec.name);
    simulation.ledger().verify().expect("the ledger verifies");
    simulation
}

#[test]
fn a_city_and_the_nation_are_done_but_for_the_little_that_never_is() {
    for text in [CITY, NATION] {
        let spec = cut_down(text);
        let simulation = ended(&spec, 4);
        let tally = simulation.state().tally();
        assert_eq!(simulation.state().phase, Phase::Finished, "{}: {tally:?}", spec.name);
        assert!(tally.done * 10 > (tally.done + tally.failed) * 8, "{}: {tally:?}", spec.name);
    }
}

#[test]
fn after_two_years_without_service_a_fifth_is_out_of_reach_and_most_others_are_done() {
    let mut spec = cut_down(DORMANT);
    // The images here are a thirtieth of the world's, and so is the time in which something can go wrong.
    spec.faults.hub_reboots_per_day = PerDay::new(3.0).unwrap();
    spec.faults.power_cuts_per_day = PerDay::new(0.6).unwrap();
    // They fill two sectors of those in which a worn one may be.
    spec.faults.worn_flash_share = Share::new(0.3).unwrap();
    let simulation = ended(&spec, 4);
    let tally = simulation.state().tally();
    let out_of_reach = tally.by_outcome.get(&Outcome::NoWan).copied().unwrap_or(0);
    assert!(out_of_reach * 10 >= (tally.done + tally.failed), "{tally:?}");
    assert!(tally.done > tally.failed, "{tally:?}");
    let faults = simulation.census().faults;
    for kind in [FaultKind::Outage, FaultKind::HubReboot, FaultKind::PowerCut, FaultKind::WornFlash] {
        assert!(faults.of(kind) > 0, "{}", kind.word());
    }
}

#[test]
fn gas_meters_that_take_few_blocks_take_days_and_get_there() {
    let mut spec = cut_down(GAS);
    // The images here are a thirtieth of the world's, and so is what a meter takes each time.
    spec.device.gas.blocks_per_wake = 2.try_into().unwrap();
    let simulation = ended(&spec, 4);
    let state = simulation.state();
    let spans: Vec<Duration> = state
        .rows()
        .filter(|row| {
            row.kind == "GSME" && row.outcome.as_ref().is_some_and(|(o, _)| *o == Outcome::Activated)
        })
        .filter_map(|row| Some(row.reached(Stage::Delivered)?.saturating_since(row.reached(Stage::Staged)?)))
        .collect();
    assert!(spans.len() > 20, "{:?}", state.tally());
    let days = spans.iter().sum::<Duration>().as_secs_f64() / spans.len() as f64 / 86_400.0;
    assert!((1.0..4.0).contains(&days), "{days}");
    assert!(somebody(&simulation, "asks for a slower pace"), "hubs throttle here");
}

/// Returns whether some device has done this, in the words of its census.
fn somebody(simulation: &Simulation, does: &str) -> bool {
    let census = simulation.census();
    census.everybody().any(|device| device.said.words().iter().any(|word| word == does))
}

/// Homes whose hubs do not storm, done, and how long they took on average.
fn others(simulation: &Simulation) -> (usize, f64) {
    let stormy: Vec<String> =
        simulation.fleet().homes().filter(|home| home.storms).map(|home| home.installation.clone()).collect();
    let state = simulation.state();
    let spans: Vec<f64> = state
        .rows()
        .filter(|row| !stormy.contains(&row.installation))
        .filter(|row| row.outcome.as_ref().is_some_and(|(outcome, _)| outcome.class() == OutcomeClass::Done))
        .filter_map(|row| {
            Some(row.reached(Stage::Staged)?.saturating_since(row.reached(Stage::Instructed)?).as_secs_f64())
        })
        .collect();
    (spans.len(), spans.iter().sum::<f64>() / spans.len() as f64)
}

#[test]
fn a_cohort_that_storms_holds_nobody_else_up() {
    let mut stormy = cut_down(COHORT);
    // The images here are a thirtieth of the world's, and so is the time in which a storm can come.
    stormy.faults.storms_per_day = PerDay::new(24.0).unwrap();
    let mut quiet = stormy.clone();
    quiet.faults.storms_per_day = PerDay::NEVER;
    let (mut with, mut without) = ((0, 0.0), (0, 0.0));
    let mut storms = 0;
    for seed in 0..4 {
        let simulation = ended(&stormy, seed);
        storms += simulation.census().faults.of(FaultKind::Storm);
        assert!(somebody(&simulation, "asks for a page"), "electricity meters fetch by pages here");
        let (done, span) = others(&simulation);
        with = (with.0 + done, with.1 + span);
        let (done, span) = others(&ended(&quiet, seed));
        without = (without.0 + done, without.1 + span);
    }
    assert!(storms > 100, "{storms} answers were storms");
    assert!(with.0 * 10 >= without.0 * 9, "{with:?} {without:?}");
    assert!(with.1 <= without.1 * 1.1, "on average {with:?} with storms, {without:?} without");
}
