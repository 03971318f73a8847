//! The two fidelities, held together on every committed world: frame by frame or in leaps, the same ledger to the byte,
//! the same devices in the same state, the same frames, losses and faults.

use std::num::NonZeroU16;
use std::time::Duration;

use fleet::{DeviceKind, FaultSpec, Fidelity, PerDay, Share, Simulation, WorldSpec};

use crate::street::{DEMO, PORT, STREET, rehearsal_of, world};

const LIMIT: Duration = Duration::from_secs(120 * 86_400);

/// Longer images than the other scenarios have, so that there is something to leap over, bytes.
const PAYLOADS: [(DeviceKind, usize); 4] = [
    (DeviceKind::Hub, 12_000),
    (DeviceKind::Electricity, 40_000),
    (DeviceKind::Gas, 30_000),
    (DeviceKind::Display, 20_000),
];

/// Every committed world, by its name.
pub(crate) const WORLDS: [(&str, &str); 8] = [
    ("street", include_str!("../simulators/fleets/street.toml")),
    ("demo", include_str!("../simulators/fleets/demo.toml")),
    ("town", include_str!("../simulators/fleets/town.toml")),
    ("city", include_str!("../simulators/fleets/city.toml")),
    ("nation", include_str!("../simulators/fleets/nation.toml")),
    ("dormant-two-years", include_str!("../simulators/fleets/dormant-two-years.toml")),
    ("one-cohort-down", include_str!("../simulators/fleets/one-cohort-down.toml")),
    ("gas-heavy", include_str!("../simulators/fleets/gas-heavy.toml")),
];

/// Runs a campaign with images for all kinds of devices in both fidelities.
fn comes_out_the_same(spec: &WorldSpec, seed: u64) {
    let run = |fidelity| {
        let mut rehearsal = rehearsal_of(spec, seed, &PAYLOADS);
        rehearsal.fleet.set_fidelity(fidelity);
        let mut simulation = Simulation::new(rehearsal, spec.start, PORT).expect("the order is accepted");
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        simulation
    };
    let [exact, batched] = [Fidelity::Exact, Fidelity::Batched].map(run);
    assert_eq!(exact.head(), batched.head(), "{}, seed {seed}", spec.name);
    assert_eq!(exact.state(), batched.state(), "{}, seed {seed}", spec.name);
    assert_eq!(exact.census(), batched.census(), "{}, seed {seed}", spec.name);
}

#[test]
fn frame_by_frame_or_in_leaps_every_committed_world_comes_out_the_same() {
    let files = std::fs::read_dir("simulators/fleets").expect("the worlds are there");
    let files = files
        .filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|e| e == "toml")));
    assert_eq!(files.count(), WORLDS.len(), "a world is missing here");
    for (_, text) in WORLDS {
        for seed in 0..3 {
            let mut spec = world(text, 16);
            spec.regions = 1.try_into().expect("one is positive");
            comes_out_the_same(&spec, seed);
        }
    }
}

/// Leaps wrote over what bits had flipped in, where block by block the meter finds that nothing can be written there and
/// erases first: one world in five came out otherwise.
#[test]
fn frame_by_frame_or_in_leaps_flash_that_rots_comes_out_the_same() {
    for seed in 0..20 {
        let mut spec = world(STREET, 6);
        spec.faults.flash_bit_flips_per_day = PerDay::new(12.0).expect("a rate");
        comes_out_the_same(&spec, seed);
    }
}

/// With meters and hubs that start again, lose power and are replaced, lines that fail, worn flash, meters that fetch by
/// pages, and hubs that throttle.
#[test]
fn frame_by_frame_or_in_leaps_a_street_of_troubles_comes_out_the_same() {
    for seed in 0..20 {
        let often = |times: f64| PerDay::new(times).expect("a rate");
        let share = |share: f64| Share::new(share).expect("a share");
        let mut spec = world(DEMO, 8);
        spec.han.loss = share(0.02);
        spec.device.hub.minimum_block_period_ms = [0, 250][seed as usize % 2];
        spec.device.electricity.page_bytes = [None, NonZeroU16::new(500)][seed as usize / 2 % 2];
        spec.faults = FaultSpec {
            reordered_per_datagram: share(0.05),
            reorder_most_ms: 20_000,
            corrupted_per_datagram: share(0.02),
            undetected_per_corrupted: share(0.3),
            half_open_per_day: often(4.0),
            half_open_s: 900,
            hub_reboots_per_day: often(4.0),
            meter_reboots_per_day: often(12.0),
            power_cuts_per_day: often(2.0),
            power_cut_most_s: 1_800,
            activation_answers_lost_per_answer: share(0.3),
            clock_jumps_per_day: often(2.0),
            clock_jump_most_s: 86_400,
            meter_swaps_per_day: often(0.5),
            hub_swaps_per_day: often(0.2),
            flash_bit_flips_per_day: often(2.0),
            worn_flash_share: share(0.3),
            ..FaultSpec::default()
        };
        comes_out_the_same(&spec, seed);
    }
}
