//! Turns: devices that wait for others, by the order of kinds in a home and by what may be at risk in a group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campaign::{
    CampaignPolicy, CampaignState, Conductor, Desk, DeviceRow, Outcome, OutcomeClass, Permille, Stage,
};
use eligibility::{Device, DeviceChange, Inventory, SupplierId};
use firmware_image::Eui64;
use fleet::{Rehearsal, Simulation, WorldSpec};
use ledger::EntryIndex;
use proptest::prelude::*;

use crate::acts::ActsOfHubs;
use crate::street::{DEMO, PORT, rehearsal, rehearsal_with_hubs, world};

const LIMIT: Duration = Duration::from_secs(60 * 86_400);

/// A town in which new firmware often does not come up, and no campaign halts for it.
fn shaky(share: &str) -> WorldSpec {
    let text = DEMO.replace("does_not_come_up_share = 0.02", &format!("does_not_come_up_share = {share}"));
    assert_ne!(text, DEMO);
    world(&text, 60)
}

struct Town {
    simulation: Simulation,
    inventory: Inventory,
    spec: WorldSpec,
    seed: u64,
    /// What a head-end starts with, also again.
    set: fn(&WorldSpec, u64) -> Rehearsal,
}

impl Town {
    fn new(spec: WorldSpec, seed: u64, change: impl Fn(&mut CampaignPolicy)) -> Town {
        Town::with(rehearsal, spec, seed, change)
    }

    fn with(
        rehearsal: fn(&WorldSpec, u64) -> Rehearsal,
        spec: WorldSpec,
        seed: u64,
        change: impl Fn(&mut CampaignPolicy),
    ) -> Town {
        let mut set = rehearsal(&spec, seed);
        set.order.policy.failure_threshold = Permille(1_000);
        set.order.policy.success_threshold = Permille(0);
        change(&mut set.order.policy);
        let inventory = set.desk.inventory.clone();
        let simulation = Simulation::new(set, spec.start, PORT).expect("the order is accepted");
        Town { simulation, inventory, spec, seed, set: rehearsal }
    }

    /// Runs to the end, with a death of the head-end after some steps; looks at the campaign after every step.
    fn run(&mut self, dies_after: usize, look: impl Fn(&CampaignState, &Inventory)) {
        let mut steps = 0;
        while self.simulation.step().expect("it runs") {
            look(self.simulation.state(), &self.inventory);
            steps += 1;
            if steps == dies_after {
                let Rehearsal { desk, settings, images, .. } = (self.set)(&self.spec, self.seed);
                self.simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
            }
            assert!(self.simulation.now() < self.spec.start + LIMIT, "it does not end");
        }
        assert_eq!(self.simulation.state().tally().pending, 0);
    }

    fn count(&self, wanted: Outcome) -> usize {
        self.simulation.state().rows().filter(|row| outcome(row) == Some(wanted)).count()
    }
}

fn outcome(row: &DeviceRow) -> Option<Outcome> {
    row.outcome.as_ref().map(|(outcome, _)| *outcome)
}

fn is_at_risk(row: &DeviceRow) -> bool {
    match outcome(row) {
        None => row.stage > Stage::Planned,
        Some(outcome) => outcome.blames_image() && row.reached(Stage::Instructed).is_some(),
    }
}

