//! A head-end that dies and starts again from its ledger.

use std::time::Duration;

use campaign::Phase;
use fleet::Rehearsal;
use proptest::prelude::*;

use crate::street::{DEMO, rehearsal, simulation, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Deaths at random moments of the first day: the campaign finishes, nothing is activated twice, and hubs
    /// get at most a train of blocks again per death.
    #[test]
    fn a_campaign_survives_any_number_of_deaths(
        seed in 0u64..1_000,
        deaths in proptest::collection::vec(1u64..40_000, 1..6),
    ) {
        let spec = world(DEMO, 24);
        let mut simulation = simulation(&spec, seed);
        let mut at = spec.start;
        for wait_s in &deaths {
            at = at + Duration::from_secs(*wait_s);
            simulation.run_until(at).expect("it runs");
            let Rehearsal { desk, settings, images, .. } = rehearsal(&spec, seed);
            simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
        }
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let state = simulation.state();
        prop_assert!(state.phase != Phase::Running);
        prop_assert_eq!(state.tally().pending, 0);
        for device in &simulation.census().devices {
            prop_assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
        }
        simulation.ledger().verify().expect("the ledger verifies");
    }
}
