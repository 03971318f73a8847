//! A head-end that dies and starts again from its ledger.

use std::time::Duration;

use campaign::{Outcome, Phase, Stage};
use fleet::Rehearsal;
use proptest::prelude::*;

use crate::rig::Rig;
use crate::street::{DEMO, STREET, rehearsal, simulation, world};

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

fn activated(rig: &Rig) -> usize {
    let rows = rig.state().rows();
    rows.filter(|row| matches!(row.outcome, Some((Outcome::Activated, _)))).count()
}

/// The first order is in the ledger, handed over or not, when the head-end dies for longer than anything may take. All
/// that were ordered were late when it came back, for nobody had looked at them, and the image was blamed.
fn is_down_for_longer_than_the_deadlines(is_told: bool) {
    let spec = world(STREET, 10);
    let set = || {
        let mut set = rehearsal(&spec, 7);
        (set.order.policy.han_deadline_s, set.order.policy.activation_deadline_s) = (86_400, 86_400);
        set
    };
    let mut smooth = Rig::new(&spec, set());
    smooth.run_until("over", |state| state.tally().pending == 0);
    let mut rig = Rig::new(&spec, set());
    rig.run_until("staged", |state| state.rows().any(|row| row.stage == Stage::Staged));
    if !is_told {
        rig.write_takes = Duration::from_secs(86_400);
    }
    rig.run_until("ordered", |state| state.rows().any(|row| row.stage == Stage::Ordered));
    rig.write_takes = Duration::ZERO;
    rig.is_down_for(Duration::from_secs(25 * 3_600), set());
    assert!(rig.state().rows().any(|row| row.stage == Stage::Ordered), "nobody was ordered");
    rig.run_until("over", |state| state.tally().pending == 0);
    assert_eq!(rig.state().phase, Phase::Finished, "{:?}", rig.state().halted_because);
    assert_eq!(rig.state().tally().by_outcome, smooth.state().tally().by_outcome);
    assert!(activated(&rig) > 0);
    for device in &rig.fleet.census().devices {
        assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
    }
}

#[test]
fn nobody_is_late_before_a_head_end_that_was_down_has_looked() {
    is_down_for_longer_than_the_deadlines(true);
}

#[test]
fn who_was_never_told_because_the_head_end_died_is_told_and_has_its_time_from_there() {
    is_down_for_longer_than_the_deadlines(false);
}
