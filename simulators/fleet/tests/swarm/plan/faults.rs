//! What goes wrong by itself in a seed: some kinds of fault, or all of them at once.

use fleet::{FaultKind, FaultSpec, LinkSpec, PerDay, Share, WorldSpec};

use super::nonzero;
use crate::dice::Dice;

/// Switches each kind on or off, so that a fault that hides others is away in half of the seeds.
pub fn some(dice: &mut Dice) -> FaultSpec {
    // One seed in ten has none of these at all.
    if dice.one_in(10) {
        return FaultSpec::default();
    }
    // Honest links let one corrupted datagram in 65,536 pass; nobody would see that here, so these are much worse, and in
    // some seeds hardly anything can be believed.
    let is_garbled = dice.one_in(12);
    let corrupted = if is_garbled { dice.share(100, 300) } else { dice.perhaps(2, 60) };
    let undetected = if is_garbled { dice.share(500, 1_000) } else { dice.perhaps(50, 500) };
    let restless = if dice.one_in(8) { 96 } else { 24 };
    let storm_hubs_share = dice.perhaps(100, 400);
    let storms = storm_hubs_share > Share::NONE;
    FaultSpec {
        reordered_per_datagram: dice.perhaps(5, 100),
        reorder_most_ms: dice.between(100, 20_000) as u32,
        corrupted_per_datagram: corrupted,
        undetected_per_corrupted: undetected,
        half_open_per_day: dice.perhaps_per_day(2, 12),
        half_open_s: dice.between(60, 3_600) as u32,
        cell_congestion_per_day: dice.perhaps_per_day(2, 12),
        cell_congestion_s: dice.between(600, 7_200) as u32,
        cell_congestion_rate_share: dice.share(20, 500),
        rate_collapse_per_day: dice.perhaps_per_day(2, 12),
        rate_collapse_s: dice.between(600, 7_200) as u32,
        rate_collapse_rate_share: dice.share(10, 300),
        hub_reboots_per_day: dice.perhaps_per_day(1, 24),
        meter_reboots_per_day: dice.perhaps_per_day(1, restless),
        power_cuts_per_day: dice.perhaps_per_day(1, 12),
        power_cut_most_s: dice.between(5, 7_200) as u32,
        activation_answers_lost_per_answer: dice.perhaps(100, 1_000),
        supplier_changes_per_day: dice.perhaps_per_day(1, 6),
        storm_hubs_share,
        storm_model: storms.then(|| STORM_MODEL.to_owned()),
        storms_per_day: if storms { dice.perhaps_per_day(2, 24) } else { PerDay::NEVER },
        storm_s: dice.between(300, 7_200) as u32,
        storm_length_factor: 100,
        clock_off_most_s: if dice.one_in(4) { 90 * 86_400 } else { 0 },
        clock_jumps_per_day: dice.perhaps_per_day(1, 6),
        clock_jump_most_s: dice.between(60, 2 * 86_400) as u32,
        meter_swaps_per_day: dice.perhaps_per_day(1, 2),
        hub_swaps_per_day: dice.perhaps_per_day(1, 2),
        flash_bit_flips_per_day: dice.perhaps_per_day(1, 6),
        worn_flash_share: dice.perhaps(100, 500),
    }
}

/// The name of the hubs that storm.
const STORM_MODEL: &str = "Lantern CH0";

