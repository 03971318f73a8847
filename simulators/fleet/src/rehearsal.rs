//! A rehearsal: a world, the paperwork on its homes, and the order that a campaign on it would be.
//!
//! Simulation and demonstration begin with the same rehearsal; only the sockets and the clock differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use campaign::{
    BudgetBook, CampaignId, CampaignOrder, CampaignPolicy, ChainPapers, Desk, OrderError, Permille, Settings,
    Target,
};
use eligibility::{
    GateConfig, InstructingParty, Inventory, LoadError, Register, RegisterRows, SmsoId, TextError,
};
use firmware_image::{SigningKey, VerifiedImage};
use thiserror::Error;
use transfer_engine::{ByteRate, EngineConfig, LineRate, Patience, Transport};

use crate::device_trust::DeviceTrust;
use crate::faults::DeskNews;
use crate::fleet::Fleet;
use crate::random::Share;
use crate::world::{DeviceKind, Paperwork, WorldSpec, device_type, paperwork};

/// Everything that a campaign on a world begins with.
pub struct Rehearsal {
    /// The homes.
    pub fleet: Fleet,
    /// Lists, evidence and inventory.
    pub desk: Desk,
    /// The rows behind the desk's lists, for those who change them while the campaign runs.
    pub lists: RegisterRows,
    /// The order.
    pub order: CampaignOrder,
    /// Budgets and keys of the head-end.
    pub settings: Settings,
    /// What has been agreed with carriers; nothing, unless the terms of an order say so.
    pub budgets: BudgetBook,
    /// The images on offer.
    pub images: Vec<VerifiedImage>,
    /// What the desk will hear while the campaign runs.
    pub news: DeskNews,
}

/// What a rehearsal is made of.
pub struct Cast<'a> {
    /// The world.
    pub spec: &'a WorldSpec,
    /// The seed: the same seed gives the same run.
    pub seed: u64,
    /// The image for each kind of device; kinds without one are left as they are.
    pub images: &'a BTreeMap<DeviceKind, VerifiedImage>,
    /// What the devices believe.
    pub trust: Arc<DeviceTrust>,
    /// The key that signs activation orders.
    pub order_key: SigningKey,
    /// The port of the hubs on real sockets; any number in a simulation.
    pub hub_port: u16,
}

