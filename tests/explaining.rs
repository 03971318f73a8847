//! What a running engine says of a device at a moment: whether it has a slot, and whether its hub is reached (rows A7 and
//! A8 of the gate). Lists in files cannot know either.

use campaign::{DeviceRow, Permille, Stage};
use firmware_image::Eui64;

use crate::rig::Rig;
use crate::street::{STREET, rehearsal, world};

/// A street of quiet homes in which four are the pilot.
fn street() -> Rig {
    let spec = world(STREET, 20);
    let mut set = rehearsal(&spec, 7);
    set.order.policy.waves = vec![Permille(200)];
    Rig::new(&spec, set)
}

fn first(rig: &Rig, is_it: impl Fn(&DeviceRow) -> bool) -> Eui64 {
    rig.state().rows().find(|row| is_it(row)).map(|row| row.device).expect("there is such a device")
}

/// Returns the row and the code of what is said.
fn told(rig: &Rig, device: Eui64) -> (String, String) {
    let rulings = rig.conductor.explain(device);
    let [ruling] = rulings.as_slice() else { panic!("{} rulings", rulings.len()) };
    assert_eq!(ruling.judgement.waits, matches!(ruling.judgement.row.as_str(), "A6" | "A7" | "A8"));
    assert!(ruling.sentence.contains(&ruling.judgement.code), "{}", ruling.sentence);
    (ruling.judgement.row.clone(), ruling.judgement.code.clone())
}

fn pair(row: &str, code: &str) -> (String, String) {
    (row.to_owned(), code.to_owned())
}

#[test]
fn who_waits_for_its_wave_has_no_slot_and_who_is_served_has_one() {
    let mut rig = street();
    rig.run_until("instructed", |state| state.rows().any(|row| row.stage == Stage::Instructed));
    let served = first(&rig, |row| row.stage == Stage::Instructed);
    let waits = first(&rig, |row| row.wave == Some(1) && row.stage == Stage::Planned);
    assert_eq!(told(&rig, waits), pair("A7", "QUEUE"));
    assert!(rig.conductor.explain(served)[0].judgement.allowed);
    let recorded = rig.conductor.recorded();
    assert_eq!(told(&rig, waits), pair("A7", "QUEUE"));
    assert_eq!(rig.conductor.recorded(), recorded, "asking leaves nothing behind");
}

#[test]
fn whose_hub_is_cut_off_is_said_to_be_out_of_reach_until_it_answers_again() {
    let mut rig = street();
    rig.cut = true;
    rig.run_until("tried in vain", |state| state.rows().any(|row| row.failed_attempts > 0));
    let tried = first(&rig, |row| row.failed_attempts > 0 && row.outcome.is_none());
    assert_eq!(told(&rig, tried), pair("A8", "RETRY_NO_WAN"));
    rig.cut = false;
    rig.run_until("staged", |state| state.row(tried).is_some_and(|row| row.stage == Stage::Staged));
    assert!(rig.conductor.explain(tried)[0].judgement.allowed, "it answers again");
}
