//! Steps: versions that cannot be installed over one another are reached over images between, and this says which image a
//! device gets next. The engine, and whoever asks beforehand what it would do, are told by the same piece.

use std::collections::VecDeque;

use eligibility::{CplEntry, CplEntryId, Register};

use crate::order::Target;

/// Returns the image that a device gets next that runs this entry: the first step of the shortest way to the newest
/// target of its model, or that target itself, which the gate then judges.
pub fn next_step<'a>(register: &Register, targets: &'a [Target], running: &CplEntryId) -> Option<&'a Target> {
    let mut fitting = targets.iter().filter(|target| register.is_for_model(running, &target.cpl_entry));
    let only = fitting.next()?;
    let Some(second) = fitting.next() else { return Some(only) };
    // Rare: most orders have one image for each model.
    let entry = |target: &'a Target| Some((target, register.entry(&target.cpl_entry)?));
    let steps: Vec<_> = [only, second].into_iter().chain(fitting).filter_map(entry).collect();
    // The first of those that are equally new.
    let goal = steps.iter().copied().rev().max_by_key(|(_, entry)| entry.firmware)?;
    Some(first_step(&steps, goal, register.entry(running)?).unwrap_or(goal.0))
}

/// A target and its entry.
type Step<'a, 'b> = (&'a Target, &'b CplEntry);

/// Looks from the version that runs, a step further each time, and never backwards, so that the search ends.
fn first_step<'a>(steps: &[Step<'a, '_>], goal: Step<'a, '_>, running: &CplEntry) -> Option<&'a Target> {
    let mut left: Vec<Step<'a, '_>> = steps.to_vec();
    let mut waiting: VecDeque<(&CplEntry, Option<&'a Target>)> = VecDeque::from([(running, None)]);
    while let Some((here, first)) = waiting.pop_front() {
        if here.id == goal.1.id {
            return first;
        }
        let (next, rest): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|(_, step)| step.firmware > here.firmware && step.predecessors.permit(&here.id));
        left = rest;
        waiting.extend(next.into_iter().map(|(target, step)| (step, first.or(Some(target)))));
    }
    None
}

/// Returns the images that a device gets one after another if the gate allows each, from the entry that it runs to the
/// newest target of its model. A device that runs that target already has it as its only image.
pub fn way<'a>(register: &Register, targets: &'a [Target], running: &CplEntryId) -> Vec<&'a Target> {
    let mut way: Vec<&Target> = Vec::new();
    let mut next = next_step(register, targets, running);
    // The last step is its own next one.
    while let Some(step) = next.filter(|step| way.iter().all(|taken| taken.cpl_entry != step.cpl_entry)) {
        way.push(step);
        next = next_step(register, targets, &step.cpl_entry);
    }
    way
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use eligibility::{
        CplStatus, DeviceType, ManufacturerName, ModelName, Predecessors, RegisterRows, SmetsVersion,
    };
    use firmware_image::{FileDigest, FileVersion, HardwareVersion};

    use super::*;

    fn id(text: &str) -> CplEntryId {
        CplEntryId::new(text).expect("an id")
    }

    /// An entry named after its version, that may follow some others.
    fn entry(version: u32, after: &[u32]) -> CplEntry {
        let after: BTreeSet<CplEntryId> = after.iter().map(|version| id(&version.to_string())).collect();
        CplEntry {
            id: id(&version.to_string()),
            device_type: DeviceType::Esme,
            manufacturer: ManufacturerName::new("M").expect("a name"),
            model: ModelName::new("1").expect("a name"),
            hardware: HardwareVersion(1),
            firmware: FileVersion(version),
            image: None,
            smets_version: SmetsVersion::new("SMETS1").expect("a version"),
            status: CplStatus::Active,
            predecessors: Predecessors::These(after),
        }
    }

    fn target(version: u32) -> Target {
        Target { image: FileDigest::from_bytes([version as u8; 32]), cpl_entry: id(&version.to_string()) }
    }

    /// The way of a device, by the names of its entries.
    fn steps(register: &Register, order: &[u32], from: u32) -> Vec<String> {
        let targets: Vec<Target> = order.iter().map(|version| target(*version)).collect();
        let way = way(register, &targets, &id(&from.to_string()));
        way.into_iter().map(|step| step.cpl_entry.to_string()).collect()
    }

    #[test]
    fn a_device_takes_the_shortest_way_over_images_of_the_order_to_the_newest() {
        let cpl = vec![entry(1, &[]), entry(2, &[1]), entry(3, &[1, 2]), entry(4, &[3]), entry(5, &[4, 2])];
        let register =
            Register::from_rows(RegisterRows { cpl, ..RegisterRows::default() }).expect("sound lists");
        assert_eq!(
            steps(&register, &[4], 1),
            ["4"],
            "one image is the target, whether it may be taken or not"
        );
        assert_eq!(steps(&register, &[4, 3], 1), ["3", "4"]);
        assert_eq!(steps(&register, &[2, 3, 4], 1), ["3", "4"], "2 would be a detour");
        assert_eq!(steps(&register, &[5, 4, 3, 2], 1), ["2", "5"]);
        assert_eq!(steps(&register, &[5, 4, 3], 1), ["3", "4", "5"]);
        assert_eq!(steps(&register, &[5, 4, 3], 3), ["4", "5"]);
        assert_eq!(steps(&register, &[5, 3], 1), ["5"], "no way leads there: the gate says so");
        assert_eq!(steps(&register, &[4, 3], 5), ["4"], "nobody is sent back step by step");
        assert_eq!(steps(&register, &[4, 3], 4), ["4"]);
    }
}