/// Why a rehearsal cannot begin.
#[derive(Debug, Error)]
pub enum RehearsalError {
    /// A name of the world does not fit its column.
    #[error("a name of the world does not fit the lists")]
    Text(#[from] TextError),
    /// The lists contradict one another.
    #[error("the lists of the world contradict one another")]
    Lists(#[from] LoadError),
    /// The order makes no sense, for example because it is too large.
    #[error("the world makes no campaign order")]
    Order(#[from] OrderError),
    /// There is no image for any device.
    #[error("no image fits a device of the world")]
    NoImage,
}

impl Rehearsal {
    /// Builds the homes, the paperwork and the order.
    pub fn new(cast: Cast<'_>) -> Result<Rehearsal, RehearsalError> {
        let spec = cast.spec;
        let fleet = Fleet::build(spec, cast.seed, &cast.trust, spec.start);
        let papers = paperwork(spec, fleet.homes(), cast.images, cast.hub_port)?;
        let order = order(spec, cast.seed, &papers, cast.images)?;
        let budgets = budgets(spec, &papers);
        let desk = Desk {
            register: Register::from_rows(papers.register.clone())?,
            inventory: Inventory::from_rows(papers.inventory)?,
            gate: GateConfig::AS_EXPECTED,
        };
        let settings = settings(spec, cast.order_key);
        let news = DeskNews::draw(spec, cast.seed, fleet.homes())?;
        let images = cast.images.values().cloned().collect();
        Ok(Rehearsal { fleet, desk, lists: papers.register, order, settings, budgets, images, news })
    }
}

fn order(
    spec: &WorldSpec,
    seed: u64,
    papers: &Paperwork,
    images: &BTreeMap<DeviceKind, VerifiedImage>,
) -> Result<CampaignOrder, RehearsalError> {
    // An entry names its image by kind of device, version and the payload's digest: kinds may share a payload.
    let entries: BTreeSet<_> = papers.targets.values().collect();
    let targets: Vec<Target> = papers
        .register
        .cpl
        .iter()
        .filter(|entry| entries.contains(&entry.id))
        .filter_map(|entry| {
            let is_it = |kind: &DeviceKind, image: &VerifiedImage| {
                let (model, identity) = (spec.device.of(*kind).target(), image.identity());
                device_type(*kind) == entry.device_type
                    && (identity.manufacturer, identity.image_type) == (model.manufacturer, model.image_type)
                    && identity.file_version == entry.firmware
                    && entry.image.is_some_and(|registered| registered.digest == image.image_digest())
            };
            let (_, image) = images.iter().find(|(kind, image)| is_it(kind, image))?;
            Some(Target { image: image.file_digest(), cpl_entry: entry.id.clone() })
        })
        .collect();
    let first = papers.inventory.first().ok_or(RehearsalError::NoImage)?;
    if targets.is_empty() {
        return Err(RehearsalError::NoImage);
    }
    let id: CampaignId = format!("{}-{seed}", spec.name).parse()?;
    Ok(CampaignOrder {
        id,
        instructing_party: InstructingParty::Dcc,
        smso: SmsoId::new(first.smso.as_str())?,
        targets,
        devices: papers.targets.keys().copied().collect(),
        policy: policy(spec),
    })
}

fn permille(share: Share) -> Permille {
    Permille((share.value() * 1_000.0).round() as u16)
}

fn policy(spec: &WorldSpec) -> CampaignPolicy {
    let campaign = &spec.campaign;
    if let Some(terms) = &campaign.terms {
        return terms.policy.clone();
    }
    // The last wave takes the rest, whatever rounding has left.
    let waves = std::iter::once(campaign.pilot_share).chain(campaign.wave_shares.iter().copied());
    let mut waves: Vec<Permille> = waves.map(permille).collect();
    waves.pop();
    CampaignPolicy {
        waves,
        success_threshold: permille(campaign.success_threshold),
        failure_threshold: permille(campaign.failure_threshold),
        poll_interval_s: campaign.poll_interval_s.get(),
        han_deadline_s: campaign.han_deadline_s.get(),
        sending: campaign.sending.clone(),
        activating: campaign.activating.clone(),
        soak_s: campaign.soak_s,
        ..CampaignPolicy::default()
    }
}

/// What has been agreed with a carrier holds for all homes together, whatever their providers are called here.
fn budgets(spec: &WorldSpec, papers: &Paperwork) -> BudgetBook {
    let agreed = spec.campaign.terms.as_ref().and_then(|terms| terms.carrier);
    let providers = papers.inventory.first().map(|device| device.comms_provider.to_string());
    BudgetBook { carriers: providers.zip(agreed).into_iter().collect(), ..BudgetBook::default() }
}

fn settings(spec: &WorldSpec, order_key: SigningKey) -> Settings {
    let campaign = &spec.campaign;
    let round_trip = Duration::from_millis(u64::from(campaign.link_round_trip_ms.get()));
    let link_rate = ByteRate(campaign.link_rate_bytes_per_s.get());
    let burst = Duration::from_millis(campaign.burst_ms.get().into());
    let patience = Patience { first_timeout: round_trip * 4, ..Patience::default() };
    let usual = EngineConfig::default();
    let terms = campaign.terms.as_ref();
    Settings {
        engine: EngineConfig {
            global_rate: ByteRate(campaign.global_rate_bytes_per_s.get()),
            burst,
            global_profile: terms.map_or(usual.global_profile, |terms| terms.global_profile),
            line_burst: terms.map_or(burst, |terms| terms.line_burst),
            reserve_permille: terms.map_or(usual.reserve_permille, |terms| terms.reserve_permille),
            patience,
            ..usual
        },
        cell_rate: ByteRate(campaign.cell_rate_bytes_per_s.get()),
        link_rate: if campaign.link_rate_agreed {
            LineRate::Fixed(link_rate)
        } else {
            LineRate::AtMost(link_rate)
        },
        transport: Transport::Datagram,
        order_key,
        papers: ChainPapers::default(),
    }
}
