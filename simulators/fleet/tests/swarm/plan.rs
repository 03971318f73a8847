//! A seed's plan: a small town with some of all faults, images, people who make mistakes, and a head-end that dies.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use campaign::Command;
use fleet::{DeviceKind, FaultSpec, PerDay, Share, WorldSpec};

use crate::dice::Dice;

const TOWN: &str = include_str!("../../../fleets/town.toml");

/// Everything that a seed decides.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub spec: WorldSpec,
    /// The images of the campaign, by the length of their payloads.
    pub images: Vec<(DeviceKind, usize)>,
    /// Whether devices hold trust roots, and hubs want papers; else they were given single keys.
    pub rooted: bool,
    /// A mistake of people, if they make one.
    pub mistake: Option<Mistake>,
    /// When the head-end dies, counted from the start.
    pub deaths: Vec<Duration>,
    /// When an image is withdrawn.
    pub withdrawal: Option<Duration>,
    /// When all tests and reports are withdrawn, so that only listed combinations may be updated.
    pub evidence_withdrawal: Option<Duration>,
    /// What operators ask for, and when.
    pub commands: Vec<(Duration, Command)>,
    /// When everything that goes wrong by itself ends.
    pub calm_after: Duration,
}

/// What people do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Images are signed with a key that no device believes.
    WrongMakerKey,
    /// Orders are signed with a key that no device believes.
    WrongOrderKey,
    /// A release was approved by one person only; without trust roots nobody asks.
    OneApproval,
}

impl Plan {
    /// Makes the plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut dice = Dice::new(seed);
        let mut spec = WorldSpec::parse(TOWN).expect("town.toml is sound");
        scale(&mut spec, &mut dice);
        links(&mut spec, &mut dice);
        people(&mut spec, &mut dice);
        spec.faults = faults(&mut dice);
        let hour = |count: u64| Duration::from_secs(3_600 * count);
        let images = images(&mut dice);
        let rooted = dice.one_in(3);
        let mistake = match dice.between(1, 24) {
            1 => Some(Mistake::WrongMakerKey),
            2 | 3 => Some(Mistake::WrongOrderKey),
            4 | 5 if rooted => Some(Mistake::OneApproval),
            _ => None,
        };
        let deaths = if dice.one_in(2) { dice.between(1, 4) } else { 0 };
        let deaths = (0..deaths).map(|_| Duration::from_secs(dice.between(10, 86_400))).collect();
        let withdrawal = dice.one_in(12).then(|| Duration::from_secs(dice.between(60, 40_000)));
        let calm_after = hour(dice.between(4, 40));
        let evidence_withdrawal = dice.one_in(6).then(|| Duration::from_secs(dice.between(60, 40_000)));
        let commands = commands(&mut dice);
        spec.trouble.low_battery_share = dice.perhaps(50, 150);
        spec.device.gas.battery.low_mah = spec.device.gas.battery.reserve_mah;
        if dice.one_in(4) {
            spec.campaign.soak_s = dice.between(3_600, 86_400) as u32;
            spec.trouble.fails_later_share = dice.perhaps(50, 150);
        }
        if dice.one_in(2) {
            // Meters that ask all the time are asked to activate while they do.
            spec.device.electricity.query_interval_s = nonzero(dice.between(20, 120));
        }
        Plan {
            seed,
            spec,
            images,
            rooted,
            mistake,
            deaths,
            withdrawal,
            evidence_withdrawal,
            commands,
            calm_after,
        }
    }

    /// Returns how long the campaign may go on after the calm: in each wave a device may wait for its staging, its home's
    /// radio, its activation and its answer as long as the policy puts up with.
    pub fn patience(&self) -> Duration {
        let waves = 1 + self.spec.campaign.wave_shares.len() as u32;
        let han = Duration::from_secs(self.spec.campaign.han_deadline_s.get().into());
        let activation = Duration::from_secs(86_400);
        let staging = Duration::from_secs(86_400);
        let soak = Duration::from_secs(self.spec.campaign.soak_s.into());
        (staging + 2 * han + activation + soak) * waves
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, spec, images, rooted, mistake, deaths, .. } = self;
        let (withdrawal, evidence) = (self.withdrawal, self.evidence_withdrawal);
        writeln!(f, "seed {seed}: {} homes in {} cells, images {images:?}", spec.installations, spec.cells)?;
        writeln!(f, "rooted {rooted}, mistake {mistake:?}, deaths {deaths:?}")?;
        writeln!(f, "withdrawal {withdrawal:?}, of evidence {evidence:?}, commands {:?}", self.commands)?;
        writeln!(f, "calm after {:?}; {:#?}", self.calm_after, spec.faults)?;
        write!(f, "{:?} {:?} {:?}", spec.trouble, spec.standing, spec.campaign)
    }
}

