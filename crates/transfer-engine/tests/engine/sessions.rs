//! One session and what can happen to it: holes found by verification, slow lines, deadlines, restarts.

use std::time::Duration;

use transfer_engine::{
    Answer, ByteRate, Engine, EngineConfig, Fault, HubId, HubLink, LegReport, LineRate, Moment, Patience,
    Priority, Protection, Task, Transport,
};
use wire::{AccessResult, ImageTransferStatus};

use crate::device::Device;
use crate::net::Profile;
use crate::rig::{Rig, address, ample};

const IMAGE: usize = 50_000;
const BLOCKS: u32 = 98;
const UNKNOWN: LineRate = LineRate::AtMost(ByteRate(1_000_000));
const UDP: Transport = Transport::Datagram;
const TCP: Transport = Transport::Stream { window: 12 };

fn rig(config: EngineConfig, transport: Transport, profile: Profile) -> (Rig, HubId) {
    let mut rig = Rig::new(config, IMAGE, 7);
    let cell = rig.cell();
    let hub = rig.add(cell, transport, UNKNOWN, profile, 512);
    rig.stage(hub);
    (rig, hub)
}

fn result(rig: &mut Rig) -> Result<LegReport, Fault> {
    rig.run_to_events(1);
    match rig.events.remove(0).1.result {
        Ok(Answer::Staged(report)) => {
            assert_eq!(rig.members[0].device.bytes, rig.image, "the hub holds another image");
            Ok(report)
        }
        Ok(answer) => panic!("{answer:?}"),
        Err(fault) => Err(fault),
    }
}

fn patient(change: impl FnOnce(&mut Patience)) -> EngineConfig {
    let mut patience = Patience::default();
    change(&mut patience);
    EngineConfig { patience, ..ample() }
}

#[test]
fn a_quiet_line_takes_every_block_once_in_both_modes() {
    for transport in [UDP, TCP] {
        let (mut rig, _) = rig(ample(), transport, Profile::gprs(0.0));
        let report = result(&mut rig).expect("it is staged");
        assert_eq!((report.blocks_sent, report.blocks_repaired), (BLOCKS, 0), "{transport:?}");
        assert_eq!(rig.members[0].device.duplicates, 0);
    }
}

/// Asked for again after one round trip, each association began anew before the hub could prove itself: a line that was
/// slow enough got one only when waiting had doubled.
#[test]
fn a_ciphered_association_has_two_round_trips_until_it_is_asked_for_again() {
    for (protection, round_trips) in [(Protection::Clear, 1), (Protection::Own, 2)] {
        let now = Moment::from_micros(1);
        let mut engine = Engine::new(ample(), now);
        let cell = engine.add_cell(ByteRate(1_000_000));
        let link = HubLink { address: address(0), transport: UDP, cell, rate: UNKNOWN };
        let hub = engine.add_hub(now, link);
        engine.set_protection(hub, protection);
        engine.assign(now, hub, Task::ReadVersion { channel: 1 }, Priority::default());
        assert!(engine.poll_transmit(now).is_some(), "it asks for its association");
        assert!(engine.poll_transmit(now).is_none());
        let asked_again = engine.poll_timeout().expect("it waits").saturating_since(now);
        let expected = Patience::default().first_timeout / 2 * round_trips;
        assert!(asked_again >= expected, "{protection:?}: {asked_again:?}");
        assert!(asked_again < expected + Duration::from_millis(50), "{protection:?}: {asked_again:?}");
    }
}

/// Nothing raised the pace of a stream above what is tried first on a line that nobody knows: 2 kB/s, on any line.
#[test]
fn a_stream_is_as_fast_as_its_line() {
    for bits_per_s in [40_000, 400_000] {
        let profile = Profile { bits_per_s, latency: Duration::from_millis(20), ..Profile::gprs(0.0) };
        let (mut rig, _) = rig(ample(), TCP, profile);
        let report = result(&mut rig).expect("it is staged");
        let at_best = Duration::from_secs_f64(report.bytes_sent as f64 * 8.0 / bits_per_s as f64);
        assert!(report.elapsed < at_best + at_best / 4 + Duration::from_secs(1), "{report:?}, {at_best:?}");
    }
}

