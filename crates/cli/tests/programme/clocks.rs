//! The clock matrix: a hub whose clock is behind, ahead, jumping or lost, with a fresh and an outdated status, release,
//! root and order, with and without a power cut in between.
//!
//! What must come of it: a paper is good when it expires after the later of the clock and the newest paper's making. An
//! order knows no time: only what the device drew tells a fresh one from an old one.

use std::time::Duration;

use transfer_engine::Moment;
use wire::AccessResult;

use crate::craft;
use crate::craft_image::{image, payload_of};
use crate::hub::Bench;
use crate::pen::sha256;
use crate::recipes::{
    DAY, HOUR, HUB_TYPE, NOW, OrderRecipe, ReleaseRecipe, RootRecipe, State, StatusRecipe, moment,
};
use crate::table::Tally;
use crate::world::companion;

#[derive(Clone, Copy, Debug)]
enum Clock {
    Behind,
    Ahead,
    /// Ahead for a while, and right again.
    Jumping,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Subject {
    Status,
    Release,
    Root,
    Order,
}

impl Clock {
    fn settings(self) -> &'static [i64] {
        match self {
            Clock::Behind => &[-10 * DAY],
            Clock::Ahead => &[400 * DAY],
            Clock::Jumping => &[400 * DAY, -200 * DAY, 0],
            Clock::Lost => &[-(NOW as i64) + 10],
        }
    }
}

/// When the papers were made that the hub holds from before: what its clock never falls behind.
const NEWEST_PAPER: i64 = -HOUR;
/// When the outdated papers expired: after the clocks that are behind, before the newest paper was made.
const OUTDATED: i64 = -10 * HOUR;

pub fn run() -> Tally {
    let mut tally = Tally::default();
    for clock in [Clock::Behind, Clock::Ahead, Clock::Jumping, Clock::Lost] {
        for subject in [Subject::Status, Subject::Release, Subject::Root, Subject::Order] {
            for (fresh, cut) in [(true, false), (true, true), (false, false), (false, true)] {
                let (found, expected) =
                    (outcome(clock, subject, fresh, cut), expected(clock, subject, fresh));
                tally.check(found == expected, || {
                    format!(
                        "{clock:?}, {subject:?}, fresh: {fresh}, cut: {cut}: {found} instead of {expected}"
                    )
                });
            }
        }
    }
    tally
}

fn expected(clock: Clock, subject: Subject, fresh: bool) -> &'static str {
    let set = *clock.settings().last().expect("a clock is set");
    let used = set.max(NEWEST_PAPER);
    let expires = match subject {
        Subject::Order => return if fresh { "taken" } else { "replay" },
        _ if !fresh => OUTDATED,
        Subject::Status => 20 * HOUR,
        Subject::Release => 20 * DAY,
        Subject::Root => 300 * DAY,
    };
    if used < expires { "taken" } else { "freeze" }
}

fn outcome(clock: Clock, subject: Subject, fresh: bool, cut: bool) -> String {
    let root = match subject {
        Subject::Root if !fresh => RootRecipe { expires: OUTDATED, ..RootRecipe::default() },
        _ => RootRecipe::default(),
    };
    let state = State { roots: vec![root], ..State::default() };
    let anchor = state.anchors().swap_remove(0);
    let mut bench = Bench::new(&state);
    let file = image(&companion(), HUB_TYPE).bytes;
    let digest = sha256(&payload_of(&companion()));
    let target = bench.target(digest, &anchor);
    let drawn_before = target.clone();
    let names = craft::names_of(&file, digest);
    for paper in [
        craft::status(&StatusRecipe::default(), &target),
        craft::release(&ReleaseRecipe::default(), &target, names),
    ] {
        assert_eq!(bench.home.set_paper(0, &paper.bytes), AccessResult::Success);
    }
    if subject == Subject::Order {
        assert!(bench.stage(&sha256(&file), &file));
    }
    for setting in clock.settings() {
        bench.home.now = Moment::from_micros(moment(*setting) * 1_000_000);
        bench.home.associate();
        if cut {
            bench.home.hub.reboot(bench.home.now);
            bench.home.run_for(Duration::from_secs(60));
        }
    }
    let before = bench.attacks();
    let answer = match subject {
        Subject::Status => {
            let (issued, expires) = if fresh { (0, 20 * HOUR) } else { (OUTDATED - HOUR, OUTDATED) };
            let status = StatusRecipe { serial: 2, issued, expires, ..StatusRecipe::default() };
            bench.home.set_paper(0, &craft::status(&status, &target).bytes)
        }
        Subject::Release => {
            let (issued, expires) = if fresh { (0, 20 * DAY) } else { (OUTDATED - HOUR, OUTDATED) };
            let release = ReleaseRecipe { serial: 2, issued, expires, ..ReleaseRecipe::default() };
            bench.home.set_paper(0, &craft::release(&release, &target, names).bytes)
        }
        Subject::Root => {
            bench.home.associate();
            bench.home.initiate(0, &sha256(&file), file.len())
        }
        Subject::Order => {
            let target = if fresh { bench.target(digest, &anchor) } else { drawn_before };
            bench.obey(&craft::order(&OrderRecipe::default(), &target).bytes)
        }
    };
    match answer {
        AccessResult::Success => "taken".to_owned(),
        _ => crate::world::counted(&before, &bench.attacks()).unwrap_or_default(),
    }
}