/// Switches every kind on, each at a rate with which a campaign still comes to an end.
pub fn everything(spec: &mut WorldSpec, dice: &mut Dice) {
    // Enough homes that every trouble is dealt to one, and gas in most, for the batteries.
    spec.installations = nonzero(dice.between(12, 24));
    spec.gas_share = dice.share(700, 1_000);
    spec.links.iter_mut().for_each(|link| worsen(link, dice));
    let trouble = &mut spec.trouble;
    trouble.already_current_share = dice.share(0, 80);
    trouble.wrong_hardware_share = dice.share(0, 80);
    trouble.does_not_come_up_share = dice.share(0, 80);
    trouble.unreachable_share = dice.share(0, 80);
    trouble.flash_defect_share = dice.share(100, 250);
    trouble.low_battery_share = dice.share(100, 250);
    let mut often = |most: u64| PerDay::new(dice.between(1, most) as f64).expect("fewer than one a minute");
    spec.faults = FaultSpec {
        half_open_per_day: often(6),
        cell_congestion_per_day: often(6),
        rate_collapse_per_day: often(6),
        hub_reboots_per_day: often(6),
        meter_reboots_per_day: often(12),
        power_cuts_per_day: often(4),
        supplier_changes_per_day: often(4),
        storms_per_day: often(12),
        clock_jumps_per_day: often(4),
        meter_swaps_per_day: often(1),
        hub_swaps_per_day: often(1),
        flash_bit_flips_per_day: often(6),
        reordered_per_datagram: dice.share(5, 60),
        reorder_most_ms: dice.between(100, 20_000) as u32,
        corrupted_per_datagram: dice.share(5, 40),
        undetected_per_corrupted: dice.share(50, 300),
        half_open_s: dice.between(60, 1_800) as u32,
        cell_congestion_s: dice.between(600, 3_600) as u32,
        cell_congestion_rate_share: dice.share(50, 500),
        rate_collapse_s: dice.between(600, 3_600) as u32,
        rate_collapse_rate_share: dice.share(50, 300),
        power_cut_most_s: dice.between(5, 3_600) as u32,
        activation_answers_lost_per_answer: dice.share(100, 500),
        storm_hubs_share: dice.share(150, 400),
        storm_model: Some(STORM_MODEL.to_owned()),
        storm_s: dice.between(300, 3_600) as u32,
        storm_length_factor: 100,
        clock_off_most_s: 0,
        clock_jump_most_s: dice.between(60, 2 * 86_400) as u32,
        worn_flash_share: dice.share(100, 300),
    };
}

fn worsen(link: &mut LinkSpec, dice: &mut Dice) {
    link.loss = dice.share(2, 50);
    link.burst_enter = dice.share(1, 10);
    link.burst_leave = dice.share(50, 300);
    link.burst_loss = dice.share(300, 1_000);
    link.duplicates = dice.share(1, 40);
    let every = dice.between(3_600, 14_400);
    link.outage_every_s = Some(nonzero(every));
    link.outage_s = (every / dice.between(4, 10)) as u32;
}

/// Returns whether a world brings a kind of fault about.
pub fn is_on(spec: &WorldSpec, kind: FaultKind) -> bool {
    let faults = &spec.faults;
    let (comes, falls) = (|rate: PerDay| rate > PerDay::NEVER, |share: Share| share > Share::NONE);
    let any_link = |has: fn(&LinkSpec) -> bool| spec.links.iter().any(has);
    match kind {
        FaultKind::Noise => any_link(|link| link.loss > Share::NONE),
        FaultKind::Burst => any_link(|link| link.burst_enter > Share::NONE && link.burst_loss > Share::NONE),
        FaultKind::Duplicate => any_link(|link| link.duplicates > Share::NONE),
        FaultKind::Outage => any_link(|link| link.outage_s > 0),
        FaultKind::Reordering => falls(faults.reordered_per_datagram),
        FaultKind::Corruption => falls(faults.corrupted_per_datagram),
        FaultKind::UndetectedCorruption => {
            falls(faults.corrupted_per_datagram) && falls(faults.undetected_per_corrupted)
        }
        FaultKind::HalfOpen => comes(faults.half_open_per_day),
        FaultKind::CellCongestion => comes(faults.cell_congestion_per_day),
        FaultKind::RateCollapse => comes(faults.rate_collapse_per_day),
        FaultKind::HubReboot => comes(faults.hub_reboots_per_day),
        FaultKind::MeterReboot => comes(faults.meter_reboots_per_day),
        FaultKind::PowerCut => comes(faults.power_cuts_per_day),
        FaultKind::FlashCut => falls(spec.trouble.flash_defect_share),
        FaultKind::LostActivationAnswer => falls(faults.activation_answers_lost_per_answer),
        FaultKind::SupplierChange => comes(faults.supplier_changes_per_day),
        FaultKind::Storm => falls(faults.storm_hubs_share) && comes(faults.storms_per_day),
        FaultKind::ClockJump => comes(faults.clock_jumps_per_day),
        FaultKind::MeterSwap => comes(faults.meter_swaps_per_day),
        FaultKind::HubSwap => comes(faults.hub_swaps_per_day),
        FaultKind::LowBattery => falls(spec.trouble.low_battery_share) && falls(spec.gas_share),
        FaultKind::BitRot => comes(faults.flash_bit_flips_per_day),
        FaultKind::WornFlash => falls(faults.worn_flash_share),
    }
}