/// Has operators pause and resume at any moment, together and apart, and now and then abort.
fn commands(dice: &mut Dice) -> Vec<(Duration, Command)> {
    let mut commands = Vec::new();
    let pauses = if dice.one_in(2) { dice.between(1, 4) } else { 0 };
    for _ in 0..pauses {
        let at = Duration::from_secs(dice.between(10, 86_400));
        let rest = Duration::from_secs(dice.between(1, 14_400));
        commands.extend([(at, Command::Pause), (at + rest, Command::Resume)]);
    }
    if dice.one_in(30) {
        commands.push((Duration::from_secs(dice.between(10, 86_400)), Command::Abort));
    }
    commands
}

/// Makes the town a street or two, with a campaign of hours.
fn scale(spec: &mut WorldSpec, dice: &mut Dice) {
    spec.installations = nonzero(dice.between(6, 24));
    spec.cells = nonzero(dice.between(1, 4));
    spec.gas_share = dice.share(300, 1_000);
    spec.display_share = dice.share(0, 600);
    spec.device.hub.block_bytes = nonzero(*pick(dice, &[256, 512, 1_024]));
    spec.device.gas.blocks_per_wake = nonzero(dice.between(10, 120));
    spec.device.gas.wake_interval_s = nonzero(dice.between(600, 3_600));
    spec.han.loss = dice.perhaps(1, 50);
    let campaign = &mut spec.campaign;
    campaign.success_threshold = dice.share(100, 900);
    campaign.failure_threshold = dice.share(100, 1_000);
    campaign.poll_interval_s = nonzero(dice.between(60, 600));
    campaign.han_deadline_s = nonzero(*pick(dice, &[7_200, 43_200, 172_800]));
}

/// Gives each link its faults, or not.
fn links(spec: &mut WorldSpec, dice: &mut Dice) {
    let shares = [0.4, 0.2, 0.2, 0.2];
    for (link, share) in spec.links.iter_mut().zip(shares) {
        link.share = Share::new(share).expect("a share");
        link.loss = dice.perhaps(2, 100);
        link.burst_enter = dice.perhaps(1, 20);
        link.burst_leave = dice.share(50, 300);
        link.burst_loss = dice.share(300, 1_000);
        link.duplicates = dice.perhaps(1, 60);
        let every = dice.between(1_800, 14_400);
        let flaps = dice.one_in(3);
        link.outage_every_s = flaps.then(|| nonzero(every));
        link.outage_s = if flaps { (every / dice.between(2, 8)) as u32 } else { 0 };
    }
}

/// Decides what is on file, and what nobody knows.
fn people(spec: &mut WorldSpec, dice: &mut Dice) {
    let standing = &mut spec.standing;
    standing.active_share = dice.perhaps(50, 200);
    standing.mixed_share = dice.perhaps(50, 200);
    standing.enrolled_share = dice.perhaps(50, 150);
    standing.excluded_share = dice.perhaps(50, 150);
    let trouble = &mut spec.trouble;
    trouble.already_current_share = dice.perhaps(50, 150);
    trouble.wrong_hardware_share = dice.perhaps(50, 150);
    trouble.does_not_come_up_share = dice.perhaps(50, 150);
    trouble.flash_defect_share = dice.perhaps(100, 500);
    trouble.unreachable_share = dice.perhaps(50, 150);
}

fn faults(dice: &mut Dice) -> FaultSpec {
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
        storm_model: storms.then(|| "Lantern CH0".to_owned()),
        storms_per_day: if storms { dice.perhaps_per_day(2, 24) } else { PerDay::NEVER },
        storm_s: dice.between(300, 7_200) as u32,
        storm_length_factor: 100,
        clock_off_most_s: if dice.one_in(4) { 90 * 86_400 } else { 0 },
        clock_jumps_per_day: dice.perhaps_per_day(1, 6),
        clock_jump_most_s: dice.between(60, 2 * 86_400) as u32,
        meter_swaps_per_day: dice.perhaps_per_day(1, 2),
        hub_swaps_per_day: dice.perhaps_per_day(1, 2),
        flash_bit_flips_per_day: dice.perhaps_per_day(1, 6),
    }
}

fn images(dice: &mut Dice) -> Vec<(DeviceKind, usize)> {
    let mut images = vec![(DeviceKind::Electricity, dice.between(1_000, 30_000) as usize)];
    let others = [(DeviceKind::Gas, 1, 6_000), (DeviceKind::Display, 3, 9_000), (DeviceKind::Hub, 4, 12_000)];
    for (kind, rarity, most) in others {
        let len = dice.between(500, most) as usize;
        if dice.one_in(rarity) {
            images.push((kind, len));
        }
    }
    images.sort();
    images
}

fn pick<'a, T>(dice: &mut Dice, choices: &'a [T]) -> &'a T {
    &choices[dice.between(0, choices.len() as u64 - 1) as usize]
}

fn nonzero(value: u64) -> NonZeroU32 {
    NonZeroU32::try_from(value as u32).expect("the dice have no zero here")
}
