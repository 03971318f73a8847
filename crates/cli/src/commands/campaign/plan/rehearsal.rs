//! An order's sizes put on a world: as many homes and cells, as many of them with gas, images as long, waves and thresholds
//! as ordered. Links, radio, meters, faults and troubles stay the world's.
//!
//! Only what the gate allows is on it, so that the world's shares of Active, enrolled and untested homes do not count. A
//! home of which only the gas meter is allowed is a Mixed one there; which homes of the world are which is drawn, so that a
//! few of the devices may differ, and the forecast says how many it was about.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use campaign::{CampaignPolicy, CampaignState, Conductor, Permille};
use eligibility::DeviceType;
use fleet::{DeviceKind, EvidenceSpec, Share, StandingSpec, WorldSpec};
use transfer_engine::Moment;

/// What an order amounts to.
pub(super) struct Sizes {
    homes: BTreeMap<String, BTreeSet<DeviceKind>>,
    cells: BTreeSet<(String, String)>,
    /// The longest payload for each kind of device.
    payloads: BTreeMap<DeviceKind, u32>,
}

impl Sizes {
    /// Counts what the gate allows.
    pub(super) fn of(state: &CampaignState, conductor: &Conductor) -> Sizes {
        let (mut homes, mut cells, mut payloads) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let inventory = &conductor.desk().inventory;
        for row in state.rows().filter(|row| row.wave.is_some()) {
            let Some(device) = inventory.device(row.device) else { continue };
            let kind = match device.device_type {
                DeviceType::Chf => DeviceKind::Hub,
                DeviceType::Esme => DeviceKind::Electricity,
                DeviceType::Gsme => DeviceKind::Gas,
                DeviceType::Ppmid | DeviceType::Ihd => DeviceKind::Display,
            };
            let image = conductor.images().find(|image| Some(image.file_digest()) == row.image);
            let len = image.map_or(0, |image| image.file().payload().len() as u32);
            let longest: &mut u32 = payloads.entry(kind).or_default();
            *longest = (*longest).max(len);
            let home: &mut BTreeSet<DeviceKind> = homes.entry(row.installation.clone()).or_default();
            home.insert(kind);
            cells.insert((device.cell.to_string(), device.comms_provider.to_string()));
        }
        Sizes { homes, cells, payloads }
    }

    /// Returns the kinds of devices that get an image.
    pub(super) fn kinds(&self) -> Vec<DeviceKind> {
        self.payloads.keys().copied().collect()
    }

    /// Returns a world with these sizes.
    pub(super) fn applied(&self, world: WorldSpec, policy: &CampaignPolicy, start: Moment) -> WorldSpec {
        let count = |number: usize| NonZeroU32::new(number as u32).unwrap_or(NonZeroU32::MIN);
        let has = |kind| move |home: &&BTreeSet<DeviceKind>| home.contains(&kind);
        let gas = self.share(has(DeviceKind::Gas));
        let gas_only = |home: &&BTreeSet<DeviceKind>| {
            home.contains(&DeviceKind::Gas) && !home.contains(&DeviceKind::Electricity)
        };
        let mut spec = WorldSpec {
            installations: count(self.homes.len()),
            cells: count(self.cells.len()),
            regions: NonZeroU32::MIN,
            first_installation: 0,
            start,
            gas_share: gas,
            display_share: self.share(has(DeviceKind::Display)),
            standing: StandingSpec {
                active_share: Share::NONE,
                mixed_share: self.share(gas_only),
                enrolled_share: Share::NONE,
                excluded_share: Share::NONE,
            },
            evidence: EvidenceSpec {
                epcl_share: Share::ALL,
                mt_sit_share: Share::NONE,
                dmct_report_share: Share::NONE,
                equivalence_draft_share: Share::NONE,
                none_share: Share::NONE,
            },
            ..world
        };
        spec.trouble.already_current_share = Share::NONE;
        for kind in DeviceKind::ALL {
            let payload = self.payloads.get(&kind).copied().and_then(NonZeroU32::new);
            spec.device.of_mut(kind).image_bytes = payload;
        }
        let campaign = &mut spec.campaign;
        let mut waves: Vec<Share> = policy.waves.iter().map(|part| share(*part)).collect();
        let dealt: f64 = waves.iter().map(|part| part.value()).sum();
        waves.push(Share::new((1.0 - dealt).max(0.0)).unwrap_or(Share::NONE));
        campaign.pilot_share = waves.remove(0);
        campaign.wave_shares = waves;
        campaign.success_threshold = share(policy.success_threshold);
        campaign.failure_threshold = share(policy.failure_threshold);
        let seconds = |seconds: u32| NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN);
        campaign.poll_interval_s = seconds(policy.poll_interval_s);
        campaign.han_deadline_s = seconds(policy.han_deadline_s);
        spec
    }

    /// Returns the share of the homes for which something holds.
    fn share(&self, holds: impl Fn(&&BTreeSet<DeviceKind>) -> bool) -> Share {
        let number = self.homes.values().filter(holds).count();
        Share::new(number as f64 / self.homes.len().max(1) as f64).unwrap_or(Share::NONE)
    }
}

fn share(part: Permille) -> Share {
    Share::new(f64::from(part.0) / 1_000.0).unwrap_or(Share::ALL)
}
