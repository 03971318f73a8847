//! Soak: devices that run the new firmware and are watched before that counts. Transfer success is not functional
//! success: what fails a day later must halt the campaign before its next wave.

use std::time::Duration;

use campaign::{CampaignState, DeviceRow, Outcome, Permille, Phase, Stage};
use firmware_image::Eui64;
use fleet::{DeviceKind, Rehearsal, Share, Simulation, TroubleSpec, WorldSpec};

use crate::rig::Rig;
use crate::street::{PORT, STREET, rehearsal, rehearsal_of, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);
const DAY_S: u32 = 86_400;
const SEED: u64 = 7;
const ALL: Share = Share::ALL;

/// A street in which four homes are the pilot, and devices soak for a day.
fn street() -> (WorldSpec, Rehearsal) {
    let spec = world(STREET, 20);
    let mut set = rehearsal(&spec, SEED);
    set.order.policy.waves = vec![Permille(200)];
    set.order.policy.soak_s = DAY_S;
    (spec, set)
}

/// Runs until every device of the pilot soaks or has ended.
fn run_until_the_pilot_soaks(rig: &mut Rig) {
    rig.run_until("soaking", |state| {
        let mut pilot = state.rows().filter(|row| row.wave == Some(0));
        pilot.all(|row| row.stage >= Stage::Soaking)
    });
    assert!(rig.state().rows().any(|row| row.stage == Stage::Soaking), "nobody soaks");
    assert_eq!(rig.state().waves_opened, 1, "the next wave waits for the soak");
}

fn ended_as(row: &DeviceRow, outcome: Outcome) -> bool {
    matches!(&row.outcome, Some((found, _)) if *found == outcome)
}

fn halts_before_the_next_wave(state: &CampaignState) {
    assert_eq!(state.phase, Phase::Halted);
    assert!(state.halted_because.as_deref().is_some_and(|why| why.contains("failed on the image")));
    for row in state.rows() {
        let touched = row.reached(Stage::Instructed).is_some();
        assert!(!touched || row.wave == Some(0), "{} of wave {:?} was served", row.device, row.wave);
    }
    assert_eq!(state.tally().pending, 0);
}

#[test]
fn every_device_was_updated_and_the_next_day_ran_its_old_firmware_so_no_second_wave_was_served() {
    let (spec, set) = street();
    let mut rig = Rig::new(&spec, set);
    run_until_the_pilot_soaks(&mut rig);
    let soaking = rig.state().tally().by_stage[&Stage::Soaking];
    // In the night they all go back to what they were made with.
    rig.fleet = rehearsal(&spec, SEED).fleet;
    rig.run_until("over", |state| state.tally().pending == 0);
    halts_before_the_next_wave(rig.state());
    let unhealthy: Vec<_> = rig.state().rows().filter(|row| ended_as(row, Outcome::Unhealthy)).collect();
    assert_eq!(unhealthy.len(), soaking, "{:?}", rig.state().tally());
    let early = |row: &&&DeviceRow| {
        let (since, until) = (row.reached(Stage::Soaking), row.reached(Stage::Ended));
        let watched = until.zip(since).map(|(until, since)| until.saturating_since(since));
        watched < Some(Duration::from_secs(DAY_S.into()))
    };
    assert!(unhealthy.iter().filter(early).count() > 0, "nobody was seen to leave the target before the end");
    assert!(!rig.state().rows().any(|row| ended_as(row, Outcome::Activated)), "it counts as a success");
}

#[test]
fn a_home_that_is_not_heard_of_again_after_its_update_is_no_success() {
    let (spec, set) = street();
    let mut rig = Rig::new(&spec, set);
    run_until_the_pilot_soaks(&mut rig);
    let soaking = rig.state().tally().by_stage[&Stage::Soaking];
    let cut_at = rig.now;
    rig.cut = true;
    rig.run_until("over", |state| state.tally().pending == 0);
    halts_before_the_next_wave(rig.state());
    let unhealthy: Vec<_> = rig.state().rows().filter(|row| ended_as(row, Outcome::Unhealthy)).collect();
    assert_eq!(unhealthy.len(), soaking);
    let deadline = Duration::from_secs(u64::from(rig.state().order.policy.activation_deadline_s));
    for row in unhealthy {
        let gave_up = row.reached(Stage::Ended).expect("it ended");
        assert!(gave_up.saturating_since(cut_at) >= deadline, "it was given the time to be heard of");
    }
}

/// Runs a campaign for the electricity meters of a street in which something is wrong with their new firmware.
fn run_with(change: impl FnOnce(&mut WorldSpec)) -> Simulation {
    let mut spec = world(STREET, 20);
    spec.trouble = TroubleSpec::default();
    change(&mut spec);
    let mut set = rehearsal_of(&spec, SEED, &[(DeviceKind::Electricity, 9_000)]);
    set.order.policy.waves = vec![Permille(200)];
    set.order.policy.soak_s = DAY_S;
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    simulation
}

