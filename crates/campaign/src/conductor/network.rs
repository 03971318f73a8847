//! What a campaign brings to whom, over what: its devices by the cells and homes of the inventory, with the rates of the
//! budgets that the engine keeps.
//!
//! A line counts at the rate it may be filled at, as nobody knows what it carries. Budgets of carriers and shares by the
//! hour are not in it. Both make a bound of it lower, never higher.

use std::collections::BTreeMap;

use eligibility::{DeviceType, DeviceView};

use super::Conductor;
use crate::forecast::{CellDemand, Delivery, HomeDemand, Network};
use crate::order::CampaignId;
use crate::state::{CampaignState, DeviceRow};

/// A cell, and its carrier where something has been agreed about that: as for the engine, which knows no others.
type CellName<'a> = (&'a str, Option<&'a str>);

impl Conductor {
    /// Lays out a campaign, with what `delivery` says of each of its devices that the inventory has.
    pub fn network(
        &self,
        state: &CampaignState,
        delivery: impl Fn(&DeviceRow, &DeviceView<'_>) -> Option<Delivery>,
    ) -> Network {
        let mut cells: BTreeMap<CellName<'_>, BTreeMap<&str, Vec<Delivery>>> = BTreeMap::new();
        for row in state.rows() {
            let Some(device) = self.desk.inventory.device(row.device) else { continue };
            let Some(delivery) = delivery(row, &device) else { continue };
            let carrier = Some(device.comms_provider.as_str()).filter(|name| self.has_agreed_with(name));
            let homes = cells.entry((device.cell.as_str(), carrier)).or_default();
            homes.entry(device.installation.as_str()).or_default().push(delivery);
        }
        let engine = &self.settings.engine;
        let home = |(name, deliveries): (&str, Vec<Delivery>)| HomeDemand {
            name: name.to_owned(),
            rate: self.settings.link_rate.ceiling(),
            deliveries,
        };
        let cells = cells.into_iter().map(|((name, _), homes)| CellDemand {
            name: name.to_owned(),
            rate: engine.rate_for_blocks(self.rate_in(name)),
            homes: homes.into_iter().map(home).collect(),
        });
        let policy = &state.order.policy;
        Network {
            head_end: engine.rate_for_blocks(engine.global_rate),
            cells: cells.collect(),
            sending: policy.sending.clone(),
            activating: policy.activating.clone(),
            activate_not_before: policy.activate_not_before,
            ordered_at: state.ordered_at,
        }
    }

    /// Lays out what a campaign brought to whom, from its records and the inventory of today; `None` when there is no such
    /// campaign.
    pub fn network_as_run(&self, campaign: &CampaignId) -> Option<Network> {
        let state = self.campaigns.get(campaign)?;
        let sleeps = |device: &DeviceView<'_>| device.device_type == DeviceType::Gsme;
        let as_run = |row: &DeviceRow, device: &DeviceView<'_>| {
            Delivery::as_run(row, &state.order.policy, sleeps(device))
        };
        Some(self.network(state, as_run))
    }
}
