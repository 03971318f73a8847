//! Draws the homes of a world: who has which link, standing, evidence, devices and trouble.
//!
//! Mixes are *dealt*, not thrown: a share of 3 % of 1,000 homes is 30 homes, shuffled by the seed. So a small world
//! has every kind of home that its file asks for, and reports can be checked against the file by eye.

use super::record::{
    Cell, DeviceKind, DeviceRecord, DeviceTrouble, Evidence, HomeRecord, Standing, hub_address,
};
use super::spec::WorldSpec;
use crate::link::{LinkProfile, Reach};
use crate::random::{Purpose, Stream};
use firmware_image::{Eui64, FileVersion, HardwareVersion, ImageType, ManufacturerCode};
use std::sync::Arc;
use std::time::Duration;
use transfer_engine::HubId;

/// Everything that was drawn for one home before its devices are built.
#[derive(Clone, Debug)]
pub(crate) struct HomePlan {
    pub(crate) record: HomeRecord,
    pub(crate) link: Arc<LinkProfile>,
    /// Where in its outage period the link is at moment zero.
    pub(crate) outage_phase: Duration,
}

/// The decks that homes draw from; the number names the deck's random stream and must not change.
#[derive(Clone, Copy)]
enum Deck {
    Link = 1,
    Standing = 2,
    Evidence = 3,
    Trouble = 4,
    Gas = 5,
    Display = 6,
    Storm = 7,
    Wear = 8,
}

/// What is wrong in a home, as it is dealt.
#[derive(Clone, Copy)]
enum HomeTrouble {
    Device(DeviceTrouble),
    Unreachable,
}

/// Returns the ids of the hubs of a world, in their order: for whoever makes keys for them before they are built.
pub fn hub_ids(spec: &WorldSpec, seed: u64) -> Vec<Eui64> {
    draw_homes(spec, seed).into_iter().map(|plan| plan.record.devices[0].eui).collect()
}

/// Draws all homes of a world, in the order of their hubs.
pub(crate) fn draw_homes(spec: &WorldSpec, seed: u64) -> Vec<HomePlan> {
    let dealer = Dealer { homes: spec.installations.get(), seed };
    let link_shares: Vec<f64> = spec.links.iter().map(|link| link.share.value()).collect();
    let standing = &spec.standing;
    let trouble = &spec.trouble;
    let decks = Decks {
        links: dealer.deal(Deck::Link, &link_shares),
        standing: dealer.deal(
            Deck::Standing,
            &[standing.active_share, standing.mixed_share, standing.enrolled_share, standing.excluded_share]
                .map(|share| share.value()),
        ),
        evidence: dealer.deal(Deck::Evidence, &spec.evidence.weights()),
        trouble: dealer.deal(
            Deck::Trouble,
            &[
                trouble.already_current_share,
                trouble.wrong_hardware_share,
                trouble.does_not_come_up_share,
                trouble.flash_defect_share,
                trouble.unreachable_share,
                trouble.low_battery_share,
                trouble.fails_later_share,
                trouble.silences_others_share,
            ]
            .map(|share| share.value()),
        ),
        gas: dealer.deal(Deck::Gas, &[spec.gas_share.value()]),
        display: dealer.deal(Deck::Display, &[spec.display_share.value()]),
        storm: dealer.deal(Deck::Storm, &[spec.faults.storm_hubs_share.value()]),
        wear: dealer.deal(Deck::Wear, &[spec.faults.worn_flash_share.value()]),
    };
    let profiles: Vec<Arc<LinkProfile>> = spec.links.iter().map(|link| Arc::new(link.profile())).collect();
    let unreachable: Vec<Arc<LinkProfile>> = spec
        .links
        .iter()
        .map(|link| Arc::new(LinkProfile { reach: Reach::Never, ..link.profile() }))
        .collect();
    (0..spec.installations.get())
        .map(|index| {
            let cards = decks.cards(index as usize);
            let cut_off = matches!(cards.trouble, Some(HomeTrouble::Unreachable));
            let link = if cut_off { &unreachable[cards.link] } else { &profiles[cards.link] };
            draw_home(spec, seed, index, &cards, Arc::clone(link))
        })
        .collect()
}

/// One card of each deck.
struct Cards {
    link: usize,
    standing: Standing,
    evidence: Evidence,
    trouble: Option<HomeTrouble>,
    has_gas: bool,
    has_display: bool,
    storms: bool,
    wears: bool,
}

struct Decks {
    links: Vec<u8>,
    standing: Vec<u8>,
    evidence: Vec<u8>,
    trouble: Vec<u8>,
    gas: Vec<u8>,
    display: Vec<u8>,
    storm: Vec<u8>,
    wear: Vec<u8>,
}

impl Decks {
    fn cards(&self, home: usize) -> Cards {
        Cards {
            link: self.links[home] as usize,
            standing: match self.standing[home] {
                0 => Standing::Active,
                1 => Standing::Mixed,
                2 => Standing::Enrolled,
                3 => Standing::Excluded,
                _ => Standing::Dormant,
            },
            evidence: Evidence::ALL[self.evidence[home] as usize],
            trouble: match self.trouble[home] {
                0 => Some(HomeTrouble::Device(DeviceTrouble::AlreadyCurrent)),
                1 => Some(HomeTrouble::Device(DeviceTrouble::WrongHardware)),
                2 => Some(HomeTrouble::Device(DeviceTrouble::DoesNotComeUp)),
                3 => Some(HomeTrouble::Device(DeviceTrouble::FlashDefect)),
                4 => Some(HomeTrouble::Unreachable),
                5 => Some(HomeTrouble::Device(DeviceTrouble::LowBattery)),
                6 => Some(HomeTrouble::Device(DeviceTrouble::FailsLater)),
                7 => Some(HomeTrouble::Device(DeviceTrouble::SilencesOthers)),
                _ => None,
            },
            has_gas: self.gas[home] == 0,
            has_display: self.display[home] == 0,
            storms: self.storm[home] == 0,
            wears: self.wear[home] == 0,
        }
    }
}

