//! What must hold of head-end, ledger and fleet together, whatever goes wrong. What must hold in a home after each of its
//! events is checked by the fleet itself (`fleet::Fleet::watch`).

use std::collections::{BTreeMap, BTreeSet};

use campaign::{
    Conductor, OrderedRecord, Outcome, OutcomeClass, Record, Stage, StagingFailedRecord, WaveTally,
};
use eligibility::MeterStatus;
use firmware_image::Eui64;
use fleet::{DeviceCensus, DeviceKind, FaultKind, Simulation};
use ledger::EntryIndex;
use transfer_engine::HubId;

use crate::run::Crew;

type Judged = Result<(), String>;

/// The ends that speak against the image, and halt a campaign.
const BLAMED: [Outcome; 5] = [
    Outcome::HubRejectedImage,
    Outcome::DeviceRejectedImage,
    Outcome::RolledBack,
    Outcome::ActivationUnconfirmed,
    Outcome::Unhealthy,
];

/// How much of an image has a digest of its own, bytes.
const DIGESTED: u64 = 1_024;

/// No activation without: a complete image that its device verified, and a gate that is open at this moment.
pub fn an_order_has_all_it_needs(simulation: &Simulation, order: &OrderedRecord) -> Judged {
    let name = "an order has all it needs";
    let device = order.device;
    let Some(row) = simulation.state().row(device) else {
        return Err(format!("{name}: {device} is not in the campaign"));
    };
    if row.reached(Stage::Delivered).is_none() {
        return Err(format!("{name}: {device} was never known to hold the image"));
    }
    let conductor = simulation.conductor();
    let image = conductor.images().find(|image| Some(image.file_digest()) == row.image);
    if image.is_none_or(|image| image.image_digest() != order.image) {
        return Err(format!("{name}: {device} is told to run another image than it was sent"));
    }
    let Some(found) = conductor.desk().inventory.device(device) else {
        return Err(format!("{name}: {device} is not in the inventory"));
    };
    let is_active = found.status == MeterStatus::Active;
    if is_active || found.enrolled || found.exclusion.is_some() {
        return Err(format!("{name}: the gate is shut for {device}: {found:?}"));
    }
    Ok(())
}

/// A device is told once at most in a campaign, whoever dies in between.
pub fn a_device_is_ordered_once(orders: &BTreeMap<Eui64, OrderedRecord>, order: &OrderedRecord) -> Judged {
    match orders.get(&order.device) {
        None => Ok(()),
        Some(_) => Err(format!("a device is ordered once at most: {} was ordered twice", order.device)),
    }
}

/// A device is tried as often as its campaign says and no more, however often the head-end dies.
pub fn tries_are_counted_one_by_one(
    simulation: &Simulation,
    before: u8,
    body: &StagingFailedRecord,
) -> Judged {
    let most = simulation.state().order.policy.attempts;
    match body.attempt {
        attempt if attempt == before + 1 && attempt <= most => Ok(()),
        attempt => {
            let device = body.device;
            Err(format!("tries are counted one by one: {device} has {attempt} after {before}, of {most}"))
        }
    }
}

/// A campaign that was halted orders no activation and begins no transfer from then on.
pub fn nothing_is_ordered_after_a_halt(halted: bool, record: &Record) -> Judged {
    if halted { Err(format!("nothing is ordered after a halt: {record:?}")) } else { Ok(()) }
}

