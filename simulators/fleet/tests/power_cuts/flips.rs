//! One flipped bit, wherever it is, is found: when an image is verified, when it is activated, when it boots.
//!
//! Every device here shares one pool, which has long remembered the verdict on the sound image. A bit that flips makes a
//! sector another sector, so no memory can hide it; that is what these tests are about.

use fleet::{ActivationOutcome, FlashPlace, SectorPool, SecurityEvent};

use crate::bench::Bench;
use crate::images::{OrderDesk, counter_of};
use crate::scenes::{self, Kind, Scene};

/// A meter and a hub, with two layouts each.
fn some_scenes() -> impl Iterator<Item = Scene> {
    [0, 7, 18, 24].into_iter().map(|number| scenes::all().swap_remove(number))
}

/// The pool that remembers, and a bench with its device.
struct Shelf {
    pool: SectorPool,
    desk: OrderDesk,
}

impl Shelf {
    /// Makes a pool that has seen the whole update once.
    fn that_remembers(scene: &Scene) -> Shelf {
        let mut shelf = Shelf { pool: SectorPool::new(), desk: OrderDesk::default() };
        let mut bench = scene.bench(&mut shelf.pool, &mut shelf.desk);
        bench.finish(&mut shelf.pool, &mut shelf.desk);
        shelf
    }

    /// Runs the update up to the first moment that is wanted.
    fn up_to<'a>(
        &mut self,
        scene: &'a Scene,
        wanted: impl Fn(&Bench<'a>, &mut SectorPool) -> bool,
    ) -> Bench<'a> {
        let mut bench = scene.bench(&mut self.pool, &mut self.desk);
        while !wanted(&bench, &mut self.pool) {
            assert!(bench.step(&mut self.pool, &mut self.desk), "the moment never came");
        }
        bench
    }

    /// Lets the device go on, and returns what its log says since.
    fn outcome(&mut self, mut bench: Bench<'_>) -> Vec<SecurityEvent> {
        let known = bench.device.security_log().len();
        bench.finish(&mut self.pool, &mut self.desk);
        bench.device.security_log().split_off(known).into_iter().map(|entry| entry.event).collect()
    }
}

fn every_byte(scene: &Scene) -> impl Iterator<Item = (u32, u8)> + use<> {
    (0..scene.new.bytes.len() as u32).map(|offset| (offset, (offset * 5 % 8) as u8))
}

fn every_bit(scene: &Scene) -> impl Iterator<Item = (u32, u8)> + use<> {
    (0..scene.new.bytes.len() as u32).flat_map(|offset| (0..8).map(move |bit| (offset, bit)))
}

const MISMATCH: SecurityEvent = SecurityEvent::ActivationEnded(ActivationOutcome::HashMismatch);

#[test]
fn a_bit_that_flips_before_verification_is_found_by_it() {
    for scene in some_scenes() {
        let mut shelf = Shelf::that_remembers(&scene);
        let moment = shelf.up_to(&scene, |bench, _| bench.device.is_about_to_verify());
        for (offset, bit) in every_byte(&scene) {
            let mut bench = moment.fork();
            bench.device.decay_new(offset, bit);
            let events = shelf.outcome(bench);
            assert_eq!(events[0], SecurityEvent::ImageRefused, "{:?} {offset}", scene.kind);
            assert!(events.contains(&SecurityEvent::ImageVerified), "it was fetched again");
        }
    }
}

#[test]
fn a_bit_that_flips_before_activation_is_found_by_it() {
    for scene in some_scenes() {
        let mut shelf = Shelf::that_remembers(&scene);
        let moment = shelf.up_to(&scene, |bench, pool| bench.device.holds_verified(pool));
        for (offset, bit) in every_byte(&scene) {
            let mut bench = moment.fork();
            bench.device.decay_new(offset, bit);
            let events = shelf.outcome(bench);
            assert_eq!(events[0], MISMATCH, "{:?} {offset}", scene.kind);
        }
    }
}

