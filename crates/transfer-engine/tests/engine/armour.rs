//! Hubs that flood us: others must not notice.

use std::time::Duration;

use transfer_engine::{
    ArmourRules, ByteRate, EngineConfig, Fault, LineRate, ModelId, Priority, Task, Transport,
};

use crate::device::Storm;
use crate::net::Profile;
use crate::rig::{Rig, START, ample};

const HUBS: u32 = 50;

/// Runs a cell in which every fifth hub answers `storm` times as much as it should; returns when the last of the
/// others was done, and the rig.
fn run(storm: Option<Storm>, rules: ArmourRules) -> (Duration, Rig) {
    let config = EngineConfig { armour: rules, ..ample() };
    let mut rig = Rig::new(config, 40_000, 9);
    let cell = rig.engine.add_cell(ByteRate(30_000));
    for index in 0..HUBS {
        let profile = Profile { bits_per_s: 200_000, ..Profile::gprs(0.01) };
        let rate = LineRate::AtMost(ByteRate(1_000_000));
        let hub = rig.add(cell, Transport::Datagram, rate, profile, 1_024);
        let bad = index % 5 == 0;
        rig.engine.set_model(hub, ModelId(u16::from(bad)));
        rig.stage(hub);
        if bad {
            rig.members[index as usize].device.storm = storm;
        }
    }
    rig.run_until(START + Duration::from_secs(3_600));
    let good = rig.events.iter().filter(|(_, event)| event.hub.0 % 5 != 0);
    assert!(good.clone().all(|(_, event)| event.result.is_ok()));
    assert_eq!(good.clone().count(), 40);
    let last = good.map(|(at, _)| at.saturating_since(START)).max();
    (last.expect("they were done"), rig)
}

#[test]
fn an_error_storm_of_a_fifth_of_the_hubs_does_not_slow_the_others() {
    let (quiet, calm) = run(None, ArmourRules::default());
    let usual = calm.engine.counters().bytes_heard;
    for storm in [Storm::Junk(100), Storm::Sound(100)] {
        let (stormy, rig) = run(Some(storm), ArmourRules::default());
        let heard = rig.engine.counters().bytes_heard;
        println!(
            "{storm:?}: the others are done after {:.0} s, in a storm {:.0} s; {} kB were heard instead of {} kB",
            quiet.as_secs_f64(),
            stormy.as_secs_f64(),
            heard / 1_000,
            usual / 1_000,
        );
        assert!(stormy <= quiet.mul_f64(1.1), "{stormy:?} against {quiet:?}");
        assert!(heard > usual, "there was a storm");
    }
}

#[test]
fn a_model_that_goes_beyond_its_allowance_is_shed_unread_and_then_left_alone() {
    let rules = ArmourRules {
        hub_rate: ByteRate(200),
        hub_burst: Duration::from_secs(10),
        excess_frames: 8,
        ..ArmourRules::default()
    };
    let (_, rig) = run(Some(Storm::Sound(100)), rules);
    assert!(rig.engine.counters().shed >= 8, "{:?}", rig.engine.counters());
    assert!(rig.engine.breakers_opened() > 0);
    let healthy = run(None, rules).1;
    assert_eq!((healthy.engine.counters().shed, healthy.engine.breakers_opened()), (0, 0));
}

/// One meter's answers are a hundred times too long; its hub's other devices are asked as if nothing had happened.
#[test]
fn a_device_that_says_too_much_is_given_up_before_its_hub_is() {
    let mut rig = Rig::new(ample(), 4_000, 5);
    let cell = rig.cell();
    let rate = LineRate::AtMost(ByteRate(1_000_000));
    let hub = rig.add(cell, Transport::Datagram, rate, Profile::gprs(0.0), 1_024);
    rig.members[0].device.storm = Some(Storm::OfOneDevice(100));
    for round in 0..12 {
        for channel in [1, 2] {
            rig.engine.assign(rig.now, hub, Task::ReadVersion { channel }, Priority(0));
        }
        rig.run_until(START + Duration::from_secs(10 * (round + 1)));
    }
    let of =
        |channel| rig.events.iter().filter(move |(_, event)| event.task == Task::ReadVersion { channel });
    assert_eq!(of(2).count(), 12);
    assert!(of(2).all(|(_, event)| event.result.is_ok()), "the other device is answered for");
    let given_up = of(1).filter(|(_, event)| event.result == Err(Fault::TooMuch { channel: 1 })).count();
    assert!(given_up >= 6, "{:?}", rig.events);
    assert_eq!(rig.engine.breakers_opened(), 0);
}
