//! Devices of one home: the gate judges each by the combination in which the home ends, so what becomes of the others
//! matters, when the order is planned and while it is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campaign::{
    CampaignId, CampaignOrder, CampaignState, DeviceRow, Outcome, OutcomeClass, Permille, Stage, Windows,
};
use eligibility::{
    CplEntryId, DeviceChange, DeviceType, DeviceView, DmcId, EpclEntry, Mpxn, Notice, NoticePolicy, Register,
    SupplierId,
};
use firmware_image::{Eui64, FileVersion};
use fleet::{DeviceKind, EvidenceSpec, Rehearsal, Share, Simulation, StandingSpec, TroubleSpec, WorldSpec};

use crate::rig::Rig;
use crate::street::{PORT, STREET, rehearsal, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);
const SEED: u64 = 7;

/// A street in which everybody has gas and nothing goes wrong.
fn quiet_street(homes: u32) -> WorldSpec {
    let mut spec = world(STREET, homes);
    (spec.gas_share, spec.trouble, spec.standing) = (Share::ALL, TroubleSpec::default(), nobody_special());
    let none = Share::NONE;
    let listed = EvidenceSpec { epcl_share: Share::ALL, none_share: none, ..spec.evidence };
    spec.evidence =
        EvidenceSpec { mt_sit_share: none, dmct_report_share: none, equivalence_draft_share: none, ..listed };
    spec
}

fn nobody_special() -> StandingSpec {
    let none = Share::NONE;
    StandingSpec { active_share: none, mixed_share: none, enrolled_share: none, excluded_share: none }
}

fn ended(row: &DeviceRow) -> (Outcome, &str) {
    let (outcome, reason) = row.outcome.as_ref().expect("it has ended");
    (*outcome, reason)
}

/// The electricity meter had gone back to its old firmware, and its gas meter was told to activate hours later all the
/// same: the home ended in a combination that is on no list.
#[test]
fn a_device_is_not_activated_beside_one_that_stayed_behind() {
    let mut spec = quiet_street(20);
    spec.trouble.does_not_come_up_share = Share::new(0.5).unwrap();
    let mut set = rehearsal(&spec, SEED);
    (set.order.policy.waves, set.order.policy.failure_threshold) = (Vec::new(), Permille(1_000));
    let mut simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    simulation.run(LIMIT, |_, _| {}).expect("it ends");
    let rows: Vec<&DeviceRow> = simulation.state().rows().collect();
    let mut held = 0;
    for row in &rows {
        let others = rows.iter().filter(|other| other.installation == row.installation);
        let mut failed = others.filter(|other| ended(other).0.class() == OutcomeClass::Failed);
        let behind = failed.find_map(|other| other.reached(Stage::Ended));
        let Some(behind) = behind.filter(|_| ended(row).0.class() != OutcomeClass::Failed) else { continue };
        let ordered = row.reached(Stage::Ordered);
        assert!(ordered.is_none_or(|ordered| ordered <= behind), "{} beside one that failed", row.device);
        if ordered.is_none() {
            assert_eq!(ended(row), (Outcome::HeldUnactivated, "REJECT_FW_NOT_IN_DMC"));
            let word = row.last_word();
            assert!(word.row == "A4" && word.detail.contains("neither listed nor proposed"), "{word:?}");
            held += 1;
        }
    }
    assert!(held > 0, "nobody was held");
}

/// Puts every device of the homes in the order that it has an image for, whoever it belongs to.
fn ordered_whole(spec: &WorldSpec) -> Rehearsal {
    let mut set = rehearsal(spec, SEED);
    let is_meter = |kind| matches!(kind, DeviceType::Esme | DeviceType::Gsme);
    let meters = set.desk.inventory.devices().filter(|device| is_meter(device.device_type));
    set.order.devices = meters.map(|device| device.id).collect();
    // Nobody is to get the image for electricity meters otherwise.
    set.order.targets = rehearsal(&quiet_street(10), SEED).order.targets;
    set
}

