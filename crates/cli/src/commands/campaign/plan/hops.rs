//! The images that devices get after their first, where an order brings several for one model.
//!
//! Each hop is judged as the engine would when the device has come there: by the same Conductor, with the homes as they are
//! after the hop before. A hop that the gate would refuse ends the way, and so does one that leads nowhere. What evidence
//! may come or go until then nobody knows.

use std::collections::BTreeMap;

use campaign::{CampaignOrder, Conductor, Desk, Target, way};
use eligibility::{CplEntryId, DeviceChange, Inventory, Register};
use firmware_image::{Eui64, FileDigest};
use transfer_engine::Moment;

/// Images beyond the first, by the device that gets them, in their order.
pub(super) type LaterHops = BTreeMap<Eui64, Vec<FileDigest>>;

/// Finds them. The conductor must have the images and no campaign; it is left as it was.
pub(super) fn later(conductor: &mut Conductor, now: Moment, order: &CampaignOrder) -> LaterHops {
    let mut hops = LaterHops::new();
    let mut reached = allowed(conductor, now, order);
    if !reached.iter().any(|(device, _)| goes_on(conductor.desk(), order, *device)) {
        // Most orders have one image for each model, and the lists need no copy.
        return hops;
    }
    let devices = reached.iter().map(|(device, _)| *device).collect();
    let rest = CampaignOrder { devices, ..order.clone() };
    let Desk { register, inventory, gate } = conductor.desk();
    let copy = Desk { register: register.clone(), inventory: inventory.clone(), gate: *gate };
    let mut real = conductor.set_desk(copy);
    while !reached.is_empty() {
        let mut desk = conductor.set_desk(real);
        for (device, image) in &reached {
            if let Some(entry) = entry_of(&desk.register, &desk.inventory, order, *device, *image) {
                // Found there a moment ago.
                let _ = desk.inventory.note(*device, DeviceChange::Runs(entry));
            }
        }
        real = conductor.set_desk(desk);
        reached = allowed(conductor, now, &rest);
        for (device, image) in &reached {
            hops.entry(*device).or_default().push(*image);
        }
    }
    conductor.set_desk(real);
    hops
}

/// Returns the devices that the gate allows the next image of their way, and that image.
fn allowed(conductor: &Conductor, now: Moment, order: &CampaignOrder) -> Vec<(Eui64, FileDigest)> {
    let plans = conductor.plan(now, order).into_iter();
    plans.filter_map(|plan| Some((plan.device, plan.image.filter(|_| plan.verdict.allowed)?))).collect()
}

/// Says whether the way of a device has more images than the first.
fn goes_on(desk: &Desk, order: &CampaignOrder, device: Eui64) -> bool {
    let running = desk.inventory.device(device).map(|found| found.entry);
    running.is_some_and(|running| way(&desk.register, &order.targets, running).len() > 1)
}

/// Returns the entry that a device runs once it has taken an image.
fn entry_of(
    register: &Register,
    inventory: &Inventory,
    order: &CampaignOrder,
    device: Eui64,
    image: FileDigest,
) -> Option<CplEntryId> {
    let running = inventory.device(device)?.entry;
    let is_it = |target: &&Target| target.image == image && register.is_for_model(running, &target.cpl_entry);
    order.targets.iter().find(is_it).map(|target| target.cpl_entry.clone())
}
