//! A claim with everything it is about looked up once: the rows only compare.

use jiff::civil::Date;

use super::claim::{Claim, GateConfig};
use super::refusal::{DmcMismatch, Refusal};
use crate::combination::CombinationView;
use crate::cpl::CplEntry;
use crate::device::DeviceType;
use crate::inventory::{Home, Inventory, Member};
use crate::register::{Dmc, Register};
use crate::text::CplEntryId;

/// A claim about a device that is known.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub claim: Claim<'a>,
    known: Known<'a>,
    pub device: Member<'a>,
    pub home: Home<'a>,
    /// From where to where the device goes, or which of the two is not known.
    pub goal: Result<Goal<'a>, Refusal<'a>>,
    /// What each device of the home is to run, by type; a home has one of each.
    targets: HomeTargets<'a>,
    /// The combination the home ends in.
    pub combination: CombinationView<'a>,
    /// What is known of it.
    pub dmc: Option<&'a Dmc>,
}

/// What each device of a home is to run, by type, for those that an order names.
pub(super) type HomeTargets<'a> = [Option<&'a CplEntryId>; DeviceType::IN_ORDER.len()];

/// Looks for what the devices of a home are to run.
pub(super) fn home_targets<'a>(claim: &Claim<'a>, device: Member<'a>) -> HomeTargets<'a> {
    let mut targets = [None; DeviceType::IN_ORDER.len()];
    for member in device.home().members() {
        if let Some(target) = targets.get_mut(member.device_type().index()) {
            *target = claim.targets.get(member.id());
        }
    }
    targets
}

/// What a claim is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub register: &'a Register,
    pub inventory: &'a Inventory,
    pub today: Date,
    pub config: GateConfig,
}

impl<'a> std::ops::Deref for Case<'a> {
    type Target = Known<'a>;

    fn deref(&self) -> &Known<'a> {
        &self.known
    }
}

/// From where to where a device goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal<'a> {
    pub current: &'a CplEntry,
    pub target: &'a CplEntry,
}

impl<'a> Case<'a> {
    /// Looks everything up about a device that was found.
    pub(super) fn new(
        claim: &Claim<'a>,
        device: Member<'a>,
        targets: HomeTargets<'a>,
        known: &Known<'a>,
    ) -> Self {
        let Known { register, .. } = *known;
        let home = device.home();
        let target_of = |member: Member<'a>| targets.get(member.device_type().index()).copied().flatten();
        let combination = home.combination(|member| target_of(member).unwrap_or(member.entry()));
        let goal = match target_of(device) {
            Some(target) => goal(device, target, register),
            None => Err(Refusal::FirmwareNotInDmc(DmcMismatch::NotTargeted)),
        };
        Self {
            claim: *claim,
            known: *known,
            device,
            home,
            goal,
            targets,
            combination,
            dmc: register.find(&combination),
        }
    }

    /// Returns what a device of the home is to run, when the order names it.
    pub(super) fn target_of(&self, member: Member<'a>) -> Option<&'a CplEntryId> {
        self.targets.get(member.device_type().index()).copied().flatten()
    }
}

/// Looks up both ends of an update.
pub(super) fn goal<'a>(
    device: Member<'a>,
    target: &'a CplEntryId,
    register: &'a Register,
) -> Result<Goal<'a>, Refusal<'a>> {
    let known = |entry: &'a CplEntryId| {
        register.entry(entry).ok_or(Refusal::UnknownModel { device: device.id(), entry })
    };
    Ok(Goal { current: known(device.entry())?, target: known(target)? })
}
