//! The two fidelities, held together on every committed world: frame by frame or in leaps, the same ledger to the byte,
//! the same devices in the same state, the same frames, losses and faults.

use std::time::Duration;

use fleet::{Fidelity, Simulation};

use crate::street::{PORT, rehearsal_with, world};

const LIMIT: Duration = Duration::from_secs(120 * 86_400);

/// Longer images than the other scenarios have, so that there is something to leap over, bytes.
const PAYLOADS: [usize; 2] = [40_000, 30_000];

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

#[test]
fn frame_by_frame_or_in_leaps_every_committed_world_comes_out_the_same() {
    let files = std::fs::read_dir("simulators/fleets").expect("the worlds are there");
    let files = files
        .filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|e| e == "toml")));
    assert_eq!(files.count(), WORLDS.len(), "a world is missing here");
    for (name, text) in WORLDS {
        for seed in 0..3 {
            let mut spec = world(text, 16);
            spec.regions = 1.try_into().expect("one is positive");
            let run = |fidelity| {
                let mut rehearsal = rehearsal_with(&spec, seed, PAYLOADS);
                rehearsal.fleet.set_fidelity(fidelity);
                let mut simulation =
                    Simulation::new(rehearsal, spec.start, PORT).expect("the order is accepted");
                simulation.run(LIMIT, |_, _| {}).expect("it ends");
                simulation
            };
            let [exact, batched] = [Fidelity::Exact, Fidelity::Batched].map(run);
            assert_eq!(exact.head(), batched.head(), "{name}, seed {seed}");
            assert_eq!(exact.state(), batched.state(), "{name}, seed {seed}");
            assert_eq!(exact.census(), batched.census(), "{name}, seed {seed}");
        }
    }
}
