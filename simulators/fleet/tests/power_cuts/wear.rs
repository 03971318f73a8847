//! Worn sectors are named, and cost an image at the most: the device goes elsewhere or goes on with what it has.

use fleet::{FlashFaults, FlashPlace, SectorPool, SecurityEvent, Wear, WornSector};

use crate::bench::Bench;
use crate::images::{FACTORY, NEW, OrderDesk};
use crate::scenes::{self, Kind, Scene};

/// So many steps are more than two whole updates need; a device that refuses an image is asked again and again.
const STEPS: u32 = 3_000;

fn worn(places: impl IntoIterator<Item = (FlashPlace, u32)>, after_erases: u32, wear: Wear) -> FlashFaults {
    let sector = |(place, sector)| WornSector { place, sector, after_erases, wear };
    places.into_iter().map(sector).fold(FlashFaults::NONE, FlashFaults::with_worn)
}

/// Updates a device from the factory as far as it goes, boots it once more, and returns it.
fn update(scene: &Scene, faults: FlashFaults) -> Bench<'_> {
    let (pool, desk) = (&mut SectorPool::new(), &mut OrderDesk::default());
    let mut bench = scene.fresh(faults);
    let run = |bench: &mut Bench<'_>, pool: &mut SectorPool, desk: &mut OrderDesk| {
        for _ in 0..STEPS {
            if !bench.step(pool, desk) {
                break;
            }
            bench.check(None, pool);
        }
    };
    run(&mut bench, pool, desk);
    bench.device.reboot(bench.now);
    run(&mut bench, pool, desk);
    assert!(bench.device.is_up(bench.now) && !bench.device.is_dead());
    bench
}

fn names_wear(bench: &Bench<'_>) -> bool {
    bench.device.security_log().iter().any(|entry| entry.event == SecurityEvent::FlashWorn)
}

/// Scenes whose new image comes up: few banks and more, meters and hubs.
fn scenes_that_come_up(extra_banks: bool) -> Vec<Scene> {
    let wanted = |scene: &Scene| scene.comes_up && (scene.layout.extra_banks() > 0) == extra_banks;
    scenes::all().into_iter().filter(wanted).collect()
}

#[test]
fn a_worn_bank_is_named_and_another_one_is_used_where_there_is_one() {
    for scene in scenes_that_come_up(true) {
        for place in [FlashPlace::Bank(1), FlashPlace::Marks(1)] {
            let bench = update(&scene, worn([(place, 0)], 0, Wear::Program));
            assert_eq!(bench.device.running_version(), NEW, "{:?} {:?}", scene.kind, scene.layout);
            assert!(names_wear(&bench));
        }
    }
}

#[test]
fn a_meter_whose_only_other_bank_is_worn_names_it_and_goes_on_with_what_it_runs() {
    for scene in scenes_that_come_up(false).iter().filter(|scene| scene.kind != Kind::Hub) {
        let last = scene.new.bytes.len().div_ceil(scene.layout.sector_len()) as u32 - 1;
        for place in [(FlashPlace::Bank(1), 0), (FlashPlace::Bank(1), last), (FlashPlace::Marks(1), 0)] {
            let bench = update(scene, worn([place], 0, Wear::Program));
            let layout = scene.layout;
            assert_eq!(bench.device.running_version(), FACTORY, "{place:?} {layout:?}");
            assert!(names_wear(&bench), "{place:?} {layout:?}");
        }
    }
}

#[test]
fn a_bank_that_no_longer_erases_is_found_when_it_is_used_again() {
    // A sector that does not erase its second half is noticed by those who use it.
    let uses_all = |scene: &Scene| 2 * scene.new.bytes.len() > scene.layout.sector_len();
    for scene in scenes_that_come_up(false).iter().filter(|scene| scene.kind != Kind::Hub && uses_all(scene))
    {
        let (pool, desk) = (&mut SectorPool::new(), &mut OrderDesk::default());
        let faults = worn([(FlashPlace::Bank(1), 0)], 1, Wear::Erase);
        let mut bench = scene.fresh(faults);
        // Bank 1, then bank 0, and then bank 1 would have to be erased once more.
        let old = scene.old.as_ref().expect("an image that came before");
        bench.update_to(old, pool, desk);
        bench.finish(pool, desk);
        bench.target = old;
        for _ in 0..STEPS {
            bench.step(pool, desk);
        }
        assert!(!bench.device.is_dead() && names_wear(&bench), "{:?}", scene.layout);
        assert_eq!(bench.device.running_version(), NEW);
    }
}

#[test]
fn one_worn_sector_of_a_record_or_of_the_log_costs_nothing() {
    for scene in scenes_that_come_up(false) {
        for place in [
            FlashPlace::BootRecord(0),
            FlashPlace::BootRecord(1),
            FlashPlace::SecurityLog,
            FlashPlace::Record(0),
        ] {
            for sector in 0..3 {
                for wear in [Wear::Program, Wear::Erase] {
                    let bench = update(&scene, worn([(place, sector)], 0, wear));
                    assert_eq!(bench.device.running_version(), NEW, "{place:?} {sector} {:?}", scene.layout);
                }
            }
        }
    }
}

#[test]
fn a_whole_copy_of_the_boot_record_may_be_worn_and_the_whole_log() {
    for scene in scenes_that_come_up(false) {
        for place in [FlashPlace::BootRecord(0), FlashPlace::BootRecord(1), FlashPlace::SecurityLog] {
            let sectors = (0..64).map(|sector| (place, sector));
            let bench = update(&scene, worn(sectors, 0, Wear::Program));
            assert_eq!(bench.device.running_version(), NEW, "{place:?} {:?}", scene.layout);
            let log_is_sound = place != FlashPlace::SecurityLog;
            assert_eq!(names_wear(&bench), log_is_sound, "{place:?} {:?}", scene.layout);
        }
    }
}

#[test]
fn a_device_that_can_remember_nothing_more_goes_on_with_what_it_runs() {
    for scene in scenes_that_come_up(false) {
        let both = [FlashPlace::BootRecord(0), FlashPlace::BootRecord(1)];
        for places in [&both[..], &[FlashPlace::Record(0)]] {
            let sectors = places.iter().flat_map(|place| (0..64).map(|sector| (*place, sector)));
            let bench = update(&scene, worn(sectors, 0, Wear::Program));
            assert_eq!(bench.device.running_version(), FACTORY, "{places:?} {:?}", scene.layout);
        }
    }
}