#[test]
fn blocks_that_verification_finds_bad_are_sent_again_and_no_others() {
    for transport in [UDP, TCP] {
        let (mut rig, _) = rig(ample(), transport, Profile::gprs(0.0));
        rig.members[0].device.bad_blocks = vec![vec![5], vec![3, 40, 97]];
        let report = result(&mut rig).expect("it is staged");
        assert_eq!(report.blocks_repaired, 4, "{transport:?}");
        assert_eq!(rig.members[0].device.initiates, 1);
    }
}

#[test]
fn a_hub_that_finds_bad_blocks_for_ever_is_given_up() {
    let (mut rig, _) = rig(ample(), UDP, Profile::gprs(0.0));
    rig.members[0].device.bad_blocks = vec![vec![1]; 10];
    assert_eq!(result(&mut rig), Err(Fault::VerificationFailed));
    assert_eq!(rig.members[0].device.bad_blocks.len(), 6, "one verification and three repairs");
}

#[test]
fn an_image_without_holes_that_does_not_verify_is_a_fault_at_once() {
    let (mut rig, _) = rig(ample(), UDP, Profile::gprs(0.0));
    rig.members[0].device.never_verifies = true;
    assert_eq!(result(&mut rig), Err(Fault::VerificationFailed));
    assert_eq!(rig.members[0].device.duplicates, 0, "nothing was sent again");
}

#[test]
fn slow_retrieval_is_named_with_the_rate_seen() {
    let config = patient(|patience| {
        patience.floor_rate = ByteRate(200);
        patience.floor_window = Duration::from_secs(60);
        patience.longest_timeout = Duration::from_secs(120);
        patience.first_timeout = Duration::from_secs(120);
    });
    for transport in [UDP, TCP] {
        let profile = Profile { bits_per_s: 800, ..Profile::gprs(0.0) };
        let (mut rig, _) = rig(config, transport, profile);
        match result(&mut rig) {
            Err(Fault::SlowRetrieval { seen, floor: ByteRate(200) }) => {
                assert!((40..=110).contains(&seen.0), "{seen:?} of a line of 100 B/s, {transport:?}");
            }
            other => panic!("{other:?} over {transport:?}"),
        }
    }
}

#[test]
fn a_leg_that_takes_too_long_says_so() {
    let config = patient(|patience| patience.leg_deadline = Duration::from_secs(5));
    let (mut rig, _) = rig(config, UDP, Profile::gprs(0.0));
    let Err(Fault::Overdue { missing, .. }) = result(&mut rig) else { panic!("it took longer") };
    assert!(missing > 0);
}

#[test]
fn a_reboot_of_the_hub_costs_an_association_and_what_was_in_the_air() {
    for transport in [UDP, TCP] {
        let (mut rig, _) = rig(ample(), transport, Profile::gprs(0.0));
        for at in [3, 6, 9] {
            rig.run_until(crate::rig::START + Duration::from_secs(at));
            rig.members[0].device.reboot();
        }
        let report = result(&mut rig).expect("it is staged");
        assert_eq!(rig.members[0].device.initiates, 1, "{transport:?}");
        assert!(report.blocks_sent < BLOCKS + 3 * 40, "{report:?}");
    }
}

#[test]
fn a_hub_that_moves_is_met_at_its_new_address_without_beginning_anew() {
    for transport in [UDP, TCP] {
        let (mut rig, hub) = rig(ample(), transport, Profile::gprs(0.0));
        for at in [4, 8] {
            rig.run_until(crate::rig::START + Duration::from_secs(at));
            rig.readdress(hub, address(1_000 + at as u32));
        }
        let report = result(&mut rig).expect("it is staged");
        assert_eq!(rig.members[0].device.initiates, 1, "{transport:?}");
        assert!(report.blocks_sent < BLOCKS + 2 * 40, "{report:?}");
    }
}