/// The counts of the waves, by which the next one opens and a campaign halts, are those of the rows.
pub fn waves_are_counted_as_their_rows_are(simulation: &Simulation) -> Judged {
    let state = simulation.state();
    let mut waves: BTreeMap<Option<u16>, WaveTally> = BTreeMap::new();
    for row in state.rows() {
        let wave = waves.entry(row.wave).or_default();
        wave.size += 1;
        let Some((outcome, _)) = row.outcome else { continue };
        wave.ended += 1;
        match outcome.class() {
            OutcomeClass::Done => wave.done += 1,
            OutcomeClass::Failed => wave.failed += 1,
            OutcomeClass::Excluded => {}
        }
        wave.blamed += usize::from(BLAMED.contains(&outcome));
        wave.unreached += usize::from(outcome == Outcome::NoWan);
    }
    let last = state.last_wave().map_or(0, |last| last + 1);
    for wave in std::iter::once(None).chain((0..=last).map(Some)) {
        let (counted, found) = (state.wave(wave), waves.remove(&wave).unwrap_or_default());
        if counted != found {
            return Err(format!(
                "waves are counted as their rows are: {wave:?} is {counted:?}, found {found:?}"
            ));
        }
    }
    match waves.first_key_value() {
        None => Ok(()),
        Some((wave, found)) => Err(format!("waves are counted as their rows are: {wave:?}, found {found:?}")),
    }
}

/// Nothing is recorded that did not happen: what the ledger says of a hub or a device is so, or was. Homes in which an
/// answer was altered unnoticed are left out: in the clear, nobody could know.
pub fn what_is_recorded_did_happen(simulation: &Simulation, record: &Record) -> Judged {
    let device = match record {
        Record::Staged(body) => body.device,
        Record::Delivered(body) => body.device,
        Record::Outcome(body) if body.outcome == Outcome::Activated => body.device,
        _ => return Ok(()),
    };
    let census = simulation.census();
    let Some(found) = census.everybody().find(|one| one.eui == device) else {
        return Err(format!("what is recorded did happen: {device} is not there"));
    };
    if simulation.fleet().faults_of(found.hub).of(FaultKind::UndetectedCorruption) > 0 {
        return Ok(());
    }
    let hub_took = |hub: HubId| {
        let hubs = census.everybody().filter(|one| one.hub == hub && one.kind == DeviceKind::Hub);
        hubs.map(|one| one.images_taken).sum::<u64>()
    };
    let happened = match record {
        Record::Staged(_) => hub_took(found.hub) > 0,
        Record::Delivered(_) => found.images_taken > 0,
        _ => found.activations == 1 && runs_target(simulation, found),
    };
    if happened { Ok(()) } else { Err(format!("what is recorded did happen: {record:?}, but {found:?}")) }
}

fn runs_target(simulation: &Simulation, found: &DeviceCensus) -> bool {
    let row = simulation.state().row(found.eui);
    let image = row.and_then(|row| row.image);
    let mut images = simulation.conductor().images();
    // A withdrawn image is not at the desk any more; what was ordered of it still counts.
    images
        .find(|one| Some(one.file_digest()) == image)
        .is_none_or(|one| one.identity().file_version == found.running_version)
}

/// Once faults stop, every device comes to an end with a reason, and the sums are those of the order.
pub fn every_device_came_to_an_end(simulation: &Simulation) -> Judged {
    let state = simulation.state();
    if state.phase.is_open() {
        let phase = state.phase.as_str();
        return Err(format!("every device ends once faults stop: the campaign is still {phase}"));
    }
    for row in state.rows() {
        match &row.outcome {
            Some((_, reason)) if !reason.is_empty() => {}
            other => return Err(format!("every device ends once faults stop: {} {other:?}", row.device)),
        }
    }
    let tally = state.tally();
    if tally.ordered != tally.done + tally.failed + tally.excluded {
        return Err(format!("the sums are those of the order: {tally:?}"));
    }
    Ok(())
}

/// The audit chain verifies, and whoever reads nothing but the ledger comes to the same state.
pub fn the_chain_verifies_and_explains_every_state(simulation: &Simulation, reader: &Conductor) -> Judged {
    simulation.ledger().verify().map_err(|error| format!("the chain verifies: {error}"))?;
    let state = simulation.state();
    if reader.campaign(&state.id) == Some(state) {
        return Ok(());
    }
    Err("the ledger explains every state: a second reader comes to another".to_owned())
}