/// Counts the devices at risk by what a function says of them.
fn at_risk<'a>(state: &CampaignState, group: impl Fn(&DeviceRow) -> &'a str) -> BTreeMap<&'a str, u32> {
    let mut counts = BTreeMap::new();
    for row in state.rows().filter(|row| is_at_risk(row)) {
        *counts.entry(group(row)).or_default() += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn hub_electricity_and_gas_have_their_turns_in_this_order_and_are_held_back_when_one_before_them_fails(
        seed in 0u64..1_000,
        dies_after in 1usize..4_000,
    ) {
        const KINDS: [&str; 3] = ["CHF", "ESME", "GSME"];
        let kinds: campaign::OrderOfKinds = KINDS.map(str::to_owned).to_vec().try_into().expect("kinds");
        let change = |policy: &mut CampaignPolicy| policy.order_of_kinds = kinds.clone();
        let mut town = Town::with(rehearsal_with_hubs, shaky("0.4"), seed, change);
        let seen = ActsOfHubs::default();
        town.simulation.observe(Box::new(seen.clone()));
        town.run(dies_after, |_, _| {});
        let state = town.simulation.state();
        let of_kind = |kind: &'static str| {
            state.rows().filter(move |row| row.kind == kind && row.wave.is_some())
        };
        // Of each kind, how many had their turn behind another one.
        let mut waited = BTreeMap::new();
        let pairs = [("CHF", "ESME"), ("CHF", "GSME"), ("ESME", "GSME")];
        for (first, then) in pairs {
            for row in of_kind(then) {
                let before = of_kind(first).find(|before| before.installation == row.installation);
                let Some(before) = before else { continue };
                let ended = before.reached(Stage::Ended).expect("it ended");
                if let Some(instructed) = row.reached(Stage::Instructed) {
                    prop_assert!(instructed >= ended, "{} did not wait for {}", row.device, before.device);
                    prop_assert_eq!(outcome(before).map(Outcome::class), Some(OutcomeClass::Done));
                    *waited.entry((first, then)).or_insert(0) += 1;
                } else if outcome(before).map(Outcome::class) != Some(OutcomeClass::Done) {
                    prop_assert_eq!(outcome(row), Some(Outcome::HeldBack));
                    let reason = &row.outcome.as_ref().expect("it ended").1;
                    let others = state.rows().filter(|other| other.installation == row.installation);
                    let mut others = others.filter(|other| other.device != row.device);
                    prop_assert!(others.any(|other| reason.contains(&other.device.to_string())), "{}", reason);
                }
            }
        }
        prop_assert_eq!(waited.len(), pairs.len(), "not all had their turn behind others: {:?}", waited);
        prop_assert!(town.count(Outcome::HeldBack) > 0, "nobody was held back");
        // The line says the same: nothing is sent for one of a kind once something was for one of a later kind.
        let mut whole_homes = 0;
        for (hub, acts) in seen.all() {
            let channels: Vec<u8> = acts.iter().map(|(channel, _)| *channel).collect();
            prop_assert!(channels.is_sorted(), "{:?} was sent for channels {:?}", hub, channels);
            let ordered = acts.iter().filter(|(_, act)| *act == "order").map(|(channel, _)| *channel);
            whole_homes += usize::from(ordered.collect::<BTreeSet<_>>() == BTreeSet::from([0, 1, 2]));
        }
        prop_assert!(whole_homes > 0, "in no home were all three ordered to activate");
    }

    #[test]
    fn no_more_devices_of_a_group_are_at_risk_than_agreed_and_all_have_their_turn(
        seed in 0u64..1_000,
        dies_after in 1usize..4_000,
        most_per_supplier in 1u32..6,
        most_per_model in 3u32..20,
        most_per_cell in 0u32..20,
        most_per_district in 0u32..30,
    ) {
        // Nothing fails on the image, so that nobody's turn is used up.
        let text = DEMO
            .replace("does_not_come_up_share = 0.02", "does_not_come_up_share = 0.0")
            .replace("wrong_hardware_share = 0.02", "wrong_hardware_share = 0.0");
        let mut town = Town::new(world(&text, 60), seed, |policy| {
            policy.at_risk_most_per_supplier = most_per_supplier;
            policy.at_risk_most_per_model = most_per_model;
            policy.at_risk_most_per_cell = most_per_cell;
            policy.at_risk_most_per_district = most_per_district;
        });
        town.run(dies_after, |state, inventory| {
            let device = |row: &DeviceRow| inventory.device(row.device).expect("it is known");
            let suppliers = at_risk(state, |row| device(row).supplier.as_str());
            assert!(suppliers.values().all(|count| *count <= most_per_supplier), "{suppliers:?}");
            let models = at_risk(state, |row| if device(row).device_type.is_meter() { device(row).entry.as_str() } else { "" });
            assert!(models.values().all(|count| *count <= most_per_model), "{models:?}");
            let cells = at_risk(state, |row| device(row).cell.as_str());
            assert!(most_per_cell == 0 || cells.values().all(|count| *count <= most_per_cell), "{cells:?}");
            let of_district = |row: &DeviceRow| device(row).postcode_district.expect("a made world has it").as_str();
            let districts = at_risk(state, of_district);
            let is_kept = |count: &u32| most_per_district == 0 || *count <= most_per_district;
            assert!(districts.values().all(is_kept), "{districts:?}");
        });
        prop_assert_eq!(town.count(Outcome::HeldBack), 0);
        prop_assert!(town.count(Outcome::Activated) > 0);
    }

    #[test]
    fn failures_use_up_what_may_be_at_risk_and_the_rest_of_the_group_is_held_back(
        seed in 0u64..1_000,
        dies_after in 1usize..4_000,
    ) {
        let most = 2;
        let mut town = Town::new(shaky("0.9"), seed, |policy| policy.at_risk_most_per_supplier = most);
        town.run(dies_after, |state, inventory| {
            let supplier = |row: &DeviceRow| inventory.device(row.device).expect("it is known").supplier.as_str();
            let suppliers = at_risk(state, supplier);
            assert!(suppliers.values().all(|count| *count <= most), "{suppliers:?}");
        });
        let state = town.simulation.state();
        let held: Vec<_> = state.rows().filter(|row| outcome(row) == Some(Outcome::HeldBack)).collect();
        prop_assert!(!held.is_empty(), "nobody was held back");
        for row in held {
            let supplier = town.inventory.device(row.device).expect("it is known").supplier;
            let reason = &row.outcome.as_ref().expect("it ended").1;
            prop_assert!(reason.contains(&format!("supplier {supplier}: 2 devices failed")), "{}", reason);
            prop_assert_eq!(row.reached(Stage::Instructed), None);
        }
    }
}

