//! Floors by the day: so many homes of each supplier are started on every legal day of Great Britain, as long as it has homes
//! that wait for their wave.
//!
//! The Migration Scaling Methodology has a flat floor of installations a day for each party (`DMIN`). Waves alone give none:
//! a supplier whose homes stand in the last wave waits for as long as the waves of the others take. So what is missing on a
//! day is brought forward into the wave that is open, home by home, and is counted there from then on: for the thresholds,
//! too, so that what fails in it halts the campaign.
//!
//! A floor is no way around anything. It begins with the second wave, because the pilot has to show first that the firmware
//! is sound; and who is brought forward is instructed as others are, within the hours and limits of the policy and by the
//! gate. Homes that have their wave and wait for a limit count as started: more of them would wait with them.

use std::collections::{BTreeMap, BTreeSet};

use firmware_image::Eui64;
use transfer_engine::Moment;

use super::Conductor;
use crate::order::CampaignId;
use crate::record::{ForwardRecord, Record};
use crate::stage::Stage;
use crate::window::day_of;

/// The homes of a supplier on a day.
#[derive(Debug, Default)]
struct Party<'a> {
    /// Those that were started, or wait within a wave that is open.
    started: BTreeSet<&'a str>,
    /// Those that wait for their wave, by class and wave.
    waiting: BTreeSet<(u8, u16, &'a str)>,
}

/// A home that waits for its wave.
#[derive(Debug)]
struct Waiting {
    priority: u8,
    wave: u16,
    supplier: String,
    devices: Vec<Eui64>,
}

impl Conductor {
    /// Brings forward what suppliers lack of their floor today. Asked as often as one likes: what was started is counted
    /// from the rows.
    pub(super) fn keep_floors(&mut self, now: Moment, campaign: &CampaignId) {
        let Some(state) = self.campaigns.get(campaign).filter(|_| self.may_send(now, campaign)) else {
            return;
        };
        let floor = state.order.policy.floor_per_supplier_per_day as usize;
        if floor == 0
            || state.waves_opened < 2
            || state.last_wave().is_none_or(|last| last < state.waves_opened)
        {
            return;
        }
        let open = state.waves_opened - 1;
        let forward = self.lacking(now, campaign, floor);
        for device in &forward {
            let record = ForwardRecord { device: *device, wave: open };
            self.record(now, campaign, &Record::BroughtForward(record), None);
        }
        for device in forward {
            self.instruct(now, campaign, device);
        }
    }

    /// Returns the devices of the homes that are to be brought forward, home by home.
    fn lacking(&self, now: Moment, campaign: &CampaignId, floor: usize) -> Vec<Eui64> {
        let Some(state) = self.campaigns.get(campaign) else { return Vec::new() };
        let (today, _) = day_of(now);
        let mut waiting: BTreeMap<&str, Waiting> = BTreeMap::new();
        let mut started: Vec<(&str, Eui64)> = Vec::new();
        for row in state.rows() {
            let Some(wave) = row.wave else { continue };
            let is_pending = row.stage == Stage::Planned;
            if is_pending && wave >= state.waves_opened {
                let home = waiting.entry(&row.installation).or_insert_with(|| Waiting {
                    priority: row.priority,
                    wave,
                    supplier: self.supplier_of(row.device),
                    devices: Vec::new(),
                });
                if row.priority < home.priority {
                    (home.priority, home.supplier) = (row.priority, self.supplier_of(row.device));
                }
                home.devices.push(row.device);
                continue;
            }
            // Who is on a later step of its way was started before.
            let is_first = row.reached(Stage::Planned) == Some(state.ordered_at);
            let instructed = row.reached(Stage::Instructed);
            if is_first && (is_pending || instructed.is_some_and(|at| at >= today)) {
                started.push((&row.installation, row.device));
            }
        }
        let mut parties: BTreeMap<String, Party<'_>> = BTreeMap::new();
        for (installation, device) in started {
            parties.entry(self.supplier_of(device)).or_default().started.insert(installation);
        }
        for (installation, home) in &waiting {
            let party = parties.entry(home.supplier.clone()).or_default();
            party.waiting.insert((home.priority, home.wave, installation));
        }
        let lacking = parties.values().flat_map(|party| {
            let lacks = floor.saturating_sub(party.started.len());
            party.waiting.iter().take(lacks).map(|(_, _, installation)| *installation)
        });
        lacking
            .filter_map(|installation| waiting.get(installation))
            .flat_map(|home| home.devices.clone())
            .collect()
    }
}
