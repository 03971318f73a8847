//! An order put on a world: as many homes and cells, as many of them with gas, images as long, under the order's own policy
//! and the budgets of the configuration. Links, radio, meters, faults and troubles stay the world's. What an order or the
//! budgets say and a world has no place for is told beside the forecast.
//!
//! Only what the gate allows is on it, so that the world's shares of Active, enrolled and untested homes do not count. A
//! home of which only the gas meter is allowed is a Mixed one there; which homes of the world are which is drawn, so that a
//! few of the devices may differ, and the forecast says how many it was about.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use campaign::{BudgetBook, CampaignPolicy, CampaignState, Conductor};
use eligibility::DeviceType;
use firmware_image::FileDigest;
use fleet::{DeviceKind, EvidenceSpec, Share, StandingSpec, WorldSpec};
use transfer_engine::{BudgetPlan, DayProfile, Moment};

use super::super::super::serve::Terms;
use super::hops::LaterHops;

/// What an order amounts to.
pub(super) struct Sizes {
    homes: BTreeMap<String, BTreeSet<DeviceKind>>,
    cells: BTreeSet<(String, String)>,
    /// The longest payload for each kind of device.
    payloads: BTreeMap<DeviceKind, u32>,
    /// Whether some devices go over several images.
    has_steps: bool,
    /// Whether some devices wait for what the gate has them wait for.
    has_waiting: bool,
}

impl Sizes {
    /// Counts what the gate allows. The images of a device that goes over several are one image as long as all of them.
    pub(super) fn of(state: &CampaignState, conductor: &Conductor, later: &LaterHops) -> Sizes {
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
            let images = row.image.iter().chain(later.get(&row.device).into_iter().flatten());
            let image_of =
                |digest: &FileDigest| conductor.images().find(|image| image.file_digest() == *digest);
            let lengths = images.filter_map(image_of).map(|image| image.file().payload().len() as u32);
            let len = lengths.fold(0, u32::saturating_add);
            let longest: &mut u32 = payloads.entry(kind).or_default();
            *longest = (*longest).max(len);
            let home: &mut BTreeSet<DeviceKind> = homes.entry(row.installation.clone()).or_default();
            home.insert(kind);
            cells.insert((device.cell.to_string(), device.comms_provider.to_string()));
        }
        let has_waiting = state.rows().any(|row| row.verdict.waits);
        Sizes { homes, cells, payloads, has_steps: !later.is_empty(), has_waiting }
    }

    /// Returns the kinds of devices that get an image.
    pub(super) fn kinds(&self) -> Vec<DeviceKind> {
        self.payloads.keys().copied().collect()
    }

    /// Returns a world with these sizes, on which the order's policy and the budgets hold.
    pub(super) fn applied(
        &self,
        world: WorldSpec,
        policy: &CampaignPolicy,
        (terms, book): (&Terms, &BudgetBook),
        start: Moment,
    ) -> WorldSpec {
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
        // The bound of the forecast reads it there.
        campaign.poll_interval_s = NonZeroU32::new(policy.poll_interval_s).unwrap_or(NonZeroU32::MIN);
        // Nobody signs on a world; without that, the devices would wait for ever.
        let policy = CampaignPolicy { approvals: 0, ..policy.clone() };
        let cell_rate = self.plan_of_cells(book).map(|plan| plan.rate);
        let carrier = self.only_carrier().and_then(|name| book.carriers.get(name)).copied();
        terms.put_on(campaign, policy, cell_rate, carrier);
        spec
    }

    /// Returns the budget of the cells, if all have the same one of their own.
    fn plan_of_cells<'a>(&self, book: &'a BudgetBook) -> Option<&'a BudgetPlan> {
        let mut plans = self.cells.iter().map(|(name, _)| book.cells.get(name));
        let first = plans.next()??;
        plans.all(|plan| plan == Some(first)).then_some(first)
    }

    /// Returns the carrier, if all homes have the same.
    fn only_carrier(&self) -> Option<&str> {
        let mut names = self.cells.iter().map(|(_, carrier)| carrier.as_str());
        let first = names.next()?;
        names.all(|name| name == first).then_some(first)
    }

    /// Says what of the order and the budgets has no place on a world, or another meaning there.
    pub(super) fn strangers(&self, policy: &CampaignPolicy, book: &BudgetBook) -> Vec<String> {
        let usual = CampaignPolicy::default();
        let mut said: Vec<String> = Vec::new();
        let mut say = |holds: bool, keys: &str, what: &str| {
            if holds {
                said.push(format!("{keys}: {what}"));
            }
        };
        say(policy.approvals > 0, "approvals", "taken to have been given before the first device needs them");
        say(self.has_waiting, "notices", "whoever waits for one is served as if its day had come");
        say(policy.weight != usual.weight, "weight", "without effect, as no other campaign is there");
        let made_up = "counted by the world's own suppliers, which are made up";
        say(policy.floor_per_supplier > 0, "floor_per_supplier", made_up);
        say(policy.floor_per_supplier_per_day > 0, "floor_per_supplier_per_day", made_up);
        say(policy.at_risk_most_per_supplier > 0, "at_risk_most_per_supplier", made_up);
        let one = "counted by the world's models, of which each kind of device has one";
        say(policy.at_risk_most_per_model > 0, "at_risk_most_per_model", one);
        let even = "counted by the world's own, over which homes are dealt evenly";
        say(policy.at_risk_most_per_cell > 0, "at_risk_most_per_cell", even);
        say(policy.at_risk_most_per_district > 0, "at_risk_most_per_district", even);
        let has_own = |(name, _): &(String, String)| book.cells.contains_key(name);
        let plan = self.plan_of_cells(book);
        let differ = plan.is_none() && self.cells.iter().any(has_own);
        say(
            differ,
            "budgets.cells",
            "left out, as homes are dealt evenly over cells of cell_rate_bytes_per_s",
        );
        let by_hour = plan.is_some_and(|plan| plan.profile != DayProfile::FLAT);
        say(by_hour, "budgets.cells", "their profile_permille is left out");
        let has_budget = |(_, carrier): &(String, String)| book.carriers.contains_key(carrier);
        let several = self.only_carrier().is_none() && self.cells.iter().any(has_budget);
        say(several, "budgets.carriers", "left out, as a world has one carrier and these homes have several");
        say(
            self.has_steps,
            "targets",
            "images on the way to others count as one image as long as all of them",
        );
        said
    }

    /// Returns the share of the homes for which something holds.
    fn share(&self, holds: impl Fn(&&BTreeSet<DeviceKind>) -> bool) -> Share {
        let number = self.homes.values().filter(holds).count();
        Share::new(number as f64 / self.homes.len().max(1) as f64).unwrap_or(Share::NONE)
    }
}
