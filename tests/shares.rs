//! Several campaigns at once over one head-end: each gets its share of what is short, and nothing is left unused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campaign::{BudgetBook, CampaignId, CampaignOrder, CampaignState, Outcome, Stage, Windows};
use firmware_image::Eui64;
use fleet::{EvidenceSpec, Rehearsal, Share, TroubleSpec, WorldSpec};
use proptest::prelude::*;
use transfer_engine::{ByteRate, CarrierPlan, DayCap, DayCount, Moment};

use crate::rig::Rig;
use crate::street::{STREET, rehearsal, rehearsal_with, world};

/// Bytes a second of what is short: a line takes most of it, so that an image takes some seconds.
const SHORT: u64 = 4_000;
const PLENTY: u64 = 10_000_000;

/// What is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Short {
    /// Each cell.
    Cell,
    /// The carrier, which all homes have in common.
    Carrier,
    /// The head-end.
    HeadEnd,
}

/// Homes without gas and trouble, in one wave.
fn crowd(homes: u32, cells: u32, short: Short) -> WorldSpec {
    let mut spec = world(STREET, homes);
    spec.cells = cells.try_into().expect("positive");
    spec.gas_share = Share::NONE;
    // All of them are of the one carrier then.
    spec.evidence = EvidenceSpec {
        epcl_share: Share::ALL,
        mt_sit_share: Share::NONE,
        dmct_report_share: Share::NONE,
        equivalence_draft_share: Share::NONE,
        none_share: Share::NONE,
    };
    let campaign = &mut spec.campaign;
    (campaign.pilot_share, campaign.wave_shares) = (Share::ALL, Vec::new());
    let rate_if = |this: Short| if this == short { SHORT } else { PLENTY };
    let (cell, head_end) = (rate_if(Short::Cell), rate_if(Short::HeadEnd));
    campaign.cell_rate_bytes_per_s = cell.try_into().expect("positive");
    campaign.global_rate_bytes_per_s = head_end.try_into().expect("positive");
    spec
}

fn named(name: &str) -> CampaignId {
    name.parse().expect("a name")
}

/// The order for those devices of an order that are in every so many-th home, under a name and a weight.
fn part(set: &Rehearsal, name: &str, weight: u16, takes: impl Fn(usize) -> bool) -> CampaignOrder {
    let inventory = &set.desk.inventory;
    let homes: Vec<_> = inventory.installations().collect();
    let place = |device: &Eui64| {
        let installation = inventory.device(*device).expect("it is known").installation;
        homes.binary_search(&installation).expect("a home")
    };
    let devices = set.order.devices.iter().filter(|device| takes(place(device))).copied().collect();
    let mut order = CampaignOrder { id: named(name), devices, ..set.order.clone() };
    order.policy.weight = weight;
    order
}

/// A rig; where the carrier is short, all homes have the same, and it has agreed to no more.
fn rig(spec: &WorldSpec, set: Rehearsal, short: Short) -> Rig {
    let providers = set.desk.inventory.devices().map(|device| device.comms_provider.as_str().to_owned());
    let plan =
        CarrierPlan { budget: ByteRate(SHORT).into(), cap: DayCap::default(), before: DayCount::default() };
    let carriers: BTreeMap<String, CarrierPlan> = providers.map(|name| (name, plan)).collect();
    if short != Short::Carrier {
        return Rig::new(spec, set);
    }
    assert_eq!(carriers.len(), 1, "the shares are looked at over all of it");
    Rig::with_budgets(spec, set, BudgetBook { carriers, cells: BTreeMap::new() })
}

/// A rig whose campaign is `heavy`, and the order of `light`, each over half of the homes.
fn two(spec: &WorldSpec, seed: u64, weights: (u16, u16), short: Short) -> (Rig, CampaignOrder) {
    let mut set = rehearsal(spec, seed);
    let light = part(&set, "light", weights.1, |home| home % 2 == 1);
    set.order = part(&set, "heavy", weights.0, |home| home % 2 == 0);
    (rig(spec, set, short), light)
}

fn campaign<'a>(rig: &'a Rig, name: &str) -> &'a CampaignState {
    rig.conductor.campaign(&named(name)).expect("it was ordered")
}

/// Bytes of the stagings of a campaign that have ended, and how many devices are left.
fn staged(rig: &Rig, name: &str) -> (u64, usize) {
    let state = campaign(rig, name);
    let left = state.rows().filter(|row| row.stage <= Stage::Instructed).count();
    (state.rows().map(|row| row.wan_bytes).sum(), left)
}