/// The inventory without some of its devices.
fn without(inventory: &Inventory, gone: &BTreeSet<Eui64>) -> Inventory {
    let left = inventory.devices().filter(|found| !gone.contains(&found.id));
    Inventory::from_rows(left.map(Device::from).collect()).expect("the rest is sound")
}

/// Gas meters wait for electricity meters that leave the inventory while they are being updated: whoever waited was looked
/// for in the inventory, by the home of the one that had ended, and waited for ever.
#[test]
fn meters_have_their_turn_when_what_they_waited_for_has_left_the_inventory() {
    let spec = world(DEMO, 24);
    let kinds = || -> campaign::OrderOfKinds {
        ["ESME", "GSME"].map(str::to_owned).to_vec().try_into().expect("kinds")
    };
    let mut town = Town::new(spec, 7, |policy| policy.order_of_kinds = kinds());
    while !town.simulation.state().rows().any(|row| row.stage == Stage::Ordered) {
        assert!(town.simulation.step().expect("it runs"), "nobody is ever ordered");
    }
    let rows = || town.simulation.state().rows().filter(|row| row.outcome.is_none());
    let gone: BTreeSet<Eui64> =
        rows().filter(|row| row.kind == "ESME" && row.stage > Stage::Planned).map(|row| row.device).collect();
    let homes: BTreeSet<String> =
        rows().filter(|row| gone.contains(&row.device)).map(|row| row.installation.clone()).collect();
    let behind = |row: &&DeviceRow| row.kind == "GSME" && homes.contains(&row.installation);
    let waiting: BTreeSet<Eui64> = rows().filter(behind).map(|row| row.device).collect();
    assert!(!waiting.is_empty(), "nobody waits");
    let Rehearsal { mut desk, .. } = rehearsal(&town.spec, town.seed);
    desk.inventory = without(&desk.inventory, &gone);
    town.simulation.ask(|conductor, _| conductor.set_desk(desk)).expect("it is kept");
    // It ends, with an outcome for everybody.
    town.run(0, |_, _| {});
}

