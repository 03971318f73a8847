//! Paths: versions that cannot be installed over one another are reached over images between. An order may bring several
//! images for one model; the newest is where a device is to go, and the others are steps on its way.
//!
//! ```text
//! runs 1, target 4 after 3 only, 3 after 1 or 2:   Planned ─► … ─► runs 3 ─► Planned ─► … ─► runs 4 ─► Ended
//! ```
//!
//! Each step is judged by the gate, transferred, ordered and read back as a campaign without steps would do it, soak
//! included; the combination it leads to must have evidence of its own. A device whose next step is refused stays where it
//! has come to.

use std::collections::VecDeque;

use eligibility::{CplEntry, CplEntryId, Register};
use firmware_image::{Eui64, FileDigest, FileVersion};
use transfer_engine::Moment;

use super::{Conductor, Errand};
use crate::order::{CampaignId, Target};
use crate::phase::Phase;
use crate::record::{Record, SteppedRecord};
use crate::stage::Outcome;

/// Returns the image that a device gets next that runs this entry: the first step of the shortest way to the newest
/// target of its model, or that target itself, which the gate then judges.
pub(super) fn next_step<'a>(
    register: &Register,
    targets: &'a [Target],
    running: &CplEntryId,
) -> Option<&'a Target> {
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

impl Conductor {
    /// Returns the image after the one that a device was brought, if there is a way on.
    pub(super) fn step_after(&self, campaign: &CampaignId, device: Eui64) -> Option<FileDigest> {
        let reached = self.brought(campaign, device)?;
        let next =
            next_step(&self.desk.register, &self.campaigns.get(campaign)?.order.targets, &reached.cpl_entry)?;
        (next.image != reached.image).then_some(next.image)
    }

    /// Sends a device that has come to run a step of its way on to the next. In a campaign that was stopped it stays.
    pub(super) fn step_on(
        &mut self,
        now: Moment,
        campaign: &CampaignId,
        device: Eui64,
        running: FileVersion,
        image: FileDigest,
    ) {
        let stopped = match self.campaigns.get(campaign).map(|state| state.phase) {
            Some(Phase::Halted) => Some(Outcome::Halted),
            Some(Phase::Aborted) => Some(Outcome::Aborted),
            _ => None,
        };
        let runs = running.to_string();
        self.note_runs(campaign, device, &runs);
        if let Some(outcome) = stopped {
            let reason = "it runs a step of its way, and the campaign was stopped".to_owned();
            return self.end(now, campaign, device, outcome, reason, Some(running));
        }
        tracing::debug!(%campaign, %device, %running, %image, "a step of its way is done");
        let record = SteppedRecord { device, running: runs, image };
        self.record(now, campaign, &Record::Stepped(record), None);
        self.begin_errand(campaign, device);
        if self.may_send(now, campaign) {
            self.instruct(now, campaign, device);
        }
    }

    /// Notes that nothing has been done yet for a device of a campaign, or for its next step.
    pub(super) fn begin_errand(&mut self, campaign: &CampaignId, device: Eui64) {
        self.errands.insert(device, Errand { campaign: Some(campaign.clone()), ..Errand::default() });
    }

    /// Returns the target whose image a device was instructed to get.
    fn brought(&self, campaign: &CampaignId, device: Eui64) -> Option<&Target> {
        let state = self.campaigns.get(campaign)?;
        let image = state.row(device)?.image?;
        let running = self.desk.inventory.device(device)?.entry;
        let is_it = |target: &&Target| {
            target.image == image && self.desk.register.is_for_model(running, &target.cpl_entry)
        };
        state.order.targets.iter().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use eligibility::{
        CplStatus, DeviceType, ManufacturerName, ModelName, Predecessors, RegisterRows, SmetsVersion,
    };
    use firmware_image::HardwareVersion;

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

    /// The steps that a device takes one after another; each once, and the last is where it stays.
    fn steps(register: &Register, order: &[u32], from: u32) -> Vec<String> {
        let targets: Vec<Target> = order.iter().map(|version| target(*version)).collect();
        let next = |running: &CplEntryId| Some(next_step(register, &targets, running)?.cpl_entry.clone());
        let first = next(&id(&from.to_string()));
        let mut seen = Vec::new();
        for step in std::iter::successors(first, next) {
            if seen.contains(&step.to_string()) {
                break;
            }
            seen.push(step.to_string());
        }
        seen
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
