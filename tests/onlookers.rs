//! Watching a campaign's frames changes nothing in it, and misses none.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet::{Census, FrameFate, FrameObserver, Leg, LossReason, SeenFrame};

use crate::street::{STREET, simulation, world};

const SEED: u64 = 7;

/// What has been seen so far, and after how many frames the onlooker has seen enough.
#[derive(Default)]
struct Tally {
    enough: Option<u64>,
    wan: u64,
    wan_lost: u64,
    han: u64,
    han_lost: u64,
}

struct Counting(Arc<Mutex<Tally>>);

impl FrameObserver for Counting {
    fn see(&mut self, frame: &SeenFrame<'_>) -> ControlFlow<()> {
        let mut tally = self.0.lock().unwrap();
        let lost = u64::from(matches!(frame.fate, FrameFate::Lost(_) | FrameFate::Unheard));
        match frame.leg {
            Leg::Wan(_) => (tally.wan, tally.wan_lost) = (tally.wan + 1, tally.wan_lost + lost),
            Leg::Han { .. } => (tally.han, tally.han_lost) = (tally.han + 1, tally.han_lost + lost),
        }
        assert!(!matches!((frame.leg, frame.fate), (Leg::Han { .. }, FrameFate::Lost(LossReason::Outage))));
        match tally.enough == Some(tally.wan + tally.han) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Plays the street to its end, watched or not; returns the ledger's head, the census and what was seen.
fn play(watch: Option<Tally>) -> (String, Census, Tally) {
    let mut simulation = simulation(&world(STREET, 10), SEED);
    let watched = watch.is_some();
    let tally = Arc::new(Mutex::new(watch.unwrap_or_default()));
    if watched {
        simulation.observe(Box::new(Counting(Arc::clone(&tally))));
    }
    simulation.run(Duration::from_secs(30 * 86_400), |_, _| ()).unwrap();
    let told = (simulation.head().to_string(), simulation.census());
    drop(simulation);
    let tally = Arc::into_inner(tally).unwrap().into_inner().unwrap();
    (told.0, told.1, tally)
}

#[test]
fn a_watched_campaign_is_the_same_campaign_and_every_frame_of_it_is_seen() {
    let (head, census, _) = play(None);
    let (watched_head, watched_census, seen) = play(Some(Tally::default()));
    assert_eq!(head, watched_head);
    assert_eq!(census, watched_census);
    let (down, up) = (census.wan.down, census.wan.up);
    assert_eq!(seen.wan, down.offered + up.offered);
    let arrived_once = [down, up].map(|way| way.delivered - way.doubled).iter().sum::<u64>();
    assert_eq!(seen.wan_lost, seen.wan - arrived_once);
    assert!(seen.wan_lost > 0, "the street's links lose something, or this shows nothing");
    // A frame that is still on the air when the campaign ends has no fate yet; there are at most two in a home.
    assert!((0..20).contains(&(census.han.frames - seen.han)), "{} of {}", seen.han, census.han.frames);
    assert_eq!(seen.han_lost, census.han.lost_frames);
    assert!(seen.han > 5_000);
}

#[test]
fn an_onlooker_who_has_seen_enough_is_shown_no_more() {
    let (head, _, _) = play(None);
    let (watched_head, _, seen) = play(Some(Tally { enough: Some(1_000), ..Tally::default() }));
    assert_eq!(seen.wan + seen.han, 1_000);
    assert_eq!(head, watched_head);
}