fn step_until(rig: &mut Rig, is_so: impl Fn(&Rig) -> bool) {
    let until = rig.now + Duration::from_secs(30 * 86_400);
    while !is_so(rig) {
        assert!(rig.now < until, "it does not come to that");
        rig.step();
    }
}

/// More than there are slots in these crowds, where twenty have been seen. Of a campaign with fewer devices all are on their
/// way, and the other fills the rest: it has more than its share then, and ought to.
const FEW: usize = 24;

/// Returns in how many cells a campaign has devices left.
fn cells_left(rig: &Rig, name: &str) -> usize {
    let rows = campaign(rig, name).rows().filter(|row| row.stage <= Stage::Instructed);
    let cell = |device| rig.conductor.desk().inventory.device(device).map(|found| found.cell.to_string());
    rows.filter_map(|row| cell(row.device)).collect::<BTreeSet<_>>().len()
}

/// Runs until one of the two has few devices left, or is left in the last of several cells, which is short for it then
/// whatever its share of the rest; and returns what both sent from now on.
fn sent_while_both_have_work(rig: &mut Rig) -> (f64, f64) {
    let before = (staged(rig, "heavy").0, staged(rig, "light").0);
    let cells = |rig: &Rig| cells_left(rig, "heavy").min(cells_left(rig, "light"));
    let least = cells(rig).min(2);
    let is_short_of_work = |rig: &Rig| staged(rig, "heavy").1.min(staged(rig, "light").1) < FEW;
    step_until(rig, |rig| is_short_of_work(rig) || cells(rig) < least);
    let sent = |name: &str, before: u64| (staged(rig, name).0 - before) as f64;
    (sent("heavy", before.0), sent("light", before.1))
}

/// When nine tenths of all were staged: the last ones have the link for themselves, and it is their lines that count then.
fn nearly_all_staged(rig: &Rig) -> Moment {
    let rows = rig.conductor.campaigns().flat_map(CampaignState::rows);
    let mut moments: Vec<Moment> = rows.filter_map(|row| row.reached(Stage::Staged)).collect();
    moments.sort();
    moments[moments.len() * 9 / 10]
}

fn is_over(rig: &Rig) -> bool {
    rig.conductor.campaigns().all(|state| state.tally().pending == 0)
}

#[test]
fn of_what_is_short_a_campaign_of_three_times_the_weight_gets_three_times_as_much() {
    for (cells, short) in [(1, Short::Cell), (4, Short::Carrier), (4, Short::HeadEnd)] {
        let spec = crowd(480, cells, short);
        let (mut rig, light) = two(&spec, 7, (300, 100), short);
        // The other comes when the first has everything under way.
        step_until(&mut rig, |rig| staged(rig, "heavy").1 < 225);
        rig.conductor.create(rig.now, &light).expect("it is accepted");
        let (heavy, light) = sent_while_both_have_work(&mut rig);
        let ratio = heavy / light;
        assert!(
            (ratio / 3.0 - 1.0).abs() < 0.1,
            "{heavy} and {light} bytes: {ratio:.2}, short is the {short:?}"
        );
        step_until(&mut rig, is_over);
        let all = rig.conductor.campaigns().flat_map(CampaignState::rows);
        let done = all.filter(|row| matches!(row.outcome, Some((Outcome::Activated, _)))).count();
        assert!(done > 200, "{done} are done");
    }
}

#[test]
fn what_one_campaign_leaves_is_used_by_the_others() {
    for (cells, short) in [(1, Short::Cell), (4, Short::Carrier), (4, Short::HeadEnd)] {
        let spec = crowd(200, cells, short);
        let mut alone = rig(&spec, rehearsal(&spec, 7), short);
        step_until(&mut alone, is_over);
        let (mut rig, light) = two(&spec, 7, (900, 10), short);
        rig.conductor.create(rig.now, &light).expect("it is accepted");
        step_until(&mut rig, is_over);
        let took = |rig: &Rig| nearly_all_staged(rig).saturating_since(spec.start).as_secs_f64();
        let ratio = took(&rig) / took(&alone);
        assert!(
            ratio < 1.05,
            "two campaigns take {ratio:.3} times as long as one where the {short:?} is short"
        );
    }
}