#[test]
fn a_restart_of_the_engine_goes_on_with_the_holes() {
    for transport in [UDP, TCP] {
        let (mut rig, hub) = rig(ample(), transport, Profile::gprs(0.02));
        if transport == TCP {
            (rig.members[0].down.profile.loss, rig.members[0].up.profile.loss) = (0.0, 0.0);
        }
        rig.run_until(crate::rig::START + Duration::from_secs(8));
        rig.restart_engine(ample(), transport, UNKNOWN);
        rig.stage(hub);
        let report = result(&mut rig).expect("it is staged");
        assert_eq!(rig.members[0].device.initiates, 1, "{transport:?}");
        assert!(report.blocks_held > 20, "{report:?}");
        assert!(report.blocks_sent < BLOCKS - report.blocks_held + 20, "{report:?}");
    }
}

#[test]
fn a_task_that_is_taken_back_leaves_the_blocks_where_they_are() {
    let (mut rig, hub) = rig(ample(), UDP, Profile::gprs(0.0));
    rig.run_until(crate::rig::START + Duration::from_secs(6));
    let now = rig.now;
    assert_eq!(rig.engine.abandon(now, hub).len(), 1);
    rig.run_until(now + Duration::from_secs(30));
    assert!(rig.events.is_empty());
    rig.stage(hub);
    let report = result(&mut rig).expect("it is staged");
    assert!(report.blocks_held > 10, "{report:?}");
    assert_eq!(rig.members[0].device.initiates, 1);
}

/// A hub whose slot held our image and that refused to say how far it was brought the engine down: there was nothing left
/// to ask, and as many requests were divided by their number.
#[test]
fn a_hub_that_does_not_say_how_far_its_slot_is_is_asked_again_and_then_given_up() {
    let (mut rig, _) = rig(ample(), UDP, Profile::gprs(0.0));
    rig.members[0].device.image = Some((b"ours".to_vec(), IMAGE as u32));
    rig.members[0].device.hides = Some(6);
    assert!(matches!(result(&mut rig), Err(Fault::Protocol { .. })));
}

fn activation(patience: EngineConfig, prepare: impl FnOnce(&mut Device)) -> (Rig, Fault) {
    let mut rig = Rig::new(patience, IMAGE, 7);
    let cell = rig.cell();
    let hub = rig.add(cell, UDP, UNKNOWN, Profile::gprs(0.0), 512);
    rig.members[0].device.status = ImageTransferStatus::VerificationSuccessful;
    prepare(&mut rig.members[0].device);
    assert!(rig.engine.assign(rig.now, hub, Task::Activate { channel: 0, order: None }, Priority(0)));
    rig.run_to_events(1);
    let fault = rig.events.remove(0).1.result.expect_err("it always refuses");
    (rig, fault)
}

/// The answer to an activation came a little later than it was waited for, while we asked what had become of it; nothing
/// had, so we said it again, and so on: a hub that refused was told every few seconds for ever.
#[test]
fn an_activation_that_is_refused_late_is_refused() {
    let hasty = patient(|patience| patience.first_timeout = Duration::from_millis(500));
    let (rig, fault) = activation(hasty, |_| {});
    assert!(matches!(fault, Fault::Refused { result: AccessResult::ReadWriteDenied, .. }), "{fault}");
    assert_eq!(rig.members[0].device.activations, 1);
}

#[test]
fn an_activation_that_is_refused_in_silence_is_not_said_for_ever() {
    let (rig, fault) = activation(ample(), |device| device.is_mute = true);
    assert!(matches!(fault, Fault::Unreachable { .. }), "{fault}");
    assert!((2..20).contains(&rig.members[0].device.activations), "{}", rig.members[0].device.activations);
}