/// Named with the Active meter beside it, the Dormant meter of a Mixed home was refused for its sake, so that an order for
/// "all" helped nobody there.
#[test]
fn the_dormant_meter_of_a_mixed_home_gets_its_own_image_although_the_order_names_both() {
    let mut spec = quiet_street(10);
    spec.standing.mixed_share = Share::ALL;
    let set = ordered_whole(&spec);
    let (conductor, order) = (conductor(&spec, &set), &set.order);
    let plans = conductor.plan(spec.start, order);
    let count = |code: &str| plans.iter().filter(|plan| plan.verdict.code == code).count();
    assert_eq!((plans.len(), count("REJECT_ACTIVE")), (20, 10));
    assert!(plans.iter().filter(|plan| plan.verdict.allowed).count() > 5, "{plans:?}");
    assert_eq!(count("REJECT_FW_NOT_IN_DMC"), 0);
}

fn conductor(spec: &WorldSpec, set: &Rehearsal) -> campaign::Conductor {
    let Rehearsal { desk, settings, images, .. } = rehearsal(spec, SEED);
    let mut conductor = campaign::Conductor::new(settings, desk, spec.start);
    for image in images {
        conductor.add_image(image);
    }
    assert!(!set.order.devices.is_empty());
    conductor
}

/// The image for gas meters is not the registered one. What the plan allowed beside them was refused as soon as the engine
/// asked again, without them.
#[test]
fn what_a_plan_allows_is_not_refused_in_the_next_breath() {
    let spec = quiet_street(10);
    let mut set = rehearsal(&spec, SEED);
    let [first, second] = set.order.targets.as_mut_slice() else { panic!("two targets") };
    // Both are brought the image of the other kind; one of them gets its own back.
    let electricity = if first.cpl_entry.as_str().starts_with("ESME") { first.image } else { second.image };
    (first.image, second.image) = (electricity, electricity);
    let simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
    let of = |kind: &'static str| simulation.state().rows().filter(move |row| row.kind == kind);
    for row in of("ESME").chain(of("GSME")) {
        assert_eq!(row.stage, Stage::Ended, "{row:?}");
        assert!(!row.verdict.allowed, "allowed, and then {:?}", row.outcome);
    }
    assert!(of("GSME").all(|row| row.verdict.row == "A9" || row.verdict.row.starts_with('B')));
    assert!(of("ESME").any(|row| row.verdict.row == "A4"));
}

/// Lists on which a home may also end with its gas meter as it is.
fn with_single_steps(set: &mut Rehearsal) {
    let old = |kind| {
        let mut devices = set.desk.inventory.devices().filter(|device| device.device_type == kind);
        devices.next().map(|device| device.entry.clone()).expect("somebody has one")
    };
    let gas: CplEntryId = old(DeviceType::Gsme);
    let mut lists = set.lists.clone();
    let listed = lists.epcl.iter().map(|entry| entry.combination.clone());
    let proposed = lists.ppcl.iter().map(|entry| entry.combination.clone());
    let mut steps: Vec<_> = listed.chain(proposed).filter(|ends| ends.gsme.is_some()).collect();
    steps.iter_mut().for_each(|ends| ends.gsme = Some(gas.clone()));
    let entry = |(number, combination)| EpclEntry {
        id: DmcId::new(&format!("STEP-{number}")).unwrap(),
        combination,
        date_added: eligibility::Date::constant(2020, 1, 1),
        date_removed: None,
    };
    lists.epcl.extend(steps.into_iter().enumerate().map(entry));
    set.desk.register = Register::from_rows(lists).expect("the lists are sound");
}

/// Whoever soaks in one campaign runs its target already, although the inventory does not say so yet: a second campaign for
/// the same home was judged as if nothing had happened to it.
#[test]
fn a_second_campaign_in_a_home_reckons_with_what_the_first_has_ordered() {
    let spec = quiet_street(10);
    let mut set = rehearsal(&spec, SEED);
    with_single_steps(&mut set);
    let kind_of = |device: &Eui64| set.desk.inventory.device(*device).unwrap().device_type;
    let (electricity, gas): (Vec<Eui64>, Vec<Eui64>) =
        set.order.devices.iter().partition(|device| kind_of(device) == DeviceType::Esme);
    let mut second = set.order.clone();
    (second.id, second.devices) = ("second".parse::<CampaignId>().unwrap(), gas.clone());
    set.order.devices = electricity;
    (set.order.policy.waves, set.order.policy.soak_s) = (Vec::new(), 86_400);
    let mut rig = Rig::new(&spec, set);
    let before = rig.conductor.plan(rig.now, &second);
    assert!(before.iter().all(|plan| plan.verdict.row == "A4"), "gas alone is on no list: {before:?}");
    rig.run_until("soaking", |state| state.rows().any(|row| row.stage == Stage::Soaking));
    let plans = rig.conductor.plan(rig.now, &second);
    for row in rig.state().rows() {
        let beside = plans.iter().find(|plan| plan.installation == row.installation).expect("it has gas");
        let is_told = matches!(row.stage, Stage::Ordered | Stage::Soaking);
        assert_eq!(beside.verdict.allowed, is_told && row.verdict.allowed, "{row:?}: {:?}", beside.verdict);
    }
}