#[test]
fn a_bit_that_flips_between_arming_and_boot_is_found_by_the_boot() {
    for scene in some_scenes() {
        let mut shelf = Shelf::that_remembers(&scene);
        let moment = shelf.up_to(&scene, |bench, _| !bench.device.is_up(bench.now));
        for (offset, bit) in every_bit(&scene) {
            let mut bench = moment.fork();
            let known = bench.device.security_log().len();
            let before = bench.device.running_version();
            bench.device.decay_new(offset, bit);
            while !bench.device.is_up(bench.now) {
                bench.step(&mut shelf.pool, &mut shelf.desk);
            }
            let events: Vec<_> =
                bench.device.security_log()[known..].iter().map(|entry| entry.event).collect();
            let found = [SecurityEvent::ImageAlteredAtPowerOn, MISMATCH];
            assert!(events.starts_with(&found[..1]), "{:?} {offset} {bit}: {events:?}", scene.kind);
            assert_eq!(bench.device.running_version(), before);
            assert_eq!(bench.device.last_outcome(), Some(ActivationOutcome::HashMismatch));
            assert_eq!(bench.device.security_counter(), counter_of(before));
        }
        let mut bench = moment.fork();
        bench.device.decay_new(100, 1);
        assert!(shelf.outcome(bench).contains(&MISMATCH), "the log says so, and the job gets done");
    }
}

#[test]
fn a_bit_that_flips_in_what_runs_is_found_by_the_next_boot() {
    for scene in some_scenes() {
        let mut shelf = Shelf::that_remembers(&scene);
        let moment = shelf.up_to(&scene, |bench, _| bench.is_done());
        let old = scene.old.as_ref().expect("an image ran before");
        for (offset, bit) in every_bit(&scene) {
            let mut bench = moment.fork();
            bench.device.decay_running(offset, bit);
            bench.device.reboot(bench.now);
            while !bench.device.is_up(bench.now) || bench.device.poll_timeout().is_none() {
                if !bench.step(&mut shelf.pool, &mut shelf.desk) {
                    break;
                }
            }
            assert_eq!(bench.device.running_version(), old.version, "{:?} {offset} {bit}", scene.kind);
            assert_eq!(bench.device.running_image(&mut shelf.pool).as_ref(), Some(&old.bytes));
            let log = bench.device.security_log();
            assert!(log.iter().any(|entry| entry.event == SecurityEvent::ImageAlteredAtPowerOn));
            assert_eq!(bench.device.security_counter(), counter_of(scene.new.version), "it never falls");
        }
    }
}

#[test]
fn either_copy_of_the_counters_may_rot_away() {
    for scene in some_scenes() {
        let mut shelf = Shelf::that_remembers(&scene);
        let moment = shelf.up_to(&scene, |bench, _| bench.is_done());
        let challenge = moment.device.challenge();
        for copies in [[0, 1], [1, 0]] {
            let mut bench = moment.fork();
            for copy in copies {
                // All of it, and then of the copy that was made good by the other one.
                (0..12_288).step_by(3).for_each(|offset| {
                    bench.device.decay(FlashPlace::BootRecord(copy), offset, 6);
                });
                bench.device.reboot(bench.now);
                while !bench.device.is_up(bench.now) {
                    assert!(bench.step(&mut shelf.pool, &mut shelf.desk));
                }
                bench.check(Some(&moment.look()), &mut shelf.pool);
                assert_eq!(bench.device.running_version(), scene.new.version, "{:?} {copy}", scene.kind);
                assert_eq!(bench.device.security_counter(), counter_of(scene.new.version));
                assert_eq!(bench.device.challenge(), challenge, "the counter of orders stays too");
            }
        }
    }
}

#[test]
fn answers_from_memory_are_worked_out_again_now_and_then() {
    let scene = &scenes::all()[0];
    assert_eq!(scene.kind, Kind::Electricity);
    let mut shelf = Shelf::that_remembers(scene);
    for _ in 0..200 {
        let mut bench = scene.bench(&mut shelf.pool, &mut shelf.desk);
        bench.finish(&mut shelf.pool, &mut shelf.desk);
    }
    let (remembered, again) = shelf.pool.sampled_answers();
    assert!(remembered > 1_000 && again == remembered / 256, "{again} of {remembered}");
}
