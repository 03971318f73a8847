//! Times of day in which campaigns send and activate, and the day before which they activate nothing: what the fleet may
//! see of them outside.

use std::time::Duration;

use campaign::{CampaignState, NotBefore, Outcome, Phase, Stage, Windows};
use eligibility::{DeviceChange, Exclusion};
use firmware_image::Eui64;
use fleet::{Rehearsal, Simulation, TroubleSpec, WorldSpec};
use proptest::prelude::*;
use transfer_engine::Moment;

use crate::acts::Acts;
use crate::rig::Rig;
use crate::street::{DEMO, PORT, STREET, rehearsal, rehearsal_with, world};

const LIMIT: Duration = Duration::from_secs(120 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

fn windows(texts: &[String]) -> Windows {
    texts.to_vec().try_into().expect("windows")
}

/// Windows of one to eight hours, most of them around midnight.
fn some_hours() -> impl Strategy<Value = String> {
    (0u16..1_440, 60u16..480).prop_map(|(from, len)| {
        let until = (from + len) % 1_440;
        format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    })
}

fn rehearse(spec: &WorldSpec, seed: u64, sending: &[String], activating: &[String]) -> (Simulation, Acts) {
    let mut set = rehearsal(spec, seed);
    set.order.policy.sending = windows(sending);
    set.order.policy.activating = windows(activating);
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    let acts = Acts::default();
    simulation.observe(Box::new(acts.clone()));
    (simulation, acts)
}

fn restart(simulation: &mut Simulation, spec: &WorldSpec, seed: u64) {
    let Rehearsal { desk, settings, images, .. } = rehearsal(spec, seed);
    simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Random windows over the night on which clocks go back, with deaths of the head-end: what is sent and what is
    /// activated lies in them, and the campaign finishes all the same.
    #[test]
    fn nothing_is_sent_or_activated_outside_its_hours(
        seed in 0u64..1_000,
        sending in proptest::collection::vec(some_hours(), 1..3),
        activating in proptest::collection::vec(some_hours(), 1..3),
        dies_after_s in 1u64..200_000,
    ) {
        let mut spec = world(DEMO, 24);
        // 2020-10-24 at noon: clocks go back in the night.
        spec.start = Moment::from_micros(1_603_540_800_000_000);
        let (mut simulation, acts) = rehearse(&spec, seed, &sending, &activating);
        simulation.run_until(spec.start + Duration::from_secs(dies_after_s)).expect("it runs");
        restart(&mut simulation, &spec, seed);
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        let state = simulation.state();
        prop_assert!(!state.phase.is_open());
        prop_assert_eq!(state.tally().pending, 0);
        for (words, hours) in [(["initiate", "block"], &sending), (["order", "activate"], &activating)] {
            let hours = windows(hours);
            let seen = acts.moments_of(&words);
            prop_assert!(!seen.is_empty(), "the observer saw nothing at all");
            for at in seen {
                prop_assert!(hours.is_open(at), "{:?} at {} outside {:?}", words, at, hours);
            }
        }
        for row in state.rows().filter(|row| row.reached(Stage::Instructed).is_some()) {
            prop_assert!(windows(&sending).is_open(row.reached(Stage::Instructed).expect("it was")));
        }
        for device in &simulation.census().devices {
            prop_assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
        }
        simulation.ledger().verify().expect("the ledger verifies");
    }
}

/// Devices that are done, by whether their activation was ordered before a moment.
fn activated(simulation: &Simulation) -> usize {
    let rows = simulation.state().rows();
    rows.filter(|row| matches!(row.outcome, Some((Outcome::Activated, _)))).count()
}

#[test]
fn a_campaign_with_hours_brings_as_many_devices_to_the_target_as_one_without() {
    let mut spec = world(STREET, 10);
    // Where one of a home fails, it matters who comes first.
    spec.trouble = TroubleSpec::default();
    // Less than the wait from night to noon: who waits for an hour of ours is not late.
    spec.campaign.han_deadline_s = 18_000.try_into().expect("a deadline");
    let (mut always, _) = rehearse(&spec, 7, &[], &[]);
    always.run(LIMIT, |_, _| {}).expect("it ends");
    let night = ["23:00-05:00".to_owned()];
    let (mut nightly, _) = rehearse(&spec, 7, &night, &["12:00-13:00".to_owned()]);
    nightly.run(LIMIT, |_, _| {}).expect("it ends");
    assert!(activated(&always) > 0);
    assert_eq!(activated(&nightly), activated(&always));
    assert!(nightly.now() > always.now(), "it had to wait");
}

#[test]
fn nothing_is_activated_before_its_day_and_nobody_is_late_for_having_waited() {
    let mut spec = world(STREET, 10);
    // A day; the wait is ten.
    spec.campaign.han_deadline_s = 86_400.try_into().expect("a deadline");
    let mut smooth = Simulation::new(rehearsal(&spec, 7), spec.start, PORT).expect("the order is accepted");
    smooth.run(LIMIT, |_, _| {}).expect("it ends");
    let due = spec.start + 10 * DAY;
    let mut set = rehearsal(&spec, 7);
    set.order.policy.activate_not_before = NotBefore::from(due);
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    simulation.run_until(due).expect("it waits");
    let waiting = simulation.state().rows().filter(|row| row.stage == Stage::Delivered).count();
    assert!(waiting > 0, "images were brought to devices meanwhile");
    assert_eq!(simulation.census().total(|device| device.activations), 0);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    assert_eq!(simulation.state().phase, Phase::Finished);
    assert_eq!(activated(&simulation), activated(&smooth));
    for row in simulation.state().rows().filter(|row| row.order_counter.is_some()) {
        assert!(row.reached(Stage::Ordered) >= Some(due), "{} was ordered too early", row.device);
    }
}

/// Windows of an hour a day, over a line that takes longer for all homes: they close in the middle of transfers.
#[test]
fn a_window_that_closes_takes_back_what_the_engine_was_told_and_hubs_keep_what_they_have() {
    let mut spec = world(DEMO, 24);
    spec.campaign.global_rate_bytes_per_s = 600.try_into().expect("a rate");
    let mut set = rehearsal_with(&spec, 7, [120_000, 100_000]);
    // The world begins at 01:00 in London.
    let (sending, activating) = (["01:00-02:00".to_owned()], ["01:30-02:30".to_owned()]);
    set.order.policy.sending = windows(&sending);
    set.order.policy.activating = windows(&activating);
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    let acts = Acts::default();
    simulation.observe(Box::new(acts.clone()));
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    for (words, hours) in [(["initiate", "block"], &sending), (["order", "activate"], &activating)] {
        let hours = windows(hours);
        for at in acts.moments_of(&words) {
            assert!(hours.is_open(at), "{words:?} at {at}");
        }
    }
    let day = |at: Option<Moment>| at.map(|at| at.as_micros() / DAY.as_micros() as u64);
    let rows = || simulation.state().rows().filter(|row| row.reached(Stage::Staged).is_some());
    let cut =
        rows().filter(|row| day(row.reached(Stage::Instructed)) != day(row.reached(Stage::Staged))).count();
    assert!(cut > 0, "no transfer was cut");
    // Requests are asked again when answers are lost, never because a window closed.
    let initiated = acts.moments_of(&["initiate"]).len();
    assert!(
        initiated <= rows().count() + cut / 2 + 4,
        "{initiated} initiations for {} images",
        rows().count()
    );
    assert!(activated(&simulation) > 0);
}

/// A street in which the first order is made ten seconds before the activating hour is over, and when that is.
fn ordered_as_the_hour_closes(spec: &WorldSpec) -> (Rig, Moment) {
    let mut set = rehearsal(spec, 7);
    let closes = spec.start + Duration::from_secs(7_200);
    // The world begins at 01:00 in London.
    set.order.policy.activating = windows(&["02:00-03:00".to_owned()]);
    set.order.policy.activate_not_before = NotBefore::from(spec.start + Duration::from_secs(7_190));
    let mut rig = Rig::new(spec, set);
    rig.run_until("ordered", |state| state.rows().any(|row| row.stage == Stage::Ordered));
    (rig, closes)
}

/// The line goes down as orders are handed over, ten seconds before the hour is over: they are not asked for again after
/// it, and the next day they are, if they did not arrive.
#[test]
fn an_order_that_nobody_has_answered_is_not_repeated_after_its_hour() {
    let spec = world(STREET, 10);
    let (mut rig, closes) = ordered_as_the_hour_closes(&spec);
    assert!(rig.now < closes, "the hour was over before an order was made");
    rig.cut = true;
    let next_day = closes + Duration::from_secs(23 * 3_600);
    while rig.now < next_day {
        rig.step();
    }
    let orders = |rig: &Rig| {
        rig.acts
            .iter()
            .filter(|(_, act)| matches!(*act, "order" | "activate"))
            .map(|(at, _)| *at)
            .collect::<Vec<_>>()
    };
    let handed_over = orders(&rig);
    assert!(!handed_over.is_empty(), "nothing was handed over");
    assert!(handed_over.iter().all(|at| *at < closes), "{handed_over:?} after {closes}");
    rig.cut = false;
    rig.run_until("over", |state| state.tally().pending == 0);
    let hours = rig.state().order.policy.activating.clone();
    assert!(orders(&rig).iter().all(|at| hours.is_open(*at)));
    assert!(rig.state().rows().any(|row| matches!(row.outcome, Some((Outcome::Activated, _)))));
    for device in &rig.fleet.census().devices {
        assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
    }
}

/// An order that a closing hour left in doubt was handed over the next day without asking the gate, although the devices
/// were not to be updated any more.
#[test]
fn an_order_in_doubt_is_not_told_again_to_a_device_that_the_gate_refuses_by_then() {
    let spec = world(STREET, 10);
    let (mut rig, closes) = ordered_as_the_hour_closes(&spec);
    rig.cut = true;
    while rig.now < closes + Duration::from_secs(3_600) {
        rig.step();
    }
    rig.cut = false;
    let in_doubt: Vec<Eui64> =
        rig.state().rows().filter(|row| row.stage == Stage::Ordered).map(|row| row.device).collect();
    assert!(!in_doubt.is_empty(), "nobody is in doubt");
    for row in rig.state().rows().map(|row| row.device).collect::<Vec<_>>() {
        rig.conductor
            .note_change(row, DeviceChange::Exclusion(Some(Exclusion::FiveFailedAttempts)))
            .expect("it is known");
    }
    let told = |rig: &Rig| rig.acts.iter().filter(|(_, act)| matches!(*act, "order" | "activate")).count();
    let before = told(&rig);
    rig.run_until("over", |state| state.tally().pending == 0);
    assert_eq!(told(&rig), before, "somebody was told again");
}

/// The first thing that is heard in the hour is that a device has verified its image, and the disk is slow: its order was
/// handed over for the hour that had opened, and again when its record was durable.
#[test]
fn an_order_that_is_made_as_its_hour_opens_waits_for_its_record_and_is_handed_over_once() {
    let spec = world(STREET, 10);
    let mut smooth = Rig::new(&spec, rehearsal(&spec, 7));
    smooth.run_until("ordered", |state| state.rows().any(|row| row.stage == Stage::Ordered));
    let ordered = |state: &CampaignState| state.rows().filter_map(|row| row.reached(Stage::Ordered)).min();
    let opens = ordered(smooth.state()).expect("one is ordered");
    let mut set = rehearsal(&spec, 7);
    set.order.policy.activate_not_before = NotBefore::from(opens);
    let mut rig = Rig::new(&spec, set);
    while rig.now < opens {
        rig.step();
    }
    rig.write_takes = Duration::from_secs(2);
    let durable = opens + rig.write_takes;
    rig.step();
    assert_eq!(ordered(rig.state()), Some(opens), "the order was made by the first thing heard");
    while rig.now < durable + Duration::from_secs(10) {
        rig.step();
    }
    let devices = rig.state().rows().filter(|row| row.reached(Stage::Ordered).is_some()).count();
    let handed_over: Vec<Moment> =
        rig.acts.iter().filter(|(_, act)| *act == "order").map(|(at, _)| *at).collect();
    assert!(handed_over.iter().all(|at| *at >= durable), "{handed_over:?} before {durable}");
    assert_eq!(handed_over.len(), devices, "{handed_over:?}");
    rig.run_until("over", |state| state.tally().pending == 0);
    for device in &rig.fleet.census().devices {
        assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
    }
}