/// A supplier that changed while the image was on its way went unnoticed, unless the meter became Active.
#[test]
fn a_device_that_changes_hands_in_flight_is_held_unactivated_and_says_why() {
    let spec = quiet_street(10);
    let mut rig = Rig::new(&spec, rehearsal(&spec, SEED));
    rig.run_until("staged", |state| state.rows().any(|row| row.stage == Stage::Staged));
    let device = rig.state().rows().find(|row| row.stage == Stage::Staged).unwrap().device;
    let newcomer = DeviceChange::Supplier(SupplierId::new("SUP-99").unwrap());
    rig.conductor.note_change(device, newcomer).unwrap();
    rig.run_until("over", |state| state.tally().pending == 0);
    let row = rig.state().row(device).unwrap();
    assert_eq!(ended(row), (Outcome::HeldUnactivated, "SUPPLIER_CHANGED"));
    assert!(row.reached(Stage::Ordered).is_none());
    assert!(row.last_word().detail.ends_with("when it was instructed, and is SUP-99"), "{row:?}");
    let activated = rig.state().rows().filter(|row| ended(row).0 == Outcome::Activated).count();
    assert!(activated > 0, "others go on");
}

/// The lists said that it runs its target when its hour came: it ended as excluded at once, and nobody had asked it.
#[test]
fn who_is_said_to_run_its_target_when_its_hour_comes_is_asked_what_it_runs() {
    let spec = quiet_street(10);
    let mut set = rehearsal(&spec, SEED);
    // The campaign begins at one o'clock.
    set.order.policy.activating = Windows::try_from(vec!["12:00-13:00".to_owned()]).unwrap();
    set.order.policy.han_deadline_s = 7_200;
    let mut rig = Rig::new(&spec, set);
    let is_there = |row: &&DeviceRow| row.stage == Stage::Delivered;
    rig.run_until("delivered", |state| state.rows().any(|row| is_there(&row)));
    let device = rig.state().rows().find(is_there).unwrap().device;
    let entry = rig.conductor.explain(device).remove(0).target.expect("it has a target");
    rig.conductor.note_change(device, DeviceChange::Runs(entry)).unwrap();
    let noon = rig.state().ordered_at + Duration::from_secs(11 * 3_600);
    rig.run_until("over", |state| state.row(device).is_some_and(|row| row.outcome.is_some()));
    // It answers that it does not, and nothing comes of it in all the time that it has.
    let row = rig.state().row(device).unwrap();
    assert_eq!(ended(row), (Outcome::HeldUnactivated, "ALREADY_ON_TARGET"));
    let waited = row.reached(Stage::Ended).unwrap().saturating_since(noon);
    assert!(waited >= Duration::from_secs(86_400), "{waited:?}");
}

/// What a device was once read back to run was noted over all lists that ever came, so that one that went back to its old
/// firmware in the field could never be updated again.
#[test]
fn lists_of_a_month_later_are_believed_over_what_was_read_back() {
    let spec = quiet_street(10);
    let lists = || rehearsal(&spec, SEED).desk;
    let mut rig = Rig::new(&spec, rehearsal(&spec, SEED));
    rig.run_until("over", |state| state.tally().pending == 0);
    let again = CampaignOrder { id: "again".parse().unwrap(), ..rehearsal(&spec, SEED).order };
    let to_do = |rig: &Rig| {
        let plans = rig.conductor.plan(rig.now, &again);
        plans.iter().filter(|plan| plan.verdict.allowed).count()
    };
    assert_eq!(to_do(&rig), 0);
    rig.conductor.set_desk(lists());
    assert_eq!(to_do(&rig), 0, "lists lag behind");
    rig.now = rig.now + Duration::from_secs(31 * 86_400);
    rig.step();
    rig.conductor.set_desk(lists());
    assert_eq!(to_do(&rig), again.devices.len());
}

