//! A seed's plan: a small town with some of all faults, images, people who make mistakes, and a head-end that dies.

mod faults; // what goes wrong by itself

use std::fmt;
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32};
use std::time::Duration;

use campaign::{Command, Windows};
use fleet::{DeviceKind, FaultKind, Share, WorldSpec};
use transfer_engine::Moment;

use crate::dice::Dice;

const TOWN: &str = include_str!("../../../fleets/town.toml");

/// How long devices may wait for a notice.
pub const HOLD_LIMIT_DAYS: u16 = 3;

/// One seed in so many has every kind of fault at once.
const EVERYTHING_IN: u64 = 6;

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
    /// What is unusual about the lists.
    pub twists: Twists,
    /// How long after the start no activation is ordered.
    pub activate_after: Option<Duration>,
    /// What is written about homes while the campaign runs, and when.
    pub letters: Vec<(Duration, Letter)>,
    /// What operators ask for, and when.
    pub commands: Vec<(Duration, Command)>,
    /// When everything that goes wrong by itself ends.
    pub calm_after: Duration,
}

/// What is unusual about the lists of a seed, so that a rule is asked which would not be otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Twists {
    /// In Mixed homes this kind of device is ordered, too.
    pub orders_shared: Option<DeviceKind>,
    /// The policy lets devices be updated that an Active Meter uses as well.
    pub allows_shared: bool,
    /// One home in so many is run by another operator than the order addresses.
    pub strangers: Option<u32>,
    /// The new version of this kind may follow no other.
    pub no_way_for: Option<DeviceKind>,
    /// The combination in which some homes would end is on no list.
    pub unlisted: bool,
    /// The rule that lets firmware come early is not in force.
    pub before_the_rule: bool,
    /// Suppliers must be told, and what they were told ends after so many days.
    pub notices_end_after_days: Option<u8>,
}

/// What is written about a home, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// It is left out as a whole.
    Excluded(u32),
    /// Its gas meter is left out.
    GasExcluded(u32),
    /// Its electricity meter has smart service again, and no other.
    OneActive(u32),
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
        spec.faults = faults::some(&mut dice);
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
        batteries(&mut spec, &images, &mut dice);
        if dice.one_in(4) {
            spec.campaign.soak_s = dice.between(3_600, 86_400) as u32;
            spec.trouble.fails_later_share = dice.perhaps(50, 150);
            spec.trouble.silences_others_share = dice.perhaps(50, 150);
        }
        if dice.one_in(2) {
            // Meters that ask all the time are asked to activate while they do.
            spec.device.electricity.query_interval_s = nonzero(dice.between(20, 120));
        }
        let twists = twists(&mut spec, &images, &mut dice);
        let activate_after = hours(&mut spec, &mut dice);
        let letters = letters(&spec, &mut dice);
        habits(&mut spec, &mut dice);
        let mut calm_after = calm_after;
        if seed.is_multiple_of(EVERYTHING_IN) {
            faults::everything(&mut spec, &mut dice);
            calm_after = calm_after.max(hour(24));
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
            twists,
            activate_after,
            letters,
            commands,
            calm_after,
        }
    }

    /// Returns the kinds of fault that nothing in this plan brings about.
    pub fn switched_off(&self) -> Vec<FaultKind> {
        FaultKind::ALL.into_iter().filter(|kind| !faults::is_on(&self.spec, *kind)).collect()
    }

    /// Returns how long the campaign may go on after the calm: in each wave a device may wait for its staging, its home's
    /// radio, its activation and its answer as long as the policy puts up with.
    pub fn patience(&self) -> Duration {
        let waves = 1 + self.spec.campaign.wave_shares.len() as u32;
        let han = Duration::from_secs(self.spec.campaign.han_deadline_s.get().into());
        let activation = Duration::from_secs(86_400);
        let staging = Duration::from_secs(86_400);
        let soak = Duration::from_secs(self.spec.campaign.soak_s.into());
        let of_day = &self.spec.campaign;
        let waits =
            [&of_day.sending, &of_day.activating].iter().any(|windows| **windows != Windows::default());
        // A window lets a part of each day pass, and what waits for one is not late.
        let hold = Duration::from_secs(86_400) * u32::from(HOLD_LIMIT_DAYS + 1);
        let wait = self.activate_after.unwrap_or_default() + hold;
        let times = if waits { 24 / SHORTEST_WINDOW_H + 1 } else { 1 };
        wait + (staging + 2 * han + activation + soak) * waves * times
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
        writeln!(f, "{:?}, activation after {:?}, {:?}", self.twists, self.activate_after, self.letters)?;
        write!(f, "{:?} {:?} {:?}", spec.trouble, spec.standing, spec.campaign)
    }
}

/// The shortest window that a plan has, hours.
const SHORTEST_WINDOW_H: u32 = 6;

