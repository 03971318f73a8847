//! A head-end that dies and starts again from its ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use campaign::{Outcome, Permille, Phase, Record, Stage};
use fleet::Rehearsal;
use proptest::prelude::*;
use transfer_engine::Moment;

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

/// A street without WAN: whoever is instructed is tried in vain. After a restart tries were counted from nothing, and the
/// next was made at once: a head-end that died now and then tried for ever.
fn out_of_reach(retries_per_device: u8) -> (Rig, impl Fn() -> Rehearsal) {
    let spec = world(STREET, 10);
    let set = move || {
        let mut set = rehearsal(&spec, 7);
        let policy = &mut set.order.policy;
        (policy.retry_after_s, policy.retries_per_device) = (600, retries_per_device);
        // All waves are served, although nobody answers.
        policy.success_threshold = Permille(0);
        set
    };
    let mut rig = Rig::new(&world(STREET, 10), set());
    rig.cut = true;
    (rig, set)
}

#[test]
fn tries_are_counted_on_where_a_head_end_died_and_the_next_is_not_made_before_its_time() {
    let (mut rig, set) = out_of_reach(0);
    for attempts in 1..=4 {
        rig.run_until("tried", |state| state.rows().any(|row| row.failed_attempts == attempts));
        // What was decided at this moment is written at the next.
        rig.step();
        rig.is_down_for(Duration::from_secs(1), set());
        assert!(rig.state().rows().any(|row| row.failed_attempts == attempts), "it has forgotten");
    }
    rig.run_until("over", |state| state.tally().pending == 0);
    rig.step();
    let mut tries: BTreeMap<_, (u8, Option<Moment>)> = BTreeMap::new();
    for (at, record) in rig.records() {
        let Record::StagingFailed(body) = record else { continue };
        let (made, not_before) = tries.entry(body.device).or_default();
        *made += 1;
        assert_eq!(body.attempt, *made, "{}: {}", body.device, body.fault);
        assert!(not_before.is_none_or(|not_before| not_before < at), "{} was tried too early", body.device);
        *not_before = body.retry_after_ms.map(|wait_ms| at + Duration::from_millis(wait_ms));
        assert_eq!(not_before.is_some(), body.attempt < 5, "{body:?}");
    }
    // Beside one that was given up so, the home would end in a combination that is on no list: the other is not tried again.
    for row in rig.state().rows() {
        if matches!(&row.outcome, Some((Outcome::NoWan, why)) if why.starts_with("nor was its hub reached for "))
        {
            assert!(matches!(tries.remove(&row.device), Some((1..5, Some(_)))), "{}", row.device);
        }
    }
    let given_up = rig.state().rows().filter(|row| matches!(row.outcome, Some((Outcome::NoWan, _))));
    for row in given_up {
        if let Some(tried) = tries.remove(&row.device) {
            assert_eq!(tried, (5, None), "{}", row.device);
        }
    }
    assert!(tries.is_empty() && rig.state().progress().failed > 0, "{tries:?} ended otherwise");
}

/// The timer of the next try ran from when the last one failed, whether or not the ledger had taken that: had the
/// head-end died in between, a try would have been made that nobody counted.
#[test]
fn the_next_try_waits_until_the_last_one_is_durable() {
    let (mut rig, _) = out_of_reach(0);
    while rig.conductor.busy_hubs() == 0 {
        rig.step();
    }
    // Much longer than any wait between two tries.
    rig.write_takes = Duration::from_secs(6 * 3_600);
    rig.run_until("tried", |state| state.rows().any(|row| row.failed_attempts == 1));
    let written = rig.now + rig.write_takes;
    rig.run_until("tried again", |state| state.rows().any(|row| row.failed_attempts == 2));
    assert!(rig.now >= written, "tried again at {}, while the last try is durable at {written}", rig.now);
}

#[test]
fn retries_that_a_campaign_has_used_up_do_not_come_back_with_a_head_end_that_starts_again() {
    let retries = |dies: bool| {
        let (mut rig, set) = out_of_reach(1);
        while rig.state().tally().pending > 0 {
            let before = rig.state().retries;
            rig.run_until("tried", |state| state.retries > before + 2 || state.tally().pending == 0);
            rig.step();
            if dies {
                rig.is_down_for(Duration::from_secs(60), set());
            }
        }
        rig.state().retries
    };
    assert_eq!(retries(true), retries(false));
}