/// A town in which some devices are at risk, and the suppliers that they had when they were instructed.
fn town_at_risk(most: u32) -> (Town, BTreeMap<Eui64, String>) {
    let mut town = Town::new(shaky("0.4"), 7, |policy| {
        policy.at_risk_most_per_supplier = most;
        policy.waves = Vec::new();
    });
    let has_failed = |state: &CampaignState| {
        let mut rows = state.rows().filter(|row| is_at_risk(row));
        rows.any(|row| row.outcome.is_some())
    };
    while !has_failed(town.simulation.state()) {
        assert!(town.simulation.step().expect("it runs"), "nothing ever fails");
    }
    let rows = town.simulation.state().rows().filter(|row| is_at_risk(row));
    let supplier = |device: Eui64| town.inventory.device(device).expect("it is known").supplier.to_string();
    let of: BTreeMap<Eui64, String> = rows.map(|row| (row.device, supplier(row.device))).collect();
    (town, of)
}

/// Lists in which those devices have another supplier since.
fn desk_after_they_moved(town: &Town, moved: &BTreeMap<Eui64, String>) -> Desk {
    let Rehearsal { mut desk, .. } = rehearsal(&town.spec, town.seed);
    for device in moved.keys() {
        let supplier = SupplierId::new("SUP-ELSEWHERE").expect("a name");
        desk.inventory.note(*device, DeviceChange::Supplier(supplier)).expect("it is known");
    }
    desk
}

/// Counts who is at risk by the suppliers that they had when they were instructed; who was instructed since has the one
/// of today's lists.
fn most_of_a_supplier(state: &CampaignState, of: &mut BTreeMap<Eui64, String>, today: &Inventory) -> u32 {
    for row in state.rows().filter(|row| is_at_risk(row)) {
        let supplier = || today.device(row.device).expect("it is known").supplier.to_string();
        of.entry(row.device).or_insert_with(supplier);
    }
    let counts = at_risk(state, |row| of[&row.device].as_str());
    counts.into_values().max().unwrap_or_default()
}

/// A head-end that started again counted by the suppliers of its new lists: those whose devices had been taken over by
/// another one seemed to have nothing at risk, and as much again was instructed for them.
#[test]
fn a_head_end_that_starts_again_with_other_lists_counts_as_one_that_did_not() {
    let most = 2;
    for starts_again in [false, true] {
        let (mut town, mut of) = town_at_risk(most);
        let desk = desk_after_they_moved(&town, &of);
        let today = desk.inventory.clone();
        if starts_again {
            let Rehearsal { settings, images, .. } = rehearsal(&town.spec, town.seed);
            town.simulation.restart_head_end(settings, desk, images, &[]).expect("it starts again");
        } else {
            town.simulation.replace_desk(desk);
        }
        let before = of.len();
        while town.simulation.step().expect("it runs") {
            let found = most_of_a_supplier(town.simulation.state(), &mut of, &today);
            assert!(found <= most, "{found} of a supplier are at risk; started again: {starts_again}");
        }
        assert!(of.len() > before, "nobody else had its turn");
    }
}

#[test]
fn records_that_name_no_groups_are_counted_by_the_lists_of_the_day() {
    let most = 2;
    let (town, of) = town_at_risk(most);
    let taken_up = |desk: Desk, names_groups: bool| {
        let (mut of, today) = (of.clone(), desk.inventory.clone());
        let Rehearsal { settings, images, .. } = rehearsal(&town.spec, town.seed);
        let mut conductor = Conductor::new(settings, desk, town.simulation.now());
        for image in images {
            conductor.add_image(image);
        }
        for entry in town.simulation.ledger().entries(EntryIndex(0)) {
            let mut entry = entry.expect("it reads");
            if entry.kind == "instructed" && !names_groups {
                let mut body: serde_json::Value = serde_json::from_slice(&entry.body).expect("it is JSON");
                let fields = body.as_object_mut().expect("a record is an object");
                fields.remove("groups").expect("it names groups");
                entry.body = serde_json::to_vec(&body).expect("it is JSON");
            }
            conductor.replay(&[entry]).expect("it fits");
        }
        conductor.resume(town.simulation.now()).expect("it is taken up");
        let state = conductor.campaigns().next().expect("there is a campaign");
        most_of_a_supplier(state, &mut of, &today)
    };
    assert!(taken_up(rehearsal(&town.spec, town.seed).desk, false) <= most);
    assert!(taken_up(desk_after_they_moved(&town, &of), true) <= most);
    assert!(
        taken_up(desk_after_they_moved(&town, &of), false) > most,
        "who it is counted by makes no difference"
    );
}