/// Makes some lists unusual, one rule at a time as far as may be.
fn twists(spec: &mut WorldSpec, images: &[(DeviceKind, usize)], dice: &mut Dice) -> Twists {
    let has = |kind: &DeviceKind| images.iter().any(|(with, _)| with == kind);
    let shared: Vec<_> = [DeviceKind::Hub, DeviceKind::Display].into_iter().filter(has).collect();
    let orders_shared = (dice.one_in(3) && !shared.is_empty()).then(|| *pick(dice, &shared));
    if orders_shared.is_some() {
        // Homes with both meters and a display are what it is about.
        spec.standing.mixed_share = dice.share(150, 400);
        spec.gas_share = dice.share(700, 1_000);
        spec.display_share = dice.share(400, 1_000);
    }
    let kinds: Vec<_> = images.iter().map(|(kind, _)| *kind).collect();
    Twists {
        orders_shared,
        allows_shared: dice.one_in(3),
        strangers: dice.one_in(12).then(|| dice.between(2, 5) as u32),
        no_way_for: dice.one_in(12).then(|| *pick(dice, &kinds)),
        unlisted: dice.one_in(10),
        before_the_rule: dice.one_in(20),
        notices_end_after_days: dice.one_in(10).then(|| dice.between(0, 2) as u8),
    }
}

/// Gives some campaigns hours, and a day before which they activate nothing; returns how long that is.
fn hours(spec: &mut WorldSpec, dice: &mut Dice) -> Option<Duration> {
    let mut windows = || {
        let (from, minute) = (dice.between(0, 23), dice.between(0, 59));
        let until = (from + dice.between(SHORTEST_WINDOW_H.into(), 16)) % 24;
        let window = vec![format!("{from:02}:{minute:02}-{until:02}:{minute:02}")];
        if dice.one_in(8) { Windows::try_from(window).expect("a window") } else { Windows::default() }
    };
    (spec.campaign.sending, spec.campaign.activating) = (windows(), windows());
    if dice.one_in(8) {
        // The day before clocks go back.
        spec.start = Moment::from_micros(1_603_540_800_000_000);
    }
    dice.one_in(12).then(|| Duration::from_secs(dice.between(600, 100_000)))
}

/// Has people write about homes.
fn letters(spec: &WorldSpec, dice: &mut Dice) -> Vec<(Duration, Letter)> {
    let count = if dice.one_in(4) { dice.between(1, 4) } else { 0 };
    let letters = (0..count).map(|_| {
        let home = dice.between(0, u64::from(spec.installations.get()) - 1) as u32;
        let letter = *pick(dice, &[Letter::Excluded, Letter::GasExcluded, Letter::OneActive]);
        (Duration::from_secs(dice.between(60, 60_000)), letter(home))
    });
    letters.collect()
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
    // In every second town the waves go on whatever becomes of the pilot.
    let threshold = dice.share(100, 900);
    campaign.success_threshold = if dice.one_in(2) { Share::NONE } else { threshold };
    campaign.failure_threshold = dice.share(100, 1_000);
    campaign.poll_interval_s = nonzero(dice.between(60, 600));
    campaign.han_deadline_s = nonzero(*pick(dice, &[7_200, 43_200, 172_800]));
}

/// Has low batteries be spent from the beginning, or just about when the image is there.
fn batteries(spec: &mut WorldSpec, images: &[(DeviceKind, usize)], dice: &mut Dice) {
    let battery = &mut spec.device.gas.battery;
    battery.low_mah = battery.reserve_mah;
    let image = images.iter().find(|(kind, _)| *kind == DeviceKind::Gas);
    let Some((_, len)) = image.filter(|_| dice.one_in(2)) else { return };
    // A milliampere-hour above the reserve, which pays for the blocks of the image and a little more.
    battery.low_mah += 1;
    let blocks = *len as u64 / u64::from(spec.device.gas.block_bytes.get());
    battery.block_nah = 1_000_000 / (blocks + dice.between(20, 150)) as u32;
    battery.wake_nah = battery.block_nah * dice.between(1, 20) as u32;
}

/// Lets devices fetch by pages, hubs throttle, and a few gas meters sleep for longer than a hub waits for them.
fn habits(spec: &mut WorldSpec, dice: &mut Dice) {
    let device = &mut spec.device;
    let mut pages = |block: NonZeroU8, rarity| {
        let page = dice.between(block.get().into(), 2_000) as u16;
        NonZeroU16::new(page).filter(|_| dice.one_in(rarity))
    };
    device.electricity.page_bytes = pages(device.electricity.block_bytes, 4);
    device.gas.page_bytes = pages(device.gas.block_bytes, 6);
    device.display.page_bytes = pages(device.display.block_bytes, 4);
    let period_ms = dice.between(20, 400) as u32;
    device.hub.minimum_block_period_ms = if dice.one_in(4) { period_ms } else { 0 };
    if dice.one_in(15) {
        // One wake is enough for an image, and the next is too late for the order.
        device.gas.wake_interval_s = nonzero(dice.between(90_000, 100_000));
        device.gas.blocks_per_wake = nonzero(300);
    }
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
