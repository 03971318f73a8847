//! Block A of the table: what must hold before evidence is asked for.

use firmware_image::Eui64;

use super::Stop;
use super::claim::{Claim, GateConfig, InstructingParty, OfferedImage};
use super::refusal::{ActiveReason, DmcMismatch, ImageMismatch, Refusal};
use super::row::GateRow;
use super::verdict::Skip;
use crate::cpl::{CplEntry, CplStatus};
use crate::device::{Device, MeterStatus};
use crate::inventory::Inventory;
use crate::register::{Dmc, Register};
use crate::text::CplEntryId;

/// A claim that passed block A.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    pub target: &'a CplEntry,
    /// The combination the home ends in.
    pub dmc: &'a Dmc,
}

/// Asks the rows of block A in their order.
pub(super) fn check<'a>(
    claim: &Claim<'_>,
    register: &'a Register,
    inventory: &'a Inventory,
    config: &GateConfig,
) -> Result<Standing<'a>, Stop> {
    let device = inventory.device(claim.device).ok_or(Refusal::UnknownDevice(claim.device))?;
    check_instruction(claim, device)?;
    let target = claim.targets.get(&device.id).ok_or(Refusal::FirmwareNotInDmc(DmcMismatch::NotTargeted))?;
    let (current, target) = (known(device, &device.entry, register)?, known(device, target, register)?);
    if current.id == target.id {
        return Err(Skip::AlreadyOnTarget(target.id.clone()).into());
    }
    check_dormancy(device, inventory, config)?;
    check_enrolment(device)?;
    check_companions(claim, device, register, inventory, config)?;
    let dmc = find_combination(claim, device, register, inventory)?;
    check_exclusion(device, inventory)?;
    check_image(claim.image, device, current, target)?;
    check_path(current, target)?;
    Ok(Standing { target, dmc })
}

fn known<'a>(device: &Device, entry: &CplEntryId, register: &'a Register) -> Result<&'a CplEntry, Refusal> {
    let unknown = || Refusal::UnknownModel { device: device.id, entry: entry.clone() };
    register.entry(entry).ok_or_else(unknown)
}

/// A1: from the DCC, to the SMSO that operates the installation.
fn check_instruction(claim: &Claim<'_>, device: &Device) -> Result<(), Refusal> {
    if let InstructingParty::Other(party) = claim.instructed_by {
        return Err(Refusal::NotDcc { party: party.clone() });
    }
    if *claim.addressed_smso != device.smso {
        let (addressed, operator) = (claim.addressed_smso.clone(), device.smso.clone());
        return Err(Refusal::WrongSmso { addressed, operator });
    }
    Ok(())
}

/// A2: a Dormant Meter, or a device associated with one. In a Mixed installation the Dormant Meter's own image only,
/// unless the policy allows the shared devices too.
fn check_dormancy(device: &Device, inventory: &Inventory, config: &GateConfig) -> Result<(), Refusal> {
    let home_has = |status| inventory.members(&device.installation).any(|member| member.status == status);
    let reason = match device.status {
        MeterStatus::Dormant => return Ok(()),
        MeterStatus::Active => ActiveReason::Meter,
        MeterStatus::NotApplicable if !home_has(MeterStatus::Dormant) => ActiveReason::NoDormantMeter,
        MeterStatus::NotApplicable if home_has(MeterStatus::Active) && !config.allow_shared_in_mixed => {
            ActiveReason::SharedInMixed
        }
        MeterStatus::NotApplicable => return Ok(()),
    };
    Err(Refusal::Active(reason))
}

/// A3: not enrolled.
fn check_enrolment(device: &Device) -> Result<(), Refusal> {
    if device.enrolled { Err(Refusal::Enrolled) } else { Ok(()) }
}

/// A4, first half: every other device of the order in this home can be updated too, as far as is known without its
/// image. Otherwise the combination that the evidence speaks of would never come about.
fn check_companions(
    claim: &Claim<'_>,
    device: &Device,
    register: &Register,
    inventory: &Inventory,
    config: &GateConfig,
) -> Result<(), Refusal> {
    for companion in inventory.members(&device.installation).filter(|member| member.id != device.id) {
        let Some(target) = claim.targets.get(&companion.id).filter(|target| **target != companion.entry)
        else {
            continue;
        };
        let held = |row| Refusal::FirmwareNotInDmc(DmcMismatch::Companion { device: companion.id, row });
        check_companion(companion, target, register, inventory, config).map_err(held)?;
    }
    Ok(())
}

