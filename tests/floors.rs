//! Floors by the day: a supplier with homes that wait has some of them started on every legal day, whoever fills the waves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campaign::{CampaignState, Permille, Phase, Stage, Windows};
use eligibility::Inventory;
use fleet::{Rehearsal, Share, Simulation, WorldSpec};
use transfer_engine::Moment;

use crate::street::{PORT, STREET, rehearsal, world};

const SEED: u64 = 7;
const LIMIT: Duration = Duration::from_secs(60 * 86_400);

/// 2020-10-23 at noon GMT: clocks go back in the night of the second day, so that one day has 25 hours.
const START_S: u64 = 1_603_454_400;

/// Midnights by the clocks of Great Britain from then on, in seconds; the night of 24 October is the longer one.
fn midnights() -> Vec<u64> {
    // 2020-10-23, 23:00 GMT; 2020-10-24, 23:00 GMT; then midnights GMT.
    let summer = [START_S + 11 * 3_600, START_S + 35 * 3_600];
    summer.into_iter().chain((0..8).map(|day| START_S + (60 + 24 * day) * 3_600)).collect()
}

/// Sixty homes that are updated three at a time, a wave in more than a day.
fn town(floor: u32, sending: &[&str]) -> (WorldSpec, Rehearsal) {
    let mut spec = world(STREET, 60);
    spec.gas_share = Share::NONE;
    spec.start = Moment::from_micros(START_S * 1_000_000);
    let mut set = rehearsal(&spec, SEED);
    let policy = &mut set.order.policy;
    policy.waves = vec![Permille(50); 12];
    (policy.open_next_at, policy.soak_s) = (Permille(1_000), 30 * 3_600);
    policy.floor_per_supplier_per_day = floor;
    (policy.failure_threshold, policy.success_threshold) = (Permille(1_000), Permille(0));
    let sending: Vec<String> = sending.iter().map(|text| (*text).to_owned()).collect();
    policy.sending = Windows::try_from(sending).expect("windows");
    (spec, set)
}

/// The suppliers of homes whose devices are so.
fn suppliers<'a>(
    state: &'a CampaignState,
    inventory: &'a Inventory,
    is_so: impl Fn(&campaign::DeviceRow) -> bool,
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut homes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in state.rows().filter(|row| row.wave.is_some() && is_so(row)) {
        let supplier = inventory.device(row.device).expect("it is known").supplier.as_str();
        homes.entry(supplier).or_default().insert(&row.installation);
    }
    homes
}

/// Runs, and counts the days on which a supplier with homes that wait had fewer than the floor started; `looked_at` are the
/// days of suppliers that were looked at.
fn days_below(floor: u32, sending: &[&str], dies_on: Option<usize>) -> (usize, usize) {
    let (spec, set) = town(floor, sending);
    let inventory = set.desk.inventory.clone();
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    let (mut below, mut looked_at) = (0, 0);
    let mut begins = spec.start;
    for (day, ends) in midnights().into_iter().enumerate() {
        let ends = Moment::from_micros(ends * 1_000_000);
        // Until the second wave opened nothing is known of the firmware.
        let had_second = simulation.state().waves_opened >= 2;
        if dies_on == Some(day) {
            simulation.run_until(begins + Duration::from_secs(5 * 3_600)).expect("it runs");
            let Rehearsal { desk, settings, images, .. } = town(floor, sending).1;
            simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
        }
        while simulation.now() < ends && simulation.step().expect("it runs") {
            let state = simulation.state();
            for wave in 0..=state.last_wave().expect("there are waves") {
                let rows = state.rows().filter(|row| row.wave == Some(wave)).count();
                assert_eq!(state.wave(Some(wave)).size, rows, "wave {wave}");
            }
        }
        let state = simulation.state();
        let waiting = suppliers(state, &inventory, |row| row.stage == Stage::Planned);
        let today = |row: &campaign::DeviceRow| {
            row.reached(Stage::Instructed).is_some_and(|at| at >= begins && at < ends)
        };
        let started = suppliers(state, &inventory, today);
        for supplier in waiting.keys().filter(|_| had_second) {
            looked_at += 1;
            below += usize::from((started.get(supplier).map_or(0, BTreeSet::len) as u32) < floor.max(1));
        }
        for row in state.rows().filter(|row| row.reached(Stage::Instructed).is_some()) {
            assert!(
                row.wave.is_some_and(|wave| wave < state.waves_opened),
                "{} has no open wave",
                row.device
            );
        }
        begins = ends;
    }
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    assert_eq!(simulation.state().phase, Phase::Finished, "{:?}", simulation.state().halted_because);
    (below, looked_at)
}

#[test]
fn a_supplier_with_homes_that_wait_has_its_floor_on_every_legal_day_also_after_a_restart() {
    for (sending, dies_on) in [(&[][..], None), (&["21:00-02:00"][..], None), (&[][..], Some(4))] {
        let (below, looked_at) = days_below(1, sending, dies_on);
        assert!(looked_at > 5, "no supplier had homes that wait: {looked_at}");
        assert_eq!(below, 0, "of {looked_at} days, sending {sending:?}, dies on {dies_on:?}");
    }
}

#[test]
fn without_a_floor_there_are_days_on_which_a_supplier_has_nothing() {
    let (below, looked_at) = days_below(0, &[], None);
    assert!(below > 0, "of {looked_at} days");
}

#[test]
fn nobody_is_brought_forward_before_the_pilot_has_shown_that_the_firmware_is_sound() {
    let (spec, set) = town(3, &[]);
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    let pilot = simulation.state().wave(Some(0)).size;
    while simulation.state().waves_opened < 2 {
        assert_eq!(simulation.state().wave(Some(0)).size, pilot);
        let touched = simulation.state().rows().filter(|row| row.reached(Stage::Instructed).is_some());
        assert_eq!(touched.count(), pilot);
        assert!(simulation.step().expect("it runs"), "the second wave never opens");
    }
    assert!(simulation.state().wave(Some(1)).size > pilot, "the floor begins with the second wave");
}
