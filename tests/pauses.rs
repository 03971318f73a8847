//! Operators who pause, resume and abort campaigns, and what the fleet may see of them meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use campaign::{Command, CommandRecord, DeviceRow, Heeded, Outcome, Phase, Stage};
use eligibility::{DeviceChange, MeterStatus};
use fleet::{Rehearsal, Simulation, WorldSpec};
use proptest::prelude::*;
use transfer_engine::Moment;

use crate::acts::Acts;
use crate::street::{DEMO, STREET, rehearsal, simulation, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);

fn asked() -> CommandRecord {
    CommandRecord { by: "an operator".to_owned(), reason: "a rehearsal".to_owned() }
}

fn command(simulation: &mut Simulation, command: Command) -> Heeded {
    let id = simulation.state().id.clone();
    simulation
        .ask(|conductor, now| conductor.command(now, &id, command, asked()))
        .expect("it is kept")
        .expect("it is heeded")
}

fn restart(simulation: &mut Simulation, spec: &WorldSpec, seed: u64) {
    let Rehearsal { desk, settings, images, .. } = rehearsal(spec, seed);
    simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
}

fn activated_at_most_once(simulation: &Simulation) {
    for device in &simulation.census().devices {
        assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Pauses at random moments, some with a death of the head-end in them: between a pause and its resumption no block
    /// is sent, no transfer opened, no activation ordered; and the campaign finishes all the same.
    #[test]
    fn nothing_is_sent_or_activated_while_a_campaign_is_paused(
        seed in 0u64..1_000,
        pauses in proptest::collection::vec((1usize..60, 1u64..20_000, any::<bool>()), 1..6),
    ) {
        let spec = world(DEMO, 24);
        let acts = Acts::default();
        let mut simulation = simulation(&spec, seed);
        simulation.observe(Box::new(acts.clone()));
        for (acts_until, rests_s, dies) in pauses {
            // So many blocks and orders later: most moments lie within a transfer, and few of a day do.
            let wanted = acts.count() + acts_until;
            while acts.count() < wanted && simulation.step().expect("it runs") {}
            if !simulation.state().phase.is_open() {
                break;
            }
            let paused_at = simulation.now();
            prop_assert_eq!(command(&mut simulation, Command::Pause), Heeded::Now);
            let rest = Duration::from_secs(rests_s);
            if dies {
                simulation.run_until(paused_at + rest).expect("it rests");
                restart(&mut simulation, &spec, seed);
            }
            simulation.run_until(paused_at + rest + rest).expect("it rests");
            prop_assert_eq!(acts.between(paused_at, simulation.now()), vec![]);
            if simulation.state().phase == Phase::Paused {
                prop_assert_eq!(command(&mut simulation, Command::Resume), Heeded::Now);
            }
        }
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let state = simulation.state();
        prop_assert!(!state.phase.is_open());
        prop_assert_eq!(state.tally().pending, 0);
        prop_assert!(!acts.between(spec.start, simulation.now()).is_empty(), "the observer saw nothing at all");
        activated_at_most_once(&simulation);
        simulation.ledger().verify().expect("the ledger verifies");
    }
}

/// Runs a street until a device is at a stage.
fn until_one_is(simulation: &mut Simulation, stage: Stage) {
    let there = |simulation: &Simulation| simulation.state().rows().any(|row| row.stage == stage);
    while !there(simulation) {
        assert!(simulation.step().expect("it runs"), "no device was ever {}", stage.as_str());
    }
}

#[test]
fn a_paused_campaign_goes_on_from_what_hubs_hold_and_ends_as_one_that_was_never_paused() {
    let spec = world(STREET, 10);
    let done = |simulation: &Simulation| {
        let rows = simulation.state().rows();
        let done = rows.filter(|row| matches!(row.outcome, Some((Outcome::Activated, _))));
        done.map(|row| row.device).collect::<BTreeSet<_>>()
    };
    let mut smooth = simulation(&spec, 7);
    smooth.run(LIMIT, |_, _| {}).expect("it ends");

    let acts = Acts::default();
    let mut simulation = simulation(&spec, 7);
    simulation.observe(Box::new(acts.clone()));
    // In the middle of a transfer: some blocks are there, and not all.
    while acts.count() < 6 {
        simulation.step().expect("it runs");
    }
    let paused_at = simulation.now();
    assert_eq!(command(&mut simulation, Command::Pause), Heeded::Now);
    assert_eq!(command(&mut simulation, Command::Pause), Heeded::Already);
    simulation.run_until(simulation.now() + Duration::from_secs(3_600)).expect("it rests");
    restart(&mut simulation, &spec, 7);
    assert_eq!(simulation.state().phase, Phase::Paused, "a restart leaves it paused");
    assert_eq!(simulation.state().paused_because.as_deref(), Some("an operator: a rehearsal"));
    let rested = simulation.now();
    simulation.run_until(rested + Duration::from_secs(3_600)).expect("it rests");
    assert_eq!(acts.between(paused_at, simulation.now()), vec![]);
    assert_eq!(command(&mut simulation, Command::Resume), Heeded::Now);
    assert_eq!(command(&mut simulation, Command::Resume), Heeded::Already);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    assert_eq!(done(&simulation), done(&smooth));
    let initiated = |acts: &Acts| {
        let all = acts.between(spec.start, Moment::from_micros(u64::MAX));
        all.iter().filter(|(_, act)| *act == "initiate").count()
    };
    let staged = simulation.state().rows().filter(|row| row.reached(Stage::Staged).is_some()).count();
    // Requests are asked again when answers are lost, never because of a pause.
    assert!(initiated(&acts) <= staged + 4, "{} initiations for {staged} images", initiated(&acts));
}

/// The gate was asked at the instruction and at the activation, and not when a transfer began: after a pause, images went to
/// meters that had become Active meanwhile, and lay there.
#[test]
fn nothing_is_sent_to_meters_that_became_active_during_a_pause() {
    let spec = world(STREET, 10);
    let acts = Acts::default();
    let mut simulation = simulation(&spec, 7);
    simulation.observe(Box::new(acts.clone()));
    // In the middle of a transfer.
    while acts.count() < 6 {
        simulation.step().expect("it runs");
    }
    command(&mut simulation, Command::Pause);
    let instructed = |row: &&DeviceRow| row.stage == Stage::Instructed;
    let under_way: Vec<_> = simulation.state().rows().filter(instructed).map(|row| row.device).collect();
    assert!(!under_way.is_empty());
    let all: Vec<_> = simulation.state().rows().map(|row| row.device).collect();
    let becomes = || DeviceChange::Status(MeterStatus::Active);
    simulation
        .ask(|conductor, _| all.iter().try_for_each(|device| conductor.note_change(*device, becomes())))
        .expect("it is kept")
        .expect("all of them are meters");
    command(&mut simulation, Command::Resume);
    let resumed_at = simulation.now();
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    assert_eq!(acts.between(resumed_at, Moment::from_micros(u64::MAX)), vec![]);
    for device in under_way {
        let outcome = simulation.state().row(device).and_then(|row| row.outcome.clone());
        assert_eq!(outcome, Some((Outcome::Refused, "REJECT_ACTIVE".to_owned())), "{device}");
    }
}

#[test]
fn an_aborted_campaign_ends_its_devices_and_reads_back_those_that_may_be_activating() {
    let spec = world(DEMO, 40);
    let mut simulation = simulation(&spec, 3);
    until_one_is(&mut simulation, Stage::Ordered);
    let sent: BTreeSet<_> = {
        let ordered = |row: &&DeviceRow| row.stage == Stage::Ordered;
        simulation.state().rows().filter(ordered).map(|row| row.device).collect()
    };
    let before = simulation.state().rows().filter(|row| row.order_counter.is_some()).count();
    assert_eq!(command(&mut simulation, Command::Abort), Heeded::Now);
    assert_eq!(command(&mut simulation, Command::Abort), Heeded::Already);
    assert_eq!(simulation.state().phase, Phase::Aborted);
    for row in simulation.state().rows().filter(|row| row.outcome.is_none()) {
        assert!(sent.contains(&row.device), "{} is pending after the abort", row.device);
    }
    restart(&mut simulation, &spec, 3);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.tally().pending, 0);
    assert!(state.rows().any(|row| matches!(row.outcome, Some((Outcome::Aborted, _)))));
    assert_eq!(state.halted_because.as_deref(), Some("aborted by an operator: a rehearsal"));
    let ordered = state.rows().filter(|row| row.order_counter.is_some()).count();
    assert_eq!(ordered, before, "no new order");
    let id = state.id.clone();
    let refused = simulation.ask(|conductor, now| conductor.command(now, &id, Command::Resume, asked()));
    assert!(refused.expect("it is kept").is_err(), "an aborted campaign goes on");
    activated_at_most_once(&simulation);
}

#[test]
fn a_command_needs_a_name_and_a_reason() {
    let mut simulation = simulation(&world(STREET, 10), 1);
    let id = simulation.state().id.clone();
    let nobody = CommandRecord { by: " ".to_owned(), ..asked() };
    let long = CommandRecord { reason: "x".repeat(501), ..asked() };
    let control = CommandRecord { reason: "a\u{1b}[2J".to_owned(), ..asked() };
    for record in [nobody, long, control] {
        let answer = simulation.ask(|conductor, now| conductor.command(now, &id, Command::Pause, record));
        assert!(answer.expect("it is kept").is_err());
    }
    let other = "other".parse().expect("a name");
    let answer = simulation.ask(|conductor, now| conductor.command(now, &other, Command::Pause, asked()));
    assert!(answer.expect("it is kept").is_err());
    assert_eq!(simulation.state().phase, Phase::Running);
}
