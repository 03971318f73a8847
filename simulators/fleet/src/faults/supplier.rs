//! Homes whose supplier changes while a campaign runs: what the desk of the SMSO hears of them, and when.

use super::schedule::Arrivals;
use crate::random::{Purpose, Stream};
use crate::world::{HomeRecord, WorldSpec};
use eligibility::{DeviceChange, Inventory, MeterStatus, SupplierId, TextError};
use firmware_image::Eui64;
use std::collections::VecDeque;
use std::time::Duration;
use transfer_engine::Moment;

/// Changes later than this are not played: no campaign runs longer than a year, and a queue needs a bound.
const HORIZON: Duration = Duration::from_secs(365 * 86_400);

/// Suppliers that take over have numbers from here on, so that reports tell them from those of the beginning.
const FIRST_NEW_SUPPLIER: u64 = 50;
/// How many there are (assumption).
const NEW_SUPPLIERS: u64 = 6;

/// The new supplier of one home in so many does not take up smart service either (assumption).
const DORMANT_ONE_IN: u64 = 3;

/// What the desk will hear of changed suppliers, in the order of time. A home whose supplier changes has smart service
/// again as a rule, so its meters are Active from then on; some stay Dormant.
#[derive(Clone, Debug, Default)]
pub struct DeskNews {
    to_come: VecDeque<News>,
    told: Vec<News>,
    homes: u64,
}

#[derive(Clone, Debug)]
struct News {
    at: Moment,
    meter: Eui64,
    change: DeviceChange,
}

impl DeskNews {
    /// Draws the first change of each home.
    pub(crate) fn draw<'a>(
        spec: &WorldSpec,
        seed: u64,
        homes: impl Iterator<Item = &'a HomeRecord>,
    ) -> Result<DeskNews, TextError> {
        let rate = spec.faults.supplier_changes_per_day;
        let mut to_come = Vec::new();
        for home in homes {
            let stream = || Stream::open(seed, home.hub.0.into(), Purpose::SupplierChange);
            let Some(mut arrivals) = Arrivals::open(spec.start, rate, stream) else { break };
            let at = arrivals.next();
            if at.saturating_since(spec.start) > HORIZON {
                continue;
            }
            let number = FIRST_NEW_SUPPLIER + arrivals.stream.below(NEW_SUPPLIERS);
            let supplier = SupplierId::new(&format!("SUP-{number:02}"))?;
            let stays_dormant = arrivals.stream.below(DORMANT_ONE_IN) == 0;
            for meter in home.devices.iter().filter(|device| device.kind.is_meter()) {
                let active = DeviceChange::Status(MeterStatus::Active);
                let changes =
                    [Some(DeviceChange::Supplier(supplier.clone())), (!stays_dormant).then_some(active)];
                to_come.extend(changes.into_iter().flatten().map(|change| News {
                    at,
                    meter: meter.eui,
                    change,
                }));
            }
        }
        to_come.sort_by_key(|news| news.at);
        Ok(DeskNews { to_come: to_come.into(), told: Vec::new(), homes: 0 })
    }

    /// Returns what is to be noted by now.
    pub fn poll(&mut self, now: Moment) -> Option<(Eui64, DeviceChange)> {
        let news = self.to_come.pop_front_if(|news| news.at <= now)?;
        // A home with two meters is one home.
        let same_home = self.told.last().is_some_and(|last| last.at == news.at);
        self.homes += u64::from(!same_home);
        self.told.push(news.clone());
        Some((news.meter, news.change))
    }

    /// Returns when the next news is due.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.to_come.front().map(|news| news.at)
    }

    /// Notes everything in an inventory that was told so far.
    pub fn retell(&self, inventory: &mut Inventory) {
        for news in &self.told {
            // A device that has left the inventory has nothing to note.
            let _ = inventory.note(news.meter, news.change.clone());
        }
    }

    /// Returns what was told so far: when, about which meter, and what.
    pub fn told(&self) -> impl Iterator<Item = (Moment, Eui64, &DeviceChange)> {
        self.told.iter().map(|news| (news.at, news.meter, &news.change))
    }

    /// Returns how many homes' suppliers have changed.
    pub fn changes(&self) -> u64 {
        self.homes
    }

    pub(crate) fn calm(&mut self) {
        self.to_come.clear();
    }
}