/// Whoever was named by a second order was refused there, rightly; and forgotten by the first, which waited for it for ever.
#[test]
fn an_order_for_devices_that_another_campaign_is_at_work_on_leaves_that_one_alone() {
    let spec = quiet_street(10);
    for dies in [false, true] {
        let street = || {
            let mut set = rehearsal(&spec, SEED);
            set.order.policy.waves = Vec::new();
            set
        };
        let second = CampaignOrder { id: "zecond".parse().unwrap(), ..street().order };
        let mut rig = Rig::new(&spec, street());
        rig.run_until("ordered", |state| state.rows().any(|row| row.stage == Stage::Ordered));
        rig.conductor.create(rig.now, &second).expect("it is accepted");
        let refused = rig.conductor.campaign(&second.id).unwrap().tally();
        assert!(refused.by_refusal["OTHER_CAMPAIGN_IN_PROGRESS"] > 10, "{refused:?}");
        rig.step();
        if dies {
            rig.is_down_for(Duration::from_secs(60), street());
        }
        rig.run_until("over", |state| state.tally().pending == 0);
        let tally = rig.state().tally();
        assert_eq!(tally.done, tally.ordered, "{tally:?}");
        let census = rig.fleet.census();
        assert!(census.devices.iter().all(|device| device.activations <= 1));
    }
}

/// Notices came for the electricity meters only. They were updated, and the gas meters beside them never: each home ended in
/// a combination that was on no list.
#[test]
fn who_is_allowed_beside_one_that_waits_waits_with_it() {
    let spec = quiet_street(10);
    let mut set = rehearsal(&spec, SEED);
    (set.order.policy.waves, set.order.policy.hold_limit_days) = (Vec::new(), 5);
    set.desk.gate.notice = NoticePolicy::Required { lead_days: 0 };
    let today = eligibility::Date::constant(2020, 10, 5);
    let model = spec.device.of(DeviceKind::Electricity);
    let electricity = set.desk.inventory.devices().filter(|device| device.device_type == DeviceType::Esme);
    let notice = |device: DeviceView<'_>| Notice {
        supplier: device.supplier.clone(),
        mpxn: Mpxn::new("1000000000001").unwrap(),
        device: device.id,
        dmc: None,
        from: FileVersion(model.running_version),
        to: model.target().file_version,
        window_start: today,
        window_end: eligibility::Date::constant(2020, 11, 5),
        issued_at: today,
    };
    let notices = electricity.map(notice).collect();
    set.desk.inventory = set.desk.inventory.clone().with_rows(notices, Vec::new()).unwrap();
    let mut rig = Rig::new(&spec, set);
    for row in rig.state().rows() {
        let code = if row.kind == "ESME" { "HOLD_COMPANION" } else { "HOLD_NOT_NOTIFIED" };
        assert_eq!((row.stage, row.verdict.waits, row.verdict.code.as_str()), (Stage::Planned, true, code));
    }
    rig.run_until("over", |state| state.tally().pending == 0);
    for row in rig.state().rows() {
        assert_eq!(ended(row).0, Outcome::Refused, "{row:?}");
        assert!(row.reached(Stage::Instructed).is_none(), "{row:?}");
    }
}

/// A device that was done with had its target in every later reckoning, whatever the lists said since.
#[test]
fn a_device_that_went_back_after_its_end_counts_as_what_the_lists_say() {
    let spec = quiet_street(10);
    let mut set = rehearsal(&spec, SEED);
    set.order.policy.waves = Vec::new();
    let old: BTreeMap<Eui64, CplEntryId> =
        set.desk.inventory.devices().map(|device| (device.id, device.entry.clone())).collect();
    let mut rig = Rig::new(&spec, set);
    let beside = |state: &CampaignState| {
        let done = state.rows().find(|row| row.kind == "ESME" && row.outcome.is_some())?.clone();
        let other =
            state.rows().find(|row| row.installation == done.installation && row.stage == Stage::Staged)?;
        Some((done.device, other.device))
    };
    rig.run_until("one is done", |state| beside(state).is_some());
    let (done, other) = beside(rig.state()).unwrap();
    assert!(rig.conductor.explain(other)[0].judgement.allowed);
    rig.conductor.note_change(done, DeviceChange::Runs(old[&done].clone())).unwrap();
    assert_eq!(rig.conductor.explain(other)[0].judgement.code, "REJECT_FW_NOT_IN_DMC");
}