struct Dealer {
    homes: u32,
    seed: u64,
}

impl Dealer {
    /// Deals one card to every home: the index of a part, or the number of parts for "none of them".
    fn deal(&self, deck: Deck, parts: &[f64]) -> Vec<u8> {
        let homes = self.homes as usize;
        let mut cards = Vec::with_capacity(homes);
        let mut sum = 0.0;
        for (index, part) in parts.iter().enumerate() {
            sum += part;
            let upto = ((sum * f64::from(self.homes)).round() as usize).min(homes);
            cards.resize(upto.max(cards.len()), index as u8);
        }
        // Parts that make a whole leave no remainder, whatever rounding did.
        let whole = sum > 1.0 - 1e-6;
        let rest = if whole { parts.len().saturating_sub(1) } else { parts.len() };
        cards.resize(homes, rest as u8);
        if cards.first() == cards.last() {
            // All cards are alike.
            return cards;
        }
        let mut stream = Stream::open(self.seed, deck as u64, Purpose::Deck);
        for last in (1..homes).rev() {
            cards.swap(last, stream.below(last as u64 + 1) as usize);
        }
        cards
    }
}

/// Suppliers whose names are made up; a gas supplier may be another than the electricity supplier.
const SUPPLIERS: u64 = 6;
/// Identifiers begin with a locally administered prefix, so they never meet a real device's.
const EUI_PREFIX: [u8; 3] = [0x02, 0x4C, 0x4C];

fn draw_home(spec: &WorldSpec, seed: u64, index: u32, cards: &Cards, link: Arc<LinkProfile>) -> HomePlan {
    let mut stream = Stream::open(seed, index.into(), Purpose::Home);
    let mut supplier = || format!("SUP-{:02}", stream.below(SUPPLIERS) + 1);
    let (electricity_supplier, gas_supplier) = (supplier(), supplier());
    let kinds = DeviceKind::ALL.into_iter().filter(|kind| match kind {
        DeviceKind::Gas => cards.has_gas,
        DeviceKind::Display => cards.has_display,
        DeviceKind::Hub | DeviceKind::Electricity => true,
    });
    let mut devices: Vec<DeviceRecord> = kinds
        .map(|kind| {
            let supplier = if kind == DeviceKind::Gas { &gas_supplier } else { &electricity_supplier };
            let is_active = match cards.standing {
                Standing::Active => true,
                // A shared device of a mixed home serves an Active meter too.
                Standing::Mixed => kind != DeviceKind::Gas,
                Standing::Dormant | Standing::Enrolled | Standing::Excluded => false,
            };
            device_record(spec, kind, index, supplier, is_active)
        })
        .collect();
    let storm_model = spec.faults.storm_model.as_ref().filter(|_| cards.storms);
    if let Some(model) = storm_model {
        devices[0].model.clone_from(model);
    }
    if let Some(HomeTrouble::Device(trouble)) = cards.trouble {
        // The hub is spared: its trouble would hide that of everything behind it.
        let drawn = 1 + stream.below(devices.len() as u64 - 1) as usize;
        let victim = match trouble {
            // Only one device has a battery; a home without it is spared.
            DeviceTrouble::LowBattery => devices.iter().position(|device| device.kind == DeviceKind::Gas),
            // What it does to others is told best of the one that every campaign is for.
            DeviceTrouble::SilencesOthers => {
                devices.iter().position(|device| device.kind == DeviceKind::Electricity)
            }
            _ => Some(drawn),
        };
        if let Some(device) = victim.map(|victim| &mut devices[victim]) {
            device.trouble = Some(trouble);
            if trouble == DeviceTrouble::AlreadyCurrent {
                device.firmware_version = FileVersion(spec.device.of(device.kind).target_version);
            }
        }
    }
    let outage_phase = match link.reach {
        Reach::Interrupted { period, .. } => stream.span(period),
        Reach::Always | Reach::Never => Duration::ZERO,
    };
    let hub = HubId(index);
    let record = HomeRecord {
        hub,
        installation: format!("INST-{:07}", spec.first_installation + index + 1),
        address: hub_address(hub),
        cell: Cell(
            (u64::from(index) * u64::from(spec.cells.get()) / u64::from(spec.installations.get())) as u32,
        ),
        link: link.name.clone(),
        comms_provider: format!("CSP-{}", cards.evidence as u8 + 1),
        standing: cards.standing,
        evidence: cards.evidence,
        is_unreachable: link.reach == Reach::Never,
        storms: cards.storms,
        wears: cards.wears,
        devices,
    };
    HomePlan { record, link, outage_phase }
}

fn device_record(
    spec: &WorldSpec,
    kind: DeviceKind,
    index: u32,
    supplier: &str,
    is_active: bool,
) -> DeviceRecord {
    let model = spec.device.of(kind);
    let [a, b, c, d] = (spec.first_installation + index).to_be_bytes();
    let [first, second, third] = EUI_PREFIX;
    DeviceRecord {
        kind,
        eui: Eui64::from_bytes([first, second, third, kind.channel(), a, b, c, d]),
        channel: kind.channel(),
        model: model.name.clone(),
        manufacturer: ManufacturerCode(model.manufacturer),
        image_type: ImageType(model.image_type),
        hardware: HardwareVersion(model.hardware),
        firmware_version: FileVersion(model.running_version),
        supplier: supplier.to_string(),
        is_active,
        trouble: None,
    }
}