/// The two are in different cells, and neither is short: the one must not wait for the other.
#[test]
fn campaigns_that_share_nothing_do_not_wait_for_one_another() {
    let spec = crowd(80, 2, Short::Cell);
    let set = rehearsal(&spec, 7);
    let cell_of = |home: usize| {
        let installation = set.desk.inventory.installations().nth(home).expect("a home");
        set.desk.inventory.members(installation).next().expect("a hub").cell.to_string()
    };
    let cells: BTreeSet<String> = (0..80).map(cell_of).collect();
    let first = cells.first().expect("a cell").clone();
    let is_first: Vec<bool> = (0..80).map(|home| cell_of(home) == first).collect();
    let end_of = |with_other: bool| {
        let mut set = rehearsal(&spec, 7);
        let other = part(&set, "light", 1_000, |home| !is_first[home]);
        set.order = part(&set, "heavy", 1, |home| is_first[home]);
        let mut rig = Rig::new(&spec, set);
        if with_other {
            rig.conductor.create(rig.now, &other).expect("it is accepted");
        }
        step_until(&mut rig, |rig| staged(rig, "heavy").1 == 0);
        rig.now.saturating_since(spec.start).as_secs_f64()
    };
    let ratio = end_of(true) / end_of(false);
    assert!(ratio < 1.05, "it takes {ratio:.3} times as long");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 9, ..ProptestConfig::default() })]

    #[test]
    fn shares_are_as_the_weights_whatever_they_are_and_whoever_dies(
        seed in 0u64..1_000,
        heavy in 100u16..=400,
        light in 50u16..=100,
        short in prop::sample::select(vec![Short::Cell, Short::Carrier, Short::HeadEnd]),
        dies in any::<bool>(),
    ) {
        let spec = crowd(300, if short == Short::Cell { 1 } else { 3 }, short);
        let (mut rig, order) = two(&spec, seed, (heavy, light), short);
        rig.conductor.create(rig.now, &order).expect("it is accepted");
        if dies {
            let until = rig.now + Duration::from_secs(90);
            step_until(&mut rig, |rig| rig.now >= until);
            rig.is_down_for(Duration::from_secs(60), rehearsal(&spec, seed));
        }
        let (sent_by_heavy, sent_by_light) = sent_while_both_have_work(&mut rig);
        let expected = f64::from(heavy) / f64::from(light);
        // Images that are on their way at either end are counted for nobody: some of each.
        let image = 12_000.0;
        let (least, most) = (
            (sent_by_heavy - 3.0 * image) / (sent_by_light + 3.0 * image),
            (sent_by_heavy + 3.0 * image) / (sent_by_light - 3.0 * image).max(1.0),
        );
        prop_assert!(
            least < expected * 1.1 && most > expected * 0.9,
            "{sent_by_heavy} and {sent_by_light} bytes, expected {expected:.2}"
        );
        step_until(&mut rig, is_over);
        for device in &rig.fleet.census().devices {
            prop_assert!(device.activations <= 1, "{} was activated {} times", device.eui, device.activations);
        }
    }
}

/// A staging had failed and was to be tried again later; then an hour ended, what its hub was at was called off for a device
/// beside it, and it was tried at once. When its time came, it was given to the engine a second time.
#[test]
fn a_staging_that_was_brought_forward_is_not_tried_again_when_its_time_comes() {
    let mut spec = world(STREET, 10);
    // The image of a gas meter goes first and is small; that of an electricity meter takes two hours: longer than until
    // it would be tried again.
    spec.campaign.link_rate_bytes_per_s = 60.try_into().expect("positive");
    // Nobody is held back because another of its home failed.
    spec.trouble = TroubleSpec::default();
    let mut set = rehearsal_with(&spec, 7, [400_000, 9_000]);
    let policy = &mut set.order.policy;
    (policy.waves, policy.retry_after_s) = (Vec::new(), 3_600);
    // It is one o'clock when the campaign begins.
    policy.activating = Windows::try_from(vec!["00:00-02:00".to_owned()]).expect("a window");
    let closes = spec.start + Duration::from_secs(3_600);
    let mut rig = Rig::new(&spec, set);
    let ordered = |rig: &Rig| rig.state().rows().filter(|row| row.stage == Stage::Ordered).count();
    let waiting = |rig: &Rig| rig.state().rows().filter(|row| row.stage == Stage::Instructed).count() as u64;
    step_until(&mut rig, |rig| ordered(rig) > 3);
    rig.cut = true;
    step_until(&mut rig, |rig| rig.now + Duration::from_secs(60) >= closes);
    assert!(ordered(&rig) > 0, "whoever was ordered is not looked after any more");
    rig.cut = false;
    let (before, pending) = (rig.conductor.stagings_begun(), waiting(&rig));
    step_until(&mut rig, |rig| rig.now >= closes + Duration::from_secs(1));
    assert!(rig.conductor.stagings_begun() > before, "nothing was called off");
    step_until(&mut rig, |rig| waiting(rig) == 0);
    assert_eq!(rig.conductor.stagings_begun() - before, pending, "each was given to the engine once");
}