/// What runs was ordered: no device has activated that was not told to, and the ledger's word for each is what it runs.
pub fn what_devices_run_is_what_was_ordered(
    simulation: &Simulation,
    orders: &BTreeMap<Eui64, OrderedRecord>,
) -> Judged {
    let census = simulation.census();
    for device in census.everybody() {
        if device.activations > 0 && !orders.contains_key(&device.eui) {
            return Err(format!("no activation without an order: {device:?}"));
        }
        let altered = simulation.fleet().faults_of(device.hub).of(FaultKind::UndetectedCorruption) > 0;
        let Some(row) = simulation.state().row(device.eui).filter(|_| !altered) else { continue };
        let Some((outcome, _)) = &row.outcome else { continue };
        if *outcome == Outcome::RolledBack && device.activations > 0 {
            return Err(format!("what went back did not stay: {device:?}"));
        }
        if outcome.class() == OutcomeClass::Done && !runs_target(simulation, device) {
            return Err(format!("what is done runs the target: {outcome:?}, but {device:?}"));
        }
    }
    Ok(())
}

/// Bytes on the WAN are the image's and what had to be repeated: a block is sent again because the link lost, held back or
/// altered something, because a hub was off or new, because a pause called back what was on its way, or because the head-end
/// had to begin anew.
pub fn blocks_are_repeated_for_a_reason(simulation: &Simulation, crew: &Crew<'_>) -> Judged {
    let census = simulation.census();
    let down = &census.wan.down;
    let lost = down.offered + down.doubled - down.delivered;
    let told_wrong = census.wan.up.wrong;
    // A block that arrived wrong is found in the KiB that it falls into, and that is asked for as a whole.
    let with_it = 1 + DIGESTED.div_ceil(crew.block_len());
    let reasons = lost + down.late + down.wrong * with_it + told_wrong;
    let of_devices = [FaultKind::HubReboot, FaultKind::PowerCut, FaultKind::HubSwap, FaultKind::FlashCut];
    let of_devices = of_devices.iter().map(|kind| census.faults.of(*kind)).sum::<u64>();
    let interrupted = of_devices + called_back(simulation)?;
    let repeated: u64 = simulation.state().rows().map(|row| u64::from(row.blocks_repaired)).sum();
    let staged = simulation.state().rows().filter(|row| row.reached(Stage::Staged).is_some()).count() as u64;
    // 5 % and two blocks for every staging; an interruption costs at most a train of 16 and one on its way.
    let blocks = simulation.conductor().counters().blocks_sent;
    let allowed = reasons + blocks / 20 + 2 * staged + 32 * interrupted;
    if repeated > allowed {
        return Err(format!(
            "blocks are repeated for a reason: {repeated} were, and there are {reasons} datagrams and \
             {interrupted} interruptions to blame"
        ));
    }
    Ok(())
}

/// Counts how many stagings were under way whenever the campaign was paused.
fn called_back(simulation: &Simulation) -> Result<u64, String> {
    let (mut under_way, mut called_back) = (BTreeSet::new(), 0);
    for entry in simulation.ledger().entries(EntryIndex(0)) {
        let entry = entry.map_err(|error| error.to_string())?;
        match Record::from_entry(&entry).map_err(|error| error.to_string())? {
            Record::Instructed(body) => drop(under_way.insert(body.device)),
            Record::Staged(body) => drop(under_way.remove(&body.device)),
            Record::Outcome(body) => drop(under_way.remove(&body.device)),
            Record::Paused(_) => called_back += under_way.len() as u64,
            _ => {}
        }
    }
    Ok(called_back)
}

/// Hubs that hold trust roots let no image in that two people have not approved.
pub fn nothing_gets_in_without_two_approvals(simulation: &Simulation, crew: &Crew<'_>) -> Judged {
    if !crew.lacks_an_approval() {
        return Ok(());
    }
    match simulation.census().everybody().find(|device| device.images_taken > 0) {
        None => Ok(()),
        Some(device) => Err(format!("nothing gets in without two approvals: {device:?}")),
    }
}
