//! Halts and aborts as the line sees them: from the moment on at which a campaign is stopped nothing more is sent for it,
//! although it takes until that is durable.

use std::time::Duration;

use campaign::{CampaignState, Command, CommandRecord, Heeded, Permille, Phase, Stage};
use eligibility::{DeviceChange, SupplierId};
use firmware_image::Eui64;
use fleet::{Rehearsal, WorldSpec};
use transfer_engine::Moment;

use crate::rig::Rig;
use crate::street::{DEMO, STREET, rehearsal, world};

const SEEDS: std::ops::Range<u64> = 1..4;

/// How long records take until they are durable: in that time a great deal could be sent.
const WRITE: Duration = Duration::from_secs(60);

/// A town whose new firmware often does not come up, and whose head-end is so slow that images are still being sent when
/// that is found out.
fn town() -> WorldSpec {
    let text = DEMO.replace("does_not_come_up_share = 0.02", "does_not_come_up_share = 0.4");
    assert_ne!(text, DEMO);
    let mut spec = world(&text, 60);
    spec.campaign.global_rate_bytes_per_s = 250.try_into().expect("more than none");
    spec
}

/// A campaign on the whole town that halts when more than this share of its devices failed on the image.
fn rig(seed: u64, failure_threshold: Permille) -> Rig {
    let spec = town();
    let mut set: Rehearsal = rehearsal(&spec, seed);
    (set.order.policy.waves, set.order.policy.failure_threshold) = (Vec::new(), failure_threshold);
    let mut rig = Rig::new(&spec, set);
    rig.write_takes = WRITE;
    rig
}

/// Steps until something is so, and returns how much had been sent before the step that brought it about.
fn step_until(rig: &mut Rig, is_so: impl Fn(&CampaignState) -> bool) -> usize {
    loop {
        let sent = rig.acts.len();
        rig.step();
        if is_so(rig.state()) {
            return sent;
        }
        assert!(rig.state().tally().pending > 0, "it ended before");
    }
}

/// Steps to the end of a campaign, and in any case to a moment, if there is anything to do until then.
fn step_on(rig: &mut Rig, until: Moment) {
    const STEPS: usize = 10_000;
    for _ in 0..STEPS {
        if rig.now < until || rig.state().tally().pending > 0 {
            rig.step();
        }
    }
    assert_eq!(rig.state().tally().pending, 0, "it does not end");
}

/// Returns what would have been sent between two moments if nobody had stopped the campaign.
fn unstopped(seed: u64, from: Moment, until: Moment) -> Vec<(Moment, &'static str)> {
    let mut rig = rig(seed, Permille(1_000));
    while rig.now < until {
        rig.step();
    }
    rig.acts.into_iter().filter(|(at, _)| *at > from && *at < until).collect()
}

#[test]
fn nothing_is_sent_after_the_outcome_that_halts_a_campaign_although_the_halt_is_not_durable() {
    for seed in SEEDS {
        let mut rig = rig(seed, Permille(5));
        let stops = |state: &CampaignState| state.phase == Phase::Halted;
        let sent = step_until(&mut rig, stops);
        let halted_at = rig.records().map(|(at, _)| at).last().expect("a halt is recorded");
        step_on(&mut rig, halted_at + WRITE + WRITE);
        assert_eq!(rig.acts[sent..], [], "seed {seed}");
        let otherwise = unstopped(seed, halted_at, halted_at + WRITE);
        assert!(otherwise.len() > 10, "seed {seed}: nothing would have been sent anyway: {otherwise:?}");
    }
}

#[test]
fn nothing_is_sent_after_an_abort_although_it_is_not_durable() {
    for seed in SEEDS {
        let mut rig = rig(seed, Permille(1_000));
        // Its order is recorded, and is handed over when that is durable.
        step_until(&mut rig, |state| state.rows().any(|row| row.stage == Stage::Ordered));
        let (id, aborted_at, sent) = (rig.state().id.clone(), rig.now, rig.acts.len());
        let asked = CommandRecord { by: "an operator".to_owned(), reason: "a rehearsal".to_owned() };
        let heeded = rig.conductor.command(rig.now, &id, Command::Abort, asked);
        assert_eq!(heeded.expect("it is heeded"), Heeded::Now);
        step_on(&mut rig, aborted_at + WRITE + WRITE);
        assert_eq!(rig.acts[sent..], [], "seed {seed}");
        let otherwise = unstopped(seed, aborted_at, aborted_at + WRITE + WRITE);
        for act in ["block", "order"] {
            assert!(
                otherwise.iter().any(|(_, sent)| *sent == act),
                "seed {seed}: no {act} would have been sent"
            );
        }
    }
}

/// Nobody of the pilot answers: that was no failure of the image and so no reason to wait, and the next wave was ten times as
/// many who were the first.
#[test]
fn a_pilot_in_which_nobody_came_to_the_target_opens_no_wave() {
    let spec = world(STREET, 20);
    let mut set: Rehearsal = rehearsal(&spec, 7);
    set.order.policy.waves = vec![Permille(200)];
    let mut rig = Rig::new(&spec, set);
    rig.cut = true;
    rig.run_until("over", |state| state.tally().pending == 0);
    let state = rig.state();
    assert_eq!((state.phase, state.waves_opened), (Phase::Halted, 1));
    let why = state.halted_because.as_deref().unwrap_or_default();
    assert_eq!(why, "nobody has come to the target by the end of wave 0");
    assert!(
        state.rows().filter(|row| row.wave == Some(1)).all(|row| row.reached(Stage::Instructed).is_none())
    );
}

/// Everybody of the pilot changed hands before it was sent anything: nothing was tried, and so nothing was below a threshold.
#[test]
fn a_pilot_in_which_nothing_was_tried_opens_no_wave_either() {
    let spec = world(STREET, 20);
    let mut set: Rehearsal = rehearsal(&spec, 7);
    set.order.policy.waves = vec![Permille(200)];
    let mut rig = Rig::new(&spec, set);
    let pilot = rig.state().rows().filter(|row| row.wave == Some(0) && row.outcome.is_none());
    let pilot: Vec<Eui64> = pilot.map(|row| row.device).collect();
    for device in pilot {
        let newcomer = DeviceChange::Supplier(SupplierId::new("SUP-99").expect("a name"));
        rig.conductor.note_change(device, newcomer).expect("it is listed");
    }
    rig.run_until("over", |state| state.tally().pending == 0);
    let why = rig.state().halted_because.as_deref();
    assert_eq!(why, Some("nobody has come to the target by the end of wave 0"));
    assert_eq!(rig.state().waves_opened, 1);
}
