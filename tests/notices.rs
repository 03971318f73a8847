//! Notices to suppliers (row A6): who is not covered on the day of the order waits for its days, and not for ever.

use std::time::Duration;

use campaign::{DeviceRow, Outcome, Stage, legal_date};
use eligibility::{Date, MeterStatus, Mpxn, Notice, NoticePolicy};
use firmware_image::{Eui64, FileVersion};
use fleet::{DeviceKind, Rehearsal, Share, Simulation, WorldSpec};
use transfer_engine::Moment;

use crate::acts::Acts;
use crate::rig::Rig;
use crate::street::{PORT, STREET, rehearsal, world};

const SEED: u64 = 7;
const LIMIT: Duration = Duration::from_secs(60 * 86_400);

/// The order is of 5 October; the notices are of that day, too, and suppliers are to have three days.
const ISSUED: Date = Date::constant(2020, 10, 5);
const OPENS: Date = Date::constant(2020, 10, 8);
const CLOSES: Date = Date::constant(2020, 10, 20);
const HOLD_LIMIT_DAYS: u16 = 10;

/// Half the homes have gas: an electricity meter beside one waits with it, whatever its own notice says.
fn town() -> WorldSpec {
    let mut spec = world(STREET, 20);
    spec.gas_share = Share::new(0.5).unwrap();
    spec
}

/// A street whose Dormant electricity meters are covered from the third day on, and whose gas meters nobody wrote about.
fn street() -> Rehearsal {
    let spec = town();
    let mut set = rehearsal(&spec, SEED);
    set.desk.gate.notice = NoticePolicy::Required { lead_days: 3 };
    set.order.policy.hold_limit_days = HOLD_LIMIT_DAYS;
    let model = spec.device.of(DeviceKind::Electricity);
    let is_covered = |device: &Eui64| {
        let found = set.desk.inventory.device(*device);
        found.is_some_and(|found| found.status == MeterStatus::Dormant && is_electricity(*device))
    };
    let notice = |device: &Eui64| Notice {
        supplier: set.desk.inventory.device(*device).unwrap().supplier.clone(),
        mpxn: Mpxn::new("1000000000001").unwrap(),
        device: *device,
        dmc: None,
        from: FileVersion(model.running_version),
        to: model.target().file_version,
        window_start: ISSUED,
        window_end: CLOSES,
        issued_at: ISSUED,
    };
    let notices = set.order.devices.iter().filter(|device| is_covered(device)).map(notice).collect();
    set.desk.inventory = set.desk.inventory.clone().with_rows(notices, Vec::new()).unwrap();
    set
}

/// Simulated devices have their kind in their number.
fn is_electricity(device: Eui64) -> bool {
    device.to_bytes()[3] == 1
}

fn day(moment: Option<Moment>) -> Option<Date> {
    moment.map(legal_date)
}

/// Whoever had to wait was ended as refused on the day of the order, in the same breath in which it was told to wait.
fn waits_for_its_days(dies: bool) {
    let spec = town();
    let acts = Acts::default();
    let mut simulation = Simulation::new(street(), spec.start, PORT).expect("the order is accepted");
    simulation.observe(Box::new(acts.clone()));
    let waiting: Vec<Eui64> =
        simulation.state().rows().filter(|row| row.verdict.waits).map(|row| row.device).collect();
    assert!(waiting.iter().any(|device| is_electricity(*device)));
    assert!(waiting.iter().any(|device| !is_electricity(*device)));
    if dies {
        simulation.run_until(spec.start + Duration::from_secs(86_400)).expect("it runs");
        let Rehearsal { desk, settings, images, .. } = street();
        simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
    }
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let mut served = 0;
    for device in waiting {
        let row = simulation.state().row(device).unwrap();
        let (outcome, reason) = row.outcome.clone().unwrap();
        if outcome == Outcome::Refused {
            // Of two that wait for one another the second finds that the first stays as it is.
            let expected: &[&str] = match is_electricity(device) {
                true => &["HOLD_COMPANION"],
                false => &["HOLD_NOT_NOTIFIED", "REJECT_FW_NOT_IN_DMC"],
            };
            assert!(expected.contains(&reason.as_str()), "{device}: {reason}");
            assert_eq!(day(row.reached(Stage::Ended)), Some(Date::constant(2020, 10, 15)), "{device}");
        } else {
            served += 1;
            assert!(is_electricity(device), "nobody was told about {device}");
            assert!(day(row.reached(Stage::Instructed)) >= Some(OPENS), "{device}: {row:?}");
        }
    }
    assert!(served > 0);
    let began = acts.moments_of(&["initiate", "block"]);
    assert_eq!(day(began.first().copied()), Some(OPENS), "the first minute of the day is used");
}

#[test]
fn who_is_not_covered_on_the_day_of_the_order_waits_for_its_days_and_not_for_ever() {
    waits_for_its_days(false);
}

#[test]
fn who_waits_for_its_days_goes_on_waiting_where_the_head_end_dies_meanwhile() {
    waits_for_its_days(true);
}

/// A notice that comes with new lists is heard of at once.
#[test]
fn who_waits_is_asked_about_again_when_the_lists_change() {
    let spec = town();
    let mut set = street();
    let lists = street().desk;
    // Nobody was told of anything at first.
    set.desk.inventory = rehearsal(&spec, SEED).desk.inventory;
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    let noon = Moment::from_micros(1_602_244_800_000_000);
    simulation.run_until(noon).expect("it runs");
    let nobody = |simulation: &Simulation| {
        simulation.state().rows().all(|row| row.reached(Stage::Instructed).is_none())
    };
    assert!(nobody(&simulation));
    simulation.replace_desk(lists);
    simulation.run_until(simulation.now() + Duration::from_secs(3_600)).expect("it runs");
    assert!(!nobody(&simulation), "it is 9 October, and the notices of the 5th cover it");
}

/// Notices that were taken back after the image had arrived: it waited for its whole deadline, and ended as if nobody had
/// heard of it any more.
#[test]
fn who_is_not_covered_any_more_when_its_image_is_there_is_held_for_that_reason() {
    let spec = town();
    let mut set = street();
    (set.order.policy.waves, set.order.policy.han_deadline_s) = (Vec::new(), 7_200);
    // So that there is time between the image's arrival and the order.
    set.order.policy.poll_interval_s = 3_600;
    let nobody_told = rehearsal(&spec, SEED).desk.inventory;
    let mut rig = Rig::new(&spec, set);
    let staged = |row: &&DeviceRow| row.stage == Stage::Staged && is_electricity(row.device);
    rig.run_until("staged", |state| state.rows().any(|row| staged(&row)));
    let device = rig.state().rows().find(staged).unwrap().device;
    let mut desk = street().desk;
    desk.inventory = nobody_told;
    rig.conductor.set_desk(desk);
    rig.run_until("over", |state| state.row(device).is_some_and(|row| row.outcome.is_some()));
    let row = rig.state().row(device).unwrap();
    assert!(row.reached(Stage::Delivered).is_some(), "{row:?}");
    let (outcome, reason) = row.outcome.clone().unwrap();
    assert_eq!((outcome, reason.as_str()), (Outcome::HeldUnactivated, "HOLD_NOT_NOTIFIED"));
}