fn check_companion(
    companion: &Device,
    target: &CplEntryId,
    register: &Register,
    inventory: &Inventory,
    config: &GateConfig,
) -> Result<(), GateRow> {
    let row = |refusal: Refusal| refusal.row();
    let current = known(companion, &companion.entry, register).map_err(row)?;
    let target = known(companion, target, register).map_err(row)?;
    check_dormancy(companion, inventory, config).map_err(row)?;
    check_enrolment(companion).map_err(row)?;
    if companion.exclusion.is_some() {
        return Err(GateRow::A5);
    }
    check_entry(companion, current, target).map_err(|_| GateRow::A9)?;
    check_path(current, target).map_err(row)
}

/// A4, second half: the combination the home ends in is a known one.
fn find_combination<'a>(
    claim: &Claim<'_>,
    device: &Device,
    register: &'a Register,
    inventory: &Inventory,
) -> Result<&'a Dmc, Refusal> {
    let target_of = |id: Eui64| claim.targets.get(&id);
    let combination = inventory
        .combination(&device.installation, |member| target_of(member.id).unwrap_or(&member.entry))
        .expect("a device of the inventory has an installation there");
    let known = register.dmc_of(&combination).and_then(|id| register.dmc(id));
    known.ok_or_else(|| {
        let combination = combination.in_words();
        Refusal::FirmwareNotInDmc(DmcMismatch::NoSuchCombination { combination })
    })
}

/// A5: neither the device nor, for the categories that mean the whole home, another device of it is excluded.
fn check_exclusion(device: &Device, inventory: &Inventory) -> Result<(), Skip> {
    let of_home = || {
        let members = inventory.members(&device.installation);
        members
            .filter_map(|member| member.exclusion.as_ref())
            .find(|exclusion| exclusion.is_of_installation())
    };
    match device.exclusion.as_ref().or_else(of_home) {
        Some(exclusion) => Err(Skip::Excluded(exclusion.clone())),
        None => Ok(()),
    }
}

/// A9: the target entry is for this device, and the image is the one registered for it.
fn check_image(
    image: &OfferedImage,
    device: &Device,
    current: &CplEntry,
    target: &CplEntry,
) -> Result<(), Refusal> {
    check_entry(device, current, target).map_err(Refusal::Image)?;
    let Some(registered) = target.image else { return Err(Refusal::Image(ImageMismatch::NotRegistered)) };
    let out_of_range = image.identity.hardware.is_some_and(|range| !range.contains(device.hardware));
    let mismatch = if image.digest != registered.digest {
        ImageMismatch::Digest
    } else if image.size != registered.size {
        ImageMismatch::Size
    } else if image.identity.file_version != target.firmware {
        ImageMismatch::FirmwareVersion
    } else if out_of_range {
        ImageMismatch::HardwareRange { device: device.hardware }
    } else {
        return Ok(());
    };
    Err(Refusal::Image(mismatch))
}

/// The part of A9 that needs no image.
fn check_entry(device: &Device, current: &CplEntry, target: &CplEntry) -> Result<(), ImageMismatch> {
    if target.status != CplStatus::Active {
        Err(ImageMismatch::CplStatus(target.status))
    } else if target.device_type != device.device_type {
        Err(ImageMismatch::DeviceType)
    } else if (&target.manufacturer, &target.model) != (&current.manufacturer, &current.model) {
        Err(ImageMismatch::Model)
    } else if target.hardware != device.hardware {
        Err(ImageMismatch::CplHardware { device: device.hardware, entry: target.hardware })
    } else {
        Ok(())
    }
}

/// A10: the running version is a permitted predecessor.
fn check_path(current: &CplEntry, target: &CplEntry) -> Result<(), Refusal> {
    if target.predecessors.permit(&current.id) {
        return Ok(());
    }
    let (current, permitted) = (current.id.clone(), target.predecessors.clone());
    Err(Refusal::Path { current, target: target.id.clone(), permitted })
}
