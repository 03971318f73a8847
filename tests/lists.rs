//! Lists that change while a campaign runs: homes that are not in them any more, and firmware that they do not know of yet.

use std::time::Duration;

use campaign::{Desk, Outcome, Phase, Stage};
use eligibility::{Device, Inventory};
use fleet::{DeviceKind, Simulation, WorldSpec, paperwork};

use crate::strangers::{LIMIT, images, maker, plain_street, rehearsal, simulation};
use crate::street::PORT;

const KINDS: [DeviceKind; 2] = [DeviceKind::Electricity, DeviceKind::Gas];

/// The first day's lists with some rows of the inventory only.
fn desk(simulation: &Simulation, spec: &WorldSpec, seed: u64, keep: impl Fn(&Device) -> bool) -> Desk {
    let images = images(spec, &maker(), &KINDS);
    let mut rows = paperwork(spec, simulation.fleet().homes(), &images, PORT).unwrap().inventory;
    rows.retain(keep);
    Desk { inventory: Inventory::from_rows(rows).unwrap(), ..rehearsal(spec, seed, &KINDS).desk }
}

/// A device that new lists did not name had no hub any more: whatever it waited for, it waited for ever, and the campaign
/// with it.
#[test]
fn homes_that_leave_the_lists_end_with_a_reason_and_keep_no_campaign_from_its_end() {
    let spec = plain_street();
    for (seed, minutes) in [(1, 1), (2, 4), (3, 30), (4, 300)] {
        let mut simulation = simulation(&spec, seed, &KINDS);
        simulation.run_until(spec.start + Duration::from_secs(60 * minutes)).unwrap();
        let gone = |device: &Device| ["INST-0000002", "INST-0000005"].contains(&device.installation.as_str());
        let before: Vec<_> = simulation.state().rows().map(|row| (row.device, row.stage)).collect();
        if seed % 2 == 0 {
            let rehearsal = rehearsal(&spec, seed, &KINDS);
            let desk = desk(&simulation, &spec, seed, |device| !gone(device));
            simulation.restart_head_end(rehearsal.settings, desk, rehearsal.images, &[]).unwrap();
        } else {
            let desk = desk(&simulation, &spec, seed, |device| !gone(device));
            simulation.replace_desk(desk);
        }
        simulation.run(LIMIT, |_, _| {}).expect("it ends");
        assert_eq!(simulation.state().phase, Phase::Finished, "seed {seed}");
        let whole = desk(&simulation, &spec, seed, |_| true);
        for (row, (device, stage)) in simulation.state().rows().zip(before) {
            assert_eq!(row.device, device);
            let installation = whole.inventory.device(device).unwrap().installation.as_str();
            let has_left = ["INST-0000002", "INST-0000005"].contains(&installation);
            let (outcome, reason) = row.outcome.as_ref().unwrap();
            // What was ordered before is still read back.
            let is_late = has_left && stage < Stage::Ordered;
            assert!(!is_late || *outcome != Outcome::Activated, "seed {seed}: {device}: {reason}");
        }
    }
}

#[test]
fn lists_that_are_older_than_what_was_read_back_do_not_undo_it() {
    let spec = plain_street();
    let mut simulation = simulation(&spec, 7, &KINDS);
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let runs = |simulation: &Simulation| -> Vec<String> {
        let inventory = &simulation.conductor().desk().inventory;
        let rows =
            simulation.state().rows().filter(|row| matches!(row.outcome, Some((Outcome::Activated, _))));
        rows.map(|row| inventory.device(row.device).unwrap().entry.to_string()).collect()
    };
    let noted = runs(&simulation);
    assert!(noted.len() > 10, "{noted:?}");
    let old = desk(&simulation, &spec, 7, |_| true);
    let first = simulation.state().rows().next().unwrap().device;
    assert_ne!(old.inventory.device(first).unwrap().entry.to_string(), noted[0], "the lists are older");
    simulation.replace_desk(old);
    assert_eq!(runs(&simulation), noted);
}
