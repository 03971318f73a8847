//! Stolen keys: every subset of the five duties' keys, every goal, and exactly the powers that the design says
//! (`firmware-image`, `root`). What the keys can do is a formula for each goal; what they did is seen in a simulated
//! home. An attacker who lacks a key tries in its place: a key of their own under its own name and under the genuine
//! one, and a stolen key of another duty.

use firmware_image::FileVersion;

use crate::craft;
use crate::heist::{Heist, Loot};
use crate::table::Tally;

/// Something an attacker wants, who can have it, and how it is tried.
struct Goal {
    name: &'static str,
    formula: fn(Loot) -> bool,
    attempt: fn(&Heist) -> bool,
}

const GOALS: [Goal; 12] = [
    Goal {
        name: "replace the trust root of a hub",
        formula: |loot| loot.root,
        attempt: |heist| heist.home_after_rotation().hub.root_version().0 == 2,
    },
    Goal {
        name: "replace the trust root of a meter",
        formula: |loot| loot.root,
        attempt: |heist| heist.home_after_rotation().meters[0].root_version().0 == 2,
    },
    Goal {
        name: "have an honest hub store an image of one's own",
        formula: |loot| loot.root || (loot.maker && loot.operator),
        attempt: |heist| heist.store_own(&mut heist.home_after_rotation()),
    },
    Goal {
        name: "run an image of one's own on a meter behind an honest hub",
        formula: |loot| loot.root || (loot.maker && loot.operator && loot.order),
        attempt: |heist| {
            let mut home = heist.home_after_rotation();
            heist.store_own(&mut home);
            home.run_minutes(60);
            heist.order_meter(&mut home, &heist.own_image());
            home.meters[0].running_version() == FileVersion(heist.own_image().version)
        },
    },
    Goal {
        name: "have a hostile hub's meter store an image of one's own",
        formula: |loot| loot.root || loot.maker,
        attempt: |heist| heist.meter_of_hostile_hub().1,
    },
    Goal {
        name: "run an image of one's own on the meter of a hostile hub",
        formula: |loot| loot.root || (loot.maker && loot.order),
        attempt: |heist| {
            let (mut bench, _) = heist.meter_of_hostile_hub();
            let order = heist.order_for(bench.meter.eui(), bench.meter.challenge(), &heist.own_image());
            bench.order(&order);
            bench.meter.running_version() == FileVersion(heist.own_image().version)
        },
    },
    Goal {
        name: "have an honest hub store an image that nobody released",
        formula: |loot| loot.root || loot.operator,
        attempt: |heist| heist.store_unreleased(&mut heist.home_after_rotation()),
    },
    Goal {
        name: "activate a released and delivered image out of turn",
        formula: |loot| loot.root || loot.order,
        attempt: |heist| {
            let mut home = heist.home();
            heist.deliver_genuine(&mut home);
            heist.rotate(&mut home);
            heist.order_meter(&mut home, &heist.genuine_image());
            home.meters[0].running_version() == FileVersion(heist.genuine_image().version)
        },
    },
    Goal {
        name: "pass an old root off as the newest for more than a day",
        formula: |loot| loot.root || loot.status,
        attempt: |heist| {
            let mut home = heist.home();
            home.run_minutes(60 * 25);
            heist.rotate(&mut home);
            heist.write_status(&mut home, 25, Vec::new());
            heist.release_if_rotated(&mut home, &heist.genuine_file());
            heist.store(&mut home, &heist.genuine_file())
        },
    },
    Goal {
        name: "hold up a released image at an honest hub",
        formula: |loot| loot.root || loot.operator || loot.status,
        attempt: |heist| {
            let mut home = heist.home_after_rotation();
            heist.write_status(
                &mut home,
                0,
                vec![(crate::recipes::MANUFACTURER, crate::recipes::METER_TYPE, 99)],
            );
            heist.write_release(&mut home, craft::names_of(b"none", [0; 32]));
            !heist.store(&mut home, &heist.genuine_file())
        },
    },
    Goal {
        name: "run a genuine image that is older than the confirmed one",
        formula: |_| false,
        attempt: |heist| {
            let mut home = heist.home_after_rotation();
            heist.release_and_store(&mut home, &heist.old_image());
            home.run_minutes(60);
            heist.order_meter(&mut home, &heist.old_image());
            home.meters[0].running_version() == FileVersion(heist.old_image().version)
        },
    },
    Goal { name: "bring a revoked key back", formula: |_| false, attempt: Heist::brings_a_revoked_key_back },
];

pub fn run() -> Tally {
    let mut tally = Tally::default();
    let subsets: Vec<Loot> = (0..32).map(Loot::subset).collect();
    let results = std::thread::scope(|scope| {
        let (first, second) = subsets.split_at(16);
        let other = scope.spawn(|| second.iter().map(|loot| try_all(*loot)).collect::<Vec<_>>());
        let mut results: Vec<Vec<bool>> = first.iter().map(|loot| try_all(*loot)).collect();
        results.extend(other.join().expect("no theft makes a device panic"));
        results
    });
    for (loot, gained) in subsets.iter().zip(results) {
        for (goal, gained) in GOALS.iter().zip(gained) {
            let designed = (goal.formula)(*loot);
            tally.check(gained == designed, || {
                let (found, expected) = if gained { ("can", "cannot") } else { ("cannot", "can") };
                format!("{loot} {found} {}: by design it {expected}", goal.name)
            });
        }
    }
    tally
}

/// Tries every goal in every way; one way that works is enough.
fn try_all(loot: Loot) -> Vec<bool> {
    let ways = Heist::ways(loot);
    GOALS.iter().map(|goal| ways.iter().any(|heist| (goal.attempt)(heist))).collect()
}