/// Returns who ended so, and why.
fn reasons(state: &CampaignState, outcome: Outcome) -> Vec<(&str, Eui64)> {
    let ended = state.rows().filter_map(|row| Some((row.outcome.as_ref()?, row.device)));
    ended
        .filter(|((found, _), _)| *found == outcome)
        .map(|((_, why), device)| (why.as_str(), device))
        .collect()
}

#[test]
fn a_meter_that_falls_silent_hours_after_its_update_is_no_success_though_its_hub_knows_what_it_ran() {
    let simulation = run_with(|spec| {
        (spec.gas_share, spec.display_share) = (Share::NONE, Share::NONE);
        spec.trouble.fails_later_share = ALL;
    });
    halts_before_the_next_wave(simulation.state());
    let unhealthy = reasons(simulation.state(), Outcome::Unhealthy);
    assert!(!unhealthy.is_empty());
    assert!(
        unhealthy.iter().all(|reason| reason.0.contains("nothing more was heard of it")),
        "{unhealthy:?}"
    );
    assert!(reasons(simulation.state(), Outcome::Activated).is_empty());
}

#[test]
fn meters_ran_well_after_their_update_and_the_gas_readings_of_their_homes_stopped_arriving() {
    let simulation = run_with(|spec| {
        spec.display_share = Share::NONE;
        spec.trouble.silences_others_share = ALL;
    });
    halts_before_the_next_wave(simulation.state());
    let unhealthy = reasons(simulation.state(), Outcome::Unhealthy);
    assert!(!unhealthy.is_empty());
    for (reason, device) in unhealthy {
        let gas_meter = Eui64::from_bytes({
            let mut bytes = device.to_bytes();
            bytes[3] = DeviceKind::Gas.channel();
            bytes
        });
        let says = format!("{gas_meter}, which was well before, was not heard of any more");
        assert!(reason.contains(&says), "{reason}");
    }
    assert!(reasons(simulation.state(), Outcome::Activated).is_empty());
}

/// Who is asked at one look is heard of at the next: a soak shorter than two looks called whole streets unhealthy.
#[test]
fn a_soak_shorter_than_the_time_between_looks_blames_nobody() {
    for (look_s, soak_s) in [(300, 120), (300, 300), (300, 450), (60, 30), (60, 120), (1_800, 3_600)] {
        let mut spec = world(STREET, 20);
        (spec.trouble, spec.display_share) = (TroubleSpec::default(), ALL);
        let mut set = rehearsal(&spec, SEED);
        (set.order.policy.poll_interval_s, set.order.policy.soak_s) = (look_s, soak_s);
        let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let unhealthy = reasons(simulation.state(), Outcome::Unhealthy);
        assert!(unhealthy.is_empty(), "a look in {look_s} s, a soak of {soak_s} s: {unhealthy:?}");
        assert_eq!(simulation.state().phase, Phase::Finished);
    }
}

/// A hub forgets whom it has heard when it starts with its new firmware: the order's record does not, and the hub asks.
#[test]
fn a_hub_is_a_success_when_it_hears_its_home_again_after_its_update() {
    let mut spec = world(STREET, 20);
    spec.trouble = TroubleSpec::default();
    let mut set = rehearsal_of(&spec, SEED, &[(DeviceKind::Hub, 9_000)]);
    set.order.policy.soak_s = DAY_S;
    // By then all have said something.
    set.order.policy.activate_not_before = (spec.start + Duration::from_secs(DAY_S.into())).into();
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Finished, "{:?}", state.halted_because);
    let activated: Vec<_> = state.rows().filter(|row| ended_as(row, Outcome::Activated)).collect();
    assert!(!activated.is_empty() && reasons(state, Outcome::Unhealthy).is_empty());
    assert!(activated.iter().all(|row| row.companions.len() >= 2), "its meters were well before");
}

#[test]
fn a_device_that_stays_well_is_a_success_after_its_soak_whoever_dies_or_waits_meanwhile() {
    let (spec, set) = street();
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    while !simulation.state().rows().any(|row| row.stage == Stage::Soaking) {
        assert!(simulation.step().expect("it runs"), "nobody ever soaks");
    }
    let Rehearsal { desk, settings, images, .. } = rehearsal(&spec, SEED);
    simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
    assert!(simulation.state().rows().any(|row| row.stage == Stage::Soaking), "a restart forgets a soak");
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let state = simulation.state();
    assert_eq!(state.phase, Phase::Finished, "{:?}", state.halted_because);
    let soak = Duration::from_secs(DAY_S.into());
    let mut activated = 0;
    for row in state.rows().filter(|row| ended_as(row, Outcome::Activated)) {
        let (since, until) = (row.reached(Stage::Soaking), row.reached(Stage::Ended));
        let watched = until.expect("it ended").saturating_since(since.expect("it soaked"));
        assert!(watched >= soak && watched < soak + soak / 2, "{} was watched for {watched:?}", row.device);
        activated += 1;
    }
    assert!(activated > 0);
    let opened = &state.waves_opened_at;
    assert!(opened[1].saturating_since(opened[0]) >= soak, "the second wave did not wait for the soak");
    simulation.ledger().verify().expect("the ledger verifies");
}