/// An order for both meters of a home, of which one soaks in another campaign, was judged as if that one ran its old
/// firmware; naming the other one alone was allowed.
#[test]
fn an_order_that_also_names_a_busy_device_is_judged_as_one_that_does_not() {
    let spec = quiet_street(10);
    let mut set = rehearsal(&spec, SEED);
    with_single_steps(&mut set);
    let both = CampaignOrder { id: "both".parse().unwrap(), ..set.order.clone() };
    let kind_of = |device: &Eui64| set.desk.inventory.device(*device).unwrap().device_type;
    set.order.devices =
        set.order.devices.iter().copied().filter(|one| kind_of(one) == DeviceType::Esme).collect();
    (set.order.policy.waves, set.order.policy.soak_s) = (Vec::new(), 86_400);
    let mut rig = Rig::new(&spec, set);
    rig.run_until("all soak", |state| {
        let mut under_way = state.rows().filter(|row| row.outcome.is_none());
        under_way.all(|row| row.stage == Stage::Soaking)
    });
    let codes: BTreeMap<String, BTreeSet<String>> =
        rig.conductor.plan(rig.now, &both).into_iter().fold(BTreeMap::new(), |mut codes, plan| {
            codes.entry(plan.kind).or_insert_with(BTreeSet::new).insert(plan.verdict.code);
            codes
        });
    assert_eq!(codes["ESME"], ["OTHER_CAMPAIGN_IN_PROGRESS".to_owned()].into());
    assert_eq!(codes["GSME"], ["EPCL".to_owned()].into());
    // The engine sees it as the plan does.
    rig.conductor.create(rig.now, &both).expect("it is accepted");
    let second = |rig: &Rig| rig.conductor.campaign(&both.id).unwrap().tally();
    let until = rig.now + LIMIT;
    while second(&rig).pending > 0 {
        assert!(rig.now < until, "it does not end");
        rig.step();
    }
    assert_eq!(second(&rig).by_outcome[&Outcome::Activated], 10, "{:?}", second(&rig));
}

/// The gas meter changed hands and was to be held; the electricity meter beside it was activated all the same, as nothing
/// had been said of the gas meter yet.
#[test]
fn a_device_is_not_activated_beside_one_that_is_going_to_be_held() {
    let spec = quiet_street(10);
    let mut set = rehearsal(&spec, SEED);
    set.order.policy.waves = Vec::new();
    // So that there is time between the image's arrival and the order.
    set.order.policy.poll_interval_s = 3_600;
    let mut rig = Rig::new(&spec, set);
    let pair = |state: &CampaignState| {
        let electricity = state.rows().find(|row| row.kind == "ESME" && row.stage == Stage::Staged)?;
        let beside = |row: &&DeviceRow| row.installation == electricity.installation && row.kind == "GSME";
        let gas =
            state.rows().find(beside).filter(|row| row.stage > Stage::Planned && row.outcome.is_none())?;
        Some((electricity.device, gas.device))
    };
    rig.run_until("both under way", |state| pair(state).is_some());
    let (electricity, gas) = pair(rig.state()).unwrap();
    rig.conductor.note_change(gas, DeviceChange::Supplier(SupplierId::new("SUP-99").unwrap())).unwrap();
    rig.run_until("over", |state| state.tally().pending == 0);
    let end = |device| ended(rig.state().row(device).unwrap());
    assert_eq!(end(electricity), (Outcome::HeldUnactivated, "REJECT_FW_NOT_IN_DMC"));
    assert_eq!(end(gas), (Outcome::HeldUnactivated, "SUPPLIER_CHANGED"));
    let activated = rig.state().rows().filter(|row| ended(row).0 == Outcome::Activated);
    assert_eq!(activated.count(), 18, "all other homes");
}
