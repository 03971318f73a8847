//! Orders to activate that no hub heard: the line was down for as long as we tried.

use std::time::Duration;

use campaign::{Outcome, Stage};
use firmware_image::Eui64;
use fleet::{DeviceKind, Rehearsal, WorldSpec};
use transfer_engine::Moment;

use crate::rig::Rig;
use crate::street::{STREET, rehearsal, rehearsal_of, world};

/// Between two looks at a hub.
const LOOK: Duration = Duration::from_secs(1_800);

/// Longer than we try to hand over an order.
const CUT: Duration = Duration::from_secs(1_200);

/// Cuts the line when a first device has been ordered, before its order is sent; returns who it is and when all was well
/// again.
fn cut_off_when_ordered(spec: &WorldSpec, set: Rehearsal) -> (Rig, Eui64, Moment) {
    cut_off_for(CUT, LOOK, spec, set)
}

/// The same for so long, with looks so far apart.
fn cut_off_for(cut: Duration, look: Duration, spec: &WorldSpec, mut set: Rehearsal) -> (Rig, Eui64, Moment) {
    set.order.policy.poll_interval_s = look.as_secs() as u32;
    let mut rig = Rig::new(spec, set);
    rig.run_until("ordered", |state| state.rows().any(|row| row.stage == Stage::Ordered));
    let ordered = rig.state().rows().find(|row| row.stage == Stage::Ordered).map(|row| row.device);
    rig.cut = true;
    let mended_at = rig.now + cut;
    while rig.now < mended_at {
        rig.step();
    }
    rig.cut = false;
    (rig, ordered.unwrap(), mended_at)
}

fn is_activated_soon((mut rig, device, mended_at): (Rig, Eui64, Moment)) {
    rig.run_until("over", |state| state.row(device).is_some_and(|row| row.outcome.is_some()));
    let outcome = rig.state().row(device).and_then(|row| row.outcome.clone());
    assert!(matches!(outcome, Some((Outcome::Activated, _))), "{outcome:?}");
    // One look finds it idle, and the next that it runs the image.
    let took = rig.now.saturating_since(mended_at);
    assert!(took < 3 * LOOK, "it was looked at for {took:?}");
    let census = rig.fleet.census();
    let counted = census.devices.iter().find(|counted| counted.eui == device).unwrap();
    assert_eq!(counted.activations, 1);
}

/// A device that was found idle was told again at the twelfth look, as if its hub had said that it would tell it; with looks
/// every half hour that was six hours later, and the last devices of a national campaign were such.
#[test]
fn an_order_that_no_hub_heard_is_given_again_at_the_first_look_that_finds_the_device_idle() {
    let spec = world(STREET, 10);
    is_activated_soon(cut_off_when_ordered(&spec, rehearsal(&spec, 5)));
}

/// A hub that never heard its own order was taken for one that had gone back to its old firmware, and its image was blamed.
#[test]
fn a_hub_that_never_heard_its_own_order_has_not_rolled_back() {
    let spec = world(STREET, 10);
    let set = rehearsal_of(&spec, 7, &[(DeviceKind::Hub, 8_000)]);
    is_activated_soon(cut_off_when_ordered(&spec, set));
}

/// With looks more frequent than tries were over, questions after the version piled up behind the cut. When the line was
/// back they were all answered within seconds, before the hub had its order again, and counted as three looks at one that
/// had gone back: its image was blamed, and a moment later it ran it.
#[test]
fn a_hub_whose_order_is_on_its_way_is_not_blamed_for_what_it_runs_until_it_has_it() {
    let spec = world(STREET, 10);
    let set = rehearsal_of(&spec, 7, &[(DeviceKind::Hub, 8_000)]);
    is_activated_soon(cut_off_for(Duration::from_secs(3_600), Duration::from_secs(10), &spec, set));
}
